"""The tables of policies/README.md as they follow from the code.

`python -m tests.docs_support` writes them into the document.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from gatekeeper.policy.base import write_duration
from gatekeeper.policy.case_format import Case, CaseFile, Expect, Fixtures, Row
from gatekeeper.policy.document import KINDS
from gatekeeper.policy.facts import ApplicationFacts, Facts, MemberFacts
from gatekeeper.policy.findings import WARNINGS
from tests import docs_support

GATEKEEPER: Final = docs_support.TOP / "gatekeeper"

# Where findings about policies and cases are made; and what else the commands may refuse.
FINDERS: Final = tuple(
    f"policy/{name}.py"
    for name in (
        "base", "budget", "case_reader", "club_document", "conditions", "lints", "parse",
        "places", "rule_sets", "shadows",
    )
)  # fmt: skip
FINDS: Final = (*FINDERS, "cli/rules.py")
REFUSERS: Final = (
    "cli/cases.py", "cli/explain.py", "cli/frame.py", "cli/simulate.py", "policy/faster.py",
    "policy/what_if.py", "policy_file.py", "usecases/past.py", "usecases/pending.py",
    "usecases/readings.py", "usecases/versions.py",
)  # fmt: skip

# Every function that conditions may use: its family, how it is written, what it gives. The
# examples are true; a test evaluates them.
FUNCTIONS: Final[tuple[tuple[str, str, str], ...]] = (
    ("has", "has(application.last_declined_at) == false", "whether something is there"),
    ("size", "size('Ada') == 3", "letters of a text, entries of a list; also `'Ada'.size()`"),
    ("contains", "'a garden'.contains('garden')", "whether a text has another inside"),
    ("startsWith", "'lead-sails'.startsWith('lead-')", "whether it begins so"),
    ("endsWith", "'x.example'.endsWith('.example')", "whether it ends so"),
    ("matches", "'Best CASINO'.matches('(?i)casino')", "whether a pattern (RE2) is found in it"),
    ("lowerAscii", "'ADA'.lowerAscii() == 'ada'", "A to Z in small letters; Ä stays Ä"),
    ("upperAscii", "'ada'.upperAscii() == 'ADA'", "a to z in capitals"),
    ("trim", "' ada '.trim() == 'ada'", "without blanks before and behind"),
    ("replace", "'a-b'.replace('-', ' ') == 'a b'", "one text put for another"),
    ("split", "'a b'.split(' ') == ['a', 'b']", "its parts, as a list"),
    ("join", "['a', 'b'].join(', ') == 'a, b'", "a list of texts as one"),
    ("substring", "'matrix'.substring(0, 3) == 'mat'", "from a place, counted from 0, to another"),
    ("indexOf", "'matrix'.indexOf('r') == 3", "where it is found first; -1: nowhere"),
    ("lastIndexOf", "'abab'.lastIndexOf('a') == 2", "where it is found last; -1: nowhere"),
    ("charAt", "'Ada'.charAt(0) == 'A'", "one letter"),
    ("reverse", "'abc'.reverse() == 'cba'", "from behind"),
    ("format", "'%d of %s'.format([1, 'two']) == '1 of two'", "a text with values put in"),
    ("quote", "strings.quote('a') == '\"a\"'", "in quotes"),
    ("exists", "['a', 'b'].exists(r, r == 'a')", "whether some entry is so"),
    ("exists_one", "['a', 'b'].exists_one(r, r == 'a')", "whether just one entry is so"),
    ("all", "['a', 'b'].all(r, size(r) == 1)", "whether every entry is so"),
    ("filter", "['a', 'bb'].filter(r, size(r) > 1) == ['bb']", "the entries that are so"),
    ("map", "['a', 'bb'].map(r, size(r)) == [1, 2]", "something made of each entry"),
    ("duration", "duration('2w') == duration('14d')", "a span written with a unit"),
    ("timestamp", "timestamp('2026-03-01T00:00:00Z') < now", "a moment written out"),
    ("getFullYear", "now.getFullYear() == 2026", "the year"),
    ("getMonth", "now.getMonth() == 2", "the month; January is 0"),
    ("getDate", "now.getDate('Europe/Berlin') == 2", "the day of the month, from 1"),
    ("getDayOfMonth", "now.getDayOfMonth() == 1", "the same, from 0"),
    ("getDayOfWeek", "now.getDayOfWeek() == 1", "the day of the week; Sunday is 0"),
    ("getDayOfYear", "now.getDayOfYear() == 60", "the day of the year, from 0"),
    ("getHours", "now.getHours('Europe/Berlin') == 13", "the hour; of a duration: whole hours"),
    ("getMinutes", "now.getMinutes() == 0", "the minute; of a duration: whole minutes"),
    ("getSeconds", "duration('2m').getSeconds() == 120", "the second; of a duration: seconds"),
    ("getMilliseconds", "now.getMilliseconds() == 0", "the thousandths"),
    ("int", "int(2.9) == 2", "a whole number; a text that is none is a fault"),
    ("double", "double(3) == 3.0", "a decimal number"),
    ("string", "string(3) == '3'", "a text; a duration becomes seconds, as in `3600s`"),
    ("bool", "bool('true')", "true or false from a text"),
    ("uint", "uint(3) == 3u", "a whole number from 0 on; of no use here"),
    ("bytes", "bytes('a') == b'a'", "a text as bytes; of no use here"),
    ("type", "type(3) == int", "what a value is; of no use here"),
)


def model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := model_in(arg))), None)


def default_of(field: Any) -> str:
    value = field.default
    if field.default_factory is not None:
        return "as below" if model_in(field.annotation) else "none"
    if value is PydanticUndefined:
        return "**to be given**"
    if isinstance(value, tuple):
        return "all of them" if value else "none"
    if isinstance(value, timedelta):
        return f"`{write_duration(value)}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return {None: "null", "": "empty"}.get(value, f"`{value}`")


def rows(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """A table row for every field, in the order of the schema."""
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        path = before + (field.alias or name)
        if inner and "tuple" in str(field.annotation):
            path += "[]"
        elif (
            inner
            and get_origin(field.annotation) is not None
            and "Mapping" in str(field.annotation)
        ):
            path += ".<language>"
        yield f"| `{path}` | {default_of(field)} | {field.description} |"
        if inner:
            yield from rows(inner, f"{path}.")


def fact_rows(model: type[Facts], subject: str) -> Iterator[str]:
    """A table row for every name that conditions know."""
    for name, field in model.model_fields.items():
        kind = str(field.annotation)
        plain = next(
            (
                word
                for sign, word in (
                    ("tuple", "list of texts"), ("Mapping", "by question"), ("Aware", "time"),
                    ("timedelta", "duration"), ("bool", "true, false"), ("int", "number"),
                    ("float", "decimal"),
                )
                if sign in kind
            ),
            "text",
        )  # fmt: skip
        absent = ", may be absent" if type(None) in get_args(field.annotation) else ""
        yield f"| `{subject}.{name}` | {plain}{absent} | {field.description} |"


# ---- Tables ----------------------------------------------------------------------------------


def table(head: str, lines: Iterable[str]) -> str:
    """A table with these column names, parted by "|"."""
    columns = [name.strip() for name in head.split("|")]
    return "\n".join(
        [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns), *lines],
    )


def field_table(kind: str) -> str:
    """Every field of a kind of document."""
    return table("field | default | what it holds", rows(KINDS[kind]))


def fact_table(subject: str) -> str:
    """Every name of a subject that conditions know."""
    facts = ApplicationFacts if subject == "application" else MemberFacts
    return table("name | type | what it is", fact_rows(facts, subject))


def case_table() -> str:
    """Every field of a file of cases."""
    parts: Mapping[str, type[BaseModel]] = {
        "": CaseFile,
        "fixtures.": Fixtures,
        "cases[].": Case,
        "cases[].expect.": Expect,
        "cases[].matrix[].": Row,
    }
    lines = [
        f"| `{before}{name}` | {default_of(field)} | {field.description} |"
        for before, model in parts.items()
        for name, field in model.model_fields.items()
    ]
    return table("field | default | what it holds", lines)


def function_table() -> str:
    """Every function that conditions may use."""
    lines = [f"| `{name}` | `{_cell(example)}` | {what} |" for name, example, what in FUNCTIONS]
    return table("function | example, which is true | gives", lines)


def finding_table(about: str) -> str:
    """Every code of a finding about `policies`, or about `cases`."""
    return _codes(code for code in codes_in(FINDS) if code.startswith("case") is (about == "cases"))


def refusal_table() -> str:
    """Every code by which a command about policies says no, beside findings."""
    return _codes(codes_in(REFUSERS) - codes_in(FINDS))


def _codes(known: Iterable[str]) -> str:
    said = docs_support.catalogue("en")
    lines = [
        f"| `{code}`{' (warning)' if code in WARNINGS else ''} | {_cell(said[code][-1])} "
        f"| {_cell(said[f'{code}.remedy'][-1])} |"
        for code in sorted(known)
    ]
    return table("code | what is wrong | what to do", lines)


def codes_in(files: Iterable[str]) -> frozenset[str]:
    """The codes with a remedy that stand in these modules as literals."""
    said = docs_support.catalogue("en")
    found = set[str]()
    for file in files:
        for node in ast.walk(ast.parse((GATEKEEPER / Path(file)).read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return frozenset(
        code
        for code in found
        if re.fullmatch(r"[a-z]+(-[a-z]+)+", code) and f"{code}.remedy" in said
    )


def command_table() -> str:
    """Every command under `gatekeeper policy` with its arguments and options."""
    lines = []
    for name, command in docs_support.commands().items():
        if not name.startswith("policy "):
            continue
        about = " ".join((command.help or "").split("\n\n")[0].split())
        given = " ".join(
            _argument(each) for each in command.params if each.param_type_name == "argument"
        )
        told = " ".join(f"gatekeeper {name} {given}".split())
        lines.append(f"| **`{_cell(told)}`** | {_cell(about)} |")
        lines += [
            f"| `{_cell(_option(each))}` | {_cell(each.help)} |"
            for each in command.params
            if each.param_type_name == "option" and each.opts != ["--help"]
        ]
    return table("command, and its options | what it does", lines)


def _argument(each: Any) -> str:
    told = each.metavar or each.name.upper()
    return told if each.required else f"[{told}]"


def _option(each: Any) -> str:
    if each.is_flag:
        return str(each.opts[0])
    return f"{each.opts[0]} {each.metavar or 'NUMBER'}"


def _cell(text: str) -> str:
    """A text as it may stand in a table."""
    return " ".join(text.replace("|", "\\|").split())
