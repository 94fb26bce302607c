"""The softer step before a removal: inside still, but in the guests' room alone.

Confirmed like a removal and judged again just before; a sign of life brings them back to the rooms
at once, and without one they are planned for removal when the time is over, as after a Grace.
"""

from datetime import datetime

from gatekeeper.domain.decisions import Decision, Order, Receipt, Verdict
from gatekeeper.domain.memberships import Event, Membership, advance
from gatekeeper.policy.texts import iso
from gatekeeper.ports import Tx
from gatekeeper.usecases import cards, explained, letting_go, notices, removals
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts, record

NOTE = "guest"  # purpose of the Order that tells them


async def came(tx: Tx, parts: Parts, member: Membership, now: datetime) -> None:
    """A confirmed member is out of the rooms on every platform: told why, and until when.

    Where the policy has lost the step meanwhile, they have what it gives for an answer.
    """
    spec, item = parts.policy.pruning, await removals.last_item(tx, member)
    until = now + (spec.softer or spec.grace)
    member = await tx.change(
        member,
        state=advance(member.state, Event.SOFTENED),
        guest_at=now,
        grace_ends_at=until,
        page=0,
    )
    entry = await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "guest-for-silence", {"until": iso(until)}),
        now=now,
        actor=member.confirmed_by or "schedule",
        subject=subject_of(member),
    )
    language = await notices.language_of(tx, parts, member.person_id)
    evidence = item.evidence if item else {"known_since": member.known_since.isoformat()}
    _, why = await explained.why_removed_then(tx, parts, member, language)
    reason = parts.say("guest-told", {}, language)
    text = notices.guest_text(parts, reason, evidence, until, why, language)
    await notices.order_answerable(
        tx,
        parts,
        member,
        text,
        key=f"{subject_of(member)}/{NOTE}/{entry.sequence}",
        purpose=NOTE,
        language=language,
        now=now,
    )
    await removals.refresh(tx, parts, now)


async def told(tx: Tx, member: Membership, done: Order, receipt: Receipt) -> None:
    """They were told: presses on it count like those on the notice."""
    if receipt.ref and not receipt.waiting:
        await cards.remember(tx, done, receipt)


async def crossed(tx: Tx, parts: Parts, member: Membership, done: Order, now: datetime) -> None:
    """A sign of life and the way to the guests' room crossed: whatever rooms were taken by then
    are given back. What was never handed to the platform has taken none."""
    who = getattr(done.action, "who", None)
    if who is not None and (done.receipt or done.reason):
        await letting_go.restore(tx, parts, member, (who,), now, rooms=True)
