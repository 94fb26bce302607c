"""What ends a stage or a membership: a sign of life, an admin's word, an own or another's hand."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gatekeeper.domain.activity import Kind
from gatekeeper.domain.decisions import Admit, Decision, Order, Progress, Verdict
from gatekeeper.domain.identity import EMAIL, Account, Address, Identity
from gatekeeper.domain.memberships import INSIDE, STAGED, Event, Membership, State, advance
from gatekeeper.ports import Tx
from gatekeeper.usecases import cards, dispute_card, letting_go, notices, passes, removals
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts, cancel, record
from gatekeeper.usecases.removals import FREE

# How somebody was found alive; these are no signs by themselves, so they do not move the last one.
NOT_SIGNS = frozenset({"seen", "leave", "exempt"})
ANSWERED_THERE = frozenset(
    {"link", "leave", "exempt", "dispute"}
)  # whoever did it is told there and then


# ---- A sign of life ----------------------------------------------------------------------------


async def alive(tx: Tx, parts: Parts, person_id: int, now: datetime, how: str) -> Decision | None:
    """A member has been seen, or is away or exempt: whatever stage there was has ended.

    Args:
        how: seen (an observed sign; the last one is moved already), press, link, chat, command,
            leave, exempt, dispute.

    Returns:
        KEEP "alive", None where there was no stage to end.
    """
    member = await tx.first(Membership, person_id=person_id, state__in=tuple(INSIDE))
    if member is None:
        return None
    if how not in NOT_SIGNS:
        at = max(now, member.last_seen_at or now)
        kind = Kind.COMMAND if how == "chat" else Kind.PRESS
        member = await tx.change(member, last_seen_at=at, last_kind=kind.value, last_place="")
    if member.state not in STAGED:
        return None
    decision = Decision(Verdict.KEEP, "alive", {"how": how})
    was = member
    member, number = await set_free(
        tx, parts, member, Event.ALIVE, decision, str(member.identity), now
    )
    if was.noticed_at is not None and how not in ANSWERED_THERE:
        key = f"{subject_of(member)}/alive/{number}"
        await notices.tell_member(tx, parts, member, "alive-told", key, now)
    return decision


async def set_free(
    tx: Tx,
    parts: Parts,
    member: Membership,
    event: Event,
    decision: Decision,
    actor: str,
    now: datetime,
    seen: Mapping[str, Any] | None = None,
    redraw: bool = True,
    **changes: Any,
) -> tuple[Membership, int]:
    """Back to ACTIVE with all that was begun undone; also the record's number of this.

    A removal on its way is left to its last look: if it has just been carried out, its Receipt is
    still needed to bring them back. Where it is done already, they are asked back at once, and
    into the rooms where it has begun.
    Whoever frees several draws the card once for all, with `redraw` false here.
    """
    on_card = member.state not in (State.NOTICED, State.GUEST)
    was_guest = member.guest_at is not None
    accounts = await letting_go.accounts_of(tx, parts, member) if was_guest else ()
    so_far = await letting_go.progress(tx, member)
    member = await tx.change(member, state=advance(member.state, event), **{**FREE, **changes})
    entry = await record(
        tx, parts, decision, now=now, actor=actor, subject=subject_of(member), seen=seen
    )
    await cancel(tx, subject_of(member), ("notice",), decision.code)
    await end_links(tx, member, now)
    await letting_go.restore(tx, parts, member, so_far.outside, now)
    out_of_rooms = [who for who in accounts or so_far.partly if who not in so_far.outside]
    await letting_go.restore(tx, parts, member, tuple(out_of_rooms), now, rooms=True)
    item = await removals.last_item(tx, member)
    if item is not None and not item.outcome:
        await tx.change(item, outcome="alive" if event is Event.ALIVE else "kept")
    if on_card and redraw:
        await removals.refresh(tx, parts, now)
    return member, entry.sequence


async def end_links(tx: Tx, member: Membership, now: datetime) -> None:
    """The ways to answer a notice end with it."""
    for account in await tx.find(Account, person_id=member.person_id):
        await passes.void(tx, account.identity, now, act="here")
    for one in await tx.find(Address, person_id=member.person_id):
        await passes.void(tx, Identity(EMAIL, one.address), now, act="here")
    await cards.end(tx, subject_of(member), now)


# ---- Ends by other hands -----------------------------------------------------------------------


async def departed(
    tx: Tx, parts: Parts, identity: Identity, now: datetime, stays: Identity | None = None
) -> Decision | None:
    """A member left by themselves; None where they were no member by this account.

    `stays`: another account of theirs that is inside: by that one the membership goes on.
    """
    member = await tx.first(Membership, identity=identity, state__in=tuple(INSIDE))
    if member is None:
        await _outside_there(tx, parts, identity, now)
        return None
    if stays is not None:
        member = await tx.change(member, identity=stays)
        decision = Decision(Verdict.RECORD, "stays-elsewhere", {"platform": identity.platform})
        await record(tx, parts, decision, now=now, actor=str(identity), subject=subject_of(member))
        return decision
    decision = Decision(Verdict.RECORD, "departed")
    await _end(tx, parts, member, Event.DEPART, "departed", decision, str(identity), now)
    return decision


async def found_outside(
    tx: Tx, parts: Parts, member: Membership, by: str, now: datetime, *, banned: bool
) -> None:
    """A member is outside, and nobody told us how they went: the record follows what is so."""
    event = Event.BAN if banned else Event.DEPART
    decision = Decision(Verdict.RECORD, "found-outside")
    await _end(tx, parts, member, event, "banned" if banned else "departed", decision, by, now)
    if banned:
        await passes.void(tx, member.identity, now)
        await _cancel_invitations(tx, member.identity)


async def removed_by_hand(
    tx: Tx, parts: Parts, identity: Identity, by: str, reason: str, *, banned: bool, now: datetime
) -> Decision | None:
    """An admin put someone out, or banned them, in their own client: recorded as theirs.

    A removal of ours that is still on its way ends with this: it must neither bring them back nor
    give them a way back. A ban ends every open link and every invitation, also of someone who is
    outside already.
    """
    if banned:
        await passes.void(tx, identity, now)
        await _cancel_invitations(tx, identity)
    member = await tx.first(Membership, identity=identity, order="-id")
    if member is None or member.cause == "linked":  # they are a member by another account
        await _outside_there(tx, parts, identity, now)
    if member is None or member.state is State.BANNED:
        return None
    if not banned and member.state not in INSIDE:
        return None
    cause = "banned" if banned else "cause" if reason else "by-hand"
    decision = Decision(Verdict.RECORD, "banned" if banned else "removed-by-hand")
    event = Event.BAN if banned else Event.REMOVED
    await _end(tx, parts, member, event, cause, decision, by, now, seen={"reason": reason})
    await passes.void(tx, identity, now, act="comeback")
    return decision


async def _outside_there(tx: Tx, parts: Parts, identity: Identity, now: datetime) -> None:
    """Another account of someone, whose removal a platform had refused, is outside by other hands:
    what was confirmed is looked at again, and ends if this was all that was left."""
    account = await tx.first(Account, identity=identity)
    if account is None:
        return
    member = await tx.first(Membership, person_id=account.person_id, state=State.CONFIRMED)
    if member is not None and await removals.came_to_nothing(tx, member):
        await letting_go.order_everywhere(tx, parts, member, now)


async def _end(
    tx: Tx,
    parts: Parts,
    member: Membership,
    event: Event,
    cause: str,
    decision: Decision,
    actor: str,
    now: datetime,
    seen: dict[str, Any] | None = None,
) -> None:
    was = member.state
    member = await tx.change(
        member,
        state=advance(was, event),
        ended_at=now,
        cause=cause,
        welcome_due_at=None,
    )
    await record(tx, parts, decision, now=now, actor=actor, subject=subject_of(member), seen=seen)
    await cancel(tx, subject_of(member), ("notice", "removal", "goodbye", "guest"), cause)
    await end_links(tx, member, now)
    await dispute_card.end(tx, parts, member.person_id, now)
    if was in STAGED:
        await removals.refresh(tx, parts, now)


async def _cancel_invitations(tx: Tx, identity: Identity) -> None:
    for pending in await tx.find(Order, purpose="invitation", progress=Progress.DUE):
        if isinstance(pending.action, Admit) and pending.action.who == identity:
            await tx.change(pending, progress=Progress.CANCELLED, reason="banned")
