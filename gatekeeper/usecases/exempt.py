"""Exemptions: someone no Sweep touches, with who said so, why and until when."""

from datetime import datetime, timedelta

from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.errors import BadInput, Refused
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import Exemption
from gatekeeper.ports import Tx
from gatekeeper.usecases import stage_ends
from gatekeeper.usecases.absences import LETTERS, check_until, member_of
from gatekeeper.usecases.parts import Parts, record

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
        if not reason.strip():
            raise BadInput({"reason": "reason-required"})
        check_until(until, now, LONGEST)
        member = await member_of(tx, identity)
        for old in await tx.find(Exemption, person_id=member.person_id, ended_at=None):
            await tx.change(old, ended_at=min(now, old.until))
        kept = await tx.add(
            Exemption(
                club=tx.club,
                person_id=member.person_id,
                reason=reason.strip()[:LETTERS],
                author=author,
                since=now,
                until=until,
            )
        )
        decision = Decision(Verdict.RECORD, "exempted", {"until": until.isoformat()})
        await record(
            tx,
            parts,
            decision,
            now=now,
            actor=author,
            subject=f"person:{member.person_id}",
            seen={"reason": kept.reason},
        )
        await stage_ends.alive(tx, parts, member.person_id, now, "exempt")
        return kept


async def end(parts: Parts, identity: Identity, by: str) -> Exemption:
    """End an exemption before its date. Refused: not-a-member, no-exemption."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        member = await member_of(tx, identity)
        kept = await tx.first(Exemption, person_id=member.person_id, ended_at=None)
        if kept is None:
            raise Refused("no-exemption")
        return await _end(tx, parts, kept, min(now, kept.until), by, now)


async def _end(
    tx: Tx, parts: Parts, kept: Exemption, ended_at: datetime, by: str, now: datetime
) -> Exemption:
    kept = await tx.change(kept, ended_at=ended_at)
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "exemption-over"),
        now=now,
        actor=by,
        subject=f"person:{kept.person_id}",
    )
    return kept


async def due(parts: Parts, now: datetime) -> datetime | None:
    """End the exemptions whose date has come; when the next one ends."""
    async with parts.store.look(parts.club) as tx:
        first = await tx.first(Exemption, ended_at=None, order="until")
    if first is None or first.until > now:
        return first.until if first else None
    async with parts.store.transaction(parts.club) as tx:
        for kept in await tx.find(Exemption, ended_at=None, until__lte=now):
            await _end(tx, parts, kept, kept.until, "schedule", now)
        first = await tx.first(Exemption, ended_at=None, order="until")
    return first.until if first else None
