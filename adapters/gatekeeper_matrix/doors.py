"""Who is let into the space and its rooms, and who is put out of them: each act looks first."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from gatekeeper.domain.decisions import Admit, Receipt, Remove, Retract
from gatekeeper.domain.errors import PlatformBusy, PlatformDown, PlatformRefused
from gatekeeper.ports import Clock
from gatekeeper_matrix.chats import membership
from gatekeeper_matrix.events import content as content_of
from gatekeeper_matrix.places import invite
from gatekeeper_matrix.power import Power, creators_of
from gatekeeper_matrix.scene import PlaceLost, Plan, Scene
from gatekeeper_matrix.sdk import NAME, Api, Refusal, room_path


@dataclass(slots=True, kw_only=True)
class Doors:
    """The places of one club on Matrix, as far as people come and go."""

    api: Api
    scene: Scene
    plan: Plan
    clock: Clock

    async def power(self, room: str) -> Power:
        """The power levels of a room as they are now."""
        if room not in self.scene.creators:
            told = await self.api.get(
                room_path(room, "state", "m.room.create", ""), {"format": "event"}
            )
            self.scene.creators[room] = creators_of(told)
        levels = await self.api.find(room_path(room, "state", "m.room.power_levels", ""))
        return Power(levels or {}, self.scene.creators[room])

    async def _state(self, user: str, room: str) -> str:
        return await membership(self.api, room, user)

    def _space(self) -> str:
        alias = self.plan.space.alias
        if not self.scene.space or alias in self.scene.lost:
            raise PlaceLost(NAME, f"{alias}: {self.scene.lost.get(alias, 'missing')}")
        return self.scene.space

    async def admit(self, action: Admit) -> Receipt:
        """Let in, or back into the rooms; see Admit."""
        space, user = self._space(), action.who.account
        state, changed = await self._state(user, space), False
        if action.rooms:
            return self._receipt(state == "join" and await self._give_back(user))
        if state == "join":
            return self._receipt(False)
        if state == "ban":
            raise PlatformRefused(NAME, "banned", user)
        if state != "invite":
            changed = await self._invite(space, user, action.reason)
        note = await self._open_rooms(user) if self.plan.invite_to_rooms else ""
        return self._receipt(changed, note=note)

    async def _invite(self, room: str, user: str, reason: str) -> bool:
        try:
            await invite(self.api, room, user, reason)
        except Refusal as error:
            state = await self._state(user, room)
            if state in ("join", "invite"):  # someone was faster
                return False
            if state == "ban":
                raise PlatformRefused(NAME, "banned", user) from error
            raise
        return True

    async def _open_rooms(self, user: str) -> str:
        """Each room by a call of its own, until one is limited: restricted rooms open by
        themselves to whoever is in the space. Says what was left undone."""
        for room, alias in self.scene.rooms.items():
            if await self._state(user, room) not in ("", "leave"):
                continue
            try:
                await invite(self.api, room, user)
            except PlatformBusy:
                return "rooms-open-by-themselves"
            except Refusal as error:
                return f"not invited to {alias}: {error.detail}"
        return ""

    async def retract(self, action: Retract) -> Receipt:
        """Space first, then rooms, each looked at right before: it may have been taken up."""
        space, user, changed = self._space(), action.who.account, False
        if await self._state(user, space) == "join":
            return self._receipt(False)
        for room in (space, *self.scene.rooms):
            if await self._ours_to_retract(user, room):
                changed |= await self._kick(room, user, action.reason)
        return self._receipt(changed)

    async def _ours_to_retract(self, user: str, room: str) -> bool:
        """A knock at the space, or an invitation that we sent: a person's own is theirs."""
        path = room_path(room, "state", "m.room.member", user)
        try:
            told = await self.api.find(path, {"format": "event"}) or {}
        except Refusal:
            if room == self.scene.space:
                raise
            return False  # a room that is gone, or that we were put out of
        state = content_of(told).get("membership")
        if state == "invite":
            return bool(told.get("sender") == self.scene.me)
        return state == "knock" and room == self.scene.space

    async def remove(self, action: Remove) -> Receipt:
        """Put out, of all places or of the rooms; see Remove."""
        space, user = self._space(), action.who.account
        if action.stay_in:
            return await self._to_guests(action)
        rooms = self.scene.inside()
        there = await self._where(user, rooms)
        if not there:
            return self._receipt(False)
        power = await self.power(space)
        if not power.can_kick(self.scene.me, user):
            raise PlatformRefused(NAME, "no-power", user)
        stuck = await self._kick_from(there, action)
        # Whoever was quick went back into a restricted room before the space was shut.
        stuck |= await self._kick_from(await self._where(user, rooms[:-1]), action)
        names = sorted(self.scene.rooms.get(room, room) for room in stuck)
        return self._receipt(True, note=f"no power in {', '.join(names)}" if names else "")

    async def _to_guests(self, action: Remove) -> Receipt:
        """Into the guests' room first, so that nobody is left without any; then out of others."""
        space, user = self._space(), action.who.account
        guests = self.scene.room(action.stay_in)
        if not guests and "missing" in self.scene.lost.values():
            raise PlatformDown(NAME, f"{action.stay_in} is not made yet")
        if not guests:
            raise PlatformRefused(NAME, "no-such-room", action.stay_in)
        if await self._state(user, space) != "join":
            return self._receipt(False)
        changed = False
        if await self._state(user, guests) not in ("join", "invite", "ban"):
            changed = await self._invite(guests, user, action.reason)
        there = await self._where(user, self._rooms_but(guests))
        stuck = await self._kick_from(there, action)
        names = sorted(self.scene.rooms.get(room, room) for room in stuck)
        note = f"no power in {', '.join(names)}" if names else ""
        return self._receipt(changed or bool(there), note=note)

    def _rooms_but(self, guests: str) -> tuple[str, ...]:
        kept = (self.scene.space, self.scene.admins, guests)
        return tuple(room for room in self.scene.inside() if room not in kept)

    async def _give_back(self, user: str) -> bool:
        """Invite to each room out of which we put them; to none that they left by themselves. A
        limit is told as it is: those that are left come with the next try."""
        changed = False
        for room in self._rooms_but(""):
            path = room_path(room, "state", "m.room.member", user)
            try:
                told = await self.api.find(path, {"format": "event"}) or {}
                if content_of(told).get("membership") != "leave":
                    continue
                if told.get("sender") == self.scene.me:
                    changed |= await self._invite(room, user, "")
            except Refusal:
                continue  # a room that is gone, or in which we have no power any more
        return changed

    async def _where(self, user: str, rooms: Sequence[str]) -> tuple[str, ...]:
        states = await asyncio.gather(*(self._state_or_none(user, room) for room in rooms))
        pairs = zip(rooms, states, strict=True)
        return tuple(room for room, state in pairs if state in ("join", "invite", "knock"))

    async def _state_or_none(self, user: str, room: str) -> str:
        try:
            return await self._state(user, room)
        except Refusal:
            if room == self.scene.space:
                raise
            return ""  # a room that is gone holds nobody

    async def _kick_from(self, rooms: Sequence[str], action: Remove) -> set[str]:
        """Put out of each; the rooms of other people where we have no power to."""
        stuck = set()
        for room in rooms:
            try:
                await self._kick(room, action.who.account, action.reason)
            except Refusal:
                if room == self.scene.space:
                    raise
                stuck.add(room)
        return stuck

    async def _kick(self, room: str, user: str, reason: str) -> bool:
        body = {"user_id": user, **({"reason": reason} if reason else {})}
        try:
            await self.api.call("POST", room_path(room, "kick"), body, limiters=("send",))
        except Refusal:
            if await self._state(user, room) not in ("join", "invite", "knock"):
                return False
            raise
        return True

    def _receipt(self, changed: bool, ref: str = "", note: str = "") -> Receipt:
        return Receipt(changed=changed, at=self.clock.now(), ref=ref, note=note)
