"""Durable jobs and cron."""

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol, TypeAlias

from gatekeeper.ports.platform import Health

Job: TypeAlias = Callable[..., Awaitable[None]]
Fate: TypeAlias = Literal["unknown", "unfinished", "finished"]


class Engine(Protocol):
    """Durable jobs and cron. Jobs are short, idempotent and carry only ids and strings.

    A job that raises is logged and not tried again by itself: the truth stands in our tables, and
    the relay finds what is still due.
    """

    def register(self, kind: str, job: Job) -> None:
        """Name a job; before `start`."""
        ...

    def schedule(self, name: str, cron: str, zone: str, kind: str) -> None:
        """Run `kind(slot)` at each tick, once over all processes; 6 fields begin with seconds.

        `slot` is the tick's moment as an ISO text. Calling again with the same name replaces it.
        """
        ...

    async def start(self) -> None:
        """Begin to work, inside the running loop; unfinished jobs of a dead process go on."""
        ...

    async def stop(self) -> None:
        """Finish what runs, within seconds."""
        ...

    async def enqueue(self, kind: str, *args: str | int, key: str, now: bool = False) -> None:
        """Hand over a job once for each `key`; `now` starts it in this process at once."""
        ...

    async def fate(self, key: str) -> Fate:
        """What became of the job with this key; "unknown" when there is none, or none any more."""
        ...

    def health(self) -> Health:
        """Whether the engine works."""
        ...
