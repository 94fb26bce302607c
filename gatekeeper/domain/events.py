"""What platforms tell us: one value for each thing that can happen there.

Every event names itself by the platform's own id; telling it again changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from gatekeeper.domain.identity import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Who did it, when (aware, UTC), under which id of the platform."""

    who: Identity
    at: datetime
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Knocked(Happening):
    """Someone outside asks to be let in; `reason` is what they wrote, clipped to 2,000 letters."""

    name: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnockTakenBack(Happening):
    """The knock is gone by the knocker's own hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined(Happening):
    """Someone came into the club's outermost place (the space); `by` invited them, if anyone."""

    name: str
    by: Identity | None = None
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived(Happening):
    """Someone has an account on the platform now, and is not inside the club by that.

    `email`, here and of Joined: their address as the platform has seen it confirmed, "" for none.
    """

    name: str
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited(Happening):
    """A person (not we) invited `who` into the club by hand."""

    by: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Departed(Happening):
    """`who` left the club, or refused an invitation, by themselves.

    `unclear`: the platform does not say whether somebody took them out.
    """

    unclear: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOut(Happening):
    """`by` (a person, or ourselves) took `who` out of the club or took an invitation back.

    `inside`: they had come in, not only been invited or knocked.
    """

    by: Identity
    reason: str = ""
    inside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Banned(Happening):
    """`by` banned `who`."""

    by: Identity
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed(Happening):
    """`who` pressed a choice of one of our messages: `ref` names it, `symbol` is what was pressed.

    Symbols come normalised: without variation selectors.
    """

    ref: str
    symbol: str
    place: str = ""  # "admins", "direct" or a room


@dataclass(frozen=True, slots=True, kw_only=True)
class PressTakenBack(Happening):
    """The press that came as `press_id` is gone."""

    press_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote(Happening):
    """`who` wrote to us: in their direct chat, or in the admins' room.

    `thread` is the ref of the message they answer, "" for none; `room` is the platform's id of the
    place, "" where it has none; texts are clipped to 10,000 letters. Messages in other rooms are
    Activity only and never come this way.
    """

    place: str  # "direct" or "admins"
    text: str
    thread: str = ""
    room: str = ""
    unreadable: bool = False  # encrypted, and we cannot read it
    command: bool = False  # said by a command of the app, to which nothing is no answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTaken(Happening):
    """`who` took up the direct chat that we opened: what waits for it can be delivered."""


Event: TypeAlias = (
    Knocked
    | KnockTakenBack
    | Joined
    | Arrived
    | Invited
    | Departed
    | PutOut
    | Banned
    | Pressed
    | PressTakenBack
    | Wrote
    | ChatTaken
)
