"""Ways in which somebody could be put out, or forgotten, between a look and an act."""

from datetime import timedelta
from functools import partial

import pytest

from gatekeeper.domain import events
from gatekeeper.domain.activity import Coverage
from gatekeeper.domain.decisions import Order, Progress, Remove
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.engine.ticks import newest_tick
from gatekeeper.testing.fakes_people import SPACE
from gatekeeper.usecases import adopt, findings, missed, pause, take_back
from gatekeeper.usecases.reconcile import run

BY = "operator:root"


async def test_whoever_came_in_while_we_looked_stays_a_member(club, monkeypatch):
    [carl] = await club.adopt("carl")
    club.platform.people[carl.account].places.clear()
    await run(club.parts, BY)
    look = club.platform.standing

    async def slow(who):
        found = await look(who)
        if who == carl and not found.inside:
            club.clock.advance(seconds=1)
            await club.desk.handle(events.Departed(who=carl, at=club.clock.now(), event_id="$gone"))
            club.platform.people[carl.account].places[SPACE] = "join"
            await adopt.adopt(club.parts, BY)
        return found

    monkeypatch.setattr(club.platform, "standing", slow)
    await findings.apply(club.parts, BY)
    assert [m.state for m in await club.find(Membership, identity=carl)] == [
        State.DEPARTED,
        State.ACTIVE,
    ]


async def test_whom_we_have_invited_since_is_not_put_out_by_an_old_finding(club):
    await club.adopt("quiet")
    eve = club.platform.person("@eve:fake")
    club.platform.people[eve.account].places["talk"] = "join"
    [finding] = (await run(club.parts, BY)).findings
    await club.apply(eve)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of("Eve").ref, "✅")
    await club.settle()
    assert club.platform.people[eve.account].places[SPACE] == "invite"
    with pytest.raises(Refused):
        await findings.put_out(club.parts, finding.id, "Who is this?", BY)
    await club.settle()
    assert club.platform.people[eve.account].places[SPACE] == "invite"


async def test_whom_we_invite_while_it_waits_is_not_put_out(club):
    await club.adopt("quiet")
    eve = club.platform.person("@eve:fake")
    club.platform.people[eve.account].places["talk"] = "join"
    [finding] = (await run(club.parts, BY)).findings
    await club.apply(eve)
    await pause.pause(club.parts, BY)
    await findings.put_out(club.parts, finding.id, "Who is this?", BY)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of("Eve").ref, "✅")
    await pause.resume(club.parts, BY)
    await club.settle()
    assert not [act for _, act in club.platform.performed if isinstance(act, Remove)]
    assert club.platform.people[eve.account].places[SPACE] == "invite"


async def test_a_clock_that_ran_ahead_hides_no_gap(club):
    """What could not be seen after it was set right is nobody's silence."""
    await club.adopt("carl")
    await club.pass_time(seconds=20)
    club.clock.advance(days=300)
    await club.observer.observe("matrix", [], "p-ahead")
    await club.observer.flush()
    club.clock.advance(days=-300)
    club.clock.advance(seconds=10)
    await club.observer.observe("matrix", [], "p-right")
    await club.observer.flush()
    now = club.clock.now()
    assert max(one.end for one in await club.find(Coverage)) <= now


async def test_a_clock_that_ran_ahead_stops_no_schedule(club):
    newest = partial(newest_tick, "0 * * * *", "UTC")
    await missed.begin(club.parts, "sweep", "0 * * * *", "UTC", newest)
    club.clock.advance(days=300)
    ahead = club.clock.now().replace(minute=0, second=0, microsecond=0)
    club.clock.advance(minutes=5)
    assert await missed.come(club.parts, "sweep", ahead.isoformat())
    await missed.done(club.parts, "sweep", ahead.isoformat())
    club.clock.advance(days=-300)
    tick = ahead - timedelta(days=300) + timedelta(hours=1)
    club.clock.advance(hours=1)
    assert await missed.come(club.parts, "sweep", tick.isoformat())


async def test_who_left_by_themselves_is_not_said_to_have_been_put_out(club):
    """A removal that was never handed to the platform cannot have crossed anything."""
    [carl] = await club.to_planned("carl")
    await club.platform.press(club.alice, club.removals().ref, "✅")
    order = await club.one(Order, purpose="removal")
    await club.platform.live(carl)
    await club.observer.flush()
    assert await club.state(carl) is State.ACTIVE
    club.platform.people[carl.account].places.clear()  # gone, and not told to us yet
    await club.performer.perform(order.id, order.attempt)
    member = await club.member(carl)
    assert member.state is State.ACTIVE, member.cause
    assert not await club.find(Order, purpose="invitation")


async def test_whose_admission_was_taken_back_is_not_let_in_by_what_is_left_of_it(club):
    """The platform would not end the invitation; days later it is taken up."""
    await club.adopt("quiet")
    who = club.platform.person("@dora:fake")
    number = await club.apply(who)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of("Dora").ref, "✅")
    await club.settle()
    club.platform.refuse(who, "no-power")
    await take_back.by_operator(club.parts, number, "Two of you.", "root")
    await club.settle()
    assert (await club.one(Order, purpose="retract")).progress is Progress.FAILED
    await club.pass_time(seconds=5)
    await club.platform.join(who)
    await club.settle()
    assert not await club.find(Membership, identity=who)
    assert [one.subject for one in (await run(club.parts, BY)).findings] == [who.account]
