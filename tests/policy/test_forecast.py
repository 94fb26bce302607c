"""Who would be noticed or removed in the coming weeks if nobody gives a sign of life."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.domain.decisions import Verdict
from gatekeeper.domain.memberships import State
from gatekeeper.domain.pruning import grace_over
from gatekeeper.policy.forecast import Forecaster, Life, thin
from gatekeeper.testing.builders import a_membership
from tests.policy.builders import NOW, a_member, a_policy

KEEP, NOTIFY, REMOVE = Verdict.KEEP, Verdict.NOTIFY, Verdict.REMOVE
DAY = timedelta(days=1)
POLICY = a_policy()  # asks after 90 days of silence, and gives 14 to answer
DAILY = tuple(NOW + n * DAY for n in range(1, 61))


def life(silent: float = 0, state: State = State.ACTIVE, pace: float = 1.0, **more) -> Life:
    """A member who has been silent for so many days and goes on so."""
    protected = more.pop("protected", "")
    active = more.pop("active", False)
    member = replace(a_membership(state, id=more.pop("id", 1)), **more)

    def facts(now_at, at):
        grown = timedelta(0) if active else timedelta(days=silent) + (at - NOW) * pace
        over = grace_over(now_at, at)
        return a_member(silent=grown, noticed_at=now_at.noticed_at, grace_over=over), protected

    return Life(membership=member, facts=facts, pace=pace)


def foresee(*lives: Life, policy=POLICY, moments=DAILY, days: float = 30, before=()):
    forecaster = Forecaster(policy, moments, NOW, NOW + days * DAY, before)
    for one in lives:
        forecaster.add(one)
    return forecaster.result()


def events(forecast):
    return [((line.at - NOW) / DAY, line.verdict, line.rule) for line in forecast.lines]


def test_the_silent_are_asked_at_the_first_sweep_and_planned_when_grace_is_over():
    found = foresee(life(80))
    assert events(found) == [(11, NOTIFY, "quiet"), (25, REMOVE, "over")]
    assert found.counts == {NOTIFY: 0, REMOVE: 1, KEEP: 0}


def test_what_comes_after_the_horizon_is_not_told():
    assert events(foresee(life(80), days=24)) == [(11, NOTIFY, "quiet")]
    assert foresee(life(80), days=24).counts == {NOTIFY: 1, REMOVE: 0, KEEP: 0}
    assert events(foresee(life(50))) == []


def test_silence_and_grace_grow_by_the_share_that_is_seen():
    assert events(foresee(life(80, pace=0.5), days=60)) == [
        (21, NOTIFY, "quiet"),
        (49, REMOVE, "over"),
    ]
    assert events(foresee(life(89, pace=0.0), days=60)) == []


def test_only_sweeps_ask():
    weekly = tuple(NOW + n * 7 * DAY for n in range(1, 9))
    assert events(foresee(life(80), moments=weekly)) == [
        (14, NOTIFY, "quiet"),
        (28, REMOVE, "over"),
    ]


def test_a_grace_that_runs_goes_on():
    ends = NOW + 3 * DAY
    noticed = life(100, State.NOTICED, noticed_at=NOW - 11 * DAY, grace_ends_at=ends)
    assert events(foresee(noticed)) == [(3, REMOVE, "over")]
    half = life(100, State.NOTICED, pace=0.5, noticed_at=NOW - 11 * DAY, grace_ends_at=ends)
    assert events(foresee(half)) == [(6, REMOVE, "over")]


def test_a_notice_on_its_way_counts_as_delivered_now():
    assert events(foresee(life(100, State.NOTIFYING))) == [(14, REMOVE, "over")]


def test_whom_a_notice_does_not_reach_is_not_named_but_counted():
    found = foresee(life(100, State.NOTIFYING, unreachable_since=NOW - 30 * DAY))
    assert (events(found), found.unreachable, found.counts[KEEP]) == ([], 1, 1)


@pytest.mark.parametrize("protected", ["admin", "exempt", "on-leave", "bot"])
def test_the_protected_are_not_named(protected):
    assert events(foresee(life(300, protected=protected))) == []


def test_whose_removal_is_planned_already_is_named_at_once():
    assert events(foresee(life(300, State.PLANNED))) == [(0, REMOVE, "over")]


def test_a_softer_step_puts_the_removal_off_once():
    policy = a_policy(("  exclude:\n", "  softer: 10d\n  exclude:\n"))
    assert events(foresee(life(80), policy=policy, days=40)) == [
        (11, NOTIFY, "quiet"),
        (35, REMOVE, "over"),
    ]
    planned = life(300, State.PLANNED, pace=0.5)
    assert events(foresee(planned, policy=policy)) == [(20, REMOVE, "over")]
    again = life(300, State.PLANNED, guest_at=NOW - DAY)
    assert events(foresee(again, policy=policy)) == [(0, REMOVE, "over")]
    guest = life(300, State.GUEST, grace_ends_at=NOW + 4 * DAY)
    assert events(foresee(guest, policy=policy)) == [(4, REMOVE, "over")]


def test_whom_the_rules_free_after_their_grace_is_free():
    policy = a_policy(
        ("condition: member.grace_over", "condition: member.grace_over && member.messages_30d > 9")
    )
    found = foresee(life(100, State.NOTICED, noticed_at=NOW - 20 * DAY), policy=policy)
    assert [verdict for _, verdict, _ in events(found)] == []


def test_a_sweep_over_the_brake_is_told():
    policy = a_policy(("  exclude:\n", "  maxAffected: {count: 2, percent: null}\n  exclude:\n"))
    found = foresee(*(life(95, id=number) for number in range(1, 5)), policy=policy)
    [brake] = found.braked
    assert (brake.at, brake.touched, brake.members) == (NOW + DAY, 4, 4)
    assert found.counts[REMOVE] == 4


def test_a_sweep_that_touches_more_than_usual_is_told():
    limit = "  maxAffected: {count: null, percent: null, timesUsual: 2}\n  exclude:\n"
    policy = a_policy(("  exclude:\n", limit))
    lives = [life(95, id=number) for number in range(1, 10)]
    assert [one.touched for one in foresee(*lives, policy=policy, before=(4, 4, 4)).braked] == [9]
    assert not foresee(*lives, policy=policy, before=(5, 5, 5)).braked
    assert not foresee(*lives, policy=policy, before=(4, 4)).braked, "nothing is usual yet"


def test_moments_are_thinned_evenly_with_the_last_one():
    assert thin(DAILY, 60) == DAILY
    assert thin(DAILY, 4) == tuple(DAILY[n] for n in (14, 29, 44, 59))
    assert len(thin(DAILY, 7)) == 7


# ---- Laws --------------------------------------------------------------------------------------


@given(st.integers(1, 400), st.sampled_from([1.0, 0.5, 0.1]))
def test_who_is_always_active_is_never_named(days, pace):
    assert foresee(life(active=True, pace=pace), days=days).lines == ()


@given(st.floats(0, 90), st.integers(0, 60), st.floats(0, 1))
def test_nobody_is_named_before_they_can_have_been_silent_long_enough(silent, days, pace):
    for line in foresee(life(silent, pace=pace), days=days).lines:
        assert timedelta(days=silent) + (line.at - NOW) * pace > timedelta(days=90)
        assert line.at <= NOW + days * DAY


states = st.sampled_from([State.ACTIVE, State.NOTIFYING, State.NOTICED, State.PLANNED])


@given(st.lists(st.tuples(st.floats(0, 200), states), max_size=12), st.integers(0, 60))
def test_counts_sum_up_and_nobody_is_asked_twice_or_removed_unasked(people, days):
    lives = [life(silent, state, id=n) for n, (silent, state) in enumerate(people, 1)]
    found = foresee(*lives, days=days)
    assert sum(found.counts.values()) == len(people)
    assert [line.at for line in found.lines] == sorted(line.at for line in found.lines)
    for number, (_, state) in enumerate(people, 1):
        theirs = [line for line in found.lines if line.membership.id == number]
        assert len(theirs) <= 2
        asked = [line.at for line in theirs if line.verdict is NOTIFY]
        removed = [line.at for line in theirs if line.verdict is REMOVE]
        if removed and state is State.ACTIVE:
            assert asked
            assert removed[0] - asked[0] >= POLICY.pruning.grace
