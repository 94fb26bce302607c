"""How much of a policy its cases show: every rule, every condition and each part of it both ways.

A rule is shown by a case in which it decides (one on trial: in which it matches) and, where it has
a condition of several parts, by one in which it does not match. Each atom of a condition, such as
`application.vouches >= 2`, is shown by a case in which it is true and by one in which it is false;
so is each atom of a variable that is true or false. Constants count for nothing, and an atom that
looks at something absent is neither true nor false.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gatekeeper.domain.errors import Value
from gatekeeper.policy.atoms import AtomValue
from gatekeeper.policy.evaluation import Inspection, RuleSet
from gatekeeper.policy.facts import Facts, Subject, Type, subject_of
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.outcomes import WORDS
from gatekeeper.policy.scope import Condition
from gatekeeper.policy.texts import DEFAULT, sentence


@dataclass(frozen=True, slots=True)
class Look:
    """One subject looked into; `variables` holds the atoms of those that are true or false."""

    subject: Subject
    inspection: Inspection
    variables: Mapping[str, tuple[AtomValue, ...]]


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that no case shows.

    Attributes:
        code: coverage-rule-never, coverage-rule-not-first, coverage-rule-always,
            coverage-never-true, coverage-never-false.
        subject: application or member.
        rule: id of the rule, or variables.<name>.
        source: the atom as it is written, "" for a whole rule.
    """

    code: str
    subject: Subject
    rule: str
    source: str = ""

    def sentence(self, language: str = DEFAULT) -> str:
        """It in words."""
        values: dict[str, Value] = {"rule": self.rule, "source": self.source}
        return sentence(self.code, values, language)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What cases show of a policy: `covered` of `count` things, and the `missing` ones."""

    covered: int
    count: int
    missing: tuple[Missing, ...]

    @property
    def percent(self) -> float:
        """Rounded down to a tenth: 100 only where nothing is missing."""
        return 100.0 if not self.missing else self.covered * 1000 // self.count / 10

    def lines(self, language: str = DEFAULT) -> tuple[str, ...]:
        """What is missing, a line each, and how much is covered."""
        told = [each.sentence(language) for each in self.missing]
        values: dict[str, Value] = {
            "percent": self.percent,
            "covered": self.covered,
            "count": self.count,
        }
        return (*told, sentence("coverage-total", values, language))


@dataclass(slots=True)
class _Seen:
    """What was seen of one rule, or of one variable; atoms by their index."""

    fired: bool = False
    matched: bool = False
    passed: bool = False  # did not match
    true: set[int] = field(default_factory=set)
    false: set[int] = field(default_factory=set)

    def note(self, atoms: Iterable[AtomValue]) -> None:
        for index, atom in enumerate(atoms):
            if atom.value is not None:
                (self.true if atom.value else self.false).add(index)


def look_at(policy: Policy, facts: Facts, now: datetime) -> Look:
    """Look into one subject."""
    subject = subject_of(facts)
    rules = policy.rules_for(subject)
    told = _told(rules)
    variables: Mapping[str, tuple[AtomValue, ...]] = {}
    if told:
        scope = rules.scope(facts, now)
        variables = {name: scope.atoms(condition) for name, condition in told.items()}
    return Look(subject, policy.look_into(facts, now), variables)


def coverage_of(policy: Policy, looks: Iterable[Look]) -> Coverage:
    """What these looks show of the rules in force."""
    seen: dict[Subject, dict[str, _Seen]] = {}
    for subject in WORDS:
        rules = policy.rules_for(subject)
        names = [one.rule.id for one in rules.all] + [_name(name) for name in _told(rules)]
        seen[subject] = {name: _Seen() for name in names}
    for look in looks:
        _note(seen[look.subject], look, policy.rules_for(look.subject).on_trial)
    count, missing = 0, list[Missing]()
    for subject, known in seen.items():
        wanted = tuple(_wanted(subject, policy.rules_for(subject), known))
        count += len(wanted)
        missing += [each for each, shown in wanted if not shown]
    return Coverage(count - len(missing), count, tuple(missing))


def _told(rules: RuleSet) -> dict[str, Condition]:
    """The variables that are true or false."""
    return {name: one for name, one in rules.variables.items() if one.type == Type(bool)}


def _name(variable: str) -> str:
    return f"variables.{variable}"


def _note(seen: Mapping[str, _Seen], look: Look, on_trial: frozenset[int]) -> None:
    """Add what one look shows; the first rule that matches decides, also of a policy on trial."""
    decided = False
    for place, each in enumerate(look.inspection.rules):
        rule = seen[each.rule]
        rule.matched |= each.matched is True
        rule.passed |= each.matched is False
        if not decided and place not in on_trial:
            decided = each.matched is not False  # a fault decides too: for no rule
            rule.fired |= each.matched is True
        rule.note(each.atoms)
    for name, atoms in look.variables.items():
        seen[_name(name)].note(atoms)


def _wanted(
    subject: Subject, rules: RuleSet, seen: Mapping[str, _Seen]
) -> Iterator[tuple[Missing, bool]]:
    """What is to be shown of the rules of one document, and whether it was."""
    for compiled in rules.all:
        rule, known = compiled.rule.id, seen[compiled.rule.id]
        code = "coverage-rule-not-first" if known.matched else "coverage-rule-never"
        yield Missing(code, subject, rule), known.matched if compiled.on_trial else known.fired
        if compiled.condition:
            if len(compiled.condition.atoms) > 1:
                yield Missing("coverage-rule-always", subject, rule), known.passed
            yield from _atoms(subject, rule, compiled.condition, known)
    for name, condition in _told(rules).items():
        yield from _atoms(subject, _name(name), condition, seen[_name(name)])


def _atoms(
    subject: Subject, rule: str, condition: Condition, seen: _Seen
) -> Iterator[tuple[Missing, bool]]:
    for index, atom in enumerate(condition.atoms):
        if not all(each.constant for each in atom.operands):
            source = atom.source
            yield Missing("coverage-never-true", subject, rule, source), index in seen.true
            yield Missing("coverage-never-false", subject, rule, source), index in seen.false
