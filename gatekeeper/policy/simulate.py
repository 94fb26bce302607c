"""The past under another policy: what OLD said, what NEW says, and what the admins did by hand.

Everything here is pure: inputs come in one by one, so that a long past needs no memory, and of
each kind of case only a few are kept as samples.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, TypeVar

from gatekeeper.domain.decisions import Verdict
from gatekeeper.policy.document import Exclusion
from gatekeeper.policy.evaluation import RuleSet
from gatekeeper.policy.facts import Subject
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.judged import Answer, Judged, answer

SAMPLES: Final = 5  # cases kept of each cell, unless asked for otherwise
FAULTS: Final = 100  # different faults told; a policy with more is not worth reading on

_Key = TypeVar("_Key")


# ---- What came of it ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """A sample: whom it is about, and the rules that fired under OLD and NEW, "" for none."""

    subject: str
    at: datetime
    old_rule: str
    new_rule: str
    rebuilt: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """How many went from one verdict to another, with some of them."""

    old: Verdict
    new: Verdict
    count: int
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Hits:
    """How often a rule of NEW decided, how often it matched behind another, how often it failed."""

    rule: str
    kind: Literal["exclude", "match"]
    audit: bool
    fired: int
    later: int
    faults: int

    @property
    def never(self) -> bool:
        """Whether it matched nobody in all that time."""
        return not (self.fired or self.later or self.faults)


@dataclass(frozen=True, slots=True)
class Hand:
    """How many of those whom NEW would answer so the admins have answered so by hand."""

    new: Verdict
    by_hand: Verdict
    count: int
    cases: tuple[Case, ...]

    @property
    def alike(self) -> bool | None:
        """Whether both say the same; None where NEW leaves it to the admins."""
        if self.new is Verdict.WAIT:
            return None
        return (self.new in _ENDS) == (self.by_hand in _ENDS)


_ENDS = frozenset({Verdict.ADMIT, Verdict.REMOVE})  # of two answers by hand, the one that acts


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule of NEW that could not be evaluated, and for how many; `rule` "" for its answers."""

    rule: str
    fault: str
    count: int
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """One kind of inputs, under OLD and under NEW.

    Attributes:
        total, rebuilt: inputs, and how many of them were made again from our tables.
        cells: every pair of verdicts that occurred; the counts sum up to `total`.
        hits: every rule of NEW, in its order.
        hands: what admins decided by hand, by what NEW says; only those they decided.
        unlike_record: how often OLD says otherwise than was recorded (versions before it).
        faults: of NEW.
    """

    kind: Subject
    total: int = 0
    rebuilt: int = 0
    cells: tuple[Cell, ...] = ()
    hits: tuple[Hits, ...] = ()
    hands: tuple[Hand, ...] = ()
    unlike_record: int = 0
    faults: tuple[Fault, ...] = ()

    @property
    def counts(self) -> Mapping[Verdict, int]:
        """How many NEW would give each verdict."""
        found: Counter[Verdict] = Counter()
        for cell in self.cells:
            found[cell.new] += cell.count
        return found

    @property
    def changed(self) -> int:
        """How many get another verdict."""
        return sum(cell.count for cell in self.cells if cell.old is not cell.new)

    def agreement(self, alike: bool | None) -> int:
        """How many the admins decided as NEW would (True), otherwise (False), or NEW would have
        left to them (None)."""
        return sum(hand.count for hand in self.hands if hand.alike is alike)


# ---- Counting ----------------------------------------------------------------------------------


class _Samples:
    """Of all cases of one sort the few whose digest is smallest: any order gives the same ones."""

    def __init__(self, most: int) -> None:
        self.count, self._most = 0, most
        self._kept: list[tuple[str, Case]] = []

    def add(self, case: Case) -> None:
        self.count += 1
        key = hashlib.sha256(f"{case.subject} {case.at.isoformat()}".encode()).hexdigest()
        if len(self._kept) == self._most and key >= self._kept[-1][0]:
            return
        self._kept.append((key, case))
        self._kept.sort(key=lambda kept: kept[0])
        del self._kept[self._most :]

    @property
    def cases(self) -> tuple[Case, ...]:
        return tuple(sorted((case for _, case in self._kept), key=lambda case: case.at))


@dataclass(slots=True)
class _RuleCount:
    fired: int = 0
    later: int = 0
    faults: int = 0


@dataclass(slots=True)
class _Tally:
    """What is counted of one kind."""

    samples: int
    total: int = 0
    rebuilt: int = 0
    unlike_record: int = 0
    cells: dict[tuple[Verdict, Verdict], _Samples] = field(default_factory=dict)
    hands: dict[tuple[Verdict, Verdict], _Samples] = field(default_factory=dict)
    faults: dict[tuple[str, str], _Samples] = field(default_factory=dict)
    rules: defaultdict[str, _RuleCount] = field(default_factory=lambda: defaultdict(_RuleCount))

    def add(self, judged: Judged, old: Answer, new: Answer) -> None:
        self.total += 1
        self.rebuilt += judged.rebuilt
        self.unlike_record += judged.verdict is not None and judged.verdict is not old.verdict
        case = Case(judged.subject, judged.at, old.rule, new.rule, judged.rebuilt)
        self._sample(self.cells, (old.verdict, new.verdict), case)
        if judged.by_hand is not None:
            self._sample(self.hands, (new.verdict, judged.by_hand), case)
        for result in new.results:
            count = self.rules[result.rule]
            if result.fault:
                count.faults += 1
                if (key := (result.rule, result.fault)) in self.faults or len(self.faults) < FAULTS:
                    self._sample(self.faults, key, case)
            elif result.rule == new.rule:
                count.fired += 1
            elif result.matched:
                count.later += 1

    def _sample(self, among: dict[_Key, _Samples], key: _Key, case: Case) -> None:
        if key not in among:
            among[key] = _Samples(self.samples)
        among[key].add(case)

    def simulation(self, kind: Subject, rules: RuleSet) -> Simulation:
        return Simulation(
            kind=kind,
            total=self.total,
            rebuilt=self.rebuilt,
            cells=tuple(
                Cell(*pair, found.count, found.cases) for pair, found in self.cells.items()
            ),
            hits=tuple(self._hits(rules)),
            hands=tuple(
                Hand(*pair, found.count, found.cases) for pair, found in self.hands.items()
            ),
            unlike_record=self.unlike_record,
            faults=tuple(
                Fault(*what, found.count, found.cases) for what, found in self.faults.items()
            ),
        )

    def _hits(self, rules: RuleSet) -> Iterable[Hits]:
        for one in rules.all:
            kind: Literal["exclude", "match"] = (
                "exclude" if isinstance(one.rule, Exclusion) else "match"
            )
            count = self.rules[one.rule.id]
            yield Hits(one.rule.id, kind, one.on_trial, count.fired, count.later, count.faults)


class Simulator:
    """Takes inputs in one by one; `result` tells what was found so far.

    Args:
        old, new: the policies; each judges exactly as it is, see `Policy.enforced`.
        samples: how many cases are kept of each sort.
        trials: what is on trial in `new`: its name, whom it judges, and `new` with it in force.
    """

    def __init__(
        self,
        old: Policy,
        new: Policy,
        samples: int = SAMPLES,
        trials: Iterable[tuple[str, Subject, Policy]] = (),
    ) -> None:
        self._old, self._new = old, new
        self._same: dict[Subject, bool] = {  # then nothing can come out otherwise
            "application": old.admission == new.admission and old.form == new.form,
            "member": old.pruning == new.pruning,
        }
        for kind in self._same:
            self._same[kind] &= _rules(old, kind) == _rules(new, kind)
        self._trials = [
            (name, kind, Simulator(new, other, samples)) for name, kind, other in trials
        ]
        self._tallies: dict[Subject, _Tally] = {
            "application": _Tally(samples),
            "member": _Tally(samples),
        }

    def add(self, judged: Judged) -> None:
        """Judge one input by both."""
        old = answer(self._old, judged)
        new = old if self._same[judged.kind] else answer(self._new, judged)
        self._tallies[judged.kind].add(judged, old, new)
        for _, kind, other in self._trials:
            if kind == judged.kind:
                other.add(judged)

    def result(self, kind: Subject) -> Simulation:
        """What was found of one kind."""
        return self._tallies[kind].simulation(kind, self._new.rules_for(kind))

    def trials(self) -> tuple[tuple[str, Simulation], ...]:
        """NEW beside NEW with each thing in force that is on trial in it."""
        return tuple((name, other.result(kind)) for name, kind, other in self._trials)


def _rules(policy: Policy, kind: Subject) -> list[object]:
    """The rules as they are judged: a trial in force is in the rules, not in the document."""
    return [one.rule for one in policy.rules_for(kind).all]


def simulate(inputs: Iterable[Judged], old: Policy, new: Policy) -> tuple[Simulation, Simulation]:
    """All inputs under both policies: the applications, and the members."""
    simulator = Simulator(old, new)
    for judged in inputs:
        simulator.add(judged)
    return simulator.result("application"), simulator.result("member")
