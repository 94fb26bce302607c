"""The way back for those who were let go for silence: once, for the one it was issued to."""

from datetime import datetime

from gatekeeper.domain.clubs import Pass
from gatekeeper.domain.decisions import Admit, Decision, Lane, Order, Progress, Verdict
from gatekeeper.domain.errors import NotFound, Refused
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import INSIDE, Event, Membership, State, advance
from gatekeeper.ports import Tx
from gatekeeper.usecases import passes
from gatekeeper.usecases.naming import number_of, subject_of
from gatekeeper.usecases.notices import language_of
from gatekeeper.usecases.parts import Parts, order, record
from gatekeeper.usecases.removals import FREE

COMEBACK = "comeback"


async def issue(tx: Tx, parts: Parts, member: Membership, now: datetime) -> str:
    """A comeback link for someone removed for silence; its address."""
    return await passes.issue(
        tx,
        parts,
        act=COMEBACK,
        identity=member.identity,
        subject=subject_of(member),
        now=now,
        valid=parts.policy.club.spec.comeback.valid_for,
    )


async def use(parts: Parts, pass_: Pass, now: datetime) -> Decision:
    """Use a link up and order the invitation of the identity that it was issued to.

    Raises:
        Refused: link-used, link-withdrawn, link-expired; comeback-not-open: the membership did
            not end for silence, or is open again; comeback-banned: the platform says so.
        PlatformDown, PlatformBusy: the platform could not be asked; the link stays good.
    """
    standing = await parts.platform(pass_.identity).standing(pass_.identity)
    async with parts.store.transaction(parts.club) as tx:
        fresh = await tx.get(Pass, pass_.id)
        if fresh.act != COMEBACK:
            raise Refused("link-unknown")
        passes.check(fresh, now)
        member = await _open(tx, fresh)
        if standing.banned:
            raise Refused("comeback-banned")
        await tx.change(fresh, used_at=now)
        decision = Decision(Verdict.ADMIT, "comeback-taken")
        await record(
            tx, parts, decision, now=now, actor=str(fresh.identity), subject=subject_of(member)
        )
        await open_door(tx, parts, member, str(fresh.id), now)
        return decision


async def _open(tx: Tx, pass_: Pass) -> Membership:
    try:
        member = await tx.get(Membership, number_of(pass_.subject))
    except NotFound:
        raise Refused("comeback-not-open") from None
    silent = member.state is State.REMOVED and member.cause == "silence"
    inside = await tx.first(Membership, person_id=member.person_id, state__in=tuple(INSIDE))
    if not silent or inside is not None or member.identity != pass_.identity:
        raise Refused("comeback-not-open")
    return member


async def open_door(tx: Tx, parts: Parts, member: Membership, number: str, now: datetime) -> Order:
    """Order the invitation with which a removed member may come in again."""
    language = await language_of(tx, parts, member.person_id)
    return await order(
        tx,
        Admit(who=member.identity, reason=parts.say("comeback-reason", {}, language)),
        platform=member.identity.platform,
        key=f"{subject_of(member)}/comeback/{number}",
        purpose="invitation",
        subject=subject_of(member),
        lane=Lane.ADMISSION,
        now=now,
    )


async def joined(tx: Tx, parts: Parts, identity: Identity, now: datetime) -> bool:
    """Someone is inside again: whether it was by a comeback, and then the membership returns."""
    member = await tx.first(
        Membership, identity=identity, state=State.REMOVED, cause="silence", order="-id"
    )
    if member is None or member.ended_at is None:
        return False
    if await tx.first(Membership, person_id=member.person_id, state__in=tuple(INSIDE)):
        return False
    door = await tx.first(
        Order,
        subject=subject_of(member),
        purpose="invitation",
        created_at__gte=member.ended_at,
        progress__not_in=(Progress.CANCELLED,),
    )
    if door is None:
        return False
    member = await tx.change(
        member,
        state=advance(member.state, Event.RETURN),
        origin=COMEBACK,
        since=now,
        known_since=now,
        last_seen_at=now,
        last_kind="join",
        last_place="",
        ended_at=None,
        cause="",
        **FREE,
    )
    await passes.void(tx, identity, now, act=COMEBACK)
    await _roles(tx, parts, identity)
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "came-back"),
        now=now,
        actor=str(identity),
        subject=subject_of(member),
    )
    return True


async def _roles(tx: Tx, parts: Parts, identity: Identity) -> None:
    """Only the roles that the policy lists come back too."""
    account = await tx.first(Account, identity=identity)
    listed = set(parts.policy.club.spec.comeback.roles)
    if account is not None and not listed.issuperset(account.roles):
        await tx.change(account, roles=tuple(role for role in account.roles if role in listed))
