"""TortoiseTx: one use case's view of one club."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from tortoise.exceptions import IntegrityError

from gatekeeper.domain.decisions import Decision, Entry, Order, Progress, Verdict
from gatekeeper.domain.errors import NotFound, RecordBroken, WrongState
from gatekeeper.domain.identity import ClubId
from gatekeeper.domain.memberships import Membership, headcount
from gatekeeper.policy.predicates import FALSE, TRUE, Predicate
from gatekeeper.ports import PAGE
from gatekeeper.storage import record
from gatekeeper.storage.connections import Session
from gatekeeper.storage.mapping import clean, moment_text, to_json
from gatekeeper.storage.signs import SignsTx
from gatekeeper.storage.statements import met, order_by, quoted, where
from gatekeeper.storage.verify import read_head

T = TypeVar("T")


class TortoiseTx(SignsTx):
    """Reads and writes one club's rows within one transaction; see `gatekeeper.ports.Tx`.

    `due` gathers the ids of Orders that this transaction has made due.
    """

    def __init__(
        self, session: Session, club: ClubId, key: bytes, *, may_write: bool = True
    ) -> None:
        super().__init__(session, club, may_write=may_write)
        self.due: list[int] = []
        self._key = key

    async def add(self, value: T) -> T:
        """Keep a new value; returned with its id. WrongState("exists") where a key is taken."""
        table = self._writer(type(value))
        self._ours(value)
        row = table.row(value)
        marks = ", ".join("?" * len(row))
        rows = await self._session.rows(
            f"INSERT INTO {table.table} ({quoted(row)}) VALUES ({marks})"
            f" ON CONFLICT DO NOTHING RETURNING {quoted(table.columns)}",
            list(row.values()),
        )
        if not rows:
            raise WrongState(state="exists", event="add", kind=type(value).__name__)
        kept = table.value(rows[0])
        self._note_due(kept, {})
        await self._count_in(headcount(kept))
        return kept

    async def get(self, kind: type[T], id: int) -> T:  # noqa: A002 - the port's name
        """The value with this id; NotFound."""
        found = await self.find(kind, limit=1, id=id)
        if not found:
            raise NotFound(kind=kind.__name__, id=id)
        return found[0]

    async def find(
        self, kind: type[T], /, *, order: str = "id", limit: int | None = None, **criteria: Any
    ) -> list[T]:
        """All values that meet the criteria; `order` is a field, "-field" for descending."""
        table = self._reader(kind)
        condition, values = where(table, self.club, criteria)
        statement = (
            f"SELECT {quoted(table.columns)} FROM {table.table} WHERE {condition}"
            f" ORDER BY {order_by(table, order, self._session.dialect)}"
        )
        if limit is not None:
            statement += " LIMIT ?"
            values.append(limit)
        return [table.value(row) for row in await self._session.rows(statement, values)]

    async def first(self, kind: type[T], /, *, order: str = "id", **criteria: Any) -> T | None:
        """The first of `find`, None for none."""
        found = await self.find(kind, order=order, limit=1, **criteria)
        return found[0] if found else None

    async def count(self, kind: type[Any], /, **criteria: Any) -> int:
        """How many values meet the criteria."""
        table = self._reader(kind)
        condition, values = where(table, self.club, criteria)
        rows = await self._session.rows(
            f"SELECT count(*) AS number FROM {table.table} WHERE {condition}", values
        )
        return int(rows[0]["number"])

    async def change(self, value: T, **changes: Any) -> T:
        """Compare-and-set; returned as it stands now. WrongState("stale") where it has moved on."""
        table = self._writer(type(value))
        self._ours(value)
        if not changes.keys().isdisjoint({"id", "club"}):
            raise ValueError("a value keeps its id and its club")
        criteria = {"id": value.id}  # type: ignore[attr-defined]
        if table.guard:
            criteria[table.guard] = getattr(value, table.guard)
        condition, known = where(table, self.club, criteria)
        written = {name: table.column(name).encode(each) for name, each in changes.items()}
        settings = ", ".join(f'"{name}" = ?' for name in written) or '"id" = "id"'
        statement = (
            f"UPDATE {table.table} SET {settings} WHERE {condition}"
            f" RETURNING {quoted(table.columns)}"
        )
        try:
            async with self._session.savepoint():
                rows = await self._session.rows(statement, [*written.values(), *known])
        except IntegrityError as taken:
            raise WrongState(state="exists", event="change", kind=type(value).__name__) from taken
        if not rows:
            raise WrongState(state="stale", event="change", kind=type(value).__name__)
        changed = table.value(rows[0])
        self._note_due(changed, changes)
        await self._count_in(headcount(changed) - headcount(value))
        return changed

    async def add_many(self, values: Sequence[Any]) -> None:
        """Keep new values of one kind; WrongState("exists") where a key is taken."""
        if not values:
            return
        table = self._writer(type(values[0]))
        rows = []
        for value in values:
            self._ours(value)
            rows.append(list(table.row(value).values()))
        names = [name for name in table.columns if name != "id"]
        try:
            async with self._session.savepoint():
                await self._session.add_rows(table.table, names, rows)
        except IntegrityError as taken:
            raise WrongState(state="exists", event="add", kind=table.kind.__name__) from taken
        await self._count_in(sum(map(headcount, values)))

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
        table = self._reader(kind)
        condition, values = where(table, self.club, criteria)
        more, wanted = met(table, among)
        column = table.column(order)
        place = ""
        if after is not None:
            place = f' AND ("{column.name}", "id") > (?, ?)'
            wanted = [*wanted, column.codec.encode(after[0]), after[1]]
        rows = await self._session.rows(
            f"SELECT {quoted(table.columns)} FROM {table.table}"
            f" WHERE {condition} AND {more}{place}"
            f" ORDER BY {order_by(table, order, self._session.dialect)} LIMIT ?",
            [*values, *wanted, limit],
        )
        return [table.value(row) for row in rows]

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
        table = self._writer(kind)
        if not changes.keys().isdisjoint({"id", "club", table.guard}):
            raise ValueError("not the id, the club or a state: those are compared")
        condition, known = where(table, self.club, criteria)
        exempt, more = met(table, unless)
        written = {name: table.column(name).encode(each) for name, each in changes.items()}
        settings = ", ".join(f'"{name}" = ?' for name in written)
        return await self._session.run(
            f"UPDATE {table.table} SET {settings} WHERE {condition} AND NOT {exempt}",
            [*written.values(), *known, *more],
        )

    async def remove(self, kind: type[Any], /, **criteria: Any) -> int:
        """Delete what meets the criteria, of which there must be one; how many went."""
        table = self._writer(kind)
        if not criteria:
            raise ValueError("remove needs a criterion")
        if kind is Membership:
            raise ValueError("a membership ends; it is not deleted")
        condition, values = where(table, self.club, criteria)
        return await self._session.run(f"DELETE FROM {table.table} WHERE {condition}", values)

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
        self._check_writing()
        head = await read_head(self._session, self.club, self._key)
        sequence = head.sequence + 1
        salt, digest, text = "", "", ""
        if seen is not None:
            text = to_json(seen)
            salt, digest = record.salted(text)
        row: dict[str, Any] = {
            "id": record.entry_id(self.club, sequence),
            "club": self.club,
            "sequence": sequence,
            "at": moment_text(at),
            "actor": clean(actor),
            "subject": clean(subject),
            "verdict": decision.verdict.value,
            "code": clean(decision.code),
            "sentence": clean(sentence),
            "policy": clean(policy),
            "input_digest": digest,
        }
        row["mac"] = record.seal(self._key, row, head.mac)
        await self._insert("entries", row)
        if digest:
            own = {name: row[name] for name in ("id", "club", "sequence")}
            await self._insert("entry_inputs", {**own, "salt": salt, "input": text})
        await self._move_head(sequence, row["mac"])
        return _entry(row)

    async def entries(self, *, subject: str = "", after: int = 0, limit: int = 100) -> list[Entry]:
        """Rows of the record in order of sequence, after `after`."""
        self._check_reading()
        about, values = (' AND "subject" = ?', [subject]) if subject else ("", [])
        rows = await self._session.rows(
            f'SELECT * FROM entries WHERE "club" = ? AND "sequence" > ?{about}'
            ' ORDER BY "sequence" LIMIT ?',
            [self.club, after, *values, limit],
        )
        return [_entry(row) for row in rows]

    async def seen_by(self, entry: Entry) -> Mapping[str, Any] | None:
        """The input of an entry; None once erased, or where there was none."""
        self._check_reading()
        rows = await self._session.rows(
            'SELECT "input" FROM entry_inputs WHERE "club" = ? AND "sequence" = ?',
            [self.club, entry.sequence],
        )
        seen: dict[str, Any] | None = json.loads(rows[0]["input"]) if rows else None
        return seen

    async def erase_inputs(self, subjects: Sequence[str]) -> int:
        """Erase the inputs of these subjects' entries; how many. The chain stays whole."""
        self._check_writing()
        marks = ", ".join("?" * len(subjects)) or "NULL"
        return await self._session.run(
            'DELETE FROM entry_inputs WHERE "club" = ? AND "sequence" IN'
            f' (SELECT "sequence" FROM entries WHERE "club" = ? AND "subject" IN ({marks}))',
            [self.club, self.club, *subjects],
        )

    def _note_due(self, value: object, changes: Mapping[str, Any]) -> None:
        """Added as due, made due, or given another moment."""
        moved = not changes or not changes.keys().isdisjoint({"progress", "due_at", "attempt"})
        if isinstance(value, Order) and value.progress is Progress.DUE and moved:
            self.due.append(value.id)

    async def _count_in(self, more: int) -> None:
        """Keep `ClubState.members`; whoever writes holds the club's row already."""
        if more:
            await self._session.run(
                'UPDATE clubs SET "members" = "members" + ? WHERE club = ?', [more, self.club]
            )

    async def _insert(self, table: str, row: Mapping[str, Any]) -> None:
        marks = ", ".join("?" * len(row))
        statement = f"INSERT INTO {table} ({quoted(row)}) VALUES ({marks}) RETURNING 1 AS one"
        try:
            await self._session.rows(statement, list(row.values()))
        except IntegrityError as taken:  # the head says less than the rows: somebody moved it
            raise RecordBroken(sequence=row["sequence"]) from taken

    async def _move_head(self, sequence: int, mac: str) -> None:
        own_mac = record.seal_head(self._key, self.club, sequence, mac)
        await self._session.rows(
            "INSERT INTO heads (club, sequence, mac, own_mac) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (club) DO UPDATE SET sequence = excluded.sequence, mac = excluded.mac,"
            " own_mac = excluded.own_mac RETURNING sequence",
            [self.club, sequence, mac, own_mac],
        )


def _entry(row: Mapping[str, Any]) -> Entry:
    try:
        return Entry(
            sequence=row["sequence"],
            club=ClubId(row["club"]),
            at=datetime.fromisoformat(row["at"]),
            actor=row["actor"],
            subject=row["subject"],
            verdict=Verdict(row["verdict"]),
            code=row["code"],
            sentence=row["sentence"],
            policy=row["policy"],
            input_digest=row["input_digest"],
            mac=row["mac"],
        )
    except ValueError as strange:
        raise RecordBroken(sequence=row["sequence"]) from strange
