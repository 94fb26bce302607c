"""The card of a dispute in the admins' room, and how a dispute ends by other hands."""

from datetime import datetime

from gatekeeper.domain.decisions import Card, Choice
from gatekeeper.domain.memberships import Dispute, Membership
from gatekeeper.policy.texts import iso
from gatekeeper.ports import Tx
from gatekeeper.usecases import cards, removals
from gatekeeper.usecases.naming import said_by
from gatekeeper.usecases.notices import say_evidence
from gatekeeper.usecases.parts import Parts

PREFIX = "dispute:"
RIGHT = "🤝"  # they are right


def subject(dispute: Dispute) -> str:
    """How orders and presses name the card of a dispute."""
    return f"{PREFIX}{dispute.id}"


async def show(tx: Tx, parts: Parts, dispute: Dispute, now: datetime) -> None:
    """Let the card show how a dispute stands; one that has ended has had its day."""
    member = await tx.get(Membership, dispute.membership_id)
    item = await removals.last_item(tx, member)
    facts = [
        (parts.say("dispute.words"), dispute.said or parts.say("dispute.no-words")),
        (parts.say("dispute.stage"), parts.say(f"dispute.stage.{dispute.stage}")),
    ]
    if item is not None and item.evidence:
        facts.append((parts.say("dispute.evidence"), say_evidence(parts, item.evidence)))
    if dispute.confirmed_by:
        by = await said_by(tx, dispute.confirmed_by)
        facts.append((parts.say("dispute.confirmed-by"), by))
    values = {
        "by": await said_by(tx, dispute.by),
        "why": dispute.reason,
        "since": iso(dispute.opened_at),
    }
    is_open = dispute.ended_at is None
    card = Card(
        title=parts.say("dispute.title", {"name": member.name, "account": str(member.identity)}),
        status=parts.say(f"dispute.{dispute.outcome or 'open'}", values),
        facts=tuple(facts),
        lines=(parts.say("dispute.reply"),) if is_open else (),
        choices=(Choice("right", RIGHT, parts.say("dispute.right")),) if is_open else (),
    )
    await cards.show(tx, parts, subject(dispute), card, now)
    if not is_open:
        await cards.end(tx, subject(dispute), now)


async def end(tx: Tx, parts: Parts, person_id: int, now: datetime) -> None:
    """Nothing is left to be answered: the person was put out by hand, banned, or is gone."""
    for dispute in await tx.find(Dispute, person_id=person_id, ended_at=None):
        ended = await tx.change(dispute, ended_at=now, outcome="ended", due_at=None)
        await show(tx, parts, ended, now)
