"""What the desk is told of our blindness."""

from datetime import timedelta

import pytest

from gatekeeper.testing.clock import ManualClock
from gatekeeper.testing.platform_world import RecordingDesk
from gatekeeper_slack.heard import Back, Out
from gatekeeper_slack.scene import Scene
from gatekeeper_slack.sight import DEAF, Sight

CLOCK = ManualClock()
NOW = CLOCK.now()
HOUR = timedelta(hours=1)


@pytest.fixture
def desk() -> RecordingDesk:
    return RecordingDesk()


@pytest.fixture
def sight(desk: RecordingDesk) -> Sight:
    return Sight(Scene(team="T1", bot="U1", club="C1", rooms={"club": "C1", "room": "C2"}), desk)


async def test_each_start_tells_what_does_not_reach_us(sight, desk):
    await sight.begin({"club": "put-out", "room": "gone"}, NOW)
    assert desk.blind_now == {"club": NOW}
    await sight.begin({}, NOW + HOUR)
    assert desk.blind_now == {}


async def test_a_late_word_of_our_going_does_not_blind_us(sight, desk):
    await sight.begin({}, NOW)
    await sight.change(Out("C2", NOW, "put-out"))
    await sight.change(Back("C2", NOW + HOUR))
    await sight.change(Out("C2", NOW, "put-out"))
    assert desk.blind_now == {}
    assert desk.lost == [("room", NOW, NOW + HOUR)]


async def test_a_second_word_of_it_keeps_the_first_time(sight, desk):
    await sight.begin({}, NOW)
    await sight.change(Out("C2", NOW, "put-out"))
    await sight.change(Out("C2", NOW + HOUR, "put-out"))
    assert desk.blind_now == {"room": NOW}
    await sight.change(Out("C9", NOW, "put-out"))
    assert desk.blind_now == {"room": NOW}


async def test_events_that_are_switched_off_show_by_our_own_messages(sight, desk):
    sight.sent("C1:1.1", NOW)
    sight.sent("C1:1.2", NOW + HOUR)
    assert sight.deaf_since(NOW + DEAF) is None
    assert sight.deaf_since(NOW + 2 * HOUR) == NOW
    sight.came("C1:1.1")
    assert sight.deaf_since(NOW + HOUR + DEAF) is None
    assert sight.deaf_since(NOW + 2 * HOUR) == NOW + HOUR
    await sight.heard_again(NOW + 3 * HOUR)
    assert desk.lost == [("", NOW + HOUR, NOW + 3 * HOUR)]
    assert sight.deaf_since(NOW + 9 * HOUR) is None
