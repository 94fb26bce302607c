"""The way back for those who were let go for silence: once, for the one it was issued to.

Its invitation lives as an applicant's does: it is brought up once and ends after the policy's
time. One that has ended was no way back: its link works again, until its date.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gatekeeper.domain.applications import Application
from gatekeeper.domain.applications import State as Standing
from gatekeeper.domain.clubs import Pass
from gatekeeper.domain.decisions import (
    Admit,
    Decision,
    Lane,
    Link,
    Order,
    Progress,
    Receipt,
    Retract,
    Verdict,
)
from gatekeeper.domain.errors import NotFound, Refused, Value
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import INSIDE, Event, Membership, State, advance
from gatekeeper.policy.texts import iso
from gatekeeper.ports import Tx
from gatekeeper.usecases import letting_go, passes
from gatekeeper.usecases.naming import number_of, subject_of
from gatekeeper.usecases.notices import language_of
from gatekeeper.usecases.parts import Parts, cancel, order, record, tell
from gatekeeper.usecases.removals import FREE

COMEBACK = "comeback"
INVITING = ("invitation", "invitation-reminder")
NO_DOOR: Final[Mapping[str, Any]] = {"back_invited_at": None, "back_due_at": None}


# ---- The link ----------------------------------------------------------------------------------


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
        await open_door(tx, parts, member, now)
        return decision


async def _open(tx: Tx, pass_: Pass) -> Membership:
    try:
        member = await tx.get(Membership, number_of(pass_.subject))
    except NotFound:
        raise Refused("comeback-not-open") from None
    if not await may_return(tx, member) or member.identity != pass_.identity:
        raise Refused("comeback-not-open")
    return member


async def may_return(tx: Tx, member: Membership) -> bool:
    """Whether someone was let go for silence, and is no member by another way since."""
    if member.state is not State.REMOVED or member.cause != "silence":
        return False
    return not await tx.count(Membership, person_id=member.person_id, state__in=tuple(INSIDE))


# ---- The invitation ----------------------------------------------------------------------------


async def open_door(tx: Tx, parts: Parts, member: Membership, now: datetime) -> Order:
    """Order the invitation with which a removed member may come in again."""
    language = await language_of(tx, parts, member.person_id)
    number = await _doors(tx, member)
    reopen = await letting_go.is_account_ended(tx, member.person_id, member.identity)
    return await order(
        tx,
        Admit(
            who=member.identity,
            reason=parts.say("comeback-reason", {}, language),
            reopen=reopen,
        ),
        platform=member.identity.platform,
        key=f"{subject_of(member)}/comeback/{number}",
        purpose="invitation",
        subject=subject_of(member),
        lane=Lane.ADMISSION,
        now=now,
    )


async def _doors(tx: Tx, member: Membership) -> int:
    """How often a door was opened so far: each has its own Orders."""
    return await tx.count(Order, subject=subject_of(member), purpose="invitation")


async def is_open(tx: Tx, person_id: int) -> bool:
    """Whether an invitation to come back stands, or is on its way, for a person."""
    outside = await tx.find(Membership, person_id=person_id, state=State.REMOVED)
    return any([await _stands(tx, member) for member in outside])


async def _stands(tx: Tx, member: Membership) -> bool:
    if member.back_invited_at is not None:
        return True
    return (
        await tx.count(
            Order, subject=subject_of(member), purpose="invitation", progress=Progress.DUE
        )
        > 0
    )


async def may_still(tx: Tx, placed: Order) -> bool:
    """Whether the invitation, its reminder or its end is still meant."""
    member = await tx.get(Membership, number_of(placed.subject))
    if placed.purpose == "retract":  # another invitation may stand by now, and is not to go
        invited = (Standing.APPROVED, Standing.INVITED)
        applied = await tx.count(Application, person_id=member.person_id, state__in=invited)
        return not applied and not await is_open(tx, member.person_id)
    if placed.purpose == "invitation-reminder" and member.back_invited_at is None:
        return False
    return await may_return(tx, member)


async def on_invited(
    tx: Tx, parts: Parts, done: Order, receipt: Receipt, now: datetime, *, inside: bool
) -> None:
    """The invitation stands; someone who is inside already is back with this."""
    member = await tx.get(Membership, number_of(done.subject))
    if not await may_return(tx, member):
        return
    invitation = parts.policy.club.spec.invitation
    wait = invitation.remind_after or invitation.ends_after
    await tx.change(member, back_invited_at=receipt.at, back_due_at=receipt.at + wait)
    if inside:
        await joined(tx, parts, member.identity, None, now)


async def on_refused(tx: Tx, parts: Parts, failed: Order, reason: str, now: datetime) -> None:
    """The platform's final no: the admins are told; the link was used for nothing."""
    member = await tx.get(Membership, number_of(failed.subject))
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "invitation-failed", {"why": reason}),
        now=now,
        actor="platform",
        subject=failed.subject,
    )
    await _reopen(tx, member, now)


async def due(parts: Parts, now: datetime) -> datetime | None:
    """Bring invitations up again, and end those whose time is over; when the next one is due."""
    async with parts.store.look(parts.club) as tx:
        ripe = await tx.find(Membership, back_due_at__lte=now, order="back_due_at", limit=200)
    for member in ripe:
        async with parts.store.transaction(parts.club) as tx:
            await _ripe(tx, parts, await tx.get(Membership, member.id), parts.clock.now())
    async with parts.store.look(parts.club) as tx:
        waiting = await tx.first(Membership, back_due_at__set=True, order="back_due_at")
    return waiting.back_due_at if waiting else None


async def _ripe(tx: Tx, parts: Parts, member: Membership, now: datetime) -> None:
    if member.back_invited_at is None or member.back_due_at is None or member.back_due_at > now:
        return
    if not await may_return(tx, member):  # a member by another way since
        await tx.change(member, **NO_DOOR)
        return
    ends_at = member.back_invited_at + parts.policy.club.spec.invitation.ends_after
    if now >= ends_at:
        link = await _end(tx, parts, member, "comeback-not-taken-up", "schedule", now)
        await _tell_end(tx, parts, member, link or await _first_link(tx, parts, member, now), now)
        return
    await tx.change(member, back_due_at=ends_at)
    language = await language_of(tx, parts, member.person_id)
    await tell(
        tx,
        parts,
        member.identity,
        parts.say("invitation-reminder", {"club": parts.policy.title}, language),
        key=f"{subject_of(member)}/invitation-reminder/{await _doors(tx, member)}",
        purpose="invitation-reminder",
        subject=subject_of(member),
        now=now,
        lane=Lane.ADMISSION,
    )


async def _end(
    tx: Tx, parts: Parts, member: Membership, code: str, actor: str, now: datetime
) -> Pass | None:
    """The invitation is taken back; its link, which works again."""
    member = await tx.change(member, **NO_DOOR)
    subject, language = subject_of(member), await language_of(tx, parts, member.person_id)
    decision = Decision(Verdict.RECORD, code)
    await record(tx, parts, decision, now=now, actor=actor, subject=subject)
    await cancel(tx, subject, INVITING, code)
    await order(
        tx,
        Retract(who=member.identity, reason=parts.say(code, {}, language)),
        platform=member.identity.platform,
        key=f"{subject}/retract/{await _doors(tx, member)}",
        purpose="retract",
        subject=subject,
        lane=Lane.ADMISSION,
        now=now,
    )
    return await _reopen(tx, member, now)


async def _reopen(tx: Tx, member: Membership, now: datetime) -> Pass | None:
    used = await tx.first(
        Pass,
        act=COMEBACK,
        identity=member.identity,
        subject=subject_of(member),
        used_at__set=True,
        void_at=None,
        expires_at__gt=now,
        order="-id",
    )
    return await tx.change(used, used_at=None) if used else None


async def _first_link(tx: Tx, parts: Parts, member: Membership, now: datetime) -> Pass | None:
    """For whoever was asked back at once and so never had a link; None where there was one."""
    subject = subject_of(member)
    if await tx.count(Pass, act=COMEBACK, subject=subject):
        return None
    await issue(tx, parts, member, now)
    return await tx.first(Pass, act=COMEBACK, subject=subject, order="-id")


async def _tell_end(
    tx: Tx, parts: Parts, member: Membership, link: Pass | None, now: datetime
) -> None:
    language = await language_of(tx, parts, member.person_id)
    values: dict[str, Value] = {"club": parts.policy.title, "url": f"{parts.base_url}/join"}
    code, links = "comeback-ended-for-good", tuple[Link, ...]()
    if link is not None:
        code, values["until"] = "comeback-ended", iso(link.expires_at)
        links = (Link(parts.say("goodbye.link", {}, language), f"{passes.MARK}{link.id}"),)
    await tell(
        tx,
        parts,
        member.identity,
        parts.say(code, values, language),
        key=f"{subject_of(member)}/comeback-ended/{await _doors(tx, member)}",
        purpose="told",
        subject=subject_of(member),
        now=now,
        links=links,
    )


# ---- Arrivals, and other hands -----------------------------------------------------------------


async def refused(tx: Tx, parts: Parts, identity: Identity, now: datetime) -> None:
    """They said no to the invitation to come back, if one stands; the link stays theirs."""
    member = await tx.first(Membership, identity=identity, back_invited_at__set=True)
    if member is not None:
        await _end(tx, parts, member, "comeback-refused", str(identity), now)


async def shut(
    tx: Tx, parts: Parts, identity: Identity, by: str, now: datetime, *, banned: bool
) -> bool:
    """An admin took the invitation back by hand: whether one stood. Their no ends the link too;
    a ban is recorded by who takes it in."""
    member = await tx.first(Membership, identity=identity, back_invited_at__set=True)
    if member is None:
        return False
    await tx.change(member, **NO_DOOR)
    await cancel(tx, subject_of(member), INVITING, "comeback-taken-back")
    for link in await tx.find(Pass, act=COMEBACK, identity=identity, void_at=None):
        await tx.change(link, void_at=now)
    if not banned:
        decision = Decision(Verdict.RECORD, "comeback-taken-back")
        await record(tx, parts, decision, now=now, actor=by, subject=subject_of(member))
    return True


async def joined(
    tx: Tx, parts: Parts, identity: Identity, by: Identity | None, now: datetime
) -> bool:
    """Someone is inside again: whether it was by a comeback, and then the membership returns.

    Whoever takes up our invitation while we are about to end it is back as well.
    """
    member = await tx.first(
        Membership, identity=identity, state=State.REMOVED, cause="silence", order="-id"
    )
    if member is None or not await may_return(tx, member):
        return False
    if not await _stands(tx, member) and not await _late(tx, parts, member, by):
        return False
    put_out = (await letting_go.progress(tx, member)).outside
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
        **NO_DOOR,
    )
    await passes.void(tx, identity, now, act=COMEBACK)
    await cancel(tx, subject_of(member), ("retract", *INVITING), "arrived")
    await _roles(tx, parts, identity)
    others = tuple(who for who in put_out if who != identity)
    await letting_go.restore(tx, parts, member, others, now)
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "came-back"),
        now=now,
        actor=str(identity),
        subject=subject_of(member),
    )
    return True


async def _late(tx: Tx, parts: Parts, member: Membership, by: Identity | None) -> bool:
    """Whether it was our own invitation that was taken up, though it had its end."""
    if member.ended_at is None or by != parts.platform(member.identity).bot:
        return False
    ours = await tx.count(
        Order,
        subject=subject_of(member),
        purpose="invitation",
        created_at__gte=member.ended_at,
        progress__not_in=(Progress.CANCELLED,),
    )
    return ours > 0


async def _roles(tx: Tx, parts: Parts, identity: Identity) -> None:
    """Only the roles that the policy lists come back too."""
    account = await tx.first(Account, identity=identity)
    listed = set(parts.policy.club.spec.comeback.roles)
    if account is not None and not listed.issuperset(account.roles):
        await tx.change(account, roles=tuple(role for role in account.roles if role in listed))
