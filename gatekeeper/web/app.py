"""The pages of a club: routes, and what stands around each of them."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from secrets import token_hex
from time import perf_counter
from typing import Any, Final, TypeAlias

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatekeeper.domain.errors import GatekeeperError
from gatekeeper.ports import Health
from gatekeeper.usecases.parts import Parts
from gatekeeper.web import forms, joining, letters, standing
from gatekeeper.web.metrics import Metrics
from gatekeeper.web.security import (
    HEADERS,
    NotOurForm,
    Sessions,
    StaleForm,
    WebSecrets,
    WebSettings,
    comes_from_us,
)
from gatekeeper.web.site import Site, Visit, status_of

log = structlog.get_logger(__name__)

HealthOf: TypeAlias = Callable[[], Mapping[str, Health]]
Act: TypeAlias = Callable[[Visit], Awaitable[Response]]
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

# Path, what its GET shows, what its POST does. Those whose POST looks at the token itself keep
# what was typed when the form has lain open for too long.
PAGES: Final[Sequence[tuple[str, Act | None, Act | None]]] = (
    ("/", joining.home, None),
    ("/join", joining.join, joining.send),
    ("/join/code", joining.code, joining.prove),
    ("/join/code/resend", None, joining.resend),
    ("/standing", standing.show, None),
    ("/standing/edit", standing.edit, standing.save),
    ("/standing/withdraw", standing.ask_withdraw, standing.withdraw),
    ("/standing/answer", None, standing.answer),
    ("/standing/forget", None, standing.forget),
    ("/standing/email", letters.show, letters.name),
    ("/standing/email/code", None, letters.confirm),
    ("/standing/email/forget", None, letters.forget),
    ("/l/{secret}", joining.link, joining.follow),
)
LOOKS_ITSELF: Final = frozenset({joining.send, standing.save})


def create_app(
    parts: Parts,
    *,
    secrets: WebSecrets,
    settings: WebSettings,
    health: HealthOf,
    extra_routes: Sequence[BaseRoute] = (),
    metrics: Metrics | None = None,
) -> Starlette:
    """The pages of one club as an ASGI application.

    Args:
        parts: the club's.
        secrets, settings: what the pages are told from outside.
        health: part ("store", "engine", a platform's name) to how it is; never waits.
        extra_routes: HTTP routes that platforms offer.
        metrics: where requests are counted; one of its own when left out.
    """
    site = Site(parts, settings, Sessions(secrets, settings, parts.clock, parts.club))
    routes: list[BaseRoute] = []
    for path, show, do in PAGES:
        if show is not None:
            routes.append(Route(path, _endpoint(site, show), methods=["GET"]))
        if do is not None:
            routes.append(Route(path, _endpoint(site, do), methods=["POST"]))
    routes.append(Route("/static/{name}", _static(site), methods=["GET"]))
    routes.append(Route("/healthz", _alive, methods=["GET"]))
    routes.append(Route("/readyz", _ready(health), methods=["GET"]))
    app = Starlette(routes=[*routes, *extra_routes])
    app.router.redirect_slashes = False
    app.add_exception_handler(GatekeeperError, _on_fault(site))
    app.add_exception_handler(HTTPException, _on_http(site))
    app.add_middleware(Door, site=site, metrics=metrics or Metrics())
    return app


def _endpoint(site: Site, act: Act) -> Endpoint:
    """One page: read what came, see that it is ours, act, and hand back the session."""

    async def endpoint(request: Request) -> Response:
        visit = site.visit(request)
        try:
            if request.method == "POST":
                await _take_in(visit, alone=act not in LOOKS_ITSELF)
            response = await act(visit)
        except GatekeeperError as fault:
            if status_of(fault) == 500:
                raise
            response = _told(visit, fault)
        visit.keep(response)
        return response

    return endpoint


async def _take_in(visit: Visit, *, alone: bool) -> None:
    """Read a form; NotOurForm, StaleForm (where `alone`), and what `read_form` raises."""
    site = visit.site
    if not comes_from_us(visit.request, site.settings):
        raise NotOurForm()
    visit.posted = await forms.read_form(visit.request, site.settings)
    visit.genuine = site.sessions.genuine(visit.session, forms.one(visit.posted, forms.TOKEN))
    if alone and not visit.genuine:
        raise StaleForm()


# ---- Beside the pages --------------------------------------------------------------------------


async def _alive(request: Request) -> Response:
    """The process is there; nothing else is looked at."""
    return PlainTextResponse("ok\n")


def _ready(health: HealthOf) -> Endpoint:
    async def ready(request: Request) -> Response:
        """200 only while every part works; each part with its code."""
        found = health()
        works = all(part.ok for part in found.values())
        return JSONResponse(
            {
                "ok": works,
                "parts": {name: {"ok": part.ok, "code": part.code} for name, part in found.items()},
            },
            200 if works else 503,
        )

    return ready


def _static(site: Site) -> Endpoint:
    async def static(request: Request) -> Response:
        """The stylesheet and the icon; nothing else lies there."""
        file = site.static.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        forever = request.query_params.get("v") == file.tag
        kept = "public, max-age=31536000, immutable" if forever else "public, max-age=300"
        return Response(file.content, media_type=file.type, headers={"cache-control": kept})

    return static


Handler: TypeAlias = Callable[[Request, Any], Awaitable[Response]]


def _on_fault(site: Site) -> Handler:
    async def on_fault(request: Request, fault: GatekeeperError) -> Response:
        if status_of(fault) == 500:
            return _unexpected(site, request, fault)
        return _told(site.visit(request), fault)

    return on_fault


def _on_http(site: Site) -> Handler:
    async def on_http(request: Request, fault: HTTPException) -> Response:
        known = {404: "web.no-such-page", 405: "web.wrong-method"}
        code = known.get(fault.status_code, "web.not-understood")
        visit = site.visit(request)
        response = visit.plain_fault(fault.status_code, code, visit.say(code))
        for name, value in (fault.headers or {}).items():
            response.headers[name] = value
        return response

    return on_http


def _told(visit: Visit, fault: GatekeeperError) -> Response:
    """The page of a fault; one that those who run the service should know of is logged."""
    if status_of(fault) >= 500:
        log.warning(
            "web-fault",
            route=route_of(visit.request.scope),
            code=fault.code,
            detail=str(fault)[:300],
        )
    return visit.fault(fault)


def _unexpected(site: Site, request: Request, fault: BaseException) -> Response:
    """A page without inner workings, and one line in the log that can be found by its number."""
    number = token_hex(4)
    frames = traceback.extract_tb(fault.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    log.error(
        "web-unexpected",
        number=number,
        route=route_of(request.scope),
        error=type(fault).__name__,
        detail=str(fault)[:300],
        where=where,
    )
    visit = site.visit(request)
    code = fault.code if isinstance(fault, GatekeeperError) else "web.unexpected"
    said = visit.say("web.unexpected")
    return visit.plain_fault(
        500, code, said, visit.say("web.unexpected-number", {"number": number})
    )


def route_of(scope: Scope) -> str:
    """The template of the route that answered, never the path itself: it may hold a secret."""
    route = scope.get("route")
    return str(getattr(route, "path", "")) or "other"


class Door:
    """Stands before every route: headers, the time limit, faults, one line in the log, counts."""

    def __init__(self, app: ASGIApp, site: Site, metrics: Metrics) -> None:
        self._app, self._site, self._metrics = app, site, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong inside becomes a page."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _protect(message)
            await send(message)

        try:
            async with asyncio.timeout(self._site.settings.request_seconds):
                await self._app(scope, receive, sending)
        except ClientDisconnect:
            status = status or 499
        except TimeoutError:
            if not status:
                await self._late(scope)(scope, receive, sending)
        except Exception as fault:
            page = _unexpected(self._site, Request(scope), fault)
            if not status:
                await page(scope, receive, sending)
        finally:
            taken = perf_counter() - began
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = route_of(scope)
            self._metrics.answered(route, method, status or 499, taken)
            tell = log.debug if route in QUIET else log.info
            tell("http", method=method, route=route, status=status or 499, ms=round(taken * 1000))

    def _late(self, scope: Scope) -> Response:
        visit = self._site.visit(Request(scope))
        return visit.plain_fault(503, "web.no-answer", visit.say("web.no-answer"), wait=5)


METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Asked every few seconds, or more often.
QUIET: Final = frozenset({"/healthz", "/readyz", "/static/{name}", "/{platform}/events"})


def _protect(start: MutableMapping[str, Any]) -> None:
    """Add the headers that every answer carries, unless it has its own."""
    there = {name.lower() for name, _ in start.get("headers", ())}
    start["headers"] = [
        *start.get("headers", ()),
        *(
            (name.encode(), value.encode())
            for name, value in HEADERS.items()
            if name.encode() not in there
        ),
    ]
