"""Facts made smaller, step by step, as long as they still show what they have shown."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any, TypeAlias

from gatekeeper.policy.base import DURATION, parse_duration, write_duration
from gatekeeper.policy.case_facts import KINDS, Given
from gatekeeper.policy.facts import Subject, Type
from gatekeeper.policy.made_up import as_given, possible

STEPS = 2_000  # so many tries at most

Shows: TypeAlias = Callable[[Given, datetime], bool]


def smallest(subject: Subject, given: Given, now: datetime, shows: Shows) -> dict[str, Any]:
    """The smallest facts, as a case gives them, that still show what `given` shows at `now`.

    Nothing can be taken from what is given back, nor made plainer, without losing it: facts are
    left out, numbers and spans lowered, texts and lists shortened. `shows` says whether facts do.
    """
    best, steps = dict(given), 0
    again = True
    while again and steps < STEPS:
        again = False
        for tried in _smaller(best):
            made = _possible(subject, tried, now)
            if _size(made) >= _size(best):
                continue
            steps += 1
            if shows(made, now):
                best, again = made, True
                break
            if steps >= STEPS:
                break
    return best


def _possible(subject: Subject, given: Given, now: datetime) -> dict[str, Any]:
    kinds = KINDS[subject]
    values = {}
    for name, value in given.items():
        kind = kinds.get(name)
        if isinstance(value, str) and DURATION.fullmatch(value) and isinstance(kind, Type):
            if kind.scalar is datetime:
                value = now - parse_duration(value)
            elif kind.scalar is timedelta:
                value = parse_duration(value)
        values[name] = value
    return as_given(possible(subject, values, now), now)


def _size(given: Given) -> tuple[int, int, str]:
    """Fewer facts first, then shorter ones, then the lower."""
    count = len(given) + len(given.get("answers") or {})
    text = json.dumps(given, default=str, sort_keys=True, ensure_ascii=False)
    return count, len(text), text


def _smaller(given: Given) -> Iterator[dict[str, Any]]:
    names = list(given)
    for gone in [*({name} for name in names), *({a, b} for a, b in combinations(names, 2))]:
        yield {name: value for name, value in given.items() if name not in gone}
    for name, value in given.items():
        for plainer in _plainer(value):
            yield {**given, name: plainer}


def _plainer(value: Any) -> Iterator[Any]:
    """Plainer values than `value`, the plainest first."""
    if isinstance(value, bool):
        return
    if isinstance(value, dict):
        for name in value:
            yield {other: kept for other, kept in value.items() if other != name}
        for name, inner in value.items():
            for plainer in _plainer(inner):
                yield {**value, name: plainer}
    elif isinstance(value, int):
        yield from dict.fromkeys((0, 1, value // 2, value - 1))
    elif isinstance(value, float):
        yield from (0.0, 1.0, round(value, 1))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield [*value[:index], *value[index + 1 :]]
    elif isinstance(value, str) and DURATION.fullmatch(value):
        yield from _spans(parse_duration(value))
    elif isinstance(value, str):
        half = len(value) // 2
        for part in ("x", value[:half], value[half:], value[1:], value[:-1]):
            if part.strip():  # nobody sends an empty answer
                yield part


def _spans(span: timedelta) -> Iterator[str]:
    """Shorter spans and rounder ones: whole days, whole hours."""
    yield "1d"
    for days in (span.days, span.days + 1, span.days // 2, span.days - 1):
        yield write_duration(timedelta(days=max(days, 1)))
    hours = int(span.total_seconds() // 3600)
    for whole in (hours, hours + 1):
        yield write_duration(timedelta(hours=max(whole, 1)))
