from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.domain.decisions import Verdict
from gatekeeper.domain.memberships import State
from gatekeeper.domain.pruning import (
    FEW,
    WAITING,
    Brake,
    Candidate,
    grace_over,
    judge,
    plan_sweep,
    usual,
    why_not_removed,
)
from gatekeeper.testing.builders import LONG_AGO, NOW, a_candidate, a_membership, a_ruling

DAY = timedelta(days=1)
maybe = st.none() | st.integers(-40, 5).map(lambda days: NOW + days * DAY)
members = st.builds(
    lambda state, **changes: replace(a_membership(), state=state, **changes),
    state=st.sampled_from(State),
    last_seen_at=maybe,
    noticed_at=maybe,
    grace_ends_at=maybe,
    unreachable_since=maybe,
    notice_ref=st.sampled_from(["", "$notice"]),
)
rulings = st.sampled_from([Verdict.KEEP, Verdict.NOTIFY, Verdict.REMOVE]).map(a_ruling)
candidates = st.builds(
    Candidate,
    membership=members,
    ruling=rulings,
    protected=st.sampled_from(["", "", "exempt", "on-leave", "admin", "bot", "settling"]),
)

CASES = [  # candidate, verdict, code
    pytest.param(a_candidate(), Verdict.NOTIFY, "silent-notice", id="nobody is removed unasked"),
    pytest.param(a_candidate(verdict=Verdict.NOTIFY), Verdict.NOTIFY, "code-notify", id="asked"),
    pytest.param(a_candidate(verdict=Verdict.KEEP), Verdict.KEEP, "code-keep", id="let be"),
    pytest.param(a_candidate(protected="exempt"), Verdict.KEEP, "exempt", id="exempt"),
    pytest.param(
        a_candidate(State.NOTICED, protected="on-leave"), Verdict.KEEP, "on-leave", id="on leave"
    ),
    pytest.param(a_candidate(State.NOTICED), Verdict.REMOVE, "code-remove", id="grace is over"),
    pytest.param(
        a_candidate(State.NOTICED, verdict=Verdict.NOTIFY), Verdict.KEEP, "notice-stands",
        id="grace is over, but no rule removes",
    ),
    pytest.param(
        a_candidate(State.NOTICED, grace_ends_at=NOW + DAY), Verdict.KEEP, "in-grace",
        id="one day left",
    ),
    pytest.param(
        a_candidate(State.NOTICED, last_seen_at=NOW - DAY), Verdict.KEEP, "in-grace",
        id="a sign since the notice",
    ),
    pytest.param(
        a_candidate(State.NOTICED, notice_ref=""), Verdict.KEEP, "in-grace",
        id="nothing shows that it was delivered",
    ),
    pytest.param(
        a_candidate(State.NOTIFYING), Verdict.KEEP, "notice-on-its-way", id="not delivered yet"
    ),
    pytest.param(
        a_candidate(State.NOTIFYING, unreachable_since=LONG_AGO), Verdict.KEEP,
        "could-not-be-reached", id="the chat is not taken up",
    ),
    pytest.param(a_candidate(State.BANNED), Verdict.KEEP, "not-a-member", id="outside"),
]  # fmt: skip


@pytest.mark.parametrize(("candidate", "verdict", "code"), CASES)
def test_judge(candidate, verdict, code):
    decision = judge(candidate, NOW)
    assert (decision.verdict, decision.code) == (verdict, code)


@given(candidates)
def test_whoever_is_protected_is_kept(candidate):
    if candidate.protected:
        assert judge(candidate, NOW).verdict is Verdict.KEEP
        assert why_not_removed(candidate, NOW)


@given(candidates)
def test_nobody_is_removed_without_a_delivered_notice_and_a_full_grace(candidate):
    if judge(candidate, NOW).verdict is not Verdict.REMOVE:
        return
    member = candidate.membership
    assert member.noticed_at is not None
    assert member.notice_ref
    assert member.grace_ends_at is not None
    assert member.grace_ends_at <= NOW
    assert member.last_seen_at is None or member.last_seen_at <= member.noticed_at
    assert candidate.ruling.verdict is Verdict.REMOVE


@given(candidates)
def test_a_removal_is_performed_only_when_confirmed_and_still_meant(candidate):
    if why_not_removed(candidate, NOW):
        return
    member = candidate.membership
    assert member.state is State.CONFIRMED
    assert not candidate.protected
    by_name = member.noticed_at is None and member.unreachable_since is not None
    assert by_name or judge(candidate, NOW).verdict is Verdict.REMOVE


@given(candidates, st.integers(1, 30))
def test_time_alone_only_ever_ends_grace(candidate, days):
    """What is kept by a law or a rule today is not removed tomorrow without passing Grace."""
    later = judge(candidate, NOW + days * DAY)
    if later.verdict is Verdict.REMOVE:
        assert grace_over(candidate.membership, NOW + days * DAY)


@given(st.lists(candidates, max_size=20), st.integers(0, 5), st.floats(0, 100))
def test_a_plan_is_held_by_its_brake_and_by_nothing_else(them, count, percent):
    them = [replace(c, membership=replace(c.membership, id=i)) for i, c in enumerate(them)]
    free = plan_sweep(them, Brake(), NOW)
    plan = plan_sweep(them, Brake(count=count, percent=percent), NOW)
    assert free.held == ""
    assert (plan.notify, plan.remove, plan.counts) == (free.notify, free.remove, free.counts)
    fresh = [x for x in plan.remove if x.candidate.membership.state in WAITING]
    touched = len(plan.notify) + len(fresh)
    assert bool(plan.held) == (touched > count or touched > len(them) * percent / 100)
    assert sum(plan.counts.values()) == len(them)


def test_the_most_silent_come_first():
    quiet = a_candidate(id=7)
    seen = a_candidate(id=3, last_seen_at=NOW - 100 * DAY)
    plan = plan_sweep([seen, quiet], Brake(), NOW)
    assert [line.candidate.membership.id for line in plan.notify] == [7, 3]


def test_those_on_the_card_already_do_not_press_the_brake_again():
    them = [a_candidate(State.PLANNED, id=i) for i in range(5)]
    plan = plan_sweep(them, Brake(count=0), NOW)
    assert len(plan.remove) == 5
    assert plan.held == ""


def test_someone_unreachable_is_removed_on_their_name_alone():
    named = a_candidate(State.CONFIRMED, noticed_at=None, notice_ref="", grace_ends_at=None,
                        unreachable_since=LONG_AGO)  # fmt: skip
    assert why_not_removed(named, NOW) == ""
    assert why_not_removed(replace(named, protected="exempt"), NOW) == "exempt"
    assert why_not_removed(replace(named, ruling=a_ruling(Verdict.KEEP)), NOW) == "code-keep"


@pytest.mark.parametrize(
    ("touched", "expected"),
    [
        pytest.param([], None, id="the first run: nothing is usual yet"),
        pytest.param([400, 2], None, id="two are no habit"),
        pytest.param([2, 400, 3], 3, id="one great sweep does not become the habit"),
        pytest.param([1, 2, 3, 4], 2.5, id="between two"),
    ],
)
def test_what_is_usual(touched, expected):
    assert usual(touched) == expected


@pytest.mark.parametrize(
    ("number", "before", "held"),
    [
        pytest.param(7, [2, 2, 3], "brake-usual", id="more than three times as many"),
        pytest.param(6, [2, 2, 2], "", id="just three times as many"),
        pytest.param(FEW, [1, 1, 1], "", id="a handful is never unusual"),
        pytest.param(50, [1, 1], "", id="nothing is usual yet"),
    ],
)
def test_far_more_than_usual_is_held(number, before, held):
    them = [a_candidate(id=n) for n in range(1, number + 1)]
    plan = plan_sweep(them, Brake(times=3, usual=usual(before)), NOW)
    assert (plan.held, plan.touched) == (held, number)
    assert plan_sweep(them, Brake(usual=usual(before)), NOW).held == ""
