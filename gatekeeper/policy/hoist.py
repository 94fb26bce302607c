"""What the library makes anew at every evaluation, done once: patterns, lists, params.

Tests of one name against constants (`name.matches(constant)`, `name in constant list`,
`names.exists(n, n in constant list)`, …) and sizes become a look at a signal, worked out before the
evaluation: by RE2 (the same engine as the library's), by sets, by Python's own. Only plain names
of a subject are taken; everything else is left to the library. Params that are plain values become
literals. Source: facts/policy.md, section 5.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import re2

from gatekeeper.policy import expressions, running
from gatekeeper.policy.expressions import Call, Const, Expr, Loop, Select, Tree
from gatekeeper.policy.facts import Schema, Type
from gatekeeper.policy.plain import clean_text

_MICROSECOND = timedelta(microseconds=1)
_LARGEST = 2_000  # steps of a program that searches for several patterns at once
Names = tuple[str, ...]
Test = Callable[[Any], Any]
_NO_CAPTURE = re2.Options()
_NO_CAPTURE.never_capture = True  # whether, not where
_ANYWHERE = re2._re2.RE2.Anchor.UNANCHORED
_BOOL, _INT = Type(bool), Type(int)
_TESTS = frozenset({"matches", "contains", "startsWith", "endsWith"})


@dataclass(frozen=True, slots=True)
class Signal:
    """What the value at `path` gives by itself; it stands as variables.<name> in the program.

    Attributes:
        kind: bool for a test, int for a size.
        pattern: is searched for in the text, where there is no `test`.
        most: elements of a list beyond which the library is to judge, as it may refuse so many;
            0 for none.
    """

    name: str
    path: Names
    kind: Type
    pattern: str = ""
    test: Test | None = None
    most: int = 0


Found = tuple[str, Signal] | None  # what it tests, in words that no other test has, and how


def hoist(tree: Tree, groups: Schema, params: Mapping[str, object]) -> tuple[Signal, ...]:
    """Replace what can be worked out before in a checked list of conditions; it is changed.

    Args:
        groups: the subject, params and variables, each with its names and types.
    """
    signals: dict[tuple[Names, str], Signal] = {}
    for condition in tree.expr.elements:
        finder = _Finder(groups, params, condition)
        for expr in expressions.walk(condition):
            what = expr.kind
            if what == "select":
                _inline(expr, params)
            found = finder.find(expr, what)
            if found is None:
                continue
            key = found[1].path, found[0]
            signal = signals.setdefault(key, replace(found[1], name=f"~{len(signals)}"))
            place = Select(expressions.ident("variables"), signal.name)
            expr.become(Expr(0, "select", select=place))
    return tuple(signals.values())


@dataclass(frozen=True, slots=True)
class _Finder:
    """Finds tests in one condition."""

    groups: Schema
    params: Mapping[str, object]
    condition: Expr

    def find(self, expr: Expr, kind: str) -> Found:
        if kind == "loop":
            return self._exists(expr.loop)
        function = expr.call.function if kind == "call" else ""
        if function == "size":
            return self._size(expr)
        if function == "@in":
            return self._among(expr)
        return self._text(expr) if function in _TESTS else None

    def _size(self, expr: Expr) -> Found:
        path, kind = self._plain(expressions.parts(expr)[0])
        if kind is None or (kind.scalar is not str and not kind.many):
            return None
        return "size", Signal("", path, _INT, test=len)

    def _among(self, expr: Expr) -> Found:
        value, where = expressions.parts(expr)
        path, kind = self._plain(value)
        if kind is not None and _is_text(kind):
            entries = _texts(where, self.params)
            if entries is not None:
                return f"in {sorted(entries)}", Signal("", path, _BOOL, test=entries.__contains__)
        path, kind = self._plain(where)
        text = _text(value, self.params)
        if text is None or kind is None or not kind.many or kind.scalar is not str:
            return None
        return f"has {text}", Signal("", path, _BOOL, test=_meets({text}))

    def _text(self, expr: Expr) -> Found:
        target, constant = expressions.parts(expr)
        text, change = _text(constant, self.params), ""
        if target.kind == "call" and target.call.function in _CASES:
            change, (target,) = target.call.function, expressions.parts(target)
        path, kind = self._plain(target)
        if kind is None or not _is_text(kind) or text is None:
            return None
        function = expr.call.function
        if function != "matches":
            test = _comparer(function, text, change)
            return f"{function} {change} {text}", Signal("", path, _BOOL, test=test)
        return None if change else (f"matches {text}", Signal("", path, _BOOL, pattern=text))

    def _exists(self, loop: Loop) -> Found:
        """`names.exists(n, n in constant list)`, as the macro is written out."""
        path, kind = self._plain(loop.iter_range)
        step = loop.step.call
        if kind is None or not kind.many or kind.scalar is not str or step.function != "_||_":
            return None
        accu, asked = step.args
        own = expressions.path(accu) == expressions.path(loop.result) == (loop.accu_var,)
        if not own or asked.kind != "call" or asked.call.function != "@in":
            return None
        element, where = expressions.parts(asked)
        entries = _texts(where, self.params)
        if expressions.path(element) != (loop.iter_var,) or entries is None:
            return None
        if loop.accu_init.const != Const("bool", False):
            return None
        most = expressions.most_elements(self.condition)
        signal = Signal("", path, _BOOL, test=_meets(entries), most=most)
        return f"exists in {sorted(entries)}, of {most}", signal

    def _plain(self, expr: Expr) -> tuple[Names, Type | None]:
        """The name that it is, and its type where it is a value of a subject."""
        path = expressions.path(expr)
        kind: Any = None if path[:1] in {("params",), ("variables",)} else self.groups
        for step in path:
            kind = kind.get(step) if isinstance(kind, Mapping) else None
        return path, kind if isinstance(kind, Type) else None


def _is_text(kind: Type) -> bool:
    return kind.scalar is str and not kind.many


def _meets(entries: frozenset[str] | set[str]) -> Test:
    apart = frozenset(entries).isdisjoint
    return lambda values: not apart(values)


_CASES: Mapping[str, Callable[[str], str]] = {
    "lowerAscii": running.lower,
    "upperAscii": running.upper,
}


def _comparer(function: str, text: str, change: str) -> Test:
    """contains, startsWith or endsWith, of a text whose letters were made small or large."""
    compare: Callable[[str, str], bool] = {
        "contains": str.__contains__,
        "startsWith": str.startswith,
        "endsWith": str.endswith,
    }[function]
    if not change:
        return lambda value: compare(value, text)
    changed = _CASES[change]
    return lambda value: compare(changed(value), text)


def searcher(pattern: str) -> Test:
    """Whether the pattern is found somewhere in a text without lone surrogates."""
    find = _compiled(pattern).Match

    def found(value: str) -> bool:
        text = value.encode()
        return bool(find(_ANYWHERE, text, 0, len(text))[0][0] >= 0)

    return found


def searchers(patterns: Sequence[str]) -> Callable[[str], Sequence[bool]]:
    """Which of these patterns are found, in their order; mostly none is, which one look tells."""
    if len(patterns) == 1:
        (alone,) = map(searcher, patterns)
        return lambda value: (alone(value),)
    finds = [_compiled(pattern).Match for pattern in patterns]
    none = (False,) * len(finds)
    some = _any_of(patterns)

    def found(value: str) -> Sequence[bool]:
        text = value.encode()
        size = len(text)
        if some is not None and some(_ANYWHERE, text, 0, size)[0][0] < 0:
            return none
        return [find(_ANYWHERE, text, 0, size)[0][0] >= 0 for find in finds]

    return found


def _compiled(pattern: str) -> Any:
    # The compiled pattern itself: what search() wraps around it takes thrice as long.
    return re2.compile(pattern.encode(), _NO_CAPTURE)._regexp


def _any_of(patterns: Sequence[str]) -> Any:
    """Searches for all of them at once; None where they cannot well be joined."""
    if any(r"\Q" in pattern for pattern in patterns):
        return None  # what is quoted may go on to the end
    if sum(_compiled(pattern).ProgramSize() for pattern in patterns) > _LARGEST:
        return None
    try:
        return _compiled("|".join(f"(?:{pattern})" for pattern in patterns)).Match
    except re2.error:
        return None


def _inline(expr: Expr, params: Mapping[str, object]) -> None:
    """Write a param that is a text, a number, a truth or a span as a literal."""
    value = _param(expr, params)
    if isinstance(value, timedelta):
        span = expressions.literal("string", f"{value // _MICROSECOND}us")
        expr.become(Expr(0, "call", call=Call("duration", [span])))
    elif isinstance(value, bool | int | float | str):
        kind = {bool: "bool", int: "int", float: "double", str: "string"}[type(value)]
        expr.become(
            expressions.literal(kind, clean_text(value) if isinstance(value, str) else value)
        )


def _text(expr: Expr, params: Mapping[str, object]) -> str | None:
    if expr.kind == "const" and expr.const.field == "string":
        return expr.const.string
    value = _param(expr, params)
    return clean_text(value) if isinstance(value, str) else None


def _texts(expr: Expr, params: Mapping[str, object]) -> frozenset[str] | None:
    if expr.kind == "list":
        found = [_text(one, params) for one in expr.elements]
        return frozenset(one for one in found if one is not None) if None not in found else None
    value = _param(expr, params)
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return frozenset(map(clean_text, value))
    return None


def _param(expr: Expr, params: Mapping[str, object]) -> object:
    if expr.kind != "select":
        return None
    path = expressions.path(expr)
    return params.get(path[1]) if len(path) == 2 and path[0] == "params" else None
