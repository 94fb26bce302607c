"""The rules of one document, compiled: params first, then variables, then every rule."""

from collections.abc import Mapping, Sequence

import yaml

from gatekeeper.policy.budget import check_counts, check_size
from gatekeeper.policy.club_document import Form
from gatekeeper.policy.conditions import RESERVED, ConditionError, Conditions, Want
from gatekeeper.policy.document import AdmissionSpec, Exclusion, Invariant, PruningSpec
from gatekeeper.policy.evaluation import CompiledInvariant, CompiledRule, Rule, RuleSet
from gatekeeper.policy.facts import ApplicationFacts, MemberFacts, schema_of
from gatekeeper.policy.growth import TooHeavy, Weights
from gatekeeper.policy.lints import check_reserved, check_unique
from gatekeeper.policy.places import Path, Sheet, find
from gatekeeper.policy.plain import param_type, read_param
from gatekeeper.policy.scope import Condition
from gatekeeper.policy.shadows import check_repeats


def compile_rules(
    sheet: Sheet, node: yaml.Node, spec: AdmissionSpec | PruningSpec, form: Form
) -> RuleSet | None:
    """The rules of the document at `node`; None, with findings, where something is wrong."""
    before = len(sheet.findings)
    check_counts(sheet, node, spec)
    check_repeats(sheet, node, spec)
    params = _params(sheet, node, spec.params)
    names = [question.id for question in form.questions]
    if {*names, *params} & RESERVED or len(set(names)) < len(names):
        return None
    compiler = _Compiler(sheet, node, _environment(spec, form, params))
    compiler.variables_of(spec)
    exclude = spec.exclude if isinstance(spec, PruningSpec) else ()
    excluded = compiler.rules(("spec", "exclude"), exclude)
    matching = compiler.rules(("spec", "rule", "match"), spec.rule.match)
    invariants = compiler.invariants(spec.invariants)
    if any(one.level == "error" for one in sheet.findings[before:]):
        return None
    conditions, variables = compiler.conditions, compiler.variables
    rules = (*excluded, *matching)
    fused = conditions.fuse(
        [each.condition for each in rules if each.condition],
        [*variables.values(), *(each.explanation for each in rules if each.explanation)],
    )
    return RuleSet(conditions, params, variables, excluded, matching, invariants, fused)


def _environment(
    spec: AdmissionSpec | PruningSpec, form: Form, params: Mapping[str, object]
) -> Conditions:
    if isinstance(spec, AdmissionSpec):
        return Conditions("application", schema_of(ApplicationFacts, form), params)
    return Conditions("member", schema_of(MemberFacts, Form()), params)


def _params(sheet: Sheet, node: yaml.Node, written: Mapping[str, object]) -> dict[str, object]:
    """The params that conditions can use; findings for the rest."""
    params: dict[str, object] = {}
    for name, value in written.items():
        path: Path = ("spec", "params", name)
        check_reserved(sheet, node, path, name)
        try:
            read = read_param(value)
            param_type(read)
        except (ValueError, TypeError):
            sheet.at(node, path, "bad-param", name=name)
        else:
            params[name] = read
    return params


class _Compiler:
    """Compiles one document's expressions; a variable that cannot be used is told of once."""

    def __init__(self, sheet: Sheet, node: yaml.Node, conditions: Conditions) -> None:
        self.sheet, self.node, self.conditions = sheet, node, conditions
        self.variables: dict[str, Condition] = {}
        self.failed: set[str] = set()
        self.weights = Weights(conditions.subject_schema, conditions.params)

    def variables_of(self, spec: AdmissionSpec | PruningSpec) -> None:
        for index, variable in enumerate(spec.variables):
            here: Path = ("spec", "variables", index)
            check_reserved(self.sheet, self.node, (*here, "name"), variable.name)
            if variable.name in self.variables or variable.name in self.failed:
                self.sheet.at(self.node, (*here, "name"), "duplicate-id", id=variable.name)
                continue
            compiled = self.compile(
                (*here, "expression"), variable.expression, "any", name=variable.name
            )
            if compiled is None or variable.name in RESERVED:
                self.failed.add(variable.name)
            else:
                self.variables[variable.name] = compiled
                self.conditions = self.conditions.with_variable(variable.name, compiled.type)

    def rules(self, path: Path, rules: Sequence[Rule]) -> tuple[CompiledRule, ...]:
        made = []
        for index, rule in enumerate(rules):
            here = (*path, index)
            condition = self.compile((*here, "condition"), rule.condition, "bool")
            explanation = None
            if not isinstance(rule, Exclusion):
                explanation = self.compile((*here, "explanation"), rule.explanation, "string")
            made.append(CompiledRule(rule, condition, explanation))
        return tuple(made)

    def invariants(self, written: Sequence[Invariant]) -> tuple[CompiledInvariant, ...]:
        path: Path = ("spec", "invariants")
        check_unique(self.sheet, self.node, path, "id", [each.id for each in written])
        wider = self.conditions.with_words("verdict", "rule") if written else self.conditions
        made = []
        for index, each in enumerate(written):
            here = (*path, index, "condition")
            condition = self.compile(here, each.condition, "bool", wider)
            if condition:
                mark = find(self.node, here).node.start_mark
                line, column = mark.line + 1, mark.column + 1
                made.append(CompiledInvariant(each, wider, condition, line, column))
        return tuple(made)

    def compile(
        self,
        path: Path,
        source: str,
        want: Want,
        conditions: Conditions | None = None,
        name: str = "",
    ) -> Condition | None:
        """The compiled expression, of the variable `name` if it is one; None for none and for one
        that has findings now."""
        if not source.strip():
            return None
        try:
            compiled = (conditions or self.conditions).compile(source, want)
        except ConditionError as error:
            for problem in error.problems:
                values = dict(problem.values)
                unknown = problem.code == "condition-unknown-name"
                if unknown and str(values["name"]).removeprefix("variables.") in self.failed:
                    continue
                self.sheet.at_letter(self.node, path, problem.offset, problem.code, **values)
            return None
        check_size(self.sheet, self.node, path, compiled, self.conditions.params)
        try:
            self.weights.add(compiled.tree, name)
        except TooHeavy as heavy:
            self.sheet.at(self.node, path, "too-heavy", count=heavy.count, most=heavy.most)
            return None
        return compiled
