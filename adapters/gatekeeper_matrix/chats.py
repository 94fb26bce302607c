"""Direct chats: one for each person, found before one is made; nobody else can be brought in.

Where someone opened a chat with us first, that one serves, as long as nobody else is in it.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from gatekeeper.domain.errors import PlatformRefused
from gatekeeper.ports import Vault
from gatekeeper_matrix.events import content
from gatekeeper_matrix.places import invite_limiters, server_of
from gatekeeper_matrix.power import levels_for_new
from gatekeeper_matrix.scene import CHAT, Plan, Scene
from gatekeeper_matrix.sdk import CLIENT, NAME, Api, Refusal, q, room_path

_ASKED: Final = "club.gatekeeper.asked"
_MOST_OPENED: Final = 3  # chats that one person may open with us


class Chats:
    """The direct chats of one account of ours.

    `paused` tells whether the club writes nothing now: what is to be noted in the account's data is
    then kept in the vault until `settle`.
    """

    def __init__(
        self,
        api: Api,
        scene: Scene,
        plan: Plan,
        vault: Vault,
        paused: Callable[[], Awaitable[bool]],
    ) -> None:
        self._api, self._scene, self._plan = api, scene, plan
        self._vault, self._paused = vault, paused
        self._noting = asyncio.Lock()  # the data is read, changed and written as a whole
        self._owed: dict[str, str] = {}  # rooms still to be noted, to the person
        self._one = asyncio.Lock()  # two messages to one person must not make two chats
        self.looked: set[str] = set()  # rooms known to be no chats of ours

    async def reach(self, user: str, key: str) -> tuple[str, bool]:
        """The chat with `user`, made and offered if need be, and whether they are in it.

        Whoever left it is invited again once for each `key`.

        Raises:
            PlatformRefused: no-such-person, where their homeserver is ours and tells.
        """
        async with self._one:
            room = await self.find(user) or await self._opened_by(user) or await self._make(user)
        state = await membership(self._api, room, user)
        if state == "" or (state == "leave" and await self._may_ask_again(room, user, key)):
            state = await self._offer(room, user)
        return room, state == "join"

    async def find(self, user: str) -> str:
        """The chat that we once opened for `user`, "" for none."""
        if not self._known(user):
            joined = (await self._api.get(f"{CLIENT}/joined_rooms"))["joined_rooms"]
            known = self.looked.union(self._scene.chats, self._scene.inside())
            for room in set(joined) - known:
                await self._look_at(room)
        rooms = sorted(self._known(user))
        if len(rooms) > 1:  # an answer that came late: the one they are in counts
            for room in rooms:
                if await membership(self._api, room, user) == "join":
                    return room
        return rooms[0] if rooms else ""

    async def _opened_by(self, user: str) -> str:
        """A chat that `user` opened with us and has to themselves, "" for none."""
        for room in [room for room, whose in self._scene.opened.items() if whose == user]:
            try:
                people = await self._api.get(room_path(room, "members"))
                encrypted = await self._api.find(room_path(room, "state", "m.room.encryption", ""))
            except Refusal:
                continue  # we are out of it
            states = {
                str(raw.get("state_key")): content(raw).get("membership")
                for raw in people.get("chunk", [])
            }
            there = {who for who, state in states.items() if state in ("join", "invite", "knock")}
            if there == {user, self._scene.me} and states[user] == "join" and not encrypted:
                return room
        return ""

    async def remember(self) -> None:
        """Read from the account's data which chats people opened with us."""
        self._owed = json.loads(await self._vault.get(self._drawer) or b"{}")
        for room, user in self._owed.items():
            if room not in self._scene.chats:
                self._scene.opened[room] = user
        for user, rooms in (await self._direct()).items():
            for room in rooms:
                if room not in self._scene.chats:
                    self._scene.opened[room] = user

    async def accept(self, room: str, user: str) -> bool:
        """Take up a direct chat that `user` opened with us; not without end."""
        if list(self._scene.opened.values()).count(user) >= _MOST_OPENED:
            return False
        await self._api.call("POST", room_path(room, "join"))
        self._scene.opened[room] = user
        await self._note(user, room)
        return True

    def _known(self, user: str) -> list[str]:
        return [room for room, whose in self._scene.chats.items() if whose == user]

    async def _look_at(self, room: str) -> None:
        told = await self._api.find(room_path(room, "state", CHAT, ""), {"format": "event"})
        self.looked.add(room)
        if self.take(room, told or {}):
            await self._note(self._scene.chats[room], room)

    def take(self, room: str, raw: Mapping[str, Any]) -> bool:
        """Take in a state event that marks a chat; anybody but us could only forge one."""
        told = content(raw)
        user, club = told.get("user"), told.get("club")
        ours = raw.get("sender") == self._scene.me and club == self._plan.club
        if ours and isinstance(user, str):
            self._scene.chats[room] = user
            self._scene.opened.pop(room, None)
        return ours and isinstance(user, str)

    async def _make(self, user: str) -> str:
        await self._meet(user)
        version = await self._api.version()
        state = [
            ("m.room.history_visibility", {"history_visibility": "joined"}),
            ("m.room.guest_access", {"guest_access": "forbidden"}),
            ("m.room.join_rules", {"join_rule": "invite"}),
            (CHAT, {"user": user, "club": self._plan.club}),
        ]
        body = {
            "name": self._plan.chat_name,
            "preset": "private_chat",
            "visibility": "private",
            "is_direct": True,
            "room_version": version,
            "initial_state": [{"type": t, "state_key": "", "content": c} for t, c in state],
            "power_level_content_override": levels_for_new(version, self._scene.me, (), invite=100),
        }
        made = await self._api.call("POST", f"{CLIENT}/createRoom", body, limiters=("create",))
        room = str(made["room_id"])
        self._scene.chats[room] = user
        await self._note(user, room)
        return room

    async def _meet(self, user: str) -> None:
        """Make sure that there is such a person, where our own homeserver can tell."""
        if server_of(user) != server_of(self._scene.me):
            return
        try:
            told = await self._api.find(f"{CLIENT}/profile/{q(user)}")
        except Refusal:
            return  # it does not tell strangers
        if told is None:
            raise PlatformRefused(NAME, "no-such-person", user)

    async def _offer(self, room: str, user: str) -> str:
        """Invite by a member event: only that can say that the chat is a direct one."""
        try:
            await self._api.call(
                "PUT",
                room_path(room, "state", "m.room.member", user),
                {"membership": "invite", "is_direct": True},
                limiters=invite_limiters(room, user),
            )
        except Refusal:
            state = await membership(self._api, room, user)
            if state in ("join", "invite"):  # they were faster, or an answer was lost
                return state
            raise
        return "invite"

    async def _may_ask_again(self, room: str, user: str, key: str) -> bool:
        """Noted before the invitation: better none than a second one for the same message."""
        asked = await self._api.find(room_path(room, "state", _ASKED, ""))
        if asked and asked.get("key") == key:
            return False
        path = room_path(room, "state", _ASKED, "")
        await self._api.call("PUT", path, {"key": key}, limiters=("send",))
        return True

    async def _direct(self) -> dict[str, list[str]]:
        told: Any = await self._api.find(self._data_path) or {}
        return {user: list(rooms) for user, rooms in told.items() if isinstance(rooms, list)}

    async def settle(self) -> None:
        """Note in the account's data what is still owed to it, unless the club is paused."""
        if not self._owed or await self._paused():
            return
        async with self._noting:
            noted, direct, changed = dict(self._owed), await self._direct(), False
            for room, user in noted.items():
                if room not in direct.get(user, []):
                    direct.setdefault(user, []).append(room)
                    changed = True
            if changed:
                await self._api.call("PUT", self._data_path, direct)
            await self._owe({r: user for r, user in self._owed.items() if r not in noted})

    async def _note(self, user: str, room: str) -> None:
        if room in (await self._direct()).get(user, []):
            return
        await self._owe({**self._owed, room: user})
        await self.settle()

    async def _owe(self, owed: dict[str, str]) -> None:
        self._owed = owed
        await self._vault.put(self._drawer, json.dumps(owed).encode())

    @property
    def _drawer(self) -> str:
        return f"matrix-chats-{self._plan.club}"

    @property
    def _data_path(self) -> str:
        return f"{CLIENT}/user/{q(self._scene.me)}/account_data/m.direct"


async def membership(api: Api, room: str, user: str) -> str:
    """join, invite, knock, leave, ban; "" where `user` never was in `room`."""
    told = await api.find(room_path(room, "state", "m.room.member", user))
    return str(told.get("membership", "")) if told else ""
