from dataclasses import replace
from datetime import timedelta

import pytest

from gatekeeper.domain.activity import Activity, Coverage, Kind
from gatekeeper.domain.clubs import Checkpoint, ClubState
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import State
from gatekeeper.testing.builders import a_sign
from gatekeeper.usecases import observe
from gatekeeper.usecases.observe import Observer
from tests.usecases.conftest import QUIET

SECOND = timedelta(seconds=1)


def sign(club, who, name="1", ago=0, kind=Kind.MESSAGE):
    at = club.clock.now() - ago * SECOND
    return replace(a_sign(kind=kind, at=at, event_id=f"$s{name}"), who=who)


async def test_a_sign_moves_a_member_forward_and_never_back(club):
    [eve] = await club.adopt("eve")
    await club.observer.observe("matrix", [sign(club, eve, "new", ago=1)], "p1")
    await club.observer.flush()
    seen = await club.member(eve)
    assert seen.last_seen_at == club.clock.now() - SECOND
    assert (seen.last_kind, seen.last_place) == ("message", "lobby")
    await club.observer.observe("matrix", [sign(club, eve, "old", ago=500)], "p2")
    await club.observer.flush()
    assert (await club.member(eve)).last_seen_at == seen.last_seen_at
    assert sum(day.count for day in await club.find(Activity)) == 2


async def test_strangers_and_signs_that_do_not_count_leave_no_trace(club):
    stranger = Identity("matrix", "@mallory:fake")
    await club.observer.observe("matrix", [sign(club, stranger)], "p1")
    await club.observer.flush()
    assert not await club.find(Activity)
    assert (await club.one(Checkpoint)).position == "p1"


async def test_a_second_telling_is_not_counted(club):
    [eve] = await club.adopt("eve")
    for _ in range(2):
        await club.observer.observe("matrix", [sign(club, eve)] * 2, "p1")
        await club.observer.flush()
    assert [day.count for day in await club.find(Activity)] == [1]


async def test_a_clock_that_runs_ahead_makes_nobody_younger(club):
    [eve] = await club.adopt("eve")
    await club.observer.observe("matrix", [sign(club, eve, ago=-86_400)], "p1")
    await club.observer.flush()
    assert (await club.member(eve)).last_seen_at == club.clock.now()


async def test_what_was_not_committed_is_still_there_after_a_failure(club, monkeypatch):
    [eve] = await club.adopt("eve")
    before = await club.observer.position("matrix")
    await club.observer.observe("matrix", [sign(club, eve)], "later")
    with monkeypatch.context() as broken:
        broken.setattr("gatekeeper.usecases.observe._keep_position", _fails)
        with pytest.raises(RuntimeError):
            await club.observer.flush()
    assert await club.observer.position("matrix") == before
    assert (await club.member(eve)).last_seen_at is None
    await club.observer.flush()
    assert await club.observer.position("matrix") == "later"
    assert (await club.member(eve)).last_seen_at is not None


async def _fails(*_):
    raise RuntimeError("as if the disk were full")


async def test_coverage_is_one_interval_until_a_gap(club):
    start = club.clock.now()
    await club.pass_time(seconds=20)
    [interval] = await club.find(Coverage)
    assert interval.start == start
    assert club.clock.now() - interval.end < observe.QUIET
    assert (await club.one(ClubState)).watched_since == start
    club.clock.advance(seconds=100)
    after = Observer(club.parts)  # as after a restart
    await after.observe("matrix", [], "p9", after_gap=True)
    await after.flush()
    first, second = await club.find(Coverage)
    assert first == interval
    assert second.start == club.clock.now()


async def test_while_the_intake_does_not_listen_nothing_counts_as_seen(club):
    await club.pass_time(seconds=20)
    seen_until = (await club.one(Coverage)).end
    assert club.clock.now() - seen_until < observe.QUIET
    club.platform.down = True
    club.clock.advance(seconds=60)
    await club.observer.flush()
    assert (await club.one(Coverage)).end == seen_until
    club.platform.down = False
    await club.observer.observe("matrix", [], "caught-up")  # without a gap: nothing was missed
    await club.observer.flush()
    assert (await club.one(Coverage)).end == club.clock.now()


async def test_a_sign_of_someone_who_was_asked_is_not_kept_waiting(club):
    [carl] = await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.pass_time(seconds=1)
    assert await club.state(carl) is State.NOTICED
    await club.platform.live(carl, Kind.REACTION)  # no flush by the clock
    assert await club.state(carl) is State.ACTIVE
