"""Where an applicant stands, and what they may do: edit, answer, withdraw."""

from dataclasses import replace

from starlette.responses import Response

from gatekeeper.domain.applications import Application, Question, State
from gatekeeper.domain.errors import BadInput, NotFound, WrongState
from gatekeeper.policy.club_document import ANSWER_LETTERS, QuestionKind
from gatekeeper.policy.judge import Policy
from gatekeeper.usecases import apply, standing
from gatekeeper.web import forms
from gatekeeper.web.joining import sheet_of
from gatekeeper.web.security import StaleForm
from gatekeeper.web.site import Visit, code_of, status_of

ANSWER, QUESTION = "your-answer", "the-question"
STEPS = ("sent", "proven", "review", "invited", "inside")
_REACHED = {
    State.UNPROVEN: 1,
    State.IN_REVIEW: 2,
    State.APPROVED: 3,
    State.INVITED: 3,
    State.ADMITTED: 5,
}


class NoApplication(NotFound):
    """This browser has sent no application."""

    code = "web.no-application"


async def mine(visit: Visit) -> Application:
    """The application of this browser; NoApplication."""
    app = await apply.mine(visit.parts, visit.session.browser)
    if app is None:
        raise NoApplication()
    return app


async def _policy_of(visit: Visit, app: Application) -> Policy:
    """The version that the application was written for."""
    async with visit.parts.store.look(visit.parts.club) as tx:
        return await visit.parts.shelf.at(tx, app.policy)


async def show(visit: Visit) -> Response:
    """Where I am, what is missing, what is asked of me."""
    try:
        app = await mine(visit)
    except NoApplication:
        return visit.page("nothing", status=404)
    return await _page(visit, app)


async def _page(
    visit: Visit, app: Application, *, problem: str = "", code: str = "", asked: int = 0
) -> Response:
    shown = await standing.view(visit.parts, app.id)
    policy = await _policy_of(visit, app)
    return visit.page(
        "standing",
        status=422 if problem else 200,
        page=shown,
        app=shown.application,
        reached=_REACHED.get(shown.application.state, -1),
        steps=STEPS,
        answers=_answers(visit, policy, shown.application),
        done=visit.request.query_params.get("done", "") if not problem else "",
        problem=problem,
        code=code,
        asked=asked,
        typed=forms.one(visit.posted, ANSWER),
        letters=visit.parts.mailer is not None and bool(shown.application.person_id),
    )


def _answers(visit: Visit, policy: Policy, app: Application) -> list[tuple[str, str]]:
    """The answers as they were given, with their questions in the visitor's language."""
    shown = []
    for question in policy.form.questions:
        answer = (app.answers or {}).get(question.id)
        if answer is None or answer in ("", []):
            continue
        words = question.words(visit.language)
        if question.kind is QuestionKind.CONSENT:
            text = visit.say("web.yes" if answer else "web.no")
        elif isinstance(answer, list | tuple):
            text = ", ".join(words.options.get(str(each), str(each)) for each in answer)
        else:
            text = words.options.get(str(answer), str(answer))
        shown.append((words.label, text))
    return shown


async def edit(visit: Visit) -> Response:
    """The form with the answers that were given."""
    app = await mine(visit)
    return await _edit_page(visit, app, forms.as_typed(app.answers))


async def save(visit: Visit) -> Response:
    """Change the answers."""
    app = await mine(visit)
    if not visit.genuine:
        return await _edit_page(visit, app, visit.posted, fault=StaleForm())
    raw = forms.raw_answers(visit.posted)
    try:
        await apply.edit(visit.parts, app.id, visit.session.browser, raw)
    except BadInput as wrong:
        return await _edit_page(visit, app, visit.posted, problems=wrong.problems)
    return visit.go("/standing?done=edited")


async def _edit_page(
    visit: Visit,
    app: Application,
    typed: forms.Posted,
    *,
    problems: dict[str, str] | None = None,
    fault: StaleForm | None = None,
) -> Response:
    shown = await standing.view(visit.parts, app.id)
    if not shown.can_edit:
        raise WrongState(state=app.state.value, event="edit")
    policy = await _policy_of(visit, app)
    sheet = sheet_of(visit, policy, typed, problems)
    return visit.page(
        "edit",
        status=status_of(fault) if fault else 422 if problems else 200,
        fields=sheet.questions(policy.form),
        unknown=sheet.unknown(policy.form),
        wrong=bool(problems),
        alert=visit.sentence(fault) if fault else "",
        code=code_of(fault) if fault else "",
    )


async def ask_withdraw(visit: Visit) -> Response:
    """What withdrawing means; nothing has happened yet."""
    app = await mine(visit)
    shown = await standing.view(visit.parts, app.id)
    if not shown.can_withdraw:
        raise WrongState(state=app.state.value, event="withdraw")
    return visit.page("withdraw", app=app)


async def withdraw(visit: Visit) -> Response:
    """Take the application back."""
    app = await mine(visit)
    await apply.withdraw(visit.parts, app.id, str(app.identity), visit.session.browser)
    return visit.go("/standing")


async def forget(visit: Visit) -> Response:
    """Make this browser a stranger; the application goes on, and the chat still tells of it."""
    await mine(visit)
    visit.session = replace(visit.session.renewed(), identity=None, pass_id=0)
    return visit.go("/")


async def answer(visit: Visit) -> Response:
    """Answer a question of the admins."""
    app = await mine(visit)
    number, text = forms.one(visit.posted, QUESTION), forms.one(visit.posted, ANSWER)
    text = text.replace("\r\n", "\n").strip()
    asked = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
    async with visit.parts.store.look(visit.parts.club) as tx:
        if not await tx.count(Question, id=asked, application_id=app.id):
            raise NotFound(kind="question", id=asked)
    wrong = "" if text else "answer-required"
    if len(text) > ANSWER_LETTERS:
        wrong = "answer-too-long"
    if wrong:
        said = visit.say(wrong, {"most": ANSWER_LETTERS})
        return await _page(visit, app, problem=said, code=wrong, asked=asked)
    await apply.answer(visit.parts, app.id, visit.session.browser, asked, text)
    return visit.go("/standing?done=answered")
