"""Lines: what one app hears, given to the club of each workspace.

Slack tells things to an app, over any one of its lines, whichever workspace they concern. So all
clubs of a process that share an app share what it hears by, too: the first that listens opens it,
the last that stops shuts it, and one that stops or fails leaves the others listening.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeAlias
from weakref import WeakValueDictionary

from gatekeeper_slack import events
from gatekeeper_slack.requests import Reply
from gatekeeper_slack.scene import Scene
from gatekeeper_slack.sockets import Sockets, Take

log = logging.getLogger(__name__)

Lost: TypeAlias = Callable[[datetime, datetime], Awaitable[None]]
Make: TypeAlias = Callable[[Take, Lost], Sockets]


class Ear(Protocol):
    """One club that listens."""

    @property
    def scene(self) -> Scene:
        """Which workspace is its."""
        ...

    async def dispatch(self, payload: dict[str, Any]) -> Reply:
        """Take in one payload; whatever it holds, it is answered."""
        ...

    async def missed(self, start: datetime, end: datetime) -> None:
        """Nothing was heard in this time."""
        ...


class Line:
    """What the clubs of one app listen by.

    Attributes:
        sockets: those of Socket Mode, while somebody listens; None over HTTP.
    """

    def __init__(self) -> None:
        self._ears: list[Ear] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.sockets: Sockets | None = None

    def join(self, ear: Ear) -> None:
        """From now on a club is told what concerns its workspace."""
        if self._loop is not asyncio.get_running_loop():
            self._ears, self.sockets = [], None  # those of a loop that is over
            self._loop = asyncio.get_running_loop()
        if ear not in self._ears:
            self._ears.append(ear)

    async def open(self, make: Make) -> None:
        """Open the sockets, where none are; `make` gives them."""
        if self.sockets is None:
            self.sockets = make(self.take, self._missed)
            await self.sockets.start()

    async def leave(self, ear: Ear) -> None:
        """Listen no more; the last one shuts the sockets."""
        if ear in self._ears:
            self._ears.remove(ear)
        if not self._ears and (sockets := self.sockets) is not None:
            self.sockets = None
            await sockets.stop()

    async def take(self, payload: dict[str, Any]) -> Reply:
        """One payload, to all clubs that it concerns; "not now" while nobody listens."""
        if not self._ears:
            return Reply(503, {"error": "slack-not-listening"})
        replies = [await ear.dispatch(payload) for ear in self._concerned(payload)]
        return replies[0]

    def _concerned(self, payload: Mapping[str, Any]) -> list[Ear]:
        """The clubs of that workspace; where it is nobody's, the first one says so.

        In a channel that two of our workspaces share, the one that an event is for is named by the
        installation that it came to, and not by where its author is from.
        """
        installed = events.installed_in(payload)
        told = [ear for ear in self._ears if ear.scene.team in installed]
        found = told or [ear for ear in self._ears if events.of_team(ear.scene, payload)]
        return found or self._ears[:1]

    async def _missed(self, start: datetime, end: datetime) -> None:
        for ear in tuple(self._ears):
            await ear.missed(start, end)


_LINES: "WeakValueDictionary[str, Line]" = WeakValueDictionary()


def shared(*app: str) -> Line:
    """The line of an app, by what tells it apart: where it calls, and its secrets. It lives as long
    as somebody has it."""
    key = hashlib.sha256("\0".join(app).encode()).hexdigest()
    return _LINES.setdefault(key, Line())
