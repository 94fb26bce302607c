"""policy: check a policy, and try its cases."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatekeeper.cli import frame, invariants, render
from gatekeeper.cli.frame import STATE, Json
from gatekeeper.domain.errors import SettingsError
from gatekeeper.settings import find_place

if TYPE_CHECKING:
    from gatekeeper.policy.cases import Report
    from gatekeeper.policy.findings import Finding

policy = typer.Typer(help="The club's rules.", no_args_is_help=True)

File = Annotated[
    str, typer.Argument(metavar="FILE", help="Instead of the one that the settings name.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(policy, name="policy")


def _read(file: str) -> tuple[Path, str]:
    path = Path(file) if file else find_place("policy", STATE.settings_file)
    try:
        return path, path.read_text("utf-8")
    except OSError as fault:
        raise SettingsError((f"policy: {path}: {fault.strerror}",)) from None
    except UnicodeDecodeError:
        raise SettingsError((f"policy: {path}: is not UTF-8 text",)) from None


@policy.command("check")
def check(
    file: File = "",
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
    as_json: Json = False,
) -> None:
    """Everything that is wrong with a policy: file, line, column, and what to do."""
    from gatekeeper.policy.findings import PolicyError
    from gatekeeper.policy.parse import check_policy

    path, text = _read(file)
    findings = check_policy(text, str(path))
    sound = all(each.level != "error" for each in findings)
    held = invariants.tried(path, text, tries, seed, recorded) if stated and sound else []
    if as_json:
        told = [_finding(each) for each in findings]
        plain = {"findings": told, "invariants": invariants.plain(held)}
        render.show_json(plain if stated else told)
    elif findings:
        for line in render.error_lines(PolicyError(str(path), findings)):
            render.note(line)
    else:
        render.say(f"{path}: nothing is wrong")
    if not as_json:
        invariants.show(held)
    frame.leave(1 if findings or not all(each.passed for each in held) else 0)


def _finding(found: "Finding") -> dict[str, Any]:
    return {
        **render.plain(found),
        "sentence": found.sentence(),
        "remedy": found.remedy(),
    }


@policy.command("test")
def run_its_cases(
    file: File = "",
    cases: Annotated[
        str, typer.Option("--cases", metavar="FILE", help="Instead of *.cases.yaml beside it.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Try the cases that lie beside a policy, or beside each policy of a folder."""
    if file and Path(file).is_dir():
        _test_folder(Path(file), as_json)
        return
    path, text = _read(file)
    beside = Path(cases) if cases else path.with_name(f"{path.stem}.cases.yaml")
    report = _tried(path, text, beside)
    if as_json:
        render.show_json({**render.plain(report), "passed": report.passed})
    else:
        for line in report.lines():
            render.say(line)
    frame.leave(0 if report.passed else 1)


def _test_folder(folder: Path, as_json: bool) -> None:
    reports = {}
    for beside in sorted(folder.glob("*.cases.yaml")):
        path, text = _read(str(beside.with_name(beside.name.removesuffix(".cases.yaml") + ".yaml")))
        reports[path.name] = _tried(path, text, beside)
    if not reports:
        raise SettingsError((f"cases: {folder}: holds no *.cases.yaml",))
    if as_json:
        render.show_json(
            {name: {**render.plain(one), "passed": one.passed} for name, one in reports.items()}
        )
    else:
        for name, one in reports.items():
            render.say(f"{name}:")
            for line in one.lines():
                render.say(f"  {line}")
    frame.leave(0 if all(one.passed for one in reports.values()) else 1)


def _tried(path: Path, text: str, beside: Path) -> "Report":
    from gatekeeper.policy.cases import run_cases
    from gatekeeper.policy.findings import PolicyError
    from gatekeeper.policy.parse import load_policy

    try:
        told = beside.read_text("utf-8")
    except OSError as fault:
        raise SettingsError((f"cases: {beside}: {fault.strerror}",)) from None
    try:
        return run_cases(load_policy(text, str(path)), told, str(beside))
    except PolicyError as wrong:
        for line in render.error_lines(wrong):
            render.note(line)
        raise typer.Exit(1) from None
