"""The past under another policy: what OLD said, what NEW says, and what the admins did by hand.

Everything here is pure: inputs come in one by one, so that a long past needs no memory, and of
each kind of case only a few are kept as samples.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol, TypeAlias, TypeVar

from gatekeeper.domain.decisions import RuleResult, Ruling, Verdict
from gatekeeper.domain.memberships import Membership
from gatekeeper.domain.pruning import Candidate, grace_over, judge
from gatekeeper.policy.document import Exclusion, Mode
from gatekeeper.policy.facts import ApplicationFacts, MemberFacts
from gatekeeper.policy.judge import FAULT, CompiledRule, Policy, RuleSet

SAMPLES: Final = 5  # cases kept of each cell, unless asked for otherwise
FAULTS: Final = 100  # different faults told; a policy with more is not worth reading on
UNFIT: Final = "answers-do-not-fit"  # recorded answers that a changed form cannot read

Kind: TypeAlias = Literal["application", "member"]
_Key = TypeVar("_Key")


# ---- What was judged ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What bears on a member besides their facts, as it was at that moment.

    Attributes:
        protected: code of what protected them, "" for nothing; "settling" is looked at anew.
        grace: the time to answer that the policy of their notice gave.
        watched_since: since when the club has been watched, None for not yet.
    """

    membership: Membership
    protected: str = ""
    grace: timedelta = timedelta(0)
    watched_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One input that was judged, and what came of it.

    Attributes:
        subject: application:<id> or membership:<id>.
        at: the moment of the decision; it is judged again at this moment.
        stage: with a member's facts, None with an application's.
        verdict, rule: what was decided then; None where only that it was let be is known.
        by_hand: what admins decided on it afterwards: ADMIT or DECLINE, KEEP or REMOVE; None for
            nothing (a rule decided, time ran out, or it is still open).
        hand_at: when they did.
        rebuilt: the facts were made again from our tables; else they are as they were recorded.
    """

    subject: str
    at: datetime
    facts: ApplicationFacts | MemberFacts
    stage: Stage | None = None
    verdict: Verdict | None = None
    rule: str = ""
    policy: str = ""
    by_hand: Verdict | None = None
    hand_at: datetime | None = None
    rebuilt: bool = False

    @property
    def kind(self) -> Kind:
        """Of whom it tells."""
        return "application" if isinstance(self.facts, ApplicationFacts) else "member"


class Judge(Protocol):
    """What judges: a Policy, or code generated from one."""

    def judge_application(self, facts: ApplicationFacts, now: datetime) -> Ruling:
        """What the admission rules say."""
        ...

    def judge_member(self, facts: MemberFacts, now: datetime) -> Ruling:
        """What the pruning rules say."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a policy says of one input: the verdict after the laws, the rule that fired."""

    verdict: Verdict
    rule: str
    code: str
    results: tuple[RuleResult, ...] = ()


def answer(policy: Policy, judged: Judged, by: Judge | None = None) -> Answer:
    """What `policy` says of an input at its own moment; `by` judges in its place, just faster.

    For a member the laws stand above the rules, and a Grace has the length that `policy` gives.
    Recorded answers that the form of `policy` cannot read are a fault: they are left to people.
    """
    speaker = by or policy
    try:
        if isinstance(judged.facts, ApplicationFacts):
            ruling = speaker.judge_application(judged.facts, judged.at)
            return Answer(ruling.verdict, ruling.rule, ruling.code, ruling.results)
        assert judged.stage is not None
        return _answer_member(policy, speaker, judged.facts, judged.stage, judged.at)
    except ValueError:
        leave = Verdict.WAIT if judged.kind == "application" else Verdict.KEEP
        return Answer(leave, "", FAULT, (RuleResult("", None, UNFIT),))


def _answer_member(
    policy: Policy, speaker: Judge, facts: MemberFacts, stage: Stage, at: datetime
) -> Answer:
    member = stage.membership
    longer = policy.pruning.grace - stage.grace
    if longer and member.grace_ends_at is not None:
        member = replace(member, grace_ends_at=member.grace_ends_at + longer)
        facts = facts.model_copy(update={"grace_over": grace_over(member, at)})
    ruling = speaker.judge_member(facts, at)
    protected = _protected(policy, stage, at)
    decision = judge(Candidate(membership=member, ruling=ruling, protected=protected), at)
    return Answer(decision.verdict, ruling.rule, decision.code, ruling.results)


def _protected(policy: Policy, stage: Stage, at: datetime) -> str:
    """What protects a member under `policy`: how long a club settles is the policy's own."""
    if stage.protected not in ("", "settling") or stage.watched_since is None:
        return stage.protected
    return "settling" if at - stage.watched_since < policy.pruning.settle else ""


def enforced(policy: Policy) -> Policy:
    """The policy as it would be if its rules acted; one that does so already is returned as is."""
    admission, pruning = policy.admission, policy.pruning
    if Mode.AUDIT not in (admission.mode_in_force, pruning.mode_in_force):
        return policy
    acts = {"mode": Mode.ENFORCE}
    return replace(
        policy,
        admission=admission.model_copy(update=acts),
        pruning=pruning.model_copy(update=acts),
    )


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

    kind: Kind
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

    def simulation(self, kind: Kind, rules: RuleSet) -> Simulation:
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
        parts: tuple[tuple[Literal["exclude", "match"], tuple[CompiledRule, ...]], ...]
        parts = (("exclude", rules.exclude), ("match", rules.match))
        for kind, compiled in parts:
            for one in compiled:
                count = self.rules[one.rule.id]
                audit = not isinstance(one.rule, Exclusion) and one.rule.mode is Mode.AUDIT
                yield Hits(one.rule.id, kind, audit, count.fired, count.later, count.faults)


class Simulator:
    """Takes inputs in one by one; `result` tells what was found so far.

    Args:
        old, new: the policies; each judges exactly as it is, see `enforced`.
        samples: how many cases are kept of each sort.
    """

    def __init__(self, old: Policy, new: Policy, samples: int = SAMPLES) -> None:
        self._old, self._new = old, new
        self._tallies: dict[Kind, _Tally] = {
            "application": _Tally(samples),
            "member": _Tally(samples),
        }

    def add(self, judged: Judged) -> None:
        """Judge one input by both."""
        old, new = answer(self._old, judged), answer(self._new, judged)
        self._tallies[judged.kind].add(judged, old, new)

    def result(self, kind: Kind) -> Simulation:
        """What was found of one kind."""
        new = self._new
        rules = new.admission_rules if kind == "application" else new.pruning_rules
        return self._tallies[kind].simulation(kind, rules)


def simulate(inputs: Iterable[Judged], old: Policy, new: Policy) -> tuple[Simulation, Simulation]:
    """All inputs under both policies: the applications, and the members."""
    simulator = Simulator(old, new)
    for judged in inputs:
        simulator.add(judged)
    return simulator.result("application"), simulator.result("member")
