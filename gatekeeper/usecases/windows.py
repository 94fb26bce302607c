"""A chat's own forms: what one person sees and may do there, and what becomes of what they send.

The platform proves whose account it is, so no code is asked for; the checks are the web form's.
"""

from collections.abc import Mapping

from gatekeeper.domain.applications import OPEN, Application, State
from gatekeeper.domain.errors import (
    BadInput,
    NotFound,
    Refused,
    TooMany,
    Value,
    WrongState,
)
from gatekeeper.domain.identity import Account, Identity, Person
from gatekeeper.domain.memberships import INSIDE, Leave, Membership
from gatekeeper.domain.memberships import State as Life
from gatekeeper.domain.windows import Field, Filled, May, Taken, Window
from gatekeeper.policy.answers import validate_answers
from gatekeeper.policy.club_document import ANSWER_LETTERS, Form, Question, QuestionKind
from gatekeeper.policy.plain import clean_text
from gatekeeper.policy.texts import say_time
from gatekeeper.ports import Tx
from gatekeeper.usecases import (
    apply,
    drafts,
    edits,
    leave,
    limits,
    link,
    notices,
    questions,
    standing,
    vouch,
)
from gatekeeper.usecases.absences import last_moment, member_of
from gatekeeper.usecases.naming import name_of, read_account
from gatekeeper.usecases.parts import Parts, once

_PROVEN = OPEN - {State.UNPROVEN}


# ---- What they see -----------------------------------------------------------------------------


async def look(parts: Parts, who: Identity) -> Window:
    """What one account's owner sees of the club, and may do now."""
    async with parts.store.look(parts.club) as tx:
        account = await tx.first(Account, identity=who)
        person = account.person_id if account else 0
        language = await notices.language_of(tx, parts, person)
        member = await tx.first(Membership, person_id=person, state__in=tuple(INSIDE))
        away = await tx.first(Leave, person_id=person, ended_at=None)
        app = await tx.first(Application, person_id=person, order="-id") if person else None
        policy = await parts.shelf.at(tx, app.policy) if app else parts.policy
        begun = await drafts.of(tx, who, "apply")
        listed = bool(person) and (await tx.get(Person, person)).listed
    if member is not None:
        return _member(parts, member, away, language, listed=listed)
    if app is None or app.state is State.EXPIRED:
        return _stranger(parts, language, begun)
    shown = await standing.view(parts, app.id)
    may: set[May] = {"edit"} if shown.can_edit else set()
    may |= {"withdraw"} if shown.can_withdraw else {"apply"}
    form = policy.club.spec.form if shown.can_edit else parts.policy.club.spec.form
    if shown.can_edit:
        async with parts.store.look(parts.club) as tx:
            changes = await drafts.of(tx, who, "edit", app.edited_at or app.submitted_at)
        begun = {**(app.answers or {}), **changes}
    return Window(
        club=parts.policy.title,
        language=language,
        headline=shown.headline,
        sentences=shown.sentences,
        may=frozenset(may),
        fields=_fields(form, language, begun),
        asked=tuple((one.id, one.text) for one in shown.open_questions),
        answers=_answers(parts, policy.club.spec.form, app, language),
    )


def _member(
    parts: Parts, member: Membership, away: Leave | None, language: str, *, listed: bool
) -> Window:
    values: dict[str, Value] = {"club": parts.policy.title}
    zone = parts.policy.club.spec.time_zone
    sentences = [parts.say("window.member", values, language)]
    if member.state is Life.NOTICED and member.grace_ends_at is not None:
        until = say_time(member.grace_ends_at, language, zone)
        sentences.insert(0, parts.say("window.noticed", {"until": until}, language))
    may: set[May] = {"away", "unlisted" if listed else "listed"}
    if len(parts.platforms) > 1:
        may.add("link")
    if listed:
        sentences.append(parts.say("window.listed-now", values, language))
    if away is not None:
        may.add("back")
        until = say_time(away.until, language, zone)
        sentences.append(parts.say("window.away", {"until": until}, language))
    return Window(
        club=parts.policy.title,
        language=language,
        headline=parts.say("window.member.headline", values, language),
        sentences=tuple(sentences),
        may=frozenset(may),
    )


def _stranger(parts: Parts, language: str, begun: Mapping[str, object]) -> Window:
    values: dict[str, Value] = {"club": parts.policy.title}
    return Window(
        club=parts.policy.title,
        language=language,
        headline=parts.say("window.stranger.headline", values, language),
        sentences=(parts.say("window.stranger", values, language),),
        may=frozenset({"apply"}),
        fields=_fields(parts.policy.club.spec.form, language, begun),
    )


def _fields(form: Form, language: str, answers: Mapping[str, object]) -> tuple[Field, ...]:
    return tuple(_field(one, language, answers.get(one.id)) for one in form.questions)


def _field(question: Question, language: str, answer: object) -> Field:
    words = question.words(language)
    return Field(
        name=question.id,
        kind=question.kind.value,
        label=words.label,
        help=words.help,
        required=question.required,
        options=tuple(words.options.items()),
        typed=_typed(answer),
    )


def _typed(answer: object) -> tuple[str, ...]:
    """An answer as it would have been typed."""
    if answer is None or answer is False or answer == "":
        return ()
    if isinstance(answer, list | tuple):
        return tuple(str(each) for each in answer)
    if answer is True:
        return ("yes",)
    return (f"{answer:g}" if isinstance(answer, float) else str(answer),)


def _answers(
    parts: Parts, form: Form, app: Application, language: str
) -> tuple[tuple[str, str], ...]:
    told = []
    for question in form.questions:
        words, typed = question.words(language), _typed((app.answers or {}).get(question.id))
        if question.kind is QuestionKind.CONSENT and typed:
            typed = (parts.say("web.yes", {}, language),)
        if typed:
            told.append((words.label, ", ".join(words.options.get(one, one) for one in typed)))
    return tuple(told)


# ---- What they send ----------------------------------------------------------------------------


async def take(parts: Parts, event: Filled) -> Taken:
    """Take in what was sent; committed when it returns. What cannot be taken is told, no error.

    Raises:
        PlatformDown, PlatformBusy: only where nothing was taken in.
    """
    language = await _language(parts, event.who)
    values: dict[str, Value] = {"club": parts.policy.title}
    try:
        code, more = await _do(parts, event, language)
    except BadInput as bad:
        form = parts.policy.club.spec.form
        if event.act in ("edit", "draft"):
            async with parts.store.look(parts.club) as tx:
                form = await _form(tx, parts, await _open_in(tx, event.who))
        return Taken(said="", problems=_problems(parts, form, bad.problems, language))
    except Refused as no:
        code, more = f"refused.{no.reason}", dict(no.values)
    except TooMany:
        code, more = "window.too-many", {}
    except (WrongState, NotFound):
        code, more = "window.too-late", {}
    return Taken(said=parts.say(code, {**values, **more}, language))


async def _language(parts: Parts, who: Identity) -> str:
    async with parts.store.look(parts.club) as tx:
        account = await tx.first(Account, identity=who)
        return await notices.language_of(tx, parts, account.person_id if account else 0)


async def _do(parts: Parts, event: Filled, language: str) -> tuple[str, dict[str, Value]]:
    """The code of what is said of it."""
    match event.act:
        case "apply":
            return await _apply(parts, event, language)
        case "edit":
            app = await _mine(parts, event.who)
            async with parts.store.transaction(parts.club) as tx:
                app = await tx.get(Application, app.id)
                await edits.edit_in(tx, parts, app, event.answers, parts.clock.now())
                await drafts.end(tx, event.who)
            return "window.edited", {}
        case "draft":
            return await _draft(parts, event)
        case "withdraw":
            app = await _mine(parts, event.who)
            await apply.withdraw(parts, app.id, str(event.who))
            return "withdrawn", {}
        case "answer":
            return await _answer(parts, event)
        case "away":
            return await _away(parts, event, language)
        case "back":
            await leave.end(parts, event.who, str(event.who))
            return "window.back", {}
        case "link":
            async with parts.store.transaction(parts.club) as tx:
                await link.ask(tx, parts, event.who, parts.clock.now())
            return "window.code-sent", {}
        case "vouch":
            return await _vouch(parts, event)
        case "listed" | "unlisted":
            return await _list(parts, event)


async def _list(parts: Parts, event: Filled) -> tuple[str, dict[str, Value]]:
    """Keep whether a member wishes to stand in the directory, which is still to come."""
    async with parts.store.transaction(parts.club) as tx:
        member = await _member_in(tx, event.who)
        if member is None:
            raise Refused("not-a-member")
        person = await tx.get(Person, member.person_id)
        await tx.change(person, listed=event.act == "listed")
    return f"window.{event.act}", {}


async def _open(parts: Parts, who: Identity) -> Application | None:
    """The open application of the person behind an account."""
    async with parts.store.look(parts.club) as tx:
        return await _open_in(tx, who)


async def _open_in(tx: Tx, who: Identity) -> Application | None:
    account = await tx.first(Account, identity=who)
    if account is None:
        return None
    return await tx.first(
        Application, person_id=account.person_id, state__in=tuple(_PROVEN), order="-id"
    )


async def _member_in(tx: Tx, who: Identity) -> Membership | None:
    account = await tx.first(Account, identity=who)
    person = account.person_id if account else 0
    return await tx.first(Membership, person_id=person, state__in=tuple(INSIDE))


async def _mine(parts: Parts, who: Identity) -> Application:
    app = await _open(parts, who)
    if app is None:
        raise NotFound(kind="application", id=0)
    return app


async def _apply(parts: Parts, event: Filled, language: str) -> tuple[str, dict[str, Value]]:
    """A new application; whoever has one, or is a member, keeps what they have."""
    spec, who = parts.policy.club.spec, event.who
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if await _open_in(tx, who) is not None:
            return "standing.already-applied", await _called(tx, parts, who, language)
        if await _member_in(tx, who) is not None:
            return "standing.already-member", await _called(tx, parts, who, language)
        answers = validate_answers(spec.form, event.answers)
        if not await once(tx, event, now):
            return "window.too-late", {}
        await limits.spend(tx, f"form:{who}", spec.limits.forms_by_address, now)
        sent = apply.Submission(
            identity=who,
            answers=event.answers,
            language=language,
            browser=f"chat:{who}",
            address=str(who),
        )
        app = await tx.add(apply.drafted(tx, parts, sent, answers, now, origin="chat"))
        await drafts.end(tx, who)
        app = await apply.proven(tx, parts, app, now)
    app = await apply.opened(parts, app)
    at = say_time(app.submitted_at, language, spec.time_zone)
    account = read_account(parts, who, app.name, language)
    values: dict[str, Value] = {"at": at, "account": account, "reason": app.reason_text}
    return f"standing.{app.state.value}", values


async def _draft(parts: Parts, event: Filled) -> tuple[str, dict[str, Value]]:
    """Kept in any case; what would be wrong with it, were it sent, is told."""
    async with parts.store.transaction(parts.club) as tx:
        app = await _open_in(tx, event.who)
        form = await _form(tx, parts, app)
        asked = {question.id for question in form.questions}
        typed = {name: _clean(each) for name, each in event.answers.items() if name in asked}
        now = parts.clock.now()
        whole = await drafts.keep(tx, event.who, "edit" if app else "apply", typed, now)
    validate_answers(form, whole)
    return "window.kept", {}


def _clean(typed: str | list[str]) -> str | list[str]:
    return clean_text(typed) if isinstance(typed, str) else [clean_text(one) for one in typed]


async def _form(tx: Tx, parts: Parts, app: Application | None) -> Form:
    """The form of an open application, else that of a new one."""
    policy = parts.policy if app is None else await parts.shelf.at(tx, app.policy)
    return policy.club.spec.form


async def _called(tx: Tx, parts: Parts, who: Identity, language: str) -> dict[str, Value]:
    return {"account": read_account(parts, who, await name_of(tx, who), language)}


async def _answer(parts: Parts, event: Filled) -> tuple[str, dict[str, Value]]:
    app = await _mine(parts, event.who)
    async with parts.store.transaction(parts.club) as tx:
        app = await tx.get(Application, app.id)
        try:
            await questions.take_answer(tx, parts, app, event.asked, event.text, parts.clock.now())
        except BadInput as bad:
            raise BadInput({"text": bad.problems["answer"]}) from None
    return "answer-taken", {}


async def _vouch(parts: Parts, event: Filled) -> tuple[str, dict[str, Value]]:
    """A member's word for the person behind an account, who must have applied."""
    async with parts.store.look(parts.club) as tx:
        await member_of(tx, event.who)  # others learn nothing of who has applied
    app = await _open(parts, event.about) if event.about is not None else None
    if app is None:
        return "window.no-applicant", {}
    app = await vouch.give(parts, event.who, app.id)
    return "vouch-taken", {"applicant": app.name}


async def _away(parts: Parts, event: Filled, language: str) -> tuple[str, dict[str, Value]]:
    if event.until is None:
        raise BadInput({"until": "answer-required"})
    zone = parts.policy.club.spec.time_zone
    try:
        until = last_moment(event.until, zone)
    except ValueError:
        raise BadInput({"until": "date-too-far"}) from None
    await leave.announce(parts, event.who, until, event.text, str(event.who))
    return "leave-taken", {"until": say_time(until, language, zone)}


def _problems(
    parts: Parts, form: Form, problems: Mapping[str, str], language: str
) -> dict[str, str]:
    known = {question.id: question for question in form.questions}
    told = {}
    for name, code in problems.items():
        values: dict[str, Value] = {"field": name[:60]}
        if (question := known.get(name)) is not None:
            values |= {
                "least": question.min_length or 0,
                "most": question.max_length or ANSWER_LETTERS,
                "min": f"{question.min:g}" if question.min is not None else "",
                "max": f"{question.max:g}" if question.max is not None else "",
            }
        told[name] = parts.say(code, values, language)
    return told
