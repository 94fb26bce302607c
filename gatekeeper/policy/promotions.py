"""What a new version of a policy would newly apply: what was only on trial, and removing at all.

Nothing of this comes into force by an edit alone: an admin sees first what it would have done.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from gatekeeper.domain.errors import Value
from gatekeeper.policy.document import AdmissionSpec, Mode, PruningSpec
from gatekeeper.policy.evaluation import RuleSet
from gatekeeper.policy.facts import Subject
from gatekeeper.policy.judge import Policy, RuleKind, Trial
from gatekeeper.policy.texts import DEFAULT, sentence

ADMISSION: Final = "AdmissionPolicy"
PRUNING: Final = "PruningPolicy"

Spec: TypeAlias = AdmissionSpec | PruningSpec


@dataclass(frozen=True, slots=True)
class Promotion:
    """One thing that becomes enforced.

    Attributes:
        code: promotion.document, promotion.rule or promotion.removes, in the catalogue.
        trial: how differences name it (see `Shadow`); "" for what was never tried.
    """

    code: str
    trial: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)


def promotions(before: Policy, after: Policy) -> tuple[Promotion, ...]:
    """What becomes enforced when `after` follows `before`; () for an edit like any other."""
    found: list[Promotion] = []
    for kind in (ADMISSION, PRUNING):
        if _spec(after, kind).mode_in_force is Mode.ENFORCE:
            found += _document(before, after, kind) or _rules(before, after, kind)
    if can_remove(after) and not can_remove(before):
        found.append(Promotion("promotion.removes"))
    return tuple(found)


def can_remove(policy: Policy) -> bool:
    """Whether a rule in force removes people."""
    spec = policy.pruning
    if spec.mode_in_force is not Mode.ENFORCE:
        return False
    return any(r.output.action == "remove" and r.mode is Mode.ENFORCE for r in spec.rule.match)


def _document(before: Policy, after: Policy, kind: RuleKind) -> list[Promotion]:
    """A document that was in audit mode, alone or beside the one in force, and now decides."""
    name, was = _name(after, kind), _name(before, kind)
    promoted = [trial for trial in before.trials if trial.kind == kind and trial.name == name]
    if name == was:  # two of one name: the content tells which of them decides now
        promoted = [t for t in promoted if t.spec.rule == _spec(after, kind).rule]
    alone = _spec(before, kind).mode_in_force is Mode.AUDIT
    if not alone and not promoted:
        return []
    trial = f"document:{was if alone else name}"
    return [Promotion("promotion.document", trial, {"kind": kind, "name": name})]


def _rules(before: Policy, after: Policy, kind: RuleKind) -> list[Promotion]:
    """Rules that were in audit mode, or in a document on trial alone, by their ids."""
    rules = _spec(before, kind).rule.match
    tried = {rule.id for rule in rules if rule.mode is Mode.AUDIT}
    for trial in before.trials:
        if trial.kind == kind:
            tried |= {rule.id for rule in trial.spec.rule.match} - {rule.id for rule in rules}
    return [
        Promotion("promotion.rule", f"rule:{rule.id}", {"kind": kind, "name": rule.id})
        for rule in _spec(after, kind).rule.match
        if rule.id in tried and rule.mode is Mode.ENFORCE
    ]


def _spec(policy: Policy, kind: RuleKind) -> Spec:
    return policy.admission if kind == ADMISSION else policy.pruning


def _name(policy: Policy, kind: RuleKind) -> str:
    return policy.admission_name if kind == ADMISSION else policy.pruning_name


# ---- Trials ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shadow:
    """One thing on trial, and the policy as it would decide with that in force.

    Attributes:
        name: document:<name> or rule:<id>.
        kind: AdmissionPolicy or PruningPolicy.
    """

    name: str
    kind: RuleKind
    policy: Policy

    @property
    def label(self) -> str:
        """The rule's id or the document's name alone."""
        return self.name.partition(":")[2]

    @property
    def subject(self) -> Subject:
        """Whom it judges."""
        return "application" if self.kind == ADMISSION else "member"


def title(trial: str, language: str = DEFAULT) -> str:
    """A trial's name in words: rule chatty."""
    what, _, name = trial.partition(":")
    return sentence(f"trial.{what}", {"name": name}, language)


def shadows(policy: Policy) -> tuple[Shadow, ...]:
    """Everything that is on trial in a version."""
    return tuple(_shadows(policy))


def judges(policy: Policy, subject: Subject) -> Mapping[str, Policy]:
    """The policy as "", and with each thing in force that is on trial, by that one's id or name."""
    found = {one.label: one.policy for one in shadows(policy) if one.subject == subject}
    return {"": policy, **found}


def _shadows(policy: Policy) -> Iterator[Shadow]:
    for trial in policy.trials:
        yield Shadow(f"document:{trial.name}", trial.kind, policy.promoted(trial))
    for kind in (ADMISSION, PRUNING):
        spec = _spec(policy, kind)
        if spec.mode_in_force is Mode.AUDIT:  # its rules are tried with it
            name = f"document:{_name(policy, kind)}"
            yield Shadow(name, kind, _with_rules(policy, kind, _rule_set(policy, kind)))
            continue
        for index, compiled in enumerate(_rule_set(policy, kind).match):
            if compiled.on_trial:
                rules = _with_rule(_rule_set(policy, kind), index)
                name = f"rule:{compiled.rule.id}"
                yield Shadow(name, kind, _with_rules(policy, kind, rules))


def _rule_set(policy: Policy, kind: RuleKind) -> RuleSet:
    return policy.admission_rules if kind == ADMISSION else policy.pruning_rules


def _with_rule(rules: RuleSet, index: int) -> RuleSet:
    """The rules with one of them in force that is on trial."""
    old = rules.match[index]
    rule = old.rule.model_copy(update={"mode": Mode.ENFORCE})
    match = (*rules.match[:index], replace(old, rule=rule), *rules.match[index + 1 :])
    return replace(rules, match=match)


def _with_rules(policy: Policy, kind: RuleKind, rules: RuleSet) -> Policy:
    """The policy with these rules in force in the document of a kind."""
    trial = Trial(kind, _name(policy, kind), _spec(policy, kind), rules)
    return policy.promoted(trial)
