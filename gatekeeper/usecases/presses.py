"""A press on one of our messages finds what it is about, also when it comes before the Receipt.

Where a platform has to be answered at once, presses are kept and taken in by the next look.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from gatekeeper.domain.clubs import EarlyPress, StandingCard
from gatekeeper.domain.errors import PlatformBusy, PlatformDown, StorageError
from gatekeeper.domain.events import Pressed, PressTakenBack
from gatekeeper.domain.identity import Identity
from gatekeeper.ports import Tx
from gatekeeper.usecases import (
    disputes,
    newcomers,
    rights,
    votes,
    words,
    words_on_findings,
    words_on_removals,
    words_on_versions,
)
from gatekeeper.usecases.parts import Parts

log = structlog.stdlib.get_logger(__name__)

KEPT = timedelta(days=1)  # an early press whose message never had choices is forgotten
_BATCH: Final = 100  # taken in by one look; other things are due, too
_GATHER: Final = 0.01  # seconds after a commit in which others join the next
_TRIES: Final = 5  # of a press that fails, but not for the platform's or the storage's sake
_DOWN: Final = timedelta(seconds=5)  # until a platform that did not answer is asked again
_failed: Counter[str] = Counter()


class Inbox:
    """Keeps presses; those that come while one commit runs share the next."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._coming: list[tuple[Pressed, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, press: Pressed) -> None:
        """Committed when this returns; raises what the store raises."""
        kept = asyncio.get_running_loop().create_future()
        self._coming.append((press, kept))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await kept

    async def _write(self) -> None:
        for turn in itertools.count():
            if turn:
                await asyncio.sleep(_GATHER)
            if not self._coming:
                return
            taken, self._coming = self._coming, []
            try:
                async with self._parts.store.transaction(self._parts.club, urgent=True) as tx:
                    await _keep(tx, [press for press, _ in taken])
            except Exception as error:
                for _, kept in taken:
                    if not kept.done():
                        kept.set_exception(error)
                continue
            for _, kept in taken:
                if not kept.done():
                    kept.set_result(None)


async def pressed(parts: Parts, event: Pressed) -> None:
    """Take in a press: on a known card at once, on one still on its way when it is known."""
    async with parts.store.transaction(parts.club) as tx:
        card = await card_at(tx, event.who.platform, event.ref)
        if card is None:
            await _keep(tx, [event])
            return
    await _take(parts, event, card)


async def taken_back(parts: Parts, event: PressTakenBack) -> None:
    """A press is gone, whether it was taken in or still waits."""
    async with parts.store.transaction(parts.club) as tx:
        await tx.remove(EarlyPress, platform=event.who.platform, event_id=event.press_id)
    await votes.taken_back(parts, event)


async def due(parts: Parts, now: datetime) -> datetime | None:
    """Take in the presses that were kept and whose messages are known by now; a commit calls for
    this. When to call again, None where nothing waits for the clock."""
    known, done, more = await _known(parts, now)
    again = now if more else None
    with rights.asked_once():  # all of these came before
        for press, card in known:
            try:
                await _take(parts, _event(press), card)
            except PlatformBusy as busy:
                again = now + busy.retry_after
                break
            except PlatformDown:
                again = now + _DOWN
                break
            except StorageError:
                await _forget(parts, done)
                raise
            except Exception as error:
                if _may_come_again(press, error):
                    again = now + _DOWN
                    continue
            _failed.pop(press.event_id, None)
            done.append(press)
    await _forget(parts, done)
    return again


async def _known(
    parts: Parts, now: datetime
) -> tuple[list[tuple[EarlyPress, StandingCard]], list[EarlyPress], bool]:
    """The first presses whose messages are known, those too old to wait on, and whether there are
    more; in a flood never all of them."""
    old: list[EarlyPress] = []
    cards: dict[tuple[str, str], StandingCard | None] = {}
    last = 0
    async with parts.store.look(parts.club) as tx:
        while early := await tx.find(EarlyPress, id__gt=last, order="id", limit=_BATCH):
            last = early[-1].id
            known = []
            for press in early:
                where = press.platform, press.ref
                if where not in cards:
                    cards[where] = await card_at(tx, *where)
                card = cards[where]
                if card is not None:
                    known.append((press, card))
                elif press.at < now - KEPT:
                    old.append(press)
            if known:
                return known, old, len(early) == _BATCH
    return [], old, False


def _may_come_again(press: EarlyPress, error: Exception) -> bool:
    """Whether a press that failed by itself is tried once more, or passed over and told."""
    _failed[press.event_id] += 1
    last = _failed[press.event_id] >= _TRIES
    code = "event-refused" if last else "press-failed"
    log.error(code, press=press.event_id, error=f"{type(error).__name__}: {error}")
    return not last


async def _forget(parts: Parts, presses: Sequence[EarlyPress]) -> None:
    if presses:
        async with parts.store.transaction(parts.club) as tx:
            await tx.remove(EarlyPress, id__in=[one.id for one in presses])


async def card_at(tx: Tx, platform: str, ref: str) -> StandingCard | None:
    """The card, ended or not, whose message this is."""
    return await tx.first(StandingCard, platform=platform, ref=ref)


async def _take(parts: Parts, event: Pressed, card: StandingCard) -> None:
    if card.kind in {"review", "reasons"}:
        await votes.pressed(parts, event, card)
    elif card.kind == "invite":
        return  # it says what is to be done by hand; nothing is decided on it
    elif card.kind == "resume":
        await words.pressed_resume(parts, event, card)
    elif card.kind == "dispute":
        await disputes.pressed(parts, event, card)
    elif card.kind == "policy":
        await words_on_versions.pressed(parts, event, card)
    elif card.kind == "newcomer":
        await newcomers.pressed(parts, event, card)
    elif card.kind == "reconcile":
        await words_on_findings.pressed(parts, event, card)
    else:
        admin = await is_admin(parts, event.who) if card.kind != "notice" else False
        await words_on_removals.pressed(parts, event, card, admin)


async def is_admin(parts: Parts, who: Identity) -> bool:
    """Whether `who` holds the right now."""
    return who in await rights.admins(parts)


async def _keep(tx: Tx, presses: Sequence[Pressed]) -> None:
    """Each once; told again later, it is one that was taken in."""
    ids = [press.event_id for press in presses]
    found = await tx.find(EarlyPress, event_id__in=ids)
    known = {(one.platform, one.event_id) for one in found}
    fresh = {(one.who.platform, one.event_id): one for one in presses}
    await tx.add_many(
        [
            EarlyPress(
                club=tx.club,
                platform=event.who.platform,
                ref=event.ref,
                who=event.who,
                symbol=event.symbol,
                place=event.place,
                event_id=event.event_id,
                at=event.at,
            )
            for mark, event in fresh.items()
            if mark not in known
        ]
    )


def _event(press: EarlyPress) -> Pressed:
    return Pressed(
        who=press.who,
        at=press.at,
        event_id=press.event_id,
        ref=press.ref,
        symbol=press.symbol,
        place=press.place,
    )
