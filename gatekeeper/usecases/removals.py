"""The removals card in the admins' room, and what an admin's word on it does.

One card stands for the club: all whose removal is planned, and by name those who could not be
reached; where they are many it has several pages, each a message. A press confirms exactly those
that the card showed at the moment of the press.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
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
from gatekeeper.domain.identity import EMAIL
from gatekeeper.domain.memberships import (
    INSIDE,
    Event,
    Membership,
    State,
    SweepItem,
    advance,
)
from gatekeeper.domain.pruning import digest_at
from gatekeeper.policy.texts import iso
from gatekeeper.ports import Tx
from gatekeeper.usecases import cards, letting_go, notices
from gatekeeper.usecases.naming import said_by, subject_of
from gatekeeper.usecases.parts import Parts, by_number, cancel, record

CLUB, PAGE = "club", "club:page-"
# So many names go into one message of any platform, however long they are: a ✅ confirms them all,
# so that none may be cut off.
PER_PAGE, PAGES = 15, 30
ROOM = PER_PAGE * PAGES
NAME = 40  # letters of a name, so that a page of long ones still goes into an event
DECIDED = (State.PLANNED, State.CONFIRMED)  # on the card by a decision
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
    "guest_at": None,
    "planned_at": None,
    "confirmed_by": "",
    "page": 0,
}


# ---- The card ----------------------------------------------------------------------------------


async def refresh(tx: Tx, parts: Parts, now: datetime, *, alone: bool = False) -> None:
    """Let the card show who is planned now; with nobody left it says so and has had its day.

    A new card is made once someone is planned; `alone` also for those who could not be reached.
    """
    standing = await _pages(tx)
    waiting = await tx.find(Membership, state__in=DECIDED, order="planned_at")
    unreached = await unreachable(tx, parts, now)
    asking = [*waiting, *unreached] if alone else waiting
    if not standing and not any(shows(parts, one, now) for one in asking):
        return
    them = await _placed(tx, parts, [*waiting, *unreached], now)
    told = await _read(tx, parts, them)
    last = max(1, *standing, *(one.page for one in them))
    for page in range(last, 0, -1):  # the first one has the choices, and comes last
        on_it = [one for one in them if one.page == page]
        if not on_it and page not in standing and (page > 1 or not them):
            continue
        card = await _draw(tx, parts, told, them, page, last)
        await cards.show(tx, parts, page_subject(page), card, now)
        if not on_it and (page > 1 or not them):
            await cards.end(tx, page_subject(page), now)


async def catch_up(tx: Tx, parts: Parts, now: datetime) -> bool:
    """Whether somebody's moment to come on the card has come."""
    new = await tx.find(Membership, state=State.PLANNED, page=0, order="planned_at", limit=ROOM)
    if not any(shows(parts, one, now) for one in new):
        if not await tx.count(Membership, state__in=DECIDED, page__gt=0):
            return False
        unreached = await unreachable(tx, parts, now)
        new = [one for one in unreached if one.page == 0]
    if not any(shows(parts, one, now) for one in new):
        return False
    return await tx.count(Membership, state__in=tuple(INSIDE), page__gt=0) < ROOM


def shows(parts: Parts, member: Membership, now: datetime) -> bool:
    """Whether someone belongs on the card now: with a digest from the next one's day on."""
    begun = member.planned_at or member.unreachable_since
    if member.page or member.state is State.CONFIRMED or begun is None:
        return True
    return shows_from(parts, begun) <= now


def shows_from(parts: Parts, begun: datetime) -> datetime:
    """When someone planned at `begun` comes on the card."""
    spec = parts.policy.pruning
    if spec.digest == "none":
        return begun
    return digest_at(begun, spec.time_zone or parts.policy.club.spec.time_zone)


def page_subject(page: int) -> str:
    """How orders and presses name one page of the card."""
    return CLUB if page == 1 else f"{PAGE}{page}"


def is_page(subject: str) -> bool:
    """Whether a subject names the card or a page of it."""
    return subject == CLUB or subject.startswith(PAGE)


def page_of(card: StandingCard) -> int:
    """The page that a card is; 0 for one that is no page of the card about removals."""
    if card.subject == CLUB:
        return 1
    return int(card.subject.removeprefix(PAGE)) if card.subject.startswith(PAGE) else 0


async def _pages(tx: Tx) -> dict[int, StandingCard]:
    """The pages that stand, by their number."""
    found = await tx.find(StandingCard, kind="removals", ended_at=None)
    return {page_of(card): card for card in found if page_of(card)}


async def _placed(tx: Tx, parts: Parts, them: list[Membership], now: datetime) -> list[Membership]:
    """Those who are on the card, each with a page: whoever has one keeps it, so that a card
    changes only where somebody on it does."""
    room = Counter(one.page for one in them)
    placed = []
    for one in them:
        if not one.page and shows(parts, one, now):
            page = next((n for n in range(1, PAGES + 1) if room[n] < PER_PAGE), 0)
            if page:
                one = await tx.change(one, page=page)
                room[page] += 1
        if one.page:
            placed.append(one)
    return placed


@dataclass(frozen=True, slots=True)
class _Told:
    """What the card tells of them, read at once."""

    items: Mapping[int, SweepItem]
    removals: Mapping[int, letting_go.Progressed]
    names: Mapping[str, str]
    soft: frozenset[int]  # whom a ✅ makes guests, and does not put out yet


async def _read(tx: Tx, parts: Parts, them: list[Membership]) -> _Told:
    ids = tuple(one.id for one in them)
    items = await tx.find(SweepItem, membership_id__in=ids, order="id") if ids else []
    confirmed = [one for one in them if one.state is State.CONFIRMED]
    asked = them if parts.policy.pruning.softer is not None else []
    return _Told(
        items={item.membership_id: item for item in items},
        removals=await letting_go.progress_of_all(tx, confirmed),
        names={by: await said_by(tx, by) for by in {one.confirmed_by for one in confirmed}},
        soft=frozenset([one.id for one in asked if await letting_go.comes_softly(tx, parts, one)]),
    )


async def _draw(
    tx: Tx, parts: Parts, told: _Told, them: list[Membership], page: int, last: int
) -> Card:
    """One page of the card; the first one tells how it stands and has the choices."""
    facts = [(_label(one), await _fact(tx, parts, told, one)) for one in them if one.page == page]
    if page > 1:
        values: dict[str, Value] = {"page": page, "pages": last}
        title = parts.say("removals.title-page", values)
        status = parts.say("removals.page" if facts else "removals.page-done", values)
        lines = (parts.say("removals.by-name"),) if facts else ()
        return Card(title=title, status=status, facts=tuple(facts), lines=lines)
    open_ones = [one for one in them if _to_confirm(one, told.removals.get(one.id))]
    waiting = [one for one in them if one.state in DECIDED]
    status = "removals.open" if open_ones else "removals.on-its-way" if waiting else "removals.none"
    if them and not waiting:
        status = "removals.only-unreachable"
    lines = (parts.say("removals.by-name"),) if them else ()
    if softer := [one for one in open_ones if one.id in told.soft]:
        lines = (parts.say("removals.softer", {"count": len(softer)}), *lines)
    if last > 1:
        lines = (parts.say("removals.pages", {"pages": last}), *lines)
    if them and (more := await _without_a_page(tx)):
        lines = (*lines, parts.say("removals.more", {"count": more}))
    return Card(
        title=parts.say("removals.title"),
        status=parts.say(status, {"count": len(open_ones)}),
        facts=tuple(facts),
        lines=lines,
        choices=choices(parts) if open_ones else (),
    )


async def _without_a_page(tx: Tx) -> int:
    """How many more are planned than there is room for, or wait for the day of the digest."""
    return await tx.count(Membership, state=State.PLANNED, page=0)


def choices(parts: Parts) -> tuple[Choice, ...]:
    """What admins can press on a card about removals."""
    softly = "-softer" if parts.policy.pruning.softer is not None else ""
    return (
        Choice("confirm", CONFIRM, parts.say(f"removals.confirm{softly}")),
        Choice("keep", KEEP, parts.say("removals.keep")),
    )


def _label(member: Membership) -> str:
    name = member.name if len(member.name) <= NAME else f"{member.name[: NAME - 1]}…"
    return f"#{member.id} {name} · {member.identity.account}"


async def _fact(tx: Tx, parts: Parts, known: _Told, member: Membership) -> str:
    item = known.items.get(member.id)
    told = [notices.say_evidence(parts, item.evidence)] if item else []
    if member.state is State.CONFIRMED:
        by = known.names[member.confirmed_by]
        told += _said_of_confirmed(parts, known.removals[member.id], by)
    elif member.noticed_at is not None:
        told.append(parts.say("removals.noticed", {"at": iso(member.noticed_at)}))
        if notices.was_letter(member):
            told.append(parts.say("removals.only-by-mail"))
        if member.guest_at is not None:
            told.append(parts.say("removals.guest", {"at": iso(member.guest_at)}))
    elif member.unreachable_since is not None:
        values = {"since": iso(member.unreachable_since)}
        told.append(parts.say("removals.unreachable", values))
        told.append(await _said_of_tries(tx, parts, member))
    return " ".join(told)


def _said_of_confirmed(parts: Parts, so_far: letting_go.Progressed, by: str) -> list[str]:
    """By whom, and how far it is on each platform; what an admin can do where one refused."""
    code = "removals.confirmed" if so_far.open else "removals.failed"
    told = [parts.say(code, {"by": by})]
    done = [who for who, one in so_far.by_account.items() if one.progress is Progress.DONE]
    told += [parts.say("removals.done-there", {"account": str(who)}) for who in done]
    for who, one in so_far.failed.items():
        why = parts.say(f"platform-refused.{one.reason}") if one.reason else ""
        told.append(parts.say("removals.by-hand", {"account": str(who), "why": why}))
    return told


async def _said_of_tries(tx: Tx, parts: Parts, member: Membership) -> str:
    """On which accounts we have tried to ask somebody whom nothing reaches."""
    tried = await notices.tried(tx, member)
    ways = [parts.say("removals.by-mail") if who.platform == EMAIL else str(who) for who in tried]
    told = parts.say("removals.tried", {"accounts": ", ".join(ways)})
    by_mail = any(who.platform == EMAIL for who in tried)
    return told if by_mail else f"{told} {parts.say('removals.no-address')}"


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
    so_far = await letting_go.progress(tx, member) if member.state is State.CONFIRMED else None
    return _to_confirm(member, so_far)


def _to_confirm(member: Membership, so_far: letting_go.Progressed | None) -> bool:
    if member.state is not State.CONFIRMED or so_far is None:
        return member.state is State.PLANNED
    return member.noticed_at is not None and not so_far.open and not so_far.done


async def came_to_nothing(tx: Tx, member: Membership) -> bool:
    """Whether a confirmed removal is not on its way, and not done on every platform."""
    if member.state is not State.CONFIRMED:
        return False
    so_far = await letting_go.progress(tx, member)
    return not so_far.open and not so_far.done


async def shown_at(tx: Tx, card: StandingCard, at: datetime) -> set[int]:
    """The memberships that a card showed at a moment, by the orders that drew it.

    A press can come before the Receipt of the first drawing: there was nothing else to be seen.
    """
    shown, _ = await _drawn_at(tx, card, at)
    return shown


async def shown_on_pages(tx: Tx, card: StandingCard, at: datetime) -> set[int]:
    """The same for a press on the first page, which means all pages that stood there by then; a
    press on another page means that one alone."""
    shown = await shown_at(tx, card, at)
    if page_of(card) != 1:
        return shown
    for page, other in (await _pages(tx)).items():
        there, stood = await _drawn_at(tx, other, at)
        if page > 1 and stood:
            shown |= there
    return shown


async def _drawn_at(tx: Tx, card: StandingCard, at: datetime) -> tuple[set[int], bool]:
    """Whom a card showed, and whether it stood there by its Receipt."""
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
            return shown, True
    return shown, False


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
    soft = await letting_go.comes_softly(tx, parts, member)
    await record(
        tx,
        parts,
        Decision(Verdict.REMOVE, "softer-confirmed" if soft else "removal-confirmed"),
        now=now,
        actor=by,
        subject=subject_of(member),
        seen={"evidence": dict(item.evidence) if item else {}},
    )
    await cancel(tx, subject_of(member), ("notice",), "removal-confirmed")
    await letting_go.order_everywhere(tx, parts, member, now)
