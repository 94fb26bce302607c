"""The stages between being silent and being let go, as the receipts of platforms move them.

`stage_ends` has what ends them, `words_on_removals` what people say about them.
"""

from dataclasses import replace
from datetime import datetime

from gatekeeper.domain.decisions import Decision, Order, Receipt, Remove, Tell, Verdict
from gatekeeper.domain.errors import Value
from gatekeeper.domain.identity import EMAIL
from gatekeeper.domain.memberships import INSIDE, Event, Membership, State, advance
from gatekeeper.domain.pruning import why_not_removed
from gatekeeper.ports import Standing, Tx
from gatekeeper.usecases import (
    cards,
    comeback,
    email,
    explained,
    guests,
    letting_go,
    member_facts,
    notices,
    removals,
    stage_ends,
)
from gatekeeper.usecases.naming import number_of, subject_of
from gatekeeper.usecases.parts import Parts, cancel, record

BEGUN = "begun"  # reason of an Order that was handed to its platform, until that has answered
PATIENCE = 4  # such a part of Grace a notice waits for its chat before another account is tried

# ---- What platforms answer ---------------------------------------------------------------------


async def on_receipt(tx: Tx, parts: Parts, done: Order, receipt: Receipt, now: datetime) -> None:
    """What a Receipt of a notice, a removal or a goodbye means to the membership."""
    if done.purpose in {"goodbye", letting_go.RESTORE, letting_go.ACCOUNT_END}:
        return
    member = await tx.get(Membership, number_of(done.subject))
    if done.purpose == guests.NOTE:
        await guests.told(tx, member, done, receipt)
        return
    if done.purpose == "notice" and (receipt.waiting or not receipt.ref):
        await _not_reached(tx, parts, member, done, now)
    elif done.purpose == "notice":
        await _delivered(tx, parts, member, done, receipt, now)
    elif member.state is State.CONFIRMED:
        await _removed_there(tx, parts, member, done, now)
    elif member.state in INSIDE and letting_go.softly(done):
        await guests.crossed(tx, parts, member, done, now)
    elif member.state is State.ACTIVE and receipt.changed:
        await _crossed_there(tx, parts, member, done, now)


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
    policy = await parts.shelf.at(tx, member.notice_policy)
    if now - done.created_at >= policy.pruning.grace / PATIENCE:
        await _try_next(tx, parts, member, done, now)
    await renew(tx, parts, member, done, done.due_at)  # when the chat is looked at again


async def _try_next(tx: Tx, parts: Parts, member: Membership, placed: Order, now: datetime) -> None:
    """A notice that reaches nobody goes to the person's next account as well; with none left the
    admins decide by name. The first one that is delivered counts."""
    sweep_id, tried = notices.sweep_of(placed), await notices.tried(tx, member)
    if not isinstance(placed.action, Tell) or placed.action.who != tried[-1]:
        return  # another one is on its way since
    accounts = await letting_go.accounts_of(tx, parts, member)
    letter = await email.reach(tx, parts, member.person_id)  # the last step
    rest = [who for who in (*accounts, *letter) if who not in tried]
    values: dict[str, Value]
    if rest:
        code, values = "notice-elsewhere", {"platform": rest[0].platform}
        language = await notices.language_of(tx, parts, member.person_id)
        text = placed.action.text  # in a letter other words: `renew` puts them in
        await notices.order_notice(tx, parts, member, text, sweep_id, language, now, who=rest[0])
    else:
        code, values = "notice-nowhere", {"tried": len(tried)}
        if placed.reason == code:
            return  # said already
        await tx.change(placed, reason=code)
    decision = Decision(Verdict.RECORD, code, values)
    await record(tx, parts, decision, now=now, actor="platform", subject=subject_of(member))


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
        letter=placed.action.who.platform == EMAIL,
    )
    if text != placed.action.text:
        await tx.change(item, evidence={**item.evidence, "until": until.isoformat()})
        await tx.change(placed, action=replace(placed.action, text=text))


async def _delivered(
    tx: Tx, parts: Parts, member: Membership, done: Order, receipt: Receipt, now: datetime
) -> None:
    """Grace begins with this, and never before."""
    if member.state in (State.NOTIFYING, State.NOTICED):
        await cards.remember(tx, done, receipt)
    if member.state is not State.NOTIFYING:
        return
    await cancel(tx, subject_of(member), ("notice",), "delivered-elsewhere")
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
        page=0,
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


async def _removed_there(
    tx: Tx, parts: Parts, member: Membership, done: Order, now: datetime
) -> None:
    """The membership ends when they are outside on every platform."""
    so_far = await letting_go.progress(tx, member)
    if so_far.done and letting_go.softly(done):
        await guests.came(tx, parts, member, now)
    elif so_far.done:
        await _removed(tx, parts, member, done, now)
    elif not so_far.open:  # another platform has refused: the admins see how far it is
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
    number = letting_go.number_of_round(done)
    evidence = item.evidence if item else {"known_since": member.known_since.isoformat()}
    language = await notices.language_of(tx, parts, member.person_id)
    reason, why = await explained.why_removed_then(tx, parts, member, language)
    text = notices.goodbye_text(parts, reason, evidence, why, language)
    await notices.order_goodbye(tx, parts, member, text, url, number, language, now)
    await letting_go.order_account_ends(tx, parts, member, number, now)
    await removals.refresh(tx, parts, now)


async def _crossed_there(
    tx: Tx, parts: Parts, member: Membership, done: Order, now: datetime
) -> None:
    """A sign of life and a removal crossed: whoever has another account stays a member, and is
    asked back with the one that was put out. What was never handed to the platform has put out
    nobody: they have left by themselves, and that is told."""
    if not isinstance(done.action, Remove) or not (done.receipt or done.reason):
        return
    if len(await letting_go.accounts_of(tx, parts, member)) == 1:
        await crossed(tx, parts, member, "removal-crossed", now)
    else:
        await letting_go.restore(tx, parts, member, (done.action.who,), now)
        key = f"{subject_of(member)}/crossed/{done.id}"
        await notices.tell_member(tx, parts, member, "removal-crossed", key, now)


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
    if unheard:
        member = await tx.get(Membership, member.id)
    if failed.purpose in {"notice", "removal"}:
        decision = Decision(Verdict.RECORD, f"{failed.purpose}-failed", {"why": reason})
        await record(tx, parts, decision, now=now, actor="platform", subject=failed.subject)
        if unheard:
            await _try_next(tx, parts, member, failed, now)
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
    if placed.purpose == guests.NOTE:
        return member.state is State.GUEST
    if placed.purpose == letting_go.ACCOUNT_END:
        return await letting_go.account_still_ends(tx, parts, member, placed)
    if placed.purpose == letting_go.RESTORE:
        return member.state in INSIDE and member.state is not State.GUEST
    if placed.purpose == "notice":
        if member.state is not State.NOTIFYING:
            return False
        await renew(tx, parts, member, placed, now)
        return True
    soft = letting_go.softly(placed)
    if soft and member.state in INSIDE and member.state is not State.CONFIRMED:
        await guests.crossed(tx, parts, member, placed, now)
        return False
    if member.state is State.ACTIVE and standing is not None and not standing.inside:
        await _crossed_there(tx, parts, member, placed, now)
        return False
    if member.state is not State.CONFIRMED:
        return False
    outlook = member_facts.outlook_on(parts, member.identity, standing)
    [look] = await member_facts.look_at(tx, parts, [member], outlook, now)
    why = why_not_removed(look.candidate, now)
    if not why or (standing is not None and not standing.inside):
        # An account outside may be so by a first try of ours whose answer was lost, or never have
        # been inside: this tells the two apart.
        if standing is not None and standing.inside and not placed.reason:
            await tx.change(placed, reason=BEGUN)
        return True
    decision = Decision(Verdict.KEEP, why)
    member, _ = await stage_ends.set_free(tx, parts, member, Event.KEEP, decision, "schedule", now)
    if soft:
        await guests.crossed(tx, parts, member, placed, now)
    return False
