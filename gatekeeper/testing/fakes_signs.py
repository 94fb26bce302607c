"""The part of FakeTx that keeps signs of life."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from gatekeeper.domain.activity import Activity, Coverage, Kind, Sign, Span, Tie, by_day
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import INSIDE, STAGED, Membership
from gatekeeper.ports import Insider, Tx


class FakeSigns:
    """Signs of life, ties and coverage, made of what every Tx can do."""

    async def inside(self: Tx, identities: Collection[Identity]) -> Mapping[Identity, Insider]:
        """Those of the accounts whose persons are members now, on whatever account of theirs."""
        found = {}
        for account in await self.find(Account, identity__in=tuple(identities)):
            member = await self.first(
                Membership, person_id=account.person_id, state__in=tuple(INSIDE)
            )
            if member is not None:
                found[account.identity] = Insider(
                    member.id,
                    member.person_id,
                    member.state,
                    member.known_since,
                    member.last_seen_at,
                )
        return found

    async def staged(self: Tx) -> frozenset[Identity]:
        """The accounts of all members in a stage of a removal, by which they are members."""
        found = await self.find(Membership, state__in=tuple(STAGED))
        return frozenset(member.identity for member in found)

    async def merge_activity(self: Tx, signs: Mapping[int, Sequence[Sign]]) -> None:
        """Add signs, by person id, to the day's counts; last times never move back."""
        await self.remove(Activity, id=0)  # refused where nothing may be written
        for new in by_day(self.club, signs):
            same = await self.first(Activity, person_id=new.person_id, day=new.day, kind=new.kind)
            if same is None:
                await self.add(new)
                continue
            later = {"last_at": new.last_at, "last_place": new.last_place}
            await self.change(
                same,
                count=same.count + new.count,
                **(later if new.last_at > same.last_at else {}),
            )

    async def merge_ties(self: Tx, ties: Sequence[Tie]) -> None:
        """Add to the counts of ties, each named once."""
        await self.remove(Tie, id=0)
        for new in ties:
            same = await self.first(
                Tie,
                person_id=new.person_id,
                to_id=new.to_id,
                week=new.week,
                relation=new.relation,
            )
            if same is None:
                await self.add(new)
            else:
                await self.change(same, count=same.count + new.count)

    async def move_last(self: Tx, last: Mapping[int, Sign]) -> None:
        """Move the last sign of memberships, by their id, forward; never back."""
        await self.change_all(Membership, {}, id=0)
        for number, sign in last.items():
            member = await self.first(Membership, id=number)
            if member is None:
                continue
            if member.last_seen_at is None or member.last_seen_at < sign.at:
                await self.change(
                    member,
                    last_seen_at=sign.at,
                    last_kind=sign.kind.value,
                    last_place=sign.place,
                )

    async def last_signs(
        self: Tx, people: Collection[int]
    ) -> Mapping[int, Mapping[Kind, datetime]]:
        """When each of `people` last gave a sign of each kind, by person id."""
        last: defaultdict[int, dict[Kind, datetime]] = defaultdict(dict)
        for day in await self.find(Activity, order="last_at", person_id__in=tuple(people)):
            last[day.person_id][day.kind] = day.last_at
        return last

    async def coverage(self: Tx, platform: str, start: datetime) -> list[Span]:
        """The intervals that reach beyond `start`, in order; the first may begin before it."""
        found = await self.find(Coverage, order="start", platform=platform, end__gt=start)
        return [Span(each.start, each.end) for each in found]
