from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from gatekeeper.cli import members
from gatekeeper.domain.errors import BadInput, Refused
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import Leave, State
from gatekeeper.usecases import leave, sweep
from gatekeeper.usecases.absences import last_moment
from tests.usecases.conftest import QUIET

MINUTE = timedelta(minutes=1)


async def test_a_leave_is_passed_over_and_then_silence_begins_anew(club):
    [dana] = await club.adopt("dana")
    until = club.clock.now() + MINUTE
    await leave.announce(club.parts, dana, until, " at sea ", str(dana))
    await club.pass_time(seconds=QUIET)
    assert (await sweep.preview(club.parts)).counts["on-leave"] == 1
    await club.pass_time(seconds=45)
    ended = await club.one(Leave)
    assert (ended.note, ended.ended_at) == ("at sea", until)
    await club.sweep()
    assert await club.state(dana) is State.ACTIVE, "the time away is no silence"
    await club.pass_time(seconds=QUIET)
    await club.sweep("later")
    assert await club.state(dana) is State.NOTICED


async def test_a_new_leave_takes_the_place_of_the_old_one_and_ends_by_hand(club):
    [dana] = await club.adopt("dana")
    now = club.clock.now()
    await leave.announce(club.parts, dana, now + MINUTE, "", str(dana))
    await leave.announce(club.parts, dana, now + 2 * MINUTE, "", str(dana))
    assert [one.ended_at for one in await club.find(Leave)] == [now, None]
    await leave.end(club.parts, dana, str(dana))
    with pytest.raises(Refused, match="no-leave"):
        await leave.end(club.parts, dana, str(dana))


@pytest.mark.parametrize(("days", "code"), [(0, "date-not-in-future"), (400, "date-too-far")])
async def test_dates_that_cannot_be_taken(club, days, code):
    [dana] = await club.adopt("dana")
    until = club.clock.now() + timedelta(days=days)
    with pytest.raises(BadInput) as refused:
        await leave.announce(club.parts, dana, until, "", str(dana))
    assert refused.value.problems == {"until": code}
    assert not await club.find(Leave)


async def test_a_stranger_has_no_leave(club):
    stranger = Identity("matrix", "@mallory:fake")
    with pytest.raises(Refused, match="not-a-member"):
        await leave.announce(club.parts, stranger, club.clock.now() + MINUTE, "", "x")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Cuba"])
async def test_a_day_ends_in_the_club_at_one_moment_however_it_is_said(club, zone):
    """Also where the clock goes back at midnight (Cuba, 1 November): the day is an hour longer."""
    for text in ("2026-03-28", "2026-11-01", "2026-12-31"):
        day = date.fromisoformat(text)
        until = last_moment(day, zone)
        assert until == members.moment(text, zone) == members.moment(f" {day:%Y%m%d} ", zone)
        here = until.astimezone(ZoneInfo(zone))
        assert (here.date(), here.time()) == (day, time.max)
        after = (until + timedelta.resolution).astimezone(ZoneInfo(zone))
        assert (after.date(), after.time()) == (day + timedelta(days=1), time.min)


async def test_a_leave_said_in_a_chat_ends_with_that_day(club):
    [dana] = await club.adopt("dana")
    await club.platform.write(dana, "away until 2026-03-20 at sea")
    await club.settle()
    kept = await club.one(Leave)
    zone = club.policy.club.spec.time_zone
    assert (kept.until, kept.note) == (members.moment("2026-03-20", zone), "at sea")
    assert "20 March 2026, 23:59" in club.told(dana)[-1].text
    await club.platform.write(dana, "away until 9999-12-31")
    await club.settle()
    assert (await club.one(Leave, ended_at=None)).until == kept.until
