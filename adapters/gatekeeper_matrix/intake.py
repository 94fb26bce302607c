"""Our own sync loop: nothing is skipped, nothing is lost, and no failure makes it spin.

One batch is taken in whole before the next is asked for: first what decides, event by event, then
the signs of life together with the position. After a crash the same batch comes again.
"""

import asyncio
import itertools
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from gatekeeper.domain.activity import Sign
from gatekeeper.domain.errors import PlatformBusy, PlatformDown, PlatformRefused
from gatekeeper.domain.events import Event, Pressed
from gatekeeper.ports import Clock, FrontDesk, Health
from gatekeeper_matrix import events
from gatekeeper_matrix.acts import Ours
from gatekeeper_matrix.blind import Authors, Blind
from gatekeeper_matrix.chats import Chats
from gatekeeper_matrix.patience import Held, back_off, passing
from gatekeeper_matrix.places import Places
from gatekeeper_matrix.power import creators_of
from gatekeeper_matrix.scene import CHAT, PlaceLost, Plan, Scene
from gatekeeper_matrix.sdk import CLIENT, NAME, Api, Refusal, room_path

log = logging.getLogger(__name__)

POLL: Final = 30.0  # seconds that the homeserver may hold an empty answer back
_SEARCH: Final = timedelta(minutes=1)
_REMEMBER: Final = timedelta(hours=1)  # how long health tells of an event passed over
_FULL: Final = 5.0  # seconds until we look again, when no more can be held
_TRIES: Final = 5  # of an event that fails, but not for storage's sake


class Stopped(Exception):
    """We were asked to stop; what is not committed comes again."""


@dataclass(slots=True)
class Intake:
    """Listens for one account and tells one desk.

    `enter` logs in and settles the places; it is called again until it works, and after the
    login was refused.
    """

    api: Api
    plan: Plan
    scene: Scene
    places: Places
    chats: Chats
    ours: Ours
    desk: FrontDesk
    clock: Clock
    enter: Callable[[], Awaitable[None]]
    poll: float = POLL
    tried: asyncio.Event = field(default_factory=asyncio.Event)  # the first turn is over
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _since: str = ""
    _entered: bool = False
    _full: bool = True  # the next answer is to hold the state of all rooms
    _fault: Health | None = None
    _poison: str = ""
    _poisoned_at: datetime | None = None
    _searched_at: datetime | None = None
    _held: Held = field(default_factory=Held)
    _authors: Authors = field(default_factory=Authors)
    _blind: Blind = field(init=False)

    def __post_init__(self) -> None:
        self._blind = Blind(self.plan, self.scene)

    async def run(self) -> None:
        """Listen until `stopping` is set."""
        failures = 0
        while not self.stopping.is_set():
            try:
                if not self._entered:
                    await self._begin()
                await self._turn()
                failures, self._fault = 0, None
                self.tried.set()
            except Stopped:
                return
            except Exception as error:  # whatever it is, the door stays watched
                self._fault = self._told(error)
                self.tried.set()
                wait = back_off(failures)
                if isinstance(error, PlatformBusy):
                    wait = error.retry_after.total_seconds()
                elif self._fault.code == "login-revoked":
                    self._entered, wait = False, max(wait, 5.0)
                failures += 1
                log.log(
                    logging.INFO if isinstance(error, PlatformDown) else logging.WARNING,
                    "intake %s: %s, again in %.1f s",
                    self._fault.code,
                    error,
                    wait,
                )
                if await self._stopped_within(wait):
                    return

    def health(self) -> Health:
        """Whether we listen, and to every place."""
        if self._fault is not None:
            return self._fault
        if not self.tried.is_set():
            return Health(ok=False, code="starting")
        if self.scene.lost:
            lost = ", ".join(f"{place}: {why}" for place, why in sorted(self.scene.lost.items()))
            if self._held.events:
                lost += f"; {len(self._held.events)} events wait"
            put_out = "put-out" in self.scene.lost.values()
            return Health(ok=False, code="put-out" if put_out else "place-missing", detail=lost)
        recent = self._poisoned_at and self.clock.now() - self._poisoned_at < _REMEMBER
        if self._poison and recent:
            return Health(ok=False, code="event-refused", detail=self._poison)
        return Health(ok=True)

    def _told(self, error: Exception) -> Health:
        if isinstance(error, PlatformDown | PlatformBusy):
            return Health(ok=False, code="homeserver-down", detail=str(error))
        if isinstance(error, PlatformRefused):
            code = "login-revoked" if error.reason == "login-revoked" else "homeserver-refuses"
            return Health(ok=False, code=code, detail=error.detail)
        return Health(ok=False, code="intake-stuck", detail=f"{type(error).__name__}: {error}")

    # ---- one turn --------------------------------------------------------------------------

    async def _begin(self) -> None:
        await self.enter()
        await self.chats.remember()
        self._held.clear()  # told again from the position
        self._since = await self.desk.position(NAME)
        self._full, self._entered = True, True

    async def _turn(self) -> None:
        """One answer of the homeserver, taken in whole."""
        first, gap = self._full, not self._since
        await self._search()
        await self._tell_held()
        if self._held.full():
            if await self._stopped_within(min(self.poll, _FULL)):
                raise Stopped
            return
        try:
            # after a failure the answer is wanted at once: only it shows that all is well again
            told = await self._poll(0.0 if first or self._fault else self.poll)
        except Refusal as error:
            if error.status == 400 and self._since:  # it does not know our position any more
                log.warning("position lost: %s", error)
                self._since, self._full = "", True
            raise
        rooms = told.get("rooms", {})
        self._see_rooms(rooms)
        signs: list[Sign] = []
        for room, part in [*rooms.get("join", {}).items(), *rooms.get("leave", {}).items()]:
            if gap:
                continue  # what was before we first listened is no news
            signs += await self._take_in(room, part)
        for room in rooms.get("leave", {}):
            await self._put_out_of(room)
        for room, part in rooms.get("invite", {}).items():
            await self._invited(room, part)
        if first:
            await self._answer_knocks()
        position = str(told["next_batch"])
        await self._tell_held()  # an invitation may have brought the place back
        self._held.signs += signs
        self._held.gap |= gap
        await self._tell_blind()
        if gap or not self._held.events:  # who knocks is looked up anew by each start
            kept, unseen = self._held.take()
            await self._insist(
                lambda: self.desk.observe(NAME, kept, position, after_gap=unseen), "observe"
            )
        self._since, self._full = position, False

    async def _search(self) -> None:
        """Look now and then whether all places are there: a room that is deleted by the server's
        admin goes without a word."""
        now = self.clock.now()
        if self._searched_at is None:
            self._searched_at = now
        if now - self._searched_at >= _SEARCH:
            self._searched_at = now
            make = self.places.unfinished() and not await self.desk.paused()
            try:
                await self.places.settle(make=make)
                await self.chats.settle()
            except PlatformBusy as busy:  # what is to be made waits; we go on listening
                log.info("places: %s", busy)

    async def _poll(self, wait: float) -> Any:
        query: dict[str, Any] = {"timeout": int(wait * 1000), "filter": json.dumps(events.FILTER)}
        if self._since:
            query["since"] = self._since
        if self._full:
            query["full_state"] = "true"
        query["set_presence"] = "offline"  # nobody needs to see a service come and go
        call = asyncio.ensure_future(self.api.get(f"{CLIENT}/sync", query, wait + 60))
        stop = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({call, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not call.done():
                raise Stopped
            return call.result()
        finally:
            stop.cancel()
            call.cancel()

    def _see_rooms(self, rooms: Mapping[str, Any]) -> None:
        """Learn from state what each room is, before any of its events is read."""
        for room, part in rooms.get("join", {}).items():
            self.scene.joined.add(room)
            known = part.get("state", {}).get("events", [])
            for raw in [*known, *part.get("timeline", {}).get("events", [])]:
                if "state_key" in raw:
                    self._see_state(room, raw)
                elif raw.get("type") == "m.room.message":
                    ours = raw.get("sender") == self.scene.me
                    self.ours.add(str(raw.get("event_id")), ours)
            if self._full and room not in self.scene.chats:
                self.chats.looked.add(room)

    def _see_state(self, room: str, raw: Mapping[str, Any]) -> None:
        kind, told = raw.get("type"), events.content(raw)
        if kind == CHAT:
            self.chats.take(room, raw)
        elif kind == "m.room.create":
            self.scene.creators[room] = creators_of(raw)
        elif kind == "m.room.encryption":
            self.scene.encrypted.add(room)
        elif kind == "m.space.child" and room == self.scene.space:
            child = str(raw.get("state_key"))
            (self.scene.children.add if told.get("via") else self.scene.children.discard)(child)

    async def _take_in(self, room: str, part: Mapping[str, Any]) -> list[Sign]:
        """Hand over what decides, in order; return the signs of life."""
        timeline = part.get("timeline", {})
        raws = list(timeline.get("events", []))
        if timeline.get("limited") and self._since and timeline.get("prev_batch"):
            raws = await self._missing(room, str(timeline["prev_batch"])) + raws
        for lost in self._blind.see(room, raws, self.clock.now()):
            await self._insist(partial(self.desk.missed, NAME, *lost), f"missed in {room}")
        signs, seen = [], set()
        for raw in raws:
            event_id, now = str(raw.get("event_id", "")), self.clock.now()
            if not event_id or event_id in seen:
                continue
            seen.add(event_id)
            self._authors.note(raw)
            sign = events.sign(self.scene, room, raw, now, self._authors.known)
            if sign is not None:
                signs.append(sign)
            event = events.happening(self.scene, room, raw, now)
            if event is not None:
                await self._hand_over(room, event)
        ephemeral = part.get("ephemeral", {}).get("events", [])
        return signs + events.reads(self.scene, room, ephemeral, self.clock.now())

    async def _missing(self, room: str, start: str) -> list[Any]:
        """What lies between our position and a limited timeline, oldest first."""
        found: list[Any] = []
        query = {
            "dir": "b",
            "from": start,
            "to": self._since,
            "limit": events.LIMIT,
            "filter": json.dumps({"types": events.TIMELINE}),
        }
        while True:
            try:
                told = await self.api.get(room_path(room, "messages"), query)
            except Refusal as error:  # we are not in it any more: there is no more to see
                log.warning("no history of %s: %s", room, error)
                break
            found += told.get("chunk", [])
            if not told.get("chunk") or not told.get("end"):
                break
            query["from"] = told["end"]
        return found[::-1]

    async def _hand_over(self, room: str, event: Event) -> None:
        """Tell the desk, or hold the event while a place that it needs is lost."""
        if not self._held.behind(room, event, self.scene.space):
            try:
                await self._insist(partial(self._tell, room, event), event.event_id)
                return
            except PlaceLost as lost:
                log.warning("held until the place is back: %s (%s)", event.event_id, lost.detail)
        self._held.hold(room, event)

    async def _tell(self, room: str, event: Event) -> None:
        if not isinstance(event, Pressed) or await self.ours.has(room, event.ref):
            await self.desk.handle(event)

    async def _tell_held(self) -> None:
        """Tell what is held, in order, once the places that decisions need are there again."""
        while self._held.events and not self.scene.lacks(self.plan):
            room, event = self._held.events[0]
            try:
                await self._insist(partial(self._tell, room, event), event.event_id)
            except PlaceLost:
                return
            self._held.events.popleft()

    async def _insist(self, act: Callable[[], Awaitable[None]], what: str) -> None:
        """Again until it works; an event that fails by itself is passed over after some tries.

        PlaceLost comes through at once: the others need not wait for a person to act.
        """
        for attempt in itertools.count():
            try:
                await act()
                return
            except PlaceLost:
                self._fault = None
                raise
            except Exception as error:
                if not passing(error) and attempt + 1 >= _TRIES:
                    log.exception("event-refused %s", what)
                    self._poison = f"{what}: {type(error).__name__}"
                    self._poisoned_at = self.clock.now()
                    return
                self._fault = self._told(error)
                log.warning("intake-stuck at %s: %s", what, error)
            if await self._stopped_within(back_off(attempt)):
                raise Stopped
            self._fault = None

    # ---- our own comings and goings --------------------------------------------------------

    async def _tell_blind(self) -> None:
        """Tell which places do not reach us, where that is not told yet."""
        now = self.clock.now()
        places = self._blind.changed(now)
        if places is not None:
            await self._insist(partial(self.desk.blind, NAME, places), "blind")
            self._blind.told(places)
        self._blind.heard_at = now

    async def _put_out_of(self, room: str) -> None:
        self.scene.joined.discard(room)
        self.places.forget(room)

    async def _invited(self, room: str, part: Mapping[str, Any]) -> None:
        """Go in only where a person wants to speak to us alone, or to a place of the club."""
        raws = part.get("invite_state", {}).get("events", [])
        ours = next((raw for raw in raws if _for(raw, self.scene.me)), None)
        if ours is None:
            return

        async def answer() -> None:
            try:
                if self.places.wanted(room):
                    await self.places.enter(room)
                elif events.content(ours).get("is_direct") is True:
                    await self.chats.accept(room, str(ours.get("sender", "")))
                elif self.scene.lost:
                    await self.places.settle(make=False)
            except Refusal as error:
                log.warning("invitation to %s: %s", room, error)

        await self._insist(answer, f"invitation to {room}")

    async def _answer_knocks(self) -> None:
        """Whoever stands at the door since before we listened."""
        if not self.scene.space:
            return
        path = room_path(self.scene.space, "members")
        try:
            told = await self.api.get(path, {"membership": "knock"})
        except Refusal as error:  # put out of the space: health tells
            log.warning("no knocks: %s", error)
            return
        for raw in told.get("chunk", []):
            event = events.happening(self.scene, self.scene.space, raw, self.clock.now())
            if event is not None:
                await self._hand_over(self.scene.space, event)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return False
        return True


def _for(raw: Mapping[str, Any], user: str) -> bool:
    return raw.get("type") == "m.room.member" and raw.get("state_key") == user
