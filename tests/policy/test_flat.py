"""The flat program gives what the conditions give as they were checked, or leaves it to them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gatekeeper.policy.binding import Program
from gatekeeper.policy.conditions import ConditionError
from gatekeeper.policy.facts import MemberFacts
from gatekeeper.policy.hoist import searcher, searchers
from gatekeeper.policy.moments import FIRST, LAST, LONGEST
from gatekeeper.policy.reader import Unreadable, flat_bits
from tests.policy.builders import NOW, a_member
from tests.policy.test_generate import CONDITIONS, conditions

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
EDGES = [EPOCH + number * MICROSECOND for number in (FIRST - 1, FIRST, LAST, LAST + 1)]
TEXTS = ["", "crew", "CREW", "a\0crew", "\ud800crew", "ÄCREW", "crew\ufffd", "casino forex"]


def same(sources, facts, now=NOW):
    """What the flat program gives (None for a fault), held against each condition alone."""
    made = []
    for source in sources:
        try:
            made.append(CONDITIONS.compile(source))
        except ConditionError:
            return None
    fused = CONDITIONS.fuse(made, [])
    assert fused is not None, sources
    scope = CONDITIONS.scope(facts, {}, now, fused=fused)
    bits, outcomes = scope.bits(), [scope.evaluate(one) for one in made]
    if bits is not None:
        assert bits == [one.value for one in outcomes], (sources, [one.fault for one in outcomes])
    return bits


def looked_at(*sources):
    """Under which names and types the flat program looks at what."""
    told = {}
    flat = CONDITIONS._environment.flat

    def kept(tree, names):
        told.update(names)
        return flat(tree, names)

    CONDITIONS._environment.flat = kept
    try:
        assert CONDITIONS.fuse([CONDITIONS.compile(one) for one in sources], [])
    finally:
        del CONDITIONS._environment.flat
    return {name: kind.scalar for name, kind in told.items()}


# ---- Times as whole numbers --------------------------------------------------------------------

spans = st.recursive(
    st.sampled_from(
        ["member.silent", "params.span", "duration('90d')", "duration('-1us')", "duration('0.5s')",
         "duration('105000d')", "(now - member.known_since)", "duration('1500ns')"]
    ),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-"), inner),
    max_leaves=4,
)  # fmt: skip
times = st.recursive(
    st.sampled_from(
        ["now", "member.known_since", "timestamp('2026-01-01T00:00:00Z')", "member.joined_at"]
    ),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-"), spans),
    max_leaves=3,
)
signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
compared = st.one_of(
    st.builds("{} {} {}".format, spans, signs, spans),
    st.builds("{} {} {}".format, times, signs, times),
    st.builds("{} - {} {} {}".format, times, times, signs, spans),
).map(lambda text: f"has(member.joined_at) && {text}" if "joined_at" in text else text)
moments = st.one_of(
    st.datetimes(
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=30))])
    ).filter(lambda one: datetime(1, 1, 2, tzinfo=UTC) < one < datetime(9999, 12, 30, tzinfo=UTC)),
    st.datetimes(datetime(2019, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(EDGES),
)
silences = st.one_of(
    st.timedeltas(-timedelta(days=20_000), timedelta(days=20_000)),
    st.sampled_from([sign * (LONGEST + by) * MICROSECOND for sign in (1, -1) for by in (0, 1)]),
    st.sampled_from([timedelta(days=days) for days in (3_000_000, -3_000_000, 106_751, 106_752)]),
)


def a_member_of(known_since, joined_at, silent):
    """Without the checks of the model, as no value may do harm."""
    values = {**a_member().__dict__, "known_since": known_since, "joined_at": joined_at}
    return MemberFacts.model_construct(**{**values, "silent": silent})


@given(st.lists(compared, min_size=1, max_size=3), moments, st.none() | moments, silences, moments)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_times_are_compared_alike(sources, known_since, joined_at, silent, now):
    same(sources, a_member_of(known_since, joined_at, silent), now)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@given(st.lists(compared, min_size=1, max_size=3), moments, st.none() | moments, silences, moments)
@settings(max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_times_are_compared_alike_for_long(sources, known_since, joined_at, silent, now):
    same(sources, a_member_of(known_since, joined_at, silent), now)


@pytest.mark.parametrize(
    ("source", "whole"),
    [
        ("now - member.known_since > duration('30d')", True),
        ("now - member.known_since > params.span", True),
        ("has(member.joined_at) && member.joined_at + params.span < now", True),
        ("member.silent >= duration('1w')", True),
        ("now - member.known_since > duration('110000d')", False),  # past the longest span
        ("member.known_since + duration('110000d') > now", False),
        ("now.getHours() > 1", False),
        ("now > timestamp('2026-01-01T00:00:00Z')", False),
    ],
)
def test_which_times_become_numbers(source, whole):
    assert (datetime not in looked_at(source).values()) is whole


@pytest.mark.parametrize("edge", EDGES)
def test_a_time_beyond_the_bounds_is_left_to_the_library(edge):
    """However plain the answer is."""
    facts = a_member_of(edge, None, timedelta(0))
    inside = edge in EDGES[1:3]
    bits = same(["member.known_since < now"], facts, EPOCH)
    assert bits == ([edge < EPOCH] if inside else None)
    assert same(["member.bot"], facts, EPOCH) == [False]
    assert (same(["member.known_since < now"], a_member(), edge) is None) is not inside


def test_a_difference_that_the_library_refuses_stays_refused():
    facts = a_member_of(datetime(1500, 1, 1, tzinfo=UTC), None, timedelta(0))
    source = "now - member.known_since > duration('30d')"
    outcome = CONDITIONS.scope(facts, {}, NOW).evaluate(CONDITIONS.compile(source))
    bits = same([source], facts)
    assert bits is None
    assert outcome.fault or outcome.value is True


# ---- Tests of one value ------------------------------------------------------------------------

tests = st.sampled_from(
    [
        "member.last_place in params.names",
        "member.last_place in ['crew', 'a\ufffdcrew']",
        "member.last_place.matches(params.pattern)",
        "member.last_place.matches('(?i)casino')",
        "member.last_place.matches('forex$') && member.admin",
        "member.last_place.contains('crew')",
        "member.last_place.lowerAscii().contains('crew')",
        "member.last_place.lowerAscii().startsWith('ä')",
        "member.last_place.upperAscii().endsWith('CREW')",
        "size(member.last_place) > params.most",
        "member.last_place.size() == 5",
        "size(member.roles) == 2",
        "'crew' in member.roles",
        "member.roles.exists(r, r in params.names)",
        "member.roles.exists(r, r in ['a\ufffdcrew'])",
        "member.roles.exists(r, r == 'crew')",
        "!member.roles.exists(r, r in ['crew'])",
        "member.roles.exists(r, r in params.names && r != member.last_place)",
        "member.roles.all(r, r in params.names)",
        "member.roles.exists(a, member.roles.exists(b, b in ['crew'] && a != b))",
        "member.roles.exists_one(r, r in ['crew'])",
    ]
)


@given(
    st.lists(tests | conditions, min_size=1, max_size=5),
    st.sampled_from(TEXTS),
    st.lists(st.sampled_from(TEXTS), max_size=3),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(["member.last_place.lowerAscii().contains('crew')"], "a\0CREW", [])
def test_tests_of_one_value_are_the_same(sources, text, roles):
    facts = a_member(roles=())
    values = {**facts.__dict__, "last_place": text, "roles": tuple(roles)}
    same(sources, MemberFacts.model_construct(**values))


def test_a_list_is_met_as_a_set_without_a_loop():
    assert looked_at("member.roles.exists(r, r in params.names) && member.bot") == {
        "~0": bool,
        "~v0": bool,
    }


@pytest.mark.parametrize("count", [0, 1, 4_998, 4_999, 9_998, 9_999, 10_000, 20_000])
@pytest.mark.parametrize(
    "source",
    [
        "member.roles.exists(r, r in ['crew'])",
        "member.roles.exists(r, r in ['crew']) || member.roles.exists(r, r in ['pilot'])",
        "member.roles.exists(r, r in ['crew']) || member.bot",
    ],
)
def test_a_list_too_long_for_the_library_stays_too_long(source, count):
    values = {**a_member().__dict__, "roles": ("guest",) * count}
    facts = MemberFacts.model_construct(**values)
    outcome = CONDITIONS.scope(facts, {}, NOW).evaluate(CONDITIONS.compile(source))
    bits = same([source], facts)
    assert bits == (None if outcome.fault else [False]) or (bits is None and count >= 4_999)
    assert bits == [False] or count > 1


@pytest.mark.parametrize("roles", ["crew", ("crew", 1), (None,), {"crew": 1}])
def test_a_list_of_something_else_is_not_read(roles):
    facts = MemberFacts.model_construct(**{**a_member().__dict__, "roles": roles})
    with pytest.raises(Unreadable, match="roles"):
        same(["member.roles.exists(r, r in params.names)"], facts)


patterns = st.sampled_from(
    ["casino", "(?i)casino", "^crew$", r"\bforex\b", "a|b", "(?i)x|y", "(a", r"\Qa.", "(?s).", ""]
)


@given(st.lists(patterns, min_size=1, max_size=4), st.sampled_from([*TEXTS[:3], "A.", "b Casino"]))
def test_several_patterns_at_once_find_what_each_finds(several, text):
    sound = [one for one in several if one != "(a"] or ["casino"]
    assert list(searchers(sound)(text)) == [searcher(one)(text) for one in sound]


# ---- What the library gives --------------------------------------------------------------------


class Gives:
    """A compiled program that gives this."""

    def __init__(self, value):
        self.value = value

    def eval(self, *given):
        if isinstance(self.value, Exception):
            raise self.value
        return self

    def plain_value(self):
        return self.value


@pytest.mark.parametrize(
    "value",
    [None, "true", 1, [True], [True, 1], [True, None], [True] * 3, RuntimeError("no"), TypeError()],
)
def test_only_a_list_of_booleans_is_taken(value):
    told = [0, 1]
    bits = flat_bits(((), ()), {}, ("", ""), Program(lambda: Gives(value)), told)
    assert bits(a_member(), {}, NOW) is None
    assert flat_bits(((), ()), {}, ("", ""), Program(lambda: Gives([True, False])), told)(
        a_member(), {}, NOW
    ) == [True, False]
