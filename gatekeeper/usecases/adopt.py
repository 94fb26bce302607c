"""Members from before: who is inside already becomes a member, never judged for the past."""

from datetime import datetime

from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.identity import Account
from gatekeeper.domain.memberships import INSIDE, Membership
from gatekeeper.ports import Guest, Tx
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts, account_of, record

AT_ONCE = 200  # in one transaction: others have to get a word in


async def plan(parts: Parts) -> tuple[Guest, ...]:
    """Who would be adopted: everyone inside without a membership, programs left out.

    Raises:
        PlatformDown, PlatformBusy: the platform could not be asked.
    """
    inside = [
        guest
        for platform in parts.platforms.values()
        for guest in await platform.members()
        if not guest.bot
    ]
    async with parts.store.look(parts.club) as tx:
        members = {m.person_id for m in await tx.find(Membership, state__in=tuple(INSIDE))}
        known = {a.identity: a.person_id for a in await tx.find(Account)}
    return tuple(guest for guest in inside if known.get(guest.identity) not in members)


async def adopt(parts: Parts, by: str) -> int:
    """Adopt all of the plan; how many. Doing it again adopts only those who came since."""
    guests, adopted = await plan(parts), 0
    for start in range(0, len(guests), AT_ONCE):
        async with parts.store.transaction(parts.club) as tx:
            now = parts.clock.now()
            for guest in guests[start : start + AT_ONCE]:
                adopted += await adopt_one(tx, parts, guest, by, now)
    return adopted


async def adopt_one(tx: Tx, parts: Parts, guest: Guest, by: str, now: datetime) -> bool:
    """Make someone inside a member; False where they are one."""
    account: Account = await account_of(tx, guest.identity, guest.name, now)
    if await tx.first(Membership, person_id=account.person_id, state__in=tuple(INSIDE)):
        return False
    member = await tx.add(
        Membership(
            club=tx.club,
            person_id=account.person_id,
            identity=guest.identity,
            name=account.name,
            origin="adopted",
            since=now,
            known_since=now,
        )
    )
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "adopted"),
        now=now,
        actor=by,
        subject=subject_of(member),
    )
    return True
