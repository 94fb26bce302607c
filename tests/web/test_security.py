"""The pages under attack: what a stranger, another website or a robot can try."""

import asyncio
import base64
import json

import pytest
from starlette.requests import Request

from gatekeeper.domain.applications import Application
from gatekeeper.domain.clubs import Pass
from gatekeeper.ports import Health
from gatekeeper.web.security import WebSettings, client_address, networks
from tests.web.conftest import ADA, GOOD, Browser, Club, Page

NASTY = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"


async def count(club: Club, kind: type) -> int:
    async with club.parts.store.look(club.parts.club) as tx:
        return await tx.count(kind)


# ---- What people type --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    [
        "your-account",
        "your-name",
        "why",
        "town",
        "looms",
        "since",
        "site",
        "topics",
        "level",
        "loom",
        "yarns",
        "terms",
        NASTY,
    ],
)
async def test_nothing_typed_becomes_markup(browser: Browser, field: str):
    page = Page(await browser.fill("/join", {**GOOD, field: NASTY, "why": NASTY, "admin": "1"}))
    assert page.answer.status_code == 422
    assert page.scripts == 0
    assert "onerror=alert(1)>" not in page.answer.text.replace("onerror=alert(1)&gt;", "")
    assert "{{7*7}}" in page.answer.text


async def test_what_was_typed_is_markup_on_no_later_page(club: Club, browser: Browser):
    typed = {**GOOD, "your-name": NASTY[:100], "why": NASTY, "town": "<b>Ulm</b>", "topics": NASTY}
    await browser.fill("/join", typed)
    await browser.fill("/join/code", {"code": await club.code()})
    for path in ("/standing", "/standing/edit", "/standing/withdraw"):
        page = await browser.see(path)
        assert page.answer.status_code == 200
        assert page.scripts == 0
        assert "<b>" not in page.answer.text
        assert page.answer.text.count("<img") == 0


async def test_letters_that_disguise_are_shown_as_marks(club: Club, browser: Browser):
    typed = {
        **GOOD,
        "your-name": "Eve\u202eAda",
        "why": "a\x00b\u2066c\x1b[31m, looms\u200b and so",
    }
    await browser.fill("/join", typed)
    await browser.fill("/join/code", {"code": await club.code()})
    page = await browser.see("/standing")
    for mark in ("⟨U+202E⟩", "⟨U+2066⟩", "⟨U+001B⟩", "⟨U+200B⟩", "a\ufffdb"):
        assert mark in page.text
    for letter in "\u202e\u2066\x1b\x00":
        assert letter not in page.answer.text


async def test_emoji_and_scripts_that_need_joiners_are_left_alone(club: Club, browser: Browser):
    name = "Zoë 👩‍👩‍👧 می‌خواهم"
    await browser.fill("/join", {**GOOD, "your-name": name})
    await browser.fill("/join/code", {"code": await club.code()})
    assert name in (await browser.see("/standing")).text


# ---- Other websites ----------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [
    {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example"}, {"origin": "http://club.example.evil.example"},
    {"origin": "https://club.example"}, {"origin": "http://club.example:8080"},
])  # fmt: skip
async def test_a_post_from_elsewhere_does_nothing(club: Club, browser: Browser, headers: dict):
    page = await browser.see("/join")
    answer = await browser.post("/join", data={**page.form.fields, **GOOD}, headers=headers)
    assert answer.status_code == 403
    assert "web.not-our-form" in answer.text
    assert "I build looms" not in answer.text  # a stranger's words are not shown as one's own
    assert await count(club, Application) == 0


@pytest.mark.parametrize("origin", ["http://club.example", "null"])
async def test_our_own_pages_may_post(club: Club, browser: Browser, origin: str):
    page = await browser.see("/join")
    answer = await browser.post(
        "/join", data={**page.form.fields, **GOOD}, headers={"origin": origin}
    )
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "path",
    [
        "/join",
        "/join/code",
        "/join/code/resend",
        "/standing/edit",
        "/standing/withdraw",
        "/standing/answer",
        "/standing/forget",
    ],
)
@pytest.mark.parametrize("token", [None, "", "x", "another session's"])
async def test_no_post_counts_without_this_sessions_token(
    club: Club, browser: Browser, path: str, token: str | None
):
    await browser.fill("/join", GOOD)
    await browser.fill("/join/code", {"code": await club.code()})
    async with club.parts.store.look(club.parts.club) as tx:
        before = await tx.find(Application)
    async with club.browser() as other:
        foreign = (await other.see("/join")).form.fields["form-token"][0]
    sent = (
        {"form-token": foreign if token and len(token) > 1 else token} if token is not None else {}
    )
    answer = await browser.post(path, data={**GOOD, "why": "something else altogether", **sent})
    assert answer.status_code == 403
    assert "web.stale-form" in answer.text
    async with club.parts.store.look(club.parts.club) as tx:
        assert await tx.find(Application) == before


async def test_a_form_that_lay_open_too_long_comes_back_with_what_was_typed(
    club: Club, browser: Browser
):
    page = await browser.see("/join")
    club.clock.advance(hours=25)
    again = Page(await browser.post("/join", data={**page.form.fields, **GOOD}))
    assert again.answer.status_code == 403
    assert again.form.fields["why"] == [GOOD["why"]]
    sent = await browser.post("/join", data=again.form.fields)
    assert sent.status_code == 303


# ---- Sessions ----------------------------------------------------------------------------------


async def test_forged_and_foreign_cookies_are_strangers(club: Club, browser: Browser):
    await browser.fill("/join", GOOD)
    own = browser.cookies["gatekeeper"]
    body, _, rest = own.partition(".")
    kept = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(
        json.dumps({**kept, "v": {**kept["v"], "i": str(ADA), "p": 1}}).encode()
    ).decode()
    # Not the last letter: some of its bits are padding, so that another may mean the same.
    slip = own[:-2] + ("A" if own[-2] != "A" else "B") + own[-1]
    for cookie in (f"{forged}.{rest}", slip, "x", "", "."):
        async with club.browser() as other:
            other.cookies.set("gatekeeper", cookie, domain="club.example")
            assert (await other.get("/standing")).status_code == 404
            page = await other.see("/join")
            assert "your-account" in page.form.names
            assert other.cookies["gatekeeper"] != cookie
    club.clock.advance(days=91)
    assert (await browser.get("/standing")).status_code == 404


async def test_a_planted_session_knows_nothing_of_what_is_done_in_it(club: Club, browser: Browser):
    """Whoever plants their own cookie in somebody's browser gains nothing by it."""
    async with club.browser() as mallory:
        await mallory.get("/join")
        planted = mallory.cookies["gatekeeper"]
        browser.cookies.set("gatekeeper", planted, domain="club.example")
        await browser.fill("/join", GOOD)
        assert (await mallory.get("/join/code")).headers["location"] == "/join"

        # Planted later still, with Mallory's own application for the other one's account:
        await mallory.fill("/join", GOOD)
        browser.cookies.clear()
        browser.cookies.set("gatekeeper", mallory.cookies["gatekeeper"], domain="club.example")
        done = await browser.fill("/join/code", {"code": await club.code()})
        assert done.headers["location"] == "/standing"
        assert (await browser.get("/standing")).status_code == 200
        assert (await mallory.get("/standing")).status_code == 404


async def test_the_cookie_is_for_us_alone(club: Club):
    plain = (await club.browser().get("/join")).headers["set-cookie"].lower()
    assert "httponly" in plain
    assert "samesite=lax" in plain
    assert "path=/" in plain
    assert "secure" not in plain
    safe = club.remade(base_url="https://club.example")
    cookie = (await safe.browser().get("/join")).headers["set-cookie"]
    assert cookie.startswith("__Host-gatekeeper=")
    assert "; secure" in cookie.lower()
    assert "domain" not in cookie.lower()


# ---- Personal links ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_previews_and_robots_use_up_no_link(club: Club, browser: Browser, method: str):
    path = await club.link("form")
    for _ in range(3):
        await browser.request(method, path)
    async with club.parts.store.look(club.parts.club) as tx:
        (found,) = await tx.find(Pass)
    assert found.used_at is None
    assert (await browser.fill(path, {})).headers["location"] == "/join"


async def test_a_link_page_tells_no_one_where_it_was(club: Club, browser: Browser, capsys):
    path = await club.link("form")
    answer = await browser.get(path)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "noindex" in answer.headers["x-robots-tag"]
    await browser.fill(path, {})
    await browser.get(path + "x")
    seen = capsys.readouterr()
    assert "/l/{secret}" in seen.out + seen.err
    assert path.removeprefix("/l/") not in seen.out + seen.err


@pytest.mark.parametrize(("change", "status", "code"), [
    ({"used": True}, 410, "link-used"), ({"void": True}, 410, "link-withdrawn"),
    ({"late": True}, 410, "link-expired"),
])  # fmt: skip
async def test_a_link_that_has_ended_says_so(
    club: Club, browser: Browser, change: dict, status: int, code: str
):
    path = await club.link("form")
    async with club.parts.store.transaction(club.parts.club) as tx:
        (found,) = await tx.find(Pass)
        if "used" in change:
            await tx.change(found, used_at=club.clock.now())
        if "void" in change:
            await tx.change(found, void_at=club.clock.now())
    if "late" in change:
        club.clock.advance(days=2)
    answer = await browser.get(path)
    assert (answer.status_code, code in answer.text) == (status, True)


# ---- Bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("body", "kind", "status"), [
    (b"\x00\xff\xfe\x89PNG", "application/octet-stream", 415),
    (b"{}", "application/json", 415),
    (b"--x\r\n", "multipart/form-data; boundary=x", 415),
    (b"a=b", "", 415),
    (b"a=b", "application/x-www-form-urlencoded; charset=utf-16", 415),
    (b"why=\xff\xfe", "application/x-www-form-urlencoded", 400),
    (b"why=%ff%fe", "application/x-www-form-urlencoded", 400),
    (b"why=" + b"x" * 2_200_000, "application/x-www-form-urlencoded", 413),
    (b"&".join(b"q%d=1" % n for n in range(600)), "application/x-www-form-urlencoded", 413),
    (b"&" * 100_000, "application/x-www-form-urlencoded", 413),
    (b"", "application/x-www-form-urlencoded", 403),
])  # fmt: skip
async def test_a_body_that_is_no_form_is_a_clear_page(
    browser: Browser, body: bytes, kind: str, status: int
):
    headers = {"content-type": kind} if kind else {}
    answer = await browser.post("/join", content=body, headers=headers)
    assert answer.status_code == status
    assert "<h1>" in answer.text
    assert "web." in answer.text


async def test_a_body_without_a_length_is_limited_too(browser: Browser):
    async def drip():
        for _ in range(64):
            yield b"x" * 65_536

    answer = await browser.post(
        "/join", content=drip(), headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 413


# ---- Addresses and headers ---------------------------------------------------------------------


@pytest.mark.parametrize(("peer", "forwarded", "trusted", "counts"), [
    ("192.0.2.7", [], [], "192.0.2.7"),
    ("192.0.2.7", ["198.51.100.1"], [], "192.0.2.7"),
    ("127.0.0.1", ["198.51.100.1"], ["127.0.0.1"], "198.51.100.1"),
    ("127.0.0.1", ["1.2.3.4, 198.51.100.1"], ["127.0.0.1"], "198.51.100.1"),
    ("127.0.0.1", ["1.2.3.4", "198.51.100.1, 10.0.0.9"], ["127.0.0.1", "10.0.0.0/8"],
     "198.51.100.1"),
    ("127.0.0.1", ["junk"], ["127.0.0.1"], "127.0.0.1"),
    ("127.0.0.1", ["198.51.100.1, junk"], ["127.0.0.1"], "127.0.0.1"),
    ("127.0.0.1", [], ["127.0.0.1"], "127.0.0.1"),
    ("127.0.0.1", ["198.51.100.1:4711"], ["127.0.0.1"], "198.51.100.1"),
    ("::1", ["[2001:db8:1:2:3::4]:99"], ["::1"], "2001:db8:1:2::/64"),
    ("::ffff:192.0.2.7", ["198.51.100.1"], ["192.0.2.0/24"], "198.51.100.1"),
    ("testclient", ["198.51.100.1"], ["127.0.0.1"], ""),
])  # fmt: skip
def test_which_address_counts(peer: str, forwarded: list, trusted: list, counts: str):
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    request = Request({"type": "http", "headers": headers, "client": (peer, 1)})
    assert client_address(request, networks(trusted)) == counts


async def test_limits_cannot_be_escaped_by_a_header(club: Club):
    for number in range(11):
        async with club.browser(x_forwarded_for=f"198.51.100.{number}") as browser:
            sent = await browser.fill("/join", {**GOOD, "your-account": f"@a{number}:example.org"})
    assert sent.status_code == 429


async def test_every_answer_carries_the_protecting_headers(club: Club, browser: Browser):
    for path in ("/", "/join", "/standing", "/nowhere", "/healthz", "/static/style.css", "/l/x"):
        headers = (await browser.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "form-action 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        stored = "public" if path.startswith("/static") else "no-store"
        assert stored in headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "http://club.example//evil.example",
        "/join/",
        "/join%0d%0aset-cookie:a=b",
        "/static/../app.py",
        "/static/%2e%2e%2fapp.py",
        "/standing/",
    ],
)
async def test_nothing_in_a_path_leads_away_or_into_headers(browser: Browser, path: str):
    answer = await browser.get(path, headers={"host": "evil.example"})
    assert answer.status_code == 404
    assert "location" not in answer.headers
    assert "evil.example" not in answer.headers.get("set-cookie", "")
    assert 'href="//evil.example' not in answer.text


async def test_the_host_header_changes_nothing(browser: Browser):
    page = await browser.get("/join", headers={"host": "evil.example"})
    assert "evil.example" not in page.text


async def test_a_language_from_the_address_is_one_of_ours(browser: Browser):
    answer = await browser.get("/join?lang=%0d%0aset-cookie:a=b")
    assert answer.headers["content-language"] == "en"


# ---- When something is down --------------------------------------------------------------------


async def test_what_goes_wrong_inside_stays_inside(
    club: Club, browser: Browser, monkeypatch, capsys
):
    async def broken(*_: object) -> None:
        raise RuntimeError("password=hunter2 at /srv/app")

    await browser.fill("/join", GOOD)
    monkeypatch.setattr("gatekeeper.usecases.apply.mine", broken)
    answer = await browser.get("/standing")
    assert answer.status_code == 500
    assert "web.unexpected" in answer.text
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    told = [line for line in capsys.readouterr().out.splitlines() if "web-unexpected" in line]
    assert len(told) == 1
    assert "default-src" in answer.headers["content-security-policy"]


async def test_json_for_those_who_ask_for_it(browser: Browser):
    answer = await browser.get("/l/nonsense", headers={"accept": "application/json"})
    assert answer.status_code == 404
    assert answer.json()["code"] == "link-unknown"
    assert set(answer.json()) == {"code", "sentence", "remedy"}


async def test_an_answer_that_takes_too_long_is_given_up(club: Club, monkeypatch):
    async def slow(*_: object) -> None:
        await asyncio.sleep(30)

    hasty = club.remade(request_seconds=0.05)
    monkeypatch.setattr("gatekeeper.usecases.apply.mine", slow)
    answer = await hasty.browser().get("/join/code")
    assert answer.status_code == 503
    assert "web.no-answer" in answer.text


async def test_ready_only_while_every_part_works(club: Club, browser: Browser):
    assert (await browser.get("/readyz")).json()["ok"] is True
    club.health["matrix"] = Health(ok=False, code="login-revoked", detail="token syt_abc")
    answer = await browser.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["matrix"] == {"ok": False, "code": "login-revoked"}
    assert "syt_abc" not in answer.text
    assert (await browser.get("/healthz")).status_code == 200


def test_the_root_of_a_shared_host_is_kept():
    settings = WebSettings(base_url="https://Example.org:443/club")
    assert (settings.root, settings.origin) == ("/club", "https://example.org")
