"""Activity, Coverage: the last sign of life, and when we could not have seen one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Final, NamedTuple

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
    EVENT = "event"  # attended one


SPOKEN: Final = frozenset({Kind.MESSAGE, Kind.REPLY, Kind.THREAD, Kind.FILE})


class Relation(StrEnum):
    """What a sign of life has to do with another person."""

    ANSWERED = "answered"
    MENTIONED = "mentioned"
    REACTED = "reacted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One sign of life as an adapter saw it; `event_id` makes a second telling harmless.

    `towards`: whom it answers, mentions or reacts to.
    """

    who: Identity
    kind: Kind
    place: str  # the room's alias in the club document, else the platform's id of it
    at: datetime
    event_id: str
    towards: tuple[tuple[Relation, Identity], ...] = ()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """How often, in one week, a person answered, mentioned or reacted to another.

    `week` is its Monday (ISO, UTC); `to_id` the other person.
    """

    id: int = 0
    club: ClubId
    week: date
    person_id: int
    to_id: int
    relation: Relation
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """An event that was counted; its id is `mark_of` its name. `day` (UTC) is when it was."""

    id: int
    club: ClubId
    day: date


def mark_of(club: ClubId, platform: str, event_id: str) -> int:
    """A number for an event's name, which may name people: 63 bits.

    Of ten million events kept, the next one is taken for one of them, and not counted, once in
    10^12 times.
    """
    name = f"{club}\0{platform}\0{event_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "big") >> 1


def by_day(club: ClubId, signs: Mapping[int, Iterable[Sign]]) -> list[Activity]:
    """Signs added up by person, day (UTC) and kind, in that order."""
    days: dict[tuple[int, date, Kind], list[Any]] = {}
    for person, theirs in signs.items():
        for sign in theirs:
            # Nearly all moments are in UTC already, and this runs for every sign there is.
            at = sign.at if sign.at.tzinfo is UTC else sign.at.astimezone(UTC)
            key = (person, at.date(), sign.kind)
            known = days.get(key)
            if known is None:
                days[key] = [1, sign.at, sign.place]
                continue
            known[0] += 1
            if (sign.at, sign.place) > (known[1], known[2]):
                known[1:] = sign.at, sign.place
    return [
        Activity(
            club=club,
            person_id=person,
            day=day,
            kind=kind,
            count=count,
            last_at=last_at,
            last_place=last_place,
        )
        for (person, day, kind), (count, last_at, last_place) in sorted(
            days.items(), key=itemgetter(0)
        )
    ]


def ties_of(
    club: ClubId, signs: Mapping[int, Iterable[Sign]], people: Mapping[Identity, int]
) -> list[Tie]:
    """Who turned to whom, added up by week; `people` gives the persons of those turned to.

    In the order of week and persons. Whoever turns to their own other account turns to nobody.
    """
    counts: Counter[tuple[date, int, int, Relation]] = Counter()
    for person, theirs in signs.items():
        for sign in theirs:
            for relation, other in sign.towards:
                to = people.get(other, person)
                if to != person:
                    day = sign.at.astimezone(UTC).date()
                    counts[day - timedelta(days=day.weekday()), person, to, relation] += 1
    return [
        Tie(club=club, week=week, person_id=person, to_id=to, relation=relation, count=count)
        for (week, person, to, relation), count in sorted(counts.items())
    ]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindSpot:
    """A time in which a place, or a whole platform (""), did not reach us; no `end` till now."""

    id: int = 0
    club: ClubId
    platform: str
    place: str
    start: datetime
    end: datetime | None = None


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
