"""Independent people on a Matrix homeserver: a client library that Gatekeeper does not use."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar
from urllib.parse import quote

from aiohttp import ClientError, ClientRequest, ClientResponse, ClientSession
from aiohttp.client_middlewares import ClientHandlerType
from mautrix.api import HTTPAPI, Method, Path
from mautrix.client import ClientAPI
from mautrix.errors import MatrixError, MatrixRequestError, MForbidden
from mautrix.types import Membership, RoomCreatePreset

from tests.support.synapse import Account, Synapse

T = TypeVar("T")

__all__ = ["Invitation", "MForbidden", "MatrixPerson", "MatrixRequestError", "RoomEvent"]

# mautrix tells of each request; a failing test is easier to read without.
logging.getLogger("mau").setLevel(logging.WARNING)


@dataclass(frozen=True)
class RoomEvent:
    """One event as its sender wrote it."""

    room: str
    id: str
    sender: str
    type: str
    content: Mapping[str, Any]
    at: int  # origin_server_ts, ms
    state_key: str | None = None
    redacts: str | None = None

    @property
    def body(self) -> str:
        """The plain text; of an edit, the new one."""
        edited = self.content.get("m.new_content", self.content)
        return str(edited.get("body", ""))

    @property
    def html(self) -> str:
        """The formatted text; of an edit, the new one."""
        edited = self.content.get("m.new_content", self.content)
        return str(edited.get("formatted_body", ""))

    @property
    def reason(self) -> str:
        """Why, in a membership event or a redaction."""
        return str(self.content.get("reason", ""))

    @property
    def relation(self) -> Mapping[str, Any]:
        """m.relates_to: rel_type, event_id, key."""
        return self.content.get("m.relates_to") or {}

    @property
    def edits(self) -> str | None:
        """The event that this one replaces."""
        return self.relation.get("event_id") if self._relates("m.replace") else None

    @property
    def thread(self) -> str | None:
        """The root of the thread it stands in."""
        return self.relation.get("event_id") if self._relates("m.thread") else None

    def _relates(self, how: str) -> bool:
        return self.relation.get("rel_type") == how

    @classmethod
    def parse(cls, room: str, raw: Mapping[str, Any]) -> Self:
        """From the JSON of /sync or /messages."""
        content = raw.get("content") or {}
        return cls(
            room=room,
            id=raw.get("event_id", ""),
            sender=raw.get("sender", ""),
            type=raw.get("type", ""),
            content=content,
            at=raw.get("origin_server_ts", 0),
            state_key=raw.get("state_key"),
            redacts=content.get("redacts") or raw.get("redacts"),
        )


@dataclass(frozen=True)
class Invitation:
    """An invitation that waits for an answer, as far as a guest may see the room."""

    room: str
    inviter: str
    reason: str
    direct: bool
    name: str = ""
    state: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)


class MatrixPerson:
    """One user with a client of their own, who reads along in the background.

    `await MatrixPerson.create(...)`, then `await close()`, or `async with`. A 429 is waited
    out as the server asks; any other refusal raises mautrix's MatrixRequestError (MForbidden,
    MNotFound ...). What was seen stays: every `wait_for_...` also looks back.
    """

    def __init__(self, account: Account, url: str) -> None:
        self.id, self.token, self.device_id = account
        self.name = self.id[1:].partition(":")[0]
        self.seen: list[RoomEvent] = []  # of all rooms, in the order of arrival
        self.joined: set[str] = set()
        self.left: dict[str, RoomEvent | None] = {}  # room -> who put us out, or our leave
        self.knocking: set[str] = set()
        self.receipts: dict[tuple[str, str], str] = {}  # (room, user) -> event read
        self.waited_for_limits = 0.0  # seconds
        self._invited: dict[str, Invitation] = {}
        self._ids: set[str] = set()
        self._news = asyncio.Event()
        self._session = ClientSession(middlewares=(self._patience,))
        self.api = HTTPAPI(url, self.token, client_session=self._session)
        self.client = ClientAPI(mxid=self.id, device_id=self.device_id, api=self.api)
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def create(
        cls,
        synapse: Synapse,
        name: str,
        *,
        fresh: bool = False,
        admin: bool = False,
        display: str = "",
        url: str | None = None,
    ) -> Self:
        """Register and start to read along.

        Args:
            synapse: their homeserver.
            name: the local part of their id.
            fresh: add some random letters, for tests that share a homeserver.
            admin: a server admin.
            display: the display name; else the name with a capital.
            url: where the client connects to, if not straight to the homeserver.
        """
        local = f"{name}-{secrets.token_hex(3)}" if fresh else name
        display = display or name.capitalize()
        account = await asyncio.to_thread(synapse.register, local, None, admin, display)
        return await cls(account, url or synapse.url).start()

    async def start(self) -> Self:
        """Read along from now on; returns after the first sync."""
        token = await self._sync(None, 0)
        self._reader = asyncio.create_task(self._read_along(token), name=f"sync of {self.id}")
        return self

    async def close(self) -> None:
        """Stop reading along."""
        if self._reader:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"MatrixPerson({self.id})"

    # Doors

    async def knock(self, room: str, reason: str = "") -> str:
        """Ask to be let in; the room's id."""
        return await self.client.knock_room(room, reason or None)

    async def join(self, room: str) -> str:
        """Enter by id or alias; the room's id. MForbidden where the door is shut."""
        return await self.client.join_room(room, max_retries=0)

    async def leave(self, room: str, reason: str = "") -> None:
        """Leave a room, decline its invitation, or take back a knock."""
        await self.client.leave_room(room, reason or None, raise_not_in_room=True)

    async def invite(self, room: str, who: "str | MatrixPerson", reason: str = "") -> None:
        """Invite somebody."""
        await self.client.invite_user(room, _id(who), reason or None)

    async def kick(self, room: str, who: "str | MatrixPerson", reason: str = "") -> None:
        """Put somebody out."""
        await self.client.kick_user(room, _id(who), reason)

    async def ban(self, room: str, who: "str | MatrixPerson", reason: str = "") -> None:
        """Put somebody out for good."""
        await self.client.ban_user(room, _id(who), reason)

    async def unban(self, room: str, who: "str | MatrixPerson", reason: str = "") -> None:
        """Lift a ban."""
        await self.client.unban_user(room, _id(who), reason)

    async def make_room(self, name: str = "", **more: Any) -> str:
        """A private room of one's own; `more` goes to mautrix's create_room as it is."""
        more.setdefault("preset", RoomCreatePreset.PRIVATE)
        return await self.client.create_room(name=name or None, **more)

    async def make_direct_chat(self, who: "str | MatrixPerson") -> str:
        """A direct chat, with `who` invited to it."""
        preset = RoomCreatePreset.TRUSTED_PRIVATE
        return await self.client.create_room(preset=preset, is_direct=True, invitees=[_id(who)])

    # Talking

    async def say(self, room: str, text: str, **content: Any) -> str:
        """Send a message; its event id. `content` adds to the event."""
        return await self.send(
            room, "m.room.message", {"msgtype": "m.text", "body": text, **content}
        )

    async def reply(self, room: str, event: str, text: str) -> str:
        """Answer a message outside of any thread."""
        return await self.say(
            room, text, **{"m.relates_to": {"m.in_reply_to": {"event_id": event}}}
        )

    async def reply_in_thread(self, room: str, root: str, text: str) -> str:
        """Answer in the thread that starts at `root`."""
        relation = {
            "rel_type": "m.thread",
            "event_id": root,
            "is_falling_back": True,
            "m.in_reply_to": {"event_id": root},
        }
        return await self.say(room, text, **{"m.relates_to": relation})

    async def edit(self, room: str, event: str, text: str) -> str:
        """Replace one's own message."""
        relation = {"rel_type": "m.replace", "event_id": event}
        new = {"msgtype": "m.text", "body": text}
        return await self.say(room, f"* {text}", **{"m.new_content": new, "m.relates_to": relation})

    async def react(self, room: str, event: str, key: str) -> str:
        """React; the reaction's event id, which `redact` takes back."""
        relation = {"rel_type": "m.annotation", "event_id": event, "key": key}
        return await self.send(room, "m.reaction", {"m.relates_to": relation})

    async def redact(self, room: str, event: str, reason: str = "") -> str:
        """Take an event back."""
        return await self.client.redact(room, event, reason or None)

    async def read(self, room: str, event: str) -> None:
        """Leave a public read receipt."""
        path = Path.v3.rooms[room].receipt["m.read"][event]
        await self.api.request(Method.POST, path)

    async def send(self, room: str, kind: str, content: Mapping[str, Any]) -> str:
        """Send any event; its id."""
        path = Path.v3.rooms[room].send[kind][self.api.get_txn_id()]
        answer = await self.api.request(Method.PUT, path, dict(content))
        return str(answer["event_id"])

    # State

    async def state(self, room: str, kind: str, key: str = "") -> dict[str, Any]:
        """One state event's content; MNotFound where there is none."""
        path = Path.v3.rooms[room].state[kind]
        return dict(await self.api.request(Method.GET, path[key] if key else path))

    async def set_state(
        self, room: str, kind: str, content: Mapping[str, Any], key: str = ""
    ) -> str:
        """Set one state event; its id."""
        path = Path.v3.rooms[room].state[kind]
        answer = await self.api.request(Method.PUT, path[key] if key else path, dict(content))
        return str(answer["event_id"])

    async def set_power(self, room: str, who: "str | MatrixPerson", level: int) -> None:
        """Give somebody a power level."""
        levels = await self.state(room, "m.room.power_levels")
        levels["users"] = {**levels.get("users", {}), _id(who): level}
        await self.set_state(room, "m.room.power_levels", levels)

    async def set_display(self, name: str, *rooms: str) -> None:
        """Change one's display name, and wait until `rooms` show it: a homeserver writes it into
        one room after the other, when it has answered."""
        path = Path.v3.profile[self.id].displayname
        await self.api.request(Method.PUT, path, {"displayname": name})
        for room in rooms:
            while (await self.state(room, "m.room.member", self.id)).get("displayname") != name:
                await asyncio.sleep(0.05)

    async def members(self, room: str, membership: str = "join") -> set[str]:
        """The ids of those who are in, or invited, knocking, banned, gone."""
        events = await self.client.get_members(room, membership=Membership(membership))
        return {str(event.state_key) for event in events}

    async def messages(
        self, room: str, limit: int = 100, kinds: Iterable[str] = ("m.room.message",)
    ) -> list[RoomEvent]:
        """The latest events as the server tells them to us, oldest first; MForbidden if shut out.

        Args:
            room: its id.
            limit: how many events to look through.
            kinds: event types; empty for all.
        """
        query = {"dir": "b", "limit": str(limit)}
        answer = await self.api.request(
            Method.GET, Path.v3.rooms[room].messages, query_params=query
        )
        wanted = set(kinds)
        events = [RoomEvent.parse(room, raw) for raw in reversed(answer["chunk"])]
        return [event for event in events if not wanted or event.type in wanted]

    async def reactions(self, room: str, event: str) -> dict[str, set[str]]:
        """Who stands behind each key under an event now."""
        path = f"_matrix/client/v1/rooms/{_quote(room)}/relations/{_quote(event)}/m.annotation"
        answer = await self.api.request(Method.GET, path, query_params={"limit": "100"})
        found: dict[str, set[str]] = {}
        for raw in answer["chunk"]:
            key = (raw["content"].get("m.relates_to") or {}).get("key")
            if key:
                found.setdefault(key, set()).add(raw["sender"])
        return found

    async def text_of(self, room: str, event: str) -> str:
        """A message's text as everybody sees it now: its latest edit."""
        edits = [m for m in await self.messages(room) if m.edits == event]
        if edits:
            return edits[-1].body
        path = Path.v3.rooms[room].event[event]
        return RoomEvent.parse(room, await self.api.request(Method.GET, path)).body

    def invites(self) -> list[Invitation]:
        """The invitations that wait for an answer."""
        return list(self._invited.values())

    # Waiting

    async def wait_for_invite(
        self, accept: Callable[[Invitation], bool] = lambda _: True, timeout: float = 15.0
    ) -> Invitation:
        """The first invitation that fits and is not yet answered."""
        return await self._wait(
            lambda: next((i for i in self.invites() if accept(i)), None), timeout, "an invitation"
        )

    async def wait_for_message(
        self,
        accept: Callable[[RoomEvent], bool] = lambda _: True,
        timeout: float = 15.0,
        room: str | None = None,
    ) -> RoomEvent:
        """The first message of others that fits, edits included, past or to come."""
        return await self.wait_for_event(
            lambda e: e.type == "m.room.message" and e.sender != self.id and accept(e),
            timeout,
            room,
        )

    async def wait_for_event(
        self, accept: Callable[[RoomEvent], bool], timeout: float = 15.0, room: str | None = None
    ) -> RoomEvent:
        """The first event that fits, past or to come."""
        return await self._wait(
            lambda: next((e for e in self.seen if room in (None, e.room) and accept(e)), None),
            timeout,
            "an event",
        )

    async def wait_until_joined(self, room: str, timeout: float = 15.0) -> None:
        """Until our own client shows us as inside."""
        await self._wait(lambda: room in self.joined or None, timeout, f"being in {room}")

    async def wait_until_out(self, room: str, timeout: float = 15.0) -> RoomEvent | None:
        """Until we are out of a room; the event that put us out, where the server shows it."""
        await self._wait(lambda: room in self.left or None, timeout, f"being out of {room}")
        return self.left[room]

    async def _wait(self, look: Callable[[], T | None], timeout: float, what: str) -> T:
        deadline = time.monotonic() + timeout
        while True:
            self._news.clear()
            if (found := look()) is not None:
                return found
            try:
                left = deadline - time.monotonic()
                await asyncio.wait_for(self._news.wait(), max(left, 0.001))
            except TimeoutError:
                told = "\n".join(f"  {e.sender} {e.type} {e.body!r}" for e in self.seen[-8:])
                raise TimeoutError(
                    f"{self.id} waited {timeout:g} s for {what}; last seen:\n{told}"
                ) from None

    # Reading along

    async def _read_along(self, token: str) -> None:
        while True:
            try:
                token = await self._sync(token, 20_000)
            except (MatrixError, ClientError, OSError, TimeoutError):
                await asyncio.sleep(0.3)  # the homeserver is away: a test may have meant that

    async def _sync(self, token: str | None, timeout: int) -> str:
        answer = await self.client.sync(token, timeout, filter_id=_FILTER)
        rooms = answer.get("rooms", {})
        for room, part in rooms.get("invite", {}).items():
            self._invited[room] = _invitation(room, part, self.id)
        for room in rooms.get("knock", {}):
            self.knocking.add(room)
        for room, part in rooms.get("join", {}).items():
            self.joined.add(room)
            self.left.pop(room, None)
            self._forget_door(room)
            self._take(room, part)
            for event in part.get("ephemeral", {}).get("events", []):
                self._take_receipts(room, event)
        for room, part in rooms.get("leave", {}).items():
            self.joined.discard(room)
            self._forget_door(room)
            new = self._take(room, part)
            ours = [e for e in new if e.type == "m.room.member" and e.state_key == self.id]
            self.left[room] = ours[-1] if ours else None
        self._news.set()
        return str(answer["next_batch"])

    def _forget_door(self, room: str) -> None:
        self._invited.pop(room, None)
        self.knocking.discard(room)

    def _take(self, room: str, part: Mapping[str, Any]) -> list[RoomEvent]:
        new = [RoomEvent.parse(room, raw) for raw in part.get("timeline", {}).get("events", [])]
        new = [event for event in new if event.id not in self._ids]
        self._ids.update(event.id for event in new)
        self.seen.extend(new)
        return new

    def _take_receipts(self, room: str, event: Mapping[str, Any]) -> None:
        if event.get("type") != "m.receipt":
            return
        for read, kinds in event["content"].items():
            for user in kinds.get("m.read", {}):
                self.receipts[room, user] = read

    async def _patience(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Do as a good client does when the homeserver asks it to wait."""
        while True:
            answer = await handler(request)
            if answer.status != 429:
                return answer
            told = await answer.json()
            pause = max(told.get("retry_after_ms", 1000), 1) / 1000
            self.waited_for_limits += pause
            await asyncio.sleep(pause)


_FILTER = '{"room":{"timeline":{"limit":100}}}'


def _id(who: str | MatrixPerson) -> str:
    return who if isinstance(who, str) else who.id


def _quote(part: str) -> str:
    return quote(part, safe="")


def _invitation(room: str, part: Mapping[str, Any], guest: str) -> Invitation:
    events = part.get("invite_state", {}).get("events", [])
    state = {(e["type"], e.get("state_key", "")): e.get("content", {}) for e in events}
    ours = next(
        (e for e in events if e["type"] == "m.room.member" and e.get("state_key") == guest), {}
    )
    content = ours.get("content", {})
    return Invitation(
        room=room,
        inviter=ours.get("sender", ""),
        reason=content.get("reason", ""),
        direct=bool(content.get("is_direct")),
        name=state.get(("m.room.name", ""), {}).get("name", ""),
        state=state,
    )


async def together(*acts: Awaitable[Any]) -> list[Any]:
    """Let several people act at once; the first error is raised when all are done."""
    done = await asyncio.gather(*acts, return_exceptions=True)
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome
    return done
