"""What planning a sweep costs: beside the same plan by hand, and with ten times the members.

Each run plans and writes the evidence rows in one transaction, which is then given up, so that
all runs find the same; ours and the floor in turn. GATEKEEPER_BENCH_MEMBERS makes it smaller;
GATEKEEPER_BENCH_DATABASES=sqlite leaves out the other one.
"""

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import psutil

from gatekeeper.policy.superset import superset
from gatekeeper.storage.store import TortoiseStore
from gatekeeper.usecases import sweep, sweep_plan
from gatekeeper.usecases.member_facts import Outlook
from gatekeeper.usecases.parts import club_state
from tests.bench import crowd, removals
from tests.bench.crowd import CLUB, KINDS, MEMBERS, NOW, Crowd, Kind
from tests.bench.frame import Bar, Row

RUNS = 5
DUE = 20_000  # members who are due in both crowds of `grow`
SHARE = 10  # one in so many is due in the crowd of `plan`
Say = Callable[[str], None]


class GivenUp(Exception):
    """Ends a transaction so that nothing of it stays."""


async def rows(say: Say) -> list[Row]:
    """Plans on SQLite and on PostgreSQL; then removals on a homeserver."""
    made: list[Row] = []
    for kind in databases():
        with crowd.crowds(kind) as make:
            made += await _rows(kind, make, say)
    return [*made, *await removals.rows(say)]


def databases() -> list[Kind]:
    """Those to measure on."""
    only = os.environ.get("GATEKEEPER_BENCH_DATABASES", "").split(",")
    return [kind for kind in KINDS if only == [""] or kind in only]


async def _rows(kind: Kind, make: Callable[[int, int], Crowd], say: Say) -> list[Row]:
    due = min(DUE, MEMBERS // 10)
    small = await asyncio.to_thread(make, MEMBERS, MEMBERS // due)
    say(f"{kind}: {MEMBERS} members")
    large = await asyncio.to_thread(make, 10 * MEMBERS, 10 * MEMBERS // due)
    say(f"{kind}: {10 * MEMBERS} members")
    grown = await _grow(kind, small, large, due, say)
    many = await asyncio.to_thread(make, MEMBERS, SHARE)
    return [*grown, *await _plan(kind, many, say)]


# ---- Beside the same by hand -------------------------------------------------------------------


async def _plan(kind: Kind, many: Crowd, say: Say) -> list[Row]:
    ours, hand, bare, acted = list[float](), list[float](), list[float](), set[int]()
    store = crowd.a_store(many)
    await store.open()
    try:
        await _date(store)
        for _ in range(RUNS):
            took, count = await _planned(store)
            ours.append(took)
            acted.add(count)
            took, count = await asyncio.to_thread(_by_hand, many)
            hand.append(took)
            acted.add(count)
            bare.append(await asyncio.to_thread(_bare, many))
            say(f"{kind}: {ours[-1]:.2f} s, by hand {hand[-1]:.2f} s, bare {bare[-1]:.2f} s")
    finally:
        await store.close()
    if len(acted) != 1:
        raise AssertionError(f"not the same plan: {acted}")
    size = f"{MEMBERS} members, {MEMBERS // SHARE} due, {acted.pop()} rows of evidence"
    return [
        Row(
            f"sweep.plan_1m_{kind}",
            "s",
            ours,
            hand,
            Bar("ratio", 3),
            f"{size}; floor: one SELECT of the candidates with all that rules ask for, the rules"
            " as a Python function, one bulk insert of the same rows, by the driver itself",
        ),
        Row(f"sweep.bare_1m_{kind}", "s", bare, note="INSERT … SELECT of those silent, no rules"),
    ]


async def _date(store: TortoiseStore) -> None:
    """As the sweep before has left it: `look_at` follows from these rules."""
    parts = crowd.parts_of(store)
    digest = sweep_plan._digest(superset([parts.policy]))
    async with store.transaction(CLUB) as tx:
        await tx.change(await club_state(tx), looked_by=digest)


async def _planned(store: TortoiseStore) -> tuple[float, int]:
    """Seconds, and rows of evidence."""
    parts = crowd.parts_of(store)
    outlook = Outlook(inside=crowd.Everyone())
    touched = 0
    began = time.perf_counter()
    with suppress(GivenUp):
        async with store.transaction(CLUB) as tx:
            planned = await sweep_plan.plan_safely(tx, parts, outlook, NOW, "slot")
            if planned.sieve is None or planned.plan.held:
                raise AssertionError("the whole club was looked at, or the sweep was held")
            await sweep._keep(tx, parts, "slot", planned.plan, NOW)
            touched = len(planned.plan.notify) + len(planned.plan.remove)
            took = time.perf_counter() - began
            raise GivenUp
    return took, touched


_COUNTED = (
    '(SELECT coalesce(sum("count"), 0) FROM activity a WHERE a.club = m.club'
    " AND a.person_id = m.person_id AND a.day >= {month} AND a.kind {kinds})"
)


def _by_hand(many: Crowd) -> tuple[float, int]:
    """The plan as one would write it for these rules alone."""
    mark = "?" if many.kind == "sqlite" else "%s"
    month = many.day((NOW - timedelta(days=30)).date())
    since = [many.moment(NOW - timedelta(days=days)) for days in (90, 60, 90)]
    now = many.moment(NOW)
    messages = _COUNTED.format(month=mark, kinds="IN ('message', 'reply', 'thread')")
    reactions = _COUNTED.format(month=mark, kinds="= 'reaction'")
    began = time.perf_counter()
    with many.raw() as cursor:
        cursor.execute(
            "SELECT m.id, m.last_seen_at, m.known_since, m.last_kind, m.last_place, ac.roles,"
            f" EXISTS (SELECT 1 FROM exemptions e WHERE e.club = m.club AND e.ended_at IS NULL"
            f" AND e.person_id = m.person_id AND e.until > {mark}),"
            f" EXISTS (SELECT 1 FROM leaves l WHERE l.club = m.club AND l.ended_at IS NULL"
            f" AND l.person_id = m.person_id AND l.until > {mark}),"
            f" {messages}, {reactions}"
            " FROM memberships m LEFT JOIN accounts ac ON ac.club = m.club"
            " AND ac.person_id = m.person_id"
            f" WHERE m.club = '{CLUB}' AND m.state = 'active' AND m.look_at <= {mark}"
            f" AND (m.last_seen_at IS NULL OR m.last_seen_at < {mark}) AND m.known_since < {mark}"
            f" AND m.known_since < {mark} ORDER BY m.last_seen_at, m.id",
            [now, now, month, month, now, *since],
        )
        found = [row for row in cursor.fetchall() if _acts(row)]
        cursor.execute(f"SELECT count(*) FROM memberships WHERE club = '{CLUB}'")
        written = [_evidence(row) for row in found]
        cursor.executemany(
            "INSERT INTO sweep_items (club, sweep_id, membership_id, verdict, code, rule,"
            f" evidence, outcome) VALUES ({', '.join([mark] * 8)})",
            written,
        )
        took = time.perf_counter() - began
    return took, len(written)


def _acts(row: Sequence[Any]) -> bool:
    """The rules of the club's policy, whose coverage has no gap."""
    _, last, known, _, _, roles, exempt, away, messages, reactions = row
    if "staff" in json.loads(roles or "[]") or exempt or away:
        return False
    if NOW - _time(known) < timedelta(days=60):
        return False
    silent = NOW - max(_time(last or known), _time(known))
    return silent > timedelta(days=90) and messages + reactions == 0


def _evidence(row: Sequence[Any]) -> tuple[Any, ...]:
    number, last, known, kind, place, *_ = row
    told = {
        "last_seen": _time(last).isoformat() if last else "",
        "last_kind": kind,
        "last_place": place,
        "known_since": _time(known).isoformat(),
        "silent": int((NOW - _time(last or known)).total_seconds()),
        "seen_share": 1.0,
        "rule": "quiet",
    }
    return CLUB, 1, number, "notify", "silent-notice", "quiet", json.dumps(told), ""


def _time(value: Any) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _bare(many: Crowd) -> float:
    """The least that any database can do."""
    mark = "?" if many.kind == "sqlite" else "%s"
    began = time.perf_counter()
    with many.raw() as cursor:
        cursor.execute(
            "INSERT INTO sweep_items (club, sweep_id, membership_id, verdict, code, rule,"
            " evidence, outcome) SELECT club, 1, id, 'notify', 'silent-notice', 'quiet', '{}', ''"
            f" FROM memberships WHERE club = '{CLUB}' AND state = 'active'"
            f" AND last_seen_at < {mark}",
            [many.moment(NOW - timedelta(days=90))],
        )
        return time.perf_counter() - began


# ---- Ten times the members ---------------------------------------------------------------------


async def _grow(kind: Kind, small: Crowd, large: Crowd, due: int, say: Say) -> list[Row]:
    times: dict[int, list[float]] = {small.members: [], large.members: []}
    peaks: dict[int, list[float]] = {small.members: [], large.members: []}
    stores = {each.members: crowd.a_store(each) for each in (small, large)}
    for store in stores.values():
        await store.open()
        await _date(store)
    try:
        for _ in range(RUNS):
            for members, store in stores.items():
                with Peak() as peak:
                    took, _ = await _planned(store)
                times[members].append(took)
                peaks[members].append(peak.megabytes)
                say(f"{kind}: {members} members, {took:.2f} s, {peak.megabytes:.0f} MB")
    finally:
        for store in stores.values():
            await store.close()
    size = f"{large.members} members beside {small.members}, {due} due in both"
    return [
        Row(
            f"sweep.grow_10x_{kind}",
            "s",
            times[large.members],
            times[small.members],
            Bar("ratio", 1.3),
            size,
        ),
        Row(
            f"sweep.memory_10x_{kind}",
            "MB",
            peaks[large.members],
            peaks[small.members],
            Bar("ratio", 1.1),
            f"most memory of our process while it plans; {size}",
        ),
    ]


class Peak:
    """The most memory that this process has while something runs, looked at every 10 ms."""

    def __enter__(self) -> "Peak":
        self.megabytes, self._over = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._over.wait(0.01):
            self.megabytes = max(self.megabytes, process.memory_info().rss / 1e6)
