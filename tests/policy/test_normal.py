"""What follows from what: certain where it is said, held against the library's own answers."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.policy.club_document import Form
from gatekeeper.policy.conditions import Conditions
from gatekeeper.policy.facts import MemberFacts, schema_of, values_of
from gatekeeper.policy.normal import Normal, constant_of, implies
from tests.policy.builders import NOW, a_member

PARAMS = {"few": 2, "quiet": timedelta(days=90), "staff": ["a", "b"], "open": True, "share": 0.5}
PLAIN = Conditions("member", schema_of(MemberFacts, Form()), PARAMS)
VARIABLES = {"calm": PLAIN.compile("member.messages_30d < params.few")}
KNOWN = PLAIN.with_variable("calm", VARIABLES["calm"].type)
NORMAL = Normal(PARAMS, VARIABLES)


def term(source: str):
    return NORMAL.of(KNOWN.compile(source))


FOLLOWS = [  # the second is true wherever the first one is
    ("member.bot && member.admin", "member.admin"),
    ("member.bot", "member.bot || member.admin"),
    ("member.messages_30d > 5", "member.messages_30d > 3"),
    ("member.messages_30d > 5", "6 <= member.messages_30d"),
    ("member.messages_30d == 1", "member.messages_30d < params.few"),
    ("variables.calm && member.bot", "member.messages_30d <= 1"),
    ("member.silent > duration('100d')", "member.silent > params.quiet"),
    ("now - member.known_since < duration('30d')", "now - member.known_since < params.quiet"),
    ("!(member.bot || member.admin)", "!member.admin"),
    ("member.last_kind == 'a'", "member.last_kind in params.staff"),
    ("member.last_kind in ['b']", "member.last_kind in ['a', 'b', 'c']"),
    ("member.last_kind == 'x'", "member.last_kind != 'y'"),
    ("member.messages_30d > member.reads_30d", "member.reads_30d < member.messages_30d"),
    ("member.roles.exists(r, r == 'a') && member.bot", "member.roles.exists(r, r == 'a')"),
    ("has(member.joined_at) && member.joined_at < now", "has(member.joined_at)"),
]


@pytest.mark.parametrize(("one", "other"), FOLLOWS)
def test_what_follows_is_seen_and_not_the_other_way(one, other):
    assert implies(term(one), term(other))
    if term(one) != term(other):
        assert not implies(term(other), term(one))


APART = [
    ("member.seen_share > 0.5", "member.seen_share >= 0.6"),
    ("!(member.seen_share < params.share)", "member.seen_share >= 0.5"),  # no number is neither
    ("member.last_kind == 'a'", "member.last_place == 'a'"),
    ("'a' in member.roles", "'b' in member.roles"),
    ("member.roles.exists(x, member.roles.exists(y, x == 'a'))",
     "member.roles.exists(y, member.roles.exists(x, x == 'a'))"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), APART)
def test_nothing_is_said_where_it_is_not_certain(one, other):
    assert not implies(term(one), term(other))


CONSTANT = [
    ("params.open", True),
    ("!params.open && member.bot", False),
    ("params.few > 1", True),
    ("params.quiet + duration('1d') < duration('3d')", False),
    ("size(params.staff) == 2 ? params.open : member.bot", True),
    ("member.bot || !member.bot", True),
    ("member.messages_30d > 3 && member.messages_30d < 2", False),
    ("member.bot", None),
    ("member.messages_30d > 3 && member.messages_30d < 5", None),
]


@pytest.mark.parametrize(("source", "constant"), CONSTANT)
def test_constants_are_found(source, constant):
    assert constant_of(term(source)) is constant


numbers = st.integers(0, 4).map(str)
atoms = st.one_of(
    st.sampled_from(
        ["member.bot", "member.admin", "params.open", "variables.calm", "'a' in member.roles",
         "has(member.joined_at)", "member.last_kind in params.staff", "member.last_kind == 'a'",
         "member.silent > params.quiet", "member.seen_share < params.share"]
    ),
    st.builds(
        "member.{} {} {}".format,
        st.sampled_from(["messages_30d", "reads_30d"]),
        st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
        st.one_of(numbers, st.just("params.few"), st.just("member.reactions_30d")),
    ),
)  # fmt: skip
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
    ),
    max_leaves=5,
)
members = st.builds(
    lambda small, **facts: a_member(silent=timedelta(days=small[0] * 60), **facts),
    st.tuples(st.integers(0, 3)),
    bot=st.booleans(),
    admin=st.booleans(),
    messages_30d=st.integers(0, 4),
    reads_30d=st.integers(0, 4),
    reactions_30d=st.integers(0, 4),
    roles=st.sampled_from([(), ("a",), ("a", "b")]),
    last_kind=st.sampled_from(["a", "b", "c"]),
    joined_at=st.sampled_from([None, NOW]),
    seen_share=st.sampled_from([0.0, 0.5, 1.0]),
)


@given(conditions, conditions, st.lists(members, min_size=8, max_size=8))
@settings(max_examples=150, deadline=None)
def test_whatever_is_said_holds_for_every_member(one, other, people):
    left, right = KNOWN.compile(one), KNOWN.compile(other)
    said = implies(NORMAL.of(left), NORMAL.of(right))
    constant = constant_of(NORMAL.of(left))
    for facts in people:
        scope = KNOWN.scope(values_of(facts, KNOWN.subject_schema), VARIABLES, NOW)
        value = scope.evaluate(left).value
        if said and value is True:
            assert scope.evaluate(right).value is True
        if constant is not None:
            assert value is constant
