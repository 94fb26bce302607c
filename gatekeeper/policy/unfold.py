"""A verdict with all that led to it, variables that are true or false taken apart too."""

from dataclasses import replace
from datetime import datetime

from gatekeeper.policy.atoms import AtomValue, Shape
from gatekeeper.policy.evaluation import Inspection, RuleLook, RuleSet
from gatekeeper.policy.facts import Facts, subject_of
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.scope import Scope


def look_into(policy: Policy, facts: Facts, now: datetime) -> Inspection:
    """Every rule and every atom, for either subject.

    Where a condition is, or contains, a variable that is true or false, the atoms of its
    expression stand in its place: they are what was seen.
    """
    rules = policy.rules_for(subject_of(facts))
    inspection = policy.look_into(facts, now)
    if not any(condition.type.scalar is bool for condition in rules.variables.values()):
        return inspection
    scope = rules.scope(facts, now)
    looks = tuple(_unfolded(look, rules, scope) for look in inspection.rules)
    return replace(inspection, rules=looks)


def _unfolded(look: RuleLook, rules: RuleSet, scope: Scope) -> RuleLook:
    atoms: list[AtomValue] = []
    shape = _taken_in(look.shape, look.atoms, atoms, rules, scope)
    return replace(look, shape=shape, atoms=tuple(atoms))


def _taken_in(
    shape: Shape, old: tuple[AtomValue, ...], new: list[AtomValue], rules: RuleSet, scope: Scope
) -> Shape:
    """`shape` over the atoms in `new`, to which those that it needs are added."""
    if shape.kind != "atom":
        parts = tuple(_taken_in(part, old, new, rules, scope) for part in shape.parts)
        return replace(shape, parts=parts)
    seen = old[shape.atom]
    path = seen.atom.operands[0].path if not seen.atom.operator and seen.atom.operands else ()
    variable = rules.variables.get(path[1]) if path[:1] == ("variables",) else None
    if variable is None or variable.type.scalar is not bool or variable.type.many:
        new.append(seen)
        return replace(shape, atom=len(new) - 1)
    return _taken_in(variable.shape, scope.atoms(variable), new, rules, scope)
