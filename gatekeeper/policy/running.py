"""What generated conditions call: CEL's arithmetic, texts and constants in Python."""

from collections.abc import Mapping
from datetime import datetime

from gatekeeper.policy.facts import typed_answer
from gatekeeper.policy.plain import clean_text

_LEAST, _MOST = -(2**63), 2**63 - 1
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
# White space as Unicode defines it; Python's own strip() takes four control letters more.
_SPACES = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)


def whole(value: int) -> int:
    """A whole number of 64 bits; raises OverflowError."""
    if not _LEAST <= value <= _MOST:
        raise OverflowError
    return value


def divided(left: int, right: int) -> int:
    """Towards zero; raises ZeroDivisionError, OverflowError."""
    quotient = abs(left) // abs(right)
    return whole(quotient if (left < 0) == (right < 0) else -quotient)


def rest(left: int, right: int) -> int:
    """What division towards zero leaves; raises ZeroDivisionError, OverflowError."""
    return left - divided(left, right) * right


def lower(text: str) -> str:
    """ASCII letters made small, all others as they are."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def upper(text: str) -> str:
    """ASCII letters made large, all others as they are."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def trim(text: str) -> str:
    """Without white space at both ends."""
    return text.strip(_SPACES)


def time_of(text: str) -> datetime:
    """A time as CEL writes it: 2026-03-01T00:00:00Z; raises ValueError."""
    return datetime.fromisoformat(text)


HELPERS: Mapping[str, object] = {
    "_int": whole,
    "_divided": divided,
    "_rest": rest,
    "_lower": lower,
    "_upper": upper,
    "_trim": trim,
    "_clean": clean_text,
    "_typed": typed_answer,
    "len": len,
    "any": any,
    "all": all,
}
