"""A sweep that looks at few of many decides as one that looks at all."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatekeeper.domain.clubs import ClubState
from gatekeeper.domain.decisions import Post, Verdict
from gatekeeper.domain.memberships import ANY_TIME, Membership, State
from gatekeeper.policy.faster import Checked
from gatekeeper.policy.predicates import FALSE
from gatekeeper.policy.superset import Superset
from gatekeeper.testing.fakes import FakeStore
from gatekeeper.usecases import sweep, sweep_plan
from gatekeeper.usecases.member_facts import look_out
from tests.journeys.club import CLUB, a_club
from tests.usecases.conftest import QUIET, Roll
from tests.usecases.test_laws_of_sweeps import STEPS, Watch

SHORT = (timedelta(seconds=5), timedelta(seconds=10))


@pytest.fixture(autouse=True)
def large(monkeypatch):
    """The club counts as a large one, in which days are seconds."""
    monkeypatch.setattr(sweep_plan, "WHOLE", 0)
    monkeypatch.setattr(sweep_plan, "STEPS", SHORT)
    monkeypatch.setattr(sweep_plan, "JUDGED", 2)


async def both(club):
    """What a sweep would do, looking at few and looking at all."""
    outlook = await look_out(club.parts)
    async with club.store.look(CLUB) as tx:
        now = club.clock.now()
        few = await sweep_plan.plan(tx, club.parts, outlook, now)
        return few.plan, (await sweep_plan.plan(tx, club.parts, outlook, now, whole=True)).plan


async def test_the_same_people_are_asked(club):
    carl, eve, *_ = await club.adopt("carl", "eve", "gil", "hal")
    await club.pass_time(seconds=QUIET)
    await club.platform.live(eve)
    await club.observer.flush()
    few, all_of_them = await both(club)
    assert few.notify[0].candidate.membership.identity == carl
    assert (few.notify, few.remove, few.held) == (
        all_of_them.notify,
        all_of_them.remove,
        all_of_them.held,
    )
    assert sum(few.counts.values()) == sum(all_of_them.counts.values()) == 7
    assert few.counts["not-due"] == 1
    assert "not-due" not in all_of_them.counts


async def test_whoever_is_left_out_is_not_looked_at_before_they_can_be_due(club):
    [carl] = await club.adopt("carl")
    await club.sweep("first")
    member = await club.member(carl)
    assert ANY_TIME < member.look_at <= club.clock.now() + SHORT[-1]
    assert (await club.one(ClubState)).looked_by
    await club.pass_time(seconds=QUIET)
    await club.sweep("second")
    assert await club.state(carl) is State.NOTICED


async def test_a_clock_that_ran_ahead_puts_nobody_off_for_long(club):
    [carl] = await club.adopt("carl")
    await club.sweep("first")
    late = club.clock.now() + timedelta(days=300)
    async with club.store.transaction(CLUB) as tx:
        await tx.change_all(Membership, {"look_at": late})
    await club.sweep("right")
    assert (await club.member(carl)).look_at <= club.clock.now() + SHORT[-1]


async def test_a_plan_alone_puts_nobody_off(club):
    [carl] = await club.adopt("carl")
    await sweep.preview(club.parts)
    assert (await club.member(carl)).look_at == ANY_TIME


async def test_other_rules_make_everyone_due(club):
    [carl] = await club.adopt("carl")
    await club.sweep("first")
    async with club.store.transaction(CLUB) as tx:
        [state] = await tx.find(ClubState)
        await tx.change(state, looked_by="of other rules")
        far = club.clock.now() + timedelta(seconds=QUIET) + SHORT[0]
        await tx.change(await club.member(carl), look_at=far)
    await club.pass_time(seconds=QUIET)
    assert len((await sweep.preview(club.parts)).notify) == 1
    await club.sweep("second")
    assert await club.state(carl) is State.NOTICED


async def test_one_who_should_not_have_been_left_out_ends_leaving_out(club, monkeypatch):
    [carl] = await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    monkeypatch.setattr(sweep_plan, "superset", lambda _: Superset(FALSE))
    assert not (await sweep.preview(club.parts)).notify
    await club.sweep("first")
    assert await club.state(carl) is State.NOTICED, "nobody is missed"
    state = await club.one(ClubState)
    assert state.unfiltered == club.policy.digest
    said = [a.text for _, a in club.platform.performed if isinstance(a, Post)]
    assert any("would not have looked at" in text for text in said)
    assert "not-due" not in (await sweep.preview(club.parts)).counts


async def test_code_that_judges_otherwise_than_the_library_decides_nothing(club, monkeypatch):
    """It would keep everyone; the library asks carl, and the difference is told by its rule."""
    [carl] = await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    asked = []

    def none_of_them(facts, now):
        asked.append(facts)
        return [False] * len(club.policy.pruning_rules.all)

    def wrong(policy):
        rules = policy.pruning_rules
        return replace(policy, pruning_rules=replace(rules, fast=Checked(rules, none_of_them, 50)))

    monkeypatch.setattr(sweep_plan, "faster", wrong)
    with structlog.testing.capture_logs() as logs:
        plan = await sweep.preview(club.parts)
    assert asked, "many are judged by generated code"
    assert [line.candidate.membership.identity for line in plan.notify] == [carl]
    assert [(one["event"], one["log_level"]) for one in logs] == [("backends-differ", "error")]


async def test_a_wrong_moment_is_found_too(club):
    [carl] = await club.adopt("carl")
    await club.sweep("first")
    async with club.store.transaction(CLUB) as tx:
        far = club.clock.now() + timedelta(seconds=QUIET) + SHORT[0]
        await tx.change(await club.member(carl), look_at=far)
    await club.pass_time(seconds=QUIET)
    await club.sweep("second")
    assert await club.state(carl) is State.NOTICED
    assert (await club.one(ClubState)).unfiltered


async def test_the_share_is_of_all_members_not_of_those_looked_at(monkeypatch):
    monkeypatch.setattr("tests.journeys.club.Club", Roll)
    brake = {"{count: 5, percent: null}": "{count: null, percent: 30}"}
    async with a_club(FakeStore(), **brake) as club:
        await club.adopt("carl")
        await club.pass_time(seconds=QUIET)
        plan = await sweep.preview(club.parts)
        assert [line.decision.verdict for line in plan.notify] == [Verdict.NOTIFY]
        assert (plan.held, sum(plan.counts.values())) == ("", 4)


class Beside(Watch):
    """Plays a history; after each step a look at few is held against one at all."""

    async def check(self) -> None:
        await super().check()
        few, all_of_them = await both(self.club)
        assert few.notify == all_of_them.notify
        assert few.remove == all_of_them.remove
        assert few.unreachable == all_of_them.unreachable
        assert few.held == all_of_them.held
        state = await self.club.find(ClubState)
        assert not any(each.unfiltered for each in state)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, min_size=6, max_size=25))
def test_whatever_happens_few_are_as_good_as_all(steps):
    asyncio.run(Beside().play([("sweep", 0), ("wait", 12), ("sweep", 0), *steps, ("wait", 8)]))


async def test_pages_hold_everyone_once(club):
    await club.adopt(*(f"m{n}" for n in range(7)))
    async with club.store.look(CLUB) as tx:
        seen = [m.id async for page in sweep_plan._pages(tx, None, club.clock.now()) for m in page]
    assert sorted(seen) == sorted({m.id for m in await club.find(Membership)})
    assert len(seen) == 10
