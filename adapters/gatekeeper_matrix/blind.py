"""What we do not see of the club, and whom people turn to: what the intake has to remember."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from gatekeeper_matrix import events
from gatekeeper_matrix.scene import Plan, Scene

BLIND: Final = frozenset({"put-out", "shut"})  # people may live there, and we do not see it


class Missed(NamedTuple):
    """We were out of a place from `start` to `end`, and are back."""

    place: str
    start: datetime
    end: datetime


@dataclass(slots=True)
class Blind:
    """Which places do not reach us, and since when.

    Attributes:
        heard_at: when all places last were as the homeserver told; we were put out of none before.
    """

    plan: Plan
    scene: Scene
    heard_at: datetime | None = None
    _left: dict[str, datetime] = field(default_factory=dict)  # by room
    _told: dict[str, datetime] | None = None  # by place; None: nothing told by this process

    def see(self, room: str, raws: Iterable[Mapping[str, Any]], now: datetime) -> list[Missed]:
        """Note our own goings from a room; what was missed where we came back meanwhile."""
        missed = []
        for raw in raws:
            if raw.get("type") != "m.room.member" or raw.get("state_key") != self.scene.me:
                continue
            at = max(events.moment(raw, now), self.heard_at or events.moment(raw, now))
            membership = events.content(raw).get("membership")
            if membership in ("leave", "ban"):
                self._left[room] = min(at, now)
            elif membership == "join" and room in self._left:
                start = self._left.pop(room)
                place = self.scene.place(room)
                if place or room == self.scene.space:
                    missed.append(Missed(place or room, start, max(start, min(at, now))))
        return missed

    def changed(self, now: datetime) -> Mapping[str, datetime] | None:
        """The places that do not reach us, each since when; None where that was told already."""
        places: dict[str, datetime] = {}
        for place in self.plan.all():
            room = self.scene.id_of(place)
            if self.scene.lost.get(place.alias) not in BLIND:
                self._left.pop(room, None)
                continue
            name = self.scene.place(room) or room or place.alias
            known = (self._told or {}).get(name)
            places[name] = known or self._left.get(room, now)
        return None if self._told is not None and places.keys() == self._told.keys() else places

    def told(self, places: Mapping[str, datetime]) -> None:
        """The desk has it."""
        self._told = dict(places)


class Authors:
    """Who wrote the last messages, so that an answer or a reaction is known to be to somebody.

    What is older, or from before we came, is answered to nobody: to look it up would let anybody
    make us ask the homeserver as often as they react.
    """

    MOST: Final = 50_000

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def note(self, raw: Mapping[str, Any]) -> None:
        """Keep one event's author; the oldest is forgotten beyond some ten thousands."""
        if raw.get("type") in events.TALK:
            self.known[str(raw.get("event_id"))] = str(raw.get("sender", ""))
            if len(self.known) > self.MOST:
                del self.known[next(iter(self.known))]
