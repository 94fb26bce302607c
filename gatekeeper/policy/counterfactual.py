"""The smallest change that would turn a verdict, found by trying it.

What could be otherwise is taken from the atoms of all rules: letters of an answer, a count, a yes
or no, time that passes, a sign of life. Each candidate is applied to the facts, whatever follows
from it as well (`text` from the answers, the end of a leave from time), and the policy judges
again: only what it then really says is told. One change first, then two; a bounded number of
tries; nothing is said where nothing is found.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations, islice
from typing import Any, Final

from gatekeeper.domain.decisions import Verdict
from gatekeeper.policy.atoms import AtomValue
from gatekeeper.policy.evaluation import Inspection
from gatekeeper.policy.facts import Facts, MemberFacts, subject_of
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.otherwise import (
    MONTHLY,
    Change,
    Kind,
    State,
    answer_of,
    apply,
    longest,
)
from gatekeeper.policy.unfold import look_into
from gatekeeper.policy.wording import FLIPPED, OPPOSITE, Term, is_public, term_of

TRIES = 160  # judgements for one search,
JUDGED = 6_000  # fewer where that makes more rules than these,
FEWEST = 24  # but never fewer than these
PAIRED = 40  # of all changes, the smallest, are tried by twos
LONGEST = timedelta(days=3650)  # a longer wait is no help
MINUTE = timedelta(minutes=1)

_COUNTS = ("vouches", "objections")


@dataclass(frozen=True, slots=True)
class Turn:
    """The verdict that these changes together would bring, and by which rule ("" for none)."""

    verdict: Verdict
    rule: str
    changes: tuple[Change, ...]


def find_turns(
    policy: Policy,
    facts: Facts,
    now: datetime,
    wanted: Collection[Verdict],
    *,
    public: bool = False,
    again: bool = False,
    tries: int = TRIES,
) -> tuple[Turn, ...]:
    """For each wanted verdict the smallest change that brings it, where one is found.

    Args:
        wanted: verdicts other than the present one.
        public: only what the person themselves may read and do.
        again: the facts are a new application's, see `applied_again`: time that passes before
            it is sent changes it.
    """
    start = State(facts, now, again)
    return _Search(policy, public, tries).run(start, frozenset(wanted))


class _Search:
    """What could be otherwise is read off once; each candidate costs one judgement by the rules."""

    def __init__(self, policy: Policy, public: bool, tries: int) -> None:
        self._policy, self._public, self._tries = policy, public, tries

    def run(self, start: State, wanted: frozenset[Verdict]) -> tuple[Turn, ...]:
        if not wanted or not self._tries:
            return ()
        rules = self._policy.rules_for(subject_of(start.facts))
        count = len(rules.exclude) + len(rules.match) + len(rules.variables)
        tries = min(self._tries, max(FEWEST, JUDGED // max(count, 1)))
        changes = self._changes(start)
        found: dict[Verdict, Turn] = {}
        for state in islice(_states(self._policy, start, changes), tries):
            ruling = self._policy.judge(state.facts, state.now)
            if ruling.verdict in wanted and ruling.verdict not in found and self._sure(state):
                found[ruling.verdict] = Turn(ruling.verdict, ruling.rule, state.changes)
                if wanted <= set(found):
                    break
        return tuple(found.values())

    def _sure(self, state: State) -> bool:
        """Whether the verdict does not hang on counts that we cannot foresee."""
        waits = any(change.kind == "time" for change in state.changes)
        if not waits or not isinstance(state.facts, MemberFacts):
            return True
        silent = state.facts.model_copy(update=dict.fromkeys(MONTHLY, 0))
        verdicts = {self._policy.judge(facts, state.now).verdict for facts in (state.facts, silent)}
        return len(verdicts) == 1

    # ---- Candidates ---------------------------------------------------------------------------

    def _changes(self, start: State) -> list[Change]:
        """Each change once, the smaller ones first."""
        inspection = look_into(self._policy, start.facts, start.now)
        found: dict[tuple[Kind, tuple[str, ...], Any], Change] = {}
        for change in self._candidates(start, inspection):
            found.setdefault((change.kind, change.path, change.to), change)
        return sorted(found.values(), key=_size)

    def _candidates(self, state: State, inspection: Inspection) -> Iterator[Change]:
        if isinstance(state.facts, MemberFacts):
            yield from _of_member(self._policy, state.facts, state.now)
        rules = self._policy.rules_for(subject_of(state.facts))
        for look in inspection.rules:
            for seen in () if look.audit else look.atoms:
                if self._public and not is_public(seen, rules):
                    continue
                terms = [term_of(operand, rules) for operand in seen.atom.operands]
                yield from self._from_atom(state, seen, terms)

    def _from_atom(self, state: State, seen: AtomValue, terms: list[Term]) -> Iterator[Change]:
        operator = seen.atom.operator
        if not operator and len(terms) == 1 and isinstance(seen.value, bool):
            yield from _switched(terms[0], seen.value)
        if operator not in FLIPPED or len(terms) != 2 or seen.value is None:
            return
        left, right = seen.operands
        away = _apart(left, right)
        if away is not None:
            yield from _waits(state.now, away)
            return
        for place in (0, 1):
            value, bound = seen.operands[place], seen.operands[1 - place]
            if isinstance(value, bool) or isinstance(bound, bool):
                continue
            if isinstance(value, int | float) and isinstance(bound, int | float):
                asked = operator if place == 0 else FLIPPED[operator]
                to = _solved(OPPOSITE[asked] if seen.value else asked, value, bound)
                if to is not None:
                    yield from self._measured(state, terms[place], value, to)

    def _measured(
        self, state: State, term: Term, was: int | float, to: int | float
    ) -> Iterator[Change]:
        if term.path[:2] == ("application", "answers") and len(term.path) == 3:
            kind: Kind = "letters" if term.kind == "size" else "number"
            yield Change(kind, term.path, was, to)
        elif term.path == ("application", "text") and term.kind == "size":
            name = longest(self._policy, state.facts)
            if name:
                now = len(answer_of(state.facts, name))
                yield Change("letters", ("application", "answers", name), now, now + to - was)
        elif term.path == ("application", "links") and to < was:
            yield Change("links", term.path, was, to)
        elif term.path[:1] == ("application",) and term.path[1:] in {(each,) for each in _COUNTS}:
            yield Change("count", term.path, was, to)


def _states(policy: Policy, start: State, changes: Sequence[Change]) -> Iterator[State]:
    """One change, then two of different things; small ones first."""
    for change in changes:
        state = apply(policy, start, change)
        if state is not None:
            yield state
    few = changes[:PAIRED]
    pairs = sorted(combinations(range(len(few)), 2), key=sum)
    for first, second in ((few[one], few[other]) for one, other in pairs):
        if (first.kind, first.path) == (second.kind, second.path):
            continue
        state = apply(policy, start, first)
        state = apply(policy, state, second) if state is not None else None
        if state is not None:
            yield state


def _of_member(policy: Policy, facts: MemberFacts, now: datetime) -> Iterator[Change]:
    """What can always happen to a member: a sign of life, a leave, the end of a term."""
    yield Change("alive")
    yield Change("leave")
    over = facts.noticed_at + policy.pruning.grace if facts.noticed_at else None
    for end in (over, facts.on_leave_until, facts.exempt_until):
        if end is not None and end > now:
            yield from _waits(now, end - now)


def _switched(term: Term, value: bool) -> Iterator[Change]:
    if term.kind == "" and term.path[:2] == ("application", "answers"):
        yield Change("yes", term.path, value, not value)
    if term.kind == "" and term.path == ("application", "proven") and not value:
        yield Change("yes", term.path, False, True)


def _apart(left: object, right: object) -> timedelta | None:
    """How far two times or two spans lie apart, None for anything else."""
    if isinstance(left, datetime) and isinstance(right, datetime):
        return abs(left - right)
    if isinstance(left, timedelta) and isinstance(right, timedelta):
        return abs(left - right)
    return None


def _waits(now: datetime, away: timedelta) -> Iterator[Change]:
    """Waiting so long, or just longer, to the next full minute: what is told is to the minute."""
    for span in (away, away + timedelta(seconds=1)):
        if timedelta(0) < span <= LONGEST:
            until = (now + span).replace(second=0, microsecond=0)
            yield Change("time", (), now, until if until >= now + span else until + MINUTE)


def _solved(operator: str, value: int | float, bound: int | float) -> int | float | None:
    """What stands closest to `value` and makes `x operator bound` true."""
    whole = isinstance(value, int)
    step: int | float = 1 if whole else 0.01
    match operator:
        case ">=" | "<=" | "==":
            near: int | float = bound
        case ">":
            near = (int(bound) if whole else bound) + step
        case "<":
            near = bound - step
        case _:
            return None
    if whole and near != int(near):
        near = int(near) + (1 if operator in {">=", ">"} else 0)
    return int(near) if whole else near


def _size(change: Change) -> tuple[int, float]:
    """Smaller changes first; among different things what one can do oneself, waiting last."""
    kinds: Final = ("alive", "leave", "yes", "letters", "number", "links", "count", "time")
    size = 0.0
    if isinstance(change.to, datetime):
        size = (change.to - change.was).total_seconds()
    elif change.to is not None:
        size = abs(float(change.to) - float(change.was))
    return kinds.index(change.kind), size
