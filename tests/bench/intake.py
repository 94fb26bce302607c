"""How many signs of life a second are taken in: beside bare statements that write the same rows.

Signs come from all members alike, which is the worst case: nothing much comes together. Ours goes
from the adapter's call of FrontDesk to the commit, a hundred signs a call as one sync brings them;
the floor has the same batches. Both look for what was counted before: some is told again.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any, Final

from gatekeeper.domain.activity import Kind, Relation, Sign, mark_of
from gatekeeper.domain.identity import Identity
from gatekeeper.usecases.intake import Desk
from gatekeeper.usecases.observe import Observer
from gatekeeper_matrix import events
from gatekeeper_matrix.scene import Scene
from tests.bench import crowd
from tests.bench.crowd import CLUB, MEMBERS, NOW, Crowd
from tests.bench.crowd import Kind as Database
from tests.bench.frame import Bar, Row
from tests.bench.sweep import databases

RUNS = 5
CALL, BATCH, BATCHES = 100, 2_000, 2  # signs in one call and in one commit; commits in one run
AGAIN = 20  # one sign in so many is told a second time
SAID = (Kind.MESSAGE, Kind.MESSAGE, Kind.REPLY, Kind.REACTION, Kind.READ)
TOWARDS = {Kind.REPLY: Relation.ANSWERED, Kind.REACTION: Relation.REACTED}
Say = Callable[[str], None]


async def rows(say: Say) -> list[Row]:
    """Both databases, then the adapter's translation alone."""
    made: list[Row] = []
    for kind in databases():
        with crowd.crowds(kind) as make:
            members = min(MEMBERS, 100_000)
            made.append(await _intake(kind, await asyncio.to_thread(make, members, 1), say))
    return [*made, _translated()]


async def _intake(kind: Database, many: Crowd, say: Say) -> Row:
    ours, bare = list[float](), list[float]()
    random, numbers = Random(1), count()
    people = {f"@member{number}:example.org": number for number in range(1, many.members + 1)}
    store = crowd.a_store(many)
    await store.open()
    try:
        with many.raw(keep=True) as cursor:
            cursor.execute("COMMIT")  # it stays connected, as ours does, and holds nobody up
            observer = Observer(parts := crowd.parts_of(store))
            desk = Desk(parts, observer)
            for turn in range(RUNS + 1):
                signs = _signs(random, numbers, many.members)
                began = time.perf_counter()
                for start in range(0, len(signs), BATCH):
                    for call in range(start, start + BATCH, CALL):
                        await desk.observe("matrix", signs[call : call + CALL], f"s{turn}-{call}")
                    await observer.flush()
                took = time.perf_counter() - began
                others = _signs(random, numbers, many.members)
                floor = _bare(many, cursor, others, people, f"f{turn}")
                if turn:  # the first one warms caches on both sides
                    ours.append(len(signs) / took)
                    bare.append(len(others) / floor)
                    say(f"{kind}: {ours[-1]:.0f} signs/s, bare {bare[-1]:.0f}")
            _begin(many, cursor)
    finally:
        await store.close()
    return Row(
        f"intake.{kind}",
        "signs/s",
        ours,
        bare,
        Bar("ratio", 0.5, least=True),
        f"{many.members} members, {BATCH} signs a commit, all members alike, one in {AGAIN} told"
        " again; floor: marks of events (new ones found), counts by day, last signs, ties,"
        " coverage and position written by the driver, persons known beforehand",
    )


def _signs(random: Random, numbers: "count[int]", members: int) -> list[Sign]:
    """New ones, each a little later than all before, with some of them told again later."""
    made: list[Sign] = []
    for place in range(BATCH * BATCHES):
        if made and place % AGAIN == 0:
            made.append(made[-random.randint(1, min(len(made), BATCH))])
            continue
        number, kind = next(numbers), random.choice(SAID)
        to = Identity("matrix", f"@member{random.randint(1, members)}:example.org")
        made.append(
            Sign(
                who=Identity("matrix", f"@member{random.randint(1, members)}:example.org"),
                kind=kind,
                place="lobby",
                at=NOW - timedelta(days=1) + timedelta(milliseconds=number),
                event_id=f"$event{number}",
                towards=((TOWARDS[kind], to),) if kind in TOWARDS else (),
            )
        )
    return made


# ---- The floor ---------------------------------------------------------------------------------

_ACTIVITY: Final = (
    'INSERT INTO activity (club, person_id, day, kind, "count", last_at, last_place) {}'
    " ON CONFLICT (club, person_id, day, kind) DO UPDATE"
    ' SET "count" = activity."count" + excluded."count", last_at = excluded.last_at,'
    " last_place = excluded.last_place"
)
_TIES: Final = (
    'INSERT INTO ties (club, week, person_id, to_id, relation, "count") {}'
    " ON CONFLICT (club, person_id, to_id, week, relation) DO UPDATE"
    ' SET "count" = ties."count" + excluded."count"'
)
_LAST: Final = (
    "UPDATE memberships SET last_seen_at = {1}, last_kind = {2}, last_place = {3}{4}"
    " WHERE memberships.id = {0} AND (last_seen_at IS NULL OR last_seen_at < {1})"
)


def _bare(
    many: Crowd, cursor: Any, signs: Sequence[Sign], people: Mapping[str, int], position: str
) -> float:
    """What has to be written, one transaction a batch; people's numbers are known beforehand."""
    began = time.perf_counter()
    for start in range(0, len(signs), BATCH):
        _begin(many, cursor)
        _write(many, cursor, signs[start : start + BATCH], people, position)
        cursor.execute("COMMIT")
    return time.perf_counter() - began


def _begin(many: Crowd, cursor: Any) -> None:
    if many.kind == "sqlite":  # psycopg begins by itself
        cursor.execute("BEGIN IMMEDIATE")


def _write(
    many: Crowd, cursor: Any, signs: Sequence[Sign], people: Mapping[str, int], position: str
) -> None:
    marks = {mark_of(CLUB, "matrix", sign.event_id): sign for sign in signs}
    fresh = [marks[mark] for mark in _uncounted(many, cursor, list(marks))]
    days: dict[tuple[int, Any, str], list[Any]] = {}
    last: dict[int, Sign] = {}
    ties: dict[tuple[Any, int, int, str], int] = {}
    for sign in fresh:
        person, day = people[sign.who.account], sign.at.date()
        known = days.setdefault((person, day, sign.kind.value), [0, sign.at, sign.place])
        known[0] += 1
        known[1] = max(known[1], sign.at)
        if person not in last or last[person].at < sign.at:
            last[person] = sign
        for relation, other in sign.towards:
            week = day - timedelta(days=day.weekday())
            tie = week, person, people[other.account], relation.value
            ties[tie] = ties.get(tie, 0) + 1
    counted = [
        (CLUB, person, many.day(on), kind, often, many.moment(at), place)
        for (person, on, kind), (often, at, place) in sorted(days.items(), key=lambda one: one[0])
    ]
    turned = [(CLUB, many.day(week), *rest, n) for (week, *rest), n in sorted(ties.items())]
    moved = [
        (person, many.moment(sign.at), sign.kind.value, sign.place)
        for person, sign in sorted(last.items())
    ]
    if many.kind == "sqlite":
        cursor.executemany(_ACTIVITY.format("VALUES (?, ?, ?, ?, ?, ?, ?)"), counted)
        cursor.executemany(_TIES.format("VALUES (?, ?, ?, ?, ?, ?)"), turned)
        cursor.executemany(_LAST.format("?1", "?2", "?3", "?4", ""), moved)
    else:
        _columns(cursor, _ACTIVITY, "text bigint date text bigint timestamptz text", counted)
        _columns(cursor, _TIES, "text date bigint bigint text bigint", turned)
        new = " FROM {} AS new(id, at, kind, place)"
        last_sql = _LAST.format("new.id", "new.at", "new.kind", "new.place", new)
        _columns(cursor, last_sql, "bigint timestamptz text text", moved, "")
    _up_to(many, cursor, position)


def _uncounted(many: Crowd, cursor: Any, marks: list[int]) -> Iterable[int]:
    """Notes events as counted; gives those that were not before."""
    ordered = sorted(marks)
    sqlite = many.kind == "sqlite"
    each = "SELECT value FROM json_each(?)" if sqlite else "SELECT unnest(%s::bigint[])"
    cursor.execute(
        f"INSERT INTO counted (id, club, day) SELECT one.*, '{CLUB}', '{NOW.date()}'"
        f" FROM ({each}) AS one WHERE true ON CONFLICT DO NOTHING RETURNING id",
        [json.dumps(ordered) if sqlite else ordered],
    )
    return [number for (number,) in cursor.fetchall()]


def _columns(
    cursor: Any, statement: str, types: str, rows: Sequence[Any], select: str = "SELECT * FROM "
) -> None:
    """Rows as one array for each column: PostgreSQL's quickest way for so few."""
    arrays = ", ".join(f"%s::{each}[]" for each in types.split())
    columns = [list(column) for column in zip(*rows, strict=True)]
    if columns:
        cursor.execute(statement.format(f"{select}unnest({arrays})"), columns)


def _up_to(many: Crowd, cursor: Any, position: str) -> None:
    mark = "?" if many.kind == "sqlite" else "%s"
    which = f"WHERE club = '{CLUB}' AND platform = 'matrix'"
    cursor.execute(f"UPDATE checkpoints SET position = {mark} {which}", [position])
    cursor.execute(f'UPDATE coverage SET "end" = {mark} {which}', [many.moment(NOW)])


# ---- Translation -------------------------------------------------------------------------------


def _translated() -> Row:
    """A homeserver's events to what the desk is told, nothing kept."""
    scene = Scene(
        me="@gatekeeper:example.org",
        space="!space",
        admins="!admins",
        rooms={"!lobby": "lobby"},
        joined={"!space", "!admins", "!lobby"},
    )
    now = datetime.now(UTC)
    raws = [
        {
            "type": "m.room.message",
            "sender": f"@member{number}:example.org",
            "event_id": f"$event{number}",
            "origin_server_ts": int(now.timestamp() * 1000),
            "content": {"msgtype": "m.text", "body": "Good morning, all of you."},
        }
        for number in range(20_000)
    ]
    rates = []
    for _ in range(RUNS):
        began = time.process_time()
        for raw in raws:
            events.happening(scene, "!lobby", raw, now)
            if events.sign(scene, "!lobby", raw, now) is None:
                raise AssertionError("no sign of life")
        rates.append(len(raws) / (time.process_time() - began))
    return Row("adapter.matrix", "events/s", rates, note="translation alone, of the process's time")
