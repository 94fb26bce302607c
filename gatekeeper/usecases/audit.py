"""The record of decisions: whole or not, and its head shown to the admins as a witness."""

from datetime import datetime, timedelta

from gatekeeper.domain.decisions import Decision, Lane, Post, Verdict
from gatekeeper.ports import Tx
from gatekeeper.usecases.parts import Parts, club_state, order, record

DAY = timedelta(days=1)


async def verify(parts: Parts) -> int:
    """Walk the record; how many rows are whole. RecordBroken at the first that does not fit."""
    return await parts.store.verify(parts.club)


async def post_head(tx: Tx, parts: Parts, now: datetime) -> None:
    """Post the record's head in the admins' room: a record cut short later shows against it."""
    head = await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "head-posted"),
        now=now,
        actor="schedule",
        subject="club",
    )
    await order(
        tx,
        Post(
            place="admins",
            text=parts.say("head-shown", {"sequence": head.sequence, "mac": head.mac}),
        ),
        platform=parts.admin_platform,
        key=f"head/{head.sequence}",
        purpose="head",
        subject="club",
        lane=Lane.CARD,
        now=now,
    )
    await tx.change(await club_state(tx), head_posted_at=now)


async def due(parts: Parts, now: datetime) -> datetime | None:
    """Post the head once a day, where the club wants it; when the next time is."""
    if not parts.policy.club.spec.audit.head_daily:
        return None
    async with parts.store.look(parts.club) as tx:
        state = await club_state(tx)
    if state.paused_at is not None:
        return None
    next_at = (state.head_posted_at or state.created_at) + DAY
    if now < next_at:
        return next_at
    async with parts.store.transaction(parts.club) as tx:
        state = await club_state(tx)
        if state.head_posted_at is None or now >= state.head_posted_at + DAY:
            await post_head(tx, parts, now)
    return now + DAY
