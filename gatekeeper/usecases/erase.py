"""Everything that is kept about one person, erased until only a number is left.

The record of decisions stays: its rows name people by number, and the inputs that they saw are
erased with the rest, so that the chain is whole before and after.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from gatekeeper.domain.activity import Activity, Tie
from gatekeeper.domain.applications import OPEN, Application, Event, Question, Vote, Vouch
from gatekeeper.domain.applications import State as Standing
from gatekeeper.domain.applications import advance as advance_application
from gatekeeper.domain.clubs import (
    Budget,
    Draft,
    EarlyPress,
    Finding,
    Pass,
    Proof,
    StandingCard,
    Tally,
)
from gatekeeper.domain.decisions import (
    Admit,
    Bring,
    Card,
    Decision,
    EndAccount,
    Lane,
    Mend,
    Order,
    Post,
    Progress,
    Remove,
    Retract,
    ShowCard,
    Tell,
    Verdict,
)
from gatekeeper.domain.errors import Value
from gatekeeper.domain.identity import EMAIL, Account, Address, Identity, LinkCode, Linked, Person
from gatekeeper.domain.memberships import (
    INSIDE,
    Dispute,
    Exemption,
    Leave,
    Membership,
    SweepItem,
    advance,
)
from gatekeeper.domain.memberships import Event as Leaving
from gatekeeper.ports import Tx
from gatekeeper.usecases import cards, dispute_card, removals
from gatekeeper.usecases.export import person_of, subjects_of
from gatekeeper.usecases.naming import number_of
from gatekeeper.usecases.parts import Parts, order, record

SUBJECT = "erased:"  # of the few Orders that still name them
REDRAWN = frozenset({"application", "invite", "newcomer"})  # cards that name somebody
INVITED = (Standing.APPROVED, Standing.INVITED)
CARDS = (cards.CARD, cards.UPDATE)
OPEN_ORDERS = (Progress.DUE, Progress.WAITING)


# ---- Erasing -----------------------------------------------------------------------------------


async def erase(parts: Parts, identity: Identity, by: str, *, remove: bool = False) -> Decision:
    """Erase the person behind an identity; membership, open applications and invitations end.

    Args:
        by: who erases, for the record.
        remove: also order their removal from the club's places. The account is kept in the Orders
            for that, and for taking an invitation back, until they are carried out.

    Raises:
        NotFound: nobody is known by this identity (any more).
    """
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        person = await person_of(tx, identity)
        accounts = await tx.find(Account, person_id=person.id)
        apps = await tx.find(Application, person_id=person.id)
        members = await tx.find(Membership, person_id=person.id)
        is_inside = any(member.state in INSIDE for member in members)
        inside = [one.identity for one in accounts] if is_inside else []
        invited = [app.identity for app in apps if app.state in INVITED]
        invited += [member.identity for member in members if member.back_invited_at]
        nobody = {one.identity: _nobody(one.identity, person) for one in accounts}
        letters = await tx.find(Address, person_id=person.id)
        nobody |= {who: _nobody(who, person) for who in map(_by_mail, letters)}
        subjects = subjects_of(person, accounts, apps, members)
        await _end(tx, apps, members, nobody, now)
        await _erase_orders(tx, subjects, nobody, now)
        await _erase_rows(tx, person, apps, members, nobody, now)
        await _erase_elsewhere(tx, nobody)
        for letter in letters:
            await tx.remove(Pass, identity=_by_mail(letter))
            await tx.remove(Tally, key=f"code-to:{_by_mail(letter)}")
        await tx.remove(Address, person_id=person.id)
        for one in accounts:
            await _erase_account(tx, one, nobody[one.identity])
        await tx.change(person, name=f"#{person.id}", language="", listed=False, erased_at=now)
        await tx.erase_inputs((*subjects, *await _erase_former(tx, person.id, now)))
        decision = Decision(Verdict.RECORD, "erased")
        await record(tx, parts, decision, now=now, actor=by, subject=f"person:{person.id}")
        await _redraw(tx, parts, subjects, person)
        await removals.refresh(tx, parts, now)
        await dispute_card.end(tx, parts, person.id, now)
        for who in inside if remove else ():
            await _order(tx, person, Remove(who=who, reason=parts.say("erased-reason")), now)
        for who in invited:
            await _order(tx, person, Retract(who=who, reason=parts.say("erased-reason")), now)
    return decision


async def _order(tx: Tx, person: Person, action: Remove | Retract, now: datetime) -> None:
    subject = f"{SUBJECT}{person.id}"
    platform, purpose = action.who.platform, "removal" if isinstance(action, Remove) else "retract"
    await order(
        tx,
        action,
        platform=platform,
        key=f"{subject}/{purpose}/{platform}/{await tx.count(Order, subject=subject)}",
        purpose=purpose,
        subject=subject,
        lane=Lane.REMOVAL,
        now=now,
    )


async def forget_whom(tx: Tx, done: Order) -> None:
    """Someone erased is outside: their account is no longer needed for it."""
    nobody = Identity(done.platform, done.subject)
    if isinstance(done.action, Remove | Retract):
        await tx.change(done, action=replace(done.action, who=nobody, reason=""))


def _nobody(who: Identity, person: Person) -> Identity:
    return Identity(who.platform, f"erased:{person.id}")


def _by_mail(address: Address) -> Identity:
    return Identity(EMAIL, address.address)


async def _end(
    tx: Tx,
    apps: list[Application],
    members: list[Membership],
    nobody: Mapping[Identity, Identity],
    now: datetime,
) -> None:
    """What was open ends, and names nobody any more."""
    for app in apps:
        ends: dict[str, Any] = {}
        if app.state in OPEN:
            event = Event.EXPIRE if app.state is Standing.UNPROVEN else Event.WITHDRAW
            ends = {
                "state": advance_application(app.state, event),
                "ended_at": now,
                "reason": "erased",
            }
        await tx.change(
            app,
            identity=nobody.get(app.identity, app.identity),
            name=f"#{app.person_id}",
            answers=None,
            previous_answers=None,
            knock_reason="",
            reason_text="",
            browser="",
            due_at=None,
            **ends,
        )
    for member in members:
        over: dict[str, Any] = {}
        if member.state in INSIDE:
            over = {"state": advance(member.state, Leaving.DEPART), "ended_at": now}
        await tx.change(
            member,
            identity=nobody.get(member.identity, member.identity),
            name=f"#{member.person_id}",
            cause="erased",
            last_place="",
            confirmed_by="",
            welcome_due_at=None,
            back_invited_at=None,
            back_due_at=None,
            **over,
        )


async def _erase_former(tx: Tx, person_id: int, now: datetime) -> list[str]:
    """Who they were before their accounts were linked: as what the record's rows name them."""
    subjects = []
    for linked in await tx.find(Linked, into_id=person_id):
        if linked.ended_at is None:
            was = await tx.get(Person, linked.from_id)
            await tx.change(was, name=f"#{was.id}", language="", listed=False, erased_at=now)
            subjects += [f"person:{was.id}", *await _erase_former(tx, was.id, now)]
        await tx.remove(Linked, id=linked.id)
    for linked in await tx.find(Linked, from_id=person_id):  # they were taken apart again
        await tx.remove(Linked, id=linked.id)
    return subjects


async def _erase_account(tx: Tx, account: Account, nobody: Identity) -> None:
    who = account.identity
    await tx.change(account, identity=nobody, name=f"#{account.person_id}", roles=())
    await tx.remove(Tally, key=f"code-to:{who}")
    for limit in await tx.find(Budget, platform=who.platform):
        if limit.limiter.endswith(f":{who.account}"):
            await tx.remove(Budget, id=limit.id)
    await tx.remove(Proof, identity=who)
    await tx.remove(LinkCode, identity=who)
    for code in await tx.find(LinkCode, used_by=str(who)):
        await tx.change(code, used_by="")
    await tx.remove(Pass, identity=who)
    await tx.remove(Draft, who=who)
    await tx.remove(EarlyPress, who=who)
    await tx.remove(Finding, platform=who.platform, subject=who.account)
    for vote in await tx.find(Vote, voter=who):
        await tx.change(vote, voter=nobody)
    for vouch in await tx.find(Vouch, voucher=who):
        await tx.change(vouch, voucher=nobody)
    for question in await tx.find(Question, asked_by=who):
        await tx.change(question, asked_by=nobody)


async def _erase_elsewhere(tx: Tx, nobody: Mapping[Identity, Identity]) -> None:
    """Where they were to decide on others; who decided what is kept by number everywhere."""
    for app in await tx.find(Application):
        changes = {
            "electorate": tuple(nobody.get(who, who) for who in app.electorate),
            "involved": tuple(nobody.get(who, who) for who in app.involved),
        }
        if any(getattr(app, field) != value for field, value in changes.items()):
            await tx.change(app, **changes)


async def _erase_rows(
    tx: Tx,
    person: Person,
    apps: list[Application],
    members: list[Membership],
    nobody: Mapping[Identity, Identity],
    now: datetime,
) -> None:
    await tx.remove(Activity, person_id=person.id)
    await tx.remove(Tie, person_id=person.id)
    await tx.remove(Tie, to_id=person.id)
    for app in apps:
        for question in await tx.find(Question, application_id=app.id):
            await tx.change(question, text="", answer="", ended_at=question.ended_at or now)
        for vote in await tx.find(Vote, application_id=app.id):
            await tx.change(vote, told="")
    for leave in await tx.find(Leave, person_id=person.id):
        await tx.change(leave, note="", by="", ended_at=leave.ended_at or now)
    for kept in await tx.find(Exemption, person_id=person.id):
        await tx.change(kept, reason="", ended_at=kept.ended_at or now)
    for dispute in await tx.find(Dispute, person_id=person.id):
        await tx.change(dispute, said="", reason="")
    for member in members:
        for item in await tx.find(SweepItem, membership_id=member.id):
            await tx.change(item, evidence={})


async def _erase_orders(
    tx: Tx, subjects: tuple[str, ...], nobody: Mapping[Identity, Identity], now: datetime
) -> None:
    """What was ordered about them says nothing any more; what is still open is cancelled."""
    about = await tx.find(Order, subject__in=subjects)
    theirs = {one.id for one in about}
    for other in await tx.find(Order, purpose__in=("welcome", "told", "cannot-read", *CARDS)):
        if other.id not in theirs and _names(other, nobody):
            about.append(other)
    for one in about:
        ours = one.subject in subjects or isinstance(one.action, Tell)
        open_now = one.progress in OPEN_ORDERS and ours
        ends: dict[str, Any] = (
            {"progress": Progress.CANCELLED, "reason": "erased"} if open_now else {}
        )
        await tx.change(one, action=_blank(one, nobody), **ends)
    for subject in subjects:
        for card in await tx.find(StandingCard, subject=subject, ended_at=None):
            if card.kind == "notice":
                await tx.change(card, ended_at=now)


def _names(one: Order, nobody: Mapping[Identity, Identity]) -> bool:
    action = one.action
    if isinstance(action, Post):
        return any(who in nobody for who in action.mentions)
    if isinstance(action, ShowCard):
        shown = repr(action.card)
        return any(who.account in shown for who in nobody)
    return getattr(action, "who", None) in nobody


def _blank(one: Order, nobody: Mapping[Identity, Identity]) -> Any:
    action = one.action
    match action:
        case Tell():
            return Tell(who=nobody.get(action.who, action.who), text="")
        case Post():
            left = tuple(who for who in action.mentions if who not in nobody)
            return replace(action, text="", mentions=left)
        case ShowCard():
            return replace(action, card=Card(title="", status=""))
        case Admit() | Retract() | Remove():
            return replace(action, who=nobody.get(action.who, action.who), reason="")
        case Bring():
            return replace(action, who=nobody.get(action.who, action.who), name="")
        case EndAccount():
            return replace(action, who=nobody.get(action.who, action.who))
        case Mend():
            return action  # of a place; nobody is named


async def _redraw(tx: Tx, parts: Parts, subjects: Collection[str], person: Person) -> None:
    """Let the cards in the admins' room forget them too."""
    now = parts.clock.now()
    for subject in subjects:
        if subject.partition(":")[0] not in REDRAWN or await cards.current(tx, subject) is None:
            continue
        values: dict[str, Value] = {"applicant": f"#{person.id}", "number": number_of(subject)}
        card = Card(title=parts.say("card.title", values), status=parts.say("erased"))
        await cards.show(tx, parts, subject, card, now)
        await cards.end(tx, subject, now)
