"""Signs of life: gathered in memory, kept with the position they reach up to, in one transaction.

A crash before a flush loses the signs and the position together, so that the platform tells them
again; after it, neither comes twice.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gatekeeper.domain.activity import Coverage, Sign
from gatekeeper.domain.clubs import Checkpoint
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import INSIDE, STAGED, Membership
from gatekeeper.ports import Tx
from gatekeeper.usecases import stage_ends
from gatekeeper.usecases.parts import Parts, club_state

QUIET = timedelta(seconds=5)  # how often a flush writes when nothing but time has passed
REMEMBERED = 10_000  # event ids kept for each platform, so that a second telling is not counted


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
        self._known: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._counted: defaultdict[str, set[str]] = defaultdict(set)
        self._written: defaultdict[str, tuple[str, datetime | None]] = defaultdict(
            lambda: ("", None)
        )
        self._staged: frozenset[Identity] = frozenset()
        self._flushing = asyncio.Lock()

    async def observe(
        self, platform: str, signs: Sequence[Sign], position: str, *, after_gap: bool = False
    ) -> None:
        """Keep signs up to `position` for the next flush.

        A sign of someone who has been noticed is flushed at once: it ends what was begun.
        """
        buffer, now = self._buffers[platform], self._parts.clock.now()
        for sign in signs:
            if sign.event_id not in self._counted[platform]:
                buffer.signs[sign.event_id] = sign
        buffer.position, buffer.told_at = position, now
        if after_gap:
            buffer.gap_at = now
        if any(sign.who in self._staged for sign in signs):
            await self.flush()

    async def position(self, platform: str) -> str:
        """The last committed position, "" for none."""
        async with self._parts.store.look(self._parts.club) as tx:
            found = await tx.first(Checkpoint, platform=platform)
        return found.position if found else ""

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
                self._remember(name, buffer.signs)

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

    def _remember(self, platform: str, event_ids: Iterable[str]) -> None:
        known, counted = self._known[platform], self._counted[platform]
        for event_id in event_ids:
            if len(known) == known.maxlen:
                counted.discard(known[0])
            known.append(event_id)
            counted.add(event_id)

    async def _write(self, taken: Mapping[str, _Buffer], now: datetime) -> None:
        parts = self._parts
        async with parts.store.transaction(parts.club) as tx:
            for platform, buffer in taken.items():
                await _take_in(tx, parts, buffer.signs.values(), now)
                await _keep_position(tx, platform, buffer.position)
                await self._keep_coverage(tx, platform, buffer, now)
            staged = await tx.find(Membership, state__in=tuple(STAGED))
        self._staged = frozenset(member.identity for member in staged)

    async def _keep_coverage(self, tx: Tx, platform: str, buffer: _Buffer, now: datetime) -> None:
        """Extend the open interval, or begin one after a gap.

        While the intake does not listen, the interval ends with what was last told; if nothing
        was missed meanwhile, the next telling carries it on.
        """
        if buffer.told_at is None:
            return
        there = self._parts.platforms.get(platform)
        end = now if there is not None and there.health().ok else buffer.told_at
        newest = await tx.first(Coverage, platform=platform, order="-id")
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


async def _keep_position(tx: Tx, platform: str, position: str | None) -> None:
    if position is None:
        return
    known = await tx.first(Checkpoint, platform=platform)
    if known is None:
        await tx.add(Checkpoint(club=tx.club, platform=platform, position=position))
    elif known.position != position:
        await tx.change(known, position=position)


async def _take_in(tx: Tx, parts: Parts, signs: Iterable[Sign], now: datetime) -> None:
    """Count the signs of members; a clock that runs ahead of ours cannot make anyone younger."""
    counted = set(parts.policy.club.spec.signals)
    by_identity: defaultdict[Identity, list[Sign]] = defaultdict(list)
    for sign in signs:
        if sign.kind in counted:
            by_identity[sign.who].append(replace(sign, at=min(sign.at, now)))
    merged: dict[int, list[Sign]] = {}
    for who, theirs in by_identity.items():
        account = await tx.first(Account, identity=who)
        if account is None:
            continue
        member = await tx.first(Membership, person_id=account.person_id, state__in=tuple(INSIDE))
        if member is not None:
            merged.setdefault(member.person_id, []).extend(theirs)
            await _seen(tx, parts, member, max(theirs, key=lambda sign: sign.at), now)
    if merged:
        await tx.merge_activity(merged)


async def _seen(tx: Tx, parts: Parts, member: Membership, sign: Sign, now: datetime) -> None:
    """Move the last sign forward, never back; whoever was thought silent and is not is free."""
    member = await tx.get(Membership, member.id)
    if member.last_seen_at is not None and sign.at <= member.last_seen_at:
        return
    await tx.change(member, last_seen_at=sign.at, last_kind=sign.kind.value, last_place=sign.place)
    if sign.at > member.known_since:
        await stage_ends.alive(tx, parts, member.person_id, now, "seen")
