"""Where other clubs' tools hurt people: each story by its name, and how it ends here."""

from datetime import timedelta

from gatekeeper.domain import events
from gatekeeper.domain.decisions import Order, Remove
from gatekeeper.domain.memberships import Membership, State, Sweep
from gatekeeper.policy.parse import load_policy
from gatekeeper.testing.fakes_people import SPACE
from gatekeeper.usecases import sweep
from tests.journeys.club import CLUB
from tests.usecases.conftest import GRACE, QUIET


async def test_one_day_window_nobody_slips_through_a_missed_day(club):
    """A tool that asks only those whose day is today never asks whoever's day it missed."""
    [carl] = await club.adopt("carl")
    await club.pass_time(seconds=5 * QUIET)  # no run for five times as long as the policy waits
    await club.sweep()
    assert await club.state(carl) is State.NOTICED
    await club.platform.stop()
    club.clock.advance(seconds=10 * GRACE)  # nobody there on the day on which the grace ends
    await club.platform.start(club.desk)
    await club.pass_time(seconds=GRACE + 1)
    assert await club.state(carl) is State.PLANNED


async def test_bot_restart_the_time_while_it_was_away_is_nobody_s_silence(club):
    """Members were called inactive after a restart, for what nobody had listened to."""
    [carl] = await club.adopt("carl")
    await club.settle()
    club.clock.advance(days=100)  # away for long, and what was said meanwhile is lost
    position = str(len(club.platform.history))
    await club.observer.observe("matrix", [], position, after_gap=True)
    await club.sweep()
    assert await club.state(carl) is State.ACTIVE
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    assert await club.state(carl) is State.NOTICED, "silent in what we saw since"


async def test_young_bot_nobody_is_judged_for_the_time_before_it_came(club):
    """People were put out for thirty idle days by a bridge that was two days old."""
    club.clock.advance(days=1000)
    [carl] = await club.adopt("carl")  # here for years, known since now
    await club.sweep()
    plan = await sweep.preview(club.parts)
    assert not plan.notify
    assert await club.state(carl) is State.ACTIVE
    member = await club.member(carl)
    assert club.clock.now() - member.known_since < timedelta(minutes=1)


async def test_bridge_rejoin_whoever_comes_in_again_is_not_put_out_in_a_loop(club):
    """A bridge let a person in again at once, the bot put them out again, and so on."""
    [carl] = await club.to_planned("carl")
    await club.platform.press(club.alice, club.removals().ref, "✅")
    await club.settle()
    assert await club.state(carl) is State.REMOVED
    for number in range(3):
        account = club.platform.people[carl.account]
        account.places |= {SPACE: "join", "lobby": "join"}
        club.platform.history.append(
            events.Joined(
                who=carl,
                at=club.clock.now(),
                event_id=f"$again-{number}",
                name=account.name,
                by=club.fay,
            )
        )
        await club.platform.deliver()
        await club.pass_time(seconds=2 * QUIET)
        await club.sweep()
    removed = [act for _, act in club.platform.performed if isinstance(act, Remove)]
    assert len(removed) == 1
    assert club.platform.people[carl.account].places[SPACE] == "join", "an admin's to decide"


async def test_first_run_mass_removal_the_brake_holds_the_very_first_sweep(club):
    """A first run deleted a hundred and fifty accounts, and its author had doubts afterwards."""
    them = await club.adopt(*(f"m{number}" for number in range(40)))
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    [first] = await club.find(Sweep)
    assert first.held == "brake-count"
    assert not await club.find(Order, purpose="notice")
    states = {member.state for member in await club.find(Membership)}
    assert states == {State.ACTIVE}
    assert first.touched == len(them) == 40
    assert "40" in club.held().card.status


async def test_first_run_mass_removal_a_later_one_is_held_against_the_last_ones(club):
    """Runs of one to twenty people, and one day four hundred: nobody had looked at the figure."""
    await club.adopt("quiet")
    for number in range(3):
        async with club.store.transaction(CLUB) as tx:
            await tx.add(
                Sweep(
                    club=CLUB,
                    slot=f"earlier-{number}",
                    at=club.clock.now(),
                    policy="d",
                    touched=number + 1,
                )
            )
    policy = club.parts.policy.text.replace("maxAffected: {count: 5", "maxAffected: {count: 50")
    assert policy != club.parts.policy.text
    club.parts.shelf.use(load_policy(policy, "lighthouse.yaml"))
    await club.adopt(*(f"m{number}" for number in range(6)))
    await club.pass_time(seconds=QUIET)
    await club.sweep("now")
    assert (await club.one(Sweep, slot="now")).held == "brake-usual"
    assert not await club.find(Order, purpose="notice")
    status = club.held().card.status
    assert "touch 7;" in status
    assert "usually 2 are touched" in status
    assert "3 times" in status
    await club.platform.press(club.alice, club.held().ref, "✅")
    await club.settle()
    assert len(await club.find(Order, purpose="notice")) == 7
