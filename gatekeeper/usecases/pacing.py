"""Bulk goes as fast as a platform allows and no faster; what a person waits for goes before it.

A platform that tells what an Action costs has a line for each of its limiters, kept beside those
that have asked us to wait, so that all workers share it. Bulk takes the next free time of the line
and is due then. What somebody waits for goes at once, and bulk makes up for it.
"""

from collections.abc import Iterable
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


async def its_turn(parts: Parts, order: Order, carrier: Carrier) -> bool:
    """Whether an Order may be performed now; if not, it is due when it is its turn."""
    costs = carrier.costs(order.action) if isinstance(carrier, Paced) else {}
    if not costs or _has_its_time(order, parts.clock.now()):
        return True
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        fresh = await tx.get(Order, order.id)
        if fresh.progress is not Progress.DUE or fresh.attempt != order.attempt:
            return False
        free = await _free_at(tx, carrier.name, costs, now)
        start = max(free.values()) if order.lane in BULK else now
        for limiter, cost in costs.items():
            await _take(tx, carrier.name, limiter, max(start, free[limiter]) + cost)
        if start - now <= _SOON:
            return True
        await tx.change(fresh, due_at=start, attempt=fresh.attempt + 1, reason=PACED)
        return False


def _has_its_time(order: Order, now: datetime) -> bool:
    return order.lane in BULK and order.reason == PACED and now - order.due_at < _LATE


async def _free_at(
    tx: Tx, platform: str, limiters: Iterable[str], now: datetime
) -> dict[str, datetime]:
    lines = {f"{_LINE}{name}": name for name in limiters}
    free = dict.fromkeys(lines.values(), now)
    for row in await tx.find(Budget, platform=platform, limiter__in=tuple(lines)):
        free[lines[row.limiter]] = max(now, row.blocked_until)
    return free


async def _take(tx: Tx, platform: str, limiter: str, until: datetime) -> None:
    name = f"{_LINE}{limiter}"
    known = await tx.first(Budget, platform=platform, limiter=name)
    if known is None:
        await tx.add(Budget(club=tx.club, platform=platform, limiter=name, blocked_until=until))
    else:
        await tx.change(known, blocked_until=until)
