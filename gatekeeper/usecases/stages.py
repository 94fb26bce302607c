"""The stages between being silent and being let go, as the receipts of platforms move them.

`stage_ends` has what ends them, `words_on_removals` what people say about them.
"""

from dataclasses import replace
from datetime import datetime

from gatekeeper.domain.decisions import Decision, Order, Receipt, Tell, Verdict
from gatekeeper.domain.memberships import Event, Membership, State, advance
from gatekeeper.domain.pruning import why_not_removed
from gatekeeper.ports import Standing, Tx
from gatekeeper.usecases import (
    cards,
    comeback,
    explained,
    member_facts,
    notices,
    removals,
    stage_ends,
)
from gatekeeper.usecases.naming import number_of, subject_of
from gatekeeper.usecases.parts import Parts, record

# ---- What platforms answer ---------------------------------------------------------------------


async def on_receipt(tx: Tx, parts: Parts, done: Order, receipt: Receipt, now: datetime) -> None:
    """What a Receipt of a notice, a removal or a goodbye means to the membership."""
    if done.purpose == "goodbye":
        return
    member = await tx.get(Membership, number_of(done.subject))
    if done.purpose == "notice" and (receipt.waiting or not receipt.ref):
        await _not_reached(tx, parts, member, done, now)
    elif done.purpose == "notice":
        await _delivered(tx, parts, member, done, receipt, now)
    elif member.state is State.CONFIRMED:
        await _removed(tx, parts, member, done, now)
    elif member.state is State.ACTIVE and receipt.changed:
        await crossed(tx, parts, member, "removal-crossed", now)


async def _not_reached(
    tx: Tx, parts: Parts, member: Membership, done: Order, now: datetime
) -> None:
    if member.state is not State.NOTIFYING:
        return
    if member.unreachable_since is None:
        member = await tx.change(member, unreachable_since=now)
        item = await removals.last_item(tx, member)
        if item is not None:
            await tx.change(item, outcome="unreachable")
    await renew(tx, parts, member, done, done.due_at)  # when the chat is looked at again


async def renew(tx: Tx, parts: Parts, member: Membership, placed: Order, read_at: datetime) -> None:
    """Let a notice that nobody has read yet name a date that a reader of `read_at` can keep."""
    item = await removals.last_item(tx, member)
    if item is None or not isinstance(placed.action, Tell):
        return
    policy = await parts.shelf.at(tx, member.notice_policy)
    until = max(read_at + policy.pruning.grace, removals.told_until(item) or read_at)
    language = await notices.language_of(tx, parts, member.person_id)
    text = notices.notice_text(
        parts,
        member.notice_code,
        removals.values_of(item),
        item.evidence,
        until,
        language,
        await explained.why_asked_then(tx, parts, member, language),
    )
    if text != placed.action.text:
        await tx.change(item, evidence={**item.evidence, "until": until.isoformat()})
        await tx.change(placed, action=replace(placed.action, text=text))


async def _delivered(
    tx: Tx, parts: Parts, member: Membership, done: Order, receipt: Receipt, now: datetime
) -> None:
    """Grace begins with this, and never before."""
    if member.state is not State.NOTIFYING:
        return
    await cards.remember(tx, done, receipt)
    was_unreachable = member.unreachable_since is not None
    policy = await parts.shelf.at(tx, member.notice_policy)
    item = await removals.last_item(tx, member)
    told = removals.told_until(item) if item else None
    ends_at = receipt.at + policy.pruning.grace
    member = await tx.change(
        member,
        state=advance(member.state, Event.DELIVERED),
        noticed_at=receipt.at,
        notice_ref=receipt.ref,
        grace_ends_at=max(ends_at, told or ends_at),
        unreachable_since=None,
    )
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "notice-delivered", {"ref": receipt.ref}),
        now=now,
        actor="platform",
        subject=subject_of(member),
    )
    if was_unreachable:
        if item is not None:
            await tx.change(item, outcome="")
        await removals.refresh(tx, parts, now)


async def _removed(tx: Tx, parts: Parts, member: Membership, done: Order, now: datetime) -> None:
    item = await removals.last_item(tx, member)
    member = await _outside(tx, member, now)
    decision = Decision(Verdict.REMOVE, "removed-for-silence")
    await record(
        tx,
        parts,
        decision,
        now=now,
        actor=member.confirmed_by or "schedule",
        subject=subject_of(member),
    )
    if item is not None:
        await tx.change(item, outcome="removed")
    await stage_ends.end_links(tx, member, now)
    url = await comeback.issue(tx, parts, member, now)
    number = done.key.rpartition("/")[2]
    evidence = item.evidence if item else {"known_since": member.known_since.isoformat()}
    await notices.order_goodbye(tx, parts, member, evidence, url, number, now)
    await removals.refresh(tx, parts, now)


async def crossed(tx: Tx, parts: Parts, member: Membership, code: str, now: datetime) -> None:
    """They were put out in the very moment in which they gave a sign of life (removal-crossed) or
    came in (arrival-crossed): they are asked back at once."""
    member = await _outside(tx, member, now)
    entry = await record(
        tx,
        parts,
        Decision(Verdict.ADMIT, code),
        now=now,
        actor="schedule",
        subject=subject_of(member),
    )
    await comeback.open_door(tx, parts, member, now)
    key = f"{subject_of(member)}/crossed/{entry.sequence}"
    await notices.tell_member(tx, parts, member, code, key, now)


async def _outside(tx: Tx, member: Membership, now: datetime) -> Membership:
    return await tx.change(
        member,
        state=advance(member.state, Event.REMOVED),
        ended_at=now,
        cause="silence",
        welcome_due_at=None,
    )


async def on_failure(tx: Tx, parts: Parts, failed: Order, reason: str, now: datetime) -> None:
    """A platform's final no: the admins see it on the card and decide by name, or try again."""
    member = await tx.get(Membership, number_of(failed.subject))
    unheard = failed.purpose == "notice" and member.state is State.NOTIFYING
    if unheard and member.unreachable_since is None:
        await tx.change(member, unreachable_since=now)
    if failed.purpose in {"notice", "removal"}:
        decision = Decision(Verdict.RECORD, f"{failed.purpose}-failed", {"why": reason})
        await record(tx, parts, decision, now=now, actor="platform", subject=failed.subject)
        await removals.refresh(tx, parts, now)


# ---- The last look -----------------------------------------------------------------------------


async def may_still(
    tx: Tx, parts: Parts, placed: Order, now: datetime, standing: Standing | None
) -> bool:
    """Whether a notice, a removal or a goodbye is still meant, right before it is performed.

    A confirmed removal against which something speaks now is called off with this, and recorded.
    """
    member = await tx.get(Membership, number_of(placed.subject))
    if placed.purpose == "goodbye":
        return member.state is State.REMOVED and member.cause == "silence"
    if placed.purpose == "notice":
        if member.state is not State.NOTIFYING:
            return False
        await renew(tx, parts, member, placed, now)
        return True
    if member.state is State.ACTIVE and standing is not None and not standing.inside:
        await crossed(tx, parts, member, "removal-crossed", now)
        return False
    if member.state is not State.CONFIRMED:
        return False
    outlook = member_facts.outlook_on(parts, member.identity, standing)
    [look] = await member_facts.look_at(tx, parts, [member], outlook, now)
    why = why_not_removed(look.candidate, now)
    if not why or (standing is not None and not standing.inside):
        return True  # done already: a first try took effect and its answer was lost
    decision = Decision(Verdict.KEEP, why)
    await stage_ends.set_free(tx, parts, member, Event.KEEP, decision, "schedule", now)
    return False
