"""How many signs of life a second are taken in: beside bare statements that write the same rows.

Signs come from all members alike, which is the worst case: nothing much comes together. Ours goes
from the adapter's call of FrontDesk to the commit, a hundred signs a call as one sync brings them;
the floor has the same batches. Both look for what was counted before.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from gatekeeper.domain.activity import Kind, Sign, mark_of
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
CALL, BATCH, BATCHES = 100, 10_000, 5  # signs in one call and in one commit; commits in one run
SAID = (Kind.MESSAGE, Kind.MESSAGE, Kind.REPLY, Kind.REACTION, Kind.READ)
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
    store = crowd.a_store(many)
    await store.open()
    try:
        parts = crowd.parts_of(store)
        observer = Observer(parts)
        desk = Desk(parts, observer)
        for turn in range(RUNS + 1):
            signs = _signs(random, numbers, many.members)
            began = time.perf_counter()
            for start in range(0, len(signs), BATCH):
                for call in range(start, start + BATCH, CALL):
                    await desk.observe("matrix", signs[call : call + CALL], f"s{turn}-{call}")
                await observer.flush()
            took = time.perf_counter() - began
            floor = await asyncio.to_thread(
                _bare, many, _signs(random, numbers, many.members), f"f{turn}"
            )
            if turn:  # the first one warms caches on both sides
                ours.append(len(signs) / took)
                bare.append(len(signs) / floor)
                say(f"{kind}: {ours[-1]:.0f} signs/s, bare {bare[-1]:.0f}")
    finally:
        await store.close()
    return Row(
        f"intake.{kind}",
        "signs/s",
        ours,
        bare,
        Bar("ratio", 0.5, least=True),
        f"{many.members} members, {BATCH} signs a commit, all members alike; floor: marks of"
        " events, counts by day and last signs written by the driver's executemany",
    )


def _signs(random: Random, numbers: "count[int]", members: int) -> list[Sign]:
    """New ones, each a little later than all before."""
    made = []
    for _ in range(BATCH * BATCHES):
        number = next(numbers)
        who = f"@member{random.randint(1, members)}:example.org"
        made.append(
            Sign(
                who=Identity("matrix", who),
                kind=random.choice(SAID),
                place="lobby",
                at=NOW - timedelta(days=1) + timedelta(milliseconds=number),
                event_id=f"$event{number}",
            )
        )
    return made


# ---- The floor ---------------------------------------------------------------------------------


def _bare(many: Crowd, signs: Sequence[Sign], position: str) -> float:
    """What has to be written, one transaction a batch; people's numbers are known beforehand."""
    numbers = {f"@member{number}:example.org": number for number in range(1, many.members + 1)}
    began = time.perf_counter()
    for start in range(0, len(signs), BATCH):
        with many.raw(keep=True) as cursor:
            _write(many, cursor, signs[start : start + BATCH], numbers, position)
    return time.perf_counter() - began


def _write(
    many: Crowd, cursor: Any, signs: Sequence[Sign], numbers: dict[str, int], position: str
) -> None:
    mark = "?" if many.kind == "sqlite" else "%s"
    day = many.day(NOW.date())
    marks = [(mark_of(CLUB, "matrix", sign.event_id), CLUB, day) for sign in signs]
    _many(
        cursor,
        "INSERT INTO counted (id, club, day) VALUES ({}, {}, {}) ON CONFLICT DO NOTHING",
        mark,
        marks,
    )
    days: dict[tuple[int, Any, str], list[Any]] = {}
    last: dict[int, Sign] = {}
    for sign in signs:
        person = numbers[sign.who.account]
        known = days.setdefault((person, sign.at.date(), sign.kind.value), [0, sign.at, sign.place])
        known[0] += 1
        known[1] = max(known[1], sign.at)
        last[person] = sign
    counted = [
        (CLUB, person, many.day(on), kind, often, many.moment(at), place)
        for (person, on, kind), (often, at, place) in sorted(days.items(), key=lambda one: one[0])
    ]
    _many(
        cursor,
        'INSERT INTO activity (club, person_id, day, kind, "count", last_at, last_place)'
        " VALUES ({}, {}, {}, {}, {}, {}, {}) ON CONFLICT (club, person_id, day, kind) DO UPDATE"
        ' SET "count" = activity."count" + excluded."count", last_at = excluded.last_at,'
        " last_place = excluded.last_place",
        mark,
        counted,
    )
    moved = [
        (many.moment(sign.at), sign.kind.value, sign.place, person)
        for person, sign in sorted(last.items())
    ]
    _many(
        cursor,
        "UPDATE memberships SET last_seen_at = {}, last_kind = {}, last_place = {} WHERE id = {}",
        mark,
        moved,
    )
    cursor.execute(
        f"UPDATE checkpoints SET position = {mark} WHERE club = '{CLUB}' AND platform = 'matrix'",
        [position],
    )


def _many(cursor: Any, statement: str, mark: str, values: Sequence[Any]) -> None:
    cursor.executemany(statement.replace("{}", mark), values)


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
