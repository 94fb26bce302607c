"""serve, demo, pause, resume, doctor: the service and how it fares."""

import gc
import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gatekeeper.cli import frame, render
from gatekeeper.cli.frame import STATE, Json, Yes, actor
from gatekeeper.domain.errors import BadInput, Refused
from gatekeeper.ports import Check


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (serve, demo, pause, resume, doctor):
        app.command()(command)


def serve(
    roles: Annotated[
        str, typer.Option(help="Which of web, intake, worker; all of them by default.")
    ] = "web,intake,worker",
    as_json: Annotated[bool, typer.Option("--json", help="Log as JSON.")] = False,
) -> None:
    """Run the service, until SIGTERM or Ctrl-C."""
    gc.disable()  # the imports below make a great many things, and no garbage; a tenth faster
    from gatekeeper import logs

    clubs = frame.all_settings()
    logs.configure(clubs[0].log_level, "json" if as_json else clubs[0].log_format)
    from gatekeeper import serve as service
    from gatekeeper.service import ROLES

    wanted = [each.strip() for each in roles.split(",") if each.strip()]
    if not wanted or set(wanted) - set(ROLES):
        raise BadInput({"roles": "not-a-role"}, known=", ".join(ROLES))
    frame.run(service.serve(clubs, wanted))


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running, with logins.")] = False,
    platform: Annotated[str, typer.Option(help="Where the club lives.")] = "matrix",
    line: Annotated[str, typer.Option(help="How Slack tells us things: socket, http.")] = "socket",
    as_json: Json = False,
) -> None:
    """Play a whole club on a real homeserver, from application to removal (in a checkout)."""
    top = Path(__file__).parents[2]
    if not (top / "tests/demo/main.py").is_file():
        raise Refused("demo-elsewhere")
    sys.path.insert(0, str(top))
    story: Any = importlib.import_module("tests.demo.main")
    arguments = [*(["--keep"] if keep else []), "--platform", platform, "--line", line]
    frame.leave(int(story.main(arguments) or 0))


def pause(as_json: Json = False) -> None:
    """Stop all writing at the next action; intake goes on."""
    from gatekeeper.usecases import pause as use

    async def work() -> bool:
        async with frame.club() as club:
            return await use.pause(club.parts, actor())

    changed = frame.run(work())
    if as_json:
        render.show_json({"paused": True, "changed": changed})
    else:
        render.say("Paused: nothing more is written." if changed else "It was paused already.")


def resume(yes: Yes = False, as_json: Json = False) -> None:
    """Show what would happen, and go on with --yes."""
    from gatekeeper.domain.clubs import ClubState
    from gatekeeper.usecases import pause as use

    async def work() -> tuple[bool, use.Would, int]:
        async with frame.club() as club:
            parts = club.parts
            async with parts.store.look(parts.club) as tx:
                state = await tx.first(ClubState)
            if state is None or state.paused_at is None:
                return False, use.Would(0, ()), 0
            would = await use.would(parts)
            done = await use.resume(parts, actor()) if yes else 0
            return True, would, done

    paused, would, done = frame.run(work())
    if as_json:
        told = {"paused": paused and not yes, "would": would.lines, "count": would.count}
        render.show_json({**told, "due": done})
        return
    if not paused:
        render.say("It was not paused.")
        return
    for line in would.lines:
        render.say(line)
    if yes:
        render.say(f"Goes on; {done} that waited are carried out now.")
    else:
        render.say(f"{would.count} would be done; go on with: gatekeeper resume --yes")


def doctor(as_json: Json = False) -> None:
    """Look at settings, keys, database, policy, homeserver, admins and service: what is wrong."""
    from gatekeeper import logs
    from gatekeeper.cli import doctor as look
    from gatekeeper.policy.texts import sentence

    logs.configure("error", "console")  # what goes wrong is told in its line

    async def work() -> list[Check]:
        found: list[Check] = []
        if not frame.has_club():
            found.append(look.bad("no-club", folder=str(Path.cwd())))
            if not as_json:
                render.say(_line(found[0]))
            return found
        async for check in look.examine(STATE.settings_file, STATE.club):
            found.append(check)
            if not as_json:
                render.say(_line(check))
        return found

    checks = frame.run(work())
    if as_json:
        render.show_json([{**render.plain(c), "text": sentence(c.code, c.values)} for c in checks])
    frame.leave(0 if checks and all(each.ok for each in checks) else 1)


def _line(check: Check) -> str:
    from gatekeeper.policy.texts import remedy, sentence

    text = sentence(check.code, check.values)
    if check.ok:
        return f"✔ {text}"
    what_to_do = remedy(check.code, check.values)
    return f"✘ {text} [{check.code}]" + (f" — {what_to_do}" if what_to_do else "")
