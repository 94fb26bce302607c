"""The standing page: where an applicant is, what is missing, what they may do."""

from dataclasses import dataclass

from gatekeeper.domain.admission import standing_votes
from gatekeeper.domain.applications import OPEN, Application, Choice, Question, State, Vote
from gatekeeper.domain.errors import Value
from gatekeeper.policy.texts import say_time
from gatekeeper.usecases import outside_card
from gatekeeper.usecases.explained import why_declined
from gatekeeper.usecases.naming import read_account
from gatekeeper.usecases.parts import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingPage:
    """What an applicant is shown: finished sentences in their language; names nobody."""

    application: Application
    headline: str
    sentences: tuple[str, ...]
    open_questions: tuple[Question, ...]
    can_edit: bool
    can_withdraw: bool


async def view(parts: Parts, application_id: int) -> StandingPage:
    """Where an application stands now; NotFound."""
    async with parts.store.look(parts.club) as tx:
        app = await tx.get(Application, application_id)
        cast = await tx.find(Vote, application_id=app.id, ended_at=None)
        asked = await tx.find(Question, application_id=app.id, ended_at=None, answered_at=None)
        why = await why_declined(tx, parts, app)
    language = app.language
    values: dict[str, Value] = {
        "club": parts.policy.title,
        "account": read_account(parts, app.identity, app.name, language),
        "at": say_time(app.submitted_at, language, parts.policy.club.spec.time_zone),
        "reason": app.reason_text,
        "approvals": sum(
            vote.choice is Choice.APPROVE for vote in standing_votes(app, cast, app.electorate)
        ),
        "needed": app.quorum.approvals,
    }
    sentences = [parts.say(f"standing.{app.state.value}", values, language)]
    if app.state is State.APPROVED and outside_card.is_outside(app):
        sentences.append(parts.say("outside.waits", values, language))
    if app.state is State.IN_REVIEW and app.opened_at is not None:
        sentences.append(parts.say("standing.missing", values, language))
    if app.state is State.IN_REVIEW and app.due_at and app.quorum.open_for is not None:
        sentences.append(parts.say("standing.no-hurry", values, language))
    if app.state is State.DECLINED and app.reason_text:
        sentences += [app.reason_text, *why]
    if app.state is State.EXPIRED and app.reason in {"already-applied", "already-member"}:
        sentences = [parts.say(f"standing.{app.reason}", values, language)]
    return StandingPage(
        application=app,
        headline=parts.say(f"standing.{app.state.value}.headline", values, language),
        sentences=tuple(sentences),
        open_questions=tuple(question for question in asked if question.text),
        can_edit=app.state is State.IN_REVIEW and app.opened_at is not None,
        can_withdraw=app.state in OPEN,
    )
