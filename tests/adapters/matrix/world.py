"""A club of its own on the shared homeserver, with people who use another client library."""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gatekeeper.domain.decisions import Action, Admit, Remove, Retract, ShowCard, Tell
from gatekeeper.domain.identity import Identity
from gatekeeper.ports import Clock
from gatekeeper.testing.platform_contract import RecordingDesk, Seen, until
from gatekeeper_matrix import MatrixPlatform
from tests.support.people import MatrixPerson
from tests.support.proxy import Proxy
from tests.support.synapse import HomeserverError, Synapse

_NUMBERS = itertools.count(1)


class Now:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class DictVault:
    """A Vault in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def get(self, name: str) -> bytes | None:
        return self.kept.get(name)

    async def put(self, name: str, secret: bytes) -> None:
        self.kept[name] = secret

    async def swap(self, name: str, old: bytes | None, new: bytes) -> bool:
        if self.kept.get(name) != old:
            return False
        self.kept[name] = new
        return True


class MatrixWorld:
    """One club: its bot behind a proxy, its founder, and whoever else is asked for."""

    def __init__(self, synapse: Synapse, clock: Clock | None = None, **settings: Any) -> None:
        self.synapse, self.clock = synapse, clock or Now()
        self.slug = f"c{next(_NUMBERS)}-{id(self) % 99991}"
        self.proxy = Proxy(synapse.url)
        self.desk: Any = RecordingDesk()
        self.vault = DictVault()
        self.people: dict[Identity, MatrixPerson] = {}
        self.settings = settings
        self.changes: Mapping[str, Any] = {}

    async def __aenter__(self) -> "MatrixWorld":
        await self.proxy.__aenter__()
        self.bot = self.synapse.register(f"gatekeeper-{self.slug}")
        self.founder = await self._add("founder")
        self.platform = self.make()
        await self.listen()
        founder = self.people[self.founder]
        for room in (self.scene.space, self.scene.admins):
            await founder.wait_for_invite(lambda invitation, room=room: invitation.room == room)
            await founder.join(room)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.platform.stop()
        for person in self.people.values():
            await person.close()
        await self.proxy.__aexit__()

    async def listen(self) -> None:
        """Start the platform on the desk."""
        await self.platform.start(self.desk)

    def make(self, **settings: Any) -> MatrixPlatform:
        """A platform of this club, not started."""
        slug = self.slug
        return MatrixPlatform(
            club=slug,
            settings={
                "homeserver_url": self.proxy.url,
                "user_id": self.bot.user_id,
                "access_token": self.bot.token,
                **self.settings,
                **settings,
            },
            places={
                "space": {"alias": slug, "name": "Club"},
                "rooms": [{"alias": f"{slug}-lobby"}, {"alias": f"{slug}-talk"}],
                "adminRoom": {"alias": f"{slug}-board"},
                "welcomeRoom": f"{slug}-lobby",
                "admins": [self.founder.account],
                "title": "Club",
                "chatName": "Club: Gatekeeper",
                **self.changes,
            },
            vault=self.vault,
            clock=self.clock,
        )

    @property
    def scene(self) -> Any:
        """What rooms are to the platform."""
        return self.platform._scene

    def hands(self, who: Identity) -> MatrixPerson:
        """The client of a person."""
        return self.people[who]

    async def _add(self, name: str) -> Identity:
        person = await MatrixPerson.create(self.synapse, name, fresh=True)
        identity = Identity("matrix", person.id)
        self.people[identity] = person
        return identity

    # ---- PlatformWorld

    def now(self) -> datetime:
        return self.clock.now()

    async def person(self) -> Identity:
        return await self._add("person")

    async def admin(self) -> Identity:
        return self.founder

    async def knock(self, who: Identity, reason: str) -> None:
        await self.knock_at(who, reason)

    async def knock_at(self, who: Identity, reason: str) -> None:
        """Knock by the space's address: works while the platform has not come up."""
        await self.hands(who).knock(f"#{self.slug}:gk.test", reason)

    async def enter(self, who: Identity) -> None:
        for room in (self.scene.space, *self.scene.rooms):
            await self.hands(who).join(room)

    async def leave(self, who: Identity) -> None:
        for room in (*self.scene.rooms, self.scene.space):
            await self.hands(who).leave(room)

    async def invite(self, who: Identity, by: Identity) -> None:
        await self.hands(by).invite(self.scene.space, who.account)

    async def ban(self, who: Identity, by: Identity) -> None:
        await self.hands(by).ban(self.scene.space, who.account)

    def put_state(self, room: str, kind: str, content: Mapping[str, Any]) -> None:
        """The founder's own hand changes a rule of a room."""
        path = f"/_matrix/client/v3/rooms/{room}/state/{kind}/"
        token = self.hands(self.founder).token
        self.synapse.call("PUT", path, content, token=token)

    async def open_door(self) -> str:
        alias = f"{self.slug}-talk"
        await self.hands(self.founder).join(self.scene.room(alias))
        self.put_state(self.scene.room(alias), "m.room.join_rules", {"join_rule": "public"})
        return alias

    async def take_chat(self, who: Identity) -> None:
        person = self.hands(who)
        found = await person.wait_for_invite(lambda invitation: invitation.direct)
        assert found.inviter == self.bot.user_id
        await person.join(found.room)

    async def chats(self, who: Identity) -> int:
        rooms = await self._chat_rooms(who)
        return len(rooms)

    async def _chat_rooms(self, who: Identity) -> list[str]:
        """Every room that the bot has marked as the chat of `who`, by the homeserver's word."""
        client, token = "/_matrix/client/v3", self.bot.token
        joined = self.synapse.call("GET", f"{client}/joined_rooms", token=token)["joined_rooms"]
        found = []
        for room in joined:
            path = f"{client}/rooms/{room}/state/club.gatekeeper.chat/"
            try:
                mark = self.synapse.call("GET", path, token=token)
            except HomeserverError:
                continue
            found += [room] if mark["user"] == who.account else []
        return found

    async def told(self, who: Identity) -> list[Seen]:
        rooms = await self._chat_rooms(who)
        return [seen for room in rooms for seen in await self._seen(self.hands(who), room)]

    async def posted(self) -> list[Seen]:
        return await self._seen(self.hands(self.founder), self.scene.admins)

    async def _seen(self, person: MatrixPerson, room: str) -> list[Seen]:
        messages = [m for m in await person.messages(room) if m.sender == self.bot.user_id]
        texts = {m.id: m.body for m in messages if not m.edits}
        for message in messages:
            if message.edits in texts:
                texts[message.edits] = message.body
        return [Seen(ref, text) for ref, text in texts.items()]

    async def press(self, who: Identity, ref: str, symbol: str) -> str:
        return await self.hands(who).react(self.scene.admins, ref, symbol)

    async def take_back(self, who: Identity, press_id: str) -> None:
        await self.hands(who).redact(self.scene.admins, press_id)

    async def write(self, who: Identity, text: str) -> None:
        (room,) = await self._chat_rooms(who)
        await self.hands(who).say(room, text)

    async def places(self, who: Identity) -> int:
        inside = 0
        for room in (self.scene.space, self.scene.admins, *self.scene.rooms):
            inside += (
                who.account in await self.hands(self.founder).members(room)
                if (room in (self.scene.space, self.scene.admins))
                else who.account in self._members(room)
            )
        return inside

    def _members(self, room: str) -> set[str]:
        path = f"/_matrix/client/v3/rooms/{room}/joined_members"
        return set(self.synapse.call("GET", path, token=self.bot.token)["joined"])

    async def lose_answer(self, action: Action) -> None:
        path = {
            Admit: "/invite$",
            Remove: "/kick$",
            Retract: "/kick$",
            ShowCard: "/send/m.room.message/",
        }.get(type(action), "")
        method = "PUT" if isinstance(action, ShowCard) else "POST"
        if isinstance(action, Tell):
            known = action.who.account in self.scene.chats.values()
            method, path = ("PUT", "/send/m.room.message/") if known else ("POST", "/createRoom$")
        self._trap = self.proxy.arm(method, path, callback=self._cut)

    def _cut(self) -> None:
        self._trap.release()

    async def stop(self) -> None:
        await self.platform.stop()

    async def restart(self, **settings: Any) -> None:
        await self.platform.stop()
        self.platform = self.make(**settings)
        await self.listen()

    async def healthy(self, code: str = "", timeout: float = 15.0) -> None:
        """Until health says `code` ("" for being well)."""
        await until(lambda: self.platform.health().code == code, f"health {code!r}", timeout)
