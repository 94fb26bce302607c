"""Activity, Coverage: the last sign of life, and when we could not have seen one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from gatekeeper.domain.identity import ClubId, Identity


class Kind(StrEnum):
    """A sign of life that a policy can count; never its content."""

    MESSAGE = "message"
    REPLY = "reply"
    REACTION = "reaction"
    THREAD = "thread"
    FILE = "file"
    READ = "read"
    COMMAND = "command"
    PRESS = "press"
    VOUCH = "vouch"
    JOIN = "join"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One sign of life as an adapter saw it; `event_id` makes a second telling harmless."""

    who: Identity
    kind: Kind
    place: str  # the room's alias in the club document, else the platform's id of it
    at: datetime
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One person, one day (UTC), one kind: how often, and the last time and place."""

    id: int = 0
    club: ClubId
    person_id: int
    day: date
    kind: Kind
    count: int
    last_at: datetime
    last_place: str


class Span(NamedTuple):
    """From `start` up to `end`, both aware."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """An interval in which a platform's intake listened without a gap; till now `end` moves."""

    id: int = 0
    club: ClubId
    platform: str
    start: datetime
    end: datetime


def seen(coverage: Iterable[Span], start: datetime, end: datetime) -> timedelta:
    """How much of `start` to `end` lies inside `coverage`; overlapping spans count once."""
    total, reached = timedelta(0), start
    for span in sorted(coverage):
        begin, stop = max(span.start, reached), min(span.end, end)
        if stop > begin:
            total += stop - begin
            reached = stop
    return total


def seen_enough_at(
    coverage: Iterable[Span], start: datetime, needed: timedelta, now: datetime
) -> datetime:
    """The moment at which `needed` of the time since `start` has been seen.

    Gaps in `coverage` stretch it; from `now` on we can only count on seeing, so a moment in the
    future is the earliest one possible, to be asked for again when it has come.
    """
    left, reached = needed, start
    for span in sorted(coverage):
        begin, stop = max(span.start, reached), min(span.end, now)
        if stop <= begin:
            continue
        if stop - begin >= left:
            return begin + left
        left -= stop - begin
        reached = stop
    return max(now, start) + left
