"""What the tree of a condition says about names that may be absent."""

import pytest

from gatekeeper.policy import expressions, serialized
from gatekeeper.policy.conditions import Conditions
from gatekeeper.policy.facts import Type

ENV = Conditions("m", {name: Type(int) for name in "abc"}, {})
OPTIONAL = frozenset({("m", "a"), ("m", "b")})


def tree(source):
    # has() of what is always there is no finding here: the tree is read, not the findings
    return ENV._environment.check(source)[0].expr


CASES = [
    ("m.a > 1", 1),
    ("has(m.a) && m.a > 1", 0),
    ("m.a > 1 && has(m.a)", 1),
    ("!has(m.a) || m.a > 1", 0),
    ("!(!has(m.a)) && m.a > 1", 0),
    ("has(m.a) || m.a > 1", 1),
    ("has(m.a) && has(m.b) && m.a > m.b", 0),
    ("has(m.a) && m.a > m.b", 1),
    ("(has(m.a) || has(m.b)) && m.a > 1", 1),
    ("(has(m.a) && m.c > 1 || has(m.a)) && m.a > 1", 0),
    ("!(has(m.a) && has(m.b)) || m.a > m.b", 0),
    ("!(has(m.a) || has(m.b)) || m.a > 1", 1),
    ("has(m.a) ? m.a > 1 : m.c > 1", 0),
    ("has(m.a) ? m.c > 1 : m.a > 1", 1),
    ("!has(m.a) ? m.c > 1 : m.a > 1", 0),
    ("has(m.a) && [1].exists(x, x == m.a)", 0),
    ("[m.a, m.b].size() > 1", 2),
    ("{'x': m.a}['x'] == 1", 1),
    ("m.c > 1", 0),
]


def test_trees_are_listed_as_copies_with_numbers_of_their_own():
    trees = [tree("m.c > 1"), tree("[m.c].exists(x, x == 1)")]
    before = [str(one) for one in trees]
    whole, elements = expressions.listed(trees)
    assert elements == {"x"}
    numbers = [one.id for one in expressions.walk(whole.expr)]
    assert sorted(set(numbers)) == numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) == 1 + sum(len(list(expressions.walk(one))) for one in trees)
    whole.expr.elements[0].become(expressions.ident("x"))
    assert [str(one) for one in trees] == before


@pytest.mark.parametrize(("source", "count"), CASES)
def test_unguarded_uses(source, count):
    assert len(list(expressions.unguarded(tree(source), OPTIONAL))) == count


def test_a_tree_survives_reading_and_writing():
    whole, _ = ENV._environment.check("has(m.a) && m.a > 1 && [1, 2].all(x, x > 0)")
    again = serialized.read(serialized.write(whole.part(whole.expr)))  # written anew
    assert again == whole
    assert {one.kind for one in expressions.walk(again.expr)} == {
        "call", "select", "ident", "const", "list", "loop",
    }  # fmt: skip
