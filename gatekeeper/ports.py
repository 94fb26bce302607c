"""The ports: what the core calls (Platform, Store, Vault, Engine, Clock) and what calls it.

Laws that every implementation keeps stand in `gatekeeper.testing.contract`.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

from gatekeeper.domain.activity import Kind, Sign, Span, Tie
from gatekeeper.domain.decisions import Action, Card, Decision, Entry, Receipt
from gatekeeper.domain.errors import Value
from gatekeeper.domain.events import Event, Pressed
from gatekeeper.domain.identity import ClubId, Identity
from gatekeeper.domain.memberships import State
from gatekeeper.domain.reconcile import Holder, PlaceRule, Present
from gatekeeper.domain.windows import Filled, Taken, Window
from gatekeeper.policy.predicates import FALSE, TRUE, Predicate

T = TypeVar("T")
PAGE = 500  # rows read at once


class Clock(Protocol):
    """Tells the time; the only place that does."""

    def now(self) -> datetime:
        """The time now, aware, UTC."""
        ...


# ---- Platform ------------------------------------------------------------------------------


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

    async def start(self, desk: "FrontDesk") -> None:
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


class FrontDesk(Protocol):
    """Where platforms call in; what they tell is told at least once and may come in any order."""

    async def handle(self, event: Event) -> None:
        """Take in one event that decides something; committed when this returns."""
        ...

    async def keep(self, press: Pressed) -> None:
        """Keep a press, to be taken in soon and once: for platforms that have to be answered at
        once, whatever it takes to weigh it. It is lost no more when this returns."""
        ...

    async def observe(
        self, platform: str, signs: Sequence[Sign], position: str, *, after_gap: bool = False
    ) -> None:
        """Take in signs of life up to `position`; kept in memory until the next flush.

        Signs and position are committed together, so a crash loses and doubles nothing.
        `after_gap`: what lies between the last position and this could not be seen.
        """
        ...

    async def blind(self, platform: str, places: Mapping[str, datetime]) -> None:
        """These places of the club, and no others, do not reach us now, each since when.

        To be told at each start and whenever it changes. A place is named as in signs; one that
        we never saw yet, or that is the club's no more, is none of them.
        """
        ...

    async def missed(self, platform: str, place: str, start: datetime, end: datetime) -> None:
        """What came from a place ("": from anywhere) in this time was lost; once is enough."""
        ...

    async def position(self, platform: str) -> str:
        """The last committed position, "" for none."""
        ...

    async def paused(self) -> bool:
        """Whether the club writes nothing now: nothing is made then, and nobody invited, but what
        is performed; listening goes on."""
        ...

    async def window(self, who: Identity) -> Window:
        """What the owner of an account sees of the club in a chat's own forms, and may do now."""
        ...

    async def take(self, filled: Filled) -> Taken:
        """Take in a form sent there; committed when this returns, problems told and no error."""
        ...

    async def whole(self, who: Identity, ref: str) -> Card | None:
        """What the card in the message `ref` tells, uncut, for an admin; None for others."""
        ...

    def say(self, code: str, values: Mapping[str, Value] | None = None, language: str = "") -> str:
        """The catalogue's sentence, in the club's words; "": in the club's language."""
        ...


# ---- Store ---------------------------------------------------------------------------------


class Insider(NamedTuple):
    """What a sign of life may change of one membership."""

    membership_id: int
    person_id: int
    state: State
    known_since: datetime
    last_seen_at: datetime | None


class Tx(Protocol):
    """One use case's view of one club; what it writes is committed together or not at all.

    Values are the frozen dataclasses of `gatekeeper.domain`. Criteria are field names, with
    `__in`, `__not_in`, `__lt`, `__lte`, `__gt`, `__gte` behind them where equality is not meant;
    None means "is not set", `__set=True/False` asks whether it is.
    """

    club: ClubId

    async def add(self, value: T) -> T:
        """Keep a new value; returned with its id. WrongState("exists") where a key is taken."""
        ...

    async def get(self, kind: type[T], id: int) -> T:  # noqa: A002
        """The value with this id; NotFound."""
        ...

    async def find(
        self, kind: type[T], /, *, order: str = "id", limit: int | None = None, **criteria: Any
    ) -> list[T]:
        """All values that meet the criteria; `order` is a field, "-field" for descending."""
        ...

    async def first(self, kind: type[T], /, *, order: str = "id", **criteria: Any) -> T | None:
        """The first of `find`, None for none."""
        ...

    async def count(self, kind: type[Any], /, **criteria: Any) -> int:
        """How many values meet the criteria."""
        ...

    async def change(self, value: T, **changes: Any) -> T:
        """Write `changes` onto a value as it was loaded: compare-and-set on id and, where the
        value has one, its `state` or `progress`; WrongState("stale") when someone was faster."""
        ...

    async def add_many(self, values: Sequence[Any]) -> None:
        """Keep new values of one kind; WrongState("exists") where a key is taken. No Orders: of
        what becomes due here nobody is told."""
        ...

    async def page(
        self,
        kind: type[T],
        /,
        *,
        order: str,
        after: tuple[Any, int] | None = None,
        limit: int = PAGE,
        among: Predicate = TRUE,
        **criteria: Any,
    ) -> list[T]:
        """The next values behind `after` (field, id) in the order of a field that is always set;
        of those only that `among`, as `predicates.between` gives it, holds of."""
        ...

    async def change_all(
        self,
        kind: type[Any],
        changes: Mapping[str, Any],
        /,
        *,
        unless: Predicate = FALSE,
        **criteria: Any,
    ) -> int:
        """Write `changes` onto all that meet the criteria and of which `unless` is known not to
        hold; how many. Never an id, a club or a state."""
        ...

    async def remove(self, kind: type[Any], /, **criteria: Any) -> int:
        """Delete what meets the criteria; how many went. Never of the record of decisions."""
        ...

    async def record(
        self,
        decision: Decision,
        *,
        at: datetime,
        actor: str,
        subject: str,
        sentence: str,
        policy: str = "",
        seen: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Append to the club's chain; `seen` is the input, salted, in the erasable table."""
        ...

    async def entries(self, *, subject: str = "", after: int = 0, limit: int = 100) -> list[Entry]:
        """Rows of the record in order of sequence, after `after`."""
        ...

    async def seen_by(self, entry: Entry) -> Mapping[str, Any] | None:
        """The input of an entry; None once erased."""
        ...

    async def erase_inputs(self, subjects: Sequence[str]) -> int:
        """Erase the inputs of these subjects' entries; the chain stays whole."""
        ...

    async def inside(self, identities: Collection[Identity]) -> Mapping[Identity, Insider]:
        """Those of the accounts whose persons are members now, on whatever account of theirs."""
        ...

    async def staged(self) -> frozenset[Identity]:
        """The accounts of all members in a stage of a removal, by which they are members."""
        ...

    async def count_once(self, marks: Collection[int], day: date) -> set[int]:
        """Note events (see `mark_of`) as counted; those that were not before."""
        ...

    async def merge_activity(self, signs: Mapping[int, Sequence[Sign]]) -> None:
        """Add signs, by person id, to the day's counts; last times never move back."""
        ...

    async def merge_ties(self, ties: Sequence[Tie]) -> None:
        """Add to the counts of ties, each named once."""
        ...

    async def move_last(self, last: Mapping[int, Sign]) -> None:
        """Move the last sign of memberships, by their id, forward; never back."""
        ...

    async def last_signs(self, people: Collection[int]) -> Mapping[int, Mapping[Kind, datetime]]:
        """When each of `people` last gave a sign of each kind, by person id."""
        ...

    async def coverage(self, platform: str, start: datetime) -> list[Span]:
        """The intervals since `start` in which the platform's intake listened without a gap."""
        ...


class Store(Protocol):
    """The club's tables. `committed` is called after each commit with the ids of new due Orders."""

    committed: Callable[[ClubId, Sequence[int]], None]

    async def open(self) -> None:
        """Connect; StorageError where the schema is not the one of this release."""
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...

    def transaction(self, club: ClubId, *, urgent: bool = False) -> AbstractAsyncContextManager[Tx]:
        """One writer in a club at a time, over all processes; commit at the end, or roll back.

        Never call a platform inside. `urgent`: somebody is to be answered at once; where a store
        can, this goes before others that wait.
        """
        ...

    def look(self, club: ClubId) -> AbstractAsyncContextManager[Tx]:
        """Read without holding anyone up; writing through it is refused."""
        ...

    async def verify(self, club: ClubId) -> int:
        """Walk the record; how many rows are whole. RecordBroken at the first fault."""
        ...

    async def head(self, club: ClubId) -> tuple[int, str]:
        """Sequence and mac of the newest row of the record; (0, "") for none."""
        ...

    async def clubs(self) -> list[ClubId]:
        """All clubs that have a row."""
        ...


class Vault(Protocol):
    """Encrypted tokens and login states, by name."""

    async def get(self, name: str) -> bytes | None:
        """The secret kept under `name`, None for none."""
        ...

    async def put(self, name: str, secret: bytes) -> None:
        """Keep a secret, in place of an earlier one."""
        ...

    async def swap(self, name: str, old: bytes | None, new: bytes) -> bool:
        """Keep `new` if `old` (None: none) is what is kept still; whether it was. Of many who try
        at once, over all processes, one is told yes."""
        ...


# ---- Engine --------------------------------------------------------------------------------

Job: TypeAlias = Callable[..., Awaitable[None]]
Fate: TypeAlias = Literal["unknown", "unfinished", "finished"]


class Engine(Protocol):
    """Durable jobs and cron. Jobs are short, idempotent and carry only ids and strings.

    A job that raises is logged and not tried again by itself: the truth stands in our tables, and
    the relay finds what is still due.
    """

    def register(self, kind: str, job: Job) -> None:
        """Name a job; before `start`."""
        ...

    def schedule(self, name: str, cron: str, zone: str, kind: str) -> None:
        """Run `kind(slot)` at each tick, once over all processes; 6 fields begin with seconds.

        `slot` is the tick's moment as an ISO text. Calling again with the same name replaces it.
        """
        ...

    async def start(self) -> None:
        """Begin to work, inside the running loop; unfinished jobs of a dead process go on."""
        ...

    async def stop(self) -> None:
        """Finish what runs, within seconds."""
        ...

    async def enqueue(self, kind: str, *args: str | int, key: str, now: bool = False) -> None:
        """Hand over a job once for each `key`; `now` starts it in this process at once."""
        ...

    async def fate(self, key: str) -> Fate:
        """What became of the job with this key; "unknown" when there is none, or none any more."""
        ...

    def health(self) -> Health:
        """Whether the engine works."""
        ...
