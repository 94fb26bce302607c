"""Conditions as one flat program: every name it looks at becomes a variable of a known type.

The library converts a variable of a known type several times faster than a field of a map, and
only where it is looked at. What a condition gives stays the same; whatever cannot be made flat is
evaluated as it was checked.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from gatekeeper.policy import expressions
from gatekeeper.policy.binding import Environment, converter
from gatekeeper.policy.facts import Schema, Type
from gatekeeper.policy.hoist import Signal, Test
from gatekeeper.policy.reader import Entry, Fused, Names, Read, Reader, flat_reader


class _Flat:
    """The names of one program, given out as they are found; nobody can write them ("~")."""

    def __init__(self, groups: Schema) -> None:
        self.groups = groups
        self.kinds: dict[str, Type] = {}
        self.values: dict[Names, str] = {}
        self.asked: dict[Names, str] = {}

    def take(self, expr: Any, signals: Mapping[str, Signal]) -> bool:
        """Exchange every name inside `expr`; False where one is no plain value."""
        path = expressions.path(expr)
        if path and path[0] in self.groups:
            if path[0] == "variables" and path[1:] and path[1] in signals:
                return self._write(expr, path[1], Type(bool))
            kind = self.kind(path)
            if kind is None:
                return False
            if expr.select.test_only:
                name = self.asked.setdefault(path, f"~h{len(self.asked)}")
                return self._write(expr, name, Type(bool))
            name = self.values.setdefault(path, f"~v{len(self.values)}")
            return self._write(expr, name, kind)
        if path == ("now",):
            self.kinds["now"] = Type(datetime)
            return True
        return all(self.take(part, signals) for part in expressions.parts(expr))

    def kind(self, path: Names) -> Type | None:
        """Of the plain value at `path`; None where there is none."""
        kind: Any = self.groups
        for step in path:
            kind = kind.get(step) if isinstance(kind, Mapping) else None
        return kind if isinstance(kind, Type) else None

    def _write(self, expr: Any, name: str, kind: Type) -> bool:
        number = expr.id
        expr.Clear()
        expr.id = number
        expr.ident.name = name
        self.kinds[name] = Type(kind.scalar, kind.many)
        return True


def flatten(
    environment: Environment,
    tree: Any,
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
    flat = _Flat(groups)
    places: list[int | str] = []
    left: list[Any] = []
    for expr in tree.expr.list.elements:
        path = expressions.path(expr)
        if path[:1] == ("variables",) and path[1] in tested:
            places.append(path[1])
        elif flat.take(expr, tested):
            places.append(len(left))
            left.append(_copied(expr))
        else:
            return None
    del tree.expr.list.elements[:]
    tree.expr.list.elements.extend(left)
    return Fused(
        program=environment.flat(tree, flat.kinds) if left else None,
        places=tuple(places),
        reader=_reader(flat, subject, tested.values(), params),
        variables={path[1]: name for path, name in flat.values.items() if path[0] == "variables"},
        now="now" in flat.kinds,
        whole=whole,
    )


def _reader(
    flat: _Flat, subject: str, signals: Iterable[Signal], params: Mapping[str, object]
) -> Read:
    tests: dict[Names, list[tuple[str, Test, bool]]] = {}
    for one in signals:
        tests.setdefault(one.path, []).append((one.name, one.test, one.name in flat.kinds))
    fields: list[Entry] = []
    answers: list[Entry] = []
    for path in sorted({*flat.values, *flat.asked, *tests}):
        if path[0] == subject:
            kind = flat.kind(path)
            assert kind is not None
            entry = Entry(
                name=path[-1],
                kind=kind,
                convert=converter(kind),
                value=flat.values.get(path, ""),
                asked=flat.asked.get(path, ""),
                tests=tuple(tests.get(path, ())),
            )
            (fields if len(path) == 2 else answers).append(entry)
    looked_at = {name: params[path[1]] for path, name in flat.values.items() if path[0] == "params"}
    return flat_reader(fields, answers, looked_at)


def _copied(expr: Any) -> Any:
    copy = type(expr)()
    copy.CopyFrom(expr)
    return copy
