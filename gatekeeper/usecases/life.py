"""What is known of one person's life in the club: by day and kind, towards whom, and our gaps."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from gatekeeper.domain.activity import Activity, Kind, Relation, Tie
from gatekeeper.domain.identity import Account
from gatekeeper.domain.memberships import Membership
from gatekeeper.domain.sight import Gap
from gatekeeper.ports import Tx
from gatekeeper.usecases.parts import Parts
from gatekeeper.usecases.sights import views_of

DAYS = 90


@dataclass(frozen=True, slots=True)
class Life:
    """One person from `first` to `last`, days of UTC.

    Attributes:
        counts: how often, by kind and day; a kind without any is left out.
        gaps: when we could not have seen a sign, the days before we first listened among them.
        towards: how often they turned to whom, by person, since the week of `first`.
    """

    first: date
    last: date
    counts: Mapping[Kind, Mapping[date, int]]
    gaps: Sequence[Gap]
    towards: Mapping[int, Mapping[Relation, int]]

    def blind_share(self, day: date, now: datetime) -> float:
        """How much of a day we could not see, 0.0 to 1.0."""
        start = datetime.combine(day, time(), UTC)
        end = min(start + timedelta(days=1), max(now, start + timedelta(seconds=1)))
        reached, blind = start, timedelta(0)
        for gap in self.gaps:  # by their start
            begin, stop = max(gap.start, reached), min(gap.end, end)
            if stop > begin:
                blind += stop - begin
                reached = stop
        return blind / (end - start)


async def life_of(
    tx: Tx, parts: Parts, member: Membership, now: datetime, days: int = DAYS
) -> Life:
    """The last `days` days of a member, today among them; reads only."""
    last = now.astimezone(UTC).date()
    first = last - timedelta(days=days - 1)
    counts: dict[Kind, dict[date, int]] = {}
    person = member.person_id
    for one in await tx.find(Activity, order="day", day__gte=first, person_id=person):
        counts.setdefault(one.kind, {})[one.day] = one.count
    towards: dict[int, Counter[Relation]] = {}
    week = first - timedelta(days=first.weekday())
    for tie in await tx.find(Tie, order="to_id", week__gte=week, person_id=person):
        towards.setdefault(tie.to_id, Counter())[tie.relation] += tie.count
    start = datetime.combine(first, time(), UTC)
    accounts = await tx.find(Account, person_id=person)
    views = await views_of(tx, parts, [member], accounts, start)
    return Life(first, last, counts, views[person].sight.blind(start, now), towards)
