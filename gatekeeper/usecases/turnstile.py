"""Lets a few through at a time, the most urgent first."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count


class Turnstile:
    """At most `width` inside; those who wait go in by urgency, then in order of arrival."""

    def __init__(self, width: int) -> None:
        self._free = width
        self._queue: list[tuple[str, int, asyncio.Future[None]]] = []
        self._arrivals = count()

    @asynccontextmanager
    async def through(self, urgency: str) -> AsyncIterator[None]:
        """Wait for a place; a smaller `urgency` goes first."""
        if self._free:
            self._free -= 1
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._queue, (urgency, next(self._arrivals), turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._leave()
                raise
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        while self._queue:
            _, _, turn = heapq.heappop(self._queue)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
