"""Plain values as conditions use them: texts without traps, params as they are written."""

import re
from datetime import datetime, timedelta
from typing import Any

from gatekeeper.policy.base import DURATION, parse_span
from gatekeeper.policy.facts import Type

LEAST, MOST = -(2**63), 2**63 - 1  # whole numbers of conditions
_BAD = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str) -> str:
    """`text` with NUL and lone surrogates replaced by U+FFFD.

    A NUL would end the text for the library, and what stands behind it would be judged by no
    rule. Used at the door, and again before every evaluation.
    """
    if "\x00" not in text:
        try:
            text.encode()  # faster than to look for surrogates
        except UnicodeEncodeError:
            return _BAD.sub("\ufffd", text)
        return text
    return _BAD.sub("\ufffd", text)


def fitting(value: Any, kind: type) -> Any:
    """A value of a kind, made so where it is almost one; raises ValueError for any other.

    The library would compare a text with True, or 1.5 where whole numbers were checked for.
    """
    if kind is int and type(value) is int and LEAST <= value <= MOST:
        return value
    if type(value) is kind and kind not in {int, datetime}:
        return value
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(f"a time without a zone: {value.isoformat()}")
    if isinstance(value, kind) and kind in {str, datetime, timedelta}:
        return str.__str__(value) if kind is str else value
    raise ValueError(f"{value!r:.60} is no {kind.__name__}")


def param_type(value: object) -> Type:
    """The type of a param; raises ValueError for what conditions cannot use (None, a mixture)."""
    if isinstance(value, list | tuple):
        kinds = {param_type(inner) for inner in value} or {Type(str)}
        if kinds == {Type(int), Type(float)}:
            kinds = {Type(float)}
        kind = kinds.pop()
        if kinds or kind.many:
            raise ValueError("a list of different things")
        return Type(kind.scalar, many=True)
    for scalar in (bool, int, float, str, datetime, timedelta):
        if isinstance(value, scalar):
            return Type(scalar)
    raise ValueError(f"no value for a condition: {type(value).__name__}")


def read_param(value: object) -> object:
    """A param as written in the file: texts that are durations become timedeltas."""
    if isinstance(value, str) and DURATION.fullmatch(value):
        return parse_span(value)
    if isinstance(value, list):
        read = [read_param(inner) for inner in value]
        mixed = {type(inner) for inner in read} == {int, float}
        return [float(inner) for inner in read] if mixed else read  # type: ignore[arg-type]
    return value


def span_of(text: str) -> timedelta:
    """A duration as a checked tree holds it, in seconds: 2592000.000000s."""
    return timedelta(seconds=float(text.removesuffix("s")))
