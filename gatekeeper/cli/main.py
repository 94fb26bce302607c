"""The `gatekeeper` command: its commands, and what its exit codes mean.

0 done, or nothing to do; 1 "no": a check found something, an act was refused; 2 wrong use;
3 try later.
"""

import sys
from collections.abc import Sequence
from typing import Annotated, Final, NoReturn

import typer
from typer.exceptions import TyperException

from gatekeeper.cli import (
    applications,
    members,
    reconcile,
    record,
    render,
    rules,
    service,
    setup,
    sweeps,
)
from gatekeeper.cli.frame import STATE
from gatekeeper.domain.errors import (
    BadInput,
    GatekeeperError,
    PlatformBusy,
    PlatformDown,
    ServiceAbsent,
    SettingsError,
    TooMany,
    WhichClub,
)


class FileFault(GatekeeperError):
    """The system would not let us read or write something: `detail` says what and why."""

    code = "file-fault"


WRONG_USE: Final = (SettingsError, BadInput, WhichClub)
TRY_LATER: Final = (PlatformBusy, PlatformDown, ServiceAbsent, TooMany)

app = typer.Typer(
    help="Keeps a club's door and its roll: who joins, who is asked to come back, who is let go.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _all(
    settings: Annotated[
        str, typer.Option("--settings", metavar="FILE", help="Instead of ./gatekeeper.toml.")
    ] = "",
    club: Annotated[
        str, typer.Option("--club", metavar="NAME", help="Which one, of a service of several.")
    ] = "",
) -> None:
    STATE.settings_file = settings or None
    STATE.club = club


for part in (setup, service, rules, applications, members, sweeps, record, reconcile):
    part.add_to(app)


def exit_code(error: GatekeeperError) -> int:
    """What the command ends with for an error."""
    if isinstance(error, WRONG_USE) or error.code == "policy":
        return 2
    if isinstance(error, TRY_LATER) or error.code in ("already-running", "storage-down"):
        return 3
    return 1


def run(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line; the exit code."""
    try:
        code = app(list(argv) if argv is not None else None, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except GatekeeperError as error:
        for line in render.error_lines(error):
            render.note(line)
        return exit_code(error)
    except TyperException as wrong:
        if said := _said(wrong):
            context = getattr(wrong, "ctx", None)
            command = context.command_path if context else "gatekeeper"
            render.note(f"error: {said} [usage] — see: {command} --help")
        return 2
    except BrokenPipeError:
        sys.stderr.close()  # whoever read us has gone: nobody is left to be told
        return 0
    except OSError as fault:  # a folder that cannot be read or written, a disk that is full
        for line in render.error_lines(FileFault(detail=str(fault))):
            render.note(line)
        return 1
    except KeyboardInterrupt:
        return 130


def _said(wrong: TyperException) -> str:
    """What is wrong with a command line; "" where its help was shown instead."""
    if not wrong.message and getattr(wrong, "param", None) is None:
        return ""  # a group of commands without a command
    return wrong.format_message().strip().rstrip(".")


def main() -> NoReturn:
    """The entry point."""
    sys.exit(run())
