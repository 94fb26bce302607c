"""What the admins see of one application."""

from collections.abc import Mapping, Sequence

from gatekeeper.domain.admission import recused, standing_votes
from gatekeeper.domain.applications import Application, Question, State, Vote
from gatekeeper.domain.applications import Choice as Ballot
from gatekeeper.domain.decisions import Card, Choice
from gatekeeper.domain.identity import Account
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.texts import say_duration, say_time
from gatekeeper.ports import Tx
from gatekeeper.usecases import sponsors
from gatekeeper.usecases.explained import card_lines
from gatekeeper.usecases.naming import name_of, said_by
from gatekeeper.usecases.parts import Parts

APPROVE, ASK, DECLINE, RECUSE = "✅", "❓", "❌", "🙈"
_SYMBOLS = {Ballot.APPROVE: APPROVE, Ballot.DECLINE: DECLINE, Ballot.RECUSE: RECUSE}


async def draw(tx: Tx, parts: Parts, policy: Policy, app: Application) -> Card:
    """The review card as it stands; what never changes by itself is told as of the opening."""
    cast = await tx.find(Vote, application_id=app.id, ended_at=None)
    votes = standing_votes(app, cast, app.electorate)
    aside = recused(app, cast)
    out = {v.person_id for v in aside}
    without_reason = [
        v for v in cast if v.choice is Ballot.DECLINE and not v.reason and v.person_id not in out
    ]
    facts = [
        (parts.say("card.account"), f"{app.name} · {app.identity.account}"),
        *await _known(tx, parts, app),
        *_answers(parts, policy, app),
        *await _questions(tx, parts, app),
    ]
    lines = [
        *await card_lines(tx, parts, app),
        *await _vouches(tx, parts, app),
        *await _votes(tx, parts, (*votes, *without_reason, *aside)),
        *_missing(parts, app, votes, len(app.electorate) - len(aside)),
        *([parts.say("card.take-back")] if app.state in {State.APPROVED, State.INVITED} else []),
    ]
    return Card(
        title=parts.say("card.title", {"applicant": app.name, "number": app.id}),
        status=await _status(tx, parts, app),
        facts=tuple(facts),
        lines=tuple(lines),
        choices=_choices(parts) if app.state is State.IN_REVIEW else (),
    )


def _choices(parts: Parts) -> tuple[Choice, ...]:
    return (
        Choice("approve", APPROVE, parts.say("card.approve")),
        Choice("ask", ASK, parts.say("card.ask")),
        Choice("decline", DECLINE, parts.say("card.decline")),
        Choice("recuse", RECUSE, parts.say("card.recuse")),
    )


async def _status(tx: Tx, parts: Parts, app: Application) -> str:
    by = ", ".join([await said_by(tx, one) for one in app.decided_by])
    zone, language = parts.policy.club.spec.time_zone, parts.policy.club.spec.language
    values = {
        "club": parts.policy.title,
        "by": by or parts.say("card.by-rule", {"rule": app.rule or "-"}),
        "at": say_time(app.decided_at, language, zone) if app.decided_at else "",
        "why": app.reason_text,
    }
    return parts.say(f"card.status.{app.state.value}", values)


async def _known(tx: Tx, parts: Parts, app: Application) -> list[tuple[str, str]]:
    """How long we have known the account, and its age where the platform tells it."""
    language = parts.policy.club.spec.language
    opened = app.opened_at or app.submitted_at
    account = await tx.first(Account, identity=app.identity)
    found: list[tuple[str, str]] = []
    if account is not None:
        known = opened - account.first_seen_at
        found.append((parts.say("card.known"), say_duration(known, language)))
        if account.created_at is not None:
            age = opened - account.created_at
            found.append((parts.say("card.age"), say_duration(age, language)))
    earlier = await tx.find(Application, person_id=app.person_id, id__lt=app.id)
    told = [
        f"#{other.id} {parts.say(f'state.{other.state.value}')} {other.reason_text}".strip()
        for other in earlier
        if other.state is not State.EXPIRED
    ]
    found.append((parts.say("card.earlier"), "; ".join(told) or parts.say("card.none")))
    return found


def _answers(parts: Parts, policy: Policy, app: Application) -> list[tuple[str, str]]:
    language = parts.policy.club.spec.language
    found = []
    if app.knock_reason:
        found.append((parts.say("card.knock"), quoted(app.knock_reason)))
    before = app.previous_answers
    for question in policy.club.spec.form.questions:
        words = question.words(language)
        answer = _plain(parts, (app.answers or {}).get(question.id), words.options)
        old = answer if before is None else _plain(parts, before.get(question.id), words.options)
        shown = answer if old == answer else f"{old} → {answer}"
        found.append((words.label, quoted(shown)))
    return found


def quoted(text: str) -> str:
    """What somebody typed: its further lines are marked, so that none passes for one of ours."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\n│ ")


def _plain(parts: Parts, answer: object, labels: Mapping[str, str]) -> str:
    """An answer as the form showed it: what was chosen by its label."""
    if answer is None or answer == "" or answer == []:
        return "—"
    if isinstance(answer, bool):
        return parts.say("yes" if answer else "no")
    if isinstance(answer, list | tuple):
        return ", ".join(labels.get(str(part), str(part)) for part in answer)
    return labels.get(str(answer), str(answer))


async def _questions(tx: Tx, parts: Parts, app: Application) -> list[tuple[str, str]]:
    asked = [q for q in await tx.find(Question, application_id=app.id) if q.text]
    return [
        (f"❓ {quoted(q.text)}", quoted(q.answer) or parts.say("card.no-answer-yet")) for q in asked
    ]


async def _vouches(tx: Tx, parts: Parts, app: Application) -> list[str]:
    given = await sponsors.standing(tx, app)
    names = ", ".join([await said_by(tx, f"person:{each.person_id}") for each in given])
    return [parts.say("card.vouches", {"names": names})] if given else []


async def _votes(tx: Tx, parts: Parts, votes: Sequence[Vote]) -> list[str]:
    lines = []
    for vote in votes:
        code = "card.vote"
        if vote.choice is Ballot.DECLINE and not vote.reason:
            code = "card.vote-needs-reason"
        elif vote.choice is Ballot.RECUSE:
            code = "card.vote-recused"
        said = parts.say(code, {"name": await name_of(tx, vote.voter)})
        lines.append(f"{_SYMBOLS[vote.choice]} {said}")
    return lines


def _missing(parts: Parts, app: Application, votes: Sequence[Vote], voters: int) -> list[str]:
    if app.state is not State.IN_REVIEW:
        return []
    approvals = {v.person_id for v in votes if v.choice is Ballot.APPROVE}
    values = {
        "approvals": len(approvals),
        "needed": app.quorum.approvals,
        "declines": app.quorum.declines,
    }
    lines = [parts.say("card.quorum", values)]
    if app.quorum.interview and app.interviewed_at is None:
        lines.append(parts.say("card.interview"))
    if voters < app.quorum.approvals:
        lines.append(parts.say("card.too-few-admins", {"count": voters}))
    return lines
