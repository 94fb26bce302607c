"""What we could see of people, on all platforms on which they have an account."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from gatekeeper.domain.activity import BlindSpot, Span


class Gap(NamedTuple):
    """A time in which nothing reached us: from one place, or from all of a platform ("")."""

    start: datetime
    end: datetime
    platform: str
    place: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What could be seen on one platform, or on several.

    Attributes:
        begins: when we first listened, None for never: nothing was seen before.
        until: up to when it is said.
        gaps: in between, by their start; some may overlap.
    """

    begins: datetime | None
    until: datetime
    gaps: tuple[Gap, ...] = ()

    def spans(self) -> list[Span]:
        """The times in which everything could be seen, in order."""
        if self.begins is None:
            return []
        found, reached = [], self.begins
        for gap in self.gaps:
            if gap.start > reached:
                found.append(Span(reached, min(gap.start, self.until)))
            reached = max(reached, gap.end)
        if reached < self.until:
            found.append(Span(reached, self.until))
        return [span for span in found if span.start < span.end]

    def blind(self, start: datetime, end: datetime) -> list[Gap]:
        """The gaps that reach into `start` to `end`, cut to it; also the time before we began."""
        if not self.gaps and self.begins is not None and self.begins <= start:
            return []  # as of nearly everybody
        found = [*self.gaps]
        if self.begins is None or self.begins > start:
            found.insert(0, Gap(start, end if self.begins is None else self.begins, "", ""))
        cut = [gap._replace(start=max(gap.start, start), end=min(gap.end, end)) for gap in found]
        return sorted(gap for gap in cut if gap.start < gap.end)


def sight(
    platform: str,
    begins: datetime | None,
    coverage: Iterable[Span],
    spots: Iterable[BlindSpot],
    now: datetime,
) -> Sight:
    """What could be seen on one platform up to `now`.

    Args:
        begins: when its intake first listened.
        coverage: when it listened since; what none of them covers is a gap.
        spots: the places that it could not see meanwhile. Somebody may have been alive there, so
            they are gaps for everybody.
    """
    if begins is None:
        return Sight(None, now)
    gaps, reached = [], begins
    for span in sorted(coverage):
        if span.start > reached:
            gaps.append(Gap(reached, min(span.start, now), platform, ""))
        reached = max(reached, span.end)
    if reached < now:
        gaps.append(Gap(reached, now, platform, ""))
    gaps += [Gap(each.start, each.end or now, platform, each.place) for each in spots]
    return Sight(begins, now, tuple(sorted(gap for gap in gaps if gap.start < gap.end)))


def together(sights: Sequence[Sight]) -> Sight:
    """What could be seen of somebody with accounts on all of these platforms.

    A sign anywhere counts everywhere, so a gap anywhere is one; but nobody was missed on a
    platform before the club came there. Where we never listened at all, though somebody has an
    account there, nothing is known of them.
    """
    if len(sights) == 1:
        return sights[0]
    begun = [each.begins for each in sights if each.begins is not None]
    until = max((each.until for each in sights), default=datetime.min.replace(tzinfo=UTC))
    if len(begun) < len(sights) or not begun:
        return Sight(None, until)
    return Sight(min(begun), until, tuple(sorted(gap for each in sights for gap in each.gaps)))
