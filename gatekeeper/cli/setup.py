"""init, adapters, version: before there is a service."""

import json
import re
from enum import StrEnum
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated, Final

import typer

from gatekeeper import keys, plugins
from gatekeeper.cli import frame, render
from gatekeeper.cli.cases import ENDING
from gatekeeper.cli.frame import STATE, Json
from gatekeeper.domain.errors import NoTables, Refused
from gatekeeper.settings import FILE_NAME, find_database, find_place

DISTRIBUTION: Final = "gatekeeper-club"
POLICY: Final = "house-rules"
SCHEMA: Final = "gatekeeper.schema.json"
MANIFEST: Final = "slack-manifest.yaml"
# Editors that know the YAML language server complete and mark fields by it.
EDITOR_LINE: Final = f"# yaml-language-server: $schema={SCHEMA}\n"


class Platform(StrEnum):
    """Where a new club may live; both later, by adding the other's part."""

    MATRIX = "matrix"
    SLACK = "slack"


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
    policy: Annotated[
        str,
        typer.Option("--policy", metavar="NAME", help="Which ready policy; else house-rules."),
    ] = "",
    platform: Annotated[
        Platform, typer.Option("--platform", help="Where the club lives.")
    ] = Platform.MATRIX,
    anew: Annotated[
        bool, typer.Option("--anew", help="Begin anew: empty tables for keys that had some before.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write policy, cases, settings, tables, keys and first steps; what is there is kept."""
    base = Path(folder).absolute()
    texts = _texts(_chosen(policy, base / FILE_NAME), platform)
    written: list[str] = []
    kept: list[str] = []
    try:
        base.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (written if _write(base / name, text) else kept).append(name)
        place = find_place("keys", base / FILE_NAME)
        find_place("home", base / FILE_NAME).mkdir(mode=0o700, parents=True, exist_ok=True)
        may_make = anew or not keys.are_there(place)
        where, new = frame.run(_tables(find_database(base / FILE_NAME), may_make))
        (written if new else kept).append(where)
        made = keys.make_keys(place)  # the last: from then on a database that is gone is missed
    except OSError as fault:
        raise Refused("init-failed", file=str(fault.filename), detail=str(fault.strerror)) from None
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


def ready() -> tuple[str, ...]:
    """The names of the packaged policies."""
    return tuple(sorted(cases.name[: -len(ENDING)] for cases in policies().glob(f"*{ENDING}")))


def _chosen(name: str, settings: Path) -> str:
    """The policy asked for, else the one that settings which are there name, else house-rules."""
    if name and name not in ready():
        raise typer.BadParameter(
            f"there is no policy {name}; these are ready: {', '.join(ready())}"
        )
    if name or not settings.is_file():
        return name or POLICY
    named = find_place("policy", settings, STATE.club).stem
    return named if named in ready() else POLICY


def _texts(name: str, platform: Platform) -> dict[str, str]:
    """What is written, by file: the policy `name` with all that names it."""
    templates = Path(__file__).with_name("templates")
    policy = (policies() / f"{name}.yaml").read_text("utf-8")
    steps = (templates / f"first-steps-{platform}.md").read_text("utf-8")
    texts = {
        f"{name}.yaml": EDITOR_LINE + (_on_slack(policy) if platform == "slack" else policy),
        f"{name}{ENDING}": (policies() / f"{name}{ENDING}").read_text("utf-8"),
        SCHEMA: _schema(),
    }
    for file in (FILE_NAME, "FIRST-STEPS.md"):
        text = (templates / file).read_text("utf-8").replace("PLATFORM-STEPS", steps)
        texts[file] = text.replace(POLICY, name).replace(
            "POLICY-GUIDE", str(policies() / "README.md")
        )
    texts["FIRST-STEPS.md"] = texts["FIRST-STEPS.md"].replace("MANIFEST", MANIFEST)
    if platform == "slack":
        texts[MANIFEST] = _manifest()
        texts[FILE_NAME] = _settings_on_slack(texts[FILE_NAME])
    return texts


def _on_slack(policy: str) -> str:
    """The same policy for a workspace: its places become channels, its people get other ids."""
    import yaml

    head, rest = policy.split("  platforms:\n", 1)
    block = re.match(r"(?:    .*\n)+", rest)
    assert block is not None
    places = yaml.safe_load(block[0])["matrix"]
    rooms = ", ".join(f"{{alias: {one['alias']}}}" for one in places["rooms"])
    channels = f"""\
    slack:
      # Private channels by name; what is missing is made, with the admins in it.
      channel: {{alias: {places["space"]["alias"]}}} # whoever is in it is in the club
      channels: [{rooms}]
      adminChannel: {{alias: {places["adminRoom"]["alias"]}}}
      welcomeChannel: {places["welcomeRoom"]}
"""
    head = re.sub(r"matrix:@(\w+):[\w.]+", lambda m: f"slack:T0CLUB:U0{m[1].upper()}", head)
    head = re.sub(r"(?:    #.*\n)?    powerLevel: .*\n", "", head)
    return head.replace("on Matrix", "on Slack") + "  platforms:\n" + channels + rest[block.end() :]


def _settings_on_slack(settings: str) -> str:
    """With the part for Slack in place of the one for Matrix."""
    head, rest = settings.split("[matrix]\n", 1)
    _, slack = rest.split("# [slack]\n", 1)
    mine, others = slack.split("\n\n", 1)
    mine = re.sub(r"(?m)^# (bot_token_file|app_token_file) ", r"\1 ", mine)
    return f"{head.rstrip()}\n\n[slack]\n{mine}\n\n{others}"


def _manifest() -> str:
    inside = Path(__file__).with_name("templates") / MANIFEST
    return (inside if inside.is_file() else policies().parent / "deploy" / MANIFEST).read_text(
        "utf-8"
    )


async def _tables(url: str, may_make: bool) -> tuple[str, bool]:
    """Which database it is, and whether it got its tables now; an older release's are kept.

    Raises:
        NoTables: there are none, and none may be made.
    """
    from gatekeeper.storage import connections, migrate

    new = await migrate.is_empty(url)
    if new and not may_make:
        raise NoTables(where=connections.shown(url))
    if new:
        await migrate.upgrade(url)
    return connections.shown(url), new


def _schema() -> str:
    from gatekeeper.policy.schema import policy_schema

    return json.dumps(policy_schema(), ensure_ascii=False, indent=2) + "\n"


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
