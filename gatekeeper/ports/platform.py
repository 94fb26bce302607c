"""Where members meet, and what carries something to them: called by the core."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from gatekeeper.domain.decisions import Action, Receipt
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.reconcile import Holder, PlaceRule, Present
from gatekeeper.ports.desk import FrontDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Someone a platform sees inside the club."""

    identity: Identity
    name: str
    bot: bool = False
    power: int = 0  # Matrix: power level in the admins' room, -1 when not in it
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one Identity stands on a platform, looked up just now.

    Attributes:
        inside: joined to the club's outermost place.
        in_admin_room: joined to the admins' room (no right by itself).
        power: power level in the admins' room; -1 when not in it.
    """

    inside: bool = False
    invited: bool = False
    knocking: bool = False
    banned: bool = False
    in_admin_room: bool = False
    power: int = -1
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a platform tells of an account; None where it does not tell.

    `email`: an address that the platform has seen confirmed, "" for none.
    """

    name: str
    created_at: datetime | None = None
    bot: bool = False
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The club's places on a platform, looked up just now.

    Attributes:
        members: everyone in the outermost place, as `members` tells.
        only: people in some place who are not in the outermost one.
        rules: each rule by which people could come past the gate.
        holders: who has the power to let people in, ourselves left out.
        unseen: places that could not be looked at, each with the reason.
    """

    members: tuple[Guest, ...] = ()
    only: tuple[Present, ...] = ()
    rules: tuple[PlaceRule, ...] = ()
    holders: tuple[Holder, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `gatekeeper doctor`: `ok`, its code, and values for sentence and remedy."""

    ok: bool
    code: str
    values: Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether a part works now; `code` says what is wrong, "" for nothing."""

    ok: bool
    code: str = ""
    detail: str = ""


class Carrier(Protocol):
    """What carries out Actions: a platform, or the mail."""

    name: str

    async def perform(self, action: Action, key: str, ordered_at: datetime) -> Receipt:
        """As a Platform does; the mail carries out Tell alone."""
        ...

    def limiters(self, action: Action) -> tuple[str, ...]:
        """As a Platform does."""
        ...


class Platform(Protocol):
    """One place where members meet. It translates and performs; it decides nothing."""

    name: str

    @property
    def bot(self) -> Identity:
        """Our own account there."""
        ...

    async def start(self, desk: FrontDesk) -> None:
        """Log in, make what the club's places need, and begin to listen in the background.

        A homeserver that is down is no error: it goes on trying and says so in `health`.
        """
        ...

    async def connect(self) -> None:
        """Log in without listening: what a command-line tool needs to look things up."""
        ...

    async def stop(self) -> None:
        """Stop listening; what was handed to the desk is kept."""
        ...

    async def perform(self, action: Action, key: str, ordered_at: datetime) -> Receipt:
        """Carry out one Action; again with the same `key` changes nothing.

        Raises:
            PlatformBusy, PlatformDown: the same call may work later.
            PlatformRefused: a final no.
        """
        ...

    def limiters(self, action: Action) -> tuple[str, ...]:
        """The names of the platform's limiters that `action` will draw on."""
        ...

    async def standing(self, who: Identity) -> Standing:
        """How `who` stands now. PlatformDown (also while we are out of the club's outermost place
        or the admins' room), PlatformBusy."""
        ...

    async def members(self) -> tuple[Guest, ...]:
        """Everyone inside the club, ourselves left out; raises like `standing`."""
        ...

    async def admins(self) -> tuple[Guest, ...]:
        """Everyone joined to the admins' room, ourselves left out, with power and groups; raises
        like `standing`."""
        ...

    async def survey(self) -> Survey:
        """Who is where, and whether the places' rules keep the gate; raises like `standing`."""
        ...

    async def profile(self, who: Identity) -> Profile:
        """What the platform tells of an account. PlatformDown, PlatformBusy, PlatformRefused."""
        ...

    def parse_identity(self, text: str) -> Identity:
        """What a person typed as their account; BadInput({"identity": "not-an-identity"})."""
        ...

    async def examine(self) -> tuple[Check, ...]:
        """What `gatekeeper doctor` shows: login, power, places, limits."""
        ...

    def health(self) -> Health:
        """Whether intake listens now; never waits."""
        ...


@runtime_checkable
class Paced(Protocol):
    """A Carrier that knows how often it may call, so that bulk never has to be told to wait."""

    def costs(self, action: Action) -> Mapping[str, timedelta]:
        """For how long `action` takes each limiter that it draws on."""
        ...


@runtime_checkable
class Called(Protocol):
    """A Platform that is told things over HTTP, beneath `/<name>/` at the pages' address.

    Attributes:
        paths: what it answers there, e.g. "events"; the rest is not found.
    """

    paths: Collection[str]

    async def receive(self, scope: Any, receive: Any, send: Any) -> None:
        """One request, as an ASGI application; it checks by itself who calls."""
        ...


@runtime_checkable
class ByHand(Protocol):
    """A Platform on which nobody has an account until somebody invites them there by hand."""

    def by_hand(self) -> str:
        """Code of the sentence that says how; its {account} is an e-mail address."""
        ...
