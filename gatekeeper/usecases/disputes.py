"""“This is wrong”: whoever was asked or let go says so, and an admin who did not decide it answers.

Saying so is a sign of life, so that whatever was begun ends with it; and as long as the dispute is
open no Sweep touches them. If the answer is that the question was right, the rules apply to them
from then on as to anybody: it takes a new silence, a new notice and a whole new Grace.
"""

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import Decision, Lane, Order, Post, Verdict
from gatekeeper.domain.errors import Refused, Value
from gatekeeper.domain.events import Pressed, Wrote
from gatekeeper.domain.identity import EMAIL, Account, Identity
from gatekeeper.domain.memberships import INSIDE, STAGED, Dispute, Membership, State
from gatekeeper.ports import Tx
from gatekeeper.usecases import (
    comeback,
    dispute_card,
    email,
    limits,
    notices,
    passes,
    rights,
    stage_ends,
    votes,
)
from gatekeeper.usecases.naming import name_of, subject_of
from gatekeeper.usecases.parts import Parts, by_number, once, order, record, tell

LETTERS: Final = 500  # of words and reasons
REMIND: Final = timedelta(days=3)  # until admins are reminded of one, and again
WRONG: Final = re.compile(
    r"^\s*(?:this is wrong|that is wrong|das ist falsch|das stimmt nicht)\b[\s:;,.!–—-]*(.*)$",
    re.I | re.S,
)
_ANSWER: Final = re.compile(r"^\s*(keep|behalten?|behalt|no|nein)\b[\s:,]*(.*)$", re.I | re.S)
_NO: Final = frozenset({"no", "nein"})


# ---- Saying so ---------------------------------------------------------------------------------


async def wrote(tx: Tx, parts: Parts, event: Wrote, account: Account, now: datetime) -> bool:
    """Whether a message in the direct chat disputes something, and then it is taken in."""
    found = WRONG.match(event.text)
    if found is None:
        return False
    waits = await tx.count(Dispute, person_id=account.person_id, ended_at=None) > 0
    member = await _disputable(tx, account.person_id, also_free=waits)
    if member is None:
        return False
    await _open(tx, parts, member, event.who, found.group(1), now)
    return True


async def pressed_notice(
    tx: Tx, parts: Parts, event: Pressed, account: Account, now: datetime
) -> None:
    """🚩 on a notice, by the one who was asked."""
    member = await _disputable(tx, account.person_id, also_free=True)
    if member is not None:
        await _open(tx, parts, member, event.who, "", now)


async def by_link(parts: Parts, secret: str) -> str:
    """Use the link of a notice or of a goodbye; the code of what was done."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        used = await passes.use(tx, parts, secret, now)
        person = await email.person_behind(tx, used)
        if person is None:
            raise Refused("link-withdrawn")
        member = await _disputable(tx, person, also_free=True)
        if member is None:
            raise Refused("link-withdrawn")
        who = member.identity if used.identity.platform == EMAIL else used.identity
        return f"link.{await _open(tx, parts, member, who, '', now)}"


async def _disputable(tx: Tx, person_id: int, *, also_free: bool = False) -> Membership | None:
    """The membership of someone who was asked, or was let go for silence."""
    member = await tx.first(Membership, person_id=person_id, order="-id")
    if member is None:
        return None
    if member.state in STAGED or (also_free and member.state in INSIDE):
        return member
    return member if member.state is State.REMOVED and member.cause == "silence" else None


async def _open(
    tx: Tx, parts: Parts, member: Membership, who: Identity, words: str, now: datetime
) -> str:
    """Open a dispute, or add words to the open one; the code of what they are told."""
    said = words.strip()[:LETTERS]
    open_one = await tx.first(Dispute, person_id=member.person_id, ended_at=None)
    if open_one is not None:
        await stage_ends.alive(tx, parts, member.person_id, now, "dispute")
        if said and said not in open_one.said:
            both = f"{open_one.said}\n{said}".strip()[:LETTERS]
            open_one = await tx.change(open_one, said=both)
        await dispute_card.show(tx, parts, open_one, now)
        return await _told(tx, parts, member, who, "dispute-open-already", now)
    if await _answered(tx, member):
        return await _told(tx, parts, member, who, "dispute-answered", now)
    dispute = await tx.add(
        Dispute(
            club=tx.club,
            person_id=member.person_id,
            membership_id=member.id,
            stage=member.state.value,
            said=said,
            confirmed_by=member.confirmed_by,
            opened_at=now,
            due_at=now + REMIND,
        )
    )
    decision = Decision(Verdict.RECORD, "disputed")
    await record(
        tx,
        parts,
        decision,
        now=now,
        actor=str(who),
        subject=subject_of(member),
        seen={"words": said, "stage": dispute.stage, "confirmed_by": dispute.confirmed_by},
    )
    await stage_ends.alive(tx, parts, member.person_id, now, "dispute")
    await dispute_card.show(tx, parts, dispute, now)
    outside = member.state is State.REMOVED
    return await _told(
        tx, parts, member, who, "dispute-taken-outside" if outside else "dispute-taken", now
    )


async def _answered(tx: Tx, member: Membership) -> bool:
    """Whether the same has been disputed already: the last notice, or the end for silence."""
    asked = await tx.first(Order, subject=subject_of(member), purpose="notice", order="-id")
    begun = member.ended_at or (asked.created_at if asked else member.since)
    return await tx.count(Dispute, membership_id=member.id, opened_at__gte=begun) > 0


async def _told(
    tx: Tx, parts: Parts, member: Membership, who: Identity, code: str, now: datetime
) -> str:
    if await limits.within(tx, f"answers-to:{who}", limits.ANSWERS, now):
        language = await notices.language_of(tx, parts, member.person_id)
        await tell(
            tx,
            parts,
            who,
            parts.say(code, {"club": parts.policy.title}, language),
            key=f"{subject_of(member)}/{code}/{now.isoformat()}",
            purpose="told",
            subject=subject_of(member),
            now=now,
        )
    return code


# ---- Answering ---------------------------------------------------------------------------------


async def pressed(parts: Parts, event: Pressed, card: StandingCard) -> None:
    """🤝 on the card: they are right."""
    if event.symbol == dispute_card.RIGHT:
        await _answer(parts, event, card, kept=True, reason="")


async def replied(parts: Parts, event: Wrote, card: StandingCard) -> None:
    """`keep why` or `no why` beneath the card; a no needs words, for the person is told them."""
    found = _ANSWER.match(event.text)
    if found is None:
        return
    word, reason = found.group(1).lower(), found.group(2).strip()[:LETTERS]
    await _answer(parts, event, card, kept=word not in _NO, reason=reason)


async def _answer(
    parts: Parts, event: Pressed | Wrote, card: StandingCard, *, kept: bool, reason: str
) -> None:
    admins = await rights.admins(parts)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        dispute = await tx.get(Dispute, int(card.subject.removeprefix(dispute_card.PREFIX)))
        try:
            alone = await _may(tx, parts, dispute, event.who, admins, now)
            if not kept and not reason:
                raise Refused("dispute-why")
        except Refused as why:
            await votes.refuse(tx, parts, event, card.subject, why, now)
            return
        await _decide(tx, parts, dispute, event.who, now, kept=kept, reason=reason, alone=alone)
        code = "dispute.done-kept" if kept else "dispute.done-upheld"
        await _post(
            tx, parts, card, code, event.event_id, {"by": await name_of(tx, event.who)}, now
        )


async def _may(
    tx: Tx,
    parts: Parts,
    dispute: Dispute,
    who: Identity,
    admins: Collection[Identity],
    now: datetime,
) -> bool:
    """Whether `who` answers alone, as the only admin there is besides the one who disputes.

    Raises:
        Refused: no-right-to-decide, card-ended, dispute-own; dispute-yours: they had confirmed
            the removal, and another admin is there to answer.
    """
    if who not in admins:
        raise Refused("no-right-to-decide")
    if dispute.ended_at is not None:
        raise Refused("card-ended")
    disputer = f"person:{dispute.person_id}"
    answers = await by_number(tx, parts, str(who), now)
    if answers == disputer:
        raise Refused("dispute-own")
    if answers != dispute.confirmed_by:
        return False
    others = {await by_number(tx, parts, str(one), now) for one in admins}
    if others - {answers, disputer}:
        raise Refused("dispute-yours")
    return True


async def _decide(
    tx: Tx,
    parts: Parts,
    dispute: Dispute,
    who: Identity,
    now: datetime,
    *,
    kept: bool,
    reason: str,
    alone: bool,
) -> None:
    """The answer, in the record, on the card and to the person; who is outside is asked back."""
    member = await tx.get(Membership, dispute.membership_id)
    outcome = "kept" if kept else "upheld"
    code = f"dispute-{outcome}{'-alone' if alone else ''}"
    verdict = Verdict.KEEP if kept else Verdict.RECORD
    await record(
        tx,
        parts,
        Decision(verdict, code),
        now=now,
        actor=str(who),
        subject=subject_of(member),
        seen={"reason": reason, "words": dispute.said, "stage": dispute.stage},
    )
    dispute = await tx.change(
        dispute,
        ended_at=now,
        due_at=None,
        outcome=outcome,
        reason=reason,
        by=await by_number(tx, parts, str(who), now),
    )
    await dispute_card.show(tx, parts, dispute, now)
    asked_back = False
    if kept and member.state in INSIDE:
        await tx.change(member, known_since=now)  # silence is measured anew from here
    elif kept and await comeback.may_return(tx, member):
        await comeback.open_door(tx, parts, member, now)
        asked_back = True
    where = "back" if asked_back else "inside" if member.state in INSIDE else "outside"
    language = await notices.language_of(tx, parts, member.person_id)
    text = [parts.say(f"dispute-{outcome}-told.{where}", {"club": parts.policy.title}, language)]
    if reason:
        text.append(parts.say("dispute-reason", {"why": reason}, language))
    await tell(
        tx,
        parts,
        member.identity,
        "\n\n".join(text),
        key=f"dispute:{dispute.id}/answer",
        purpose="told",
        subject=subject_of(member),
        now=now,
    )


# ---- Waiting -----------------------------------------------------------------------------------


async def due(parts: Parts, now: datetime) -> datetime | None:
    """Remind the admins of disputes that nobody has answered; when the next reminder is."""
    async with parts.store.look(parts.club) as tx:
        first = await tx.first(Dispute, due_at__set=True, order="due_at")
    if first is None or first.due_at is None or first.due_at > now:
        return first.due_at if first else None
    async with parts.store.transaction(parts.club) as tx:
        for dispute in await tx.find(Dispute, due_at__lte=now, limit=100):
            await _remind(tx, parts, dispute, now)
        first = await tx.first(Dispute, due_at__set=True, order="due_at")
    return first.due_at if first else None


async def _remind(tx: Tx, parts: Parts, dispute: Dispute, now: datetime) -> None:
    await tx.change(dispute, due_at=now + REMIND)
    card = await tx.first(StandingCard, subject=dispute_card.subject(dispute), ended_at=None)
    if card is not None:
        member = await tx.get(Membership, dispute.membership_id)
        key = f"dispute-{dispute.id}-{now.isoformat()}"
        await _post(tx, parts, card, "dispute.waits", key, {"name": member.name}, now)


async def _post(
    tx: Tx,
    parts: Parts,
    card: StandingCard,
    code: str,
    key: str,
    values: dict[str, Value],
    now: datetime,
) -> None:
    await order(
        tx,
        Post(place="admins", text=parts.say(code, values), thread=card.ref),
        platform=card.platform,
        key=f"told/{key}",
        purpose="thread",
        subject=card.subject,
        lane=Lane.ANSWER,
        now=now,
    )
