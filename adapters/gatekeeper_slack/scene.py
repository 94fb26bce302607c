"""Scene: which workspace this is, who we are there, and which channels are the club's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

NAME: Final = "slack"


@dataclass(slots=True, kw_only=True)
class Scene:
    """What every part of the adapter knows of the workspace; filled at the start.

    Attributes:
        team: id of the workspace.
        bot: our user id.
        organisation: whether the workspace belongs to one (Enterprise).
        club: id of the club's channel, the outermost place.
        admins: id of the admins' channel.
        rooms: ids of all channels of the club by alias, the club's own among them; without the
            admins' channel.
        own, desk: aliases of the club's own channel and of the admins'.
        welcome: alias of the channel in which newcomers are greeted.
        public: aliases of the club's channels that are no private ones.
        unheard: aliases of those in which what is written does not reach us, for want of a scope.
        shared_people: users whom another workspace of our organisation names as its own, and who
            are in ours as well: here they are ours.
        lost: channels that we cannot use, by alias: missing, put-out, not-private.
        removed: whom we are just taking out, by (channel, user), and since when: their going is
            our doing.
    """

    team: str = ""
    bot: str = ""
    organisation: bool = False
    club: str = ""
    admins: str = ""
    rooms: dict[str, str] = field(default_factory=dict)
    welcome: str = ""
    own: str = ""
    desk: str = ""
    public: frozenset[str] = frozenset()
    unheard: frozenset[str] = frozenset()
    shared_people: set[str] = field(default_factory=set)
    lost: dict[str, str] = field(default_factory=dict)
    removed: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def lacks(self) -> str:
        """Which of the two channels that decisions need is lost to us, with the reason; "" for
        none."""
        for alias, why in self.lost.items():
            if alias in (self.own, self.desk):
                return f"{alias}: {why}"
        return ""

    def place(self, channel: str) -> str:
        """What a channel is called in events and signs: "admins", an alias, "" for none of ours."""
        if channel and channel == self.admins:
            return "admins"
        return _alias(self.rooms, channel)

    def channel(self, place: str) -> str:
        """The id of "admins", "welcome" or of an alias; "" where there is none."""
        if place == "admins":
            return self.admins
        return self.rooms.get(self.welcome if place == "welcome" else place, "")


def _alias(rooms: Mapping[str, str], channel: str) -> str:
    return next((alias for alias, known in rooms.items() if known == channel), "")
