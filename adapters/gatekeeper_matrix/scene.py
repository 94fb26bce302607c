"""What a club wants on Matrix (Plan), and what its rooms are to us now (Scene)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from gatekeeper.domain.errors import PlatformDown
from gatekeeper_matrix.sdk import CLIENT, Api

PLACE: Final = "club.gatekeeper.place"  # our mark on a place, a state event
CHAT: Final = "club.gatekeeper.chat"  # likewise on a direct chat


class PlaceLost(PlatformDown):
    """A place of the club is not there, or we are out of it: what needs it waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One room as the club document names it; `kind` is space, room or admins."""

    kind: str
    alias: str
    name: str
    topic: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All places that a club wants."""

    club: str
    space: Room
    rooms: tuple[Room, ...]
    admin_room: Room
    welcome: str
    invite_to_rooms: bool
    encrypted: bool
    chat_name: str
    admins: tuple[str, ...]

    @classmethod
    def read(cls, club: str, places: Mapping[str, Any]) -> "Plan":
        """From the club document's `platforms.matrix` and what `wire` adds to it."""
        title = str(places.get("title") or club)
        rooms = tuple(read_room("room", one) for one in places.get("rooms", ()))
        welcome = local(str(places.get("welcomeRoom") or (rooms[0].alias if rooms else "")))
        return cls(
            club=club,
            space=read_room("space", places["space"]),
            rooms=rooms,
            admin_room=read_room("admins", places["adminRoom"]),
            welcome=welcome,
            invite_to_rooms=bool(places.get("inviteToRooms", True)),
            encrypted=bool(places.get("encrypted", False)),
            chat_name=str(places.get("chatName") or title),
            admins=tuple(map(str, places.get("admins", ()))),
        )

    def all(self) -> tuple[Room, ...]:
        """Every place, the space first."""
        return (self.space, self.admin_room, *self.rooms)

    def plain(self, place: Room) -> bool:
        """Whether `place` is to be unencrypted whatever `encrypted` says: we write there."""
        return place.kind != "room" or place.alias == self.welcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Uninvited:
    """An invitation that did not go out: `why`, and when it is tried again; None for the next
    start. `tries` so far."""

    why: str
    until: datetime | None = None
    tries: int = 1


@dataclass(slots=True)
class Scene:
    """What rooms are to us now, by room id.

    Attributes:
        me: our own account.
        space, admins: their ids, "" while unknown.
        rooms: ids of the club's rooms to their aliases.
        chats: ids of the direct chats that we opened to the person they are for.
        opened: likewise for chats that people opened with us.
        encrypted: rooms in which we can neither read what people write nor write.
        plain: rooms that were looked up and are not.
        children: what the space names as its rooms, as far as we listen.
        joined: every room that we are in, as far as we listen.
        creators: of rooms whose version gives them power without end.
        lost: aliases of places that are not there or shut to us, and why.
        uninvited: by room, the admins whom we could not invite yet.
        founders: bots of ours that made the space and may not be us any more; None: not looked.
    """

    me: str = ""
    space: str = ""
    admins: str = ""
    welcome: str = ""
    rooms: dict[str, str] = field(default_factory=dict)
    chats: dict[str, str] = field(default_factory=dict)
    opened: dict[str, str] = field(default_factory=dict)
    encrypted: set[str] = field(default_factory=set)
    plain: set[str] = field(default_factory=set)
    children: set[str] = field(default_factory=set)
    joined: set[str] = field(default_factory=set)
    creators: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    uninvited: dict[str, dict[str, Uninvited]] = field(default_factory=dict)
    founders: frozenset[str] | None = None

    def room(self, place: str) -> str:
        """The id of "admins", "welcome" or a room's alias; "" where there is none."""
        if place == "admins":
            return self.admins
        if place == "welcome":
            return self.welcome
        return next((room for room, alias in self.rooms.items() if alias == local(place)), "")

    def id_of(self, place: Room) -> str:
        """The id of a place of the plan, "" while unknown."""
        if place.kind == "space":
            return self.space
        return self.room("admins" if place.kind == "admins" else place.alias)

    def place(self, room: str) -> str:
        """What a room is called in events: "admins", "direct", an alias, "" for none of ours."""
        if room == self.admins:
            return "admins"
        if room in self.chats or room in self.opened:
            return "direct"
        return self.rooms.get(room, "")

    def inside(self) -> tuple[str, ...]:
        """Every place of the club, the space last; rooms that people added to it as well."""
        known = (*self.rooms, self.admins, self.space)
        others = sorted((self.children & self.joined).difference(known))
        return tuple(room for room in (*others, *known) if room)

    def lacks(self, plan: Plan) -> str:
        """Which of the two places that decisions need, space or admins' room, is lost to us, with
        the reason; "" for none."""
        for place, room in ((plan.space, self.space), (plan.admin_room, self.admins)):
            if place.alias in self.lost or not room:
                return f"{place.alias}: {self.lost.get(place.alias, 'missing')}"
        return ""


async def lost_if_out(api: Api, plan: Plan, scene: Scene, room: str) -> bool:
    """Whether we are out of `room` by the homeserver's word; a place is then lost."""
    joined = (await api.get(f"{CLIENT}/joined_rooms"))["joined_rooms"]
    if room in joined:
        return False
    for place in plan.all():
        if room == scene.id_of(place):
            scene.lost.setdefault(place.alias, "gone")
    return True


def read_room(kind: str, told: Mapping[str, Any]) -> Room:
    """A room of the club document."""
    alias = local(str(told["alias"]))
    return Room(
        kind=kind,
        alias=alias,
        name=str(told.get("name") or alias),
        topic=str(told.get("topic") or ""),
    )


def local(alias: str) -> str:
    """The local part of an address."""
    return alias.removeprefix("#").partition(":")[0]
