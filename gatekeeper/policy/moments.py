"""Times and spans in a condition as whole microseconds, which the library compares much faster.

Only comparisons are exchanged in which nothing can overflow, neither as times nor as numbers: from
the bounds of the facts follow those of every sum and difference. Where a fact is beyond its bounds,
conditions are evaluated as they were checked.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from gatekeeper.policy import expressions
from gatekeeper.policy.expressions import Expr
from gatekeeper.policy.facts import Type

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400  # seconds
SECOND = 1_000_000
_YEAR = 366 * DAY * SECOND
COMPARE = frozenset({"_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_"})
Names = tuple[str, ...]
Kind = Callable[[Names], Type | None]


def micros(value: datetime) -> int:
    """Since 1970; `value` is aware."""
    return (value - EPOCH) // timedelta(microseconds=1)


# What facts may be, and what may be worked out from them: the library's spans end at 2**63
# nanoseconds (292 years), its times with the years 1 and 9999.
FIRST, LAST = micros(datetime(1900, 1, 1, tzinfo=UTC)), micros(datetime(2100, 1, 1, tzinfo=UTC))
LONGEST = 40 * _YEAR
_TIMES = (-1_900 * _YEAR, 7_900 * _YEAR)
_SPANS = (-290 * _YEAR, 290 * _YEAR)


@dataclass(frozen=True, slots=True)
class _Range:
    """What a part of a comparison may be, in microseconds."""

    sort: Literal["time", "span"]
    low: int
    high: int


def exchange(expr: Expr, kind: Kind, name: Callable[[Names], str]) -> bool:
    """Write a comparison of times or spans over whole numbers; False, unchanged, for any other.

    Args:
        kind: the type of a subject's fact; None for what is none.
        name: under which the fact, or now, is handed over as a whole number.
    """
    if expr.kind != "call" or expr.call.function not in COMPARE:
        return False
    left, right = (_range(side, kind) for side in expr.call.args)
    if left is None or right is None or left.sort != right.sort:
        return False
    for side in expr.call.args:
        _write(side, name)
    return True


def _range(expr: Expr, kind: Kind) -> _Range | None:
    """What the time or span may be; None where something could overflow, or is no such thing."""
    path = expressions.path(expr)
    if path:
        return _named(expr, path, kind)
    number = _constant(expr)
    if number is not None:
        return _within(_Range("span", number, number))
    if expr.kind != "call" or len(expr.call.args) != 2:
        return None
    left, right = (_range(side, kind) for side in expr.call.args)
    if left is None or right is None:
        return None
    match expr.call.function, left.sort, right.sort:
        case "_-_", "time", "time":
            return _within(_Range("span", left.low - right.high, left.high - right.low))
        case "_-_", sort, "span":
            return _within(_Range(sort, left.low - right.high, left.high - right.low))
        case "_+_", "span", sort:
            return _within(_Range(sort, left.low + right.low, left.high + right.high))
        case "_+_", sort, "span":
            return _within(_Range(sort, left.low + right.low, left.high + right.high))
        case _:
            return None


def _named(expr: Expr, path: Names, kind: Kind) -> _Range | None:
    if path == ("now",):
        return _Range("time", FIRST, LAST)
    known = kind(path)
    if known is None or known.many or expr.asks:
        return None
    if known.scalar is datetime:
        return _Range("time", FIRST, LAST)
    return _Range("span", -LONGEST, LONGEST) if known.scalar is timedelta else None


def _within(found: _Range) -> _Range | None:
    low, high = _TIMES if found.sort == "time" else _SPANS
    return found if low <= found.low and found.high <= high else None


def _constant(expr: Expr) -> int | None:
    """The microseconds of a literal duration, as a checked tree holds it; None for all else."""
    if expr.kind != "call" or expr.call.function != "duration":
        return None
    (written,) = expr.call.args
    found = re.fullmatch(r"(-?)([0-9]+)(?:\.([0-9]{6})s|(us))", written.const.string)
    if found is None:
        return None
    sign, whole, part, micro = found.groups()
    number = int(whole) if micro else int(whole) * SECOND + int(part)
    return -number if sign else number


def _write(expr: Expr, name: Callable[[Names], str]) -> None:
    """Its names and literals as whole numbers; what joins them is written alike for these."""
    path, number = expressions.path(expr), _constant(expr)
    if path:
        expr.become(expressions.ident(name(path)))
    elif number is not None:
        expr.become(expressions.literal("int", number))
    else:
        for side in expr.call.args:
            _write(side, name)
