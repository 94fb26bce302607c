"""Where an applicant or member names an e-mail address, types its code, and takes it back."""

from starlette.responses import Response

from gatekeeper.domain.errors import BadInput, Refused, TooMany
from gatekeeper.usecases import email
from gatekeeper.web import forms
from gatekeeper.web.joining import CODE, HOLD
from gatekeeper.web.security import client_address
from gatekeeper.web.site import Visit, retry_after
from gatekeeper.web.standing import NoApplication, mine

ADDRESS = "your-address"
PLACE = "/standing/email"


async def show(visit: Visit) -> Response:
    """The address that letters go to, or how to name one."""
    try:
        await mine(visit)
    except NoApplication:
        return visit.page("nothing", status=404)
    if visit.parts.mailer is None:
        raise Refused("no-mail")
    return await _page(visit)


async def name(visit: Visit) -> Response:
    """Send a code to an address."""
    app, typed = await mine(visit), forms.one(visit.posted, ADDRESS)
    client = client_address(visit.request, visit.site.settings.trusted_proxies)
    try:
        await email.name(visit.parts, app.id, visit.session.browser, typed, client)
    except BadInput as wrong:
        return await _page(visit, status=422, problem=wrong.problems["address"], typed=typed)
    except TooMany as often:
        response = await _page(visit, status=429, typed=typed, alert=visit.sentence(often))
        response.headers["retry-after"] = str(retry_after(often))
        return response
    return visit.go(PLACE)


async def confirm(visit: Visit) -> Response:
    """Try the code of a letter."""
    app = await mine(visit)
    typed = "".join(forms.one(visit.posted, CODE).split())
    try:
        if not typed:
            raise Refused("answer-required")
        await email.confirm(visit.parts, app.id, visit.session.browser, typed)
    except Refused as refusal:
        if refusal.reason not in HOLD:
            raise
        said = visit.say(refusal.reason, refusal.values)
        return await _page(visit, status=422, code=refusal.reason, code_problem=said, value=typed)
    return visit.go(PLACE)


async def forget(visit: Visit) -> Response:
    """No letters any more."""
    app = await mine(visit)
    await email.forget(visit.parts, app.id, visit.session.browser)
    return visit.go(PLACE)


async def _page(visit: Visit, *, status: int = 200, problem: str = "", **more: str) -> Response:
    app = await mine(visit)
    shown = {"typed": "", "alert": "", "code": problem, "code_problem": "", "value": "", **more}
    return visit.page(
        "email",
        status=status,
        address=await email.of_browser(visit.parts, app.id, visit.session.browser),
        valid=visit.parts.policy.club.spec.proof.code_valid.total_seconds(),
        problem=visit.say(problem) if problem else "",
        **shown,
    )
