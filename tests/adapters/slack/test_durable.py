"""What decides is taken in once, also over a restart: the real desk, and a memory that is gone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from gatekeeper.domain.clubs import EarlyPress
from gatekeeper.domain.decisions import Order
from gatekeeper.ports import FrontDesk
from gatekeeper.testing.fakes import FakeStore, ManualClock
from gatekeeper.testing.platform_world import RecordingDesk
from gatekeeper_slack import reception as module
from gatekeeper_slack.reception import Reception
from gatekeeper_slack.scene import Scene
from gatekeeper_slack.screens import Looks
from gatekeeper_slack.sight import Sight
from gatekeeper_slack.told import REMEMBER
from tests.journeys.club import Club, a_club

SCENE = Scene(team="T0A", bot="U0BOT", club="C0A", admins="C0B", rooms={"club": "C0A"})
TS = "1767225601.000101"


def fresh(desk: FrontDesk, clock: ManualClock, within: float = 1.0) -> Reception:
    """A process that has just begun: it remembers nothing."""
    looks = Looks(lambda action: str(action.get("value", "")))
    return Reception(SCENE, desk, clock, Sight(SCENE, desk), looks, within=within)


def event(number: str = "Ev1", **inner: Any) -> dict[str, Any]:
    base = {"type": "message", "user": "U0ADA", "channel": "D0ADA", "channel_type": "im"}
    words = {"text": "help", "ts": TS, "event_ts": TS, "team": "T0A"}
    return {
        "type": "event_callback",
        "team_id": "T0A",
        "event_id": number,
        "event": {**base, **words, **inner},
    }


PRESS = {
    "type": "block_actions",
    "user": {"id": "U0ADA", "team_id": "T0A"},
    "team": {"id": "T0A"},
    "container": {"type": "message", "message_ts": TS, "channel_id": "C0B"},
    "actions": [{"action_id": "a", "value": "✅", "action_ts": TS}],
}


@pytest.fixture
async def club() -> AsyncIterator[Club]:
    async with a_club(FakeStore(ManualClock())) as found:
        yield found


async def test_words_and_presses_are_taken_in_once_over_a_restart(club):
    for number in ("Ev1", "Ev1", "Ev2"):  # twice to one process, again as a twin
        desk = fresh(club.desk, club.clock)
        for payload in (event(number), event(number), PRESS, PRESS):
            assert (await desk.take(payload)).status == 200
        await desk.stop(1.0)
    answers = [one for one in await club.find(Order) if one.purpose == "told"]
    assert len(answers) == 1
    assert len(await club.find(EarlyPress)) == 1


async def test_an_hour_is_remembered_and_not_for_ever(club):
    desk = RecordingDesk()
    here = fresh(desk, club.clock)
    await here.take(event())
    club.clock.advance(minutes=11)
    await here.take(event())
    assert len(desk.events) == 1
    club.clock.advance(seconds=(REMEMBER + timedelta(seconds=1)).total_seconds())
    await here.take(event("Ev2", ts="1767225602.1"))
    assert list(here._told._all) == [("T0A", "Ev2")]


async def test_more_than_can_be_held_comes_again(club, monkeypatch):
    class Stuck(RecordingDesk):
        async def handle(self, event: Any) -> None:
            await go.wait()
            await super().handle(event)

    go = asyncio.Event()
    monkeypatch.setattr(module, "_WAITING", 2)
    desk = Stuck()
    here = fresh(desk, club.clock, within=0.01)
    bodies = [event(f"Ev{n}", ts=f"176722560{n}.1") for n in range(3)]
    assert [(await here.take(body)).status for body in bodies] == [503, 503, 503]
    go.set()
    await asyncio.wait(set(here._tasks))
    assert [(await here.take(body)).status for body in bodies] == [200, 200, 200]
    assert len(desk.events) == 3


async def test_who_waits_when_we_stop_is_told_again(club):
    desk = RecordingDesk()
    desk.fail = [OSError("no disk") for _ in range(9)]
    here = fresh(desk, club.clock)
    taking = asyncio.create_task(here.take(event()))
    while not here._tasks:
        await asyncio.sleep(0)
    await here.stop(1.0)
    assert (await taking).status == 503
    desk.fail.clear()
    assert (await fresh(desk, club.clock).take(event())).status == 200
    assert len(desk.events) == 1
