"""The values around which the conditions of a policy turn, read from their checked trees.

For each fact that a condition names, the constants it is compared with: 2 for `vouches`, 30 days
for `last_declined_at`, the letters of a size(). Whoever makes up facts takes values on both sides.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from gatekeeper.policy import expressions
from gatekeeper.policy.base import parse_duration
from gatekeeper.policy.evaluation import RuleSet
from gatekeeper.policy.scope import Condition

Constant: TypeAlias = bool | int | float | str | datetime | timedelta
Constants: TypeAlias = Mapping[tuple[str, ...], tuple[Constant, ...]]

_LOGIC = {"_&&_", "_||_", "!_", "_?_:_"}


def constants(rules: RuleSet, more: Iterable[Condition] = ()) -> Constants:
    """Each fact that the rules, their variables or `more` name, with what it is compared with."""
    conditions = [one.condition for one in rules.all if one.condition]
    conditions += [*rules.variables.values(), *more]
    found: defaultdict[tuple[str, ...], dict[Constant, None]] = defaultdict(dict)
    for condition in conditions:
        for leaf in _leaves(condition.tree.expr):
            known = list(_known(leaf, rules))
            for path in _facts(leaf, rules):
                found[path].update(dict.fromkeys(known))
    return {path: tuple(values) for path, values in found.items()}


def _leaves(expr: Any) -> Iterator[Any]:
    """The parts that and, or, not and if-then-else hold together."""
    if expr.kind == "call" and expr.call.function in _LOGIC:
        for part in expr.call.args:
            yield from _leaves(part)
    else:
        yield expr


def _facts(leaf: Any, rules: RuleSet, seen: frozenset[str] = frozenset()) -> set[tuple[str, ...]]:
    """The facts in a leaf; those of a variable where it uses one."""
    found = set()
    for expr in expressions.walk(leaf):
        path = expressions.path(expr)
        if len(path) < 2:
            continue
        if path[0] == rules.conditions.subject:
            found.add(path)
        elif path[0] == "variables" and path[1] in rules.variables and path[1] not in seen:
            tree = rules.variables[path[1]].tree
            found |= _facts(tree.expr, rules, seen | {path[1]})
    return found


def _known(leaf: Any, rules: RuleSet) -> Iterator[Constant]:
    """The constants in a leaf: literals, durations, times, params and what stands in lists."""
    for expr in expressions.walk(leaf):
        path = expressions.path(expr)
        if len(path) == 2 and path[0] == "params":
            value = rules.params.get(path[1])
            for one in value if isinstance(value, list | tuple) else (value,):
                if isinstance(one, bool | int | float | str | datetime | timedelta):
                    yield one
        elif expr.kind == "const" and expr.const.field in {"int", "double", "string"}:
            yield from _read(expr.const.value)


def _read(value: Any) -> Iterator[Constant]:
    """A literal, and the duration or time that its text may be."""
    yield value
    if isinstance(value, str):
        with suppress(ValueError):
            yield parse_duration(value.removeprefix("-"))
        with suppress(ValueError):
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                yield moment
