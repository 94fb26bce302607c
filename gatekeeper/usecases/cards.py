"""Cards in the admins' room: one for each subject, updated in place, never doubled."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import Card, Lane, Order, Post, Progress, Receipt, ShowCard
from gatekeeper.ports import Tx
from gatekeeper.usecases.parts import Parts, cancel, order

CARD, UPDATE = "card", "card-update"
KINDS: Mapping[str, str] = {  # of a subject to the kind of its card
    "application": "review",
    "vote": "reasons",
    "membership": "notice",
    "club": "removals",
    "pause": "resume",
    "policy": "policy",
    "dispute": "dispute",
    "reconcile": "reconcile",
    "invite": "invite",
    "newcomer": "newcomer",
}


def shown(card: Card) -> str:
    """Digest of what a card shows."""
    return hashlib.sha256(json.dumps(asdict(card), sort_keys=True).encode()).hexdigest()


async def show(
    tx: Tx, parts: Parts, subject: str, card: Card, now: datetime, lane: Lane = Lane.CARD
) -> None:
    """Let the subject's card show this: made if there is none, updated if it shows otherwise.

    While a new card is on its way nothing is ordered: its Receipt calls for a fresh look.
    """
    standing = await current(tx, subject)
    if standing is None:
        if await tx.first(Order, purpose=CARD, subject=subject, progress=Progress.DUE) is None:
            await _order(tx, parts, ShowCard(place="admins", card=card), subject, now, lane)
        return
    pending = await tx.first(Order, purpose=UPDATE, subject=subject, progress=Progress.DUE)
    await cancel(tx, subject, (UPDATE,), "newer-card")
    # One that was on its way may stand there by now, though nobody will hear of it any more.
    if pending is not None or standing.shown != shown(card):
        action = ShowCard(place=standing.place, card=card, ref=standing.ref)
        await _order(tx, parts, action, subject, now, lane)


async def current(tx: Tx, subject: str) -> StandingCard | None:
    """The card that stands for a subject, None for none."""
    return await tx.first(StandingCard, subject=subject, ended_at=None, order="-id")


async def ever(tx: Tx, subject: str) -> bool:
    """Whether there was ever a card for a subject, or one is on its way."""
    return await tx.first(Order, purpose=CARD, subject=subject) is not None


async def end(tx: Tx, subject: str, now: datetime) -> None:
    """From now on presses on the subject's card change nothing, and a new one may be shown."""
    for standing in await tx.find(StandingCard, subject=subject, ended_at=None):
        await tx.change(standing, ended_at=now)


async def _order(
    tx: Tx, parts: Parts, action: ShowCard, subject: str, now: datetime, lane: Lane
) -> None:
    purpose = UPDATE if action.ref else CARD
    number = await tx.count(Order, purpose=purpose, subject=subject)
    await order(
        tx,
        action,
        platform=parts.admin_platform,
        key=f"{subject}/{purpose}/{number}",
        purpose=purpose,
        subject=subject,
        lane=lane,
        now=now,
    )


async def on_receipt(tx: Tx, done: Order, receipt: Receipt) -> None:
    """Remember where a message with choices stands; a card that fell behind is updated."""
    action = done.action
    if isinstance(action, ShowCard):
        digest = shown(action.card)
        if action.ref:
            standing = await tx.first(StandingCard, ref=action.ref, platform=done.platform)
            if standing is not None:
                await tx.change(standing, shown=digest)
        else:
            await remember(tx, done, receipt, digest)
    elif isinstance(action, Post) and action.choices:
        await remember(tx, done, receipt)


async def remember(tx: Tx, done: Order, receipt: Receipt, digest: str = "") -> StandingCard:
    """Keep where a message of ours stands, so that a press on it finds its subject."""
    there = await tx.first(StandingCard, platform=done.platform, ref=receipt.ref)
    if there is not None:
        return there
    return await tx.add(
        StandingCard(
            club=tx.club,
            platform=done.platform,
            kind=KINDS[done.subject.partition(":")[0]],
            subject=done.subject,
            place=getattr(done.action, "place", "direct"),
            ref=receipt.ref,
            shown=digest,
        )
    )


async def whole(tx: Tx, platform: str, ref: str) -> Card | None:
    """What was last put into a card, of which a platform may have shown less; None for none."""
    card = await tx.first(StandingCard, platform=platform, ref=ref)
    if card is None:
        return None
    drawn = await tx.find(
        Order,
        subject=card.subject,
        platform=platform,
        purpose__in=(CARD, UPDATE),
        progress=Progress.DONE,
        order="-id",
    )
    for one in drawn:
        action, receipt = one.action, one.receipt
        if isinstance(action, ShowCard) and ref in (action.ref, receipt.ref if receipt else ""):
            return action.card
    return None
