"""What we could see of members, wherever they have an account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gatekeeper.domain.activity import BlindSpot, Coverage, Span
from gatekeeper.domain.identity import Account
from gatekeeper.domain.memberships import Membership
from gatekeeper.domain.sight import Sight, sight, together
from gatekeeper.ports import Tx
from gatekeeper.usecases.parts import Parts

FRESH = timedelta(minutes=1)  # an intake that listens now has seen this much of the near past


@dataclass(frozen=True, slots=True)
class View:
    """What could be seen of a person: a Sight, and its spans made once for all who share it."""

    sight: Sight
    spans: Sequence[Span]


async def sight_of(tx: Tx, parts: Parts, platform: str, start: datetime) -> Sight:
    """What we could see of a platform since `start`; up to this moment where it listens now."""
    spans, now = await tx.coverage(platform, start), parts.clock.now()
    listening = platform in parts.platforms and parts.platforms[platform].health().ok
    if spans and listening and now - spans[-1].end <= FRESH:
        spans = [*spans[:-1], Span(spans[-1].start, max(spans[-1].end, now))]
    first = await tx.first(Coverage, order="start", platform=platform)
    spots = [
        *await tx.find(BlindSpot, platform=platform, end=None),
        *await tx.find(BlindSpot, platform=platform, end__gt=start),
    ]
    return sight(platform, first.start if first else None, spans, spots, now)


async def views_of(
    tx: Tx,
    parts: Parts,
    members: Sequence[Membership],
    accounts: Sequence[Account],
    start: datetime,
) -> dict[int, View]:
    """What we could see since `start` of each member, by person, wherever they have an account.

    A platform on which the club is no more says nothing, wherever else we listen.
    """
    where: dict[int, set[str]] = {member.person_id: set() for member in members}
    for account in accounts:
        if not parts.platforms or account.identity.platform in parts.platforms:
            where[account.person_id].add(account.identity.platform)
    for member in members:
        own = member.identity.platform
        if own in parts.platforms or not where[member.person_id]:
            where[member.person_id].add(own)
    sights = {
        name: await sight_of(tx, parts, name, start)
        for name in sorted(set().union(*where.values()))
    }
    made: dict[frozenset[str], View] = {}
    for names in map(frozenset, where.values()):
        if names not in made:
            seen_there = together([sights[name] for name in sorted(names)])
            made[names] = View(seen_there, seen_there.spans())
    return {person: made[frozenset(names)] for person, names in where.items()}
