"""Being invited, arriving, leaving: what platforms tell of the way in and out.

Admitted means joined. What people do by hand in their client is recorded as theirs, never fought.
"""

from collections.abc import Collection
from datetime import datetime

from gatekeeper.domain.applications import Application, Event, State, advance
from gatekeeper.domain.decisions import Decision, Lane, Order, Progress, Receipt, Remove, Verdict
from gatekeeper.domain.events import Banned, Departed, Invited, Joined, KnockTakenBack, PutOut
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import INSIDE, Membership
from gatekeeper.domain.memberships import State as Stage
from gatekeeper.ports import Tx
from gatekeeper.usecases import (
    comeback,
    elsewhere,
    link,
    outside,
    passes,
    review,
    rights,
    stage_ends,
    stages,
    welcome,
)
from gatekeeper.usecases.comeback import INVITING
from gatekeeper.usecases.invitations import AWAITED, ENDED_BY_US, TAKEN_BACK, lapse
from gatekeeper.usecases.naming import number_of, subject_of
from gatekeeper.usecases.parts import (
    Parts,
    account_of,
    by_number,
    cancel,
    once,
    record,
    tell,
)

ARRIVED_LATE = "arrived-late"  # why an invitation ended


async def on_invited(
    tx: Tx, parts: Parts, done: Order, receipt: Receipt, now: datetime, *, inside: bool
) -> None:
    """The invitation stands; someone who is inside already has arrived with this."""
    if not done.subject.startswith("application:"):
        await comeback.on_invited(tx, parts, done, receipt, now, inside=inside)
        return
    app = await tx.get(Application, number_of(done.subject))
    if app.state is not State.APPROVED:
        return
    invitation = parts.policy.club.spec.invitation
    wait = invitation.remind_after or invitation.ends_after
    app = await tx.change(
        app,
        state=advance(app.state, Event.INVITED),
        invited_at=receipt.at,
        reminded_at=None,
        due_at=receipt.at + wait,
    )
    if inside:
        await arrive(tx, parts, app, now)
        return
    values = {"club": parts.policy.title, "why": app.reason_text}
    await tell(
        tx,
        parts,
        app.identity,
        parts.say("approve-told", values, app.language),
        key=f"{subject_of(app)}/approve-told",
        purpose="approve-told",
        subject=subject_of(app),
        now=now,
        lane=Lane.ADMISSION,
    )
    await review.refresh(tx, parts, app, now)


# ---- Arrivals and departures ------------------------------------------------------------------


async def joined(parts: Parts, event: Joined) -> None:
    """Someone is inside: an applicant has arrived, a member is back, or an admin let them in.

    Whoever comes by an admin's hand without an application is recorded, and left alone until the
    admins adopt them.
    """
    admins = await rights.admins(parts) if event.by is not None else {}
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        await outside.recognise(tx, parts, event.who, event.name, event.email, now)
        account = await account_of(tx, event.who, event.name, now)
        if event.by is not None and event.by in admins:
            await account_of(tx, event.by, admins[event.by], now)
        member = await tx.first(Membership, person_id=account.person_id, state__in=INSIDE)
        barred = member is not None and await link.barred(tx, event.who)
        if member is not None and not barred:
            return
        app = await tx.first(
            Application,
            person_id=account.person_id,
            state__in=AWAITED | {State.IN_REVIEW},
            order="-id",
        )
        if barred:
            await _inside_unasked(tx, parts, event, account, admins, now)
        elif app is not None and (app.state in AWAITED or event.by in admins):
            await arrive(tx, parts, app, now, by=event.by)
        elif await comeback.joined(tx, parts, event.who, event.by, now):
            return
        elif (late := await _late(tx, parts, account, event)) is not None:
            await _arrive_late(tx, parts, late, now, event.by)
        else:
            await _inside_unasked(tx, parts, event, account, admins, now)


async def _inside_unasked(
    tx: Tx,
    parts: Parts,
    event: Joined,
    account: Account,
    admins: Collection[Identity],
    now: datetime,
) -> None:
    """Inside by no application: recorded, and left to the admins."""
    code = "by-hand" if event.by in admins else "inside-unasked"
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, code),
        now=now,
        actor=str(event.by or event.who),
        subject=f"person:{account.person_id}",
    )
    if code == "inside-unasked":
        told = event.name, event.email
        await outside.unrecognised(tx, parts, event.who, *told, now, inside=True)


async def _late(tx: Tx, parts: Parts, account: Account, event: Joined) -> Application | None:
    """Whose invitation of ours was taken up while we were about to end it.

    One that we took back and the platform would not end lets nobody in: the admins decide by name.
    """
    newest = await tx.first(Application, person_id=account.person_id, order="-id")
    if newest is None or newest.reason not in ENDED_BY_US or newest.state is not State.LAPSED:
        return None
    if event.by != parts.platform(event.who).bot:
        return None
    refused = await tx.count(
        Order, subject=subject_of(newest), purpose="retract", progress=Progress.FAILED
    )
    return None if newest.reason == TAKEN_BACK and refused else newest


async def arrive(
    tx: Tx, parts: Parts, app: Application, now: datetime, by: Identity | None = None
) -> None:
    """An applicant is inside: from now on a member. `by`: the admin whose hand let them in."""
    by_hand = app.state is State.IN_REVIEW
    app = await tx.change(
        app,
        state=advance(app.state, Event.JOINED),
        ended_at=now,
        due_at=None,
        decided_at=now if by_hand else app.decided_at,
        reason="by-hand" if by_hand else app.reason,
        decided_by=(await by_number(tx, parts, str(by), now),) if by_hand else app.decided_by,
    )
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "by-hand" if by_hand else "arrived"),
        now=now,
        actor=str(by or app.identity),
        subject=subject_of(app),
        policy=app.policy,
    )
    await cancel(tx, subject_of(app), INVITING, "arrived")
    await _enrol(tx, parts, app, "by-hand" if by_hand else "application", now)
    await review.refresh(tx, parts, app, now)


async def _arrive_late(
    tx: Tx, parts: Parts, app: Application, now: datetime, by: Identity | None
) -> None:
    """What has ended stays ended, but the admins have approved them and they are inside."""
    why = parts.say(ARRIVED_LATE, {}, app.language)
    app = await tx.change(app, reason=ARRIVED_LATE, reason_text=why)
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, ARRIVED_LATE),
        now=now,
        actor=str(by or app.identity),
        subject=subject_of(app),
        policy=app.policy,
    )
    await cancel(tx, subject_of(app), ("retract",), "arrived")
    await _enrol(tx, parts, app, "application", now)
    await review.refresh(tx, parts, app, now)


async def _enrol(tx: Tx, parts: Parts, app: Application, origin: str, now: datetime) -> None:
    member = await tx.add(
        Membership(
            club=tx.club,
            person_id=app.person_id,
            identity=app.identity,
            name=app.name,
            origin=origin,
            since=now,
            known_since=now,
            last_seen_at=now,
            last_kind="join",
        )
    )
    await welcome.schedule(tx, parts, member, now)


async def invited_by_hand(parts: Parts, event: Invited) -> None:
    """A person invited someone in their client: theirs, and recorded as theirs."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if await once(tx, event, now):
            account = await account_of(tx, event.who, "", now)
            await record(
                tx,
                parts,
                Decision(Verdict.RECORD, "invited-by-hand"),
                now=now,
                actor=str(event.by),
                subject=f"person:{account.person_id}",
            )


async def departed(parts: Parts, event: Departed) -> None:
    """Someone left, or refused the invitation, by themselves; whoever is inside by another account
    stays a member by that one. PlatformDown, PlatformBusy: nobody could look."""
    stays = await elsewhere.inside(parts, event.who)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        if event.unclear and await _being_removed(tx, event.who):
            return  # the Order goes on after whatever has cut it off, and says how they went
        app = await _awaited(tx, event.who)
        if app is not None:
            await lapse(tx, parts, app, "invitation-refused", str(event.who), now)
        await comeback.refused(tx, parts, event.who, now)
        await stage_ends.departed(tx, parts, event.who, now, stays)


async def _being_removed(tx: Tx, who: Identity) -> bool:
    """Whether we have asked the platform to take somebody out, and do not know yet what it did."""
    begun = await tx.find(Order, platform=who.platform, progress=Progress.DUE, begun_at__set=True)
    return any(isinstance(one.action, Remove) and one.action.who == who for one in begun)


async def knock_taken_back(parts: Parts, event: KnockTakenBack) -> None:
    """The knock is gone: so is its form link; an application that was sent stays."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if await once(tx, event, now):
            await passes.void(tx, event.who, now, act="form")


async def put_out(parts: Parts, event: PutOut | Banned) -> None:
    """An admin's own hand put someone out, took an invitation back, or banned.

    What we did ourselves comes back here too: it is known by its Receipt already. But whoever
    came in at the very moment in which we took the invitation back is asked in again.
    """
    if event.by == parts.platform(event.who).bot:
        await _put_out_by_us(parts, event)
        return
    banned = isinstance(event, Banned)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        app = await _awaited(tx, event.who)
        if app is not None:
            code = "banned" if banned else "invitation-taken-back"
            await lapse(tx, parts, app, code, str(event.by), now)
        elif banned:
            await _turn_away_banned(tx, parts, event, now)
        way_back = await comeback.shut(tx, parts, event.who, str(event.by), now, banned=banned)
        await passes.void(tx, event.who, now, act="" if banned else "form")
        decision = await stage_ends.removed_by_hand(
            tx, parts, event.who, str(event.by), event.reason, banned=banned, now=now
        )
        if decision is None and app is None and not way_back:  # their no is kept all the same
            account = await account_of(tx, event.who, "", now)
            await record(
                tx,
                parts,
                Decision(Verdict.RECORD, "banned" if banned else "turned-away-by-hand"),
                now=now,
                actor=str(event.by),
                subject=f"person:{account.person_id}",
                seen={"reason": event.reason},
            )


async def _put_out_by_us(parts: Parts, event: PutOut | Banned) -> None:
    """Nobody is to be put out by the end of an invitation that they have just taken up."""
    if isinstance(event, Banned) or not event.inside:
        return
    async with parts.store.transaction(parts.club) as tx:
        member = await tx.first(Membership, identity=event.who, state=Stage.ACTIVE)
        if member is None:
            return
        last = await tx.first(
            Order, subject=subject_of(member), purpose__in=("removal", "retract"), order="-id"
        )
        app = await tx.first(Application, person_id=member.person_id, order="-id")
        late = last is None and app is not None and app.reason == ARRIVED_LATE
        back_late = last is not None and last.purpose == "retract"
        now = parts.clock.now()
        if (late or back_late) and await once(tx, event, now):
            await stages.crossed(tx, parts, member, "arrival-crossed", now)


async def _turn_away_banned(tx: Tx, parts: Parts, event: PutOut | Banned, now: datetime) -> None:
    app = await tx.first(Application, identity=event.who, state=State.IN_REVIEW)
    if app is not None:
        decision = Decision(Verdict.DECLINE, "banned")
        await review.conclude(tx, parts, app, decision, str(event.by), now, by=(str(event.by),))


async def _awaited(tx: Tx, who: Identity) -> Application | None:
    return await tx.first(Application, identity=who, state__in=AWAITED, order="-id")
