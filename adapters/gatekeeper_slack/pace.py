"""How often Slack lets us call: what each Action costs, and a meter that no call gets past.

Each method has a tier, counted a minute for each workspace and app; a message is one a second in a
channel. Source: https://docs.slack.dev/apis/web-api/rate-limits and each method's own page.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from gatekeeper.domain.decisions import (
    Action,
    Admit,
    Bring,
    EndAccount,
    Post,
    Remove,
    ShowCard,
    Tell,
)
from gatekeeper.domain.errors import PlatformBusy
from gatekeeper_slack.scene import NAME

TIERS: Final[Mapping[int, int]] = {2: 20, 3: 50, 4: 100}  # calls a minute
_METHODS: Final[Mapping[str, int]] = {
    "admin.users.assign": 2,
    "admin.users.invite": 2,
    "admin.users.remove": 2,
    "chat.postEphemeral": 4,
    "chat.update": 3,
    "conversations.create": 2,
    "conversations.history": 3,
    "conversations.info": 3,
    "conversations.invite": 3,
    "conversations.inviteShared": 2,
    "conversations.kick": 3,
    "conversations.list": 2,
    "conversations.members": 4,
    "conversations.open": 3,
    "conversations.replies": 3,
    "usergroups.list": 2,
    "usergroups.users.list": 2,
    "usergroups.users.update": 2,
    "users.conversations": 3,
    "users.info": 4,
    "users.list": 2,
    "users.lookupByEmail": 3,
    "views.open": 4,
    "views.publish": 4,
    "views.update": 4,
}
_SCIM: Final = 120  # of the 180 writes a minute that an organisation has for all its apps
_SPARED: Final = 0.5  # calls a minute that bulk leaves for what a person waits for
_MINUTE: Final = 60.5  # seconds; calls do not come in at the pace at which they were sent
_PATIENCE: Final = 3.0  # seconds that a call waits here; beyond, its Order does
_POSTED: Final = timedelta(seconds=0.25)  # "several hundred a minute" in one workspace
_IN_CHANNEL: Final = timedelta(seconds=1)


def limiters(action: Action) -> tuple[str, ...]:
    """The methods that an Action will call, each with a limiter of its own."""
    match action:
        case Admit():
            return ("conversations.invite",)
        case Remove():
            return ("conversations.kick",)
        case ShowCard(ref=ref) if ref:
            return ("chat.update",)
        case Tell() | Post() | ShowCard():
            return ("chat.postMessage",)
        case Bring():
            return ("users.lookupByEmail",)
        case EndAccount():
            return ("users.info",)
        case _:
            return ("users.conversations",)


class Pace:
    """What Actions cost in one workspace, and how often its methods have been called.

    Attributes:
        speed: how many of Slack's seconds pass in one of ours; 1 everywhere but on a stand-in.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._called: defaultdict[str, deque[float]] = defaultdict(deque)

    def costs(self, action: Action, rooms: int, *, chat_known: bool) -> Mapping[str, timedelta]:
        """For how long an Action takes each limiter; `rooms` are the club's channels."""
        match action:
            case Admit():
                return self._calls({"users.conversations": 1, "conversations.invite": rooms})
            case Remove():
                return self._calls({"users.conversations": 1, "conversations.kick": rooms})
            case ShowCard(ref=ref) if ref:
                return self._calls({"chat.update": 1})
            case Post(place=place) | ShowCard(place=place):
                return {f"chat.postMessage {place}": _IN_CHANNEL / self.speed}
            case Tell(room=room):
                opened = {} if chat_known or room else self._calls({"conversations.open": 1})
                return {**opened, "chat.postMessage": _POSTED / self.speed}
            case _:
                return {}

    def _calls(self, calls: Mapping[str, int]) -> dict[str, timedelta]:
        return {method: number * self._one(method) for method, number in calls.items()}

    def _one(self, method: str) -> timedelta:
        allowed = _allowed(method) - _SPARED
        return timedelta(seconds=60 / allowed / self.speed)

    async def pass_by(self, method: str) -> None:
        """Wait until a method may be called once more, and count the call.

        Raises:
            PlatformBusy: that would take too long, with the time it takes.
        """
        loop = asyncio.get_running_loop()
        while wait := self._wait(method, loop.time()):
            if wait > _PATIENCE:
                raise PlatformBusy(NAME, timedelta(seconds=wait), (method,))
            await asyncio.sleep(wait)

    def _wait(self, method: str, now: float) -> float:
        """Seconds until the next call, counted where it is 0."""
        if not _allowed(method):
            return 0.0
        past, window = self._called[method], _MINUTE / self.speed
        while past and past[0] <= now - window:
            past.popleft()
        if len(past) >= _allowed(method):
            return past[0] + window - now
        past.append(now)
        return 0.0


def _allowed(method: str) -> int:
    """Calls a minute; 0 for a method that we do not count."""
    return _SCIM if method == "scim" else TIERS.get(_METHODS.get(method, 0), 0)
