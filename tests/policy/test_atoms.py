"""Conditions taken apart: what each part is and what it saw."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.policy.conditions import Conditions
from gatekeeper.policy.facts import Type

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SCHEMA = {
    "a": Type(bool),
    "b": Type(bool),
    "c": Type(bool),
    "n": Type(int),
    "text": Type(str),
    "tags": Type(str, many=True),
    "at": Type(datetime, optional=True),
    "answers": {"why": Type(str, optional=True)},
}
CONDITIONS = Conditions("member", SCHEMA, {"most": 3, "span": timedelta(days=30)})
VALUES = {"a": True, "b": False, "c": True, "n": 2, "text": "hello", "tags": ["x"], "answers": {}}


def drawn(shape, atoms):
    """The shape in one line."""
    if shape.kind == "atom":
        return atoms[shape.atom].source
    inner = ", ".join(drawn(part, atoms) for part in shape.parts)
    return f"{shape.kind}({inner})"


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        ("member.a", "member.a"),
        ("member.a && member.b && member.c", "and(member.a, member.b, member.c)"),
        ("member.a && (member.b && (member.c))", "and(member.a, member.b, member.c)"),
        ("member.a || member.b && member.c", "or(member.a, and(member.b, member.c))"),
        ("(member.a || member.b) && !(member.c)", "and(or(member.a, member.b), not(member.c))"),
        ("!member.a == member.b", "!member.a == member.b"),
        ("member.a ? member.b : !member.c", "if(member.a, member.b, not(member.c))"),
        ("(member.n + 1) * 2 > 4", "(member.n + 1) * 2 > 4"),
        ("(member.a ? 1 : 2) > 1 && member.b", "and((member.a ? 1 : 2) > 1, member.b)"),
        ("member.text == 'a && b' || member.a", "or(member.text == 'a && b', member.a)"),
        (
            r"member.text.matches(r'\(&&') && member.a",
            r"and(member.text.matches(r'\(&&'), member.a)",
        ),
        (
            "member.tags.exists(t, t == 'x' && t != 'y') && member.a",
            "and(member.tags.exists(t, t == 'x' && t != 'y'), member.a)",
        ),
        (
            "has(member.at) &&\n  now - member.at > params.span",
            "and(has(member.at), now - member.at > params.span)",
        ),
        ("member.a // && no\n && member.b", "and(member.a // && no, member.b)"),
    ],
)
def test_the_shape_of_a_condition(source, shape):
    condition = CONDITIONS.compile(source)
    assert drawn(condition.shape, condition.atoms) == shape
    for atom in condition.atoms:
        assert source[atom.offset :].startswith(atom.source.split()[0])


def test_operands_say_what_they_look_at():
    (left, right) = CONDITIONS.compile("size(member.text) < params.most").atoms[0].operands
    assert (left.source, left.path, left.measure) == (
        "size(member.text)",
        ("member", "text"),
        "size",
    )
    assert (right.source, right.constant, left.constant) == ("params.most", True, False)
    span = CONDITIONS.compile("has(member.at) && now - member.at > duration('30d')").atoms[1]
    assert [side.source for side in span.operands] == ["now - member.at", 'duration("30d")']


def looked(source, **more):
    scope = CONDITIONS.scope({**VALUES, **more}, {}, NOW)
    return scope.atoms(CONDITIONS.compile(source))


def test_each_atom_is_told_also_those_that_are_passed_over():
    first, second, third = looked("member.b && member.n < params.most || size(member.text) == 5")
    assert (first.value, second.value, third.value) == (False, True, True)
    assert (second.operands, third.operands) == ((2, 3), (5, 5))


def test_an_absent_value_is_no_fault():
    there, late = looked("has(member.at) && now - member.at > params.span")
    assert (there.value, there.operands) == (False, (None,))
    assert (late.value, late.fault) == (None, "")
    there, late = looked(
        "has(member.at) && now - member.at > params.span", at=NOW - timedelta(days=31)
    )
    assert (there.value, late.value) == (True, True)
    assert late.operands == (timedelta(days=31), timedelta(days=30))


def test_a_fault_is_told_with_the_atom():
    (divided,) = looked("10 / (member.n - 2) > 1")
    assert divided.value is None
    assert "divide by zero" in divided.fault


parts = st.recursive(
    st.sampled_from(["member.a", "member.b", "member.n > 1", "member.text == '(&& ||)'"]),
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("{} || {}".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
    ),
    max_leaves=8,
)


def joined(shape, values):
    match shape.kind:
        case "atom":
            return values[shape.atom].value
        case "and":
            return all(joined(part, values) for part in shape.parts)
        case "or":
            return any(joined(part, values) for part in shape.parts)
        case "not":
            return not joined(shape.parts[0], values)
    asked, yes, no = shape.parts
    return joined(yes, values) if joined(asked, values) else joined(no, values)


@given(parts, st.booleans(), st.integers(0, 3))
def test_the_atoms_joined_give_the_condition(source, a, n):
    condition = CONDITIONS.compile(source)
    scope = CONDITIONS.scope({**VALUES, "a": a, "n": n}, {}, NOW)
    assert joined(condition.shape, scope.atoms(condition)) == scope.evaluate(condition).value
