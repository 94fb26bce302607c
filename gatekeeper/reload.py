"""A running service notices that the policy's file changed, and uses what comes into force.

The file is looked at every second. Once it has lain unchanged for a whole look (no editor is still
writing) it is read, compiled and tried beside the loop, weighed in one transaction, and used from
one moment to the next: rules, form, schedules. A platform whose places or names changed is begun
anew. What another process, a press or the command line puts in force is used likewise.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeAlias

import structlog

from gatekeeper import policy_file, wire
from gatekeeper.domain.clubs import ClubState
from gatekeeper.domain.errors import GatekeeperError
from gatekeeper.engine.ticks import newest_tick
from gatekeeper.plugins import make_platform
from gatekeeper.policy.judge import Policy
from gatekeeper.ports import Platform
from gatekeeper.schedule import Tick, of_club, ticks
from gatekeeper.service import Running
from gatekeeper.usecases import missed, pending, versions
from gatekeeper.usecases.readings import Reading, Step

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = 1.0  # seconds
CARD_EVERY: Final = timedelta(minutes=1)  # until the card of what waits shows what is new

Listen: TypeAlias = Callable[[Platform], Awaitable[None]]


class PolicyWatch:
    """Keeps a service by its policy, and the policy by its file.

    Args:
        service: whose; its platforms are those of the policy in force.
        listen: starts a platform, and goes on trying where it cannot.
    """

    def __init__(self, service: Running, listen: Listen) -> None:
        self._service, self._listen = service, listen
        self._file = service.opened.settings.policy
        self._last: policy_file.Look | None = None
        self._weighed: policy_file.Look | None = None
        self._aside = ""
        self._drawn_at = service.parts.clock.now()
        self._ticks: dict[str, Tick] = {}
        self._places: Mapping[str, Mapping[str, Any]] = wire.all_places(service.parts.policy)
        self._starting: dict[str, asyncio.Future[None]] = {}
        self._moving: set[asyncio.Task[None]] = set()
        service.parts.shelf.changed = self.apply

    # ---- the file ----------------------------------------------------------------------------

    async def look(self) -> None:
        """Wait for the next look, and do what it asks for."""
        reread = self._service.reread
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY):
                await reread.wait()
        asked = reread.is_set()
        reread.clear()
        state = await self._follow()
        found = await asyncio.to_thread(policy_file.look, self._file)
        rests, self._last = found == self._last, found
        if asked or (rests and found != self._weighed):
            await self._weigh(state, found)
        if state.policy_pending and self._service.parts.clock.now() - self._drawn_at > CARD_EVERY:
            self._drawn_at = self._service.parts.clock.now()
            await pending.refresh(self._service.parts)

    async def _follow(self) -> ClubState:
        """What others have decided since: another version, or that the file counts again."""
        state = await versions.follow(self._service.parts)
        if self._aside and not state.policy_aside:
            self._weighed = None  # released: the file is to be weighed again
        self._aside = state.policy_aside
        waits = Step.WAITS if state.policy_pending else Step.SAME
        self._service.opened.policy_step = Step.ASIDE if state.policy_aside else waits
        return state

    async def _weigh(self, state: ClubState, found: policy_file.Look) -> None:
        reading = await asyncio.to_thread(policy_file.beside_the_loop, lambda: self._read(state))
        if await asyncio.to_thread(policy_file.look, self._file) != found:
            return  # it was written meanwhile: what was read may be half of it
        opened = self._service.opened
        step = await versions.consider(self._service.parts, reading)
        self._weighed = found
        opened.policy_fault, opened.policy_step = reading.fault, step
        if reading.fault is not None:
            said, _, more = versions.first_fault(reading.fault)
            log.error("policy-file-wrong", file=reading.name, detail=said, more=more)
        else:
            log.info("policy-weighed", file=reading.name, step=step, version=reading.digest[:12])

    def _read(self, state: ClubState) -> Reading:
        reading = policy_file.read(self._file, self._service.parts.policy)
        if reading.digest == state.policy:
            return reading
        reading = policy_file.of_club(reading, self._service.parts.club)
        return wire.fitting(self._service.opened.settings, policy_file.tried(reading, self._file))

    # ---- what follows from it ------------------------------------------------------------------

    def schedule(self) -> None:
        """Set the clock's jobs as the policy in force wants them; those that stay are let be."""
        parts = self._service.parts
        for tick in ticks(parts.policy):
            if self._ticks.get(tick.name) != tick:
                name, kind = of_club(parts, tick.name), of_club(parts, tick.kind)
                self._service.engine.schedule(name, tick.cron, tick.zone, kind)
                self._ticks[tick.name] = tick

    async def catch_up(self) -> None:
        """Note which schedules run here, and what of them was missed while nothing ran."""
        for tick in tuple(self._ticks.values()):
            newest = partial(newest_tick, tick.cron, tick.zone)
            await missed.begin(self._service.parts, tick.name, tick.cron, tick.zone, newest)

    def apply(self, policy: Policy) -> None:
        """Another version is in force, from this very moment."""
        log.info("policy-in-force", version=policy.digest[:12])
        if self._ticks:  # else nothing is scheduled in this process, or not yet
            try:
                self.schedule()
            except GatekeeperError as fault:
                log.error("schedule-unchanged", code=fault.code, detail=str(fault))
        task = asyncio.get_running_loop().create_task(self._follow_policy(), name="policy places")
        self._moving.add(task)
        task.add_done_callback(self._moving.discard)

    async def _follow_policy(self) -> None:
        await self.catch_up()
        await self._move()

    async def _move(self) -> None:
        """Begin those platforms anew whose places or names are others now."""
        wanted = wire.all_places(self._service.parts.policy)
        before, self._places = self._places, wanted
        for name in {*before, *wanted}:
            if before.get(name) != wanted.get(name):
                try:
                    await self._begin_anew(name, wanted.get(name))
                except GatekeeperError as fault:
                    log.error("platform-not-changed", platform=name, detail=str(fault))

    async def _begin_anew(self, name: str, places: Mapping[str, Any] | None) -> None:
        service = self._service
        platforms = service.opened.platforms
        old = platforms.get(name)
        if places is not None:
            platforms[name] = make_platform(
                name,
                club=service.parts.club,
                settings=service.opened.settings.of_platform(name),
                places=places,
                vault=service.opened.vault,
                commons=service.opened.commons,
                clock=service.parts.clock,
            )
        else:
            platforms.pop(name, None)
            service.faults.pop(name, None)
        if (starting := self._starting.pop(name, None)) is not None:
            starting.cancel()
        if old is not None:
            await old.stop()
        log.info("platform-begun-anew", platform=name, named=places is not None)
        if places is not None:
            self._starting[name] = asyncio.ensure_future(self._listen(platforms[name]))

    def starts(self, name: str, work: "asyncio.Future[None]") -> None:
        """A platform that is being started; it is given up where its places change."""
        self._starting[name] = work

    async def stop(self) -> None:
        """Begin nothing more."""
        for work in (*self._moving, *self._starting.values()):
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
