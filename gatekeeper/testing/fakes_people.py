"""The people of a FakePlatform: what they do there, told to the desk as a platform tells it."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from gatekeeper.domain import events
from gatekeeper.domain.activity import Kind, Sign
from gatekeeper.domain.decisions import (
    Card,
    Choice,
    Link,
)
from gatekeeper.domain.errors import PlatformRefused
from gatekeeper.domain.events import Event
from gatekeeper.domain.identity import Identity
from gatekeeper.ports import Clock, FrontDesk

SPACE = "space"
ADMINS = "admins"


class DoorShut(PermissionError):
    """The fake's own no to a person: they may not enter, or are not where they would have to be."""


@dataclass(slots=True, kw_only=True)
class Account:
    """One person as the fake knows them; `places` maps a place to join, invite, knock or ban."""

    name: str
    power: int = 0
    groups: tuple[str, ...] = ()
    bot: bool = False
    created_at: datetime | None = None
    takes_chats: bool = False  # takes up a direct chat as soon as it is offered
    places: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)  # rooms that a guest was put out of
    invited_by: Identity | None = None
    chat: str = ""  # "", invite, join, leave
    invited_for: set[str] = field(default_factory=set)  # keys that invited to the chat


@dataclass(slots=True, kw_only=True)
class Message:
    """One message of ours as people see it now; `presses` maps a press's id to who and what."""

    ref: str
    place: str  # "direct", "admins", "welcome" or a room
    to: str = ""  # the account, in a direct chat
    text: str = ""
    links: tuple[Link, ...] = ()
    choices: tuple[Choice, ...] = ()
    thread: str = ""
    card: Card | None = None
    updates: int = 0
    presses: dict[str, tuple[str, str]] = field(default_factory=dict)


class _Stamp(TypedDict):
    who: Identity
    at: datetime
    event_id: str


class FakePeople:
    """The hands of all people on a FakePlatform, and what has ever happened there.

    What people do is a coroutine that returns the id of its event and, while a desk listens,
    returns only once the desk has taken it in.

    Args:
        clock: tells when things happen.
        name: the platform's name in identities.
        rooms: the rooms inside the space besides the admins' room.
    """

    def __init__(
        self, clock: Clock, name: str = "matrix", rooms: Sequence[str] = ("lobby", "talk")
    ) -> None:
        self.name = name
        self.clock = clock
        self.rooms = tuple(rooms)
        self.people: dict[str, Account] = {}
        self.messages: dict[str, Message] = {}
        self.history: list[Event | Sign] = []
        self._numbers = itertools.count(1)
        self._desk: FrontDesk | None = None
        self._told = 0
        self._teller = asyncio.Lock()

    @property
    def bot(self) -> Identity:
        """Our own account."""
        return Identity(self.name, "@gatekeeper:fake")

    # ---- people ----------------------------------------------------------------------------

    def person(
        self,
        account: str,
        *,
        name: str = "",
        inside: bool = False,
        power: int = 0,
        admin: bool = False,
        takes_chats: bool = False,
        groups: tuple[str, ...] = (),
        created_at: datetime | None = None,
        bot: bool = False,
    ) -> Identity:
        """Make an account; `inside` joins it to space and rooms, `admin` to the admins' room too
        (with power 100 unless told)."""
        places = dict.fromkeys((SPACE, *self.rooms), "join") if inside or admin else {}
        if admin:
            places[ADMINS] = "join"
        self.people[account] = Account(
            name=name or account.lstrip("@").partition(":")[0].capitalize(),
            power=power or (100 if admin else 0),
            places=places,
            takes_chats=takes_chats,
            groups=groups,
            created_at=created_at,
            bot=bot,
        )
        return Identity(self.name, account)

    async def knock(self, who: Identity, reason: str = "") -> str:
        """Ask at the space's door."""
        account = self._account(who)
        if account.places.get(SPACE, "") in ("join", "invite", "ban"):
            raise DoorShut(f"{who} cannot knock")
        account.places[SPACE] = "knock"
        return await self._tell(
            events.Knocked(**self._stamp(who), name=account.name, reason=reason[:2000])
        )

    async def take_back_knock(self, who: Identity) -> str:
        """Stop asking."""
        self._account(who).places.pop(SPACE)
        return await self._tell(events.KnockTakenBack(**self._stamp(who)))

    async def join(self, who: Identity, by: Identity | None = None) -> str:
        """Take up the invitation to the space, and enter its rooms; DoorShut without one."""
        account = self._account(who)
        if account.places.get(SPACE) != "invite":
            raise DoorShut(f"{who} is not invited")
        account.places |= dict.fromkeys((SPACE, *self.rooms), "join")
        stamp = self._stamp(who)
        event_id = await self._tell(events.Joined(**stamp, name=account.name, by=by or self.bot))
        self.history.append(self._sign(who, Kind.JOIN, SPACE, event_id))
        await self.deliver()
        return event_id

    async def invite_by_hand(self, who: Identity, by: Identity) -> str:
        """A member with the power invites `who`."""
        account = self._account(who)
        account.places[SPACE], account.invited_by = "invite", by
        return await self._tell(events.Invited(**self._stamp(who), by=by))

    async def leave(self, who: Identity) -> str:
        """Leave space and rooms, or refuse the invitation."""
        self._account(who).places.clear()
        return await self._tell(events.Departed(**self._stamp(who)))

    async def put_out_by_hand(self, who: Identity, by: Identity, reason: str = "") -> str:
        """A person with the power removes `who` in their own client."""
        places = self._account(who).places
        inside = places.get(SPACE) == "join"
        places.clear()
        event = events.PutOut(**self._stamp(who), by=by, reason=reason, inside=inside)
        return await self._tell(event)

    async def ban(self, who: Identity, by: Identity, reason: str = "") -> str:
        """A person with the power bans `who` in their own client."""
        self._account(who).places = dict.fromkeys((SPACE, *self.rooms), "ban")
        return await self._tell(events.Banned(**self._stamp(who), by=by, reason=reason))

    async def take_chat(self, who: Identity) -> str:
        """Take up the direct chat that we opened; DoorShut while there is none."""
        account = self._account(who)
        if account.chat != "invite":
            raise DoorShut(f"no chat waits for {who}")
        account.chat = "join"
        return await self._tell(events.ChatTaken(**self._stamp(who)))

    async def leave_chat(self, who: Identity) -> None:
        """Leave the direct chat, or refuse it."""
        self._account(who).chat = "leave"

    async def press(self, who: Identity, ref: str, symbol: str) -> str:
        """Press a symbol on one of our messages."""
        message = self.messages[ref]
        if (who.account, symbol) in message.presses.values():
            raise DoorShut("pressed already")
        event = events.Pressed(
            **self._stamp(who), ref=ref, symbol=_plain(symbol), place=message.place
        )
        message.presses[event.event_id] = (who.account, symbol)
        return await self._tell(event, self._sign(who, Kind.PRESS, message.place, event.event_id))

    async def take_back_press(self, who: Identity, press_id: str) -> str:
        """Take a press back."""
        for message in self.messages.values():
            message.presses.pop(press_id, None)
        return await self._tell(events.PressTakenBack(**self._stamp(who), press_id=press_id))

    async def write(
        self,
        who: Identity,
        text: str,
        place: str = "direct",
        thread: str = "",
        unreadable: bool = False,
    ) -> str:
        """Write to us: in the direct chat, or in the admins' room (there DoorShut for others)."""
        account = self._account(who)
        if place == ADMINS and account.places.get(ADMINS) != "join":
            raise DoorShut(f"{who} is not in the admins' room")
        stamp = self._stamp(who)
        kind = Kind.MESSAGE if place == ADMINS else Kind.COMMAND
        return await self._tell(
            events.Wrote(
                **stamp,
                place=place,
                text=text[:10_000],
                thread=thread,
                room=f"!{place}" if place == ADMINS else f"!{place}-{who.account}",
                unreadable=unreadable,
            ),
            self._sign(who, kind, place, stamp["event_id"]),
        )

    async def live(self, who: Identity, kind: Kind = Kind.MESSAGE, place: str = "") -> str:
        """Give a sign of life in a room."""
        sign = self._sign(who, kind, place or self.rooms[0], f"${next(self._numbers)}")
        self.history.append(sign)
        await self.deliver()
        return sign.event_id

    def seen_by(self, who: Identity) -> list[Message]:
        """The messages in the direct chat of `who`, oldest first; none before it is taken up."""
        return [m for m in self.messages.values() if m.place == "direct" and m.to == who.account]

    def posted(self, place: str = ADMINS) -> list[Message]:
        """Our messages in a place, oldest first."""
        return [m for m in self.messages.values() if m.place == place]

    async def deliver(self) -> None:
        """Tell the desk what it has not been told; where it raises, the same comes again."""
        async with self._teller:
            while self._desk is not None and self._told < len(self.history):
                item = self.history[self._told]
                if not isinstance(item, Sign):
                    await self._desk.handle(item)
                self._told += 1
                signs = [item] if isinstance(item, Sign) else []
                await self._desk.observe(self.name, signs, str(self._told))

    # ---- inside ----------------------------------------------------------------------------

    def _account(self, who: Identity) -> Account:
        if who.account not in self.people:
            raise PlatformRefused(self.name, "no-such-person", who.account)
        return self.people[who.account]

    def _stamp(self, who: Identity) -> _Stamp:
        return _Stamp(who=who, at=self.clock.now(), event_id=f"${next(self._numbers)}")

    def _sign(self, who: Identity, kind: Kind, place: str, event_id: str) -> Sign:
        return Sign(who=who, kind=kind, place=place, at=self.clock.now(), event_id=event_id)

    async def _tell(self, event: Event, *signs: Sign) -> str:
        """What decides comes first, as from a real intake."""
        self.history += [event, *signs]
        await self.deliver()
        return event.event_id


def _plain(symbol: str) -> str:
    """A symbol without variation selectors and skin tones."""
    return "".join(c for c in symbol if c not in "\ufe0e\ufe0f" and not "🏻" <= c <= "🏿")
