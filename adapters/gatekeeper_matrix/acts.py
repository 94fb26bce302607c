"""Actions to calls: each looks before it acts, so that doing it again changes nothing."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gatekeeper.domain.decisions import (
    Action,
    Admit,
    Bring,
    Choice,
    EndAccount,
    Mend,
    Post,
    Receipt,
    Remove,
    Retract,
    ShowCard,
    Tell,
)
from gatekeeper.domain.errors import PlatformDown, PlatformRefused
from gatekeeper_matrix.chats import Chats
from gatekeeper_matrix.doors import Doors
from gatekeeper_matrix.events import content as content_of
from gatekeeper_matrix.html import Content, card_content, edit_of, text_content
from gatekeeper_matrix.places import invite_limiters
from gatekeeper_matrix.scene import PlaceLost, Scene, lost_if_out
from gatekeeper_matrix.sdk import NAME, Api, Refusal, room_path
from gatekeeper_matrix.survey import mend

KEY: Final = "club.gatekeeper.key"
_FORGOTTEN: Final = timedelta(hours=12)  # homeservers forget transaction ids after a day
_PAGES: Final = 50


@dataclass(slots=True, kw_only=True)
class Acts(Doors):
    """Everything that we do on Matrix for one club.

    `fresh_since` is when our login began: transaction ids are its own.
    """

    chats: Chats
    ours: "Ours"
    fresh_since: datetime

    async def perform(self, action: Action, key: str, ordered_at: datetime) -> Receipt:
        """Carry out one Action; see Platform.perform."""
        match action:
            case Admit():
                return await self.admit(action)
            case Retract():
                return await self.retract(action)
            case Remove():
                return await self.remove(action)
            case Tell():
                return await self._tell(action, _Once(key, ordered_at))
            case Post():
                return await self._post(action, _Once(key, ordered_at))
            case ShowCard():
                return await self._show(action, _Once(key, ordered_at))
            case Mend(place=place, rule=rule):
                return self._receipt(await mend(self.api, self.plan, self.scene, place, rule))
            case Bring() | EndAccount():
                return self._receipt(False)  # an account is its owner's, on any homeserver

    def limiters(self, action: Action) -> tuple[str, ...]:
        """The limiters that `action` draws on, as far as they are known before."""
        match action:
            case Admit(who=who):
                return invite_limiters(self.scene.space, who.account)
            case Tell(who=who, room="") if who.account not in self.scene.chats.values():
                invitation = ("invite:issuer", f"invite:to:{who.account}")
                return ("send", "create", *invitation)
            case _:
                return ("send",)

    # ---- words -----------------------------------------------------------------------------

    async def _tell(self, action: Tell, once: "_Once") -> Receipt:
        if action.room:
            content = text_content(action.text, action.links)
            ref = await self._send(action.room, content, once, in_clear=True)
            return self._receipt(True, ref)
        room, there = await self.chats.reach(action.who.account, once.id)
        if not there:
            return Receipt(changed=False, at=self.clock.now(), waiting=True)
        content = text_content(action.text, action.links, action.choices)
        ref = await self._send(room, content, once)
        await self._offer(room, ref, action.choices, once)
        return self._receipt(True, ref)

    async def _post(self, action: Post, once: "_Once") -> Receipt:
        room = self._room(action.place)
        content = text_content(action.text, (), action.choices, action.mentions)
        if action.thread:
            content["m.relates_to"] = {
                "rel_type": "m.thread",
                "event_id": action.thread,
                "is_falling_back": True,
                "m.in_reply_to": {"event_id": action.thread},
            }
        ref = await self._send(room, content, once)
        await self._offer(room, ref, action.choices, once)
        return self._receipt(True, ref)

    async def _show(self, action: ShowCard, once: "_Once") -> Receipt:
        room, content = self._room(action.place), card_content(action.card)
        if action.ref:
            edit = await self._send(room, edit_of(action.ref, content), once)
            return Receipt(changed=True, at=await self._shown_at(room, edit), ref=action.ref)
        ref = await self._send(room, content, once)
        at = await self._shown_at(room, ref)
        await self._offer(room, ref, action.card.choices, once)
        return Receipt(changed=True, at=at, ref=ref)

    async def _shown_at(self, room: str, event_id: str) -> datetime:
        """The homeserver's own time of an event: presses are dated by the same clock, and decide
        what the card showed when they were made."""
        told = await self.api.find(room_path(room, "event", event_id)) or {}
        stamp = told.get("origin_server_ts")
        if not isinstance(stamp, int):
            return self.clock.now()
        return datetime.fromtimestamp(stamp / 1000, UTC)

    async def _offer(self, room: str, ref: str, choices: Sequence[Choice], once: "_Once") -> None:
        """Set the choices ourselves, so that a tap decides."""
        for choice in choices:
            relation = {"rel_type": "m.annotation", "event_id": ref, "key": choice.symbol}
            path = room_path(room, "send", "m.reaction", once.also(choice.symbol))
            try:
                await self._put(room, path, {"m.relates_to": relation})
            except Refusal as error:
                if error.errcode != "M_DUPLICATE_ANNOTATION":
                    raise

    async def _send(
        self, room: str, content: Content, once: "_Once", *, in_clear: bool = False
    ) -> str:
        if once.ordered_at < max(self.clock.now() - _FORGOTTEN, self.fresh_since):
            sent = await self._sent_before(room, once)
            if sent:
                self.ours.add(sent)
                return sent
        path = room_path(room, "send", "m.room.message", once.id)
        told = await self._put(room, path, {**content, KEY: once.id}, in_clear=in_clear)
        self.ours.add(str(told["event_id"]))
        return str(told["event_id"])

    async def _put(
        self, room: str, path: str, content: Mapping[str, Any], *, in_clear: bool = False
    ) -> Any:
        if not in_clear and await self._encrypted(room):
            raise PlatformRefused(NAME, "encrypted", self.scene.place(room) or room)
        try:
            return await self.api.call("PUT", path, content, limiters=("send",))
        except Refusal as error:
            if error.status not in (403, 404) or error.errcode == "M_DUPLICATE_ANNOTATION":
                raise
            if not await lost_if_out(self.api, self.plan, self.scene, room):
                raise
            if room == self.scene.admins:
                raise PlaceLost(NAME, self.scene.lacks(self.plan)) from error
            raise PlatformRefused(NAME, "no-such-room", room) from error

    async def _encrypted(self, room: str) -> bool:
        """Whether `room` is encrypted: we would send in clear what looks as if it were not. Looked
        up once; from then on we hear of it."""
        scene = self.scene
        if room not in scene.encrypted and room not in scene.plain:
            try:
                told = await self.api.find(room_path(room, "state", "m.room.encryption", ""))
            except Refusal:
                return False  # we are out of it: sending will tell
            (scene.plain if told is None else scene.encrypted).add(room)
        return room in scene.encrypted

    async def _sent_before(self, room: str, once: "_Once") -> str:
        """Read back to when it was ordered whether it stands there already."""
        until = once.ordered_at - timedelta(minutes=10)  # the homeserver's clock may be off
        query: dict[str, Any] = {"dir": "b", "limit": 100}
        for _ in range(_PAGES):
            told = await self.api.get(room_path(room, "messages"), query)
            for raw in told["chunk"]:
                if content_of(raw).get(KEY) == once.id and raw.get("sender") == self.scene.me:
                    return str(raw["event_id"])
                if raw.get("origin_server_ts", 0) / 1000 < until.timestamp():
                    return ""
            if not told.get("end") or not told["chunk"]:
                return ""
            query["from"] = told["end"]
        return ""

    def _room(self, place: str) -> str:
        room = self.scene.room(place)
        if place == "admins" and (not room or self.plan.admin_room.alias in self.scene.lost):
            alias = self.plan.admin_room.alias
            raise PlaceLost(NAME, f"{alias}: {self.scene.lost.get(alias, 'missing')}")
        if not room and "missing" in self.scene.lost.values():
            raise PlatformDown(NAME, f"{place} is not made yet")
        if not room:
            raise PlatformRefused(NAME, "no-such-room", place)
        return room


class _Once:
    """What makes a message one message: ids of transactions, made from the Order's key."""

    def __init__(self, key: str, ordered_at: datetime) -> None:
        self.key, self.ordered_at = key, ordered_at.astimezone(UTC)
        self.id = _digest(key)

    def also(self, part: str) -> str:
        """The id of something that goes with the message."""
        return _digest(f"{self.key}\0{part}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Ours:
    """Which messages are ours: a reaction counts only on them."""

    _MOST: Final = 20_000

    def __init__(self, api: Api, scene: Scene) -> None:
        self._api, self._scene = api, scene
        self._known: dict[str, bool] = {}

    def add(self, event_id: str, ours: bool = True) -> None:
        """Keep what we know of one; the oldest is forgotten beyond some thousands."""
        self._known[event_id] = ours
        if len(self._known) > self._MOST:
            del self._known[next(iter(self._known))]

    async def has(self, room: str, event_id: str) -> bool:
        """Whether the message is ours; looked up where it is not known. PlatformDown."""
        if event_id not in self._known:
            try:
                raw = await self._api.find(room_path(room, "event", event_id)) or {}
            except Refusal:
                raw = {}  # from before we came: not ours
            self.add(event_id, raw.get("sender") == self._scene.me)
        return self._known[event_id]
