"""The way in: the club's front page, the join form, the code, personal links."""

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from gatekeeper.domain.applications import OPEN, Application, State
from gatekeeper.domain.errors import BadInput, GatekeeperError, Refused, StorageError
from gatekeeper.domain.identity import EMAIL, Identity
from gatekeeper.policy.judge import Policy
from gatekeeper.usecases import apply, links, outside_card
from gatekeeper.usecases.apply import Submission
from gatekeeper.web import forms
from gatekeeper.web.forms import Posted, Sheet
from gatekeeper.web.security import StaleForm, client_address
from gatekeeper.web.sessions import new_browser
from gatekeeper.web.site import Visit, code_of, retry_after, status_of

CODE = "code"  # the code's field
HOLD = frozenset({"code-wrong", "code-expired", "code-too-many-tries", "answer-required"})


async def home(visit: Visit) -> Response:
    """What this club is, and where to begin."""
    mine = await _open_one(visit)
    about = visit.parts.policy.club.metadata.description
    return visit.page("home", about=about, mine=mine)


# ---- The form ----------------------------------------------------------------------------------


async def join(visit: Visit) -> Response:
    """The empty form."""
    return await _form(visit)


async def send(visit: Visit) -> Response:
    """Take in the form: on to the code, or to where it stands; else again with what is wrong."""
    if not visit.genuine:
        return await _form(visit, fault=StaleForm())
    policy, posted = visit.parts.policy, visit.posted
    identity, problems = visit.session.identity, dict[str, str]()
    if identity is None:
        identity, problems = forms.read_account(
            visit.parts.platforms, posted, outside=_from_outside(visit)
        )
    problems |= forms.check_name(posted) | forms.check_answers(policy.form, posted)
    if problems or identity is None:
        return await _form(visit, problems=problems)
    session = visit.session.renewed()  # what is sent now belongs to nobody who knew the old one
    sent = Submission(
        identity=identity,
        name=" ".join(forms.one(posted, forms.NAME).split()),
        answers=forms.raw_answers(posted),
        language=visit.language,
        browser=session.browser,
        address=client_address(visit.request, visit.site.settings.trusted_proxies),
    )
    try:
        if session.identity is not None:
            app = await apply.submit_proven(visit.parts, sent, session.pass_id)
            # It may be an earlier one that goes on: then it is what this browser shows.
            session = await new_browser(visit.parts, app.id, session)
        else:
            app = await apply.submit(visit.parts, sent)
    except BadInput as wrong:
        return await _form(visit, problems=wrong.problems)
    except GatekeeperError as fault:
        if isinstance(fault, Refused) and fault.reason.startswith("link-"):
            visit.session = replace(visit.session, identity=None, pass_id=0)
        return await _form(visit, fault=fault)
    visit.session = replace(session, identity=None, pass_id=0)
    return visit.go(_place_of(app))


async def _form(
    visit: Visit,
    *,
    problems: dict[str, str] | None = None,
    fault: GatekeeperError | None = None,
) -> Response:
    """The form with all that was typed, each problem at its field, and a summary above."""
    policy = visit.parts.policy
    sheet = sheet_of(visit, policy, visit.posted, problems)
    fixed = visit.session.identity
    about = (
        [] if fixed else sheet.account(tuple(visit.parts.platforms), outside=_from_outside(visit))
    )
    fields = [*about, sheet.name(), *sheet.questions(policy.form)]
    status = status_of(fault) if fault else 422 if problems else 200
    response = visit.page(
        "join",
        status=status,
        fields=fields,
        fixed=fixed.account if fixed else "",
        unknown=sheet.unknown(policy.form),
        wrong=bool(problems),
        alert=visit.sentence(fault) if fault else "",
        code=code_of(fault) if fault else "",
        mine=None if isinstance(fault, StorageError) else await _open_one(visit),
    )
    if fault is not None and (wait := retry_after(fault)):
        response.headers["retry-after"] = str(wait)
    return response


def _from_outside(visit: Visit) -> bool:
    return outside_card.platform(visit.parts) is not None


def sheet_of(
    visit: Visit, policy: Policy, typed: Posted, problems: dict[str, str] | None = None
) -> Sheet:
    """What a form is drawn from, in the visitor's language."""
    return Sheet(visit.say, visit.language, policy.club.spec.language, typed, problems or {})


async def _open_one(visit: Visit) -> Application | None:
    """The application of this browser that is still open, None for none."""
    if visit.kept.new:
        return None
    app = await apply.mine(visit.parts, visit.session.browser)
    return app if app is not None and app.state in OPEN else None


def _place_of(app: Application) -> str:
    return "/join/code" if app.state is State.UNPROVEN else "/standing"


# ---- The code ----------------------------------------------------------------------------------


async def code(visit: Visit) -> Response:
    """Where the code is typed in."""
    app = await apply.mine(visit.parts, visit.session.browser)
    if app is None:
        return visit.go("/join")
    if app.state is not State.UNPROVEN:
        return visit.go("/standing")
    return _code_page(visit, app.identity, sent="sent" in visit.request.query_params)


async def prove(visit: Visit) -> Response:
    """Try a code; the browser gets a new id when it is right."""
    app = await apply.mine(visit.parts, visit.session.browser)
    if app is None or app.state is not State.UNPROVEN:
        return visit.go("/standing")
    typed = "".join(forms.one(visit.posted, CODE).split())
    try:
        if not typed:
            raise Refused("answer-required")
        proven = await apply.prove(visit.parts, app.id, visit.session.browser, typed)
    except Refused as refusal:
        if refusal.reason not in HOLD:
            raise
        said = visit.say(refusal.reason, refusal.values)
        return _code_page(
            visit, app.identity, status=422, problem=said, code=refusal.reason, value=typed
        )
    visit.session = await new_browser(visit.parts, proven.id, visit.session)
    return visit.go("/standing")


async def resend(visit: Visit) -> Response:
    """Ask for another code."""
    app = await apply.mine(visit.parts, visit.session.browser)
    if app is None or app.state is not State.UNPROVEN:
        return visit.go("/standing")
    address = client_address(visit.request, visit.site.settings.trusted_proxies)
    await apply.resend(visit.parts, app.id, visit.session.browser, address)
    return visit.go("/join/code?sent=1")


def _code_page(
    visit: Visit, identity: Identity, *, status: int = 200, sent: bool = False, **more: Any
) -> Response:
    proof = visit.parts.policy.club.spec.proof
    context = {"problem": "", "code": "", "value": "", **more}
    return visit.page(
        "code",
        status=status,
        account=identity.account,
        by_letter=identity.platform == EMAIL,
        valid=proof.code_valid.total_seconds(),
        tries=proof.tries,
        sent=sent,
        **context,
    )


# ---- Personal links ----------------------------------------------------------------------------


async def link(visit: Visit) -> Response:
    """What a personal link would do; nothing happens by looking."""
    secret = visit.request.path_params["secret"]
    shown = await links.inspect(visit.parts, secret, visit.language)
    return visit.page("link", link=shown, secret=secret)


async def follow(visit: Visit) -> Response:
    """Do what a personal link is for."""
    session = visit.session.renewed()
    secret = visit.request.path_params["secret"]
    done = await links.use(visit.parts, secret, session.browser, visit.language)
    if done.act == "form":
        visit.session = replace(session, identity=done.identity, pass_id=done.pass_id)
        return visit.go("/join")
    if done.act == "status":
        visit.session = replace(session, identity=None, pass_id=0)
        return visit.go("/standing")
    return visit.page("done", done=done)
