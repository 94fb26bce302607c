"""policy: the group of commands about the club's rules; check, schema and diff are here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatekeeper.cli import cases, explain, frame, invariants, render, simulate, versions
from gatekeeper.cli.frame import Json
from gatekeeper.reading import Unreadable, read_text

if TYPE_CHECKING:
    from gatekeeper.policy.findings import Finding
    from gatekeeper.policy.judge import Policy

DIGEST = re.compile("[0-9a-f]{4,64}")

policy = typer.Typer(help="The club's rules.", no_args_is_help=True)

Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE…", help="Policies, and files of cases; else the policy the settings name."
    ),
]
Language = Annotated[
    str, typer.Option("--language", metavar="CODE", help="Of the sentences, as in de.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module, and of those that have one of the group each."""
    app.add_typer(policy, name="policy")
    for part in (cases, explain, simulate, versions):
        part.add_to(policy)


def read(file: str = "") -> tuple[Path, str]:
    """A policy's place and text; "" is the one that the settings name. SettingsError."""
    path = Path(file) if file else frame.place("policy")
    return path, read_text(path)


# ---- check -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Checked:
    """One file and what was found in it.

    Attributes:
        policy: None for cases, and for what is wrong.
        lost: it could not be read at all.
    """

    path: Path
    findings: Sequence["Finding"]
    text: str = ""
    policy: "Policy | None" = None
    lost: bool = False
    held: list[Any] = field(default_factory=list)


@policy.command("check")
def check(
    files: Files = None,
    strict: Annotated[bool, typer.Option("--strict", help="Say no to warnings, too.")] = False,
    stated: Annotated[
        bool, typer.Option("--invariants", help="Try its invariants against made-up facts, too.")
    ] = False,
    tries: Annotated[
        int, typer.Option("--tries", min=1, help="With --invariants: how many facts are made up.")
    ] = invariants.TRIES,
    seed: Annotated[
        int, typer.Option("--seed", help="With --invariants: another one makes up other facts.")
    ] = invariants.SEED,
    recorded: Annotated[
        bool,
        typer.Option("--recorded", help="With --invariants: those of this club's record, too."),
    ] = False,
    language: Language = "en",
    as_json: Json = False,
) -> None:
    """Everything that is wrong with policies and cases: file, line, column, and what to do.

    With --json a list in the order of the files, for editors: `file`, `line`, `column` (both from
    1), `code`, `level` (error or warning), `values`, `sentence`, `remedy`. With --invariants as
    well an object: that list as `findings`, and `invariants`.
    """
    language = frame.tongue(language)
    checked = [_checked(file) for file in files or [""]]
    for each in checked:
        if stated and each.policy:
            each.held = invariants.tried(each.path, each.text, tries, seed, recorded)
    findings = [finding for each in checked for finding in each.findings]
    held = [one for each in checked for one in each.held]
    if as_json:
        told = [_plain(each, language) for each in findings]
        whole = {"findings": told, "invariants": invariants.plain(held)}
        render.show_json(whole if stated else told)
    else:
        for each in checked:
            _show(each, language)
    bad = any(strict or each.level == "error" for each in findings)
    no = 1 if bad or not all(one.passed for one in held) else 0
    frame.leave(2 if any(each.lost for each in checked) else no)


def _checked(file: str) -> _Checked:
    from gatekeeper.policy.findings import Finding

    try:
        return _looked_at(file)
    except Unreadable as fault:  # the other files are looked at all the same
        path = Path(file or frame.place("policy"))
        values = {"name": path.name, "detail": fault.detail}
        return _Checked(path, [Finding(str(path), 1, 1, "file-unreadable", values)], lost=True)


def _looked_at(file: str) -> _Checked:
    from gatekeeper.policy.parse import check_policy, load_policy

    if file.endswith(cases.ENDING):
        return _checked_cases(Path(file))
    path, text = read(file)
    findings = check_policy(text, str(path))
    sound = all(each.level != "error" for each in findings)
    return _Checked(path, findings, text, load_policy(text, str(path)) if sound else None)


def _checked_cases(path: Path) -> _Checked:
    from gatekeeper.policy.case_reader import check_cases
    from gatekeeper.policy.findings import Finding, PolicyError
    from gatekeeper.policy.parse import load_policy

    _, text = read(str(path))
    beside = path.with_name(path.name.removesuffix(cases.ENDING) + ".yaml")
    if not beside.is_file():
        return _Checked(path, [Finding(str(path), 1, 1, "cases-alone", {"name": beside.name})])
    try:
        its = load_policy(read(str(beside))[1], str(beside))
    except PolicyError as wrong:
        values = {"name": beside.name, "first": str(wrong.findings[0])}
        return _Checked(path, [Finding(str(path), 1, 1, "cases-policy-wrong", values)])
    return _Checked(path, check_cases(text, its, str(path)))


def _plain(found: "Finding", language: str) -> dict[str, Any]:
    return {
        **render.plain(found),
        "level": found.level,
        "sentence": found.sentence(language),
        "remedy": found.remedy(language),
    }


def _show(checked: _Checked, language: str) -> None:
    from gatekeeper.policy.texts import sentence

    for line in render.finding_lines(checked.findings, language):
        render.note(line)
    if not checked.findings:
        render.say(sentence("check-nothing", {"name": str(checked.path)}, language))
    if checked.policy and checked.policy.pruning.starts_in_audit:
        render.say(sentence("check-starts-in-audit", {"name": str(checked.path)}, language))
    invariants.show(checked.held, language)


# ---- schema, diff ----------------------------------------------------------------------------


@policy.command("schema")
def schema(
    of_cases: Annotated[
        bool, typer.Option("--cases", help="Of files of cases instead of policies.")
    ] = False,
    as_json: Json = True,
) -> None:
    """The JSON Schema (2020-12) for editors, which complete and mark fields by it.

    Keep it beside the policy, and begin the policy with
    `# yaml-language-server: $schema=gatekeeper.schema.json`.
    """
    from gatekeeper.policy.schema import cases_schema, policy_schema

    render.show_json(cases_schema() if of_cases else policy_schema())


Version = Annotated[
    str,
    typer.Argument(metavar="FILE|DIGEST", help="A file, or how a kept version's digest begins."),
]


@policy.command("diff")
def diff(old: Version, new: Version, language: Language = "en", as_json: Json = False) -> None:
    """What changed from one version of the policy to another, in words.

    With --json a list: `code`, `values`, `sentence`; [] where both say the same.
    """
    from gatekeeper.policy.compare import compare, words

    language = frame.tongue(language)
    before, after = _version(old), _version(new)
    if as_json:
        found = compare(before, after)
        render.show_json([{**render.plain(e), "sentence": e.sentence(language)} for e in found])
        return
    for line in words(before, after, language):
        render.say(line)


def _version(named: str) -> "Policy":
    """The policy in a file, or the kept version whose digest begins so."""
    from gatekeeper.policy.parse import load_policy

    if Path(named).exists() or not DIGEST.fullmatch(named):
        path, text = read(named)
        return load_policy(text, str(path))
    return frame.run(_kept(named))


async def _kept(digest: str) -> "Policy":
    from gatekeeper.policy.parse import load_policy
    from gatekeeper.usecases import versions as kept

    async with frame.club() as opened:
        version = await kept.find(opened.parts, digest)
    return load_policy(version.text, f"{version.digest[: kept.SHORT]}.yaml")
