"""A club of very many members, written by bulk SQL: what sweeps and intake are measured on."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import psycopg

from gatekeeper.domain.activity import Coverage
from gatekeeper.domain.clubs import ClubState
from gatekeeper.domain.identity import Account, ClubId, Identity
from gatekeeper.domain.memberships import Exemption, Leave, Membership
from gatekeeper.policy.parse import load_policy
from gatekeeper.ports import Store
from gatekeeper.storage import migrate
from gatekeeper.storage.mapping import mapper
from gatekeeper.storage.store import TortoiseStore
from gatekeeper.testing.fakes import FakePlatform, ManualClock
from gatekeeper.usecases.parts import Parts, Shelf
from tests.support.postgres import Postgres

Kind = Literal["sqlite", "postgres"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgres")
CLUB = ClubId("crowd")
NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
KEY = b"the bench's key, of sixteen bytes or more"
# A smaller crowd to try the bench on: 100 000 takes seconds.
MEMBERS = int(os.environ.get("GATEKEEPER_BENCH_MEMBERS", "1000000"))

POLICY = """\
apiVersion: gatekeeper/v1
kind: Club
metadata: {name: crowd}
spec:
  timeZone: Europe/Berlin
  admins: {people: ["matrix:@ann:example.org"]}
  platforms:
    matrix:
      space: {alias: crowd}
      rooms: [{alias: lobby}]
      adminRoom: {alias: admins}
      welcomeRoom: lobby
---
apiVersion: gatekeeper/v1
kind: AdmissionPolicy
metadata: {name: door}
spec: {rule: {match: [{id: default, output: {decision: review}}]}}
---
apiVersion: gatekeeper/v1
kind: PruningPolicy
metadata: {name: roll}
spec:
  mode: enforce
  params: {quiet_after: 90d, newcomer_for: 60d, least_seen: 0.8}
  maxAffected: {count: null, percent: null}
  exclude:
    - {id: staff, condition: "member.admin || 'staff' in member.roles", message: admin}
    - {id: exempt, condition: member.exempt, message: exempt}
    - {id: on-leave, condition: member.on_leave, message: on-leave}
    - {id: newcomer, condition: now - member.known_since < params.newcomer_for}
  rule:
    match:
      - id: no-answer
        condition: has(member.noticed_at) && member.grace_over
        output: {action: remove}
      - id: quiet
        condition: >-
          member.silent > params.quiet_after && member.seen_share >= params.least_seen
          && member.messages_30d + member.reactions_30d == 0
        output: {action: notify}
      - id: default
        output: {action: keep}
"""


@dataclass(frozen=True)
class Crowd:
    """A filled database.

    Attributes:
        every: one in so many members has been silent for long.
        url: as the store takes it; `libpq` and `path` as their own drivers do.
    """

    kind: Kind
    members: int
    every: int
    url: str
    libpq: str = ""
    path: str = ""

    def moment(self, at: datetime) -> Any:
        """As it lies in a column."""
        return at.isoformat(" ", "microseconds") if self.kind == "sqlite" else at

    def day(self, on: date) -> Any:
        """Likewise."""
        return on.isoformat() if self.kind == "sqlite" else on

    @contextmanager
    def raw(self, *, keep: bool = False) -> Iterator[Any]:
        """The database's own driver, in one transaction that is given up at the end, or kept."""
        if self.kind == "sqlite":
            with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("BEGIN IMMEDIATE")
                yield connection.cursor()
                connection.execute("COMMIT" if keep else "ROLLBACK")
            return
        with psycopg.connect(self.libpq) as connection:
            yield connection.cursor()
            if not keep:
                connection.rollback()


class Everyone:
    """All of them are inside: a homeserver's list of so many would be measured, not the plan."""

    def __contains__(self, _who: object) -> bool:
        return True

    def __iter__(self) -> Iterator[Identity]:
        return iter(())

    def __len__(self) -> int:
        return 0


def a_store(crowd: Crowd) -> TortoiseStore:
    """Not open yet."""
    return TortoiseStore(crowd.url, KEY, ManualClock(NOW))


def parts_of(store: Store) -> Parts:
    """The club over a store, with a platform in memory."""
    clock = ManualClock(NOW)
    return Parts(
        club=CLUB,
        store=store,
        platforms={"matrix": FakePlatform(clock)},
        shelf=Shelf(load_policy(POLICY, "crowd.yaml")),
        clock=clock,
        base_url="http://club.test",
        secret=b"a secret of sixteen bytes or more",
    )


@contextmanager
def crowds(kind: Kind) -> Iterator[Callable[[int, int], Crowd]]:
    """Makes crowds: how many members, and one in how many is silent. Gone at the end."""
    with TemporaryDirectory(prefix="gk-bench-") as folder:
        if kind == "sqlite":

            def make(members: int, every: int) -> Crowd:
                path = Path(folder) / f"{len(os.listdir(folder))}.db"
                crowd = Crowd(kind, members, every, f"sqlite://{path}", path=str(path))
                _beside(crowd.url)
                with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                    connection.execute("PRAGMA journal_mode=WAL")
                    connection.execute("PRAGMA synchronous=OFF")
                    _fill(connection.cursor(), crowd)
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                return crowd

            yield make
            return
        server = Postgres()
        server.start()
        try:

            def make_there(members: int, every: int) -> Crowd:
                database = server.database()
                crowd = Crowd(kind, members, every, database.tortoise, libpq=database.libpq)
                _beside(crowd.url)
                with psycopg.connect(database.libpq, autocommit=True) as connection:
                    _fill(connection.cursor(), crowd)
                    connection.execute("VACUUM ANALYZE")
                return crowd

            yield make_there
        finally:
            server.stop()


def _beside(url: str) -> None:
    thread = threading.Thread(target=lambda: asyncio.run(migrate.upgrade(url)))
    thread.start()
    thread.join()


def _fill(cursor: Any, crowd: Crowd) -> None:
    """Indexes are made after the rows: into them one by one takes many times as long."""
    sqlite = crowd.kind == "sqlite"
    tables = ("memberships", "accounts")
    if sqlite:
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            " AND tbl_name IN ('memberships', 'accounts')"
        )
    else:
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s)"
            " AND indexname NOT LIKE '%%pkey' AND indexname NOT IN"
            " (SELECT conname FROM pg_constraint)",
            [list(tables)],
        )
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f'DROP INDEX "{name}"')
    for statement in _statements(crowd):
        cursor.execute(statement)
    for _, statement in indexes:
        cursor.execute(statement)


def _statements(crowd: Crowd) -> list[str]:
    sqlite = crowd.kind == "sqlite"

    def at(seconds: str) -> str:
        """A moment so many seconds before NOW."""
        moment = f"({NOW.timestamp():.0f} - ({seconds}))"
        if sqlite:
            return f"strftime('%Y-%m-%d %H:%M:%f000+00:00', {moment}, 'unixepoch')"
        return f"to_timestamp({moment})"

    def numbers(most: int) -> str:
        if not sqlite:
            return f"generate_series(1, {most}) AS n(i)"
        return (
            f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most})"
            " SELECT i FROM n) AS n"
        )

    day, every = 86_400, crowd.every
    old = NOW - timedelta(days=400)
    club = ClubState(club=CLUB, created_at=old, watched_since=old, members=crowd.members)
    quiet = f"i % {every} = 0"
    # whoever is silent, since 100 to 299 days; all others, since at most 80
    seen = f"CASE WHEN {quiet} THEN {day} * (100 + i % 200) ELSE {day} * (i % 80) END"
    longest = NOW + timedelta(days=16)
    put_off = f"{(NOW - longest).total_seconds():.0f}"
    due = f"CASE WHEN {quiet} THEN {NOW.timestamp():.0f} ELSE {put_off} END"
    which = numbers(crowd.members)
    some = f"(SELECT i * {every} AS i FROM {numbers(crowd.members // every)}) AS s"
    person, day_zero = Identity("matrix", "@member:example.org"), NOW - timedelta(days=350)
    account = Account(
        club=CLUB, person_id=1, identity=person, name="Member", first_seen_at=day_zero
    )
    member = Membership(
        club=CLUB,
        person_id=1,
        identity=person,
        name="Member",
        origin="application",
        since=day_zero,
        known_since=day_zero,
        last_kind="message",
        last_place="lobby",
    )
    end = NOW + timedelta(days=90)
    exemption = Exemption(
        club=CLUB, person_id=1, reason="abroad", author="operator:root", since=day_zero, until=end
    )
    leave = Leave(club=CLUB, person_id=1, since=day_zero, until=end)
    them = {"person_id": "i", "identity": "'matrix:@member' || i || ':example.org'"}
    roles = f"CASE WHEN i % {10 * every} = 0 THEN '[\"staff\"]' ELSE '[]' END"
    seen_and_due = {"last_seen_at": at(seen), "look_at": at(due)}
    return [
        _insert(crowd, club),
        _insert(crowd, Coverage(club=CLUB, platform="matrix", start=old, end=NOW)),
        _insert(crowd, member, {**them, **seen_and_due}, which),
        _insert(crowd, account, {**them, "roles": roles}, some),
        _insert(crowd, exemption, {"person_id": "i"}, f"{some} WHERE i % {20 * every} = {every}"),
        _insert(crowd, leave, {"person_id": "i"}, f"{some} WHERE i % {20 * every} = {3 * every}"),
    ]


def _insert(
    crowd: Crowd, value: Any, made: Mapping[str, str] | None = None, which: str = ""
) -> str:
    """A value once, or for each number of `which` with these columns made of it."""
    row = mapper(type(value), crowd.kind).row(value)
    columns = ", ".join(f'"{name}"' for name in row)
    values = ", ".join((made or {}).get(name) or _literal(each) for name, each in row.items())
    table = mapper(type(value), crowd.kind).table
    source = f"SELECT {values} FROM {which}" if which else f"VALUES ({values})"
    return f"INSERT INTO {table} ({columns}) {source}"


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else f"'{value}'"
