"""One task that fires every schedule of a process at its moment."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from gatekeeper.engine.ticks import ticks
from gatekeeper.ports import Clock

log = structlog.stdlib.get_logger(__name__)

# A clock that was set, or a machine that slept, is noticed within this time.
LONGEST_SLEEP = timedelta(seconds=30)

Fire = Callable[[str, str, str], Awaitable[None]]


@dataclass(slots=True)
class _Schedule:
    kind: str
    moments: Iterator[datetime]
    due: datetime


class Cron:
    """Calls `fire(name, kind, slot)` at every tick of every schedule, the earliest first.

    Every process does so; that a tick happens once is the engine's work, by the key it makes from
    name and slot. Of ticks that the machine slept through, the newest is fired. Those that pass
    while no process runs are `usecases.missed`'s to make up, from our tables.
    """

    def __init__(self, clock: Clock, fire: Fire) -> None:
        self._clock, self._fire = clock, fire
        self._schedules: dict[str, _Schedule] = {}
        self._changed = asyncio.Event()

    def set(self, name: str, cron: str, zone: str, kind: str) -> None:
        """Add a schedule or replace the one of this name; BadInput leaves the old one alone."""
        moments = ticks(cron, zone, self._clock.now())
        self._schedules[name] = _Schedule(kind, moments, next(moments))
        self._changed.set()

    async def run(self) -> None:
        """Fire until cancelled."""
        while True:
            self._changed.clear()
            now = self._clock.now()
            for name, schedule in sorted(self._schedules.items(), key=lambda item: item[1].due):
                if schedule.due <= now:
                    await self._tick(name, schedule, now)
            dues = [schedule.due for schedule in self._schedules.values()]
            wait = min((due - self._clock.now() for due in dues), default=LONGEST_SLEEP)
            seconds = min(wait, LONGEST_SLEEP).total_seconds()
            try:
                async with asyncio.timeout(max(seconds, 0.001)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _tick(self, name: str, schedule: _Schedule, now: datetime) -> None:
        slot = schedule.due.isoformat()
        while schedule.due <= now:  # of ticks that were slept through, only the newest is fired
            slot, schedule.due = schedule.due.isoformat(), next(schedule.moments)
        try:
            await self._fire(name, schedule.kind, slot)
        except Exception:
            log.exception("cron-failed", schedule=name, slot=slot)
