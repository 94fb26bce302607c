"""init, adapters, version: before there is a service."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated, Final

import typer

from gatekeeper import keys, plugins
from gatekeeper.cli import frame, render
from gatekeeper.cli.frame import Json
from gatekeeper.domain.errors import Refused
from gatekeeper.settings import DATABASE, FILE_NAME, find_place, own_database

DISTRIBUTION: Final = "gatekeeper-club"
POLICY: Final = "house-rules.yaml"
CASES: Final = "house-rules.cases.yaml"


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (init, adapters, version):
        app.command()(command)


def policies() -> Path:
    """The packaged policies: in a wheel beside this package, in a checkout at its top."""
    inside = Path(__file__).parents[1] / "policies"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "policies"


def init(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="The folder; else this one.", show_default=False)
    ] = ".",
    as_json: Json = False,
) -> None:
    """Write policy, cases, settings, keys, tables and first steps; what is there is kept."""
    base = Path(folder).absolute()
    templates = Path(__file__).with_name("templates")
    texts = {
        POLICY: policies() / POLICY,
        CASES: policies() / CASES,
        FILE_NAME: templates / FILE_NAME,
        "FIRST-STEPS.md": templates / "FIRST-STEPS.md",
    }
    written: list[str] = []
    kept: list[str] = []
    try:
        base.mkdir(parents=True, exist_ok=True)
        for name, source in texts.items():
            (written if _write(base / name, source.read_text("utf-8")) else kept).append(name)
        place = find_place("keys", base / FILE_NAME)
        find_place("home", base / FILE_NAME).mkdir(mode=0o700, parents=True, exist_ok=True)
        made = keys.make_keys(place)
    except OSError as fault:
        raise Refused("init-failed", file=str(fault.filename), detail=str(fault.strerror)) from None
    if url := own_database(base / FILE_NAME):
        from gatekeeper.storage import migrate

        done = frame.run(migrate.upgrade(url)) if frame.run(_is_new(url)) else []
        (written if done else kept).append(DATABASE)
    written += [f"{name}.key" for name in made]
    kept += [f"{name}.key" for name in keys.NAMES if name not in made]
    if as_json:
        render.show_json({"folder": base, "written": written, "kept": kept, "keys": place})
        return
    for name in written:
        render.say(f"wrote {name}")
    for name in kept:
        render.say(f"kept {name}, which was there")
    render.say(f"Next: read {base / 'FIRST-STEPS.md'}")


async def _is_new(url: str) -> bool:
    """Whether there are no tables yet: those of an older release are `db upgrade`'s business."""
    from gatekeeper.storage import migrate

    return await migrate.check(url) == list(migrate.shipped())


def _write(file: Path, text: str) -> bool:
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError:
        return False
    return True


def adapters(as_json: Json = False) -> None:
    """The platforms that are installed here."""
    found = plugins.adapters()
    rows = []
    for name, point in sorted(found.items()):
        release = point.dist.version if point.dist else ""
        rows.append((name, point.value, point.dist.name if point.dist else "", release))
    if as_json:
        head = ("name", "factory", "distribution", "version")
        render.show_json([dict(zip(head, row, strict=True)) for row in rows])
        return
    render.table(("name", "factory", "distribution", "version"), rows)


def version(as_json: Json = False) -> None:
    """Which release this is."""
    try:
        release = version_of(DISTRIBUTION)
    except PackageNotFoundError:
        release = "unknown"
    if as_json:
        render.show_json({"version": release})
    else:
        render.say(f"gatekeeper {release}")
