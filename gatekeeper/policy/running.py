"""What generated conditions call: CEL's arithmetic, texts and constants in Python."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gatekeeper.policy.facts import Type, typed_answer
from gatekeeper.policy.plain import clean_text, fitting

_LEAST, _MOST = -(2**63), 2**63 - 1
_LONGEST = timedelta(microseconds=_MOST // 1000)
_SHORTEST = -_LONGEST
# White space as Unicode defines it; Python's own strip() takes four control letters more.
_SPACES = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)


def whole(value: int) -> int:
    """A whole number of 64 bits; raises OverflowError."""
    if not _LEAST <= value <= _MOST:
        raise OverflowError
    return value


def too_long() -> None:
    """A span that 64 bits of nanoseconds do not hold; raises OverflowError."""
    raise OverflowError


def divided(left: int, right: int) -> int:
    """Towards zero; raises ZeroDivisionError, OverflowError."""
    quotient = abs(left) // abs(right)
    return whole(quotient if (left < 0) == (right < 0) else -quotient)


def rest(left: int, right: int) -> int:
    """What division towards zero leaves; raises ZeroDivisionError, OverflowError."""
    return left - divided(left, right) * right


def texts(values: Sequence[str]) -> Sequence[str]:
    """Each as conditions see it."""
    return [clean_text(value) for value in values] if values else values


def answer(value: Any, kind: Type) -> Any:
    """An answer as conditions see it; raises ValueError for one of another type."""
    if type(value) is str and kind.scalar is str and not kind.many:
        return clean_text(value)
    value = typed_answer(value, kind)
    if kind.many:
        if not isinstance(value, list):
            raise ValueError
        return [clean_text(fitting(one, str)) for one in value]
    value = fitting(value, kind.scalar)
    if kind.scalar is str:
        return clean_text(value)
    return whole(value) if kind.scalar is int else value


def too_many() -> None:
    """More steps than the library may take; raises OverflowError."""
    raise OverflowError


def lower(text: str) -> str:
    """ASCII letters made small, all others as they are: what bytes do, seven times as fast."""
    return text.lower() if text.isascii() else text.encode().lower().decode()


def upper(text: str) -> str:
    """ASCII letters made large, all others as they are."""
    return text.upper() if text.isascii() else text.encode().upper().decode()


def trim(text: str) -> str:
    """Without white space at both ends."""
    return text.strip(_SPACES)


def time_of(text: str) -> datetime:
    """A time as CEL writes it: 2026-03-01T00:00:00Z; raises ValueError."""
    return datetime.fromisoformat(text)


HELPERS: Mapping[str, object] = {
    "_int": whole,
    "_least": _LEAST,
    "_most": _MOST,
    "_shortest": _SHORTEST,
    "_longest": _LONGEST,
    "_too_long": too_long,
    "_divided": divided,
    "_rest": rest,
    "_lower": lower,
    "_upper": upper,
    "_trim": trim,
    "_clean": clean_text,
    "_texts": texts,
    "_answer": answer,
    "_too_many": too_many,
    "len": len,
    "any": any,
    "all": all,
}
