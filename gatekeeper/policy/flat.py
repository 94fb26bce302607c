"""Conditions as one flat program: every name it looks at becomes a variable of a known type.

The library converts a variable of a known type several times faster than a field of a map, and
only where it is looked at. What a condition gives stays the same; whatever cannot be made flat is
evaluated as it was checked.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from gatekeeper.policy import expressions, moments
from gatekeeper.policy.binding import Environment, converter
from gatekeeper.policy.expressions import Expr, Tree
from gatekeeper.policy.facts import Schema, Type
from gatekeeper.policy.hoist import Signal
from gatekeeper.policy.reader import Entry, Fused, Names, Reader, flat_bits

_NOW = ("now",)
_NAMES = {"ident", "select"}


class _Flat:
    """The names of one program, given out as they are found; nobody can write them ("~").

    Attributes:
        kinds: types by name.
        values, moments, asked: the name of a value, of a time or span as a whole number, of
            whether there is a value.
    """

    def __init__(self, groups: Schema, subject: str, signals: Mapping[str, Signal]) -> None:
        self.groups, self.subject, self.signals = groups, subject, signals
        self.kinds: dict[str, Type] = {}
        self.values: dict[Names, str] = {}
        self.moments: dict[Names, str] = {}
        self.asked: dict[Names, str] = {}

    def take(self, expr: Expr) -> bool:
        """Exchange every name inside `expr`; False where one is no plain value."""
        what = expr.kind
        if what == "const":
            return True
        if what == "call" and moments.exchange(expr, self._fact, self._moment):
            return True
        path = expressions.path(expr) if what in _NAMES else ()
        if path and path[0] in self.groups:
            if path[0] == "variables" and path[1:] and path[1] in self.signals:
                return self._write(expr, path[1], self.signals[path[1]].kind)
            kind = self.kind(path)
            if kind is None:
                return False
            if expr.asks:
                name = self.asked.setdefault(path, f"~h{len(self.asked)}")
                return self._write(expr, name, Type(bool))
            name = self.values.setdefault(path, f"~v{len(self.values)}")
            return self._write(expr, name, kind)
        if path == _NOW:
            name = self.values.setdefault(_NOW, "now")
            return self._write(expr, name, Type(datetime))
        return all(self.take(part) for part in expressions.parts(expr))

    def kind(self, path: Names) -> Type | None:
        """Of the plain value at `path`; None where there is none."""
        kind: Any = self.groups
        for step in path:
            kind = kind.get(step) if isinstance(kind, Mapping) else None
        return kind if isinstance(kind, Type) else None

    def _fact(self, path: Names) -> Type | None:
        return self.kind(path) if path[0] == self.subject else None

    def _moment(self, path: Names) -> str:
        name = self.moments.setdefault(path, f"~t{len(self.moments)}")
        self.kinds[name] = Type(int)
        return name

    def _write(self, expr: Expr, name: str, kind: Type) -> bool:
        expr.become(expressions.ident(name))
        self.kinds[name] = Type(kind.scalar, kind.many)
        return True


def flatten(
    environment: Environment,
    tree: Tree,
    groups: Schema,
    signals: Iterable[Signal],
    params: Mapping[str, object],
    whole: Reader,
) -> Fused | None:
    """The list of conditions in `tree`, which is changed, as one program; None where it cannot be.

    Args:
        groups: the subject first, then params and variables, each with its names and types.
        signals: what was worked out before, standing in the tree as variables.<name>.
        params: as the library takes them.
        whole: hands over everything, for when conditions are evaluated one by one.
    """
    subject, tested = next(iter(groups)), {one.name: one for one in signals}
    flat = _Flat(groups, subject, tested)
    places: list[int | str] = []
    left: list[Expr] = []
    for expr in tree.expr.elements:
        path = expressions.path(expr)
        if path[:1] == ("variables",) and path[1] in tested:
            places.append(path[1])
        elif flat.take(expr):
            places.append(len(left))
            left.append(expr)
        else:
            return None
    tree.expr.elements = left
    looked_at = {name: params[path[1]] for path, name in flat.values.items() if path[0] == "params"}
    return Fused(
        bits=flat_bits(
            _entries(flat, tested.values()),
            looked_at,
            (flat.values.get(_NOW, ""), flat.moments.get(_NOW, "")),
            environment.flat(tree, flat.kinds) if left else None,
            places,
        ),
        variables={path[1]: name for path, name in flat.values.items() if path[0] == "variables"},
        whole=whole,
    )


def _entries(flat: _Flat, signals: Iterable[Signal]) -> tuple[list[Entry], list[Entry]]:
    """What becomes of the subject's own values, and of answers."""
    tests: dict[Names, list[Signal]] = {}
    for one in signals:
        tests.setdefault(one.path, []).append(one)
    fields: list[Entry] = []
    answers: list[Entry] = []
    for path in sorted({*flat.values, *flat.moments, *flat.asked, *tests}):
        if path[0] == flat.subject:
            kind = flat.kind(path)
            assert kind is not None
            entry = Entry(
                name=path[-1],
                kind=kind,
                convert=converter(kind),
                value=flat.values.get(path, ""),
                moment=flat.moments.get(path, ""),
                asked=flat.asked.get(path, ""),
                signals=tuple(tests.get(path, ())),
                needed=frozenset(flat.kinds),
            )
            (fields if len(path) == 2 else answers).append(entry)
    return fields, answers
