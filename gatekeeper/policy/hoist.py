"""What the library makes anew at every evaluation, done once: patterns, lists, params.

`name.matches(constant)` and `name in constant list` become a look at a signal, worked out before
the evaluation by RE2 (the same engine as the library's) and by a set. Only plain names of texts
are taken; everything else is left to the library. Params that are plain values become literals.
Source: facts/policy.md, section 5.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import re2

from gatekeeper.policy import expressions

_MICROSECOND = timedelta(microseconds=1)
Test = Callable[[str], bool]
_NO_CAPTURE = re2.Options()
_NO_CAPTURE.never_capture = True  # whether, not where


@dataclass(frozen=True, slots=True)
class Signal:
    """A test of the text at `path`; its result stands as variables.<name> in the program."""

    name: str
    path: tuple[str, ...]
    test: Test


def hoist(tree: Any, params: Mapping[str, object]) -> tuple[Signal, ...]:
    """Replace what can be worked out before in a checked tree; the tree is changed."""
    signals: dict[tuple[tuple[str, ...], str], Signal] = {}
    free = max(one.id for one in expressions.walk(tree.expr)) + 1
    for expr in expressions.walk(tree.expr):
        found = _found(expr, params)
        if found is None:
            continue
        path, key, test = found
        signal = signals.setdefault((path, key), Signal(f"~{len(signals)}", path, test))
        number, free = free, free + 2
        expr.Clear()
        expr.id = number
        expr.select.field = signal.name
        expr.select.operand.id = number + 1
        expr.select.operand.ident.name = "variables"
    return tuple(signals.values())


def _found(expr: Any, params: Mapping[str, object]) -> tuple[tuple[str, ...], str, Test] | None:
    if expressions.kind(expr) != "call":
        return None
    if expr.call.function == "matches":
        target, pattern = expressions.parts(expr)
        text = _text(pattern, params)
        path = _plain(target)
        if path and text is not None:
            return path, f"matches {text}", searcher(text)
    elif expr.call.function == "@in":
        target, where = expressions.parts(expr)
        entries, path = _texts(where, params), _plain(target)
        if path and entries is not None:
            return path, f"in {sorted(entries)}", entries.__contains__
    return None


def searcher(pattern: str) -> Test:
    """Whether the pattern is found somewhere in a text without lone surrogates."""
    # The compiled pattern itself: what search() wraps around it takes thrice as long.
    find = re2.compile(pattern.encode(), _NO_CAPTURE)._regexp.Match
    anywhere = re2._re2.RE2.Anchor.UNANCHORED

    def found(value: str) -> bool:
        text = value.encode()
        return bool(find(anywhere, text, 0, len(text))[0][0] >= 0)

    return found


def inline(tree: Any, params: Mapping[str, object]) -> None:
    """Write params that are a text, a number, a truth or a span into a checked tree."""
    for expr in list(expressions.walk(tree.expr)):
        value = _param(expr, params)
        if isinstance(value, timedelta):
            number = expr.id
            expr.Clear()
            expr.id = number
            expr.call.function = "duration"
            expr.call.args.add().const.string = f"{value // _MICROSECOND}us"
        elif isinstance(value, bool | int | float | str):
            number = expr.id
            expr.Clear()
            expr.id = number
            kind = {bool: "bool", int: "int", float: "double", str: "string"}[type(value)]
            setattr(expr.const, kind, value)


def _plain(expr: Any) -> tuple[str, ...]:
    """The name, where it is one of a subject's: application.text, member.last_place."""
    path = expressions.path(expr)
    return path if len(path) > 1 and path[0] not in {"params", "variables"} else ()


def _text(expr: Any, params: Mapping[str, object]) -> str | None:
    if expressions.kind(expr) == "const" and expr.const.HasField("string"):
        return str(expr.const.string)
    value = _param(expr, params)
    return value if isinstance(value, str) else None


def _texts(expr: Any, params: Mapping[str, object]) -> frozenset[str] | None:
    if expressions.kind(expr) == "list":
        found = [_text(one, params) for one in expr.list.elements]
        return frozenset(one for one in found if one is not None) if None not in found else None
    value = _param(expr, params)
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return frozenset(value)
    return None


def _param(expr: Any, params: Mapping[str, object]) -> object:
    if expressions.kind(expr) != "select":
        return None
    path = expressions.path(expr)
    return params.get(path[1]) if len(path) == 2 and path[0] == "params" else None
