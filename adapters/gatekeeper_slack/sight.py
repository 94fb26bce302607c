"""What of the club reaches us, and what did not: places we are out of, time that was lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from gatekeeper.ports import FrontDesk
from gatekeeper_slack.heard import Back, Out
from gatekeeper_slack.scene import NAME, Scene

DEAF: Final = timedelta(minutes=10)  # our own message has come back to us by then, or nothing does
_BLIND: Final = frozenset({"put-out", "unheard"})  # people may live there, and we do not see it
_MOST: Final = 1_000  # own messages awaited


@dataclass(slots=True)
class Sight:
    """Keeps what the desk is told of our blindness; one for each intake.

    Attributes:
        out: the places we are not in, or do not hear, each with why ("put-out", "gone", "unheard")
            and since when.
    """

    scene: Scene
    desk: FrontDesk
    out: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    _at: dict[str, datetime] = field(default_factory=dict)  # the newest word on each channel
    _awaited: dict[str, datetime] = field(default_factory=dict)  # own messages, since when
    _told: frozenset[str] | None = None

    async def begin(self, lost: Mapping[str, str], now: datetime) -> None:
        """Say at the start which places we are out of, by what was looked up just now."""
        desk = self.scene.desk
        self.out = dict.fromkeys(self.scene.unheard, ("unheard", now))
        self.out |= {"admins" if one == desk else one: (why, now) for one, why in lost.items()}
        self._told = None
        await self.tell()

    def away(self) -> dict[str, str]:
        """The places that we are out of, with the reason; what a look has since found to be right
        (made, or private again) is not among them."""
        scene = self.scene
        lost = {"admins" if one == scene.desk else one for one in scene.lost}
        heard = ("put-out", "gone")  # of these we are told when they end
        return {at: why for at, (why, _) in self.out.items() if why in heard or at in lost}

    async def change(self, change: Out | Back) -> None:
        """We were put out of a place, or are back; what came late and is older changes nothing."""
        place = self.scene.place(change.channel)
        if not place or change.at < self._at.get(change.channel, change.at):
            return
        self._at[change.channel] = change.at
        alias = self.scene.desk if place == "admins" else place
        if isinstance(change, Out):
            self.out.setdefault(place, (change.why, change.at))
            self.scene.lost.setdefault(alias, "put-out")
        elif self.scene.lost.get(alias) == "put-out":
            del self.scene.lost[alias]
        if isinstance(change, Back) and self.out.get(place, ("unheard",))[0] != "unheard":
            _, start = self.out.pop(place)
            await self.desk.missed(NAME, place, min(start, change.at), change.at)
        await self.tell()

    async def tell(self) -> None:
        """The desk knows which places do not reach us. In one that is gone nobody lives."""
        blind = {place: at for place, (why, at) in self.out.items() if why in _BLIND}
        if self._told != frozenset(blind):
            await self.desk.blind(NAME, blind)
            self._told = frozenset(blind)

    # ---- deafness ------------------------------------------------------------------------------

    def sent(self, ref: str, now: datetime) -> None:
        """We posted a message: Slack will tell us of it, unless events are switched off."""
        if len(self._awaited) < _MOST:
            self._awaited.setdefault(ref, now)

    def came(self, ref: str) -> None:
        """One of our own messages came back to us."""
        self._awaited.pop(ref, None)

    def deaf_since(self, now: datetime) -> datetime | None:
        """Since when nothing reaches us though it should; None while we hear."""
        oldest = min(self._awaited.values(), default=None)
        return oldest if oldest is not None and now - oldest > DEAF else None

    async def heard_again(self, now: datetime) -> None:
        """An event came: what was not told before it is lost."""
        since = self.deaf_since(now)
        if since is not None:
            self._awaited.clear()
            await self.desk.missed(NAME, "", since, now)
