"""Questions to an applicant: begun with ❓, written in the card's thread, answered in a chat."""

from dataclasses import replace
from datetime import datetime

from gatekeeper.domain.admission import decide_admission
from gatekeeper.domain.applications import Application, Question, State, Vote
from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import Decision, Lane, Post, Verdict
from gatekeeper.domain.errors import BadInput, WrongState
from gatekeeper.domain.events import Pressed, Wrote
from gatekeeper.domain.identity import Identity
from gatekeeper.policy.club_document import ANSWER_LETTERS
from gatekeeper.policy.plain import clean_text
from gatekeeper.ports import Tx
from gatekeeper.usecases import cards, outside_card, rights
from gatekeeper.usecases.naming import name_of, number_of, subject_of
from gatekeeper.usecases.parts import Parts, once, order, record, tell
from gatekeeper.usecases.review import refresh
from gatekeeper.usecases.review_card import quoted


async def start(
    tx: Tx, parts: Parts, app: Application, event: Pressed, card: StandingCard, now: datetime
) -> None:
    """❓: ask its presser for the question, once until they have written it."""
    open_one = await tx.first(
        Question, application_id=app.id, asked_by=event.who, text="", ended_at=None
    )
    if open_one is None:
        open_one = await tx.add(
            Question(club=tx.club, application_id=app.id, asked_by=event.who, asked_at=now)
        )
    name = await name_of(tx, event.who)
    await order(
        tx,
        Post(
            place="admins",
            text=parts.say("ask-question", {"name": name, "applicant": app.name}),
            thread=card.ref,
            mentions=(event.who,),
        ),
        platform=card.platform,
        key=f"question:{open_one.id}/prompt",
        purpose="thread",
        subject=subject_of(app),
        lane=Lane.ANSWER,
        now=now,
    )


async def replied(parts: Parts, event: Wrote, card: StandingCard) -> None:
    """A reply in a review card's thread: the text of a question that its author began with ❓."""
    admins = await rights.admins(parts)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if event.who not in admins or not await once(tx, event, now):
            return
        app = await tx.get(Application, number_of(card.subject))
        begun = await tx.first(
            Question, application_id=app.id, asked_by=event.who, text="", ended_at=None
        )
        if begun is not None and app.state is State.IN_REVIEW:
            await send(tx, parts, app, replace(begun, text=event.text), now)


async def send(tx: Tx, parts: Parts, app: Application, question: Question, now: datetime) -> None:
    """Keep a question's text and tell it to the applicant."""
    stored = await tx.change(await tx.get(Question, question.id), text=question.text)
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "question-asked"),
        now=now,
        actor=str(stored.asked_by),
        subject=subject_of(app),
        policy=app.policy,
        seen={"question": stored.text},
    )
    values = {"club": parts.policy.title, "question": stored.text}
    told = "outside.question-told" if outside_card.is_outside(app) else "question-told"
    await tell(
        tx,
        parts,
        app.identity,
        parts.say(told, values, app.language),
        key=f"question:{stored.id}/told",
        purpose="question",
        subject=subject_of(app),
        now=now,
        lane=Lane.ADMISSION,
        links=await outside_card.letter_links(tx, parts, app, now),
    )
    await refresh(tx, parts, app, now)


async def take_answer(
    tx: Tx, parts: Parts, app: Application, question_id: int, text: str, now: datetime
) -> None:
    """Keep an applicant's answer and bring it to the admins beneath the card.

    Raises:
        WrongState: the application has ended, or the question is answered. BadInput: no text.
    """
    question = await tx.get(Question, question_id)
    if question.application_id != app.id or question.answered_at or question.ended_at:
        raise WrongState(state=app.state.value, event="answer")
    text = clean_text(text).strip()
    if not text or len(text) > ANSWER_LETTERS:
        raise BadInput({"answer": "answer-too-long" if text else "answer-required"})
    await tx.change(question, answer=text, answered_at=now)
    app = await _interviewed(tx, app, now)
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "question-answered"),
        now=now,
        actor=str(app.identity),
        subject=subject_of(app),
        policy=app.policy,
        seen={"question": question.text, "answer": text},
    )
    standing = await cards.current(tx, subject_of(app))
    await order(
        tx,
        Post(
            place="admins",
            text=parts.say("answer-shown", {"applicant": app.name, "answer": quoted(text)}),
            thread=standing.ref if standing else "",
            mentions=(question.asked_by,),
        ),
        platform=parts.admin_platform,
        key=f"question:{question.id}/answer",
        purpose="thread",
        subject=subject_of(app),
        lane=Lane.CARD,
        now=now,
    )
    await refresh(tx, parts, app, now)


async def _interviewed(tx: Tx, app: Application, now: datetime) -> Application:
    """Keep that they were heard; where only this was missing, the votes are weighed at once."""
    if app.interviewed_at is not None:
        return app
    app = await tx.change(app, interviewed_at=now)
    votes = await tx.find(Vote, application_id=app.id)
    decision = decide_admission(app, votes, app.electorate, now)
    return await tx.change(app, due_at=now) if decision.verdict is Verdict.ADMIT else app


async def ask_by_operator(parts: Parts, application_id: int, text: str, operator: str) -> Question:
    """An operator's question from the command line; NotFound, WrongState, BadInput."""
    if not text.strip():
        raise BadInput({"question": "answer-required"})
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        app = await tx.get(Application, application_id)
        if app.state is not State.IN_REVIEW:
            raise WrongState(state=app.state.value, event="ask")
        question = await tx.add(
            Question(
                club=tx.club,
                application_id=app.id,
                asked_by=Identity("operator", operator),
                asked_at=now,
            )
        )
        await send(tx, parts, app, replace(question, text=text.strip()), now)
        return await tx.get(Question, question.id)
