"""Rules on one subject: what is compiled of a document, and what every rule of it gives.

First match wins, and every rule's result is kept. A fault before the first match decides nothing:
see `judge` for what it then leads to.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from operator import getitem
from typing import Any, Literal, Protocol, TypeAlias

from gatekeeper.domain.decisions import RuleResult, Ruling, Verdict
from gatekeeper.domain.errors import Value
from gatekeeper.policy.atoms import AtomValue, Shape
from gatekeeper.policy.binding import Outcome
from gatekeeper.policy.conditions import Conditions
from gatekeeper.policy.document import AdmissionRule, Exclusion, Invariant, Mode, PruningRule
from gatekeeper.policy.facts import Facts
from gatekeeper.policy.reader import Fused, Unreadable
from gatekeeper.policy.scope import Condition, Scope, unseen

VERDICTS: Mapping[str, Verdict] = {
    "admit": Verdict.ADMIT,
    "review": Verdict.WAIT,
    "decline": Verdict.DECLINE,
    "keep": Verdict.KEEP,
    "notify": Verdict.NOTIFY,
    "remove": Verdict.REMOVE,
}
# The text of an outcome whose rule names none.
CODES: Mapping[Verdict, str] = {
    Verdict.ADMIT: "admitted-by-rule",
    Verdict.WAIT: "in-review",
    Verdict.DECLINE: "declined-by-rule",
    Verdict.KEEP: "kept",
    Verdict.NOTIFY: "silent-notice",
    Verdict.REMOVE: "silent-removal",
}
FAULT = "rule-fault"
_NONE: Mapping[Any, Any] = {}

Rule: TypeAlias = AdmissionRule | PruningRule | Exclusion


def code_of(rule: Rule) -> str:
    """The code of the text that a rule tells."""
    match rule:
        case Exclusion():
            return rule.message
        case AdmissionRule():
            default = "declined" if rule.output.reason else CODES[VERDICTS[rule.output.decision]]
            return rule.output.message or default
        case PruningRule():
            return rule.output.message or CODES[VERDICTS[rule.output.action]]


def is_on_trial(rule: Rule) -> bool:
    """Whether a rule is shown and never applied."""
    return not isinstance(rule, Exclusion) and rule.mode is Mode.AUDIT


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its condition (None: always true) and its explanation (None: none)."""

    rule: Rule
    condition: Condition | None = None
    explanation: Condition | None = None

    @property
    def on_trial(self) -> bool:
        """Whether it is shown and never applied."""
        return is_on_trial(self.rule)


@dataclass(frozen=True, slots=True)
class CompiledInvariant:
    """What must hold, with its condition, which may also look at `verdict` and `rule`.

    Attributes:
        line, column: of the condition in its file, from 1.
    """

    invariant: Invariant
    conditions: Conditions
    condition: Condition
    line: int
    column: int


class Fast(Protocol):
    """A second backend for many subjects."""

    def bits(self, facts: Facts, now: datetime) -> Sequence[bool] | None:
        """Of each rule in its order; None where the library is to judge."""


@dataclass(frozen=True)
class RuleSet:
    """The rules of one document in one environment, in their order.

    Attributes:
        fused: all of them as one program; None where they are evaluated one by one.
        fast: judges instead of the library, where it can; see `faster`.
    """

    conditions: Conditions
    params: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, Condition] = field(default_factory=dict)
    exclude: tuple[CompiledRule, ...] = ()
    match: tuple[CompiledRule, ...] = ()
    invariants: tuple[CompiledInvariant, ...] = ()
    fused: Fused | None = None
    fast: Fast | None = None

    @cached_property
    def all(self) -> tuple[CompiledRule, ...]:
        """Exclusions, then rules."""
        return (*self.exclude, *self.match)

    @cached_property
    def always(self) -> tuple[int, ...]:
        """The places of rules without a condition."""
        return tuple(place for place, one in enumerate(self.all) if one.condition is None)

    @cached_property
    def on_trial(self) -> frozenset[int]:
        """The places of rules that are shown and never applied."""
        return frozenset(place for place, one in enumerate(self.all) if one.on_trial)

    @cached_property
    def told(self) -> tuple[tuple[RuleResult, RuleResult], ...]:
        """What is told of each rule that did not match, and of one that did."""
        return tuple(
            (
                RuleResult(one.rule.id, False, "", one.on_trial),
                RuleResult(one.rule.id, True, "", one.on_trial),
            )
            for one in self.all
        )

    def scope(self, facts: Facts, now: datetime) -> Scope:
        """These facts, to evaluate the rules on; raises ValueError for a naive time, Unreadable."""
        return self.conditions.scope(facts, self.variables, now, fused=self.fused)


@dataclass(frozen=True, slots=True)
class RuleLook:
    """One rule on one subject, with every atom of its condition.

    Attributes:
        kind: whether it stands under `exclude` or under `rule.match`.
        matched: None where it could not be told; `fault` says why.
        audit: shown, never applied.
    """

    rule: str
    kind: Literal["exclude", "match"]
    matched: bool | None
    fault: str
    audit: bool
    shape: Shape
    atoms: tuple[AtomValue, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """A ruling with all that led to it."""

    ruling: Ruling
    rules: tuple[RuleLook, ...]


@dataclass(slots=True)  # not frozen: one is made for every judgement, and that takes thrice as long
class Found:
    """What the rules of one document give on one subject.

    Attributes:
        bits: of each rule in its order, exclusions first; None where it has a fault.
        faults: of those, by their place.
        decides: the place of the first rule that matched or has a fault; -1 for none.
    """

    rules: RuleSet
    scope: Scope | None
    facts: Facts
    now: datetime
    bits: Sequence[bool | None]
    faults: Mapping[int, str]
    decides: int

    @property
    def rule(self) -> CompiledRule | None:
        """The rule that fires; None for none, also where a fault came before it."""
        return self.rules.all[self.decides] if self.decides >= 0 and not self.faulty else None

    @property
    def faulty(self) -> bool:
        """Whether a fault came before any rule that matched."""
        return self.decides in self.faults

    def atoms(self, place: int) -> tuple[AtomValue, ...]:
        """The atoms of one rule."""
        condition = self.rules.all[place].condition
        if condition is None:
            return ()
        fault = self.faults.get(place) if self.faults else None
        if fault and fault.startswith(Unreadable.BEGINS):
            return unseen(condition, fault)
        rules = self.rules
        seen = rules.conditions.seen(condition, rules.variables, self.facts, self.now)
        if seen:
            return seen
        try:
            return self._scope().atoms(condition)
        except Unreadable as wrong:
            return unseen(condition, str(wrong))

    def explanation(self) -> dict[str, Value]:
        """What the rule that fired says for itself, to be named in its text."""
        rule = self.rule
        if rule is None or rule.explanation is None:
            return {}
        with suppress(Unreadable):  # an answer that only the explanation looks at
            said = self._scope().evaluate(rule.explanation).value
            return {"explanation": said} if isinstance(said, str) else {}
        return {}

    def results(self) -> tuple[RuleResult, ...]:
        """Of every rule."""
        told, bits, faults = self.rules.told, self.bits, self.faults
        if not faults:
            return tuple(map(getitem, told, bits))  # type: ignore[arg-type] # no fault, no None
        return tuple(
            one[bit] if bit is not None else replace(one[0], matched=None, fault=faults[place])
            for place, (one, bit) in enumerate(zip(told, bits, strict=True))
        )

    def _scope(self) -> Scope:
        return self.scope or self.rules.scope(self.facts, self.now)


def find(rules: RuleSet, facts: Facts, now: datetime) -> Found:
    """Evaluate every rule; the first one that matches decides, unless a fault comes before it."""
    if rules.fast is not None:
        bits = rules.fast.bits(facts, now)
        if bits is not None:
            return Found(rules, None, facts, now, bits, {}, _first(rules, bits))
    try:
        return _by_library(rules, facts, now)
    except Unreadable as wrong:  # then no rule can be trusted
        faults = dict.fromkeys(range(len(rules.all)), str(wrong))
        none: list[bool | None] = [None] * len(faults)
        return Found(rules, None, facts, now, none, faults, _first(rules, none))


def _by_library(rules: RuleSet, facts: Facts, now: datetime) -> Found:
    """All rules at once, or one by one to name what has a fault; raises Unreadable."""
    scope = None
    if rules.fused is not None and not rules.variables:
        told = rules.fused.bits(facts, _NONE, now)  # no scope for nothing
    else:
        scope = rules.scope(facts, now)
        told = scope.bits()
    every: list[bool | None]
    if told is not None:
        every = [*told]
        for place in rules.always:
            every.insert(place, True)
        first = _first(rules, every) if rules.on_trial or not rules.always else every.index(True)
        return Found(rules, scope, facts, now, every, _NONE, first)
    every, faults = [], dict[int, str]()
    scope = scope or rules.scope(facts, now)
    for place, one in enumerate(rules.all):
        outcome = scope.evaluate(one.condition) if one.condition else Outcome(True)
        every.append(None if outcome.fault else outcome.value is True)
        if outcome.fault:
            faults[place] = outcome.fault
    return Found(rules, scope, facts, now, every, faults, _first(rules, every))


def unreadable(ruling: Ruling) -> bool:
    """Whether no rule could look at the facts, as one of their values is of another type."""
    return any(one.fault.startswith(Unreadable.BEGINS) for one in ruling.results)


def looks(rules: RuleSet, facts: Facts, now: datetime, ruling: Ruling) -> tuple[RuleLook, ...]:
    """Every rule with its atoms, where `ruling` is what it led to."""
    bits = [one.matched for one in ruling.results]
    faults = {place: one.fault for place, one in enumerate(ruling.results) if one.fault}
    found = Found(rules, None, facts, now, bits, faults, -1)
    with suppress(Unreadable):
        found = replace(found, scope=rules.scope(facts, now))
    return tuple(
        RuleLook(
            rule=result.rule,
            kind="exclude" if isinstance(one.rule, Exclusion) else "match",
            matched=result.matched,
            fault=result.fault,
            audit=result.audit,
            shape=one.condition.shape if one.condition else Shape("and"),
            atoms=found.atoms(place),
        )
        for place, (one, result) in enumerate(zip(rules.all, ruling.results, strict=True))
    )


def _first(rules: RuleSet, bits: Sequence[bool | None]) -> int:
    for place, bit in enumerate(bits):
        if bit is not False and place not in rules.on_trial:
            return place
    return -1
