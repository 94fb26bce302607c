"""Lets a few through at a time, the most urgent first and undisturbed."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count


class Turnstile:
    """At most `width` inside; those who wait go in by urgency, then in order of arrival.

    Nobody goes in beside someone more urgent: the two would share the other side's only hands,
    and the one that a person waits for would take twice as long.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._inside: list[str] = []
        self._queue: list[tuple[str, int, asyncio.Future[None]]] = []
        self._arrivals = count()

    @asynccontextmanager
    async def through(self, urgency: str) -> AsyncIterator[None]:
        """Wait for a place; a smaller `urgency` goes first."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (urgency, next(self._arrivals), turn))
        self._admit()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._inside.remove(urgency)
            turn.cancel()
            self._admit()

    def _admit(self) -> None:
        """Let in from the front of the queue as long as there is room for whoever stands there."""
        while self._queue and len(self._inside) < self._width:
            urgency, _, turn = self._queue[0]
            if not turn.done():
                if self._inside and min(self._inside) < urgency:
                    return
                self._inside.append(urgency)
                turn.set_result(None)
            heapq.heappop(self._queue)
