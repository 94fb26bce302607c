"""The past under another policy: pairs of verdicts, rules, what the admins decided, faults."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.domain.decisions import Verdict
from gatekeeper.domain.memberships import State
from gatekeeper.policy.judged import UNFIT, Judged, Stage, answer
from gatekeeper.policy.simulate import Simulator, simulate
from gatekeeper.testing.builders import a_membership
from tests.policy.builders import NOW, a_member, a_policy, an_application

ADMIT, WAIT, DECLINE = Verdict.ADMIT, Verdict.WAIT, Verdict.DECLINE
KEEP, NOTIFY, REMOVE = Verdict.KEEP, Verdict.NOTIFY, Verdict.REMOVE
DAY = timedelta(days=1)

OLD = a_policy()
WITH_LINKS = (
    "      - id: default\n",
    "      - id: links\n        condition: application.links > 2\n"
    "        output: {decision: decline}\n"
    "      - id: friends\n        condition: application.vouches > 0\n"
    "        output: {decision: admit}\n"
    "      - id: default\n",
)
NEW = a_policy(WITH_LINKS, ("duration('90d')", "duration('30d')"))


def applied(number: int = 1, by_hand: Verdict | None = None, **facts) -> Judged:
    return Judged(
        subject=f"application:{number}",
        at=NOW - number * DAY,
        facts=an_application(submitted_at=NOW - number * DAY, **facts),
        verdict=WAIT,
        by_hand=by_hand,
    )


def member(number: int = 1, state: State = State.ACTIVE, **more) -> Judged:
    stage = {"grace": timedelta(days=14), **more.pop("stage", {})}
    return Judged(
        subject=f"membership:{number}",
        at=NOW,
        facts=a_member(**more),
        stage=Stage(membership=a_membership(state, id=number), **stage),
        verdict=KEEP,
    )


def cells(simulation) -> dict[tuple[Verdict, Verdict], int]:
    return {(cell.old, cell.new): cell.count for cell in simulation.cells}


def test_every_pair_of_verdicts_is_counted_with_its_rules():
    found, _ = simulate(
        [applied(1), applied(2, links=3), applied(3, links=9), applied(4, vouches=1)], OLD, NEW
    )
    assert cells(found) == {(WAIT, WAIT): 1, (WAIT, DECLINE): 2, (WAIT, ADMIT): 1}
    assert found.total == 4
    assert found.changed == 3
    assert found.counts == {WAIT: 1, DECLINE: 2, ADMIT: 1}
    [declined] = [cell for cell in found.cells if cell.new is DECLINE]
    assert [(c.subject, c.old_rule, c.new_rule) for c in declined.cases] == [
        ("application:3", "default", "links"),
        ("application:2", "default", "links"),
    ]


def test_members_are_judged_by_the_laws_above_the_rules():
    _, found = simulate(
        [
            member(1, silent=timedelta(days=40)),
            member(2, silent=timedelta(days=40), stage={"protected": "on-leave"}),
            member(3, State.NOTICED, silent=timedelta(days=40)),
        ],
        OLD,
        NEW,
    )
    assert cells(found) == {(KEEP, NOTIFY): 1, (KEEP, KEEP): 2}


def test_rules_say_how_often_they_decided_matched_behind_another_or_never():
    found, _ = simulate([applied(1, links=3, vouches=1), applied(2)], OLD, NEW)
    hits = {hit.rule: (hit.fired, hit.later, hit.never) for hit in found.hits}
    assert hits == {
        "spam": (0, 0, True),
        "links": (1, 0, False),
        "friends": (0, 1, False),
        "default": (1, 1, False),
    }


def test_what_the_admins_decided_by_hand_is_held_against_it():
    inputs = [
        applied(1, DECLINE, links=3),  # alike
        applied(2, ADMIT, links=3),  # otherwise: the one to look at
        applied(3, ADMIT, vouches=1),  # alike
        applied(4, ADMIT),  # left to them
        applied(5, DECLINE),
        applied(6, None, links=3),  # nobody decided it by hand
    ]
    found, _ = simulate(inputs, OLD, NEW)
    assert [found.agreement(alike) for alike in (True, False, None)] == [2, 1, 2]
    [wrong] = [hand for hand in found.hands if hand.alike is False]
    assert (wrong.new, wrong.by_hand, wrong.count) == (DECLINE, ADMIT, 1)
    assert [case.subject for case in wrong.cases] == ["application:2"]


def test_removals_are_held_against_what_the_admins_said_to_them():
    past = [
        member(number, State.NOTICED, grace_over=True, noticed_at=NOW - 20 * DAY)
        for number in (1, 2)
    ]
    said = [
        Judged(**{name: getattr(one, name) for name in one.__slots__} | {"by_hand": hand})
        for one, hand in zip(past, (REMOVE, KEEP), strict=True)
    ]
    _, found = simulate(said, OLD, NEW)
    assert cells(found) == {(REMOVE, REMOVE): 2}
    assert (found.agreement(True), found.agreement(False)) == (1, 1)


@pytest.mark.parametrize(("grace", "verdict"), [("7d", REMOVE), ("14d", REMOVE), ("30d", KEEP)])
def test_a_grace_is_as_long_as_the_policy_says(grace, verdict):
    """Noticed 20 days ago with a grace of 14."""
    new = a_policy(("  exclude:\n", f"  grace: {grace}\n  exclude:\n"))
    past = member(1, State.NOTICED, grace_over=True, noticed_at=NOW - 20 * DAY)
    assert answer(new, past).verdict is verdict


def test_how_long_a_club_settles_is_the_policys_own():
    new = a_policy(("  exclude:\n", "  settle: 5d\n  exclude:\n"))
    fresh = {"protected": "settling", "watched_since": NOW - 10 * DAY}
    past = member(1, silent=timedelta(days=99), stage=fresh)
    assert (answer(OLD, past).code, answer(new, past).verdict) == ("settling", NOTIFY)


def test_a_fault_leaves_people_to_people_and_is_told():
    new = a_policy(
        ("application.text.matches(params.pattern)", "10 / application.links > 0"),
    )
    found, _ = simulate([applied(1), applied(2, links=1)], OLD, new)
    assert cells(found) == {(WAIT, WAIT): 1, (WAIT, DECLINE): 1}
    [fault] = found.faults
    assert (fault.rule, fault.count) == ("spam", 1)
    assert "divide" in fault.fault


def test_answers_that_another_form_cannot_read_are_a_fault():
    new = a_policy(
        ("{id: why, kind: longText,", "{id: why, kind: date,"),
        ("application.text.matches(params.pattern)", "application.answers.why < now"),
    )
    found, _ = simulate([applied(1)], OLD, new)
    assert cells(found) == {(WAIT, WAIT): 1}
    assert [(fault.rule, fault.fault) for fault in found.faults] == [("", UNFIT)]


def test_what_another_version_answered_is_counted():
    found, _ = simulate([applied(1, text="casino")], OLD, NEW)
    assert found.unlike_record == 1


def test_a_policy_in_audit_mode_can_be_tried_as_if_it_acted():
    audit = a_policy(("  exclude:\n", "  mode: audit\n  exclude:\n"), ("  mode: enforce\n", ""))
    past = member(1, silent=timedelta(days=99))
    assert answer(audit, past).verdict is KEEP
    assert answer(audit.enforced(), past).verdict is NOTIFY
    assert OLD.enforced() is OLD


def test_samples_are_few_and_the_same_in_any_order():
    inputs = [applied(number, links=3) for number in range(1, 40)]
    one, other = Simulator(OLD, NEW, samples=3), Simulator(OLD, NEW, samples=3)
    for each in inputs:
        one.add(each)
    for each in reversed(inputs):
        other.add(each)
    assert one.result("application") == other.result("application")
    [cell] = one.result("application").cells
    assert (cell.count, len(cell.cases)) == (39, 3)


# ---- Laws --------------------------------------------------------------------------------------

applications = st.builds(
    lambda number, links, vouches, text, hand: applied(
        number, hand, links=links, vouches=vouches, text=text
    ),
    st.integers(1, 400),
    st.integers(0, 5),
    st.integers(0, 2),
    st.sampled_from(["casino", "gardens", ""]),
    st.sampled_from([None, ADMIT, DECLINE]),
)
members = st.builds(
    lambda number, state, days, over: member(
        number, state, silent=timedelta(days=days), grace_over=over
    ),
    st.integers(1, 400),
    st.sampled_from([State.ACTIVE, State.NOTIFYING, State.NOTICED, State.PLANNED]),
    st.integers(0, 200),
    st.booleans(),
)
pasts = st.lists(st.one_of(applications, members), max_size=30)


# The same rules, but specs that are not: nothing is taken as the same unseen.
ALIKE = a_policy(
    WITH_LINKS,
    ("duration('90d')", "duration('30d')"),
    ("cooldown: 30d", "cooldown: 31d"),
    ("  exclude:\n", "  maxAffected: {count: 7}\n  exclude:\n"),
)


@given(pasts, st.sampled_from([NEW, ALIKE]))
def test_a_policy_against_itself_changes_nothing(inputs, same):
    for found in simulate(inputs, NEW, same):
        assert found.changed == 0
        assert all(cell.old is cell.new for cell in found.cells)


@given(pasts)
def test_counts_sum_up(inputs):
    both = simulate(inputs, OLD, NEW)
    assert sum(found.total for found in both) == len(inputs)
    for found in both:
        assert sum(cell.count for cell in found.cells) == found.total
        assert sum(found.counts.values()) == found.total
        assert sum(hit.fired for hit in found.hits) <= found.total
        assert all(len(cell.cases) <= min(cell.count, 5) for cell in found.cells)
        decided = sum(judged.by_hand is not None for judged in inputs if judged.kind == found.kind)
        assert sum(found.agreement(alike) for alike in (True, False, None)) == decided


@given(pasts)
def test_nobody_protected_is_ever_touched(inputs):
    for judged in inputs:
        if judged.stage is not None:
            safe = Stage(membership=judged.stage.membership, protected="admin")
            shielded = Judged(subject=judged.subject, at=judged.at, facts=judged.facts, stage=safe)
            assert answer(NEW, shielded).verdict is KEEP
