"""Ticks of the clock are done once each, and the newest that was missed is made up, once.

Missed is what came while no process ran, while the club was paused, or while no platform could be
asked. However many ticks that were, one is made up: what a sweep would have done in each of them,
it does now. The engine lets a tick come once over all processes; this table outlives it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from gatekeeper.domain.clubs import Schedule
from gatekeeper.ports import Tx
from gatekeeper.usecases.parts import Parts, club_state

SWEEP: Final = "sweep"
FIRST_WAIT: Final = timedelta(minutes=5)  # until a tick that failed is tried again; then doubled
LONGEST_WAIT: Final = timedelta(hours=1)

# The newest tick after one moment and up to another, None for none; the engine computes it.
Newest = Callable[[datetime, datetime], datetime | None]


async def begin(parts: Parts, name: str, cron: str, zone: str, newest: Newest) -> None:
    """Note under which expression a schedule runs from now on, and what of it was missed.

    A schedule that is new, or runs by another expression now, has missed nothing.
    """
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        row = await tx.first(Schedule, name=name)
        if row is None:
            await tx.add(Schedule(club=tx.club, name=name, cron=cron, zone=zone, done_at=now))
        elif (row.cron, row.zone) != (cron, zone):
            await tx.change(row, cron=cron, zone=zone, done_at=now, **_NOTHING_DUE)
        elif await _counts(tx, parts, name, now):
            row = await _set_right(tx, row, now, now)
            await _due(tx, row, newest(row.done_at, now))
        else:
            await tx.change(row, done_at=now, **_NOTHING_DUE)


_NOTHING_DUE: Final = {"due_at": None, "tried_at": None, "tries": 0}


async def _counts(tx: Tx, parts: Parts, name: str, now: datetime) -> bool:
    """Whether a missed tick is to be made up: no sweep of a club that is watched too shortly."""
    if name != SWEEP:
        return True
    since = (await club_state(tx)).watched_since
    return since is not None and now - since >= parts.policy.pruning.settle


async def _set_right(tx: Tx, row: Schedule, until: datetime, now: datetime) -> Schedule:
    """A clock that ran ahead has done or awaits what is still to come: done is it up to `until`,
    or the schedule would stand still until that day."""
    if max(row.done_at, row.due_at or row.done_at) <= now:
        return row
    return await tx.change(row, done_at=min(row.done_at, until), **_NOTHING_DUE)


async def _due(tx: Tx, row: Schedule, tick: datetime | None) -> Schedule:
    """The newest tick is the one to be done; those before it are passed over."""
    if tick is None or tick <= row.done_at or (row.due_at is not None and tick <= row.due_at):
        return row
    return await tx.change(row, due_at=tick, tried_at=None, tries=0)


async def come(parts: Parts, name: str, slot: str) -> bool:
    """A tick has come: whether it is to be done now. In a paused club it waits for the end."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        row = await tx.first(Schedule, name=name)
        if row is None:
            return True
        tick = datetime.fromisoformat(slot)
        row = await _set_right(tx, row, tick - timedelta.resolution, now)
        row = await _due(tx, row, tick)
        if row.due_at != tick:
            return False  # done already, or a newer one has come since
        if (await club_state(tx)).paused_at is not None:
            if not await _counts(tx, parts, name, now):
                await tx.change(row, done_at=tick, **_NOTHING_DUE)
            return False
        await tx.change(row, tried_at=now, tries=row.tries + 1)
        return True


async def done(parts: Parts, name: str, slot: str) -> None:
    """A tick is done, and with it all before it."""
    async with parts.store.transaction(parts.club) as tx:
        row = await tx.first(Schedule, name=name)
        tick = datetime.fromisoformat(slot)
        if row is None or tick <= row.done_at:
            return
        newer = row.due_at if row.due_at is not None and row.due_at > tick else None
        await tx.change(row, done_at=tick, **{**_NOTHING_DUE, "due_at": newer})


async def to_make_up(parts: Parts) -> list[tuple[str, str, int]]:
    """Name, slot and number of tries of each tick that is to be done now."""
    now = parts.clock.now()
    async with parts.store.look(parts.club) as tx:
        rows = await tx.find(Schedule, due_at__set=True)
        if not rows or (await club_state(tx)).paused_at is not None:
            return []
    return [
        (row.name, row.due_at.isoformat(), row.tries)
        for row in rows
        if row.due_at is not None and (row.tried_at is None or now >= row.tried_at + _wait(row))
    ]


def _wait(row: Schedule) -> timedelta:
    return min(FIRST_WAIT * (1 << min(row.tries, 10)), LONGEST_WAIT)
