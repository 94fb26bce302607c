"""Votes: an admin's ✅ or ❌ on a review card, the reason for a ❌, and taking either back."""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from gatekeeper.domain.applications import OWN_WORDS, Application, State, Vote
from gatekeeper.domain.applications import Choice as Ballot
from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import Choice, Lane, Order, Post, Progress
from gatekeeper.domain.errors import BadInput, Refused, Value
from gatekeeper.domain.events import Pressed, PressTakenBack, Wrote
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.ports import Tx
from gatekeeper.usecases import cards, limits, questions, rights
from gatekeeper.usecases.naming import name_of, number_of, said_by, subject_of
from gatekeeper.usecases.parts import Parts, account_of, once, order, tell
from gatekeeper.usecases.reasons import told_reason
from gatekeeper.usecases.review import refresh, weigh
from gatekeeper.usecases.review_card import APPROVE, ASK, DECLINE, RECUSE

BALLOTS = {APPROVE: Ballot.APPROVE, DECLINE: Ballot.DECLINE, RECUSE: Ballot.RECUSE}
_BECAUSE = re.compile(r"^\s*(?:because|weil)\b[\s:,.]*(.*)$", re.I | re.S)
NUMBERS = tuple(f"{digit}\u20e3" for digit in range(1, 10))  # keycaps, no variation selector


async def pressed(parts: Parts, event: Pressed, card: StandingCard) -> None:
    """An admin's ✅ ❓ ❌ 🙈 on a review card, or the number of a reason beneath it."""
    admins = await rights.admins(parts)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        vote = await _vote_of(tx, card)
        application_id = vote.application_id if vote else number_of(card.subject)
        app = await tx.get(Application, application_id)
        refusal = await _refusal(tx, app, event, admins, card)
        if refusal is not None:
            await refuse(tx, parts, event, subject_of(app), refusal, now)
        elif vote is not None:
            await _give_reason(tx, parts, app, vote, event, admins, now)
        elif event.symbol == ASK:
            await questions.start(tx, parts, app, event, card, now)
        elif event.symbol in BALLOTS:
            await _cast(tx, parts, app, event, card, admins, now)


async def _vote_of(tx: Tx, card: StandingCard) -> Vote | None:
    if not card.subject.startswith("vote:"):
        return None
    return await tx.get(Vote, number_of(card.subject))


async def _refusal(
    tx: Tx, app: Application, event: Pressed, admins: Collection[Identity], card: StandingCard
) -> Refused | None:
    """Why this press counts for nothing, None where it counts."""
    who = event.who
    account = await tx.first(Account, identity=who)
    if who == app.identity or (account is not None and account.person_id == app.person_id):
        return Refused("own-application")
    if who not in admins:
        return Refused("no-right-to-decide")
    if app.state is not State.IN_REVIEW:
        by = ", ".join([await said_by(tx, one) for one in app.decided_by]) or "-"
        return Refused("decided-already", state=app.state.value, by=by)
    if card.ended_at is not None:
        return Refused("card-ended")
    if who in app.involved:
        return Refused("involved")
    if who not in app.electorate:
        return Refused("not-in-electorate")
    if event.symbol in {APPROVE, DECLINE} and not await _saw_the_edit(tx, app, event):
        return Refused("edited-meanwhile")
    return None


async def _saw_the_edit(tx: Tx, app: Application, event: Pressed) -> bool:
    """Whether the card showed the answers as they are now when it was pressed."""
    if app.edited_at is None:
        return True
    drawn = await tx.find(
        Order,
        subject=subject_of(app),
        purpose__in=(cards.CARD, cards.UPDATE),
        progress__in=(Progress.DUE, Progress.DONE),
        created_at__gte=app.edited_at,
    )
    return not drawn or any(one.receipt and one.receipt.at <= event.at for one in drawn)


async def refuse(
    tx: Tx, parts: Parts, event: Pressed | Wrote, subject: str, why: Refused, now: datetime
) -> None:
    """Tell someone in private why what they did changes nothing; for so often an hour."""
    if not await limits.within(tx, f"answers-to:{event.who}", limits.ANSWERS, now):
        return
    values: dict[str, Value] = {k: v for k, v in why.values.items() if k != "reason"}
    beside = event.ref if isinstance(event, Pressed) else event.thread
    await tell(
        tx,
        parts,
        event.who,
        parts.say(f"refused.{why.reason}", values),
        key=f"told/{event.event_id}",
        purpose="told",
        subject=subject,
        now=now,
        aside="" if event.place == "direct" else beside,
    )


async def _cast(
    tx: Tx,
    parts: Parts,
    app: Application,
    event: Pressed,
    card: StandingCard,
    admins: Mapping[Identity, str],
    now: datetime,
) -> None:
    account = await account_of(tx, event.who, admins[event.who], now)
    ballot = BALLOTS[event.symbol]
    policy = await parts.shelf.at(tx, app.policy)
    reasons = policy.club.spec.decline_reasons
    vote = await tx.add(
        Vote(
            club=tx.club,
            application_id=app.id,
            person_id=account.person_id,
            voter=event.who,
            choice=ballot,
            reason="declined" if ballot is Ballot.DECLINE and not reasons else "",
            event_id=event.event_id,
            at=now,
        )
    )
    if ballot is Ballot.DECLINE and reasons:
        choices = tuple(
            Choice(f"reason:{reason.id}", symbol, reason.text)
            for symbol, reason in zip(NUMBERS, reasons, strict=False)
        )
        lines = [f"{choice.symbol} {choice.label}" for choice in choices]
        name = await name_of(tx, event.who)
        await order(
            tx,
            Post(
                place="admins",
                text="\n".join([parts.say("ask-reason", {"name": name}), *lines]),
                thread=card.ref,
                choices=choices,
                mentions=(event.who,),
            ),
            platform=card.platform,
            key=f"vote:{vote.id}/reasons",
            purpose="reasons",
            subject=f"vote:{vote.id}",
            lane=Lane.ANSWER,
            now=now,
        )
    await weigh(tx, parts, app, admins, now)


async def _give_reason(
    tx: Tx,
    parts: Parts,
    app: Application,
    vote: Vote,
    event: Pressed,
    admins: Collection[Identity],
    now: datetime,
) -> None:
    policy = await parts.shelf.at(tx, app.policy)
    reasons = dict(zip(NUMBERS, policy.club.spec.decline_reasons, strict=False))
    if vote.voter != event.who:
        await refuse(tx, parts, event, subject_of(app), Refused("reason-of-another"), now)
    elif vote.ended_at is None and not vote.reason and event.symbol in reasons:
        await tx.change(vote, reason=reasons[event.symbol].id, at=now)  # their last word
        await weigh(tx, parts, app, admins, now)


async def gave_words(parts: Parts, event: Wrote, card: StandingCard) -> bool:
    """`because WHY` beneath a review card, by whoever pressed ❌ and was asked for a reason: it is
    told as they wrote it. False where the reply says no such thing, or nothing waits for it."""
    match = _BECAUSE.match(event.text)
    if match is None:
        return False
    admins = await rights.admins(parts)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        app = await tx.get(Application, number_of(card.subject))
        mine = await tx.first(
            Vote, application_id=app.id, voter=event.who, ended_at=None, order="-id"
        )
        if mine is None or mine.choice is not Ballot.DECLINE or mine.reason:
            return False
        if not await once(tx, event, now):
            return True
        pressed = Pressed(
            who=event.who,
            at=event.at,
            event_id=event.event_id,
            ref=card.ref,
            symbol=DECLINE,
            place=event.place,
        )
        refusal = await _refusal(tx, app, pressed, admins, card)
        try:
            words = told_reason(match.group(1))
        except BadInput:
            refusal = refusal or Refused("decline-why")
        if refusal is not None:
            await refuse(tx, parts, event, subject_of(app), refusal, now)
        else:
            await tx.change(mine, reason=OWN_WORDS, told=words, at=now)  # their last word
            await weigh(tx, parts, app, admins, now)
        return True


async def taken_back(parts: Parts, event: PressTakenBack) -> None:
    """A press is gone: before the decision the vote goes with it.

    A press that we are told of only later counts for nothing. Somebody else's hand, be it an
    admin's, takes back no vote.
    """
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        vote = await tx.first(Vote, event_id=event.press_id, ended_at=None)
        if vote is None:
            await once(tx, replace(event, event_id=event.press_id), now)
            return
        if vote.voter != event.who or not await once(tx, event, now):
            return
        app = await tx.get(Application, vote.application_id)
        if app.state is State.IN_REVIEW:
            await tx.change(vote, ended_at=now, ended_by="taken-back")
            await refresh(tx, parts, app, now)
