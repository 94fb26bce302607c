"""Exemptions: someone no Sweep touches, with who said so, why and until when."""

from datetime import datetime, timedelta

from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.errors import BadInput, Refused
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import Exemption, Membership
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

LONGEST = timedelta(days=5 * 366)  # none is for ever: someone has to say it again


async def exempt(
    parts: Parts, identity: Identity, reason: str, until: datetime, author: str
) -> Exemption:
    """Exempt a member until a date; an earlier exemption ends with it.

    Raises:
        Refused: not-a-member. BadInput: no reason, or a date that cannot be taken.
    """
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        member = await member_of(tx, identity)
        kept = await add(tx, parts, member, reason, until, author, now)
        await stage_ends.alive(tx, parts, member.person_id, now, "exempt")
        return kept


async def add(
    tx: Tx,
    parts: Parts,
    member: Membership,
    reason: str,
    until: datetime,
    author: str,
    now: datetime,
) -> Exemption:
    """Write an exemption down inside a transaction; what stage there was is the caller's to end.

    Raises:
        BadInput: no reason, or a date that cannot be taken.
    """
    if not reason.strip():
        raise BadInput({"reason": "reason-required"})
    check_until(until, now, LONGEST)
    await make_room(tx, Exemption, member, now)
    kept = await tx.add(
        Exemption(
            club=tx.club,
            person_id=member.person_id,
            reason=reason.strip()[:LETTERS],
            author=await by_number(tx, parts, author, now),
            since=now,
            until=until,
        )
    )
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "exempted", {"until": until.isoformat()}),
        now=now,
        actor=author,
        subject=f"person:{member.person_id}",
        seen={"reason": kept.reason},
    )
    return kept


async def end(parts: Parts, identity: Identity, by: str) -> Exemption:
    """End an exemption before its date. Refused: not-a-member, no-exemption."""
    return await end_early(parts, Exemption, identity, by, Refused("no-exemption"))


async def due(parts: Parts, now: datetime) -> datetime | None:
    """End the exemptions whose date has come; when the next one ends."""
    return await end_ripe(parts, Exemption, now)
