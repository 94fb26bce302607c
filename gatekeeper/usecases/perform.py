"""Actions through Platforms: performed at least once, taking effect once.

An Order is looked at again right before it is performed, under the budget that its platform has
left us, and its Receipt is saved together with what follows from it. What is worth another try is
due again later; a platform's final no goes to the admins.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

import structlog

from gatekeeper.domain.clubs import Budget
from gatekeeper.domain.decisions import (
    Action,
    Admit,
    Order,
    Progress,
    Receipt,
    Remove,
    ShowCard,
    Tell,
)
from gatekeeper.domain.errors import NotFound, PlatformBusy, PlatformDown, PlatformRefused
from gatekeeper.domain.identity import EMAIL, Account
from gatekeeper.ports import Carrier, Platform, Standing, Tx
from gatekeeper.usecases import outcomes, pacing, passes, rights
from gatekeeper.usecases.parts import Parts, club_state
from gatekeeper.usecases.turnstile import Turnstile

log = structlog.get_logger(__name__)

LONGEST_WAIT = timedelta(minutes=1)  # between two tries of a platform that is down
LONGEST_LOOK = timedelta(minutes=10)  # between two looks at a chat that is not taken up
WIDTH = 2  # calls at a time to one platform: its own writing is the bottleneck, not ours


class Performer:
    """Performs the Orders of one club; one of them for each process that works."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._turnstiles = {name: Turnstile(WIDTH) for name in parts.platforms}
        # One Order of a subject at a time; a lock is kept as long as somebody holds or awaits it.
        self._subjects: WeakValueDictionary[tuple[str, bool], asyncio.Lock] = WeakValueDictionary()

    async def perform(self, order_id: int, attempt: int) -> None:
        """Perform one Order, unless it is no longer to be performed; the job `perform`."""
        parts = self._parts
        async with parts.store.look(parts.club) as tx:
            try:
                order = await tx.get(Order, order_id)
            except NotFound:
                return
        if not _is_due(order, attempt, parts.clock.now()):
            return
        carrier: Carrier | None = parts.platforms.get(order.platform)
        if order.platform == EMAIL:
            carrier = parts.mailer
        if carrier is None:
            await self._failed(order, "no-such-platform")
            return
        if not await pacing.its_turn(parts, order, carrier):
            return
        # A card's updates stand in their order, but what a person waits for does not wait for them.
        turn = order.subject, isinstance(order.action, ShowCard)
        lock = self._subjects.setdefault(turn, asyncio.Lock())
        turnstile = self._turnstiles.setdefault(order.platform, Turnstile(WIDTH))
        async with lock, turnstile.through(order.lane):
            await self._attempt(order, carrier)

    async def _attempt(self, order: Order, carrier: Carrier) -> None:
        parts = self._parts
        platform = parts.platforms.get(order.platform)  # None for the mail
        try:
            standing = await self._standing(platform, order)
            meant = await self._still(order, carrier, standing)
            if meant is None:
                return
            order = meant
            async with parts.store.look(parts.club) as tx:
                spoken = await passes.reveal(tx, parts, order.action, order.key)
            receipt = await carrier.perform(spoken, order.key, order.created_at)
        except PlatformBusy as busy:
            await self._later(order, busy.retry_after, busy.code, busy.limiters)
        except PlatformDown as down:
            wait = min(timedelta(seconds=0.5 * 2 ** min(order.attempt, 10)), LONGEST_WAIT)
            log.warning("platform-down", order=order.id, purpose=order.purpose, detail=down.detail)
            await self._later(order, wait, down.code)
        except PlatformRefused as refused:
            await self._failed(order, refused.reason, refused.detail)
        else:
            inside = await _inside(platform, order.action, receipt)
            await self._done(order, receipt, inside)
        parts.store.committed(parts.club, ())

    async def _standing(self, platform: Platform | None, order: Order) -> Standing | None:
        """How the person stands right before they are let in or put out; None for mere words.

        Whoever decides by another account of theirs is not put out by this one either.
        """
        action, parts = order.action, self._parts
        if platform is None or not isinstance(action, Admit | Remove):
            return None
        standing = await platform.standing(action.who)
        if isinstance(action, Admit) or rights.is_admin(parts, action.who, standing):
            return standing
        async with parts.store.look(parts.club) as tx:
            account = await tx.first(Account, identity=action.who)
            theirs = await tx.find(Account, person_id=account.person_id) if account else []
        for other in theirs:
            there = parts.platforms.get(other.identity.platform)
            if other.identity == action.who or there is None:
                continue
            elsewhere = await there.standing(other.identity)
            if rights.is_admin(parts, other.identity, elsewhere):
                return replace(elsewhere, inside=standing.inside)
        return standing

    async def _still(
        self, order: Order, carrier: Carrier, standing: Standing | None
    ) -> Order | None:
        """The Order as it is to be performed now; None where it was put off or cancelled."""
        parts = self._parts
        async with parts.store.transaction(parts.club) as tx:
            now = parts.clock.now()
            fresh = await tx.get(Order, order.id)
            if not _is_due(fresh, order.attempt, now):
                return None
            if (await club_state(tx)).paused_at is not None and not fresh.even_paused:
                return None  # resume makes it due again
            blocked = await _blocked_until(tx, carrier, fresh.action, now)
            if blocked is not None:
                await tx.change(fresh, due_at=blocked, attempt=fresh.attempt + 1)
                return None
            if not await outcomes.may_still(tx, parts, fresh, now, standing):
                await tx.change(fresh, progress=Progress.CANCELLED, reason="no-longer-meant")
                return None
            meant = await tx.get(Order, fresh.id)  # the last look may have renewed it
            if isinstance(meant.action, Remove) and meant.begun_at is None:
                meant = await tx.change(meant, begun_at=now)
            return meant

    async def _done(self, order: Order, receipt: Receipt, inside: bool) -> None:
        parts = self._parts
        async with parts.store.transaction(parts.club) as tx:
            now = parts.clock.now()
            fresh = await tx.get(Order, order.id)
            if fresh.progress is not Progress.DUE:
                log.info("receipt-after-end", order=order.id, progress=fresh.progress)
                return
            if receipt.waiting:
                wait = min(timedelta(seconds=2 * 2 ** min(fresh.attempt, 10)), LONGEST_LOOK)
                fresh = await tx.change(
                    fresh,
                    progress=Progress.WAITING,
                    receipt=receipt,
                    due_at=now + wait,
                    attempt=fresh.attempt + 1,
                )
            else:
                fresh = await tx.change(
                    fresh, progress=Progress.DONE, receipt=receipt, reason="", action=order.action
                )
            await outcomes.on_receipt(tx, parts, fresh, receipt, now, inside=inside)

    async def _later(
        self, order: Order, wait: timedelta, reason: str, limiters: tuple[str, ...] = ()
    ) -> None:
        parts = self._parts
        async with parts.store.transaction(parts.club) as tx:
            now = parts.clock.now()
            for limiter in limiters:
                await _block(tx, order.platform, limiter, now + wait)
            fresh = await tx.get(Order, order.id)
            if fresh.progress is Progress.DUE:
                await tx.change(fresh, due_at=now + wait, attempt=fresh.attempt + 1, reason=reason)

    async def _failed(self, order: Order, reason: str, detail: str = "") -> None:
        parts = self._parts
        log.error("platform-refused", order=order.id, purpose=order.purpose, reason=reason)
        async with parts.store.transaction(parts.club) as tx:
            now = parts.clock.now()
            fresh = await tx.get(Order, order.id)
            if fresh.progress is Progress.DUE:
                fresh = await tx.change(fresh, progress=Progress.FAILED, reason=reason)
                await outcomes.on_failure(tx, parts, fresh, reason, detail, now)


def _is_due(order: Order, attempt: int, now: datetime) -> bool:
    return order.progress is Progress.DUE and order.attempt == attempt and order.due_at <= now


async def _inside(platform: Platform | None, action: Action, receipt: Receipt) -> bool:
    """Whether someone to be admitted is inside already, so that no arrival will be told."""
    if platform is None or not isinstance(action, Admit) or receipt.changed:
        return False
    try:
        return (await platform.standing(action.who)).inside
    except (PlatformBusy, PlatformDown):
        return False  # their arrival is told by the intake


async def _blocked_until(
    tx: Tx, carrier: Carrier, action: Action, now: datetime
) -> datetime | None:
    """The moment at which all limiters that `action` draws on have opened; None for now."""
    names = carrier.limiters(action)
    blocked = await tx.find(Budget, platform=carrier.name, limiter__in=names, blocked_until__gt=now)
    return max((budget.blocked_until for budget in blocked), default=None)


async def _block(tx: Tx, platform: str, limiter: str, until: datetime) -> None:
    known = await tx.first(Budget, platform=platform, limiter=limiter)
    if known is None:
        await tx.add(Budget(club=tx.club, platform=platform, limiter=limiter, blocked_until=until))
    elif known.blocked_until < until:
        await tx.change(known, blocked_until=until)


async def wake(tx: Tx, order: Order, now: datetime) -> None:
    """Look again at once at an Order that waits for its chat."""
    await tx.change(order, progress=Progress.DUE, due_at=now, attempt=order.attempt + 1)


def for_chat_of(order: Order) -> str:
    """Whose direct chat an Order waits for, "" when for none."""
    return str(order.action.who) if isinstance(order.action, Tell) else ""


async def due(parts: Parts, now: datetime) -> datetime | None:
    """Wake the Orders whose next look at an untaken chat has come; when the next one is."""
    async with parts.store.look(parts.club) as tx:
        waiting = await tx.first(Order, progress=Progress.WAITING, order="due_at")
    if waiting is None or waiting.due_at > now:
        return waiting.due_at if waiting else None
    async with parts.store.transaction(parts.club) as tx:
        for found in await tx.find(
            Order, progress=Progress.WAITING, due_at__lte=now, order="due_at", limit=100
        ):
            await wake(tx, found, now)
        waiting = await tx.first(Order, progress=Progress.WAITING, order="due_at")
    return waiting.due_at if waiting else None
