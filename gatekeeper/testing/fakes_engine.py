"""FakeEngine: the Engine in memory, with cron under the test's hand."""

import asyncio
from dataclasses import dataclass, field

import structlog

from gatekeeper.ports import Fate, Health, Job

log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class FakeJob:
    """One job that was handed over; `fate` is what became of it."""

    kind: str
    args: tuple[str | int, ...]
    key: str
    now: bool
    fate: Fate = "unfinished"


@dataclass(slots=True)
class EngineMemory:
    """What outlives an engine: give the same to a second one for a restart, or a second process."""

    jobs: dict[str, FakeJob] = field(default_factory=dict)
    claimed: set[str] = field(default_factory=set)  # keys of jobs that some engine runs now


class FakeEngine:
    """Engine without a database.

    Args:
        memory: shared by engines that stand for processes on one store.
        by_hand: nothing runs until `drain` is awaited.
        grace: seconds that `stop` gives to running jobs.

    `memory.jobs` holds, by key, all that was ever handed over; `schedules` what was scheduled.
    """

    def __init__(
        self, memory: EngineMemory | None = None, *, by_hand: bool = False, grace: float = 5.0
    ) -> None:
        self.memory = memory or EngineMemory()
        self.schedules: dict[str, tuple[str, str, str]] = {}
        self._by_hand, self._grace = by_hand, grace
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._working = False

    def register(self, kind: str, job: Job) -> None:
        """See Engine."""
        self._jobs[kind] = job

    def schedule(self, name: str, cron: str, zone: str, kind: str) -> None:
        """See Engine; fires only by `tick`."""
        self.schedules[name] = (cron, zone, kind)

    async def tick(self, name: str, slot: str) -> None:
        """Let a schedule fire for `slot`, an ISO text."""
        _cron, _zone, kind = self.schedules[name]
        await self.enqueue(kind, slot, key=f"cron-{name}-{slot}", now=True)

    async def start(self) -> None:
        """See Engine."""
        self._working = True
        self._begin()

    async def stop(self) -> None:
        """See Engine."""
        self._working = False
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=self._grace)
        late = list(self._tasks.values())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def enqueue(self, kind: str, *args: str | int, key: str, now: bool = False) -> None:
        """See Engine."""
        if key not in self.memory.jobs:
            self.memory.jobs[key] = FakeJob(kind, args, key, now)
        self._begin()

    async def fate(self, key: str) -> Fate:
        """See Engine."""
        return self.memory.jobs[key].fate if key in self.memory.jobs else "unknown"

    async def drain(self) -> None:
        """Run all that is waiting, and what it hands over in turn, to the end."""
        self._begin(by_hand=True)
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))
            self._begin(by_hand=True)

    def health(self) -> Health:
        """See Engine."""
        return Health(ok=self._working, code="" if self._working else "engine-stopped")

    def _begin(self, *, by_hand: bool = False) -> None:
        if not self._working or (self._by_hand and not by_hand):
            return
        for job in self.memory.jobs.values():
            if job.fate == "unfinished" and job.key not in self.memory.claimed:
                self.memory.claimed.add(job.key)
                self._tasks[job.key] = asyncio.create_task(self._run(job))

    async def _run(self, job: FakeJob) -> None:
        try:
            if job.kind in self._jobs:
                await self._jobs[job.kind](*job.args)
            else:
                log.error("engine-unknown-job", kind=job.kind, args=job.args)
        except Exception:
            log.exception("job-failed", kind=job.kind, args=job.args)
        except asyncio.CancelledError:
            return  # stays unfinished, and goes on in the next engine on this memory
        finally:
            self.memory.claimed.discard(job.key)
            self._tasks.pop(job.key, None)
        job.fate = "finished"
