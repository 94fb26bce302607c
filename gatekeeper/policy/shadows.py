"""Rules that can never decide, and conditions that are no question."""

from collections.abc import Mapping

import yaml

from gatekeeper.policy.document import AdmissionSpec, Exclusion, Mode, PruningSpec
from gatekeeper.policy.evaluation import CompiledRule, Rule, RuleSet
from gatekeeper.policy.lints import MATCH, always
from gatekeeper.policy.normal import FALSE, Normal, Term, constant_of, implies
from gatekeeper.policy.places import Path, Sheet


def check_repeats(sheet: Sheet, node: yaml.Node, spec: AdmissionSpec | PruningSpec) -> None:
    """Findings where a condition stands twice: rule-contradicts (an error), rule-twice."""
    lists: list[tuple[Path, tuple[Rule, ...]]] = [(MATCH, spec.rule.match)]
    if isinstance(spec, PruningSpec):
        lists.append((("spec", "exclude"), spec.exclude))
    for path, rules in lists:
        seen: dict[str, Rule] = {}
        for index, rule in enumerate(rules):
            condition = rule.condition.strip()
            if _on_trial(rule) or condition in {"", "true"}:
                continue
            first = seen.setdefault(condition, rule)
            if first is not rule:
                same = isinstance(rule, Exclusion) or _output(first) == _output(rule)
                code = "rule-twice" if same else "rule-contradicts"
                sheet.at(node, (*path, index, "id"), code, id=rule.id, before=first.id)


def check_shadows(sheet: Sheet, node: yaml.Node, rules: RuleSet) -> None:
    """Findings about rules that an earlier one leaves nothing, and about constant conditions."""
    normal = Normal(rules.params, rules.variables)
    earlier: list[tuple[CompiledRule, Term]] = []
    texts: Mapping[Path, tuple[CompiledRule, ...]] = {
        ("spec", "exclude"): rules.exclude,
        MATCH: rules.match,
    }
    for path, listed in texts.items():
        for index, compiled in enumerate(listed):
            here = (*path, index)
            term = normal.of(compiled.condition)
            constant = constant_of(term)
            if constant is not None and compiled.condition and not always(compiled.rule):
                code = "condition-always" if constant else "condition-never"
                sheet.at(node, (*here, "condition"), code, id=compiled.rule.id)
            if _on_trial(compiled.rule):
                continue
            before = _before(compiled, term, earlier) if constant is not False else None
            if before:
                values = {"id": compiled.rule.id, "before": before.id}
                sheet.at(node, (*here, "id"), "rule-shadowed", **values)
            earlier.append((compiled, FALSE if constant is False else term))


def _before(
    compiled: CompiledRule, term: Term, earlier: list[tuple[CompiledRule, Term]]
) -> Rule | None:
    """The first rule that matches wherever this one does, unless that was told already."""
    found = next((one for one, other in earlier if implies(term, other)), None)
    if found is None:
        return None
    listed = isinstance(found.rule, Exclusion) is isinstance(compiled.rule, Exclusion)
    told = listed and not isinstance(found.rule, Exclusion) and always(found.rule)
    same = listed and found.rule.condition.strip() == compiled.rule.condition.strip()
    return None if told or same else found.rule


def _on_trial(rule: Rule) -> bool:
    return not isinstance(rule, Exclusion) and rule.mode is Mode.AUDIT


def _output(rule: Rule) -> object:
    return None if isinstance(rule, Exclusion) else (rule.output, rule.explanation)
