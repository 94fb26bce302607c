"""Several clubs by one service: their pages by host, and nothing of one club counts in another."""

from datetime import UTC, datetime

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gatekeeper.domain.identity import Identity
from gatekeeper.testing.fakes import ManualClock
from gatekeeper.web.hosts import by_host
from gatekeeper.web.security import Session, Sessions, WebSecrets, WebSettings


def pages(name: str) -> Starlette:
    async def say(_: Request) -> Response:
        return PlainTextResponse(name)

    return Starlette(routes=[Route(path, say) for path in ("/join", "/healthz", "/readyz")])


CLUBS = by_host(
    {
        "https://lutes.example": pages("lutes"),
        "http://lyres.example:8080": pages("lyres"),
        "http://[::1]:8081": pages("loop"),
    }
)
CASES = [
    ("lutes.example", "/join", 200, "lutes"),
    ("LUTES.example", "/join", 200, "lutes"),
    ("lutes.example:443", "/join", 200, "lutes"),
    ("lyres.example:8080", "/join", 200, "lyres"),
    ("[::1]:8081", "/join", 200, "loop"),
    ("lyres.example", "/join", 421, "no-such-host"),
    ("lutes.example:8080", "/join", 421, "no-such-host"),
    ("lutes.example.evil.example", "/join", 421, "no-such-host"),
    ("", "/join", 421, "no-such-host"),
    ("10.0.0.1:8080", "/healthz", 200, "lutes"),
    ("", "/readyz", 200, "lutes"),
]


@pytest.mark.parametrize(("host", "path", "status", "said"), CASES)
async def test_whose_pages_they_are(host, path, status, said):
    transport = httpx.ASGITransport(app=CLUBS)
    async with httpx.AsyncClient(transport=transport, base_url="http://any") as client:
        answer = await client.get(path, headers={"host": host})
    assert (answer.status_code, said in answer.text) == (status, True)


async def test_of_a_single_club_any_host_is():
    transport = httpx.ASGITransport(app=by_host({"https://lutes.example": pages("lutes")}))
    async with httpx.AsyncClient(transport=transport, base_url="http://any") as client:
        assert (await client.get("/join")).text == "lutes"


def test_a_session_of_one_club_is_nobodys_in_another():
    """Whoever proved an account to a club whose admin they are is no one elsewhere by that."""
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    settings = WebSettings(base_url="http://lutes.example")
    lutes, lyres = (
        Sessions(WebSecrets(session=b"k" * 32), settings, clock, club)
        for club in ("lutes", "lyres")
    )
    answer, ada = Response(), Identity("slack", "T1:U1")
    lutes.write(answer, Session("a browser", identity=ada))
    cookie = answer.headers["set-cookie"].partition(";")[0]
    scope = {"type": "http", "headers": [(b"cookie", cookie.encode())]}
    assert lutes.read(Request(scope)).identity == ada
    assert lyres.read(Request(scope)).identity is None
    session = Session("a browser")
    assert lutes.genuine(session, lutes.token(session))
    assert not lyres.genuine(session, lutes.token(session))
