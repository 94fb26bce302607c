"""When Sweeps run, and what else the engine's clock starts."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import structlog

from gatekeeper.policy.judge import Policy
from gatekeeper.ports import Engine
from gatekeeper.usecases import due, missed, reconcile, sweep
from gatekeeper.usecases.observe import Observer
from gatekeeper.usecases.parts import Parts

log = structlog.get_logger(__name__)

RETENTION: Final = "17 3 * * *"
RECONCILE: Final = "41 4 * * *"


class Tick(NamedTuple):
    """A cron expression in a time zone and the kind of job that it starts."""

    name: str
    cron: str
    zone: str
    kind: str


def ticks(policy: Policy) -> tuple[Tick, ...]:
    """All ticks of a club."""
    zone, pruning = policy.club.spec.time_zone, policy.pruning
    return (
        Tick("sweep", pruning.schedule, pruning.time_zone or zone, "sweep"),
        Tick("reconcile", RECONCILE, zone, "reconcile"),
        Tick("retention", RETENTION, zone, "retention"),
    )


def register(engine: Engine, parts: Parts, observer: Observer) -> None:
    """Name the jobs that ticks start; each tick is done once, and made up where it was missed."""

    async def run_sweep(slot: str) -> bool:
        await observer.flush()  # who has just given a sign of life is not silent
        done = await sweep.run(parts, slot)
        log.info("sweep-done", sweep=done.id, slot=slot, counts=dict(done.counts), held=done.held)
        return done.held != "paused"  # it was paused since the tick came: it is made up after that

    async def look_around(slot: str) -> bool:
        report = await reconcile.run(parts, "schedule")
        log.info("reconciled", slot=slot, findings=len(report.findings))
        return True

    async def retention(_slot: str) -> bool:
        await due.tidy(parts)
        return True

    jobs = {"sweep": run_sweep, "reconcile": look_around, "retention": retention}
    for name, work in jobs.items():
        engine.register(of_club(parts, name), _once(parts, name, work))


def of_club(parts: Parts, name: str) -> str:
    """What the engine calls a tick or a job of one club: it serves all of them."""
    return f"{parts.club}/{name}"


def _once(
    parts: Parts, name: str, work: Callable[[str], Awaitable[bool]]
) -> Callable[[str], Awaitable[None]]:
    async def job(slot: str) -> None:
        if await missed.come(parts, name, slot) and await work(slot):
            await missed.done(parts, name, slot)

    return job


async def make_up(engine: Engine, parts: Parts) -> None:
    """Hand over the ticks that were missed, and those that failed and are to be tried again."""
    for name, slot, tries in await missed.to_make_up(parts):
        job = of_club(parts, name)
        await engine.enqueue(job, slot, key=f"again-{job}-{slot}-{tries}")
