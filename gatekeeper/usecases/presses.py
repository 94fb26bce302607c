"""A press on one of our messages finds what it is about, also when it comes before the Receipt."""

from datetime import datetime, timedelta

from gatekeeper.domain.clubs import EarlyPress, StandingCard
from gatekeeper.domain.events import Pressed, PressTakenBack
from gatekeeper.domain.identity import Identity
from gatekeeper.ports import Tx
from gatekeeper.usecases import (
    disputes,
    rights,
    votes,
    words,
    words_on_findings,
    words_on_removals,
    words_on_versions,
)
from gatekeeper.usecases.parts import Parts

KEPT = timedelta(days=1)  # an early press whose message never had choices is forgotten


async def pressed(parts: Parts, event: Pressed) -> None:
    """Take in a press: on a known card at once, on one still on its way when it is known."""
    async with parts.store.transaction(parts.club) as tx:
        card = await card_at(tx, event.who.platform, event.ref)
        if card is None:
            await _keep(tx, event)
            return
    await _take(parts, event, card)


async def taken_back(parts: Parts, event: PressTakenBack) -> None:
    """A press is gone, whether it was taken in or still waits."""
    async with parts.store.transaction(parts.club) as tx:
        await tx.remove(EarlyPress, platform=event.who.platform, event_id=event.press_id)
    await votes.taken_back(parts, event)


async def due(parts: Parts, now: datetime) -> datetime | None:
    """Take in the early presses whose messages are known by now; a Receipt calls for this."""
    async with parts.store.look(parts.club) as tx:
        early = await tx.find(EarlyPress, order="id")
        found = [(press, await card_at(tx, press.platform, press.ref)) for press in early]
    for press, card in found:
        if card is not None:
            await _take(parts, _event(press), card)
        if card is not None or press.at < now - KEPT:
            async with parts.store.transaction(parts.club) as tx:
                await tx.remove(EarlyPress, id=press.id)
    return None


async def card_at(tx: Tx, platform: str, ref: str) -> StandingCard | None:
    """The card, ended or not, whose message this is."""
    return await tx.first(StandingCard, platform=platform, ref=ref)


async def _take(parts: Parts, event: Pressed, card: StandingCard) -> None:
    if card.kind in {"review", "reasons"}:
        await votes.pressed(parts, event, card)
    elif card.kind == "resume":
        await words.pressed_resume(parts, event, card)
    elif card.kind == "dispute":
        await disputes.pressed(parts, event, card)
    elif card.kind == "policy":
        await words_on_versions.pressed(parts, event, card)
    elif card.kind == "reconcile":
        await words_on_findings.pressed(parts, event, card)
    else:
        admin = await is_admin(parts, event.who) if card.kind != "notice" else False
        await words_on_removals.pressed(parts, event, card, admin)


async def is_admin(parts: Parts, who: Identity) -> bool:
    """Whether `who` holds the right now."""
    return who in await rights.admins(parts)


async def _keep(tx: Tx, event: Pressed) -> None:
    known = await tx.first(EarlyPress, platform=event.who.platform, event_id=event.event_id)
    if known is None:
        await tx.add(
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
