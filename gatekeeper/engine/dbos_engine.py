"""The Engine on DBOS: a durable queue on a SQLite file of its own, or on PostgreSQL.

DBOS is one for each process, so is this. Nothing outside this package knows DBOS.
"""

import asyncio
import contextvars
import logging
import math
import threading
import uuid
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import sqlalchemy as sa
import structlog
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowStatus

from gatekeeper.engine.cron import Cron
from gatekeeper.engine.faults import EngineFault
from gatekeeper.engine.file import FileLock, open_file
from gatekeeper.engine.takeover import Pulse
from gatekeeper.ports import Clock, Fate, Health, Job

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")

# Fixed: DBOS's own default is a hash of the code, and strands whatever an older release enqueued.
VERSION = "gatekeeper-1"
QUEUE = "gatekeeper"
WORKFLOW = "gatekeeper.job"
KEPT = timedelta(days=1)  # how long a finished job, and with it its key, is remembered
THREADS = 12  # DBOS's blocking work, and asyncio.to_thread of the whole process
CONNECTIONS = 6
CONCURRENCY = 16  # jobs taken from the queue that run at once in this process
RETENTION = "engine.retention"


class Phase(Enum):
    """The life of an engine object; it is started once."""

    NEW = "new"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


class DbosEngine:
    """Engine on DBOS 3.4; one for each process.

    Args:
        clock: tells cron the time.
        path: the engine's own SQLite file, in a folder that exists; or else `postgres_url`.
        postgres_url: postgresql://…; DBOS keeps its tables in schema `dbos`.
        poll: seconds between two looks at the queue; jobs enqueued with `now` do not wait for it.
        grace: seconds that `stop` gives to running jobs; then they are broken off, and go on at
            the next start.
        takeover: seconds between two looks for dead processes on PostgreSQL, whose unfinished jobs
            go on here.
    """

    _taken: ClassVar[bool] = False

    def __init__(
        self,
        *,
        clock: Clock,
        path: Path | None = None,
        postgres_url: str | None = None,
        poll: float = 1.0,
        grace: float = 5.0,
        takeover: float = 10.0,
    ) -> None:
        if (path is None) == (postgres_url is None):
            raise EngineFault(detail="either a file or a PostgreSQL address is needed")
        self._clock, self._path, self._url = clock, path, postgres_url
        self._poll, self._grace = poll, grace
        # A file has one process at a time, so its jobs are its own after a restart. On PostgreSQL
        # a shared id would make a second process run the first one's jobs again.
        self._executor = "gatekeeper" if path else f"gatekeeper-{uuid.uuid4()}"
        self._lock = FileLock(path) if path else None
        self._pulse = Pulse(postgres_url, self._executor) if postgres_url else None
        self._takeover = takeover
        self._jobs: dict[str, Job] = {}
        self._early: list[tuple[str, tuple[str | int, ...], str, bool]] = []
        self._cron = Cron(clock, self._fire)
        self._own: list[asyncio.Task[None]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._context = contextvars.copy_context()
        self._phase = Phase.NEW
        self._polled = False
        self._file: sa.Engine | None = None

    def register(self, kind: str, job: Job) -> None:
        """Name a job; before `start`."""
        if self._phase is not Phase.NEW:
            raise EngineFault(detail=f"{kind} was registered after the start")
        self._jobs[kind] = job

    def schedule(self, name: str, cron: str, zone: str, kind: str) -> None:
        """See Engine. BadInput names `cron` or `zone`, and an earlier schedule goes on."""
        self._cron.set(name, cron, zone, kind)

    async def start(self) -> None:
        """See Engine. Raises EngineLocked, EngineFault; blocks the loop for about 0.1 s."""
        if DbosEngine._taken:
            raise EngineFault(detail="this process has an engine already")
        if self._lock:
            try:
                self._lock.take()
            except OSError as error:
                raise EngineFault(detail=str(error)) from error
        DbosEngine._taken = True
        self._context = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()
        self._jobs.setdefault(RETENTION, self._forget_old)
        try:
            if self._pulse:
                await asyncio.to_thread(self._pulse.beat)
            self._launch()
            await DBOS.register_queue_async(
                QUEUE,
                worker_concurrency=CONCURRENCY,
                polling_interval_sec=self._poll,
                on_conflict="always_update",
            )
        except Exception as error:
            await self._close(0)
            raise EngineFault(detail=str(error)) from error
        self._phase = Phase.RUNNING
        self.schedule(RETENTION, "17 * * * *", "UTC", RETENTION)
        early, self._early = self._early, []
        for kind, args, key, now in early:
            await self.enqueue(kind, *args, key=key, now=now)
        for work in (self._cron.run(), self._inherit()):
            self._own.append(self._loop.create_task(work, context=self._context.copy()))

    def _launch(self) -> None:
        logger = logging.getLogger("dbos")
        if not logger.handlers:  # else DBOS writes to the console by itself
            logger.addHandler(logging.NullHandler())
        config: DBOSConfig = {
            "name": "gatekeeper",
            "application_version": VERSION,
            "executor_id": self._executor,
            # The default is pickle: whoever can write the tables could run code here.
            "serializer": DBOSPortableJSONSerializer(),
            "max_executor_threads": THREADS,
            "sys_db_pool_size": CONNECTIONS,
            "use_listen_notify": False,  # only for waiting on workflows, which we never do
            "scheduler_polling_interval_sec": 3600.0,  # its cron has jitter and no quick change
            "log_level": "WARNING",
            "enable_otlp": False,
        }
        if self._path:
            self._file = open_file(self._path, CONNECTIONS)
            config["system_database_engine"] = self._file
        else:
            config["system_database_url"] = self._url
        DBOS(config=config)
        self._workflow = DBOS.workflow(name=WORKFLOW)(self._job())
        DBOS.launch()

    def _job(self) -> Any:
        async def job(kind: str, args: list[str | int]) -> None:
            await self._run(kind, args)

        return job

    async def _run(self, kind: str, args: list[str | int]) -> None:
        """One job to its end. In a context of its own: what it enqueues is no child in DBOS's
        sense, and it sees neither DBOS's nor another transaction's variables."""
        job = self._jobs.get(kind)
        if job is None:
            log.error("engine-unknown-job", kind=kind, args=args)
            return
        if self._phase in (Phase.STOPPING, Phase.STOPPED):
            raise asyncio.CancelledError  # claimed while we stop: stays unfinished
        task: asyncio.Task[None] = self._loop.create_task(
            _awaited(job, args), context=self._context.copy()
        )
        self._running.add(task)
        try:
            await task
        except asyncio.CancelledError:
            if self._phase is not Phase.RUNNING:
                raise  # stays unfinished, and goes on at the next start
            log.error("job-cancelled", kind=kind, args=args)
        except Exception:
            log.exception("job-failed", kind=kind, args=args)
        finally:
            self._running.discard(task)

    async def enqueue(self, kind: str, *args: str | int, key: str, now: bool = False) -> None:
        """See Engine; a key is remembered for a day after its job has finished.

        Before `start` the job is kept in memory until then.
        """
        if self._phase is Phase.NEW:
            self._early.append((kind, args, key, now))
            return
        await self._alone(self._submit(kind, args, key, now))

    async def _submit(self, kind: str, args: tuple[str | int, ...], key: str, now: bool) -> None:
        with SetWorkflowID(key):
            if now and self._phase is Phase.RUNNING:
                await DBOS.start_workflow_async(self._workflow, kind, list(args))
            else:
                await DBOS.enqueue_workflow_async(QUEUE, self._workflow, kind, list(args))

    async def fate(self, key: str) -> Fate:
        """What became of the job with this key; "unknown" when there is none (any more)."""
        return await self._alone(self._fate(key))

    async def _fate(self, key: str) -> Fate:
        status = await DBOS.get_workflow_status_async(key)
        if status is None:
            return "unknown"
        return "unfinished" if status.status in ("PENDING", "ENQUEUED", "DELAYED") else "finished"

    async def _alone(self, call: Coroutine[Any, Any, T]) -> T:
        """Await `call` outside of any workflow of DBOS; a caller that is cancelled breaks nothing
        off in the middle."""
        return await asyncio.shield(self._loop.create_task(call, context=self._context.copy()))

    async def _fire(self, name: str, kind: str, slot: str) -> None:
        await self.enqueue(kind, slot, key=f"cron-{name}-{slot}", now=True)

    async def _inherit(self) -> None:
        """On PostgreSQL, take over what dead processes left behind: DBOS itself does not."""
        failing = False
        while self._pulse:
            try:
                await self._inherit_from_dead(self._pulse)
                failing = False
            except Exception:
                if not failing:
                    log.exception("takeover-failed")
                failing = True
            await asyncio.sleep(self._takeover)

    async def _inherit_from_dead(self, pulse: Pulse) -> None:
        await asyncio.to_thread(pulse.beat)
        owners = {status.executor_id for status in await _pending()}
        for owner in owners - {None, self._executor}:
            if owner is None or not await asyncio.to_thread(pulse.inherit, owner):
                continue
            try:
                left = [status.workflow_id for status in await _pending(owner)]
                if left:
                    log.warning("takeover", process=owner, jobs=len(left))
                    await DBOS.resume_workflows_async(left, queue_name=QUEUE)
            finally:
                await asyncio.to_thread(pulse.done, owner)

    async def _forget_old(self, _slot: str) -> None:
        """Delete jobs that finished more than a day ago: nothing else does."""
        before = (self._clock.now() - KEPT).isoformat()
        while self._phase is Phase.RUNNING:
            old = await DBOS.list_workflows_async(
                completed_before=before, limit=500, load_input=False, load_output=False
            )
            if not old:
                return
            await DBOS.delete_workflows_async([status.workflow_id for status in old])

    async def stop(self) -> None:
        """Take nothing new, give running jobs their grace, and let go of the file."""
        if self._phase is not Phase.RUNNING:
            return
        self._phase = Phase.STOPPING
        for task in self._own:
            task.cancel()
        await asyncio.gather(*self._own, return_exceptions=True)
        await self._close(self._grace)

    async def _close(self, grace: float) -> None:
        """DBOS stops claiming at once and waits for what runs; we break it off after `grace`."""
        self._phase = Phase.STOPPING
        # DBOS put its own threads behind this loop's asyncio.to_thread. They go now, while others
        # in this process, who are stopped after us, still look names up by them.
        mine = ThreadPoolExecutor(thread_name_prefix="asyncio")
        self._loop.set_default_executor(mine)
        with ThreadPoolExecutor(1, "engine-stop") as thread:
            ended = self._loop.run_in_executor(
                thread,
                lambda: DBOS.destroy(
                    destroy_registry=True, workflow_completion_timeout_sec=math.ceil(grace + 1)
                ),
            )
            await asyncio.wait([ended], timeout=grace)
            for task in self._running:
                task.cancel()
            await ended
        self._loop.set_default_executor(mine)  # a job in its last seconds may have set DBOS's
        if self._file:
            self._file.dispose()
        if self._lock:
            self._lock.release()
        if self._pulse:
            self._pulse.end()
        DbosEngine._taken = False
        self._phase = Phase.STOPPED

    def health(self) -> Health:
        """See Engine."""
        if self._phase is not Phase.RUNNING:
            return Health(ok=False, code="engine-stopped")
        alive = any(thread.name == f"queue-worker-{QUEUE}" for thread in threading.enumerate())
        self._polled |= alive  # it begins within a second of the start
        fine = alive or not self._polled
        return Health(ok=fine, code="" if fine else "engine-fault")


async def _pending(owner: str | None = None) -> list[WorkflowStatus]:
    return await DBOS.list_workflows_async(
        status="PENDING", executor_id=owner, load_input=False, load_output=False
    )


async def _awaited(job: Job, args: list[str | int]) -> None:
    await job(*args)
