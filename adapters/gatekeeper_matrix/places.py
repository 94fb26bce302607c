"""The club's places: found by alias and by a state event of ours, made where they are not there.

Making a room takes no transaction id, so it is always looked for first; what was found once is
remembered, and is never made anew when it goes: an empty space in its stead would shut out all.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gatekeeper.domain.errors import PlatformBusy
from gatekeeper.ports import Vault
from gatekeeper_matrix.power import levels_for_new
from gatekeeper_matrix.sdk import CLIENT, Api, Refusal, q, room_path

PLACE: Final = "club.gatekeeper.place"
CHAT: Final = "club.gatekeeper.chat"


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
        rooms = tuple(_room("room", one) for one in places.get("rooms", ()))
        welcome = _local(str(places.get("welcomeRoom") or (rooms[0].alias if rooms else "")))
        return cls(
            club=club,
            space=_room("space", places["space"]),
            rooms=rooms,
            admin_room=_room("admins", places["adminRoom"]),
            welcome=welcome,
            invite_to_rooms=bool(places.get("inviteToRooms", True)),
            encrypted=bool(places.get("encrypted", False)),
            chat_name=str(places.get("chatName") or title),
            admins=tuple(str(admin).removeprefix("matrix:") for admin in places.get("admins", ())),
        )

    def all(self) -> tuple[Room, ...]:
        """Every place, the space first."""
        return (self.space, self.admin_room, *self.rooms)


@dataclass(slots=True)
class Scene:
    """What rooms are to us now, by room id.

    Attributes:
        me: our own account.
        space, admins: their ids, "" while unknown.
        rooms: ids of the club's rooms to their aliases.
        chats: ids of the direct chats that we opened to the person they are for.
        opened: likewise for chats that people opened with us.
        encrypted: rooms in which what people write cannot be read by us.
        children: what the space names as its rooms, as far as we listen.
        joined: every room that we are in, as far as we listen.
        creators: of rooms whose version gives them power without end.
        lost: aliases of places that are not there or shut to us, and why.
        uninvited: admins whom we could not invite, and why.
    """

    me: str = ""
    space: str = ""
    admins: str = ""
    welcome: str = ""
    rooms: dict[str, str] = field(default_factory=dict)
    chats: dict[str, str] = field(default_factory=dict)
    opened: dict[str, str] = field(default_factory=dict)
    encrypted: set[str] = field(default_factory=set)
    children: set[str] = field(default_factory=set)
    joined: set[str] = field(default_factory=set)
    creators: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    uninvited: dict[str, str] = field(default_factory=dict)

    def room(self, place: str) -> str:
        """The id of "admins", "welcome" or a room's alias; "" where there is none."""
        if place == "admins":
            return self.admins
        if place == "welcome":
            return self.welcome
        return next((room for room, alias in self.rooms.items() if alias == _local(place)), "")

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


class Places:
    """Finds and makes the places of one club."""

    def __init__(self, api: Api, plan: Plan, vault: Vault, scene: Scene) -> None:
        self._api, self._plan, self._vault, self._scene = api, plan, vault, scene
        self._kept: dict[str, str] = {}

    @property
    def _drawer(self) -> str:
        return f"matrix-places-{self._plan.club}"

    async def settle(self, make: bool) -> None:
        """Fill the scene; with `make`, make what is missing and join it to the space.

        A place that is gone or shut stands in `scene.lost`, and the others work.
        PlatformDown, PlatformBusy.
        """
        kept = await self._vault.get(self._drawer)
        self._kept = json.loads(kept) if kept else {}
        joined = set((await self._api.get(f"{CLIENT}/joined_rooms"))["joined_rooms"])
        version = await self._api.version() if make else ""
        for place in self._plan.all():
            room = await self._find(place, joined)
            if not room and make and self._scene.lost.get(place.alias, "missing") == "missing":
                room = await self._make(place, version)
            if room:
                await self._keep(place, room)
            else:
                self._scene.lost.setdefault(place.alias, "missing")
        if make and self._scene.space:
            await self._tie_together()

    def forget(self, room: str) -> None:
        """We are no longer in `room`."""
        for place in self._plan.all():
            if self._kept.get(place.alias) == room:
                self._scene.lost[place.alias] = "put-out"
        self._scene.chats.pop(room, None)
        self._scene.opened.pop(room, None)

    def wanted(self, room: str) -> bool:
        """Whether `room` is one of the places."""
        return room in self._kept.values()

    async def _find(self, place: Room, joined: set[str]) -> str:
        kept = self._kept.get(place.alias, "")
        if kept:
            if kept in joined:
                self._scene.lost.pop(place.alias, None)
                return kept
            self._scene.lost[place.alias] = await self._why_not_in(kept)
            return ""
        named = await self._api.find(f"{CLIENT}/directory/room/{q(self._address(place))}")
        if named:
            room = str(named["room_id"])
            if room in joined or await self._enter(room):
                return room
            self._scene.lost[place.alias] = "shut"
            return ""
        for room in joined:  # made, but killed before its alias stood
            raw = await self._api.find(room_path(room, "state", PLACE, ""), {"format": "event"})
            told = raw.get("content", {}) if raw and raw.get("sender") == self._scene.me else {}
            if (told.get("club"), told.get("place")) == (self._plan.club, place.alias):
                return room
        return ""

    async def _why_not_in(self, room: str) -> str:
        """Someone put us out, which is theirs to do; or the room is gone."""
        try:
            ours = await self._api.find(room_path(room, "state", "m.room.member", self._scene.me))
        except Refusal:
            return "gone"
        return "put-out" if ours else "gone"

    async def enter(self, room: str) -> None:
        """Go back into a place that we are invited to."""
        await self._api.call("POST", room_path(room, "join"))
        await self.settle(make=False)

    async def _enter(self, room: str) -> bool:
        try:
            await self._api.call("POST", room_path(room, "join"))
        except Refusal:
            return False
        return True

    async def _keep(self, place: Room, room: str) -> None:
        scene = self._scene
        if place.kind == "space":
            scene.space = room
        elif place.kind == "admins":
            scene.admins = room
        else:
            scene.rooms[room] = place.alias
            if place.alias == self._plan.welcome:
                scene.welcome = room
        scene.lost.pop(place.alias, None)
        if self._kept.get(place.alias) != room:
            self._kept[place.alias] = room
            await self._vault.put(self._drawer, json.dumps(self._kept).encode())

    async def _make(self, place: Room, version: str) -> str:
        body = self._recipe(place, version)
        try:
            made = await self._api.call("POST", f"{CLIENT}/createRoom", body, limiters=("create",))
        except Refusal as error:
            if error.errcode != "M_ROOM_IN_USE":
                raise
            named = await self._api.get(f"{CLIENT}/directory/room/{q(self._address(place))}")
            return str(named["room_id"])
        return str(made["room_id"])

    def _recipe(self, place: Room, version: str) -> dict[str, Any]:
        plan, space = self._plan, self._scene.space
        rule: dict[str, Any] = {"join_rule": "invite"}
        if place.kind == "space":
            rule = {"join_rule": "knock"}
        elif place.kind == "room":
            allow = [{"type": "m.room_membership", "room_id": space}]
            rule = {"join_rule": "restricted", "allow": allow}
        state = [
            _state("m.room.join_rules", rule),
            _state("m.room.history_visibility", {"history_visibility": "joined"}),
            _state("m.room.guest_access", {"guest_access": "forbidden"}),
            _state(PLACE, {"club": plan.club, "place": place.alias, "kind": place.kind}),
        ]
        if place.kind != "space":
            parent = {"via": [self._server], "canonical": True}
            state.append(_state("m.space.parent", parent, space))
            if plan.encrypted:
                algorithm = {"algorithm": "m.megolm.v1.aes-sha2"}
                state.append(_state("m.room.encryption", algorithm))
        more = {"events_default": 100} if place.kind == "space" else {}
        return {
            "name": place.name,
            **({"topic": place.topic} if place.topic else {}),
            "room_alias_name": place.alias,
            "preset": "private_chat",
            "visibility": "private",
            "room_version": version,
            "creation_content": {"type": "m.space"} if place.kind == "space" else {},
            "initial_state": state,
            "power_level_content_override": levels_for_new(
                version, self._scene.me, plan.admins, more=more
            ),
        }

    async def _tie_together(self) -> None:
        """Name the rooms in the space and invite the admins; what a person has undone since
        (an emptied event, a departure) is left as they want it."""
        space = self._scene.space
        for room in filter(None, (*self._scene.rooms, self._scene.admins)):
            if await self._api.find(room_path(space, "state", "m.space.child", room)) is None:
                child = {"via": [self._server], "suggested": room != self._scene.admins}
                await self._api.call(
                    "PUT",
                    room_path(space, "state", "m.space.child", room),
                    child,
                    limiters=("send",),
                )
        for admin in self._plan.admins:
            for room in filter(None, (space, self._scene.admins)):
                await self._invite_once(room, admin)

    async def _invite_once(self, room: str, user: str) -> None:
        if await self._api.find(room_path(room, "state", "m.room.member", user)) is not None:
            return
        try:
            await invite(self._api, room, user)
        except (Refusal, PlatformBusy) as error:
            # The club opens without them; the next start tries again, and `doctor` tells.
            self._scene.uninvited[user] = error.code

    def _address(self, place: Room) -> str:
        return f"#{place.alias}:{self._server}"

    @property
    def _server(self) -> str:
        return self._scene.me.partition(":")[2]


def invite_limiters(room: str, user: str) -> tuple[str, ...]:
    """What an invitation draws on."""
    return ("send", f"invite:room:{room}", "invite:issuer", f"invite:to:{user}")


async def invite(api: Api, room: str, user: str, reason: str = "") -> None:
    """Invite, once. PlatformBusy with all limiters of an invitation, Refusal."""
    body = {"user_id": user, **({"reason": reason} if reason else {})}
    await api.call("POST", room_path(room, "invite"), body, limiters=invite_limiters(room, user))


def _room(kind: str, told: Mapping[str, Any]) -> Room:
    alias = _local(str(told["alias"]))
    return Room(
        kind=kind,
        alias=alias,
        name=str(told.get("name") or alias),
        topic=str(told.get("topic") or ""),
    )


def _local(alias: str) -> str:
    return alias.removeprefix("#").partition(":")[0]


def _state(kind: str, content: Mapping[str, Any], key: str = "") -> dict[str, Any]:
    return {"type": kind, "state_key": key, "content": content}


def server_of(user: str) -> str:
    """The server part of an account."""
    return user.partition(":")[2]


__all__: Sequence[str] = ("CHAT", "PLACE", "Places", "Plan", "Room", "Scene", "invite")
