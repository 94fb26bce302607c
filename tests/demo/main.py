"""`gatekeeper demo` in a checkout: plays a club's whole story, asserts and tells each step."""

import argparse
import asyncio
import os
import shlex
import signal
import traceback
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from tests.demo import on_both, on_slack
from tests.demo.stage import BIN, Program, Stage
from tests.demo.story import Story

PASSWORD: Final = "lighthouse"
ROLES: Final[Mapping[str, str]] = {
    "fay": "founder and admin",
    "alice": "admin",
    "boris": "admin",
    "gil": "in the admin room, but no admin",
    "carl": "let go, came back by his link",
    "lars": "let go",
    "zoe": "never opens a chat",
    "dana": "on leave",
    "finn": "exempt",
    "bob": "declined",
    "mallory": "declined by a rule",
    "kim": "let an invitation end",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Play the story; 0 when every step passed."""
    parser = argparse.ArgumentParser(prog="gatekeeper demo")
    parser.add_argument("--keep", action="store_true", help="leave it running afterwards")
    parser.add_argument("--platform", default="matrix", choices=["matrix", "slack", "both"])
    parser.add_argument("--line", default="socket", choices=["socket", "http"])
    wanted = parser.parse_args(argv)
    if wanted.keep and wanted.platform != "matrix":
        parser.error("--keep is for matrix: nobody can log in to the stand-in for Slack")
    return asyncio.run(play(wanted))


async def play(wanted: argparse.Namespace) -> int:
    """Play; with `keep`, leave everything running until Ctrl-C, and say how to look around."""
    program = Program()
    _end_on_signals()
    try:
        if wanted.platform == "slack":
            async with on_slack.Stage(program, wanted.line) as workspace:
                await on_slack.Story(workspace).play()
        elif wanted.platform == "both":
            async with on_both.BothStage(program) as houses:
                await on_both.Story(houses).play()
        else:
            async with Stage(program) as stage:
                await Story(stage).play()
                if wanted.keep:
                    await _keep(stage)
    except asyncio.CancelledError:
        print("\ndemo: stopped; nothing is left running", flush=True)
        return 130
    except Exception:
        program.failed = program.failed or 1
        traceback.print_exc()
    return program.end()


def _end_on_signals() -> None:
    """Ctrl-C, `kill` and a closed terminal end all that was started; further ones do not hurry."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end() -> None:
        for each in wanted:
            loop.add_signal_handler(each, lambda: None)
        task.cancel()

    for each in wanted:
        loop.add_signal_handler(each, end)


async def _keep(stage: Stage) -> None:
    """Leave all of it running until Ctrl-C, and say how to get in by hand."""
    await stage.service.start()
    entry = stage.service.folder / "environment"
    entry.touch(mode=0o600)
    entry.write_text(_environment(stage))
    print(f"\nIt runs on, until Ctrl-C. Join form: {stage.service.base_url}/join")
    print("To be one of them, log in with a Matrix client that lets you name the homeserver:")
    print(f"  homeserver {stage.synapse.url}, password {PASSWORD}, user one of:")
    for name, person in sorted(stage.people.items()):
        await asyncio.to_thread(_set_password, stage, person.id)
        print(f"  {name:<8}{ROLES.get(name, ''):<38} or token {person.token}")
    print("  (five logins at once, then one in five minutes: its default limits hold.)")
    print("Its rules have seconds where yours have days: each minute it asks whoever is silent.")
    print("Commands:")
    print(f"  cd {stage.service.folder} && . ./environment && gatekeeper doctor")
    print(f"Logs: {stage.service.log}, {stage.synapse.log}", flush=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("\nending", flush=True)


def _set_password(stage: Stage, user_id: str) -> None:
    """Of somebody who so far had only a token, which goes on working."""
    path = f"/_synapse/admin/v1/reset_password/{quote(user_id)}"
    body = {"new_password": PASSWORD, "logout_devices": False}
    stage.synapse.call("POST", path, body, token=stage.synapse.admin_token)


def _environment(stage: Stage) -> str:
    """For a shell: the settings of this club, and this checkout's `gatekeeper` first."""
    wanted = {k: v for k, v in stage.service.environment.items() if k.startswith("GATEKEEPER_")}
    lines = [f"export {key}={shlex.quote(value)}" for key, value in sorted(wanted.items())]
    return "\n".join((*lines, f'export PATH={shlex.quote(str(BIN.absolute()))}:"$PATH"', ""))


if __name__ == "__main__":
    os._exit(main())
