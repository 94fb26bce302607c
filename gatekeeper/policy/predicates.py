"""Predicates over the columns of memberships: what a store can look for by itself.

A value is a moment, or how long before now it lies; `between` makes moments of all of them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

Sign: TypeAlias = Literal["<=", ">="]


@dataclass(frozen=True, slots=True)
class Constant:
    """True or false of every row."""

    value: bool


TRUE: Final = Constant(True)
FALSE: Final = Constant(False)


@dataclass(frozen=True, slots=True)
class Compare:
    """A column before or after a moment, itself included; of an absent value never true.

    Attributes:
        column: a field of Membership, or "now".
        value: a moment, or how long before now.
    """

    column: str
    sign: Sign
    value: datetime | timedelta


@dataclass(frozen=True, slots=True)
class IsText:
    """Whether a column has just this text."""

    column: str
    text: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsNull:
    """Whether a column has no value."""

    column: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    parts: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of them at least."""

    parts: tuple["Predicate", ...]


Predicate: TypeAlias = Constant | Compare | IsText | IsNull | And | Or


def all_of(*parts: Predicate) -> Predicate:
    """What all of `parts` are true of."""
    flat = _flat(parts, And)
    if FALSE in flat:
        return FALSE
    left = tuple(part for part in flat if part != TRUE)
    return left[0] if len(left) == 1 else And(left) if left else TRUE


def any_of(*parts: Predicate) -> Predicate:
    """What at least one of `parts` is true of."""
    flat = _flat(parts, Or)
    if TRUE in flat:
        return TRUE
    left = tuple(part for part in flat if part != FALSE)
    return left[0] if len(left) == 1 else Or(left) if left else FALSE


def _flat(parts: Iterable[Predicate], kind: type[And] | type[Or]) -> dict[Predicate, None]:
    """Without repetition, in the order given; parts of the same kind are taken apart."""
    flat: dict[Predicate, None] = {}
    for part in parts:
        flat.update(dict.fromkeys(part.parts if isinstance(part, kind) else (part,)))
    return flat


def rebuilt(predicate: Predicate, leaf: Callable[[Predicate], Predicate]) -> Predicate:
    """The same with each leaf exchanged."""
    match predicate:
        case And(parts):
            return all_of(*(rebuilt(part, leaf) for part in parts))
        case Or(parts):
            return any_of(*(rebuilt(part, leaf) for part in parts))
        case _:
            return leaf(predicate)


def leaves(predicate: Predicate) -> Iterable[Predicate]:
    """All that is no And and no Or."""
    if isinstance(predicate, And | Or):
        for part in predicate.parts:
            yield from leaves(part)
    else:
        yield predicate


def between(predicate: Predicate, start: datetime, end: datetime) -> Predicate:
    """Rows of which `predicate` may be true at some moment from `start` to `end`.

    In what comes back every value is a moment, and "now" is no column any more.
    """

    def leaf(one: Predicate) -> Predicate:
        if not isinstance(one, Compare):
            return one
        if isinstance(one.value, timedelta):
            return Compare(one.column, one.sign, (end if one.sign == "<=" else start) - one.value)
        if one.column != "now":
            return one
        return Constant(end >= one.value if one.sign == ">=" else start <= one.value)

    return rebuilt(predicate, leaf)


def holds(predicate: Predicate, row: object) -> bool:
    """Whether a predicate that `between` gave is true of a value with its columns."""
    match predicate:
        case Constant(value):
            return value
        case And(parts):
            return all(holds(part, row) for part in parts)
        case Or(parts):
            return any(holds(part, row) for part in parts)
        case IsNull(column, negated):
            return (getattr(row, column) is None) is not negated
        case IsText(column, text, negated):
            return (str(getattr(row, column)) == text) is not negated
        case Compare(column, sign, value):
            has: Any = getattr(row, column)
            if has is None:
                return False
            return bool(has <= value if sign == "<=" else has >= value)
