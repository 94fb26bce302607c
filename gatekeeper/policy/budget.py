"""How large a document of rules may be, so that checking and judging it stay short.

The library bounds iterations and memory of one evaluation; these bounds keep a policy readable
and its checks (every rule against every earlier one) within a second.
"""

import re
from collections.abc import Mapping

import yaml

from gatekeeper.policy import expressions
from gatekeeper.policy.document import AdmissionSpec, PruningSpec
from gatekeeper.policy.expressions import Expr
from gatekeeper.policy.places import Path, Sheet
from gatekeeper.policy.scope import Condition

RULES = 300  # of one document, exclusions among them
VARIABLES = 100
PARAM_LIST = 10_000  # elements of a list under `params`
NODES = 1_000  # parts of one expression: names, constants, operators
LIST = 200  # elements of a list inside an expression
PATTERN = 4_000  # letters of a regular expression
LOOPS = 2  # all, exists, filter, map inside one another

_MACRO = re.compile(r"\b(?:all|exists|exists_one|existsOne|filter|map)\s*\(")


def check_counts(sheet: Sheet, node: yaml.Node, spec: AdmissionSpec | PruningSpec) -> None:
    """Findings where a document has too many rules or variables, or a param too many elements."""
    exclude = spec.exclude if isinstance(spec, PruningSpec) else ()
    if len(exclude) + len(spec.rule.match) > RULES:
        sheet.at_key(node, ("spec", "rule", "match"), "too-many-rules", most=RULES)
    if len(spec.variables) > VARIABLES:
        sheet.at_key(node, ("spec", "variables"), "too-many-variables", most=VARIABLES)
    for name, value in spec.params.items():
        if isinstance(value, list) and len(value) > PARAM_LIST:
            path: Path = ("spec", "params", name)
            sheet.at_key(node, path, "list-too-long", count=len(value), most=PARAM_LIST)


def check_size(
    sheet: Sheet, node: yaml.Node, path: Path, condition: Condition, params: Mapping[str, object]
) -> None:
    """Findings where the compiled expression at `path` is too large."""
    if _is_short(condition.source, params):
        return
    tree = condition.tree
    every = list(expressions.walk(tree.expr))
    if len(every) > NODES:
        sheet.at(node, path, "condition-too-large", count=len(every), most=NODES)
        return
    places = tree.places()

    def tell(expr: Expr, code: str, count: int, most: int) -> None:
        inside = [places[one.id] for one in expressions.walk(expr) if one.id in places]
        sheet.at_letter(node, path, min(inside, default=0), code, count=count, most=most)

    for expr in every:
        kind = expr.kind
        if kind == "list" and len(expr.elements) > LIST:
            tell(expr, "list-too-long", len(expr.elements), LIST)
        elif kind == "call" and expr.call.function == "matches":
            letters = _letters(expr.call.args[-1], params)
            if letters > PATTERN:
                tell(expr.call.args[-1], "pattern-too-long", letters, PATTERN)
    deepest = _loops(tree.expr)
    if deepest > LOOPS:
        tell(tree.expr, "loops-too-deep", deepest, LOOPS)


def _is_short(source: str, params: Mapping[str, object]) -> bool:
    """Whether the text alone shows that no bound is met: no tree has two parts for a letter."""
    longest = max((len(each) for each in params.values() if isinstance(each, str)), default=0)
    return (
        2 * len(source) <= NODES
        and source.count(",") < LIST
        and longest <= PATTERN
        and len(_MACRO.findall(source)) <= LOOPS
    )


def _letters(expr: Expr, params: Mapping[str, object]) -> int:
    where = expressions.path(expr)
    value = params.get(where[1]) if len(where) == 2 and where[0] == "params" else None
    return len(value) if isinstance(value, str) else len(expr.const.string)


def _loops(expr: Expr) -> int:
    """How many loops stand inside one another at most."""
    inside = max((_loops(part) for part in expressions.parts(expr)), default=0)
    return inside + (expr.kind == "loop")
