"""Actions to calls: each looks before it acts, so that doing it again changes nothing."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Self

from gatekeeper.domain.decisions import (
    Action,
    Admit,
    Bring,
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
from gatekeeper.domain.identity import Identity
from gatekeeper.ports import Clock, Vault
from gatekeeper_slack import cards, events
from gatekeeper_slack.abilities import Abilities
from gatekeeper_slack.accounts import Accounts
from gatekeeper_slack.api import Api, Refusal
from gatekeeper_slack.halfway import Halfway
from gatekeeper_slack.hands import Hands
from gatekeeper_slack.outsiders import Outsiders
from gatekeeper_slack.people import People
from gatekeeper_slack.scene import NAME, Scene

log = logging.getLogger(__name__)

EVENT: Final = "gatekeeper"  # type of the metadata that our messages carry
_YOUNG: Final = timedelta(seconds=3)  # of an order: nobody can have tried it before
_EARLIER: Final = timedelta(minutes=10)  # Slack's clock may be off
_DOUBTS: Final = 10_000
_PAGES: Final = 20


@dataclass(slots=True, kw_only=True)
class Acts:
    """Everything that we do in one workspace for one club.

    Attributes:
        since: when this process began; what was ordered before may have been sent by another.
        halfway: who is on the way in.
    """

    api: Api
    scene: Scene
    people: People
    accounts: Accounts
    outsiders: Outsiders
    halfway: Halfway
    clock: Clock
    since: datetime
    _chats: dict[str, str] = field(default_factory=dict)
    _doubts: dict[str, None] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        api: Api,
        scene: Scene,
        people: People,
        abilities: Abilities,
        hands: Hands,
        vault: Vault,
        clock: Clock,
        places: Mapping[str, Any],
    ) -> Self:
        """With all that they work by; `places` is the club document's part."""
        return cls(
            api=api,
            scene=scene,
            people=people,
            clock=clock,
            since=clock.now(),
            accounts=Accounts(abilities=abilities, hands=hands, scene=scene, people=people),
            outsiders=Outsiders(
                abilities=abilities,
                hands=hands,
                scene=scene,
                clock=clock,
                api=api,
                people=people,
                ways=tuple(places.get("outside") or ()),
            ),
            halfway=Halfway(vault),
        )

    async def perform(self, action: Action, key: str, ordered_at: datetime) -> Receipt:
        """Carry out one Action; see Platform.perform."""
        once = _Once(key, ordered_at)
        match action:
            case Admit():
                return await self._admit(action)
            case Retract():
                return await self._retract(action)
            case Mend():
                return self._receipt(False)  # no rule of a channel is ours to set
            case Remove():
                return await self._remove(action)
            case Tell():
                return await self._tell(action, once)
            case Post():
                return await self._post(action, once)
            case ShowCard():
                return await self._show(action, once)
            case Bring():
                return await self.outsiders.bring(action)
            case EndAccount(who=who):
                if self._is_stranger(who):
                    return self._receipt(False)  # it is their own workspace's
                changed, left = await self.accounts.end(who)
                return Receipt(changed=changed, at=self.clock.now(), by_hand=left)

    # ---- coming and going ----------------------------------------------------------------------

    async def _admit(self, action: Admit) -> Receipt:
        """Into every channel, the club's own last: that is when they are inside, and a try that
        broke off before goes on. On Slack an invitation takes people in at once, so what was done
        of it is noted first, and undone where they may not be let in whole."""
        there = await self.people.just_seen(action.who)
        if self._is_stranger(action.who) and self.scene.club in there:
            return self._receipt(False)  # by Slack Connect, and into no channel besides
        user = self._ours(action.who)
        if action.rooms and self.scene.club not in there:
            return self._receipt(False)
        if action.reopen and not there:
            await self.accounts.begin(action.who)
        rooms = [one for one in self.scene.rooms.values() if one and one not in there]
        further = [one for one in rooms if one != self.scene.club]
        outside = self.scene.club not in there
        if outside and further:
            await self.halfway.note(user, further)
        new = set[str]()
        try:
            for channel in (*further, *(one for one in rooms if one == self.scene.club)):
                if await self._invite(channel, user):
                    new.add(channel)
        except Refusal:
            if outside:
                await self._undo(user)
            raise
        await self.halfway.forget(user)
        return self._receipt(bool(new) if action.rooms else self.scene.club in new)

    async def _retract(self, action: Retract) -> Receipt:
        """Nobody is invited or waits at a door here; but a try to let them in may have broken off
        halfway."""
        user = action.who.account.rpartition(":")[2]
        if self._is_stranger(action.who) or not await self.halfway.of(user):
            return self._receipt(False)
        if self.scene.club in await self.people.just_seen(action.who):
            return self._receipt(False)  # a member
        return self._receipt(await self._undo(user))

    async def _undo(self, user: str) -> bool:
        """Out of the channels into which we brought somebody who is not let in."""
        changed = False
        for channel in await self.halfway.of(user):
            try:
                changed |= await self._kick(channel, user)
            except Refusal as error:  # the next reconcile shows them to the admins
                log.warning("slack-left-halfway %s", error.detail)
        await self.halfway.forget(user)
        return changed

    async def _invite(self, channel: str, user: str) -> bool:
        try:
            await self.api.call("conversations.invite", channel=channel, users=user)
        except Refusal as error:
            if error.error == "already_in_channel":
                return False
            raise
        return True

    async def _remove(self, action: Remove) -> Receipt:
        """Out of every channel, the club's own last; a guest stays in that one."""
        if action.stay_in and self.scene.rooms.get(action.stay_in) != self.scene.club:
            raise PlatformRefused(NAME, "no-such-room", action.stay_in)
        there = await self.people.just_seen(action.who)
        if not there and self._is_stranger(action.who):
            return self._receipt(False)  # out already: by a try whose answer was lost, or by others
        user = action.who.account.rpartition(":")[2]
        channels = [one for one in self.scene.rooms.values() if one != self.scene.club]
        if not action.stay_in:
            channels += [self.scene.admins, self.scene.club]
        changed = False
        for channel in channels:
            if channel in there:
                changed |= await self._kick(channel, user)
        return self._receipt(changed)

    async def _kick(self, channel: str, user: str) -> bool:
        self.scene.removed[channel, user] = self.clock.now()
        try:
            await self.api.call("conversations.kick", channel=channel, user=user)
        except Refusal as error:
            gone = error.error == "not_in_channel"  # they, or we
            who = events.account(self.scene.team, user)
            if gone and channel not in await self.people.places(who):
                return False
            raise
        return True

    def _is_stranger(self, who: Identity) -> bool:
        return who.account.partition(":")[0] != self.scene.team

    def _ours(self, who: Identity) -> str:
        """The user of an account; whom we know by another workspace has to be taken in there."""
        team, _, user = who.account.partition(":")
        if not user or team != self.scene.team:
            raise PlatformRefused(NAME, "no-such-person", who.account)
        return user

    # ---- words ---------------------------------------------------------------------------------

    async def _tell(self, action: Tell, once: "_Once") -> Receipt:
        if action.aside and not self._in_doubt(once) and await self._aside(action, once):
            return self._receipt(True)
        channel = action.room or await self._chat(action.who)
        message = cards.render(action, once.key)
        return self._receipt(True, await self._send(channel, message, once))

    async def _aside(self, action: Tell, once: "_Once") -> bool:
        """For one person's eyes, where they pressed; whether it could be said there. No look tells
        later whether it was: where an answer is lost, it is said in the chat."""
        channel, user = action.aside.partition(":")[0], action.who.account.rpartition(":")[2]
        message = cards.render(action, once.key)
        shown = {key: message[key] for key in ("text", "blocks", "parse", "link_names")}
        self._doubt(once)
        try:
            await self.api.call("chat.postEphemeral", channel=channel, user=user, **shown)
        except Refusal:
            return False
        return True

    async def _chat(self, who: Identity) -> str:
        """The direct chat with somebody; a deactivated account has none."""
        known = self._chats.get(who.account)
        if known is None:
            user = who.account.rpartition(":")[2]
            told = await self.api.call("conversations.open", users=user)
            known = self._chats[who.account] = str(told["channel"]["id"])
        elif (await self.people.look(who)).deleted:
            raise PlatformRefused(NAME, "no-such-person", who.account)
        return known

    def knows_chat(self, who: Identity) -> bool:
        """Whether somebody's chat need not be asked for any more."""
        return who.account in self._chats

    async def _post(self, action: Post, once: "_Once") -> Receipt:
        channel = self._channel(action.place)
        message = cards.render(action, once.key)
        thread = action.thread.partition(":")[2] or None
        return self._receipt(True, await self._send(channel, message, once, thread))

    async def _show(self, action: ShowCard, once: "_Once") -> Receipt:
        message = cards.render(action, once.key)
        if not action.ref:
            ref = await self._send(self._channel(action.place), message, once)
            return Receipt(changed=True, at=_moment(ref), ref=ref)
        channel, _, ts = action.ref.partition(":")
        kept = {key: message[key] for key in ("text", "blocks", "parse", "link_names")}
        await self.api.call("chat.update", channel=channel, ts=ts, **kept)
        return self._receipt(True, action.ref)

    async def _send(
        self, channel: str, message: Mapping[str, Any], once: "_Once", thread: str | None = None
    ) -> str:
        """Post, unless it stands there already; where an answer is lost, the next try looks."""
        if self._in_doubt(once) and (sent := await self._sent_before(channel, once, thread)):
            return sent
        metadata = {"event_type": EVENT, "event_payload": {"key": once.id}}
        self._doubt(once)
        told = await self.api.call(
            "chat.postMessage", channel=channel, thread_ts=thread, metadata=metadata, **message
        )
        return events.ref(str(told["channel"]), str(told["ts"]))

    def _doubt(self, once: "_Once") -> None:
        self._doubts[once.id] = None
        if len(self._doubts) > _DOUBTS:
            del self._doubts[next(iter(self._doubts))]

    def _in_doubt(self, once: "_Once") -> bool:
        if once.id in self._doubts or once.ordered_at < self.since:
            return True
        return self.clock.now() - once.ordered_at > _YOUNG

    async def _sent_before(self, channel: str, once: "_Once", thread: str | None) -> str:
        """Read back to when it was ordered whether it stands there."""
        oldest = f"{(once.ordered_at - _EARLIER).timestamp():.6f}"
        method, where = "conversations.history", {"channel": channel}
        if thread is not None:
            method, where = "conversations.replies", {"channel": channel, "ts": thread}
        try:
            async for raw in self.api.pages(
                method, "messages", **where, oldest=oldest, include_all_metadata=True
            ):
                told = raw.get("metadata") or {}
                payload = told.get("event_payload") or {}
                if told.get("event_type") == EVENT and payload.get("key") == once.id:
                    return events.ref(channel, str(raw["ts"]))
        except Refusal as error:
            if error.error != "thread_not_found":
                raise
        return ""

    def _channel(self, place: str) -> str:
        channel = self.scene.channel(place)
        why = self.scene.lost.get(self.scene.desk, "" if channel else "missing")
        if place == "admins" and why:
            raise PlatformDown(NAME, f"{self.scene.desk}: {why}")
        if not channel and "missing" in self.scene.lost.values():
            raise PlatformDown(NAME, f"{place} is not made yet")
        if not channel:
            raise PlatformRefused(NAME, "no-such-room", place)
        return channel

    def _receipt(self, changed: bool, ref: str = "") -> Receipt:
        return Receipt(changed=changed, at=self.clock.now(), ref=ref)


class _Once:
    """What makes a message one message: an id made from the Order's key."""

    def __init__(self, key: str, ordered_at: datetime) -> None:
        self.id = hashlib.sha256(key.encode()).hexdigest()[:32]
        self.key, self.ordered_at = key, ordered_at


def _moment(ref: str) -> datetime:
    """Slack's own time of a message: presses are dated by the same clock."""
    return events.moment_of(ref.partition(":")[2])
