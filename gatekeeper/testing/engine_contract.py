"""EngineContract: the laws of the Engine port."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from gatekeeper.ports import Engine

Make = Callable[[], Engine]
WAIT = 5.0


class Seen:
    """A job that notes its arguments, and when its first line ran."""

    def __init__(self) -> None:
        self.calls: list[tuple[str | int, ...]] = []
        self.at: list[float] = []
        self._changed = asyncio.Event()

    async def __call__(self, *args: str | int) -> None:
        self.at.append(time.perf_counter())
        self.calls.append(args)
        self._changed.set()

    async def times(self, wanted: int, within: float = WAIT) -> None:
        """Wait until the job ran so often; the assertion that follows tells what was missed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while len(self.calls) < wanted:
                    self._changed.clear()
                    await self._changed.wait()


@asynccontextmanager
async def at_work(engine: Engine) -> AsyncIterator[Engine]:
    """The engine, started; stopped at the end."""
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


class EngineContract:
    """A subclass gives the fixture `make`: each call a new engine on the same store, whose `stop`
    breaks off what runs after less than a second. At most one of them works at a time."""

    async def fire(self, engine: Engine, name: str) -> None:
        """Let at least two ticks of a schedule of every second come; a fake does so by hand."""
        await asyncio.sleep(2.2)

    async def test_a_key_is_run_once(self, make: Make) -> None:
        """Nudge, net and a restart all hand over the same Order."""
        seen = Seen()
        for _restart in range(2):
            engine = make()
            engine.register("job", seen)
            async with at_work(engine):
                for now in (True, False, True):
                    await engine.enqueue("job", "x", key="once", now=now)
                await engine.enqueue("job", "other", key="other", now=True)
                await seen.times(2)
                await asyncio.sleep(0.2)
        assert sorted(seen.calls) == [("other",), ("x",)]

    async def test_many_at_the_same_moment_are_run_once(self, make: Make) -> None:
        engine, seen = make(), Seen()
        engine.register("job", seen)
        async with at_work(engine):
            await asyncio.gather(
                *(engine.enqueue("job", n % 3, key=f"k{n % 3}", now=True) for n in range(12))
            )
            await seen.times(3)
            await asyncio.sleep(0.2)
        assert sorted(seen.calls) == [(0,), (1,), (2,)]

    async def test_what_was_handed_over_before_the_start_runs(self, make: Make) -> None:
        engine, seen = make(), Seen()
        engine.register("job", seen)
        await engine.enqueue("job", "early", key="early")
        async with at_work(engine):
            await seen.times(1)
        assert seen.calls == [("early",)]

    async def test_arguments_arrive_as_given(self, make: Make) -> None:
        """Ids stay whole numbers, texts stay texts, whatever letters they hold."""
        engine, seen = make(), Seen()
        engine.register("job", seen)
        given: tuple[str | int, ...] = ("club", 7, 2**60, "é✅\u202e'\"\\\n", "2026-01-01", "")
        async with at_work(engine):
            await engine.enqueue("job", *given, key="now", now=True)
            await engine.enqueue("job", *given, key="queued")
            await engine.enqueue("job", key="none", now=True)
            await seen.times(3)
        assert sorted(seen.calls) == [(), given, given]
        assert [type(arg) for arg in max(seen.calls)] == [type(arg) for arg in given]

    async def test_a_job_that_raises_harms_no_other(self, make: Make) -> None:
        engine, seen = make(), Seen()

        async def broken(*args: str | int) -> None:
            await seen("broken", *args)
            raise RuntimeError("a fault in a job")

        engine.register("broken", broken)
        engine.register("job", seen)
        async with at_work(engine):
            await engine.enqueue("broken", key="b1", now=True)
            await engine.enqueue("unknown", key="u1", now=True)
            await engine.enqueue("job", 1, key="j1", now=True)
            await engine.enqueue("broken", key="b2")
            await engine.enqueue("job", 2, key="j2")
            await seen.times(4)
            assert engine.health().ok
            await asyncio.sleep(0.2)
            assert await engine.fate("b1") == "finished"
        assert sorted(seen.calls, key=str) == [("broken",), ("broken",), (1,), (2,)]

    async def test_a_job_may_hand_over_another(self, make: Make) -> None:
        """Again after a restart it still is one job, under the key that it was given."""
        engine, seen = make(), Seen()

        async def first() -> None:
            await engine.enqueue("job", "second", key="second", now=True)
            await engine.enqueue("job", "third", key="third")

        engine.register("first", first)
        engine.register("job", seen)
        async with at_work(engine):
            await engine.enqueue("first", key="first", now=True)
            await seen.times(2)
            assert await engine.fate("third") != "unknown"
        assert sorted(seen.calls) == [("second",), ("third",)]

    async def test_now_starts_within_50_ms(self, make: Make) -> None:
        """A person waits for it. The median of ten, so that a busy machine does not lie."""
        engine, seen = make(), Seen()
        engine.register("job", seen)
        took = []
        async with at_work(engine):
            for n in range(10):
                begin = time.perf_counter()
                await engine.enqueue("job", n, key=f"fast-{n}", now=True)
                await seen.times(n + 1)
                took.append(seen.at[-1] - begin)
        assert len(took) == 10
        assert sorted(took)[5] < 0.05

    async def test_fate_tells_what_became_of_a_key(self, make: Make) -> None:
        engine, go, seen = make(), asyncio.Event(), Seen()

        async def waits() -> None:
            await seen()
            await go.wait()

        engine.register("waits", waits)
        async with at_work(engine):
            assert await engine.fate("w") == "unknown"
            await engine.enqueue("waits", key="w", now=True)
            await seen.times(1)
            assert await engine.fate("w") == "unfinished"
            go.set()
            for _ in range(50):
                if await engine.fate("w") == "finished":
                    break
                await asyncio.sleep(0.02)
            assert await engine.fate("w") == "finished"

    async def test_stop_finishes_what_runs(self, make: Make) -> None:
        engine, begun, ended = make(), Seen(), Seen()

        async def short() -> None:
            await begun()
            await asyncio.sleep(0.2)
            await ended()

        engine.register("short", short)
        async with at_work(engine):
            await engine.enqueue("short", key="s", now=True)
            await begun.times(1)
        assert len(ended.calls) == 1
        assert not engine.health().ok

    async def test_unfinished_jobs_go_on_after_a_restart(self, make: Make) -> None:
        """What stop broke off begins anew: a job is performed at least once."""
        engine, seen = make(), Seen()

        async def endless(*args: str | int) -> None:
            await seen("broken off", *args)
            await asyncio.Event().wait()

        engine.register("job", endless)
        begin = time.perf_counter()
        async with at_work(engine):
            await engine.enqueue("job", 5, key="long", now=True)
            await seen.times(1)
        assert time.perf_counter() - begin < 10
        again = make()
        again.register("job", seen)
        async with at_work(again):
            await seen.times(2, within=10)
        assert seen.calls == [("broken off", 5), (5,)]

    async def test_each_tick_comes_once_with_its_slot(self, make: Make) -> None:
        engine, seen = make(), Seen()
        engine.register("sweep", seen)
        engine.schedule("every-second", "* * * * * *", "Europe/Berlin", "sweep")
        async with at_work(engine):
            await self.fire(engine, "every-second")
        slots = [datetime.fromisoformat(str(slot)) for (slot,) in seen.calls]
        assert len(slots) >= 2
        assert len(set(slots)) == len(slots)
        assert all(slot.tzinfo for slot in slots)

    async def test_a_schedule_can_be_replaced(self, make: Make) -> None:
        """A policy was loaded anew: its old schedule is over at once."""
        engine, old, new = make(), Seen(), Seen()
        engine.register("old", old)
        engine.register("new", new)
        engine.schedule("sweep", "* * * * * *", "UTC", "old")
        async with at_work(engine):
            engine.schedule("sweep", "* * * * * *", "UTC", "new")
            await self.fire(engine, "sweep")
        assert old.calls == []
        assert len(new.calls) >= 2
