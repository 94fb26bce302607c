"""The page on which an e-mail address is named, confirmed and taken back; and applying by one."""

import re
from dataclasses import replace

import pytest

from gatekeeper.domain.decisions import Tell
from gatekeeper.domain.identity import Address
from gatekeeper.testing.fakes_mail import FakeMail
from gatekeeper.usecases import email, passes
from tests.web.conftest import GOOD, Browser, Club, Page, made

PLACE, TYPED = "/standing/email", {"your-address": "ada@post.example"}


@pytest.fixture
def club(club: Club) -> Club:
    """The same, with a mail server."""
    parts = replace(club.parts, mailer=FakeMail(club.clock))
    return made(parts, club.clock, club.platform, club.settings)


async def applied(club: Club, browser: Browser) -> None:
    await browser.fill("/join", GOOD)
    await browser.fill("/join/code", {"code": await club.code()})


async def code(club: Club) -> str:
    """What the newest letter says."""
    order = [one for one in await club.orders() if one.purpose == email.CODE][-1]
    async with club.parts.store.look(club.parts.club) as tx:
        told = await passes.reveal(tx, club.parts, order.action, order.key)
    assert isinstance(told, Tell)
    return re.findall(r"\b\d{6}\b", told.text)[-1]


async def addresses(club: Club) -> list[Address]:
    async with club.parts.store.look(club.parts.club) as tx:
        return await tx.find(Address)


async def test_from_an_address_over_its_code_to_none_again(club: Club, browser: Browser):
    await applied(club, browser)
    standing = await browser.see("/standing")
    assert PLACE in {a.get("href") for tag, a in standing.tags if tag == "a"}
    sent = await browser.fill(PLACE, TYPED)
    assert (sent.status_code, sent.headers["location"]) == (303, PLACE)
    page = await browser.see(PLACE)
    assert "ada@post.example" in page.text
    assert page.scripts == 0
    wrong = Page(await browser.fill(PLACE, {"code": "12"}))
    assert wrong.answer.status_code == 422
    assert "code-wrong" in wrong.text
    await browser.fill(PLACE, {"code": f" {await code(club)}"})
    assert "Letters go to ada@post.example" in (await browser.see(PLACE)).text
    await browser.fill(PLACE, {}, form=1)
    assert "No address is named" in (await browser.see(PLACE)).text
    [kept] = await addresses(club)
    assert kept.ended_at is not None


async def test_what_is_no_address_stands_at_its_field(club: Club, browser: Browser):
    await applied(club, browser)
    page = Page(await browser.fill(PLACE, {"your-address": '"><b>ada'}))
    assert page.answer.status_code == 422
    assert "not-an-address" in page.text
    assert page.form.fields["your-address"] == ['"><b>ada']
    for tag, a in page.tags:
        if tag == "input" and a.get("type") != "hidden":
            assert a["id"] in page.labels
        for described in a.get("aria-describedby", "").split():
            assert described in page.ids
    assert not await addresses(club)


async def test_too_often_keeps_what_was_typed(club: Club, browser: Browser):
    await applied(club, browser)
    for _ in range(club.parts.policy.club.spec.limits.codes_by_target):
        await browser.fill(PLACE, TYPED, form=0 if not await addresses(club) else 1)
    page = Page(await browser.fill(PLACE, TYPED, form=1))
    assert page.answer.status_code == 429
    assert int(page.answer.headers["retry-after"]) > 0
    assert page.forms[1].fields["your-address"] == ["ada@post.example"]


async def test_nobody_elses_browser_sees_or_changes_it(club: Club, browser: Browser):
    await applied(club, browser)
    await browser.fill(PLACE, TYPED)
    async with club.browser(accept_language="en") as other:
        assert (await other.get(PLACE)).status_code == 404
        token = (await other.see("/join")).form.fields
        for path in (PLACE, f"{PLACE}/code", f"{PLACE}/forget"):
            answer = await other.post(path, data={**token, **TYPED, "code": await code(club)})
            assert answer.status_code == 404
    for path in (PLACE, f"{PLACE}/code", f"{PLACE}/forget"):
        assert (await browser.post(path, data=TYPED)).status_code == 403, "without its token"
    [kept] = await addresses(club)
    assert (kept.confirmed_at, kept.ended_at) == (None, None)


async def test_before_the_account_is_proven_there_is_none(club: Club, browser: Browser):
    await browser.fill("/join", GOOD)
    page = await browser.see("/standing")
    assert PLACE not in page.answer.text
    page = await browser.see(PLACE)
    assert page.answer.status_code == 403
    assert "not-proven" in page.text


async def test_without_a_mail_server_the_page_says_so(club: Club, browser: Browser):
    await applied(club, browser)
    poor = made(replace(club.parts, mailer=None), club.clock, club.platform, club.settings)
    async with poor.browser(accept_language="en") as same:
        same.cookies = browser.cookies
        assert PLACE not in (await same.see("/standing")).answer.text
        page = await same.see(PLACE)
    assert page.answer.status_code == 403
    assert "no-mail" in page.text


# ---- Applying without an account ---------------------------------------------------------------


OUTSIDE = {**GOOD, "your-platform": "email", "your-account": "Zoe@Post.example"}


@pytest.fixture
def open_club(club: Club) -> Club:
    """The same, on a platform into which people are invited by hand."""
    club.platform.by_hand = lambda: "outside.slack"  # type: ignore[attr-defined]
    return club


async def test_an_address_stands_for_an_account(open_club: Club, browser: Browser):
    page = await browser.see("/join")
    assert {"your-platform", "your-account"} <= set(page.form.names)
    assert "no account there yet" in page.text
    sent = await browser.fill("/join", OUTSIDE)
    assert (sent.status_code, sent.headers["location"]) == (303, "/join/code")
    page = await browser.see("/join/code")
    assert "zoe@post.example, by e-mail" in page.text
    [order] = [one for one in await open_club.orders() if one.purpose == "code"]
    assert order.platform == "email"
    await browser.fill("/join/code", {"code": await open_club.code()})
    page = await browser.see("/standing")
    assert "zoe@post.example" in page.text
    assert "Letters go to zoe@post.example" in (await browser.see(PLACE)).text


@pytest.mark.parametrize(
    ("typed", "code"), [("", "answer-required"), ("@zoe:example.org", "not-an-address")]
)
async def test_no_address_is_no_account(open_club: Club, browser: Browser, typed: str, code: str):
    page = Page(await browser.fill("/join", {**OUTSIDE, "your-account": typed}))
    assert page.answer.status_code == 422
    assert code in page.text


async def test_an_account_may_be_given_as_before(open_club: Club, browser: Browser):
    sent = await browser.fill("/join", GOOD)
    assert sent.headers["location"] == "/join/code"
    [order] = [one for one in await open_club.orders() if one.purpose == "code"]
    assert order.platform == "matrix"


async def test_where_people_have_accounts_none_is_named_by_an_address(club: Club, browser: Browser):
    page = await browser.see("/join")
    assert "your-platform" not in page.form.names
    page = Page(await browser.fill("/join", OUTSIDE))
    assert page.answer.status_code == 422
    assert not await club.orders()
