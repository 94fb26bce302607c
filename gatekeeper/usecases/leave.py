"""Announced absences: Sweeps pass over them until their date, or until they are ended."""

from datetime import datetime, timedelta

from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import Leave
from gatekeeper.ports import Tx
from gatekeeper.usecases import stage_ends
from gatekeeper.usecases.absences import LETTERS, check_until, member_of
from gatekeeper.usecases.parts import Parts, record

LONGEST = timedelta(days=366)


async def announce(parts: Parts, identity: Identity, until: datetime, note: str, by: str) -> Leave:
    """Keep an absence until a date (aware, its last moment); an earlier open one ends with it.

    Raises:
        Refused: not-a-member. BadInput: `until` is not in the future or more than a year away.
    """
    async with parts.store.transaction(parts.club) as tx:
        return await announce_in(tx, parts, identity, until, note, by, parts.clock.now())


async def announce_in(
    tx: Tx, parts: Parts, identity: Identity, until: datetime, note: str, by: str, now: datetime
) -> Leave:
    """`announce` inside a transaction."""
    check_until(until, now, LONGEST)
    member = await member_of(tx, identity)
    for old in await tx.find(Leave, person_id=member.person_id, ended_at=None):
        await tx.change(old, ended_at=min(now, old.until))
    leave = await tx.add(
        Leave(
            club=tx.club,
            person_id=member.person_id,
            since=now,
            until=until,
            note=note.strip()[:LETTERS],
            by=by,
        )
    )
    decision = Decision(Verdict.RECORD, "leave-announced", {"until": until.isoformat()})
    await record(
        tx,
        parts,
        decision,
        now=now,
        actor=by,
        subject=f"person:{member.person_id}",
        seen={"note": leave.note},
    )
    await stage_ends.alive(tx, parts, member.person_id, now, "leave")
    return leave


async def end(parts: Parts, identity: Identity, by: str) -> Leave:
    """End an absence before its date. Refused: not-a-member, no-leave."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        member = await member_of(tx, identity)
        leave = await tx.first(Leave, person_id=member.person_id, ended_at=None)
        if leave is None:
            raise Refused("no-leave")
        return await _end(tx, parts, leave, min(now, leave.until), by, now)


async def _end(
    tx: Tx, parts: Parts, leave: Leave, ended_at: datetime, by: str, now: datetime
) -> Leave:
    leave = await tx.change(leave, ended_at=ended_at)
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "leave-over"),
        now=now,
        actor=by,
        subject=f"person:{leave.person_id}",
    )
    return leave


async def due(parts: Parts, now: datetime) -> datetime | None:
    """End the absences whose date has come; when the next one ends."""
    async with parts.store.look(parts.club) as tx:
        first = await tx.first(Leave, ended_at=None, order="until")
    if first is None or first.until > now:
        return first.until if first else None
    async with parts.store.transaction(parts.club) as tx:
        for leave in await tx.find(Leave, ended_at=None, until__lte=now):
            await _end(tx, parts, leave, leave.until, "schedule", now)
        first = await tx.first(Leave, ended_at=None, order="until")
    return first.until if first else None
