"""Ticks that came while nothing ran, while the club was paused, or while nobody could be asked."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from gatekeeper import schedule
from gatekeeper.domain.clubs import Schedule
from gatekeeper.domain.memberships import Sweep
from gatekeeper.engine.ticks import newest_tick
from gatekeeper.testing.fakes import FakeEngine, FakeStore
from gatekeeper.testing.fakes_engine import EngineMemory
from gatekeeper.usecases import missed, pause, sweep
from tests.journeys.club import a_club

HOURLY, ZONE = "0 * * * *", "UTC"


class Process:
    """One service on the club's store; `memory` is what its engine keeps."""

    def __init__(self, club, memory=None):
        self.club, self.engine = club, FakeEngine(memory)
        schedule.register(self.engine, club.parts, club.observer)

    async def start(self, cron=HOURLY):
        newest = partial(newest_tick, cron, ZONE)
        job = schedule.of_club(self.club.parts, "sweep")
        self.engine.schedule(job, cron, ZONE, job)
        await missed.begin(self.club.parts, "sweep", cron, ZONE, newest)
        await self.engine.start()
        await self.look()
        return self

    async def look(self):
        """What the relay does again and again."""
        await schedule.make_up(self.engine, self.club.parts)
        await self.engine.drain()

    async def tick(self, hours=0):
        slot = self.club.clock.now().replace(minute=0, second=0, microsecond=0)
        await self.engine.tick(
            f"{self.club.parts.club}/sweep", (slot + timedelta(hours=hours)).isoformat()
        )
        await self.engine.drain()


async def slots(club):
    return [one.slot for one in await club.find(Sweep)]


@pytest.fixture
async def club():
    async with a_club(FakeStore(), datetime(2026, 3, 1, 12, 30, tzinfo=UTC)) as found:
        await found.settle()
        yield found


async def test_missed_cron_exactly_the_newest_is_made_up_at_the_start(club):
    """A week's run fell into an outage, and nobody was looked at for another week."""
    await (await Process(club).start()).engine.stop()
    club.clock.advance(hours=72)
    memory = EngineMemory()
    one, two = Process(club, memory), Process(club, memory)
    await one.start()
    await two.start()
    await one.look()
    assert await slots(club) == ["2026-03-04T12:00:00+00:00"]
    club.clock.advance(minutes=10)
    await Process(club).start()  # with an engine that remembers nothing
    assert len(await slots(club)) == 1


async def test_a_new_schedule_has_missed_nothing(club):
    await Process(club).start()
    club.clock.advance(hours=5)
    await Process(club).start("30 * * * *")
    assert not await slots(club)
    assert (await club.one(Schedule)).cron == "30 * * * *"


async def test_what_was_done_is_not_done_again(club):
    process = await Process(club).start()
    club.clock.advance(hours=1)
    await process.tick()
    await process.tick()
    await (await Process(club).start()).look()
    assert await slots(club) == ["2026-03-01T13:00:00+00:00"]


async def test_of_a_pause_the_newest_is_made_up_after_it(club):
    process = await Process(club).start()
    await pause.pause(club.parts, "operator:root")
    for _ in range(3):
        club.clock.advance(hours=1)
        await process.tick()
        await process.look()
    assert not await slots(club)
    await pause.resume(club.parts, "operator:root")
    for _ in range(3):
        await process.look()
    assert await slots(club) == ["2026-03-01T15:00:00+00:00"]


async def test_a_platform_that_is_down_is_asked_again_later(club):
    process = await Process(club).start()
    club.clock.advance(hours=1)
    club.platform.down = True
    await process.tick()
    await process.look()
    assert (await club.one(Schedule)).tries == 1
    club.platform.down = False
    await process.look()
    assert not await slots(club), "not at once"
    club.clock.advance(minutes=11)
    await process.look()
    await process.look()
    assert await slots(club) == ["2026-03-01T13:00:00+00:00"]
    assert (await club.one(Schedule)).due_at is None


async def test_a_newer_tick_takes_the_place_of_one_that_failed(club):
    process = await Process(club).start()
    club.platform.down = True
    club.clock.advance(hours=1)
    await process.tick()
    club.platform.down = False
    club.clock.advance(hours=1)
    await process.tick()
    club.clock.advance(minutes=30)
    await process.look()
    assert await slots(club) == ["2026-03-01T14:00:00+00:00"]


async def test_a_club_that_is_watched_too_shortly_makes_up_no_sweep():
    async with a_club(FakeStore(), settle=str(30 * 86400)) as club:
        await Process(club).start()
        club.clock.advance(hours=5)
        process = await Process(club).start()
        await process.look()
        assert not await slots(club)


async def test_a_crash_in_the_middle_is_done_at_the_next_start(club):
    process = await Process(club).start()
    club.clock.advance(hours=1)
    assert await missed.come(club.parts, "sweep", club.clock.now().replace(minute=0).isoformat())
    await process.engine.stop()
    club.clock.advance(minutes=20)
    await Process(club).start()
    assert await slots(club) == ["2026-03-01T13:00:00+00:00"]


async def test_a_pause_that_begins_while_a_tick_is_done_loses_it_not(club, monkeypatch):
    process = await Process(club).start()
    look_out = sweep.look_out

    async def slowly(parts):
        monkeypatch.undo()
        await pause.pause(parts, "operator:root")
        return await look_out(parts)

    monkeypatch.setattr(sweep, "look_out", slowly)
    club.clock.advance(hours=1)
    await process.tick()
    assert [one.held for one in await club.find(Sweep)] == ["paused"]
    club.clock.advance(minutes=11)
    await process.look()
    assert len(await club.find(Sweep)) == 1, "paused still"
    await pause.resume(club.parts, "operator:root")
    await process.look()
    await process.look()
    assert [one.held for one in await club.find(Sweep)] == ["paused", ""]
    assert (await club.one(Schedule)).due_at is None
