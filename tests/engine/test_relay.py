"""The relay: what is due reaches the engine, whatever was lost on the way, and only once."""

import asyncio
import contextvars
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from gatekeeper.clock import SystemClock
from gatekeeper.domain.decisions import Lane, Order, Post, Progress
from gatekeeper.domain.identity import ClubId
from gatekeeper.engine.relay import Relay
from gatekeeper.testing.fakes import EngineMemory, FakeEngine

CLUB = ClubId("chess")


class Outbox:
    """As much of a Store as the relay reads; `broken` makes every look fail."""

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.broken = False
        self.looks = 0

    def put(self, after: float = 0.0, lane: Lane = Lane.CARD, **more: Any) -> int:
        """An Order that is due in `after` seconds; its id."""
        now, id_ = datetime.now(UTC), len(self.orders) + 1
        self.orders[id_] = Order(
            id=id_,
            club=CLUB,
            platform="fake",
            action=Post(place="admins", text="x"),
            key=str(id_),
            purpose="post",
            subject="club",
            lane=lane,
            due_at=now + timedelta(seconds=after),
            created_at=now,
            **more,
        )
        return id_

    async def clubs(self) -> list[ClubId]:
        if self.broken:
            raise OSError("the database is away")
        return [CLUB]

    @asynccontextmanager
    async def look(self, club: ClubId) -> AsyncIterator["Outbox"]:
        self.looks += 1
        if self.broken:
            raise OSError("the database is away")
        yield self

    async def find(
        self, kind: type, *, order: str = "id", limit: int | None = None, **criteria: Any
    ) -> list[Order]:
        known = {"id__in", "progress", "due_at__lte", "due_at__gt"}
        assert set(criteria) <= known
        found = [
            each
            for each in self.orders.values()
            if each.progress == criteria["progress"]
            and each.id in criteria.get("id__in", self.orders)
            and each.due_at <= criteria.get("due_at__lte", each.due_at)
            and ("due_at__gt" not in criteria or each.due_at > criteria["due_at__gt"])
        ]
        return sorted(found, key=lambda each: getattr(each, order))[:limit]

    async def first(self, kind: type, *, order: str = "id", **criteria: Any) -> Order | None:
        return next(iter(await self.find(kind, order=order, **criteria)), None)


class Stage:
    """A relay with its outbox and engine; `performed` notes (order id, attempt, seconds)."""

    def __init__(self, memory: EngineMemory | None = None) -> None:
        self.outbox = Outbox()
        self.engine = FakeEngine(memory)
        self.performed: list[tuple[int, int]] = []
        self.at: dict[int, float] = {}
        self.scans: list[float] = []
        self.next_scan: Callable[[], datetime | None] = lambda: None
        self.act: Callable[[int], Awaitable[None]] = self.finish
        self.engine.register("perform", self.perform)
        self.relay = Relay(
            self.outbox,
            self.engine,
            SystemClock(),
            self.scan,
            net=0.3,
            retry=0.1,  # type: ignore[arg-type]
        )

    async def finish(self, order_id: int) -> None:
        self.outbox.orders[order_id] = replace(self.outbox.orders[order_id], progress=Progress.DONE)

    async def perform(self, club: str, order_id: int, attempt: int) -> None:
        assert club == CLUB
        self.performed.append((order_id, attempt))
        self.at[order_id] = time.perf_counter()
        await self.act(order_id)

    async def scan(self, club: ClubId) -> datetime | None:
        self.scans.append(time.perf_counter())
        return self.next_scan()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    await stage.engine.start()
    await stage.relay.start()
    await asyncio.sleep(0.02)
    yield stage
    await stage.relay.stop()
    await stage.engine.stop()


async def test_a_nudge_starts_what_is_due_at_once(stage: Stage) -> None:
    begin = time.perf_counter()
    order = stage.outbox.put()
    stage.relay.nudge(CLUB, [order])
    await asyncio.sleep(0.1)
    assert stage.performed == [(order, 0)]
    assert stage.at[order] - begin < 0.05
    assert stage.engine.memory.jobs["outbox-1-0"].now


async def test_what_no_nudge_told_of_is_found_by_the_net(stage: Stage) -> None:
    """Committed by another process, or just before ours was killed."""
    order = stage.outbox.put()
    await asyncio.sleep(0.5)
    assert stage.performed == [(order, 0)]


async def test_nudge_and_net_together_perform_once(stage: Stage) -> None:
    stage.act = lambda order_id: asyncio.sleep(0.5)
    order = stage.outbox.put()
    for _ in range(3):
        stage.relay.nudge(CLUB, [order])
    await asyncio.sleep(0.4)
    assert stage.performed == [(order, 0)]


async def test_what_is_due_later_waits_for_its_moment(stage: Stage) -> None:
    begin = time.perf_counter()
    order = stage.outbox.put(after=0.15)
    stage.relay.nudge(CLUB, [order])
    await asyncio.sleep(0.05)
    assert stage.performed == []
    await asyncio.sleep(0.25)
    assert stage.performed == [(order, 0)]
    assert stage.at[order] - begin == pytest.approx(0.15, abs=0.05)


async def test_a_further_attempt_is_a_job_of_its_own(stage: Stage) -> None:
    async def busy_once(order_id: int) -> None:
        old = stage.outbox.orders[order_id]
        if old.attempt == 0:
            later = old.due_at + timedelta(seconds=0.1)
            stage.outbox.orders[order_id] = replace(old, attempt=1, due_at=later)
        else:
            await stage.finish(order_id)

    stage.act = busy_once
    order = stage.outbox.put()
    stage.relay.nudge(CLUB, [order])
    await asyncio.sleep(0.5)
    assert stage.performed == [(order, 0), (order, 1)]


async def test_an_order_whose_job_raised_is_not_forgotten(stage: Stage) -> None:
    """The engine does not repeat it, and the key is used up: the relay takes a further one."""

    async def fail_once(order_id: int) -> None:
        if len(stage.performed) == 1:
            raise OSError("the database is away")
        await stage.finish(order_id)

    stage.act = fail_once
    order = stage.outbox.put()
    stage.relay.nudge(CLUB, [order])
    await asyncio.sleep(0.8)
    assert stage.performed == [(order, 0), (order, 0)]
    assert set(stage.engine.memory.jobs) == {"outbox-1-0", "outbox-1-0-1"}


async def test_an_order_whose_job_goes_on_is_left_alone(stage: Stage) -> None:
    """Two at once could put a person out twice."""
    stage.act = lambda order_id: asyncio.sleep(3)
    stage.relay.nudge(CLUB, [stage.outbox.put()])
    await asyncio.sleep(1.2)
    assert len(stage.performed) == 1


async def test_a_time_that_comes_while_others_are_at_work_is_not_missed(stage: Stage) -> None:
    stage.act = lambda order_id: asyncio.sleep(0.6)
    busy, later = stage.outbox.put(), stage.outbox.put(after=0.08)
    begin = time.perf_counter()
    stage.relay.nudge(CLUB, [busy, later])
    await asyncio.sleep(0.25)
    assert 0.07 < stage.at[later] - begin < 0.2


async def test_lanes_come_in_their_order() -> None:
    stage = Stage()
    late, card, answer = (
        stage.outbox.put(lane=lane) for lane in (Lane.REMOVAL, Lane.CARD, Lane.ANSWER)
    )
    await stage.engine.start()
    await stage.relay.start()
    await asyncio.sleep(0.1)
    await stage.relay.stop()
    assert [order for order, _ in stage.performed] == [answer, card, late]
    assert [job.now for job in stage.engine.memory.jobs.values()] == [True, True, False]


async def test_of_many_only_some_start_at_once(stage: Stage) -> None:
    """A sweep of ten thousand must not start ten thousand calls in one breath."""
    ids = [stage.outbox.put(lane=Lane.NOTICE) for _ in range(500)]
    stage.relay.nudge(CLUB, ids)
    await asyncio.sleep(1.5)
    assert sorted(order for order, _ in stage.performed) == ids
    assert sum(job.now for job in stage.engine.memory.jobs.values()) == 16


async def test_the_due_scan_is_called_when_it_asked_and_after_commits(stage: Stage) -> None:
    await asyncio.sleep(0.3)
    assert len(stage.scans) == 1
    stage.next_scan = lambda: datetime.now(UTC) + timedelta(seconds=0.4)
    stage.relay.nudge(CLUB, [])
    await asyncio.sleep(0.3)
    assert len(stage.scans) == 2
    await asyncio.sleep(0.5)
    assert len(stage.scans) >= 3  # more on a busy machine, whose sleeps take longer
    assert stage.scans[2] - stage.scans[1] == pytest.approx(0.4, abs=0.15)


async def test_a_scan_that_wants_to_run_always_gets_breaks(stage: Stage) -> None:
    stage.next_scan = lambda: datetime.now(UTC) - timedelta(hours=1)
    stage.relay.nudge(CLUB, [])
    await asyncio.sleep(1)
    assert 3 <= len(stage.scans) <= 8


async def test_a_database_that_is_away_is_told_once_and_waited_for(stage: Stage) -> None:
    with structlog.testing.capture_logs() as logged:
        stage.outbox.broken = True
        order = stage.outbox.put()
        stage.relay.nudge(CLUB, [order])
        await asyncio.sleep(0.6)
        health = stage.relay.health()
        assert (health.ok, health.code) == (False, "relay-failing")
        stage.outbox.broken = False
        await asyncio.sleep(4)
    assert stage.performed == [(order, 0)]
    assert stage.relay.health().ok
    assert [entry["event"] for entry in logged] == ["relay-failing", "relay-recovered"]


async def test_a_scan_that_fails_stops_neither_itself_nor_the_outbox(stage: Stage) -> None:
    def fail() -> datetime | None:
        raise RuntimeError("a fault in a rule")

    stage.next_scan = fail
    stage.relay.nudge(CLUB, [order := stage.outbox.put()])
    await asyncio.sleep(0.3)
    assert not stage.relay.health().ok
    stage.next_scan = lambda: None
    await asyncio.sleep(1.2)
    assert stage.performed == [(order, 0)]
    assert stage.relay.health().ok


async def test_a_nudge_carries_nothing_of_the_commit_that_made_it(stage: Stage) -> None:
    """A job must not find the transaction of the commit, which is over."""
    transaction = contextvars.ContextVar("transaction", default="none")
    found = []

    async def look(order_id: int) -> None:
        found.append(transaction.get())
        await stage.finish(order_id)

    stage.act = look
    transaction.set("a commit that is over")
    stage.relay.nudge(CLUB, [stage.outbox.put()])
    await asyncio.sleep(0.1)
    assert found == ["none"]


async def test_a_nudge_from_another_thread_or_outside_of_its_life_is_safe() -> None:
    stage = Stage()
    stage.relay.nudge(CLUB, [1])
    await stage.engine.start()
    await stage.relay.start()
    order = stage.outbox.put()
    await asyncio.to_thread(stage.relay.nudge, CLUB, [order])
    await asyncio.sleep(0.1)
    assert stage.performed == [(order, 0)]
    await stage.relay.stop()
    stage.relay.nudge(CLUB, [order])
    assert stage.relay.health().code == "relay-stopped"


async def test_an_idle_relay_asks_little(stage: Stage) -> None:
    stage.outbox.looks = 0
    await asyncio.sleep(1.3)
    assert stage.outbox.looks <= 6  # each 0.3 s here, each second in service
