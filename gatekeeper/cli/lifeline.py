"""A person's days as lines of marks, for any terminal; and when we could not see."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gatekeeper.domain.activity import Kind

if TYPE_CHECKING:
    from gatekeeper.domain.sight import Gap
    from gatekeeper.usecases.life import Life

ACROSS = 45  # days on one line: with the names of kinds it fits 80 columns
WIDTH = max(len(kind) for kind in Kind) + 2
KEY = "o one to four, O more; ? we could see half of the day at most, ~ more but not all of it"


def lines(life: "Life", now: datetime) -> Iterator[str]:
    """A heading and a line for each kind, as often as the days need; beneath them our gaps."""
    days = [
        life.first + timedelta(days=number) for number in range((life.last - life.first).days + 1)
    ]
    for start in range(0, len(days), ACROSS):
        part = days[start : start + ACROSS]
        yield f"{'':{WIDTH}}{part[0]}{part[-1]!s:>{max(len(part) - 10, 11)}}"
        for kind in Kind:
            if kind in life.counts:
                marks = "".join(_mark(life.counts[kind].get(day, 0)) for day in part)
                yield f"{kind:{WIDTH}}{marks}"
        blind = "".join(_blind(life.blind_share(day, now)) for day in part)
        yield f"{'unseen':{WIDTH}}{blind}"
    yield f"{'':{WIDTH}}{KEY}"


def _mark(count: int) -> str:
    return "." if not count else "o" if count < 5 else "O"


def _blind(share: float) -> str:
    if share >= 0.5:
        return "?"
    return "~" if share > 0.001 else "."


def gap_lines(gaps: "Iterable[Gap]") -> list[str]:
    """Each gap in words: from, to, and where; short ones are left to --json."""
    return [
        f"{gap.start:%Y-%m-%d %H:%M} to {gap.end:%Y-%m-%d %H:%M} UTC{_where(gap)}"
        for gap in gaps
        if gap.end - gap.start >= timedelta(hours=1)
    ]


def _where(gap: "Gap") -> str:
    if not gap.platform:
        return ": before we first listened"
    return f": {gap.platform}{', ' * bool(gap.place)}{gap.place}"


def days_unseen(blind: str) -> str:
    """The gaps of an evidence as dates: "1 May to 3 May lobby" would need a language."""
    found = []
    for each in filter(None, blind.split(", ")):
        times, _, where = each.partition(" ")
        start, end = (time[:10] for time in times.split("/"))
        found.append(f"{start}{f'..{end}' if end != start else ''}{' ' * bool(where)}{where}")
    return ", ".join(found)


def as_json(life: "Life") -> dict[str, Any]:
    """The same as data."""
    by_day: dict[date, dict[str, int]] = {}
    for kind, days in life.counts.items():
        for day, count in days.items():
            by_day.setdefault(day, {})[kind.value] = count
    return {
        "first": life.first,
        "last": life.last,
        "days": {day.isoformat(): by_day[day] for day in sorted(by_day)},
        "unseen": [gap._asdict() for gap in life.gaps],
        "towards": {
            f"person:{number}": {relation.value: count for relation, count in counts.items()}
            for number, counts in life.towards.items()
        },
    }
