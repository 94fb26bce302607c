"""Signs of life: gathered in memory, kept with the position they reach up to, in one transaction.

A crash before a flush loses the signs and the position together, so that the platform tells them
again. Whoever tells a sign twice, in whatever order and from whatever process, changes nothing:
what was counted is noted, in the same transaction.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from gatekeeper.domain.activity import (
    BlindSpot,
    Counted,
    Coverage,
    Kind,
    Sign,
    Tie,
    mark_of,
    ties_of,
)
from gatekeeper.domain.clubs import Checkpoint
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import STAGED
from gatekeeper.ports import Insider, Tx
from gatekeeper.usecases import stage_ends
from gatekeeper.usecases.parts import Parts, club_state

QUIET = timedelta(seconds=5)  # how often a flush writes when nothing but time has passed
MOST = 20_000  # signs gathered before they are written at once, whatever the time
KEEP_COUNTED = timedelta(days=30)
KEEP_TIES = timedelta(days=400)


@dataclass(slots=True)
class _Buffer:
    """What one platform has told since the last flush."""

    signs: dict[str, Sign] = field(default_factory=dict)
    position: str | None = None
    told_at: datetime | None = None  # the last telling
    gap_at: datetime | None = None  # when a telling came that followed a gap


class Observer:
    """Takes in signs of life for one club; one in each process that listens."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._buffers: defaultdict[str, _Buffer] = defaultdict(_Buffer)
        self._written: defaultdict[str, tuple[str, datetime | None]] = defaultdict(
            lambda: ("", None)
        )
        self._staged: frozenset[Identity] = frozenset()
        self._blind: dict[str, set[str]] = {}  # places, as they stand in the table
        self._flushing = asyncio.Lock()

    async def observe(
        self, platform: str, signs: Sequence[Sign], position: str, *, after_gap: bool = False
    ) -> None:
        """Keep signs up to `position` for the next flush.

        A sign of someone who has been noticed is flushed at once: it ends what was begun.
        """
        buffer, now = self._buffers[platform], self._parts.clock.now()
        for sign in signs:
            buffer.signs[sign.event_id] = sign
        buffer.position, buffer.told_at = position, now
        if after_gap:
            buffer.gap_at = now
        enough = len(buffer.signs) >= MOST
        if enough or (self._staged and any(sign.who in self._staged for sign in signs)):
            await self.flush()

    async def position(self, platform: str) -> str:
        """The last committed position, "" for none."""
        async with self._parts.store.look(self._parts.club) as tx:
            found = await tx.first(Checkpoint, platform=platform)
        return found.position if found else ""

    async def blind(self, platform: str, places: Mapping[str, datetime]) -> None:
        """These places, and no others, do not reach us now; kept at once."""
        if self._blind.get(platform) == set(places):
            return
        async with self._parts.store.transaction(self._parts.club) as tx:
            now = self._parts.clock.now()
            known = set()
            for spot in await tx.find(BlindSpot, platform=platform, end=None):
                known.add(spot.place)
                if spot.place not in places:
                    await tx.change(spot, end=max(spot.start, now))
            for place in sorted(places.keys() - known):
                start = min(places[place], now)
                await tx.add(BlindSpot(club=tx.club, platform=platform, place=place, start=start))
        self._blind[platform] = set(places)

    async def missed(self, platform: str, place: str, start: datetime, end: datetime) -> None:
        """What came from a place in this time was lost; kept at once, and once."""
        async with self._parts.store.transaction(self._parts.club) as tx:
            now = self._parts.clock.now()
            spot = BlindSpot(
                club=tx.club,
                platform=platform,
                place=place,
                start=min(start, now),
                end=min(max(start, end), now),
            )
            known = await tx.find(BlindSpot, platform=platform, place=place, start=spot.start)
            if all(each.end != spot.end for each in known):
                await tx.add(spot)

    async def flush(self) -> None:
        """Commit all that was gathered; after a failure it is still there for the next flush."""
        async with self._flushing:
            now = self._parts.clock.now()
            taken = {
                name: buffer
                for name, buffer in self._buffers.items()
                if self._worth(name, buffer, now)
            }
            for name in taken:
                self._buffers[name] = _Buffer(told_at=taken[name].told_at)
            if not taken:
                return
            try:
                await self._write(taken, now)
            except BaseException:
                for name, buffer in taken.items():
                    self._put_back(name, buffer)
                raise
            for name, buffer in taken.items():
                self._written[name] = (buffer.position or self._written[name][0], now)

    def _worth(self, platform: str, buffer: _Buffer, now: datetime) -> bool:
        position, at = self._written[platform]
        if buffer.signs or buffer.gap_at or buffer.position not in (None, position):
            return True
        return buffer.told_at is not None and (at is None or now - at >= QUIET)

    def _put_back(self, platform: str, old: _Buffer) -> None:
        fresh = self._buffers[platform]
        fresh.signs = {**old.signs, **fresh.signs}
        fresh.position = old.position if fresh.position is None else fresh.position
        fresh.told_at = fresh.told_at or old.told_at
        fresh.gap_at = old.gap_at or fresh.gap_at

    async def _write(self, taken: Mapping[str, _Buffer], now: datetime) -> None:
        parts = self._parts
        async with parts.store.transaction(parts.club) as tx:
            for platform, buffer in taken.items():
                await _take_in(tx, parts, platform, buffer.signs.values(), now)
                await _keep_position(tx, platform, buffer.position)
                await self._keep_coverage(tx, platform, buffer, now)
            staged = await tx.staged()
        self._staged = staged

    async def _keep_coverage(self, tx: Tx, platform: str, buffer: _Buffer, now: datetime) -> None:
        """Extend the open interval, or begin one after a gap.

        While the intake does not listen, the interval ends with what was last told; if nothing
        was missed meanwhile, the next telling carries it on.
        """
        if buffer.told_at is None:
            return
        there = self._parts.platforms.get(platform)
        end = now if there is not None and there.health().ok else buffer.told_at
        newest = await _newest(tx, platform, now)
        if newest is None or buffer.gap_at is not None:
            start = buffer.gap_at or buffer.told_at
            await tx.add(
                Coverage(club=tx.club, platform=platform, start=start, end=max(start, end))
            )
        elif end > newest.end:
            await tx.change(newest, end=end)
        state = await club_state(tx)
        if state.watched_since is None:
            await tx.change(state, watched_since=buffer.told_at)


async def _newest(tx: Tx, platform: str, now: datetime) -> Coverage | None:
    """The interval that was kept last. A clock that ran ahead has seen nothing of what was still
    to come: gaps in it would be taken for silence."""
    newest = await tx.first(Coverage, platform=platform, order="-id")
    if newest is None or newest.end <= now:
        return newest
    for ahead in await tx.find(Coverage, platform=platform, end__gt=now):
        await tx.change(ahead, start=min(ahead.start, now), end=now)
    return await tx.get(Coverage, newest.id)


async def _keep_position(tx: Tx, platform: str, position: str | None) -> None:
    if position is None:
        return
    known = await tx.first(Checkpoint, platform=platform)
    if known is None:
        await tx.add(Checkpoint(club=tx.club, platform=platform, position=position))
    elif known.position != position:
        await tx.change(known, position=position)


async def _take_in(
    tx: Tx, parts: Parts, platform: str, signs: Iterable[Sign], now: datetime
) -> None:
    """Count the signs of members, each once; whoever was thought silent and is not is free.

    A clock that runs ahead of ours cannot make anyone younger.
    """
    wanted = _that_count(parts, signs)
    named = {sign.who for sign in wanted}
    named.update(other for sign in wanted for _, other in sign.towards)
    inside = await tx.inside(named) if named else {}
    theirs: dict[int, tuple[Insider, Sign]] = {}
    for sign in wanted:
        member = inside.get(sign.who)
        if member is not None:
            theirs[mark_of(tx.club, platform, sign.event_id)] = member, sign
    fresh = await tx.count_once(theirs, now.date()) if theirs else set()
    by_person: defaultdict[int, list[Sign]] = defaultdict(list)
    newest: dict[int, tuple[Insider, Sign]] = {}
    for mark, (member, sign) in theirs.items():
        if mark not in fresh:
            continue
        if sign.at > now:
            sign = replace(sign, at=now)
        by_person[member.person_id].append(sign)
        known = newest.get(member.membership_id)
        if known is None or known[1].at < sign.at:
            newest[member.membership_id] = member, sign
    if not by_person:
        return
    await tx.merge_activity(by_person)
    if any(sign.towards for sign in wanted):
        people = {who: member.person_id for who, member in inside.items()}
        await tx.merge_ties(ties_of(tx.club, by_person, people))
    moved = [
        (member, sign)
        for member, sign in newest.values()
        if member.last_seen_at is None or sign.at > member.last_seen_at
    ]
    await tx.move_last({member.membership_id: sign for member, sign in moved})
    for member, sign in moved:
        if member.state in STAGED and sign.at > member.known_since:
            await stage_ends.alive(tx, parts, member.person_id, now, "seen")


def _that_count(parts: Parts, signs: Iterable[Sign]) -> list[Sign]:
    """Of the kinds that the policy names. A bridge lets its people in again whenever it starts:
    that they come in says nothing of them."""
    spec = parts.policy.club.spec
    kinds = frozenset(spec.signals)
    return [
        sign
        for sign in signs
        if sign.kind in kinds
        and not (sign.kind is Kind.JOIN and _is_bridged(sign.who, spec.bridged))
    ]


def _is_bridged(who: Identity, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(str(who), pattern) for pattern in patterns)


async def forget(tx: Tx, now: datetime) -> None:
    """No event is told again after so long; and who turned to whom a year ago is nobody's need."""
    await tx.remove(Counted, day__lt=(now - KEEP_COUNTED).date())
    await tx.remove(Tie, week__lt=(now - KEEP_TIES).date())
