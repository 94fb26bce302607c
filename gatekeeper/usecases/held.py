"""A Sweep that the brake has held: its plan stands on a card of its own, and asks."""

from datetime import datetime

from gatekeeper.domain import pruning
from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import Card, Choice
from gatekeeper.domain.errors import Value
from gatekeeper.domain.memberships import Membership, Sweep, SweepItem
from gatekeeper.ports import Tx
from gatekeeper.usecases import cards, removals
from gatekeeper.usecases.notices import say_evidence
from gatekeeper.usecases.parts import Parts

PREFIX = "club:sweep-"  # subject of its card; in front of it the kind of all cards about removals
SHOWN = 15  # names on the card: more rows than that are cut by some clients' limits


def card_subject(sweep: Sweep) -> str:
    """How orders and presses name the card of a held Sweep."""
    return f"{PREFIX}{sweep.id}"


def sweep_id(card: StandingCard) -> int:
    """The Sweep that a card is about."""
    return int(card.subject.removeprefix(PREFIX))


def choices(parts: Parts) -> tuple[Choice, ...]:
    """What admins can press on the card of a Sweep that stopped to ask."""
    return (
        Choice("confirm", removals.CONFIRM, parts.say("held.confirm")),
        Choice("keep", removals.KEEP, parts.say("held.keep")),
    )


async def touched_before(tx: Tx, before: Sweep | None = None) -> list[int]:
    """How many the last Sweeps touched, those that went through and touched anybody, the newest
    first."""
    earlier = {"id__lt": before.id} if before else {}
    last = await tx.find(
        Sweep, held="", touched__gt=0, order="-id", limit=pruning.SWEEPS_COMPARED, **earlier
    )
    return [sweep.touched for sweep in last]


async def usual(tx: Tx, before: Sweep | None = None) -> float | None:
    """How many they touched as a rule."""
    return pruning.usual(await touched_before(tx, before))


async def brake(tx: Tx, parts: Parts) -> pruning.Brake:
    """The brake of the policy in force."""
    limit = parts.policy.pruning.max_affected
    return pruning.Brake(
        count=limit.count,
        percent=limit.percent,
        times=limit.times_usual,
        usual=await usual(tx),
    )


async def show(tx: Tx, parts: Parts, sweep: Sweep, now: datetime, answer: str = "") -> None:
    """Show the plan and ask; with `answer` (go-on, left) it is decided and has had its day."""
    items = await tx.find(SweepItem, sweep_id=sweep.id)
    touched = [item for item in items if item.verdict in {"notify", "remove"}]
    facts = []
    for item in touched[:SHOWN]:
        member = await tx.get(Membership, item.membership_id)
        label = f"#{member.id} {member.name} · {member.identity.account}"
        what = parts.say(f"held.{item.verdict}")
        facts.append((label, f"{what} {say_evidence(parts, item.evidence)}"))
    more = len(touched) - SHOWN
    values: dict[str, Value] = {"count": len(touched), "more": max(more, 0)}
    if sweep.held == "brake-usual":
        times = parts.policy.pruning.max_affected.times_usual or 1
        usually = await usual(tx, before=sweep) or 0
        values |= {"usual": f"{usually:g}", "times": f"{times:g}", "count": sweep.touched}
    card = Card(
        title=parts.say("held.title", values),
        status=parts.say(f"held.{answer or sweep.held}", values),
        facts=tuple(facts),
        lines=(parts.say("held.more", values),) if more > 0 else (),
        choices=() if answer else choices(parts),
    )
    await cards.show(tx, parts, card_subject(sweep), card, now)
    if answer:
        await cards.end(tx, card_subject(sweep), now)
