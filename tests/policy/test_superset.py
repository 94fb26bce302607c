"""What is left out can be touched by no rule: held against the library, faults included."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gatekeeper.domain.identity import ClubId, Identity
from gatekeeper.domain.memberships import Membership
from gatekeeper.policy import predicates
from gatekeeper.policy.club_document import Form
from gatekeeper.policy.conditions import ConditionError, Conditions
from gatekeeper.policy.evaluation import CompiledRule, RuleSet
from gatekeeper.policy.facts import MemberFacts, schema_of
from gatekeeper.policy.predicates import TRUE, any_of, between, holds
from gatekeeper.policy.superset import STRANGE_TIMES, Solver, superset
from tests.policy.builders import NOW, a_policy
from tests.policy.test_generate import conditions as any_conditions

DAY = timedelta(days=1)
PARAMS = {
    "most": 3,
    "yes": True,
    "span": 30 * DAY,
    "short": timedelta(microseconds=1),
    "long": 100_000 * DAY,
    "share": 0.5,
    "word": "crew",
    "pattern": r"(?i)^(crew|pilot)\b",
    "names": ["crew", "pilot", "owner"],
    "numbers": [1, 2, 3],
}
BASE = Conditions("member", schema_of(MemberFacts, Form()), PARAMS)
VARIABLES = {
    "age": BASE.compile("now - member.known_since", "any"),
    "quiet": BASE.compile("member.silent > params.span", "any"),
    "fault": BASE.compile("member.messages_30d / (member.reads_30d - 1) > 0", "any"),
    "until": BASE.compile("has(member.joined_at) ? member.joined_at : now", "any"),
}
CONDITIONS = BASE
for name, each in VARIABLES.items():
    CONDITIONS = CONDITIONS.with_variable(name, each.type)

signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
durations = st.sampled_from(
    [
        *("duration('30d')", "duration('0s')", "duration('-3d')", "duration('1.000001s')"),
        *("params.span", "params.short", "params.long", "(params.span + duration('60d'))"),
    ]
)
columns = st.sampled_from(["known_since", "last_active_at", "joined_at", "noticed_at"])
times = st.sampled_from(
    [
        *("now", "(now - params.span)", "(duration('60d') + now)", "variables.until"),
        *("timestamp('2026-01-01T00:00:00Z')", "timestamp('0001-01-01T00:00:00Z')"),
        *("timestamp('2026-02-27T12:00:00.000000500Z')", "(now + params.long)"),
    ]
)
spans = st.one_of(durations, st.sampled_from(["member.silent", "variables.age"]))


def asked(column, text):
    """A name that may be absent is asked for, as every condition has to; some are not absent."""
    return text if column == "known_since" else f"(has(member.{column}) && {text})"


def turned(column, text):
    return text if column == "known_since" else f"(!has(member.{column}) || {text})"


solvable = st.one_of(
    st.sampled_from(["true", "false", "params.yes", "member.admin", "member.grace_over"]),
    st.sampled_from(["variables.quiet", "variables.fault", "member.roles[0] == 'crew'"]),
    columns.filter(lambda name: name != "known_since").map("has(member.{})".format),
    st.builds("{} {} {}".format, spans, signs, durations),
    st.builds("member.silent + {} {} {}".format, durations, signs, durations),
    st.builds("{} {} {}".format, times, signs, times),
    st.builds(
        lambda frame, column, *more: frame(column, "now - member.{} {} {}".format(column, *more)),
        st.sampled_from([asked, turned]),
        columns,
        signs,
        spans,
    ),
    st.builds(
        lambda frame, column, span, sign, time: frame(
            column, f"member.{column} + {span} {sign} {time}"
        ),
        st.sampled_from([asked, turned]),
        columns,
        durations,
        signs,
        times,
    ),
    st.builds(
        lambda column, time, sign, span: asked(column, f"{time} - member.{column} {sign} {span}"),
        columns,
        times,
        signs,
        spans,
    ),
)
conditions = st.recursive(
    solvable,
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        inner.map("!({})".format),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
    ),
    max_leaves=6,
)
ADA = Membership(
    club=ClubId("house"),
    person_id=1,
    identity=Identity("matrix", "@ada:example.org"),
    name="Ada",
    origin="application",
    since=NOW - 400 * DAY,
    known_since=NOW - 400 * DAY,
)


near = st.sampled_from(
    [NOW, NOW - 30 * DAY, NOW - 90 * DAY, NOW - 60 * DAY, NOW + 3 * DAY, NOW - 2 * DAY]
).flatmap(
    lambda at: st.sampled_from([-1_000_000, -1, 0, 0, 0, 1, 999]).map(
        lambda micro: at + timedelta(microseconds=micro)
    )
)
far = st.sampled_from([datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)])
plain = st.datetimes(datetime(1890, 1, 1), datetime(2160, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
moments = st.one_of(near, near, near, plain, far)
members = st.builds(
    Membership,
    club=st.just(ClubId("house")),
    person_id=st.just(1),
    identity=st.just(Identity("matrix", "@ada:example.org")),
    name=st.just("Ada"),
    origin=st.sampled_from(["adopted", "application"]),
    since=moments,
    known_since=moments,
    last_seen_at=st.none() | moments,
    noticed_at=st.none() | moments,
)


@st.composite
def looks(draw):
    """A row, and facts as they may follow from it."""
    member = draw(members)
    since = max(member.last_seen_at or member.known_since, member.known_since)
    longest = max(NOW - since, timedelta(0))
    silent = draw(st.sampled_from([longest, longest / 2, timedelta(0)]))
    facts = MemberFacts(
        known_since=member.known_since,
        joined_at=None if member.origin == "adopted" else member.since,
        last_active_at=member.last_seen_at,
        silent=silent,
        noticed_at=member.noticed_at,
        grace_over=member.noticed_at is not None and draw(st.booleans()),
        admin=draw(st.booleans()),
        roles=draw(st.sampled_from([(), ("crew",)])),
        messages_30d=draw(st.integers(0, 2)),
        reads_30d=draw(st.integers(0, 2)),
    )
    return member, facts


def sound(source, look, now=NOW):
    """Whether the row is found wherever the library says true, false, or has a fault."""
    member, facts = look
    try:
        condition = CONDITIONS.compile(source)
    except ConditionError:
        return None
    outcome = CONDITIONS.scope(facts, VARIABLES, now).evaluate(condition)
    rules = RuleSet(CONDITIONS, PARAMS, VARIABLES)
    solver = Solver(rules)
    three = solver.solve(condition.tree.expr)

    def found(predicate):
        return holds(between(any_of(predicate, *STRANGE_TIMES), now, now), member)

    if outcome.fault:
        assert found(three.true), ("fault", source, outcome.fault)
        assert found(three.false), ("fault", source, outcome.fault)
        assert found(three.fault), ("fault", source, outcome.fault)
    elif outcome.value is True:
        assert found(three.true), source
    else:
        assert found(three.false), source
    made = CompiledRule(None, condition)  # type: ignore[arg-type]
    assert (solver.may_true(made), solver.may_false(made)) == (three.true, three.false)
    return three


FUZZ = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@given(conditions, st.lists(looks(), min_size=4, max_size=8))
@settings(max_examples=120, **FUZZ)
@example("variables.fault ? false : false", [])
def test_no_row_is_lost(source, several):
    for look in several:
        sound(source, look)


@given(any_conditions, looks())
@settings(max_examples=60, **FUZZ)
def test_no_row_is_lost_whatever_is_asked(source, look):
    sound(source, look)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@given(st.one_of(conditions, any_conditions), st.lists(looks(), min_size=20, max_size=20))
@settings(max_examples=5_000, **FUZZ)
def test_no_row_is_lost_for_long(source, several):
    for look in several:
        sound(source, look)


@given(conditions, members, st.integers(0, 400), st.integers(0, 400))
@settings(max_examples=100, **FUZZ)
def test_what_is_not_found_until_a_moment_is_not_found_at_any_before(source, member, first, more):
    try:
        condition = CONDITIONS.compile(source)
    except ConditionError:
        return
    three = Solver(RuleSet(CONDITIONS, PARAMS, VARIABLES)).solve(condition.tree.expr)
    end = NOW + (first + more) * DAY
    for predicate in (three.true, three.false):
        if not holds(between(predicate, NOW, end), member):
            assert not holds(between(predicate, NOW + first * DAY, NOW + first * DAY), member)


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
@pytest.mark.parametrize(
    "left",
    [
        "member.silent",
        "now - member.known_since",
        "duration('0s') - (member.known_since - now)",
    ],
)
def test_no_row_is_lost_at_the_very_bound(left, sign):
    for micro in (-1, 0, 1):
        since = NOW - 30 * DAY + timedelta(microseconds=micro)
        member = replace(ADA, known_since=since)
        facts = MemberFacts(known_since=since, silent=NOW - since)
        for source in (f"{left} {sign} params.span", f"params.span {sign} {left}"):
            sound(source, (member, facts))


# ---- Policies ----------------------------------------------------------------------------------


def found(policy, now=NOW, **changes):
    return holds(superset([policy]).at(now), replace(ADA, **changes))


def test_whom_a_policy_could_touch():
    policy = a_policy()  # staff are excluded; grace_over removes; silent for 90 days notifies
    assert found(policy)
    assert found(policy, last_seen_at=NOW - 91 * DAY)
    assert not found(policy, last_seen_at=NOW - 89 * DAY)
    assert not found(policy, known_since=NOW - 89 * DAY)
    assert found(policy, now=NOW + 2 * DAY, known_since=NOW - 89 * DAY)
    assert found(policy, noticed_at=NOW, last_seen_at=NOW)


@pytest.mark.parametrize(
    ("first", "seen", "wanted"),
    [
        ("true", 400, False),
        ("now - member.known_since < duration('500d')", 400, False),
        ("now - member.known_since < duration('300d')", 400, True),
        ("member.reads_30d > 0", 400, True),
        ("has(member.last_active_at) && member.last_active_at > now - duration('95d')", 92, False),
        ("has(member.last_active_at) && member.last_active_at > now - duration('91d')", 92, True),
    ],
)
def test_an_exemption_leaves_out_only_where_it_is_certain(first, seen, wanted):
    policy = a_policy(("condition: member.admin", f'condition: "{first}"'))
    assert found(policy, last_seen_at=NOW - seen * DAY) is wanted


def test_rules_on_trial_exempt_nobody_and_are_looked_at_by_their_shadow():
    over = "      - id: over\n        condition: member.grace_over\n"
    trial = "      - id: tried\n        condition: 'true'\n        mode: audit\n"
    keeps = a_policy((over, trial + "        output: {action: keep}\n" + over))
    asks = a_policy((over, trial + "        output: {action: notify}\n" + over))
    assert found(keeps)
    assert not found(asks, last_seen_at=NOW)


def test_from_when_on_somebody_has_to_be_looked_at():
    every = superset([a_policy()])
    assert every.lasting
    member = replace(ADA, last_seen_at=NOW - 60 * DAY)
    assert not holds(every.until(NOW, NOW + 29 * DAY), member)
    assert holds(every.until(NOW, NOW + 31 * DAY), member)


@pytest.mark.parametrize(
    ("condition", "lasting"),
    [
        ("member.silent > duration('90d')", True),
        ("has(member.last_active_at) && now - member.last_active_at > duration('9d')", True),
        ("has(member.last_active_at) && now - member.last_active_at < duration('9d')", False),
        ("now - member.known_since < duration('9d')", False),
        ("now > timestamp('2027-01-01T00:00:00Z')", True),
    ],
)
def test_whom_a_sign_of_life_could_bring_in_has_no_moment(condition, lasting):
    policy = a_policy(("condition: member.silent > duration('90d')", f'condition: "{condition}"'))
    assert superset([policy]).lasting is lasting


def test_a_first_sign_of_life_brings_nobody_in_unforeseen():
    condition = "has(member.last_active_at) && now - member.last_active_at > duration('9d')"
    policy = a_policy(("condition: member.silent > duration('90d')", f'condition: "{condition}"'))
    every = superset([policy])
    assert not holds(every.at(NOW), ADA)
    assert holds(every.until(NOW, NOW + DAY), ADA)
    assert not holds(every.until(NOW, NOW + DAY), replace(ADA, last_seen_at=NOW))


def test_what_grows_too_large_leaves_nobody_out():
    parts = [f"member.silent > duration('{n}s')" for n in range(1, 150)]
    policy = a_policy(
        ("condition: member.silent > duration('90d')", f'condition: "{" || ".join(parts)}"')
    )
    assert superset([policy]).predicate == TRUE
    assert not superset([policy]).narrows


def test_all_ready_policies_leave_the_active_out():
    from gatekeeper.policy.parse import load_policy
    from tests.docs_support import TOP

    for file in sorted((TOP / "policies").glob("*.yaml")):
        if ".cases." in file.name:
            continue
        every = superset([load_policy(file.read_text(), file.name)])
        assert every.lasting, file.name
        assert not holds(every.at(NOW), replace(ADA, last_seen_at=NOW)), file.name
        assert len(list(predicates.leaves(every.predicate))) < 40, file.name
