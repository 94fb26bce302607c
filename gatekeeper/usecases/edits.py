"""Answers that are changed while an application is open."""

from collections.abc import Mapping
from datetime import datetime

from gatekeeper.domain.applications import Application, State, Vote
from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.errors import WrongState
from gatekeeper.domain.identity import Identity
from gatekeeper.policy.answers import validate_answers
from gatekeeper.ports import Tx
from gatekeeper.usecases import limits, review
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts, record, tell


async def edit_in(
    tx: Tx,
    parts: Parts,
    app: Application,
    raw: Mapping[str, str | list[str]],
    now: datetime,
) -> Application:
    """Change the answers; votes cast on the old ones end, and their voters are told.

    Raises:
        BadInput, WrongState (not open any more), TooMany.
    """
    if app.state not in {State.UNPROVEN, State.IN_REVIEW}:
        raise WrongState(state=app.state.value, event="edit")
    policy = await parts.shelf.at(tx, app.policy)
    answers = validate_answers(policy.club.spec.form, raw)
    if answers == app.answers:
        return app
    most = policy.club.spec.limits.forms_by_address
    await limits.spend(tx, f"edits:{app.id}", most, now)
    voters = await _end_votes(tx, app, now)
    app = await tx.change(
        app,
        answers=answers,
        edited_at=now,
        previous_answers=app.previous_answers or (app.answers if voters else None),
    )
    if app.opened_at is not None:
        await record(
            tx,
            parts,
            Decision(Verdict.RECORD, "application-edited"),
            now=now,
            actor=str(app.identity),
            subject=subject_of(app),
        )
        for voter, person in voters.items():
            await tell(
                tx,
                parts,
                voter,
                parts.say("vote-cleared", {"applicant": app.name}),
                key=f"{subject_of(app)}/edited/{int(now.timestamp())}/{person}",
                purpose="told",
                subject=subject_of(app),
                now=now,
            )
        await review.let_rules_speak(tx, parts, app, now)
    return await tx.get(Application, app.id)


async def _end_votes(tx: Tx, app: Application, now: datetime) -> dict[Identity, int]:
    """The voters with their persons' ids."""
    votes = await tx.find(Vote, application_id=app.id, ended_at=None)
    for vote in votes:
        await tx.change(vote, ended_at=now, ended_by="edited")
    return {vote.voter: vote.person_id for vote in votes}
