"""Whether several conditions can hold at once, by trying their cases: `normal` compares only two.

Sound and not complete, and bounded: True is certain, False says nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from gatekeeper.policy.normal import (
    FALSE,
    TRUE,
    All,
    Known,
    Name,
    Not,
    Some,
    Term,
    Test,
    constant_of,
    every,
    implies,
    opposite,
)

STEPS = 50  # cases tried for one question
TOTAL = 200  # and for all questions about one document
PARTS = 40  # terms that bear on one another; of more nothing is said
LISTED = 20  # values of a list that are told apart

_Parts: TypeAlias = tuple[set[Term], list[frozenset[Term]]]


@dataclass(slots=True)
class Budget:
    """The cases that may still be tried for a document."""

    left: int = TOTAL


def never_together(terms: Iterable[Term], budget: Budget | None = None) -> bool:
    """Whether `terms` certainly never hold all at once; where one has a fault none is asked for."""
    budget = budget or Budget()
    if budget.left <= 0:
        return False
    facts, choices = _bearing(*_taken_apart(terms))
    if len(facts) + len(choices) > PARTS:
        return False
    search = _Search(min(STEPS, budget.left))
    try:
        return search.never(facts, choices)
    finally:
        budget.left -= search.steps


def _taken_apart(terms: Iterable[Term]) -> _Parts:
    """What must hold, and of what at least one must: lists are told apart by their values."""
    facts: set[Term] = set()
    choices: list[frozenset[Term]] = []
    for term in terms:
        match term:
            case Known("bool", True):
                pass
            case All(parts):
                more, others = _taken_apart(parts)
                facts |= more
                choices += others
            case Some(parts):
                choices.append(parts)
            case Test(left, "in", Known("list", values)) if 0 < len(values) <= LISTED:
                choices.append(frozenset(Test(left, "==", value) for value in values))
            case Not(Test(left, "in", Known("list", values))) if len(values) <= LISTED:
                facts |= {Test(left, "!=", value) for value in values}
            case _:
                facts.add(term)
    return facts, choices


def _bearing(facts: set[Term], choices: list[frozenset[Term]]) -> _Parts:
    """Those whose names stand elsewhere too: what tells of something else can always be so."""
    while True:
        names = Counter(name for one in facts for name in _names(one))
        names.update(name for each in choices for one in each for name in _names(one))

        def alone(one: Term, names: Counter[str] = names) -> bool:
            return one != FALSE and all(names[name] == 1 for name in _names(one))

        kept = {one for one in facts if not alone(one)}
        left = [each for each in choices if not any(map(alone, each))]
        if (len(kept), len(left)) == (len(facts), len(choices)):
            return facts, choices
        facts, choices = kept, left


def _names(term: Term) -> Iterator[str]:
    """What a term tells of."""
    match term:
        case Name(key) | Test(key, _, _):
            yield key
        case Not(inner):
            yield from _names(inner)
        case All(parts) | Some(parts):
            for part in parts:
                yield from _names(part)


@dataclass(slots=True)
class _Search:
    """One question, the cases that may be tried for it, and those that were."""

    most: int
    steps: int = 0

    def never(self, facts: set[Term], choices: list[frozenset[Term]]) -> bool:
        """Whether no choice leads to facts that could hold together."""
        self.steps += 1
        if self.steps > self.most:
            return False
        while True:
            if constant_of(every(*facts)) is False:
                return True
            left: list[frozenset[Term]] = []
            forced: set[Term] = set()
            for choice in choices:
                if any(implies(fact, one) for fact in facts for one in choice):
                    continue
                still = frozenset(one for one in choice if not _against(facts, one))
                if not still:
                    return True
                if len(still) == 1:
                    forced |= still
                else:
                    left.append(still)
            if not forced:
                break
            more, others = _taken_apart(forced)
            facts, choices = facts | more, left + others
        if not left:
            return False
        first = min(left, key=len)
        rest = [one for one in left if one is not first]
        return all(self._with(one, facts, rest) for one in first)

    def _with(self, one: Term, facts: set[Term], choices: list[frozenset[Term]]) -> bool:
        more, others = _taken_apart([one])
        return self.never(facts | more, choices + others)


def _against(facts: set[Term], one: Term) -> bool:
    """Whether a fact rules one of a choice out."""
    return one == FALSE or any(implies(fact, opposite(one)) for fact in facts)


def covering(term: Term, earlier: list[Term], budget: Budget | None = None) -> tuple[int, ...]:
    """The places of some of `earlier` of which one holds wherever `term` does; () for none.

    None of them could be left out.
    """
    if term == TRUE or not never_together([term, *map(opposite, earlier)], budget):
        return ()
    needed = list(range(len(earlier)))
    for place in range(len(earlier)):
        fewer = [one for one in needed if one != place]
        if never_together([term, *(opposite(earlier[one]) for one in fewer)]):
            needed = fewer
    return tuple(needed)
