"""Bulk goes as fast as a platform allows and no faster; what a person waits for goes before it.

A platform that tells what an Action costs has a line for each of its limiters, kept beside those
that have asked us to wait, so that all workers share it. Bulk takes the next free time of the line
and is due then. What somebody waits for goes at once, and bulk makes up for it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from gatekeeper.domain.clubs import Budget
from gatekeeper.domain.decisions import Lane, Order, Progress
from gatekeeper.ports import Carrier, Paced, Tx
from gatekeeper.usecases.parts import Parts

BULK: Final = frozenset({Lane.NOTICE, Lane.REMOVAL})
PACED: Final = "paced"  # reason of an Order whose due time is its own in the line
_LINE: Final = "line "  # what the limiter of a line's row begins with
_SOON: Final = timedelta(milliseconds=5)
_LATE: Final = timedelta(seconds=5)  # whoever missed their time by more (a pause) takes another
_TOGETHER: Final = 500  # Orders that take their times in one transaction, of some 0.3 s


async def its_turn(parts: Parts, order: Order, carrier: Carrier) -> bool:
    """Whether an Order may be performed now; if not, it is due when it is its turn."""
    if not isinstance(carrier, Paced) or _has_its_time(order, parts.clock.now()):
        return True
    costs = carrier.costs(order.action)
    if not costs or (order.lane not in BULK and not await _is_used(parts, carrier.name, costs)):
        return True
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        fresh = await tx.get(Order, order.id)
        if fresh.progress is not Progress.DUE or fresh.attempt != order.attempt:
            return False
        line = _Line(tx, carrier.name, now)
        if fresh.lane not in BULK:
            await line.draw(costs)
            await line.write()
            return True
        start = await line.take(costs)
        if start - now > _SOON:
            await tx.change(fresh, due_at=start, attempt=fresh.attempt + 1, reason=PACED)
        await _others(tx, carrier, fresh, line)
        await line.write()
    return start - now <= _SOON


async def _is_used(parts: Parts, platform: str, limiters: Iterable[str]) -> bool:
    """Whether bulk stands in one of these lines: only then others have to be counted."""
    names = tuple(f"{_LINE}{limiter}" for limiter in limiters)
    async with parts.store.look(parts.club) as tx:
        now = parts.clock.now()
        found = await tx.first(Budget, platform=platform, limiter__in=names, blocked_until__gt=now)
    return found is not None


async def _others(tx: Tx, carrier: Paced, first: Order, line: "_Line") -> None:
    """Those that are due like the first take their times along with it: one commit for many."""
    for one in await tx.find(
        Order,
        platform=first.platform,
        lane=first.lane,
        progress=Progress.DUE,
        due_at__lte=line.now,
        order="id",
        limit=_TOGETHER,
    ):
        if one.id == first.id or _has_its_time(one, line.now):
            continue
        start = await line.take(carrier.costs(one.action))
        await tx.change(one, due_at=start, attempt=one.attempt + 1, reason=PACED)


def _has_its_time(order: Order, now: datetime) -> bool:
    return order.lane in BULK and order.reason == PACED and now - order.due_at < _LATE


class _Line:
    """When each limiter of one platform is free, within one transaction."""

    def __init__(self, tx: Tx, platform: str, now: datetime) -> None:
        self._tx, self._platform, self.now = tx, platform, now
        self._rows: dict[str, Budget | None] = {}
        self._free: dict[str, datetime] = {}

    async def take(self, costs: Mapping[str, timedelta]) -> datetime:
        """The first moment at which all of these are free; from then on they are taken."""
        start = self.now
        for limiter in costs:
            start = max(start, await self._free_at(limiter))
        for limiter, cost in costs.items():
            self._free[limiter] = start + cost
        return start

    async def draw(self, costs: Mapping[str, timedelta]) -> None:
        """Go at once; whoever comes later makes up for it."""
        for limiter, cost in costs.items():
            self._free[limiter] = await self._free_at(limiter) + cost

    async def write(self) -> None:
        """Keep what was taken."""
        for limiter, until in self._free.items():
            row = self._rows[limiter]
            if row is not None:
                await self._tx.change(row, blocked_until=until)
                continue
            made = Budget(
                club=self._tx.club,
                platform=self._platform,
                limiter=f"{_LINE}{limiter}",
                blocked_until=until,
            )
            await self._tx.add(made)

    async def _free_at(self, limiter: str) -> datetime:
        if limiter not in self._rows:
            self._rows[limiter] = row = await self._tx.first(
                Budget, platform=self._platform, limiter=f"{_LINE}{limiter}"
            )
            self._free[limiter] = max(self.now, row.blocked_until) if row else self.now
        return self._free[limiter]
