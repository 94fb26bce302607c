"""Rules that can never decide, and conditions that are no question."""

from collections.abc import Mapping
from typing import TypeAlias

import yaml

from gatekeeper.policy.document import AdmissionSpec, Exclusion, PruningSpec
from gatekeeper.policy.evaluation import CompiledRule, Rule, RuleSet, is_on_trial
from gatekeeper.policy.lints import MATCH, always
from gatekeeper.policy.normal import FALSE, Normal, Term, constant_of, implies
from gatekeeper.policy.places import Path, Sheet
from gatekeeper.policy.together import Budget, covering

NEAR = 60  # rules before one that are looked at together

_Earlier: TypeAlias = list[tuple[CompiledRule, Term]]  # enforced rules, each with its term


def check_repeats(sheet: Sheet, node: yaml.Node, spec: AdmissionSpec | PruningSpec) -> None:
    """Findings where a condition stands twice: rule-contradicts (an error), rule-twice."""
    lists: list[tuple[Path, tuple[Rule, ...]]] = [(MATCH, spec.rule.match)]
    if isinstance(spec, PruningSpec):
        lists.append((("spec", "exclude"), spec.exclude))
    for path, rules in lists:
        seen: dict[str, Rule] = {}
        for index, rule in enumerate(rules):
            condition = rule.condition.strip()
            if is_on_trial(rule) or condition in {"", "true"}:
                continue
            first = seen.setdefault(condition, rule)
            if first is not rule:
                same = isinstance(rule, Exclusion) or _output(first) == _output(rule)
                code = "rule-twice" if same else "rule-contradicts"
                sheet.at(node, (*path, index, "id"), code, id=rule.id, before=first.id)


def check_shadows(sheet: Sheet, node: yaml.Node, rules: RuleSet) -> None:
    """Findings about rules that an earlier one leaves nothing, and about constant conditions."""
    normal = Normal(rules.params, rules.variables)
    earlier: _Earlier = []
    budget = Budget()
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
            if compiled.on_trial:
                continue
            if constant is not False:
                _check_before(sheet, node, here, compiled, term, earlier, budget)
            earlier.append((compiled, FALSE if constant is False else term))


def _check_before(
    sheet: Sheet,
    node: yaml.Node,
    here: Path,
    compiled: CompiledRule,
    term: Term,
    earlier: _Earlier,
    budget: Budget,
) -> None:
    """A finding where one rule, or some together, match before this one wherever it would."""
    found = next((one for one, other in earlier if implies(term, other)), None)
    if found is not None:
        if not _is_told(compiled, found):
            values = {"id": compiled.rule.id, "before": found.rule.id}
            sheet.at(node, (*here, "id"), "rule-shadowed", **values)
        return
    near = earlier[-NEAR:]
    some = covering(term, [other for _, other in near], budget)
    if some:
        before = ", ".join(near[place][0].rule.id for place in some)
        sheet.at(node, (*here, "id"), "rule-covered", id=compiled.rule.id, before=before)


def _is_told(compiled: CompiledRule, found: CompiledRule) -> bool:
    """Whether it was told already that `found` leaves nothing to a rule."""
    listed = isinstance(found.rule, Exclusion) is isinstance(compiled.rule, Exclusion)
    told = listed and not isinstance(found.rule, Exclusion) and always(found.rule)
    same = listed and found.rule.condition.strip() == compiled.rule.condition.strip()
    return told or same


def _output(rule: Rule) -> object:
    return None if isinstance(rule, Exclusion) else (rule.output, rule.explanation)
