"""The club's places: found by alias and by a state event of ours, made where they are not there.

Making a room takes no transaction id, so it is always looked for first; what was found once is
remembered, and is never made anew when it goes: an empty space in its stead would shut out all.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from gatekeeper.domain.errors import PlatformBusy
from gatekeeper.ports import Clock, Vault
from gatekeeper_matrix.power import levels_for_new
from gatekeeper_matrix.scene import PLACE, Plan, Room, Scene, Uninvited
from gatekeeper_matrix.sdk import CLIENT, Api, Refusal, q, room_path

_AGAIN: Final = timedelta(minutes=1)  # at least, until a limited invitation is tried again
_TRIES: Final = 100  # of one invitation, between two starts


class Places:
    """Finds and makes the places of one club."""

    def __init__(self, api: Api, plan: Plan, vault: Vault, scene: Scene, clock: Clock) -> None:
        self._api, self._plan, self._vault, self._scene = api, plan, vault, scene
        self._clock = clock
        self._kept: dict[str, str] = {}
        self._tied = False  # rooms are named in the space and admins invited

    @property
    def _drawer(self) -> str:
        return f"matrix-places-{self._plan.club}"

    @property
    def _invitations(self) -> str:
        return f"matrix-invitations-{self._plan.club}"

    def unfinished(self) -> bool:
        """Whether something is to be made, or an invitation to be tried again, now."""
        now = self._clock.now()
        waiting = (them.until for room in self._scene.uninvited.values() for them in room.values())
        return (
            "missing" in self._scene.lost.values()
            or not self._tied
            or any(until is not None and until <= now for until in waiting)
        )

    async def settle(self, make: bool) -> None:
        """Fill the scene; with `make`, make what is missing and join it to the space.

        A place that is gone or shut stands in `scene.lost`, and the others work.
        PlatformDown, PlatformBusy.
        """
        kept = await self._vault.get(self._drawer)
        self._kept = json.loads(kept) if kept else {}
        self._scene.uninvited = _read(await self._vault.get(self._invitations))
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
                self._know(place, self._kept.get(place.alias, ""))  # what was said there counts
        if make and self._scene.space and self._plan.space.alias not in self._scene.lost:
            await self._tie_together()
            self._tied = True

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

    def _know(self, place: Room, room: str) -> None:
        scene = self._scene
        if not room:
            return
        if place.kind == "space":
            scene.space = room
        elif place.kind == "admins":
            scene.admins = room
        else:
            scene.rooms[room] = place.alias
            if place.alias == self._plan.welcome:
                scene.welcome = room

    async def _keep(self, place: Room, room: str) -> None:
        self._know(place, room)
        self._scene.lost.pop(place.alias, None)
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
            if plan.encrypted and not plan.plain(place):
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
        space, admins = self._scene.space, self._scene.admins
        if self._plan.admin_room.alias in self._scene.lost:
            admins = ""
        there = (room for room, place in self._scene.rooms.items() if place not in self._scene.lost)
        for room in filter(None, (*there, admins)):
            if await self._api.find(room_path(space, "state", "m.space.child", room)) is None:
                child = {"via": [self._server], "suggested": room != admins}
                await self._api.call(
                    "PUT",
                    room_path(space, "state", "m.space.child", room),
                    child,
                    limiters=("send",),
                )
        before = _written(self._scene.uninvited)
        for them in self._scene.uninvited.values():
            for gone in them.keys() - set(self._plan.admins):
                del them[gone]
        for admin in self._plan.admins:
            for room in filter(None, (space, admins)):
                await self._invite_once(room, admin)
        kept = _written(self._scene.uninvited)
        if kept != before:
            await self._vault.put(self._invitations, json.dumps(kept).encode())

    async def _invite_once(self, room: str, user: str) -> None:
        """Invite where nobody ever did. What fails leaves the club open without them: `doctor`
        tells, and a limit that has passed or the next start brings another try."""
        waiting = self._scene.uninvited.setdefault(room, {})
        known, now = waiting.get(user), self._clock.now()
        if known is not None and (self._tied if known.until is None else now < known.until):
            return
        if await self._api.find(room_path(room, "state", "m.room.member", user)) is not None:
            waiting.pop(user, None)
            return
        try:
            await invite(self._api, room, user)
            waiting.pop(user, None)
        except PlatformBusy as busy:
            tries = known.tries + 1 if self._tied and known else 1
            until = now + max(busy.retry_after, _AGAIN) if tries < _TRIES else None
            waiting[user] = Uninvited(why=busy.code, until=until, tries=tries)
        except Refusal as error:
            waiting[user] = Uninvited(why=error.detail)

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


def _read(kept: bytes | None) -> dict[str, dict[str, Uninvited]]:
    told: dict[str, dict[str, Any]] = json.loads(kept) if kept else {}
    return {
        room: {
            user: Uninvited(
                why=one["why"],
                until=datetime.fromisoformat(one["until"]) if one["until"] else None,
                tries=one["tries"],
            )
            for user, one in them.items()
        }
        for room, them in told.items()
    }


def _written(uninvited: Mapping[str, Mapping[str, Uninvited]]) -> dict[str, dict[str, Any]]:
    return {
        room: {
            user: {
                "why": one.why,
                "until": one.until.isoformat() if one.until else "",
                "tries": one.tries,
            }
            for user, one in them.items()
        }
        for room, them in uninvited.items()
        if them
    }


def _state(kind: str, content: Mapping[str, Any], key: str = "") -> dict[str, Any]:
    return {"type": kind, "state_key": key, "content": content}


def server_of(user: str) -> str:
    """The server part of an account."""
    return user.partition(":")[2]
