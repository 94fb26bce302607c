"""The removals card in the admins' room, and what an admin's word on it does.

One card stands for the club: all whose removal is planned, and by name those who could not be
reached. A press confirms exactly those that the card showed at the moment of the press.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import (
    Card,
    Choice,
    Decision,
    Order,
    Progress,
    ShowCard,
    Verdict,
)
from gatekeeper.domain.errors import Value
from gatekeeper.domain.memberships import Event, Membership, State, SweepItem, advance
from gatekeeper.policy.texts import iso
from gatekeeper.ports import Tx
from gatekeeper.usecases import cards, letting_go, notices
from gatekeeper.usecases.naming import said_by, subject_of
from gatekeeper.usecases.parts import Parts, by_number, cancel, record

CLUB = "club"
CONFIRM, KEEP = "✅", "❌"
_NUMBERED = re.compile(r"^#(\d+) ")
_VALUE = "value."

# A membership without any stage behind it.
FREE: Final[Mapping[str, Any]] = {
    "noticed_at": None,
    "notice_ref": "",
    "notice_code": "",
    "notice_policy": "",
    "unreachable_since": None,
    "grace_ends_at": None,
    "planned_at": None,
    "confirmed_by": "",
}


# ---- The card ----------------------------------------------------------------------------------


async def refresh(tx: Tx, parts: Parts, now: datetime, *, alone: bool = False) -> None:
    """Let the card show who is planned now; with nobody left it says so and has had its day.

    A new card is made once someone is planned; `alone` also for those who could not be reached.
    """
    card = await draw(tx, parts, now)
    standing = await cards.current(tx, CLUB)
    if card.facts and (alone or standing is not None or await _anyone_planned(tx)):
        await cards.show(tx, parts, CLUB, card, now)
    elif standing is not None:
        await cards.show(tx, parts, CLUB, card, now)
        await cards.end(tx, CLUB, now)


async def catch_up(tx: Tx, parts: Parts, now: datetime) -> bool:
    """Whether the card shows otherwise than it should, with no update on its way."""
    standing = await cards.current(tx, CLUB)
    pending = await tx.first(
        Order, subject=CLUB, purpose__in=(cards.CARD, cards.UPDATE), progress=Progress.DUE
    )
    if pending is not None:
        return False
    card = await draw(tx, parts, now)
    if standing is not None:
        return standing.shown != cards.shown(card)
    return bool(card.facts) and await _anyone_planned(tx)


async def _anyone_planned(tx: Tx) -> bool:
    return await tx.first(Membership, state__in=(State.PLANNED, State.CONFIRMED)) is not None


async def draw(tx: Tx, parts: Parts, now: datetime) -> Card:
    """The card as it stands at `now`."""
    waiting = await tx.find(
        Membership, state__in=(State.PLANNED, State.CONFIRMED), order="planned_at"
    )
    unreached = await unreachable(tx, parts, now)
    facts = [(_label(member), await _fact(tx, parts, member)) for member in (*waiting, *unreached)]
    open_ones = [member for member in waiting if await to_confirm(tx, member)]
    lines = [parts.say("removals.by-name")] if facts else []
    status = "removals.open" if open_ones else "removals.on-its-way" if waiting else "removals.none"
    if unreached and not waiting:
        status = "removals.only-unreachable"
    return Card(
        title=parts.say("removals.title"),
        status=parts.say(status, {"count": len(open_ones)}),
        facts=tuple(facts),
        lines=tuple(lines),
        choices=choices(parts) if open_ones else (),
    )


def choices(parts: Parts) -> tuple[Choice, ...]:
    """What admins can press on a card about removals."""
    return (
        Choice("confirm", CONFIRM, parts.say("removals.confirm")),
        Choice("keep", KEEP, parts.say("removals.keep")),
    )


def _label(member: Membership) -> str:
    return f"#{member.id} {member.name} · {member.identity.account}"


async def _fact(tx: Tx, parts: Parts, member: Membership) -> str:
    item = await last_item(tx, member)
    told = [notices.say_evidence(parts, item.evidence)] if item else []
    if member.state is State.CONFIRMED:
        told += await _said_of_confirmed(tx, parts, member)
    elif member.noticed_at is not None:
        told.append(parts.say("removals.noticed", {"at": iso(member.noticed_at)}))
    elif member.unreachable_since is not None:
        values = {"since": iso(member.unreachable_since)}
        told.append(parts.say("removals.unreachable", values))
        told.append(await _said_of_tries(tx, parts, member))
    return " ".join(told)


async def _said_of_confirmed(tx: Tx, parts: Parts, member: Membership) -> list[str]:
    """By whom, and how far it is on each platform; what an admin can do where one refused."""
    so_far = await letting_go.progress(tx, member)
    code = "removals.confirmed" if so_far.open else "removals.failed"
    told = [parts.say(code, {"by": await said_by(tx, member.confirmed_by)})]
    done = [who for who, one in so_far.by_account.items() if one.progress is Progress.DONE]
    told += [parts.say("removals.done-there", {"account": str(who)}) for who in done]
    for who, one in so_far.failed.items():
        why = parts.say(f"platform-refused.{one.reason}") if one.reason else ""
        told.append(parts.say("removals.by-hand", {"account": str(who), "why": why}))
    return told


async def _said_of_tries(tx: Tx, parts: Parts, member: Membership) -> str:
    """On which accounts we have tried to ask somebody whom nothing reaches."""
    tried = [str(who) for who in await notices.tried(tx, member)]
    return parts.say("removals.tried", {"accounts": ", ".join(tried)})


async def last_item(tx: Tx, member: Membership) -> SweepItem | None:
    """What the last Sweep that would not let them be had seen."""
    return await tx.first(SweepItem, membership_id=member.id, order="-id")


def evidence_of(evidence: Mapping[str, Value], values: Mapping[str, Value]) -> dict[str, Value]:
    """What a SweepItem keeps: the evidence, and the values of the rule's own sentence."""
    return {**evidence, **{f"{_VALUE}{name}": value for name, value in values.items()}}


def values_of(item: SweepItem) -> dict[str, Value]:
    """The values of the rule's own sentence, as a SweepItem keeps them."""
    kept = item.evidence.items()
    return {name.removeprefix(_VALUE): v for name, v in kept if name.startswith(_VALUE)}


def told_until(item: SweepItem) -> datetime | None:
    """The date to answer by that a waiting notice has been given."""
    until = item.evidence.get("until")
    return datetime.fromisoformat(str(until)) if until else None


async def unreachable(tx: Tx, parts: Parts, now: datetime) -> list[Membership]:
    """Those who left the chat untaken for as long as others have to answer."""
    grace = parts.policy.pruning.grace
    return await tx.find(
        Membership, state=State.NOTIFYING, unreachable_since__lte=now - grace, order="id"
    )


async def to_confirm(tx: Tx, member: Membership) -> bool:
    """Whether a ✅ means this one: planned, or confirmed with a removal that came to nothing."""
    if member.state is State.PLANNED:
        return True
    return member.noticed_at is not None and await came_to_nothing(tx, member)


async def came_to_nothing(tx: Tx, member: Membership) -> bool:
    """Whether a confirmed removal is not on its way, and not done on every platform."""
    if member.state is not State.CONFIRMED:
        return False
    so_far = await letting_go.progress(tx, member)
    return not so_far.open and not so_far.done


async def shown_at(tx: Tx, card: StandingCard, at: datetime) -> set[int]:
    """The memberships that the card showed at a moment, by the orders that drew it.

    A press can come before the Receipt of the first drawing: there was nothing else to be seen.
    """
    drawn = await tx.find(
        Order,
        subject=card.subject,
        platform=card.platform,
        purpose__in=(cards.CARD, cards.UPDATE),
        progress=Progress.DONE,
        order="-id",
    )
    shown: set[int] = set()
    for one in drawn:
        if one.receipt is None or not isinstance(one.action, ShowCard):
            continue
        if card.ref not in (one.action.ref, one.receipt.ref):
            continue
        found = (_NUMBERED.match(label) for label, _ in one.action.card.facts)
        shown = {int(match.group(1)) for match in found if match}
        if one.receipt.at <= at:
            break
    return shown


# ---- What is done with a word ------------------------------------------------------------------


async def confirm(tx: Tx, parts: Parts, member: Membership, by: str, now: datetime) -> None:
    """An admin's yes (or a policy that asks for none): the removal is due on every platform."""
    if member.state is not State.CONFIRMED:
        member = await tx.change(
            member,
            state=advance(member.state, Event.CONFIRM),
            confirmed_by=await by_number(tx, parts, by, now),
        )
    item = await last_item(tx, member)
    await record(
        tx,
        parts,
        Decision(Verdict.REMOVE, "removal-confirmed"),
        now=now,
        actor=by,
        subject=subject_of(member),
        seen={"evidence": dict(item.evidence) if item else {}},
    )
    await cancel(tx, subject_of(member), ("notice",), "removal-confirmed")
    await letting_go.order_everywhere(tx, parts, member, now)
