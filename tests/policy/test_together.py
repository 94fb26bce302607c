"""Whether several conditions can hold at once."""

import itertools
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.policy.normal import (
    FALSE,
    TRUE,
    Name,
    Test,
    every,
    known,
    opposite,
    some,
)
from gatekeeper.policy.parse import check_policy
from gatekeeper.policy.together import covering, never_together
from tests.policy.builders import policy_text
from tests.policy.test_parse import first

Test.__test__ = False  # not one of pytest's
A, B, C = Name("a"), Name("b"), Name("c")


def of(left, operator, value):
    return Test(left, operator, known(value))


WEEK = timedelta(days=7)
COVERED = [
    pytest.param(A, [B, opposite(B)], (0, 1), id="one and its opposite"),
    pytest.param(A, [C, every(A, B), every(A, opposite(B))], (1, 2), id="only those needed"),
    pytest.param(
        of("craft", "in", ("maker", "reader")),
        [of("craft", "==", "maker"), of("craft", "==", "reader")],
        (0, 1),
        id="each of a list",
    ),
    pytest.param(
        of("craft", "==", "maker"),
        [every(A, of("craft", "in", ("maker", "reader"))), opposite(A)],
        (0, 1),
        id="a list and a bool",
    ),
    pytest.param(
        A,
        [
            of("silent", "<", WEEK),
            every(of("silent", ">=", WEEK), of("silent", "<", 2 * WEEK)),
            of("silent", ">=", 2 * WEEK),
        ],
        (0, 1, 2),
        id="three spans without a gap",
    ),
    pytest.param(some(A, B), [A, B], (0, 1), id="either"),
]
OPEN = [
    pytest.param(A, [B, C], id="others"),
    pytest.param(A, [every(A, B), every(A, opposite(C))], id="not the opposite"),
    pytest.param(
        of("craft", "in", ("maker", "reader", "cook")),
        [of("craft", "==", "maker"), of("craft", "==", "reader")],
        id="one of the list is left",
    ),
    pytest.param(
        A, [of("silent", "<", WEEK), of("silent", ">", WEEK)], id="a moment between two spans"
    ),
    pytest.param(A, [], id="nothing before"),
    pytest.param(TRUE, [A, opposite(A)], id="the rule for all others is asked for"),
]


@pytest.mark.parametrize(("term", "earlier", "needed"), COVERED)
def test_some_together_leave_nothing(term, earlier, needed):
    assert covering(term, earlier) == needed


@pytest.mark.parametrize(("term", "earlier"), OPEN)
def test_something_is_left(term, earlier):
    assert covering(term, earlier) == ()


LITERALS = st.sampled_from([A, B, C, *map(opposite, (A, B, C))])
TERMS = st.recursive(
    LITERALS,
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda parts: st.sampled_from([every(*parts), some(*parts), opposite(every(*parts))])
    ),
    max_leaves=8,
)


def holds(term, true):
    """Whether a term is true where just the names in `true` are."""
    if term in (TRUE, FALSE):
        return term == TRUE
    match type(term).__name__:
        case "Name":
            return term.key in true
        case "Not":
            return not holds(term.inner, true)
        case "All":
            return all(holds(part, true) for part in term.parts)
        case _:
            return any(holds(part, true) for part in term.parts)


@given(terms=st.lists(TERMS, min_size=1, max_size=5))
@settings(max_examples=300, deadline=None)
def test_it_is_never_wrong_and_of_yes_and_no_it_is_sure(terms):
    worlds = (set(one) for n in range(4) for one in itertools.combinations("abc", n))
    possible = any(all(holds(term, world) for term in terms) for world in worlds)
    assert never_together(terms) is not possible


def test_many_terms_are_given_up_soon():
    clauses = [
        some(Name(f"a{n}"), Name(f"a{(n * 7) % 39}"), opposite(Name(f"a{n // 2}")))
        for n in range(39)
    ]
    assert not never_together(clauses)
    assert not never_together([some(Name(f"a{n}"), Name(f"a{n + 1}")) for n in range(300)])


def test_a_rule_that_several_cover_is_named_with_them():
    text = policy_text(
        first(
            "id: many, condition: application.links > 3",
            "id: few, condition: application.links <= 3",
            "id: known, condition: application.was_member",
        )
    )
    found = [one for one in check_policy(text) if one.code == "rule-covered"]
    assert [one.values for one in found] == [
        {"id": "known", "before": "many, few"},
        {"id": "spam", "before": "many, few"},
    ]
    assert {one.level for one in found} == {"warning"}
