"""Relay: the net under everything. What is committed as due reaches the engine, sooner or later.

A commit nudges it, so that what a person waits for starts at once; a look at the outbox each second
finds what a nudge lost (a crash, another process, a time that has come). Both use the same key, so
that nothing is handed over twice.
"""

import asyncio
import contextlib
import contextvars
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import structlog

from gatekeeper.domain.decisions import Lane, Order, Progress
from gatekeeper.domain.identity import ClubId
from gatekeeper.ports import Clock, Engine, Health, Store

log = structlog.stdlib.get_logger(__name__)

PERFORM = "perform"
BATCH = 200
# Of one nudge or look so many start at once; the rest goes through the queue, which has a limit.
AT_ONCE = 16
INTERACTIVE = frozenset({Lane.ANSWER, Lane.CARD, Lane.ADMISSION, Lane.UPDATE, Lane.PROOF})
# An Order that is still due so long after it was handed over: did its job end without a result?
RETRY = 30.0
CLUBS_EVERY = 60.0
LONGEST_PAUSE = timedelta(seconds=60)  # between two due scans, should a wake-up be lost
SHORTEST_PAUSE = 0.2  # seconds
_EVER = datetime.min.replace(tzinfo=UTC)

DueScan: TypeAlias = Callable[[ClubId], Awaitable[datetime | None]]
Mark: TypeAlias = tuple[ClubId, int, int]


class Relay:
    """Hands due Orders to `engine` as `perform(club, order id, attempt)`, and runs the due scan.

    Args:
        due: moves on everything in a club whose time has come, and returns when it next wants to
            be called, None for "when something is committed".
        net: seconds between two looks at the outbox, at most.
        retry: seconds after which an Order that is still due is handed over once more, if its job
            has ended; doubled with each time.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        clock: Clock,
        due: DueScan,
        *,
        net: float = 1.0,
        retry: float = RETRY,
    ) -> None:
        self._store, self._engine, self._clock, self._due = store, engine, clock, due
        self._net, self._retry = net, retry
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = contextvars.copy_context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._look_now, self._scan_now = asyncio.Event(), asyncio.Event()
        self._clubs: dict[ClubId, None] = {}
        self._clubs_until = 0.0
        self._handed: dict[Mark, float] = {}  # when to ask the engine what became of it
        self._asked: set[ClubId] = set()
        self._scan_at: dict[ClubId, datetime] = {}
        self._faults: dict[str, int] = {}

    async def start(self) -> None:
        """Begin to look; what became due while nothing ran is found by the first look."""
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._spawn(self._outbox())
        self._spawn(self._scans())

    async def stop(self) -> None:
        """Stop looking; what is due stays due in our tables."""
        self._loop = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def health(self) -> Health:
        """Whether it looks, and the last looks worked."""
        if self._loop is None:
            return Health(ok=False, code="relay-stopped")
        if self._faults:
            return Health(ok=False, code="relay-failing", detail=", ".join(sorted(self._faults)))
        return Health(ok=True)

    def nudge(self, club: ClubId, order_ids: Sequence[int]) -> None:
        """Tell of a commit and the ids of its new due Orders. For `store.committed`: never waits,
        never raises, from any thread; before `start` and after `stop` it does nothing."""
        if self._loop is None:
            return
        # In our own context: the commit's holds a transaction that is over.
        with contextlib.suppress(RuntimeError):  # the loop is closed; the next start looks anyway
            self._loop.call_soon_threadsafe(
                self._nudged, club, tuple(order_ids), context=self._context
            )

    def _nudged(self, club: ClubId, order_ids: tuple[int, ...]) -> None:
        if self._loop is None:
            return
        self._clubs[club] = None
        self._asked.add(club)
        self._scan_now.set()
        if order_ids:
            self._spawn(self._begin(club, order_ids[:BATCH]))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- the outbox ----

    async def _begin(self, club: ClubId, order_ids: tuple[int, ...]) -> None:
        """Hand over what a commit has just made due."""
        try:
            async with self._store.look(club) as tx:
                orders = await tx.find(Order, id__in=order_ids, progress=Progress.DUE)
            now = self._clock.now()
            await self._hand_over([order for order in orders if order.due_at <= now], at_once=True)
        except Exception:
            self._failed("outbox")
            return
        if any(order.due_at > now for order in orders):
            self._look_now.set()  # it may be due before the next look

    async def _outbox(self) -> None:
        while True:
            self._look_now.clear()
            try:
                wait = await self._look()
                self._worked("outbox")
            except Exception:
                wait = self._failed("outbox")
            await _pause(self._look_now, wait)

    async def _look(self) -> float:
        """Hand over all that is due; seconds until the next look."""
        wait = self._net
        for club in await self._known_clubs():
            now = self._clock.now()
            orders: list[Order] = []
            async with self._store.look(club) as tx:
                first = await tx.first(Order, order="due_at", progress=Progress.DUE)
                if first is not None and first.due_at <= now:
                    orders = await tx.find(
                        Order, order="lane", limit=BATCH, progress=Progress.DUE, due_at__lte=now
                    )
                    first = await tx.first(
                        Order, order="due_at", progress=Progress.DUE, due_at__gt=now
                    )
                if first is not None:
                    wait = min(wait, (first.due_at - now).total_seconds())
            await self._hand_over(orders)
            await self._ask_again(orders)
            self._forget(club, orders)
        return wait

    async def _known_clubs(self) -> list[ClubId]:
        if not self._clubs or time.monotonic() >= self._clubs_until:
            self._clubs.update(dict.fromkeys(await self._store.clubs()))
            self._clubs_until = time.monotonic() + CLUBS_EVERY
        return list(self._clubs)

    async def _hand_over(self, orders: Sequence[Order], *, at_once: bool = False) -> None:
        """Enqueue each Order that was not yet, in the order of lanes."""
        fresh = [order for order in orders if _mark(order) not in self._handed]
        fresh.sort(key=lambda order: (order.lane, order.due_at, order.id))
        for position, order in enumerate(fresh):
            now = position < AT_ONCE and (at_once or order.lane in INTERACTIVE)
            self._handed[_mark(order)] = time.monotonic() + self._retry
            try:
                await self._enqueue(order, _key(order), now=now)
            except BaseException:
                self._handed.pop(_mark(order), None)
                raise

    async def _enqueue(self, order: Order, key: str, *, now: bool) -> None:
        await self._engine.enqueue(PERFORM, order.club, order.id, order.attempt, key=key, now=now)

    async def _ask_again(self, orders: Sequence[Order]) -> None:
        """A job that raised is over for the engine, and its key is used up: an Order that is due
        still gets another one, under a further key, but never beside a job that goes on."""
        for order in orders:
            if time.monotonic() < self._handed.get(_mark(order), 0.0):
                continue
            tries = 0
            while (fate := await self._engine.fate(_key(order, tries))) == "finished":
                tries += 1
            if fate == "unknown":
                log.info("order-again", club=order.club, order=order.id, tries=tries)
                await self._enqueue(order, _key(order, tries), now=False)
            self._handed[_mark(order)] = time.monotonic() + self._retry * 2 ** min(tries, 5)

    def _forget(self, club: ClubId, due: Sequence[Order]) -> None:
        """Drop marks of Orders that are no longer due."""
        keep, now = {_mark(order) for order in due}, time.monotonic()
        for mark, until in list(self._handed.items()):
            if mark[0] == club and until <= now and mark not in keep:
                del self._handed[mark]

    # ---- the due scan ----

    async def _scans(self) -> None:
        while True:
            self._scan_now.clear()
            try:
                clubs = await self._known_clubs()
                self._worked("clubs")
            except Exception:
                await asyncio.sleep(self._failed("clubs"))
                continue
            for club in clubs:
                if club in self._asked or self._clock.now() >= self._scan_at.get(club, _EVER):
                    await self._scan(club)
            # One scan for a burst of commits, and a breath for a scan that always wants to run.
            await asyncio.sleep(SHORTEST_PAUSE)
            now = self._clock.now()
            waits = [at - now for at in self._scan_at.values()]
            await _pause(self._scan_now, min(waits, default=LONGEST_PAUSE).total_seconds())

    async def _scan(self, club: ClubId) -> None:
        self._asked.discard(club)
        name = f"due scan of {club}"
        try:
            wanted = await self._due(club)
            self._worked(name)
        except Exception:
            wanted = self._clock.now() + timedelta(seconds=self._failed(name))
        now = self._clock.now()
        self._scan_at[club] = min(wanted or now + LONGEST_PAUSE, now + LONGEST_PAUSE)

    # ---- faults ----

    def _failed(self, what: str) -> float:
        """Log a run of failures once; seconds to wait before the next try."""
        times = self._faults[what] = self._faults.get(what, 0) + 1
        if times == 1:
            log.exception("relay-failing", what=what)
        return float(min(2 ** (times - 1), 30))

    def _worked(self, what: str) -> None:
        if self._faults.pop(what, 0):
            log.warning("relay-recovered", what=what)


def _mark(order: Order) -> Mark:
    return order.club, order.id, order.attempt


def _key(order: Order, tries: int = 0) -> str:
    key = f"outbox-{order.id}-{order.attempt}"
    return f"{key}-{tries}" if tries else key


async def _pause(event: asyncio.Event, seconds: float) -> None:
    """Until the event or the time, whichever is first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(seconds, 0.001)):
            await event.wait()
