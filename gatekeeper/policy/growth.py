"""How far texts and lists can grow while an expression is worked out, estimated from its tree.

The library bounds the steps of loops, not the letters that `+`, replace() and join() make: thirty
variables that each double the one before would take all memory. So every expression is weighed
when it is loaded, with the longest texts that people can send; one that could get too heavy is a
finding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gatekeeper.policy import expressions
from gatekeeper.policy.club_document import ANSWER_LETTERS
from gatekeeper.policy.expressions import Expr, Loop, Tree
from gatekeeper.policy.facts import Schema, Type

MOST = 10_000_000  # letters that one expression may make or look at, times their cost
TOTAL = 100_000_000  # the same of all expressions of a document
STEPS = 10_000  # of loops in one evaluation: the library's own bound
TEXT = 10 * ANSWER_LETTERS  # all that an applicant typed
ELEMENTS, ELEMENT = 200, 100  # of a list in the facts, and the letters of one of them
READING = 50  # letters looked at for the price of one that is made
PATTERN = 2_000  # what it costs to make a pattern ready, in letters
_SAME = {"lowerAscii", "upperAscii", "trim", "substring", "reverse", "string", "strings.quote"}
_SMALL = {"_&&_", "_||_", "!_", "_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_"}
_TESTS = {"contains", "startsWith", "endsWith", "indexOf", "lastIndexOf", "size", "@in"}


class Size(NamedTuple):
    """At most so many letters altogether, in so many elements, the longest of `element`."""

    letters: int
    pieces: int = 1
    element: int = 8


_PLAIN = Size(8)


class TooHeavy(Exception):
    """An expression that would go over `count` letters; `most` are allowed."""

    def __init__(self, count: int, most: int) -> None:
        self.count, self.most = count, most
        super().__init__(f"{count} of {most}")


@dataclass(slots=True)
class Weights:
    """What the expressions of one document weigh so far.

    Attributes:
        schema: names and types of the subject.
        params: by name.
        variables: what each one is at most.
    """

    schema: Schema
    params: Mapping[str, object]
    variables: dict[str, Size] = field(default_factory=dict)
    total: int = 0

    def add(self, tree: Tree, name: str = "") -> None:
        """Weigh an expression, of the variable `name` if it is one; raises TooHeavy."""
        scale = _Scale(self)
        size = scale.size(tree.expr, {}, 1)
        if name:
            self.variables[name] = size
        before, self.total = self.total, self.total + scale.work
        if before <= TOTAL < self.total:  # told once, where it becomes too much
            raise TooHeavy(self.total, TOTAL)


class _Scale:
    """Weighs one expression."""

    def __init__(self, weights: Weights) -> None:
        self.weights, self.work = weights, 0

    def size(self, expr: Expr, loops: Mapping[str, Size], times: int) -> Size:
        match expr.kind:
            case "const":
                value = expr.const.value
                return Size(8 + (len(value) if isinstance(value, str | bytes) else 0))
            case "ident" | "select" if path := expressions.path(expr):
                return self._name(path, expr, loops)
            case "select":
                return self.size(expr.select.operand, loops, times)
            case "list" | "struct":
                parts = [self.size(part, loops, times) for part in expressions.parts(expr)]
                letters = sum(part.letters for part in parts)
                longest = max((part.letters for part in parts), default=8)
                return self._made(Size(8 + letters, len(parts), longest), times)
            case "call":
                return self._call(expr, loops, times)
            case "loop":
                return self._loop(expr.loop, loops, times)
            case _:
                return _PLAIN

    def _name(self, path: tuple[str, ...], expr: Expr, loops: Mapping[str, Size]) -> Size:
        if path[0] in loops:
            return loops[path[0]]
        if path[0] == "variables" and len(path) == 2:
            return self.weights.variables.get(path[1], _PLAIN)
        if path[0] == "params" and len(path) == 2:
            return _of_value(self.weights.params.get(path[1]))
        if len(path) == 1 or expr.asks:
            return _PLAIN
        kind: Any = self.weights.schema
        for step in path[1:]:
            kind = kind.get(step) if isinstance(kind, Mapping) else None
        if isinstance(kind, Type) and kind.many:
            return Size(ELEMENTS * ELEMENT, ELEMENTS, ELEMENT)
        if not isinstance(kind, Type) or kind.scalar is not str:
            return _PLAIN
        return Size(ANSWER_LETTERS if path[1] == "answers" else TEXT)

    def _call(self, expr: Expr, loops: Mapping[str, Size], times: int) -> Size:
        function = expr.call.function
        parts = [self.size(part, loops, times) for part in expressions.parts(expr)]
        if function in _SMALL:
            return self._made(_PLAIN, times)
        if function == "matches" or function in _TESTS:
            letters = sum(part.letters for part in parts)
            cost = PATTERN + letters // 3 if function == "matches" else letters // READING
            self._add(cost, times)
            return _PLAIN
        if function == "_?_:_":
            return _larger(parts[1], parts[2])
        if function == "_[_]":
            return Size(parts[0].letters)
        return self._made(_result(function, parts), times)

    def _loop(self, loop: Loop, loops: Mapping[str, Size], times: int) -> Size:
        over = self.size(loop.iter_range, loops, times)
        count = min(over.pieces, STEPS)
        inner = min(times * max(count, 1), STEPS)
        start = self.size(loop.accu_init, loops, times)
        names = {**loops, loop.iter_var: Size(over.element), loop.accu_var: Size(0, 0)}
        self.size(loop.condition, names, inner)
        step = self.size(loop.step, names, inner)
        made = Size(
            start.letters + count * step.letters,
            max(count * step.pieces, 1),
            max(step.letters, 8),
        )
        return self.size(loop.result, {**loops, loop.accu_var: made}, times)

    def _made(self, size: Size, times: int) -> Size:
        self._add(size.letters, times)
        return size

    def _add(self, cost: int, times: int) -> None:
        self.work += cost * times
        if self.work > MOST:
            raise TooHeavy(self.work, MOST)


def _result(function: str, parts: list[Size]) -> Size:
    """What a call makes of its target and arguments, at most."""
    letters = sum(part.letters for part in parts)
    longest = max((part.element for part in parts), default=8)
    match function:
        case "_+_" if parts != [_PLAIN, _PLAIN]:  # numbers and times do not grow
            return Size(letters, sum(part.pieces for part in parts), longest)
        case "replace" if len(parts) > 2:
            return Size(parts[0].letters + (parts[0].letters + 1) * parts[2].letters)
        case "join":
            gap = parts[1].letters if len(parts) > 1 else 0
            return Size(parts[0].letters + parts[0].pieces * gap)
        case "split":
            return Size(letters, parts[0].letters + 1, parts[0].letters)
        case "format":
            return Size(letters + 1_000 * max(part.pieces for part in parts))
        case _ if function in _SAME:
            return Size(2 * parts[0].letters + 32)
        case _:
            return _PLAIN


def _larger(one: Size, other: Size) -> Size:
    return Size(
        max(one.letters, other.letters),
        max(one.pieces, other.pieces),
        max(one.element, other.element),
    )


def _of_value(value: object) -> Size:
    if isinstance(value, list | tuple):
        sizes = [_of_value(each).letters for each in value]
        return Size(8 + sum(sizes), len(sizes), max(sizes, default=8))
    return Size(8 + len(value)) if isinstance(value, str) else _PLAIN
