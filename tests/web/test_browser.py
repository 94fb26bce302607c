"""The pages in a real browser with JavaScript turned off, over a real server on loopback."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from gatekeeper.domain.clubs import ClubState
from gatekeeper.web.security import WebSettings
from gatekeeper.web.server import serve
from tests.support.parts import chromium
from tests.web.conftest import Club, made

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("GATEKEEPER_TESTS_SHOTS", "")  # a folder for pictures of every page


async def picture(page: Page, name: str) -> None:
    """Keep a picture, and see that nothing runs out of the page to the right."""
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)
        await page.set_viewport_size({"width": 360, "height": 740})
        await page.emulate_media(color_scheme="dark")
        await page.screenshot(path=f"{SHOTS}/{name}-phone.png", full_page=True)
        await page.set_viewport_size({"width": 1000, "height": 800})
        await page.emulate_media(color_scheme="light")


@pytest.fixture
async def address(club: Club) -> AsyncIterator[str]:
    """The club's pages on a port of loopback."""
    server = serve(club.app, port=0)
    base = f"http://127.0.0.1:{server.port}"
    # The server knows its port only now; the pages want their address at the beginning.
    server.config.app = made(club.parts, club.clock, club.platform, WebSettings(base_url=base)).app
    running = asyncio.create_task(server.serve())
    yield base
    server.should_exit = True
    await running


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page of a fresh browser that runs no scripts."""
    where = chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=where, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        context = await browser.new_context(
            java_script_enabled=False, locale="en-GB", viewport={"width": 1000, "height": 800}
        )
        yield await context.new_page()
        await browser.close()


async def test_a_newcomer_gets_from_the_front_page_to_the_standing_page(
    club: Club, address: str, page: Page
):
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))  # CSP and such
    await page.goto(address)
    await picture(page, "1-home")
    await page.get_by_role("link", name="Apply to join").click()
    await picture(page, "2-join")

    await page.get_by_label("Your account").fill("ada")
    await page.get_by_label("Why would you like to join?").fill("Looms.")
    await page.get_by_label("Linen").check()
    await page.get_by_role("button", name="Send application").click()
    await picture(page, "3-join-problems")
    alert = page.get_by_role("alert")
    assert "not right yet" in await alert.inner_text()
    await alert.get_by_role("link", name="Why would you like to join?").click()
    assert page.url.endswith("#f-why")
    assert await page.get_by_label("Your account").input_value() == "ada"
    assert await page.get_by_label("Linen").is_checked()
    assert await page.get_by_label("Your account").get_attribute("aria-invalid") == "true"

    await page.get_by_label("Your account").fill("@ada:example.org")
    await page.get_by_label("Your name").fill("Ada \u202egnp.exe")
    await page.get_by_label("Why would you like to join?").fill(
        "I build looms <b>& more</b>.\nAnd I would like company."
    )
    await page.get_by_label("I have read the house rules").check()
    await page.get_by_role("button", name="Send application").click()
    await page.wait_for_url("**/join/code")
    await picture(page, "4-code")

    await page.get_by_label("Code from the message").fill("12345")
    await page.get_by_role("button", name="Check the code").click()
    await picture(page, "5-code-wrong")
    assert "code-wrong" in await page.get_by_role("alert").inner_text()
    await page.get_by_label("Code from the message").fill(await club.code())
    await page.get_by_role("button", name="Check the code").click()
    await page.wait_for_url("**/standing")
    await picture(page, "6-standing")
    text = await page.inner_text("main")
    assert "I build looms <b>& more</b>." in text
    assert "Ada ⟨U+202E⟩gnp.exe" in text
    assert await page.locator("[aria-current=step]").inner_text() == "In review"

    await page.get_by_role("link", name="Change your answers").click()
    await picture(page, "7-edit")
    assert await page.get_by_label("Linen").is_checked()
    await page.get_by_role("link", name="Back").click()
    await page.get_by_role("link", name="Withdraw").click()
    await picture(page, "8-withdraw")
    await page.get_by_role("button", name="Yes, withdraw it").click()
    await picture(page, "9-withdrawn")
    assert await page.inner_text("h1") == "Withdrawn"
    assert [said for said in complaints if "status of 422" not in said] == []


async def test_a_personal_link_acts_on_its_button_alone(club: Club, address: str, page: Page):
    await page.goto(address + await club.link("form"))
    await picture(page, "a-link")
    async with club.parts.store.look(club.parts.club) as tx:
        assert await tx.count(ClubState) == 1
    await page.get_by_role("button").click()
    await page.wait_for_url("**/join")
    await picture(page, "b-join-by-link")
    assert "@ada:example.org" in await page.inner_text("main")
    assert await page.get_by_label("Your account").count() == 0
    await page.goto(f"{address}/l/nonsense")
    await picture(page, "c-fault")
    await page.goto(f"{address}/standing")
    await picture(page, "d-nothing")
    await page.get_by_role("link", name="Deutsch").click()
    assert re.search("Keine Bewerbung", await page.inner_text("h1"))


async def test_too_often_keeps_what_was_typed(club: Club, address: str, page: Page):
    async def apply(account: str) -> None:
        await page.goto(f"{address}/join")
        await page.get_by_label("Your account").fill(account)
        await page.get_by_label("Why would you like to join?").fill("I build looms, and often.")
        await page.get_by_label("I have read the house rules").check()
        await page.get_by_role("button", name="Send application").click()

    for number in range(11):  # the club lets 10 an hour through from one address
        await apply(f"@a{number}:example.org")
    await picture(page, "e-too-often")
    assert "1 hour" in await page.get_by_role("alert").inner_text()
    assert "and often" in await page.get_by_label("Why would you like to join?").input_value()
