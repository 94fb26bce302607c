"""What all commands share: settings, a club opened for a moment, waiting for Receipts."""

import asyncio
import getpass
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

import typer

from gatekeeper.cli import render
from gatekeeper.domain.clubs import ClubState
from gatekeeper.domain.decisions import Order, Progress
from gatekeeper.domain.errors import BadInput, ServiceAbsent, SettingsError
from gatekeeper.domain.identity import EMAIL, Identity
from gatekeeper.settings import (
    FILE_NAME,
    Settings,
    find_file,
    find_place,
    known_names,
    load_all,
    load_settings,
)

if TYPE_CHECKING:
    from gatekeeper.usecases.parts import Parts
    from gatekeeper.wire import Opened

T = TypeVar("T")

LOOK_EVERY: Final = 0.25  # seconds between two looks at what was ordered

All = Annotated[bool, typer.Option("--all", help="Those that have ended, too.")]
Json = Annotated[bool, typer.Option("--json", help="JSON for machines.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this nothing is changed.")]
Wait = Annotated[
    float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long to wait for it.")
]
WAIT: Final = 30.0


@dataclass(slots=True)
class _State:
    settings_file: str | None = None
    club: str = ""
    progress: dict[str, str] = field(default_factory=dict)


STATE = _State()


def operator() -> str:
    """Who gives this command, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"


def actor() -> str:
    """The same, as the record has it."""
    return f"operator:{operator()}"


def has_club() -> bool:
    """Whether there is anything to go by here: a settings file, a policy, or the environment."""
    named = STATE.settings_file
    told = any(name in os.environ for name in known_names())
    return told or find_file(named) is not None or place("policy").is_file()


def place(name: Literal["home", "policy", "keys"]) -> Path:
    """One of the places of the club that this command is about. WhichClub."""
    return find_place(name, STATE.settings_file, STATE.club)


def settings(*, logins: bool = True) -> Settings:
    """The settings of this command; logs go where they say.

    Args:
        logins: those of platforms, too.

    Raises:
        SettingsError: they cannot be used, or this folder is no club's.
        WhichClub: of several, none was named.
    """
    _need_club()
    return _logged(load_settings(STATE.settings_file, logins=logins, club=STATE.club))


def all_settings() -> tuple[Settings, ...]:
    """Those of each club of the service; raises like `settings`, but WhichClub."""
    _need_club()
    found = load_all(STATE.settings_file)
    _logged(found[0])
    return found


def _need_club() -> None:
    if not has_club():
        advice = "go to your club's folder, name its file with --settings, or `gatekeeper init`"
        raise SettingsError((f"{Path.cwd()} holds no club, no {FILE_NAME} is here: {advice}",))


def _logged(found: Settings) -> Settings:
    from gatekeeper import logs

    logs.configure("warning" if found.log_level == "info" else found.log_level, found.log_format)
    return found


def tongue(code: str, own: Iterable[str] = ()) -> str:
    """A language that was named, as the catalogue calls it: de_AT of de-AT.

    Args:
        own: others that the club has texts in.

    Raises:
        BadInput: `unknown-language`, for nobody should read English and not know why.
    """
    from gatekeeper.policy.texts import languages

    named, known = code.replace("-", "_"), sorted({*languages(), *own})
    if named and not {named, named.split("_")[0]} & set(known):
        raise BadInput({"language": "unknown-language"}, value=code, known=", ".join(known))
    return named


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one command's coroutine."""
    return asyncio.run(work)


@asynccontextmanager
async def club(*, platforms: bool = False, connect: bool = False) -> AsyncIterator["Opened"]:
    """The club opened for a moment.

    Args:
        platforms: make them, to read what a person typed; without, no login need be set.
        connect: log in as well, to look things up.
    """
    found = settings(logins=platforms or connect)
    from gatekeeper import wire

    async with wire.opened(found, platforms=platforms or connect) as opened:
        connected = []
        try:
            for platform in opened.parts.platforms.values() if connect else ():
                connected.append(platform)
                await platform.connect()
            yield opened
        finally:
            for platform in connected:
                await platform.stop()


def identity(parts: "Parts", text: str) -> Identity:
    """What was typed as an account: platform:account, or an account as one platform writes it.

    Raises:
        BadInput: not an account, or one that several platforms could mean.
    """
    name, colon, rest = text.strip().partition(":")
    if colon and name in parts.platforms:
        return parts.platforms[name].parse_identity(rest)
    if colon and name == EMAIL:
        return Identity(EMAIL, rest.strip())
    found = set[Identity]()
    for platform in parts.platforms.values():
        with suppress(BadInput):
            found.add(platform.parse_identity(text))
    if len(found) != 1:
        raise BadInput({"identity": "not-an-identity"})
    return found.pop()


async def last_order(parts: "Parts") -> int:
    """The id of the newest Order, before an act adds its own."""
    async with parts.store.look(parts.club) as tx:
        newest = await tx.first(Order, order="-id")
    return newest.id if newest else 0


async def carried_out(parts: "Parts", after: int, subject: str, wait: float) -> list[Order]:
    """Wait until the service has carried out what was ordered after `after`.

    Args:
        subject: only Orders for it; "" for all.
        wait: seconds.

    Returns:
        The Orders, each with its Receipt; those that were failed or cancelled among them.

    Raises:
        ServiceAbsent: no service runs; what was committed stays for the next one.
        Paused: it waits for `gatekeeper resume`.
        StillDue: not done within `wait` seconds; the service goes on without us.
    """
    from gatekeeper.wire import is_served

    loop = asyncio.get_running_loop()
    until, told = loop.time() + wait, 0
    while True:
        async with parts.store.look(parts.club) as tx:
            about: dict[str, Any] = {"subject": subject} if subject else {}
            orders = await tx.find(Order, id__gt=after, **about)
            state = await tx.first(ClubState)
        ended = [each for each in orders if each.progress is not Progress.DUE]
        if len(ended) == len(orders):
            _progress("")
            return orders
        if state is not None and state.paused_at is not None:
            raise Paused(count=len(orders) - len(ended))
        if not is_served(state, parts.clock):
            raise ServiceAbsent(count=len(orders) - len(ended))
        if loop.time() >= until:
            raise StillDue(count=len(orders) - len(ended), seconds=wait)
        if len(ended) != told or not told:
            told = len(ended)
            _progress(f"{told} of {len(orders)} done")
        await asyncio.sleep(LOOK_EVERY)


class Paused(ServiceAbsent):
    """The club is paused: what was committed waits for `gatekeeper resume`."""

    code = "paused-service"


class StillDue(ServiceAbsent):
    """Not everything was carried out within the time that was given; the service goes on."""

    code = "still-due"


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def outcome(orders: list[Order], parts: "Parts") -> int:
    """Tell what became of each Order; 1 where a platform said no, else 0."""
    for each in orders:
        what = parts.say(f"purpose.{each.purpose}")
        if each.progress is Progress.FAILED:
            why = parts.say(f"platform-refused.{each.reason}")
            render.note(f"error: {what}: {why} [{each.reason}]")
        elif each.progress is Progress.WAITING:
            render.note(f"{what}: {parts.say('order-waiting')}")
        elif each.receipt is not None and each.receipt.note:
            render.note(f"{what}: {each.receipt.note}")
    return 1 if any(each.progress is Progress.FAILED for each in orders) else 0


def leave(code: int) -> None:
    """End the command with `code`."""
    if code:
        raise typer.Exit(code)


Act = Callable[["Parts"], Awaitable[T]]
