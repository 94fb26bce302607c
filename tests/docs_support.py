"""What the documents are held against: commands, codes, settings, diagrams, as the code has them.

`python -m tests.docs_support` writes what policies/README.md has from the code anew: all that
stands between `<!-- made: NAME -->` and `<!-- end -->`.
"""

import ast
import importlib
import pkgutil
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po
from typer.main import get_command

from gatekeeper.domain import applications, memberships
from gatekeeper.domain.errors import GatekeeperError

TOP = Path(__file__).parents[1]
POLICIES = TOP / "policies" / "README.md"
DOCUMENTS = tuple(
    path
    for pattern in ("*.md", "[a-z]*/**/*.md")
    for path in sorted(TOP.glob(pattern))
    if not {"build", "dist", "templates"}.intersection(path.parts)
)

# How the diagrams are introduced; the diagrams follow from the tables.
ABOUT: Mapping[str, tuple[Any, str, str]] = {
    "An application": (
        applications,
        "unproven",
        "`approved` is decided but not yet invited; `admitted` means joined.",
    ),
    "A membership": (
        memberships,
        "active",
        "Any sign of life, a leave or an exemption is `alive`; `keep` is an admin's word, or what\n"
        "the last look before a removal finds. An admin's own hand may remove at any time.",
    ),
}


# ---- Diagrams ----------------------------------------------------------------------------------


def diagram(table: Mapping[tuple[StrEnum, StrEnum], StrEnum], first: str) -> str:
    """A table NEXT as a mermaid state diagram; events that lead the same way share an arrow."""
    arrows: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    # In the order of the lives: a table built from a set has no order of its own.
    lives = list(type(next(iter(table.values()))))
    rows = sorted(table.items(), key=lambda row: (lives.index(row[0][0]), lives.index(row[1])))
    for (state, event), after in rows:
        arrows[_name(state), _name(after)].append(event.value)
    ends = sorted({_name(after) for after in table.values()} - {before for before, _ in arrows})
    lines = ["stateDiagram-v2", f"    [*] --> {first}"]
    lines += [
        f"    {before} --> {after}: {', '.join(events)}"
        for (before, after), events in arrows.items()
    ]
    lines += [f"    {end} --> [*]" for end in ends]
    return "\n".join(lines)


def _name(state: StrEnum) -> str:
    return state.value.replace("-", "_")  # mermaid takes no "-" in the name of a state


def life(title: str) -> str:
    """A state diagram with what has to be said of it."""
    module, first, about = ABOUT[title]
    return f"{about}\n\n```mermaid\n{diagram(module.NEXT, first)}\n```"


# ---- What a document has from the code ---------------------------------------------------------

MADE = re.compile(r"(?s)<!-- made: (.+?) -->\n(.*?)<!-- end -->")


def makers() -> Mapping[str, Callable[[], str]]:
    """What can be made, by the name that stands in the document."""
    from tests.policy import fields

    return {
        "commands": fields.command_table,
        "functions": fields.function_table,
        "fields of cases": fields.case_table,
        **{f"life of {title.lower()}": partial(life, title) for title in ABOUT},
        **{f"fields of {kind}": partial(fields.field_table, kind) for kind in fields.KINDS},
        **{f"facts of {one}": partial(fields.fact_table, one) for one in ("application", "member")},
        **{
            f"findings in {about}": partial(fields.finding_table, about)
            for about in ("policies", "cases")
        },
        "refusals of commands": fields.refusal_table,
    }


@cache
def made() -> Mapping[str, str]:
    """The same, written; a blank line before and behind keeps tables tables."""
    return {name: f"\n{make()}\n\n" for name, make in makers().items()}


def written(document: Path = POLICIES) -> Mapping[str, str]:
    """The same as it stands in the document."""
    return dict(MADE.findall(document.read_text("utf-8")))


def renew(document: Path = POLICIES) -> None:
    """Write all of it anew."""
    new = made()
    text = MADE.sub(
        lambda found: f"<!-- made: {found[1]} -->\n{new[found[1]]}<!-- end -->",
        document.read_text("utf-8"),
    )
    document.write_text(text, "utf-8")


# ---- What the code has -------------------------------------------------------------------------


@cache
def error_classes() -> tuple[type[GatekeeperError], ...]:
    """Every GatekeeperError that gatekeeper and its adapters define."""
    for name in ("gatekeeper", "gatekeeper_matrix"):
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not re.search(r"testing|migrations|__main__", found.name):
                importlib.import_module(found.name)
    return tuple(_family(GatekeeperError))


def _family(kind: type[GatekeeperError]) -> Iterator[type[GatekeeperError]]:
    if kind.__module__.startswith("gatekeeper"):
        yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


def commands() -> Mapping[str, Any]:
    """Every command that does something, by its words: "policy check"."""
    from gatekeeper.cli.main import app

    return dict(_leaves(get_command(app), ()))


def _leaves(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if not inner:
        yield " ".join(words), command
        return
    for name, child in inner.items():
        yield from _leaves(child, (*words, name))


def options(command: Any) -> frozenset[str]:
    """The long options of a command."""
    return frozenset(name for each in command.params for name in each.opts if name[:2] == "--")


def targets() -> Mapping[str, str]:
    """The Makefile's targets with their help."""
    text = (TOP / "Makefile").read_text("utf-8")
    return dict(re.findall(r"(?m)^([a-z]+):.*## (.+)$", text))


def project() -> Mapping[str, Any]:
    """pyproject.toml's [project]."""
    found: Mapping[str, Any] = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    return found


def dependencies() -> tuple[str, ...]:
    """What we depend on, to run and to develop, by name."""
    told = project()
    every = [*told["dependencies"], *told["optional-dependencies"]["dev"]]
    return tuple(re.split(r"[\[<>=!~ ;]", each)[0] for each in every)


# ---- Texts -------------------------------------------------------------------------------------


def catalogue(language: str) -> Mapping[str, tuple[str, ...]]:
    """Each code with its sentences, one for each plural form."""
    with (TOP / f"gatekeeper/locale/{language}.po").open("rb") as file:
        read = read_po(file, locale=language)
    found = {}
    for message in read:
        code = message.id if isinstance(message.id, str) else message.id[0]
        said = message.string
        if code:
            found[code] = (said,) if isinstance(said, str) else tuple(said)
    return found


def spoken() -> Iterator[tuple[str, str]]:
    """Every code that stands in the code as a literal where a sentence is asked for, and where.

    `say("…")`, `parts.say("…")`, `say(parts, "…")`, `Decision(…, "…")`, and `Refused("…")`, which
    in a chat is said as `refused.…` and on a page as it is.
    """
    for folder in ("usecases", "web", "cli"):
        for path in sorted((TOP / "gatekeeper" / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    where = f"{path.relative_to(TOP)}:{node.lineno}"
                    yield from ((code, where) for code in _codes(node))


def literals(keyword: str) -> Iterator[tuple[str, str]]:
    """Every text that is given by this keyword in the use cases, and where."""
    for path in sorted((TOP / "gatekeeper" / "usecases").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == keyword:
                yield from ((text, f"{path.name}:{node.lineno}") for text in _literals(node.value))


def _codes(call: ast.Call) -> Iterator[str]:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    own = isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "render"
    if name in {"say", "_say"} and not own:
        yield from (code for arg in call.args[:4] for code in _literals(arg))
    elif name in {"tell_member", "_refuse", "bad", "good"}:
        prefix = {"bad": "doctor.", "good": "doctor.", "_refuse": "refused."}.get(name, "")
        yield from (f"{prefix}{code}" for arg in call.args[:4] for code in _literals(arg))
    elif name == "Decision" and len(call.args) > 1:
        yield from _literals(call.args[1])
    elif name == "Refused" and call.args:
        yield from (f"refused.{code}" for code in _literals(call.args[0]))


def _literals(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)


if __name__ == "__main__":
    renew()
