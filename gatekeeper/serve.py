"""`gatekeeper serve`: the service from start to stop.

SIGTERM and SIGINT stop it cleanly: first the engine, which gives what runs a few seconds, then
the web pages, then intake, with what it has seen committed. A second signal ends it at once; then,
too, nothing is lost but what a crash may lose.
"""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog

from gatekeeper import wire
from gatekeeper.domain.errors import GatekeeperError
from gatekeeper.ports import Health, Platform
from gatekeeper.reload import PolicyWatch
from gatekeeper.service import ROLES, Running, Service, build, only_one
from gatekeeper.settings import Settings
from gatekeeper.usecases.parts import club_state

if TYPE_CHECKING:
    from gatekeeper.web.server import Server

log = structlog.get_logger(__name__)

STOP_WITHIN = 10.0  # seconds for each part to stop
LOGIN_WITHIN = 3.0  # seconds that performing waits for the platforms at the start
RETRY = 5.0  # seconds between two tries to start a platform that failed to


async def serve(clubs: Sequence[Settings], roles: Collection[str] = ROLES) -> None:
    """Run until a signal.

    Raises:
        SettingsError, PolicyError, StorageError, AlreadyRunning: it cannot start like this.
    """
    ended = _on_signals()
    with only_one(clubs[0].home):
        async with wire.opened_all(clubs) as (opened, lost):
            service = build(opened, roles, lost)
            for name, fault in lost.items():
                log.error("club-not-served", club=name, code=fault.code, detail=str(fault))
            for one in opened:
                if one.policy_fault is not None:
                    log.error("policy-file-wrong", detail=str(one.policy_fault))
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, service.reread)
            async with running(service):
                gc.freeze()  # what a start makes stays; looking through it again is for nothing
                gc.enable()
                log.info(
                    "serving",
                    club=", ".join(service.clubs),
                    roles=sorted(service.roles),
                    address=f"http://{clubs[0].bind_host}:{clubs[0].bind_port}",
                    pid=os.getpid(),
                )
                await ended.wait()
                service.stopping = True
                log.info("stopping")
    log.info("stopped")


def _too_early() -> None:
    """The policy is about to be read anyway."""


def _on_signals() -> asyncio.Event:
    ended = asyncio.Event()

    def end() -> None:
        if ended.is_set():
            os._exit(1)  # asked twice: at once, as a crash would
        ended.set()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _too_early)
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, end)
    return ended


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Service]:
    """Start every part, and stop them in the other direction.

    What performs is started last, once the platforms have had the time to log in: what a dead
    process left undone would else come too early, and wait for its next try.
    """
    async with AsyncExitStack() as stack:
        logins, watches = [], list[tuple[Running, PolicyWatch]]()
        for club in service.clubs.values():
            stack.push_async_callback(_step, "heartbeat", partial(_silence, club))
            if "intake" in service.roles:
                stack.push_async_callback(_step, "flush", club.observer.flush)
                _begin(stack, "flush", _flushing(club))
            watch = PolicyWatch(club, partial(_listening, club))
            for name, platform in club.parts.platforms.items():
                logins.append(_begin(stack, name, _listening(club, platform)))
                watch.starts(name, logins[-1])
            stack.push_async_callback(_stop_platforms, club, watch)
            watches.append((club, watch))
        await _web(stack, service)
        for club in service.clubs.values():
            _begin(stack, "heartbeat", _beating(club))
        if logins:
            await asyncio.wait(logins, timeout=LOGIN_WITHIN)
        if "worker" in service.roles:
            await service.engine.start()
            stack.push_async_callback(_step, "engine", service.engine.stop)
            for _, watch in watches:
                watch.schedule()
                await watch.catch_up()
            await service.relay.start()
            stack.push_async_callback(_step, "relay", service.relay.stop)
        for club, watch in watches:
            _begin(stack, "policy", _watching(club, watch))
        yield service


async def _stop_platforms(service: Running, watch: PolicyWatch) -> None:
    """Those that are there by now: a change of the policy may have begun others."""
    await _step("policy", watch.stop)
    for name, platform in tuple(service.parts.platforms.items()):
        await _step(name, platform.stop)


async def _watching(service: Running, watch: PolicyWatch) -> None:
    """Keep the service by its policy's file."""
    while True:
        await _noted(service, "policy-watch", watch.look)
        if "policy-watch" in service.faults:
            await asyncio.sleep(RETRY)


async def _web(stack: AsyncExitStack, service: Service) -> None:
    """Pages and metrics, each on its own port; bound before anything is told to be ready."""
    from gatekeeper.web.app import create_app
    from gatekeeper.web.hooks import hooks
    from gatekeeper.web.hosts import by_host
    from gatekeeper.web.metrics import Metrics, create_metrics_app
    from gatekeeper.web.security import WebSecrets, WebSettings
    from gatekeeper.web.server import serve as bind

    clubs, metrics = list(service.clubs.values()), Metrics()
    settings, servers = clubs[0].opened.settings, []
    if "web" in service.roles:
        pages = [
            create_app(
                club.parts,
                secrets=WebSecrets(session=club.opened.keys.session),
                settings=WebSettings(
                    base_url=club.opened.settings.base_url,
                    trusted_proxies=settings.trusted_proxies,
                ),
                health=service.health,
                extra_routes=hooks(club.parts.platforms),
                metrics=metrics,
            )
            for club in clubs
        ]
        addresses = [club.opened.settings.base_url for club in clubs]
        app = by_host(dict(zip(addresses, pages, strict=True)))
        servers.append(("web", bind(app, settings.bind_host, settings.bind_port)))
    if settings.metrics_port:
        parts = [club.parts for club in clubs]
        numbers = create_metrics_app(parts, health=service.health, metrics=metrics)
        servers.append(("metrics", bind(numbers, settings.metrics_host, settings.metrics_port)))
    for name, server in servers:
        task = asyncio.create_task(server.serve(), name=name)

        async def end(server: "Server" = server, task: "asyncio.Task[None]" = task) -> None:
            server.should_exit = True
            await task

        stack.push_async_callback(_step, name, end)


Stop = Callable[[], Awaitable[object]]


async def _step(what: str, stop: Stop) -> None:
    """One part's stop: late or failing, it is logged and holds up none of the others."""
    try:
        await asyncio.wait_for(stop(), STOP_WITHIN)
    except TimeoutError:
        log.error("stop-late", part=what, seconds=STOP_WITHIN)
    except Exception:
        log.exception("stop-failed", part=what)


def _begin(stack: AsyncExitStack, what: str, work: Awaitable[None]) -> "asyncio.Future[None]":
    """A task that lives until the stop."""
    task = asyncio.ensure_future(work)

    async def end() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(_step, what, end)
    return task


async def _listening(service: Running, platform: Platform) -> None:
    """Start a platform; one that cannot is told in `health` and tried again: the rest goes on."""
    name = platform.name
    service.faults[name] = Health(ok=False, code="starting")
    while True:
        try:
            if "intake" in service.roles:
                await platform.start(service.desk)
            else:
                await platform.connect()
        except GatekeeperError as fault:
            log.error("platform-not-started", platform=name, code=fault.code, detail=str(fault))
            service.faults[name] = Health(ok=False, code=fault.code, detail=str(fault))
        except Exception as fault:
            log.exception("platform-not-started", platform=name)
            service.faults[name] = Health(ok=False, code="platform-error", detail=repr(fault))
        else:
            service.faults.pop(name, None)
            return
        await asyncio.sleep(RETRY)


async def _flushing(service: Running) -> None:
    """Commit what intake has seen, again and again."""
    while True:
        await asyncio.sleep(wire.FLUSH.total_seconds())
        await _noted(service, "intake", service.observer.flush)


async def _beating(service: Running) -> None:
    """Tell the command line that a service runs."""
    while True:
        await _noted(service, "database", lambda: _beat(service))
        await asyncio.sleep(wire.HEARTBEAT.total_seconds())


async def _noted(service: Running, what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do it; a failure stands in `health` until it works again, and is logged once."""
    try:
        await work()
    except Exception as fault:
        if what not in service.faults:
            log.exception("part-failing", part=what)
        code = fault.code if isinstance(fault, GatekeeperError) else f"{what}-failing"
        service.faults[what] = Health(ok=False, code=code, detail=str(fault))
    else:
        if service.faults.pop(what, None):
            log.warning("part-recovered", part=what)


async def _beat(service: Running) -> None:
    parts = service.parts
    async with parts.store.transaction(parts.club) as tx:
        by = f"{socket.gethostname()}:{os.getpid()}"
        await tx.change(await club_state(tx), served_at=parts.clock.now(), served_by=by)


async def _silence(service: Running) -> None:
    parts = service.parts
    async with parts.store.transaction(parts.club) as tx:
        await tx.change(await club_state(tx), served_at=None, served_by="")
