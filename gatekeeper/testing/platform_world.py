"""What the laws of the Platform port need: a desk that records, and the hands of people."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

from gatekeeper.domain.activity import Sign
from gatekeeper.domain.decisions import Action, Card, Receipt
from gatekeeper.domain.errors import BadInput, PlatformRefused, Value
from gatekeeper.domain.events import Event, Pressed
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.windows import Filled, Taken, Window
from gatekeeper.policy.texts import sentence
from gatekeeper.ports import Platform

T = TypeVar("T")


class Seen(NamedTuple):
    """One message of ours as a person sees it: its ref, and its text as it stands now."""

    ref: str
    text: str


class RecordingDesk:
    """A FrontDesk that keeps what it is told; `fail` raises for the next calls of `handle`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.signs: list[Sign] = []
        self.gaps = 0
        self.blind_now: dict[str, datetime] | None = None  # until something is told
        self.lost: list[tuple[str, datetime, datetime]] = []
        self.place = ""
        self.fail: list[Exception] = []
        self.is_paused = False
        self.windows: dict[Identity, Window] = {}
        self.cards: dict[str, Card] = {}
        self.filled: list[Filled] = []
        self.taken = Taken(said="Thank you.")

    async def handle(self, event: Event) -> None:
        """Keep an event, or fail as ordered."""
        if self.fail:
            raise self.fail.pop(0)
        self.events.append(event)

    async def keep(self, press: Pressed) -> None:
        """Take it in at once."""
        await self.handle(press)

    async def observe(
        self, platform: str, signs: Sequence[Sign], position: str, *, after_gap: bool = False
    ) -> None:
        """Keep signs and position."""
        self.signs.extend(signs)
        self.place = position
        self.gaps += after_gap

    async def blind(self, platform: str, places: Mapping[str, datetime]) -> None:
        """Keep which places are not seen now."""
        self.blind_now = dict(places)

    async def missed(self, platform: str, place: str, start: datetime, end: datetime) -> None:
        """Keep what was lost."""
        self.lost.append((place, start, end))

    async def position(self, platform: str) -> str:
        """The last one told."""
        return self.place

    async def paused(self) -> bool:
        """As ordered."""
        return self.is_paused

    async def window(self, who: Identity) -> Window:
        """As ordered, else what a stranger sees."""
        return self.windows.get(who) or Window(
            club="The club", language="en", headline="Hello", may=frozenset({"apply"})
        )

    async def take(self, filled: Filled) -> Taken:
        """Keep what was sent; the answer is as ordered. What was only begun stands in the form."""
        if filled.act != "draft":
            self.filled.append(filled)
            return self.taken
        window, typed = await self.window(filled.who), filled.answers
        fields = [
            replace(one, typed=tuple([given] if isinstance(given, str) else given))
            for one in window.fields
            for given in (typed.get(one.name, one.typed),)
        ]
        self.windows[filled.who] = replace(window, fields=tuple(fields))
        return Taken(said="", problems=self.taken.problems)

    async def whole(self, who: Identity, ref: str) -> Card | None:
        """The card ordered for this message."""
        return self.cards.get(ref)

    def say(self, code: str, values: Mapping[str, Value] | None = None, language: str = "") -> str:
        """The catalogue's sentence."""
        return sentence(code, values, language or "en")

    def of(self, kind: type[T], who: Identity | None = None) -> list[T]:
        """The events of one kind, of one person, in the order told."""
        return [
            event for event in self.events if isinstance(event, kind) and who in (None, event.who)
        ]

    async def wait_for(self, kind: type[T], who: Identity, timeout: float = 10.0) -> T:
        """The latest event of a kind by `who`, once there is one."""
        await until(lambda: bool(self.of(kind, who)), f"{kind.__name__} of {who}", timeout)
        return self.of(kind, who)[-1]


class PlatformWorld(Protocol):
    """A platform, its desk, and the hands of people who use the same place independently."""

    platform: Platform
    desk: RecordingDesk

    def now(self) -> datetime:
        """The platform's clock."""
        ...

    async def person(self) -> Identity:
        """A fresh account outside the club."""
        ...

    async def admin(self) -> Identity:
        """A person in the admins' room who may ban."""
        ...

    async def knock(self, who: Identity, reason: str) -> None:
        """Ask at the door."""
        ...

    async def enter(self, who: Identity) -> None:
        """Take up the invitation; go into every room that is open then."""
        ...

    async def leave(self, who: Identity) -> None:
        """Leave the club."""
        ...

    async def invite(self, who: Identity, by: Identity) -> None:
        """Invite into the club by hand."""
        ...

    async def ban(self, who: Identity, by: Identity) -> None:
        """Ban by hand."""
        ...

    async def open_door(self) -> str:
        """An admin lets everybody into some place by its join rule; which place."""
        ...

    async def take_chat(self, who: Identity) -> None:
        """Take up the direct chat."""
        ...

    async def chats(self, who: Identity) -> int:
        """How many direct chats with us `who` was ever offered."""
        ...

    async def told(self, who: Identity) -> list[Seen]:
        """Our messages in the direct chat of `who`."""
        ...

    async def posted(self) -> list[Seen]:
        """Our messages in the admins' room."""
        ...

    async def press(self, who: Identity, ref: str, symbol: str) -> str:
        """Press on a message of ours in the admins' room or in their chat; the press's id."""
        ...

    async def take_back(self, who: Identity, press_id: str) -> None:
        """Take a press back."""
        ...

    async def write(self, who: Identity, text: str) -> None:
        """Write into the direct chat."""
        ...

    async def places(self, who: Identity) -> int:
        """In how many places of the club `who` is."""
        ...

    async def lose_answer(self, action: Action) -> None:
        """The next performing of `action` takes effect, but its answer does not arrive."""
        ...

    async def restart(self) -> None:
        """Stop the platform and start a new one on the same desk."""
        ...

    async def stop(self) -> None:
        """Stop the platform; `restart` starts it again."""
        ...


async def until(holds: Callable[[], bool], what: str, timeout: float = 10.0) -> None:
    """Wait for what happens in the background; AssertionError when it does not."""
    for _ in range(int(timeout / 0.02)):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {timeout:g} s: {what}")


async def refusal(act: Awaitable[Receipt]) -> str:
    """The reason why an act is refused; AssertionError where it is not."""
    try:
        receipt = await act
    except PlatformRefused as error:
        return error.reason
    raise AssertionError(f"was not refused: {receipt}")


def fault_of(platform: Platform, text: str) -> str:
    """What is wrong with a text as an account; "" for nothing."""
    try:
        platform.parse_identity(text)
    except BadInput as error:
        return error.problems.get("identity", "another field")
    return ""
