"""FakeStore: the Store in memory, under the same laws as the real ones (StoreContract)."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, TypeVar, cast

from gatekeeper.clock import SystemClock
from gatekeeper.domain.activity import Counted
from gatekeeper.domain.clubs import ClubState
from gatekeeper.domain.decisions import Decision, Entry, Order, Progress
from gatekeeper.domain.errors import NotFound, RecordBroken, StorageError, WrongState
from gatekeeper.domain.identity import ClubId
from gatekeeper.domain.memberships import Membership, headcount
from gatekeeper.policy.predicates import FALSE, TRUE, Predicate, holds
from gatekeeper.ports import PAGE, Clock
from gatekeeper.testing.fakes_rows import (
    KINDS,
    ONE_OPEN,
    UNIQUE,
    copied,
    digest,
    honest,
    known,
    meets,
    seal,
    sortable,
    utc,
)
from gatekeeper.testing.fakes_signs import FakeSigns

T = TypeVar("T")


@dataclass
class ClubRows:
    """One club's rows; a transaction works on a copy that takes its place at the end."""

    tables: dict[type[Any], dict[int, Any]] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    inputs: dict[int, tuple[str, str]] = field(default_factory=dict)  # sequence: salt, JSON


class FakeStore:
    """The Store in memory. `rows` is open to tests that want to look behind it.

    Args:
        clock: for the moment at which a club's row is made; the machine's by default.
    """

    committed: Callable[[ClubId, Sequence[int]], None]

    def __init__(self, clock: Clock | None = None) -> None:
        self.committed = _nobody
        self.rows: dict[ClubId, ClubRows] = {}
        self._clock = clock or SystemClock()
        self._ids: defaultdict[type[Any], int] = defaultdict(int)
        self._locks: defaultdict[ClubId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._writing: dict[ClubId, asyncio.Task[object] | None] = {}

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Nothing to let go of: opened again, all is still there."""

    @asynccontextmanager
    async def transaction(self, club: ClubId, *, urgent: bool = False) -> AsyncIterator["FakeTx"]:
        """One writer in a club at a time; what it wrote counts from its end on, or not at all."""
        task = asyncio.current_task()
        if task in self._writing.values():
            raise RuntimeError("a transaction inside a transaction would wait for itself")
        async with self._locks[club]:
            self._writing[club] = task
            try:
                standing = self.rows.get(club, ClubRows())
                rows = ClubRows(
                    dict(standing.tables), list(standing.entries), dict(standing.inputs)
                )
                tx = FakeTx(club, rows, self.next_id)
                if await tx.first(ClubState) is None:
                    await tx.add(ClubState(club=club, created_at=self._clock.now()))
                try:
                    yield tx
                finally:
                    tx.end()
                self.rows[club] = rows
            finally:
                del self._writing[club]
        self.committed(club, tuple(tx.due))

    @asynccontextmanager
    async def look(self, club: ClubId) -> AsyncIterator["FakeTx"]:
        """What is committed now, however long one looks; writing is a StorageError."""
        tx = FakeTx(club, self.rows.get(club, ClubRows()), self.next_id, may_write=False)
        try:
            yield tx
        finally:
            tx.end()

    async def verify(self, club: ClubId) -> int:
        """How many rows of the record are whole; RecordBroken names the first that is not."""
        rows, previous = self.rows.get(club, ClubRows()), ""
        for number, entry in enumerate(rows.entries, 1):
            salt, text = rows.inputs.get(number, ("", ""))
            whole = entry.sequence == number and entry.mac == seal(entry, previous)
            if not whole or (salt and entry.input_digest != digest(salt, text)):
                raise RecordBroken(sequence=number)
            previous = entry.mac
        return len(rows.entries)

    async def head(self, club: ClubId) -> tuple[int, str]:
        """Sequence and mac of the newest row of the record; (0, "") for none."""
        entries = self.rows.get(club, ClubRows()).entries
        return (entries[-1].sequence, entries[-1].mac) if entries else (0, "")

    async def clubs(self) -> list[ClubId]:
        """All clubs that have a row."""
        return sorted(self.rows)

    def next_id(self, kind: type[Any]) -> int:
        """A number that no other value of this kind has, in any club."""
        self._ids[kind] += 1
        return self._ids[kind]


class FakeTx(FakeSigns):
    """One use case's view of one club; see `gatekeeper.ports.Tx`."""

    def __init__(
        self,
        club: ClubId,
        rows: ClubRows,
        next_id: Callable[[type[Any]], int],
        *,
        may_write: bool = True,
    ) -> None:
        self.club = club
        self.due: list[int] = []
        self._rows, self._next_id = rows, next_id
        self._may_read, self._may_write = True, may_write
        self._own: set[type[Any]] = set()  # tables that are copies already

    def end(self) -> None:
        """What comes later is a StorageError."""
        self._may_read = self._may_write = False

    async def add(self, value: T) -> T:
        """Keep a new value; returned with its id. WrongState("exists") where a key is taken."""
        table = self._written(type(value))
        self._ours(value)
        kept = replace(cast(Any, honest(value)), id=self._next_id(type(value)))
        self._refuse_twins(kept, "add")
        table[kept.id] = kept
        self._note_due(kept, {})
        self._count_in(headcount(kept))
        return cast(T, copied(kept))

    async def get(self, kind: type[T], id: int) -> T:  # noqa: A002 - the port's name
        """The value with this id; NotFound."""
        found = await self.find(kind, id=id)
        if not found:
            raise NotFound(kind=kind.__name__, id=id)
        return found[0]

    async def find(
        self, kind: type[T], /, *, order: str = "id", limit: int | None = None, **criteria: Any
    ) -> list[T]:
        """All values that meet the criteria; `order` is a field, "-field" for descending."""
        name = order.removeprefix("-")
        table = self._read(kind)
        for field_name in (name, *(criterion.partition("__")[0] for criterion in criteria)):
            known(kind, field_name)
        found = [value for value in table.values() if meets(value, criteria)]
        found.sort(
            key=lambda value: (sortable(getattr(value, name)), value.id),
            reverse=order.startswith("-"),
        )
        return [cast(T, copied(value)) for value in found[:limit]]

    async def first(self, kind: type[T], /, *, order: str = "id", **criteria: Any) -> T | None:
        """The first of `find`, None for none."""
        found = await self.find(kind, order=order, limit=1, **criteria)
        return found[0] if found else None

    async def count(self, kind: type[Any], /, **criteria: Any) -> int:
        """How many values meet the criteria."""
        return len(await self.find(kind, **criteria))

    async def change(self, value: T, **changes: Any) -> T:
        """Compare-and-set; returned as it stands now. WrongState("stale") where it has moved on."""
        kind = type(value)
        table = self._written(kind)
        self._ours(value)
        if not changes.keys().isdisjoint({"id", "club"}):
            raise ValueError("a value keeps its id and its club")
        for name in changes:
            known(kind, name)
        standing = table.get(value.id)  # type: ignore[attr-defined]
        guard = next((name for name in ("state", "progress") if hasattr(value, name)), "id")
        if standing is None or getattr(standing, guard) != getattr(value, guard):
            raise WrongState(state="stale", event="change", kind=kind.__name__)
        changed = honest(replace(standing, **changes))
        self._refuse_twins(changed, "change")
        table[changed.id] = changed
        self._note_due(changed, changes)
        self._count_in(headcount(changed) - headcount(value))
        return cast(T, copied(changed))

    async def add_many(self, values: Sequence[Any]) -> None:
        """Keep new values of one kind; WrongState("exists") where a key is taken."""
        for value in values:
            await self.add(value)

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
        """The next values in the order of a field that is always set, and of their ids."""
        found = await self.find(kind, order=order, **criteria)
        if after is not None:
            passed = (sortable(after[0]), after[1])
            found = [v for v in found if (sortable(getattr(v, order)), cast(Any, v).id) > passed]
        return [value for value in found if holds(among, value)][:limit]

    async def change_all(
        self,
        kind: type[Any],
        changes: Mapping[str, Any],
        /,
        *,
        unless: Predicate = FALSE,
        **criteria: Any,
    ) -> int:
        """Write `changes` onto all that meet the criteria and not `unless`; how many."""
        guards = {"id", "club", "state", "progress"}
        if not guards.isdisjoint(changes):
            raise ValueError("not the id, the club or a state: those are compared")
        self._written(kind)
        going = [each for each in await self.find(kind, **criteria) if not holds(unless, each)]
        for each in going:
            await self.change(each, **changes)
        return len(going)

    async def remove(self, kind: type[Any], /, **criteria: Any) -> int:
        """Delete what meets the criteria, of which there must be one; how many went."""
        table = self._written(kind)
        if not criteria:
            raise ValueError("remove needs a criterion")
        if kind is Membership:
            raise ValueError("a membership ends; it is not deleted")
        going = [value.id for value in table.values() if meets(value, criteria)]
        for each in going:
            del table[each]
        return len(going)

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
        """Append to the club's chain; `seen` is the input, erasable."""
        self._check_writing()
        entries = self._rows.entries
        sequence = len(entries) + 1
        salt, text = "", ""
        if seen is not None:
            salt, text = f"salt-{sequence}", json.dumps(seen, allow_nan=False)
            self._rows.inputs[sequence] = (salt, text)
        entry = Entry(
            sequence=sequence,
            club=self.club,
            at=utc(at),
            actor=actor,
            subject=subject,
            verdict=decision.verdict,
            code=decision.code,
            sentence=sentence,
            policy=policy,
            input_digest=digest(salt, text) if salt else "",
        )
        entry = replace(entry, mac=seal(entry, entries[-1].mac if entries else ""))
        entries.append(entry)
        return entry

    async def entries(self, *, subject: str = "", after: int = 0, limit: int = 100) -> list[Entry]:
        """Rows of the record in order of sequence, after `after`."""
        self._check_reading()
        found = [
            entry
            for entry in self._rows.entries
            if entry.sequence > after and subject in ("", entry.subject)
        ]
        return found[:limit]

    async def seen_by(self, entry: Entry) -> Mapping[str, Any] | None:
        """The input of an entry; None once erased, or where there was none."""
        self._check_reading()
        _, text = self._rows.inputs.get(entry.sequence, ("", "null"))
        return cast(Mapping[str, Any] | None, json.loads(text))

    async def erase_inputs(self, subjects: Sequence[str]) -> int:
        """Erase the inputs of these subjects' entries; how many. The chain stays whole."""
        self._check_writing()
        theirs = {entry.sequence for entry in self._rows.entries if entry.subject in subjects}
        going = theirs & self._rows.inputs.keys()
        for sequence in going:
            del self._rows.inputs[sequence]
        return len(going)

    async def count_once(self, marks: Collection[int], day: date) -> set[int]:
        """Note events as counted; those that were not before."""
        table = self._written(Counted)
        fresh = set(marks) - table.keys()
        for mark in fresh:
            table[mark] = Counted(id=mark, club=self.club, day=day)
        return fresh

    def _read(self, kind: type[Any]) -> dict[int, Any]:
        self._check_reading()
        if kind not in KINDS:
            raise TypeError(f"{kind.__name__} is not kept by add, find, change and remove")
        return self._rows.tables.get(kind, {})

    def _written(self, kind: type[Any]) -> dict[int, Any]:
        self._check_writing()
        table = self._read(kind)
        if kind not in self._own:
            self._own.add(kind)
            table = self._rows.tables[kind] = dict(table)
        return table

    def _check_reading(self) -> None:
        if not self._may_read:
            raise StorageError(detail="this transaction has ended")

    def _check_writing(self) -> None:
        self._check_reading()
        if not self._may_write:
            raise StorageError(detail="look is for reading")

    def _ours(self, value: Any) -> None:
        if value.club != self.club:
            raise ValueError(f"of another club: {value.club}")

    def _refuse_twins(self, value: Any, event: str) -> None:
        kind = type(value)
        keys = [UNIQUE[kind]] if kind in UNIQUE else []
        others: Iterable[Any] = self._rows.tables[kind].values()
        if kind in ONE_OPEN and value.state in ONE_OPEN[kind]:
            others = [other for other in others if other.state in ONE_OPEN[kind]]
            keys = [("person_id",)]
        for other in others:
            for key in keys:
                same = all(getattr(other, name) == getattr(value, name) for name in key)
                if same and other.id != value.id:
                    raise WrongState(state="exists", event=event, kind=kind.__name__)

    def _count_in(self, more: int) -> None:
        states = self._written(ClubState) if more else {}
        for number, state in states.items():
            states[number] = replace(state, members=state.members + more)

    def _note_due(self, value: object, changes: Mapping[str, Any]) -> None:
        moved = not changes or not changes.keys().isdisjoint({"progress", "due_at", "attempt"})
        if isinstance(value, Order) and value.progress is Progress.DUE and moved:
            self.due.append(value.id)


def _nobody(_club: ClubId, _orders: Sequence[int]) -> None:
    """Until somebody wants to be told of commits."""
