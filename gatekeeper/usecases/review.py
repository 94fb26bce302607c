"""A review: the rules speak first, then the admins; what they say is carried out once."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from gatekeeper.domain.admission import (
    decide_admission,
    decide_by_rules,
    next_look,
    review_over,
    standing_votes,
)
from gatekeeper.domain.applications import (
    Application,
    Choice,
    Event,
    Question,
    State,
    Vote,
    advance,
)
from gatekeeper.domain.decisions import Admit, Decision, Lane, Order, Post, Retract, Verdict
from gatekeeper.domain.errors import PlatformRefused
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.ports import Profile, Standing, Tx
from gatekeeper.usecases import (
    cards,
    faults,
    letting_go,
    outside_card,
    rights,
    sponsors,
    trials,
)
from gatekeeper.usecases.facts import application_facts
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts, account_of, by_number, cancel, order, record, tell
from gatekeeper.usecases.replays import seen_of
from gatekeeper.usecases.review_card import draw

log = structlog.get_logger(__name__)

NO_ADMINS_AGAIN = timedelta(minutes=1)  # until a review looks again for somebody who may decide


# ---- Opening ---------------------------------------------------------------------------------


async def open_review(parts: Parts, application_id: int) -> None:
    """Let the rules speak on a proven application, and show it to the admins where they wait.

    Raises:
        PlatformDown, PlatformBusy: asked again when the application's time comes.
    """
    async with parts.store.look(parts.club) as tx:
        app = await tx.get(Application, application_id)
    if app.state is not State.IN_REVIEW or app.opened_at is not None:
        return
    profile, standing = await _look(parts, app)
    electorate = await rights.admins(parts)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        app = await tx.get(Application, application_id)
        if app.state is not State.IN_REVIEW or app.opened_at is not None:
            return
        account = await account_of(tx, app.identity, profile.name, now)
        if not electorate and not standing.banned:
            # frozen now, the review could be voted on by nobody, ever
            log.warning("no-admins", application=app.id)
            await tx.change(app, due_at=now + NO_ADMINS_AGAIN)
            return
        if profile.created_at is not None and account.created_at is None:
            await tx.change(account, created_at=profile.created_at)
        app = await tx.change(
            app,
            opened_at=now,
            name=account.name if app.name == app.identity.account else app.name,
            policy=parts.policy.digest,
            electorate=tuple(sorted(electorate)),
            due_at=None,
        )
        if standing.banned:
            await conclude(tx, parts, app, Decision(Verdict.DECLINE, "banned"), "platform", now)
            return
        await let_rules_speak(tx, parts, app, now)


async def _look(parts: Parts, app: Application) -> tuple[Profile, Standing]:
    """The account, and how it stands; where an address stands for it, whether another account of
    theirs is banned."""
    if outside_card.is_outside(app):
        async with parts.store.look(parts.club) as tx:
            theirs = await tx.find(Account, person_id=app.person_id)
        for who in (one.identity for one in theirs if one.identity.platform in parts.platforms):
            if (found := await parts.platform(who).standing(who)).banned:
                return Profile(name=""), found
        return Profile(name=""), Standing()
    platform = parts.platform(app.identity)
    try:
        profile = await platform.profile(app.identity)
    except PlatformRefused:  # it tells nothing of this account; whoever proved it may apply
        profile = Profile(name="")
    return profile, await platform.standing(app.identity)


async def let_rules_speak(
    tx: Tx, parts: Parts, app: Application, now: datetime, against: Collection[Verdict] = ()
) -> None:
    """Judge by the frozen policy; decided at once, or on to the admins with a card.

    `against`: what no rule may decide now, as an admin's vote says otherwise.
    """
    policy = await parts.shelf.at(tx, app.policy)
    facts = await application_facts(tx, policy, app)
    ruling = policy.judge_application(facts, now)
    faults.note(policy, [(subject_of(app), ruling)])
    await trials.note_application(tx, policy, app, facts, ruling, now)
    app = await tx.change(
        app,
        rule=ruling.rule,
        results=ruling.results,
        quorum=ruling.quorum or app.quorum,
        involved=await sponsors.all_accounts(tx, map(Identity.parse, ruling.involved)),
    )
    decision = decide_by_rules(ruling)
    if decision.verdict in against:
        decision = Decision(Verdict.WAIT, "rule-waits-for-votes")
    seen = facts.model_dump(mode="json")
    actor = f"rule:{ruling.rule}" if ruling.rule else "policy"
    if decision.verdict is Verdict.WAIT:
        await record(
            tx,
            parts,
            decision,
            now=now,
            actor=actor,
            subject=subject_of(app),
            policy=app.policy,
            seen=seen,
            language=app.language,
        )
        app = await tx.change(app, due_at=next_look(app))
        await refresh(tx, parts, app, now)
        return
    reason = ruling.reason if decision.verdict is Verdict.DECLINE else ""
    await conclude(tx, parts, app, decision, actor, now, reason=reason, seen=seen)


async def speak_again(
    tx: Tx, parts: Parts, app: Application, admins: Collection[Identity], now: datetime
) -> None:
    """Judge an open review anew, as what its rules see has changed; then weigh its votes.

    No rule decides against a vote that stands, also not against a ❌ that has no reason yet.
    """
    cast = [
        vote
        for vote in await tx.find(Vote, application_id=app.id, ended_at=None)
        if vote.voter in admins and vote.voter in app.electorate
    ]
    against = {
        Verdict.ADMIT if vote.choice is Choice.DECLINE else Verdict.DECLINE
        for vote in cast
        if vote.choice is not Choice.RECUSE
    }
    await let_rules_speak(tx, parts, app, now, against)
    app = await tx.get(Application, app.id)
    if app.state is State.IN_REVIEW and cast:
        await weigh(tx, parts, app, admins, now)


# ---- Deciding --------------------------------------------------------------------------------


async def conclude(
    tx: Tx,
    parts: Parts,
    app: Application,
    decision: Decision,
    actor: str,
    now: datetime,
    *,
    reason: str = "",
    words: str = "",
    seen: Mapping[str, object] | None = None,
    by: tuple[str, ...] = (),
) -> Application:
    """Carry a decision into the record, the application, the outbox and the card, all at once.
    `words`: what they are told as the reason, where it is none of the policy's."""
    policy = await parts.shelf.at(tx, app.policy)
    admitted = decision.verdict is Verdict.ADMIT
    told = words or (
        policy.club.reason_text(reason, app.language)
        if reason
        else parts.say(decision.code, decision.values, app.language)
    )
    app = await tx.change(
        app,
        state=advance(app.state, Event.APPROVE if admitted else Event.DECLINE),
        decided_at=now,
        decided_by=tuple([await by_number(tx, parts, one, now) for one in by]),
        due_at=None,
        reminded_at=None,
        ended_at=None if admitted else now,
        reason=reason or decision.code,
        reason_text=told,
    )
    await record(
        tx,
        parts,
        decision,
        now=now,
        actor=actor,
        subject=subject_of(app),
        policy=app.policy,
        seen=seen,
        language=app.language,
    )
    for question in await tx.find(Question, application_id=app.id, ended_at=None):
        await tx.change(question, ended_at=now)
    await cancel(tx, subject_of(app), ("question",), "decided")
    if admitted and outside_card.is_outside(app):
        app = await outside_card.approved(tx, parts, app, told, now)
    else:
        await (invite if admitted else _turn_away)(tx, parts, app, told, now)
    # The invitation first: once it stands the card says both at once, and one update is saved.
    await refresh(tx, parts, app, now, lane=Lane.UPDATE if admitted else Lane.CARD)
    return app


async def invite(tx: Tx, parts: Parts, app: Application, told: str, now: datetime) -> None:
    """Order the invitation of an approved application."""
    values = {"club": parts.policy.title, "why": told}
    reason = parts.say("invitation-reason", values, app.language)
    reopen = await letting_go.is_account_ended(tx, app.person_id, app.identity)
    await order(
        tx,
        Admit(who=app.identity, reason=reason, reopen=reopen),
        platform=app.identity.platform,
        key=f"{subject_of(app)}/invitation",
        purpose="invitation",
        subject=subject_of(app),
        lane=Lane.ADMISSION,
        now=now,
    )


async def _turn_away(tx: Tx, parts: Parts, app: Application, told: str, now: datetime) -> None:
    text = parts.say("decline-told", {"club": parts.policy.title, "reason": told}, app.language)
    await tell(
        tx,
        parts,
        app.identity,
        text,
        key=f"{subject_of(app)}/decline-told",
        purpose="decline-told",
        subject=subject_of(app),
        now=now,
        lane=Lane.ADMISSION,
    )
    await order(
        tx,
        Retract(who=app.identity, reason=text),
        platform=app.identity.platform,
        key=f"{subject_of(app)}/retract",
        purpose="retract",
        subject=subject_of(app),
        lane=Lane.ADMISSION,
        now=now,
    )


async def weigh(
    tx: Tx, parts: Parts, app: Application, admins: Collection[Identity], now: datetime
) -> Application:
    """Decide if the votes now say so; else the card shows how they stand.

    A vote whose voter does not hold the right now has ended with this.
    """
    for vote in await tx.find(Vote, application_id=app.id, ended_at=None):
        if vote.voter not in admins:
            await tx.change(vote, ended_at=now, ended_by="right-lost")
    votes = await tx.find(Vote, application_id=app.id)
    decision = decide_admission(app, votes, admins, now)
    if decision.verdict is Verdict.WAIT:
        await refresh(tx, parts, app, now)
        return app
    counted = standing_votes(app, votes, admins)
    ballot = Choice.APPROVE if decision.verdict is Verdict.ADMIT else Choice.DECLINE
    deciders = [vote for vote in counted if vote.choice is ballot]
    by = tuple(str(vote.voter) for vote in deciders)
    last = deciders[-1] if ballot is Choice.DECLINE and deciders else None
    return await conclude(
        tx,
        parts,
        app,
        decision,
        ", ".join(by) or "schedule",
        now,
        reason=last.reason if last else "",
        words=last.told if last else "",
        seen=seen_of(app, counted),
        by=by,
    )


async def refresh(
    tx: Tx,
    parts: Parts,
    app: Application,
    now: datetime,
    *,
    lane: Lane = Lane.CARD,
) -> None:
    """Let the card show the application as it stands; none is made for what never had one."""
    await outside_card.refresh(tx, parts, app, now)
    subject = subject_of(app)
    if app.state is not State.IN_REVIEW and not await tx.count(
        Order, purpose=cards.CARD, subject=subject
    ):
        return
    policy = await parts.shelf.at(tx, app.policy)
    card = await draw(tx, parts, policy, app)
    await cards.show(tx, parts, subject, card, now, lane)


# ---- By the clock, and by the operator --------------------------------------------------------


async def due(parts: Parts, app: Application) -> None:
    """What time asks of a review: to be opened, brought up again, or ended."""
    if app.opened_at is None:
        await open_review(parts, app.id)
        return
    admins = await rights.admins(parts)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        app = await tx.get(Application, app.id)
        if app.state is not State.IN_REVIEW or app.due_at is None or app.due_at > now:
            return
        app = await weigh(tx, parts, app, admins, now)
        if app.state is State.IN_REVIEW:
            await _bring_up(tx, parts, app, now)


async def _bring_up(tx: Tx, parts: Parts, app: Application, now: datetime) -> None:
    app = await tx.change(app, reminded_at=now)
    quorum = app.quorum
    if review_over(app, now):  # the review goes on past its time: remind only
        app = await tx.change(app, quorum=replace(quorum, open_for=None))
    app = await tx.change(app, due_at=next_look(app))
    standing = await cards.current(tx, subject_of(app))
    await order(
        tx,
        Post(
            place="admins",
            text=parts.say("review-waits", {"applicant": app.name, "number": app.id}),
            thread=standing.ref if standing else "",
        ),
        platform=parts.admin_platform,
        key=f"{subject_of(app)}/brought-up/{int(now.timestamp())}",
        purpose="thread",
        subject=subject_of(app),
        lane=Lane.CARD,
        now=now,
    )
