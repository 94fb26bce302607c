"""The server and the numbers: what those who run the service lean on."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gatekeeper import web
from gatekeeper.domain.decisions import Lane, Tell
from gatekeeper.domain.errors import SettingsError
from gatekeeper.policy.texts import codes
from gatekeeper.ports import Health
from gatekeeper.usecases.parts import order
from gatekeeper.web import server as served
from gatekeeper.web.metrics import create_metrics_app
from gatekeeper.web.server import Server, serve
from tests.web.conftest import ADA, GOOD, Browser, Club


@pytest.fixture
async def server(club: Club) -> AsyncIterator[Server]:
    """The club's pages on a real port."""
    made = serve(club.app, port=0)
    running = asyncio.create_task(made.serve())
    yield made
    made.should_exit = True
    await running


async def raw(server: Server, *pieces: bytes, pause: float = 0.0) -> bytes:
    """What the server says to these bytes, until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


async def test_it_binds_loopback_and_leaves_signals_alone(server: Server):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{server.port}/healthz")
    assert answer.text == "ok\n"
    assert "server" not in answer.headers
    assert server._listener.getsockname()[0] == "127.0.0.1"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


async def test_a_port_that_is_taken_is_a_clear_fault(server: Server, club: Club):
    with pytest.raises(SettingsError, match=str(server.port)):
        serve(club.app, port=server.port)


async def test_head_has_no_body_and_answers_like_get(server: Server):
    said = await raw(server, b"HEAD /join HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b""


async def test_a_slow_head_is_hung_up_on(server: Server, monkeypatch):
    monkeypatch.setattr(served, "HEAD_SECONDS", 0.3)
    assert await raw(server) == b""
    assert await raw(server, b"GET /join HT", b"TP/1.1\r\n", b"X: y\r\n", pause=0.2) == b""
    whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    said = await raw(server, whole, whole + b"GET /h", pause=0.2)  # the third trickles in
    assert said.count(b"HTTP/1.1 200") == 2


async def test_an_endless_head_is_refused(server: Server):
    said = await raw(server, b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000)
    assert said.startswith(b"HTTP/1.1 400")


async def test_a_slow_body_is_a_page_in_time(club: Club):
    hasty = club.remade(body_seconds=0.3)
    made = serve(hasty.app, port=0)
    running = asyncio.create_task(made.serve())
    said = await raw(
        made,
        b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\nContent-Type: "
        b"application/x-www-form-urlencoded\r\nConnection: close\r\n\r\nwhy=",
    )
    made.should_exit = True
    await running
    assert said.startswith(b"HTTP/1.1 408")
    assert b"web.too-slow" in said


async def test_a_body_too_large_is_answered_though_it_still_comes(server: Server):
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"http://127.0.0.1:{server.port}/join",
            content=b"why=" + b"x" * 5_000_000,
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
    assert answer.status_code == 413


# ---- Numbers -----------------------------------------------------------------------------------


async def numbers(club: Club) -> dict[str, float]:
    app = create_metrics_app([club.parts], health=lambda: club.health, metrics=club.metrics)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://m") as client:
        text = (await client.get("/metrics")).text
        assert (await client.get("/")).status_code == 404
    return {
        name: float(value)
        for name, value in re.findall(r"^(gatekeeper\S*(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)
    }


async def test_numbers_count_and_name_nobody(club: Club, browser: Browser):
    await browser.fill("/join", GOOD)
    await browser.get("/l/very-secret-indeed")
    await browser.get("/nowhere/@ada:example.org")
    await browser.request("BREW", "/join")
    async with club.parts.store.transaction(club.parts.club) as tx:
        await order(
            tx,
            Tell(who=ADA, text="x"),
            platform="matrix",
            key="k",
            purpose="strange",
            subject="club",
            lane=Lane.CARD,
            now=club.clock.now(),
        )
    club.clock.advance(seconds=90)
    club.health["matrix"] = Health(ok=False, code="platform-down")
    found = await numbers(club)
    assert found['gatekeeper_applications{club="loom",state="unproven"}'] == 1
    assert found['gatekeeper_orders{club="loom",progress="due",purpose="code"}'] == 1
    assert found['gatekeeper_orders{club="loom",progress="due",purpose="other"}'] == 1
    assert found['gatekeeper_oldest_due_order_seconds{club="loom"}'] == 90
    assert found['gatekeeper_part_up{part="matrix"}'] == 0
    assert found['gatekeeper_part_up{part="store"}'] == 1
    name = 'gatekeeper_http_requests_total{method="POST",route="/join",status="303"}'
    assert found[name] == 1
    assert found['gatekeeper_http_requests_total{method="GET",route="/l/{secret}",status="404"}']
    assert found['gatekeeper_http_requests_total{method="GET",route="other",status="404"}'] == 1
    everything = " ".join(found)
    for secret in ("ada", "secret-indeed", "BREW", "nowhere"):
        assert secret not in everything


async def test_no_metrics_beside_the_pages(browser: Browser):
    assert (await browser.get("/metrics")).status_code == 404


# ---- Texts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_sentence_of_the_pages_is_in_every_language(language: str):
    used = set()
    for file in Path(web.__path__[0]).rglob("*"):
        if file.suffix in {".py", ".j2"}:
            used |= set(re.findall(r'"(web\.[a-z.-]*[a-z])"', file.read_text()))
    used |= {f"web.step.{step}" for step in ("sent", "proven", "review", "invited", "inside")}
    used |= {f"web.standing.{done}" for done in ("edited", "answered")}
    used |= {"link-unknown", "link-used", "link-withdrawn", "link-expired", "proof-refused"}
    used |= {"code-wrong", "code-expired", "code-too-many-tries", "code-other-browser"}
    used |= {"not-an-identity", "too-many", "platform.matrix", "answer-unknown-question"}
    assert used - codes(language) == set()
