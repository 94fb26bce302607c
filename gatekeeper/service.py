"""The service's parts joined: one engine, store and relay for all of its clubs."""

import asyncio
import fcntl
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gatekeeper.clock import SystemClock
from gatekeeper.domain.errors import GatekeeperError, StorageError
from gatekeeper.domain.identity import ClubId
from gatekeeper.ports import Engine, Health
from gatekeeper.settings import Settings
from gatekeeper.usecases.parts import Parts
from gatekeeper.usecases.readings import Step
from gatekeeper.wire import Opened

if TYPE_CHECKING:
    from gatekeeper.engine.relay import Relay
    from gatekeeper.usecases.intake import Desk
    from gatekeeper.usecases.observe import Observer

ROLES: Final = ("web", "intake", "worker")


class AlreadyRunning(StorageError):
    """Another service works on this data folder; `path` is the lock that it holds."""

    code = "already-running"


@dataclass(slots=True, kw_only=True)
class Running:
    """One club of the service: everything of `Opened`, and what works on it alone."""

    opened: Opened
    roles: frozenset[str]
    engine: Engine
    desk: "Desk"
    observer: "Observer"
    reread: asyncio.Event = field(default_factory=asyncio.Event)  # somebody asks: SIGHUP
    faults: dict[str, Health] = field(default_factory=dict)

    @property
    def parts(self) -> Parts:
        """The club's parts."""
        return self.opened.parts

    def health(self) -> Mapping[str, Health]:
        """Each part's health by its name; never waits."""
        found: dict[str, Health] = {}
        for name, platform in self.parts.platforms.items():
            if "intake" in self.roles:
                found[name] = platform.health()
        # The version in force works, whatever became of the file.
        found["policy"] = Health(ok=True, code=self.policy_code())
        return found | self.faults

    def policy_code(self) -> str:
        """Why the policy's file is not in force, "" where it is."""
        if self.opened.policy_fault is not None:
            return "policy-file-wrong"
        codes = {Step.ASIDE: "policy-aside", Step.WAITS: "policy-waits"}
        return codes.get(self.opened.policy_step, "")


@dataclass(slots=True, kw_only=True)
class Service:
    """All clubs, and what they share.

    Attributes:
        faults: why a club of several is not served, by its slug.
    """

    clubs: Mapping[ClubId, Running]
    roles: frozenset[str]
    engine: Engine
    relay: "Relay"
    stopping: bool = False
    faults: Mapping[str, GatekeeperError] = field(default_factory=dict)

    def reread(self) -> None:
        """Somebody asks to read the policies' files anew."""
        for one in self.clubs.values():
            one.reread.set()

    def health(self) -> Mapping[str, Health]:
        """Each part's health; of several clubs a part is named club/part. Never waits."""
        found: dict[str, Health] = {}
        if "worker" in self.roles:
            found |= {"engine": self.engine.health(), "relay": self.relay.health()}
        several = len(self.clubs) + len(self.faults) > 1
        for club, one in self.clubs.items():
            for name, health in one.health().items():
                found[f"{club}/{name}" if several else name] = health
        for lost, fault in self.faults.items():
            found[f"{lost}/club"] = Health(ok=False, code=fault.code, detail=str(fault))
        if self.stopping:
            found["service"] = Health(ok=False, code="stopping")
        return found


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the data folder's lock; the kernel lets go of it when the process dies.

    Raises:
        AlreadyRunning: another process holds it.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / "serve.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode(errors="replace").strip()
            raise AlreadyRunning(path=str(path), pid=holder) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def build(
    clubs: Sequence[Opened],
    roles: Collection[str] = ROLES,
    faults: Mapping[str, GatekeeperError] | None = None,
) -> Service:
    """Join the parts of a service; nothing of it runs yet."""
    from gatekeeper import schedule
    from gatekeeper.engine.relay import PERFORM, Relay
    from gatekeeper.usecases import due
    from gatekeeper.usecases.intake import Desk
    from gatekeeper.usecases.observe import Observer
    from gatekeeper.usecases.perform import Performer

    store = clubs[0].store
    engine, running = make_engine(clubs[0].settings), dict[ClubId, Running]()
    performers = {one.parts.club: Performer(one.parts) for one in clubs}
    for one in clubs:
        observer = Observer(one.parts)
        schedule.register(engine, one.parts, observer)
        running[one.parts.club] = Running(
            opened=one,
            roles=frozenset(roles),
            engine=engine,
            desk=Desk(one.parts, observer),
            observer=observer,
        )

    async def next_due(club: ClubId) -> datetime | None:
        if club not in running:
            return None  # of a club in the same database that is not served here
        await schedule.make_up(engine, running[club].parts)
        return await due.due(running[club].parts)

    async def perform(club: str, order_id: int, attempt: int) -> None:
        if club in performers:
            await performers[ClubId(club)].perform(order_id, attempt)

    engine.register(PERFORM, perform)
    relay = Relay(store, engine, clubs[0].parts.clock, next_due)
    store.committed = relay.nudge
    return Service(
        clubs=running, roles=frozenset(roles), engine=engine, relay=relay, faults=dict(faults or {})
    )


def make_engine(settings: Settings) -> Engine:
    """The engine on its own file, or on PostgreSQL."""
    from gatekeeper.engine.dbos_engine import DbosEngine

    url = settings.engine_database
    if url.startswith("sqlite:"):
        return DbosEngine(clock=SystemClock(), path=Path(url.removeprefix("sqlite://")))
    _, _, rest = url.partition("://")
    return DbosEngine(clock=SystemClock(), postgres_url=f"postgresql://{rest}")
