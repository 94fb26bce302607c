import pytest

from gatekeeper.domain.activity import Coverage, Kind
from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import Order, Verdict
from gatekeeper.domain.errors import PlatformDown
from gatekeeper.domain.memberships import Membership, State, Sweep, SweepItem
from gatekeeper.policy.parse import load_policy
from gatekeeper.testing.fakes import FakeStore
from gatekeeper.usecases import member_facts, pause, sweep
from tests.journeys.club import CLUB, a_club
from tests.usecases.conftest import GRACE, QUIET, Roll


async def test_a_plan_says_who_and_why_and_does_nothing(club):
    carl, eve = await club.adopt("carl", "eve")
    await club.pass_time(seconds=QUIET)
    await club.platform.live(eve)
    await club.observer.flush()
    plan = await sweep.preview(club.parts)
    [line] = plan.notify
    assert line.candidate.membership.identity == carl
    assert line.candidate.evidence["seen_share"] == 1.0
    assert line.candidate.evidence["rule"] == "silent"
    assert plan.counts == {"silent-notice": 1, "kept": 1, "admin": 3}
    assert await club.state(carl) is State.ACTIVE
    assert not club.told(carl)
    assert not await club.find(Sweep)


async def test_a_notice_says_what_it_rests_on_and_how_to_stay(club):
    [carl] = await club.adopt("carl")
    await club.platform.live(carl, Kind.REACTION, "talk")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    [notice] = club.told(carl)
    parts = ("a reaction in talk", "100 % of that time", "✋", "1 March 2026, 12:00", "away until")
    for part in parts:
        assert part in notice.text, notice.text
    assert "{" not in notice.text
    assert [choice.symbol for choice in notice.choices] == ["✋", "🚩"]
    assert notice.links[0].url.startswith("http://club.test/l/")
    member = await club.member(carl)
    assert member.state is State.NOTICED
    assert member.notice_ref == notice.ref
    assert (member.grace_ends_at - member.noticed_at).total_seconds() == GRACE


async def test_a_slot_sweeps_once(club):
    await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    first = await sweep.run(club.parts, "monday")
    again = await sweep.run(club.parts, "monday")
    assert first == again
    assert len(await club.find(Order, purpose="notice")) == 1


async def test_a_second_sweep_asks_nobody_twice(club):
    [carl] = await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.sweep("another")
    assert len(club.told(carl)) == 1


async def test_a_club_that_was_watched_too_shortly_sweeps_nobody(monkeypatch):
    monkeypatch.setattr("tests.journeys.club.Club", Roll)
    async with a_club(FakeStore(), settle="3600") as club:
        await club.adopt("carl")
        await club.pass_time(seconds=QUIET)
        plan = await sweep.preview(club.parts)
        assert not plan.notify
        assert plan.counts == {"settling": 1, "admin": 3}


async def test_a_held_sweep_changes_nothing_and_asks(club):
    them = await club.adopt(*(f"m{n}" for n in range(6)))
    await club.pass_time(seconds=QUIET)
    before = await club.find(Membership)
    await club.sweep()
    assert await club.find(Membership) == before
    assert (await club.one(Sweep)).held == "brake-count"
    assert not await club.find(Order, purpose__in=("notice", "removal"))
    card = club.held()
    assert len(card.card.facts) == 6
    assert all(not club.told(who) for who in them)


async def test_an_admin_releases_a_held_sweep_for_those_still_silent(club):
    them = await club.adopt(*(f"m{n}" for n in range(6)))
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.platform.live(them[0])
    await club.platform.press(them[1], club.held().ref, "✅")  # no right to
    await club.settle()
    assert not await club.find(Order, purpose="notice")
    await club.platform.press(club.alice, club.held().ref, "✅")
    await club.settle()
    states = [await club.state(who) for who in them]
    assert states == [*[State.ACTIVE] * 2, *[State.NOTICED] * 4], "a press is a sign of life"
    assert not club.held().choices


async def test_an_admin_drops_a_held_sweep(club):
    await club.adopt(*(f"m{n}" for n in range(6)))
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    ref = club.held().ref
    await club.platform.press(club.alice, ref, "❌")
    await club.settle()
    await club.platform.press(club.boris, ref, "✅")
    await club.settle()
    assert not await club.find(Order, purpose="notice")
    assert (await club.one(StandingCard, ref=ref)).ended_at is not None


async def test_a_paused_club_sweeps_nobody(club):
    [carl] = await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    await pause.pause(club.parts, "operator:root")
    await sweep.run(club.parts, "paused")
    assert await club.state(carl) is State.ACTIVE
    assert (await club.one(Sweep)).held == "paused"


async def test_blind_time_is_no_silence(club):
    [carl] = await club.adopt("carl")
    club.clock.advance(seconds=100)  # nobody listened
    await club.observer.observe("matrix", [], "later", after_gap=True)
    await club.observer.flush()
    plan = await sweep.preview(club.parts)
    assert not plan.notify
    assert len(await club.find(Coverage)) == 2
    await club.pass_time(seconds=QUIET)
    [line] = (await sweep.preview(club.parts)).notify
    assert line.candidate.membership.identity == carl
    assert 0.1 < line.candidate.evidence["seen_share"] < 0.3


async def test_grace_is_stretched_by_blind_time(club):
    [carl] = await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.pass_time(seconds=1)
    club.clock.advance(seconds=GRACE + 20)
    await club.observer.observe("matrix", [], "later", after_gap=True)
    await club.settle()
    assert await club.state(carl) is State.NOTICED
    await club.pass_time(seconds=GRACE - 3)
    assert await club.state(carl) is State.NOTICED
    await club.pass_time(seconds=4)
    assert await club.state(carl) is State.PLANNED


async def test_a_policy_that_asks_for_no_word_confirms_by_itself(monkeypatch):
    monkeypatch.setattr("tests.journeys.club.Club", Roll)
    changes = {"grace: 7s": "grace: 7s\n  confirm: none"}
    async with a_club(FakeStore(), **changes) as club:
        [carl] = await club.to_planned("carl")
        assert await club.state(carl) is State.REMOVED
        assert club.removals() is None or not club.removals().choices


async def test_too_many_graces_over_at_once_wait_for_a_word_all_the_same(monkeypatch):
    """As after an outage, when those of many sweeps are over together."""
    monkeypatch.setattr("tests.journeys.club.Club", Roll)
    changes = {"grace: 7s": "grace: 7s\n  confirm: none"}
    async with a_club(FakeStore(), **changes) as club:
        them = await club.adopt("ada", "bob", "carl")
        await club.pass_time(seconds=QUIET)
        await club.sweep()
        text = club.policy.text.replace("{count: 5", "{count: 2")
        async with club.store.transaction(CLUB) as tx:
            await club.parts.shelf.put(tx, load_policy(text, "lighthouse.yaml"))
        await club.pass_time(seconds=GRACE + 1)
        assert [await club.state(who) for who in them] == [State.PLANNED] * 3
        await club.platform.press(club.alice, club.removals().ref, "✅")
        await club.settle()
        assert [await club.state(who) for who in them] == [State.REMOVED] * 3


async def test_each_decision_is_on_record_and_can_be_made_again(club):
    [carl] = await club.to_planned("carl")
    member = await club.member(carl)
    replayed = []
    async with club.store.look(CLUB) as tx:
        for entry in await tx.entries(subject=f"membership:{member.id}"):
            seen = await tx.seen_by(entry)
            if seen and "facts" in seen:
                again = member_facts.replay(club.policy, seen, entry.at)
                replayed.append(again.verdict)
                assert (again.verdict, again.code) == (entry.verdict, entry.code)
                assert entry.policy == club.policy.digest
    assert replayed == [Verdict.NOTIFY, Verdict.REMOVE]
    assert [item.code for item in await club.find(SweepItem)] == ["silent-notice"]


async def test_no_platform_no_judgement(club):
    await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    club.platform.down = True
    with pytest.raises(PlatformDown):
        await sweep.run(club.parts, "down")
    club.platform.down = False
    assert not await club.find(Sweep)
