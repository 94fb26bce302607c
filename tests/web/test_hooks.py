"""What platforms are told over HTTP: theirs is what they name, and nothing else."""

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

from gatekeeper.web.app import QUIET
from gatekeeper.web.hooks import hooks


class Told:
    paths = frozenset({"events", "install"})

    async def receive(self, scope: Any, receive: Any, send: Any) -> None:
        said = f"{scope['method']} {scope['path']}"
        await PlainTextResponse(said)(scope, receive, send)


CASES = [
    ("POST", "/slack/events", 200),
    ("GET", "/slack/install", 200),
    ("GET", "/slack/elsewhere", 404),
    ("GET", "/slack/", 404),
    ("GET", "/slack/install/more", 404),
    ("GET", "/matrix/events", 404),
    ("GET", "/nobody/events", 404),
    ("DELETE", "/slack/events", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), CASES)
async def test_whose_it_is(method, path, status):
    platforms: Any = {"slack": Told(), "matrix": object()}
    app = Starlette(routes=hooks(platforms))
    app.router.redirect_slashes = False
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://club") as client:
        answer = await client.request(method, path)
        assert answer.status_code == status
        if status == 200:
            assert answer.text == f"{method} {path}"
        platforms.clear()
        assert (await client.request("POST", "/slack/events")).status_code == 404


def test_what_comes_by_the_thousand_has_no_line_in_the_log_each():
    """Presses and events; an installation has one."""
    paths = {route.path for route in hooks({})}
    assert paths & QUIET == {"/{platform}/events"}
    assert "/{platform}/{rest}" in paths - QUIET
