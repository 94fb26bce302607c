"""The front desk: platforms call in, and each event finds the use case it is for."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from gatekeeper.domain.activity import Sign
from gatekeeper.domain.clubs import ClubState
from gatekeeper.domain.decisions import Card, Order, Progress
from gatekeeper.domain.errors import Value
from gatekeeper.domain.events import (
    Arrived,
    Banned,
    ChatTaken,
    Departed,
    Event,
    Invited,
    Joined,
    Knocked,
    KnockTakenBack,
    Pressed,
    PressTakenBack,
    PutOut,
    Wrote,
)
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.windows import Filled, Taken, Window
from gatekeeper.ports import Tx
from gatekeeper.usecases import (
    admit,
    apply,
    cards,
    chat,
    disputes,
    notices,
    outside,
    passes,
    perform,
    presses,
    questions,
    stage_ends,
    take_back,
    votes,
    windows,
    words,
    words_on_findings,
    words_on_removals,
)
from gatekeeper.usecases.observe import Observer
from gatekeeper.usecases.parts import Parts, once, tell

log = structlog.get_logger(__name__)


class Desk:
    """Takes in what platforms tell; committed when `handle` returns, told again it changes nothing.

    A platform that cannot be asked raises PlatformDown or PlatformBusy: the adapter tells the
    event again later.
    """

    def __init__(self, parts: Parts, observer: Observer) -> None:
        self._parts, self._observer = parts, observer
        self._presses = presses.Inbox(parts)

    async def handle(self, event: Event) -> None:
        """Take in one event that decides something."""
        parts = self._parts
        match event:
            case Knocked():
                await apply.knocked(parts, event)
            case KnockTakenBack():
                await admit.knock_taken_back(parts, event)
            case Joined():
                await admit.joined(parts, event)
            case Arrived():
                await outside.arrived(parts, event)
            case Invited():
                await admit.invited_by_hand(parts, event)
            case Departed():
                await admit.departed(parts, event)
            case PutOut() | Banned():
                await admit.put_out(parts, event)
            case Pressed():
                await presses.pressed(parts, event)
            case PressTakenBack():
                await presses.taken_back(parts, event)
            case Wrote(unreadable=True):
                await self._unreadable(event)
            case Wrote(place="direct"):
                await chat.wrote(parts, event)
            case Wrote():
                await self._wrote_to_admins(event)
            case ChatTaken():
                await self._chat_taken(event)

    async def keep(self, press: Pressed) -> None:
        """Keep a press for the next look at what is due, which a commit calls for."""
        await self._presses.keep(press)

    async def observe(
        self, platform: str, signs: Sequence[Sign], position: str, *, after_gap: bool = False
    ) -> None:
        """Take in signs of life up to `position`; kept in memory until the next flush."""
        await self._observer.observe(platform, signs, position, after_gap=after_gap)

    async def blind(self, platform: str, places: Mapping[str, datetime]) -> None:
        """These places, and no others, do not reach us now; committed when it returns."""
        await self._observer.blind(platform, places)

    async def missed(self, platform: str, place: str, start: datetime, end: datetime) -> None:
        """What came from a place in this time was lost; committed when it returns."""
        await self._observer.missed(platform, place, start, end)

    async def position(self, platform: str) -> str:
        """The last committed position, "" for none."""
        return await self._observer.position(platform)

    async def paused(self) -> bool:
        """Whether the club is paused, by what is committed now."""
        async with self._parts.store.look(self._parts.club) as tx:
            state = await tx.first(ClubState)
        return state is not None and state.paused_at is not None

    async def window(self, who: Identity) -> Window:
        """What the owner of an account sees of the club in a chat's own forms, and may do now."""
        return await windows.look(self._parts, who)

    async def take(self, filled: Filled) -> Taken:
        """Take in a form sent there."""
        return await windows.take(self._parts, filled)

    async def whole(self, who: Identity, ref: str) -> Card | None:
        """What the card in the message `ref` tells, uncut, for an admin; None for others."""
        if not await presses.is_admin(self._parts, who):
            return None
        async with self._parts.store.look(self._parts.club) as tx:
            return await cards.whole(tx, who.platform, ref)

    def say(self, code: str, values: Mapping[str, Value] | None = None, language: str = "") -> str:
        """The catalogue's sentence, in the club's words."""
        return self._parts.say(code, values, language)

    async def _wrote_to_admins(self, event: Wrote) -> None:
        parts = self._parts
        async with parts.store.look(parts.club) as tx:
            card = event.thread and await presses.card_at(tx, event.who.platform, event.thread)
        if not card:
            await words.said(parts, event)
        elif card.kind == "review":
            taken = await take_back.replied(parts, event, card)
            if not (taken or await votes.gave_words(parts, event, card)):
                await questions.replied(parts, event, card)
        elif card.kind == "reconcile":
            await words_on_findings.replied(parts, event, card)
        elif card.kind == "dispute":
            await disputes.replied(parts, event, card)
        elif card.kind == "removals":
            await words_on_removals.replied(
                parts, event, card, await presses.is_admin(parts, event.who)
            )

    async def _chat_taken(self, event: ChatTaken) -> None:
        """What waits for the chat is looked at again at once."""
        parts = self._parts
        async with parts.store.transaction(parts.club) as tx:
            now = parts.clock.now()
            if not await once(tx, event, now):
                return
            for waiting in await self._waiting_for(tx, event.who):
                await perform.wake(tx, waiting, now)

    async def _waiting_for(self, tx: Tx, who: Identity) -> list[Order]:
        waiting = await tx.find(Order, platform=who.platform, progress=Progress.WAITING)
        return [order for order in waiting if perform.for_chat_of(order) == str(who)]

    async def _unreadable(self, event: Wrote) -> None:
        """Whatever it says, they are alive; and they hear where to say it, once in each room."""
        parts = self._parts
        async with parts.store.transaction(parts.club) as tx:
            now = parts.clock.now()
            if await once(tx, event, now):
                account = await tx.first(Account, identity=event.who)
                if account is not None and event.place == "direct":
                    await stage_ends.alive(tx, parts, account.person_id, now, "chat")
                await _tell_unreadable(tx, parts, event, account, now)


async def _tell_unreadable(
    tx: Tx, parts: Parts, event: Wrote, account: Account | None, now: datetime
) -> None:
    theirs = account is not None and event.place == "direct"
    language = await notices.language_of(tx, parts, account.person_id) if account and theirs else ""
    where = passes.digest(parts, event.room or str(event.who))[:24]
    await tell(
        tx,
        parts,
        event.who,
        parts.say(
            f"cannot-read-encrypted.{event.place}", {"url": f"{parts.base_url}/join"}, language
        ),
        key=f"unreadable/{where}",
        purpose="cannot-read",
        subject="club",
        now=now,
        room=event.room,
    )
