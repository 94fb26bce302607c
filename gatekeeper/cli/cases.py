"""policy test: try the cases that lie beside a policy, and see what they do not show."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatekeeper.cli import frame, render
from gatekeeper.cli.frame import Json
from gatekeeper.domain.errors import BadInput, GatekeeperError, SettingsError
from gatekeeper.reading import Unreadable, read_text

if TYPE_CHECKING:
    from gatekeeper.policy.cases import Report
    from gatekeeper.policy.findings import PolicyError

ENDING = ".cases.yaml"

Where = Annotated[
    str,
    typer.Argument(
        metavar="FILE|DIR",
        help="A policy, a file of cases, or a folder of them; else the one the settings name.",
    ),
]


def add_to(policy: typer.Typer) -> None:
    """Add the command of this module."""
    policy.command("test")(run_its_cases)


def run_its_cases(
    file: Where = "",
    cases: Annotated[
        str, typer.Option("--cases", metavar="FILE", help="Instead of *.cases.yaml beside it.")
    ] = "",
    coverage: Annotated[
        float | None,
        typer.Option(
            "--coverage",
            min=0,
            max=100,
            metavar="PERCENT",
            help="Say no where the cases show less of the rules and their conditions.",
        ),
    ] = None,
    language: Annotated[
        str, typer.Option("--language", metavar="CODE", help="Of the sentences, as in de.")
    ] = "en",
    as_json: Json = False,
) -> None:
    """Try the cases that lie beside a policy, or beside each policy of a folder."""
    language = frame.tongue(language)
    folder = Path(file) if file else None
    whole = folder is not None and folder.is_dir()
    if folder and whole:
        found = sorted(folder.glob(f"*{ENDING}"))
        if not found:
            raise SettingsError((f"cases: {folder}: holds no *{ENDING}",))
        pairs = [(_policy_of(each), each) for each in found]
    else:
        path = folder or frame.place("policy")
        if path.name.endswith(ENDING):
            path, cases = _policy_of(path), cases or str(path)
        pairs = [(path, Path(cases) if cases else path.with_name(f"{path.stem}{ENDING}"))]
    reports = {path.name: _tried(path, beside, whole) for path, beside in pairs}
    if as_json:
        plain = {name: _plain(one, coverage) for name, one in reports.items()}
        render.show_json(plain if whole else next(iter(plain.values())))
    else:
        for name, one in reports.items():
            _show(name if whole else "", one, coverage, language)
    frame.leave(0 if all(_good(one, coverage) for one in reports.values()) else 1)


def _policy_of(cases: Path) -> Path:
    return cases.with_name(cases.name.removesuffix(ENDING) + ".yaml")


def _tried(path: Path, beside: Path, whole: bool) -> "Report | PolicyError":
    from gatekeeper.policy.cases import run_cases
    from gatekeeper.policy.findings import Finding, PolicyError
    from gatekeeper.policy.parse import load_policy

    try:
        rules, cases = read_text(path), _cases(path, beside)
    except Unreadable as fault:
        if not whole:
            raise
        values = {"name": path.name, "detail": str(fault.faults[0])}
        return PolicyError(path.name, [Finding(str(path), 1, 1, "file-unreadable", values)])
    try:
        return run_cases(load_policy(rules, str(path)), cases, str(beside))
    except PolicyError as wrong:
        return wrong


def _cases(path: Path, beside: Path) -> str:
    if not beside.exists():
        raise BadInput({"cases": "cases-missing"}, name=path.name, file=str(beside))
    return read_text(beside, "cases")


def _good(tried: "Report | PolicyError", wanted: float | None) -> bool:
    if isinstance(tried, GatekeeperError):
        return False
    return tried.passed and _covered(tried, wanted)


def _covered(report: "Report", wanted: float | None) -> bool:
    return wanted is None or report.coverage.percent >= wanted


def _plain(tried: "Report | PolicyError", wanted: float | None) -> dict[str, Any]:
    if isinstance(tried, GatekeeperError):
        findings = [
            {**render.plain(each), "sentence": each.sentence(), "remedy": each.remedy()}
            for each in tried.findings
        ]
        return {"findings": findings, "passed": False}
    results = [
        {
            **render.plain(each),
            "passed": each.passed,
            "told": [one.sentence() for one in (*each.differences, *each.because)],
        }
        for each in tried.results
    ]
    coverage = {**render.plain(tried.coverage), "percent": tried.coverage.percent}
    return {
        "name": tried.name,
        "passed": _good(tried, wanted),
        "results": results,
        "trials": [render.plain(each) for each in tried.trials],
        "never_fired": tried.never_fired,
        "coverage": coverage,
    }


def _show(name: str, tried: "Report | PolicyError", wanted: float | None, language: str) -> None:
    from gatekeeper.policy.texts import sentence

    if isinstance(tried, GatekeeperError):
        for line in render.finding_lines(tried.findings, language):
            render.note(line)
        return
    before = "  " if name else ""
    if name:
        render.say(f"{name}:")
    for line in tried.lines(language):
        render.say(before + line)
    if wanted is not None and not _covered(tried, wanted):
        values = {"percent": tried.coverage.percent, "wanted": wanted}
        render.say(before + sentence("coverage-too-little", values, language))
