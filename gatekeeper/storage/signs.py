"""The part of a transaction that keeps signs of life: whole batches by few statements."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, TypeVar

from gatekeeper.domain.activity import Activity, Coverage, Kind, Sign, Span, Tie, by_day
from gatekeeper.domain.errors import StorageError
from gatekeeper.domain.identity import ClubId, Identity
from gatekeeper.domain.memberships import INSIDE, STAGED, Membership, State
from gatekeeper.ports import Insider
from gatekeeper.storage.connections import Session
from gatekeeper.storage.mapping import Mapper, clean, mapper
from gatekeeper.storage.statements import quoted

T = TypeVar("T")

# PostgreSQL takes a column of a batch as an array and has to be told of what.
_ACTIVITY: Final = {
    "club": "text",
    "person_id": "bigint",
    "day": "date",
    "kind": "text",
    "count": "bigint",
    "last_at": "timestamptz",
    "last_place": "text",
}
_TIES: Final = {
    "club": "text",
    "week": "date",
    "person_id": "bigint",
    "to_id": "bigint",
    "relation": "text",
    "count": "bigint",
}
_INSIDE: Final = ", ".join(f"'{state}'" for state in sorted(INSIDE))
_STAGED: Final = ", ".join(f"'{state}'" for state in sorted(STAGED))


class SignsTx:
    """Signs of life, ties and coverage; rows of a batch are written in the order of their keys."""

    def __init__(self, session: Session, club: ClubId, *, may_write: bool) -> None:
        self.club = club
        self._session = session
        self._may_read, self._may_write = True, may_write

    def end(self) -> None:
        """What comes later is a StorageError: it would happen outside of any transaction."""
        self._may_read = self._may_write = False

    async def inside(self, identities: Collection[Identity]) -> Mapping[Identity, Insider]:
        """Those of the accounts whose persons are members now, on whatever account of theirs."""
        table = self._reader(Membership)
        known = table.column("known_since").codec.decode
        named = {clean(str(identity)): identity for identity in identities}
        rows = await self._session.rows(
            # CROSS JOIN keeps SQLite from walking all accounts for each name.
            "SELECT a.identity, m.id, m.person_id, m.state, m.known_since, m.last_seen_at"
            f" FROM ({self._each('text')}) AS named"
            " CROSS JOIN accounts AS a CROSS JOIN memberships AS m"
            " WHERE a.club = ? AND a.identity = named.one"
            " AND m.club = a.club AND m.person_id = a.person_id"
            f" AND m.state IN ({_INSIDE})",
            [self._all(list(named)), self.club],
        )
        return {
            named[row["identity"]]: Insider(
                row["id"],
                row["person_id"],
                State(row["state"]),
                known(row["known_since"]),
                known(row["last_seen_at"]) if row["last_seen_at"] is not None else None,
            )
            for row in rows
        }

    async def staged(self) -> frozenset[Identity]:
        """The accounts of all members in a stage of a removal, by which they are members."""
        self._check_reading()
        rows = await self._session.rows(
            f"SELECT identity FROM memberships WHERE club = ? AND state IN ({_STAGED})", [self.club]
        )
        return frozenset(Identity.parse(row["identity"]) for row in rows)

    async def count_once(self, marks: Collection[int], day: date) -> set[int]:
        """Note events as counted; those that were not before."""
        self._check_writing()
        rows = await self._session.rows(
            "INSERT INTO counted (id, club, day) SELECT one, ?, ?"
            f" FROM ({self._each('bigint')}) AS marks WHERE true"
            " ON CONFLICT DO NOTHING RETURNING id",
            [self.club, self._date(day), self._all(sorted(marks))],
        )
        return {row["id"] for row in rows}

    async def merge_activity(self, signs: Mapping[int, Sequence[Sign]]) -> None:
        """Add signs, by person id, to the day's counts; last times never move back."""
        newer = "excluded.last_at > activity.last_at"
        await self._merge(
            Activity,
            by_day(self.club, signs),
            _ACTIVITY,
            ' ON CONFLICT ("club", "person_id", "day", "kind") DO UPDATE SET'
            ' "count" = activity."count" + excluded."count",'
            f' "last_place" = CASE WHEN {newer} THEN excluded.last_place'
            " ELSE activity.last_place END,"
            f' "last_at" = CASE WHEN {newer} THEN excluded.last_at ELSE activity.last_at END',
        )

    async def merge_ties(self, ties: Sequence[Tie]) -> None:
        """Add to the counts of ties, each named once."""
        await self._merge(
            Tie,
            ties,
            _TIES,
            ' ON CONFLICT ("club", "person_id", "to_id", "week", "relation") DO UPDATE SET'
            ' "count" = ties."count" + excluded."count"',
        )

    async def move_last(self, last: Mapping[int, Sign]) -> None:
        """Move the last sign of memberships, by their id, forward; never back."""
        encode = self._writer(Membership).column("last_seen_at").encode
        rows = [
            (number, encode(sign.at), sign.kind.value, clean(sign.place))
            for number, sign in sorted(last.items())
        ]
        if not rows:
            return
        if self._session.dialect == "sqlite":
            await self._session.run_many(
                "UPDATE memberships SET last_seen_at = ?2, last_kind = ?3, last_place = ?4"
                " WHERE id = ?1 AND club = ?5 AND (last_seen_at IS NULL OR last_seen_at < ?2)",
                [(*row, self.club) for row in rows],
            )
            return
        await self._session.run(
            "UPDATE memberships AS m SET last_seen_at = new.at, last_kind = new.kind,"
            " last_place = new.place FROM"
            " unnest(?::bigint[], ?::timestamptz[], ?::text[], ?::text[])"
            " AS new(id, at, kind, place) WHERE m.id = new.id AND m.club = ?"
            " AND (m.last_seen_at IS NULL OR m.last_seen_at < new.at)",
            [*map(list, zip(*rows, strict=True)), self.club],
        )

    async def last_signs(self, people: Collection[int]) -> Mapping[int, Mapping[Kind, datetime]]:
        """When each of `people` last gave a sign of each kind, by person id."""
        moment = self._reader(Activity).column("last_at").codec.decode
        last: defaultdict[int, dict[Kind, datetime]] = defaultdict(dict)
        for row in await self._session.rows(
            'SELECT person_id, kind, max(last_at) AS "last_at" FROM activity WHERE club = ?'
            f" AND person_id IN ({self._each('bigint')}) GROUP BY person_id, kind",
            [self.club, self._all(list(people))],
        ):
            last[row["person_id"]][Kind(row["kind"])] = moment(row["last_at"])
        return last

    async def coverage(self, platform: str, start: datetime) -> list[Span]:
        """The intervals that reach beyond `start`, in order; the first may begin before it."""
        table = self._reader(Coverage)
        moment = table.column("start").codec
        rows = await self._session.rows(
            'SELECT "start", "end" FROM coverage WHERE "club" = ? AND "platform" = ?'
            ' AND "end" > ? ORDER BY "start", "id"',
            [self.club, platform, moment.encode(start)],
        )
        return [Span(moment.decode(row["start"]), moment.decode(row["end"])) for row in rows]

    # ---- Batches -------------------------------------------------------------------------------

    async def _merge(
        self, kind: type[Any], values: Sequence[Any], columns: Mapping[str, str], tail: str
    ) -> None:
        table = self._writer(kind)
        encoders = [(name, table.column(name).encode) for name in columns]
        rows = [[encode(getattr(value, name)) for name, encode in encoders] for value in values]
        if not rows:
            return
        into = f"INSERT INTO {table.table} ({quoted(columns)})"
        if self._session.dialect == "sqlite":
            marks = ", ".join("?" * len(columns))
            await self._session.run_many(f"{into} VALUES ({marks}){tail}", rows)
            return
        arrays = ", ".join(f"?::{each}[]" for each in columns.values())
        await self._session.run(
            f"{into} SELECT * FROM unnest({arrays}){tail}",
            [list(column) for column in zip(*rows, strict=True)],
        )

    def _each(self, kind: str) -> str:
        """The values that `_all` hands over, a row each."""
        if self._session.dialect == "sqlite":
            return "SELECT value AS one FROM json_each(?)"
        return f"SELECT one FROM unnest(?::{kind}[]) AS every(one)"

    def _all(self, values: list[Any]) -> Any:
        """Any number of values as one: statements have room for some thousands only."""
        return json.dumps(values) if self._session.dialect == "sqlite" else values

    def _date(self, day: date) -> Any:
        return day.isoformat() if self._session.dialect == "sqlite" else day

    # ---- What may be done ----------------------------------------------------------------------

    def _reader(self, kind: type[T]) -> Mapper[T]:
        self._check_reading()
        return mapper(kind, self._session.dialect)

    def _writer(self, kind: type[T]) -> Mapper[T]:
        self._check_writing()
        return mapper(kind, self._session.dialect)

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
