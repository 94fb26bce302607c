"""The club's tables, and its secrets."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from gatekeeper.domain.activity import Kind, Sign, Span, Tie
from gatekeeper.domain.decisions import Decision, Entry
from gatekeeper.domain.identity import ClubId, Identity
from gatekeeper.domain.memberships import State
from gatekeeper.policy.predicates import FALSE, TRUE, Predicate

T = TypeVar("T")
PAGE = 500  # rows read at once


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
