"""Announced absences: Sweeps pass over them until their date, or until they are ended."""

from datetime import datetime, timedelta

from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import Leave
from gatekeeper.ports import Tx
from gatekeeper.usecases import stage_ends
from gatekeeper.usecases.absences import (
    LETTERS,
    check_until,
    end_early,
    end_ripe,
    make_room,
    member_of,
)
from gatekeeper.usecases.parts import Parts, by_number, record

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
    await make_room(tx, Leave, member, now)
    leave = await tx.add(
        Leave(
            club=tx.club,
            person_id=member.person_id,
            since=now,
            until=until,
            note=note.strip()[:LETTERS],
            by=await by_number(tx, parts, by, now),
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
    return await end_early(parts, Leave, identity, by, Refused("no-leave"))


async def due(parts: Parts, now: datetime) -> datetime | None:
    """End the absences whose date has come; when the next one ends."""
    return await end_ripe(parts, Leave, now)
