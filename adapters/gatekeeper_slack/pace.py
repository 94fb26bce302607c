"""How often Slack lets us call: what each Action costs, in the time that its methods are taken.

Each method has a tier, counted a minute for each workspace and app; a message is one a second in a
channel. Source: https://docs.slack.dev/apis/web-api/rate-limits and each method's own page.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from gatekeeper.domain.decisions import Action, Admit, Post, Remove, ShowCard, Tell

TIERS: Final[Mapping[int, int]] = {1: 1, 2: 20, 3: 50, 4: 100}  # calls a minute
_SPARED: Final = 1  # of them, for what a person waits for while bulk goes on
_METHODS: Final[Mapping[str, int]] = {
    "chat.update": 3,
    "conversations.invite": 3,
    "conversations.kick": 3,
    "conversations.open": 3,
    "users.conversations": 3,
}
_POSTED: Final = timedelta(seconds=0.25)  # "several hundred a minute" in one workspace
_IN_CHANNEL: Final = timedelta(seconds=1)


class Pace:
    """What Actions cost in one workspace.

    Attributes:
        speed: how many of Slack's seconds pass in one of ours; 1 everywhere but on a stand-in.
    """

    def __init__(self) -> None:
        self.speed = 1.0

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
        allowed = TIERS[_METHODS[method]] - _SPARED
        return timedelta(seconds=60 / allowed / self.speed)
