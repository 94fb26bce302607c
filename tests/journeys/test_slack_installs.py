"""The real service, installed from its own pages; the app goes in the middle of a review and comes
back. Whom it lets in meanwhile waits, and is let in once."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest

from gatekeeper_slack.oauth import SCOPES
from tests.demo.workspace import shown
from tests.journeys.slack_club import Club, Line
from tests.support.wait import eventually

pytestmark = pytest.mark.slow


class Installing(Line):
    """The line by HTTP, of an app that comes without a token."""

    @property
    def environment(self) -> dict[str, str]:
        app, told = self.slack.world.app, dict(super().environment)
        del told["GATEKEEPER_SLACK__BOT_TOKEN"]
        told["GATEKEEPER_SLACK__CLIENT_ID"] = app.client_id
        told["GATEKEEPER_SLACK__CLIENT_SECRET"] = app.client_secret
        return told

    async def install(self) -> str:
        """A browser's way; the last page. Its cookie is for https, as Slack asks for it."""
        base = self.service.base_url
        self.slack.consent.where, self.slack.consent.by = self.team.id, "U1"
        async with httpx.AsyncClient() as browser:
            asked = await browser.get(f"{base}/slack/install")
            allowed = await browser.get(asked.headers["location"])
            cookie = asked.headers["set-cookie"].partition(";")[0]
            back = await browser.get(allowed.headers["location"], headers={"cookie": cookie})
        return back.text

    async def health(self) -> str:
        """What /readyz says of Slack; "" where all is well."""
        async with httpx.AsyncClient() as client:
            with suppress(httpx.HTTPError):
                told = (await client.get(f"{self.service.base_url}/readyz")).json()
                return str(told["parts"]["slack"]["code"])
        return "no-answer"

    async def until(self, code: str) -> None:
        async def is_so() -> bool:
            return await self.health() == code

        await eventually(is_so, 20, what=f"/readyz says {code or 'yes'}")


@pytest.fixture
async def club() -> AsyncIterator[Club]:
    async with Installing("http") as stage:
        world = stage.slack.world
        world.app.scopes, world.app.rotates = frozenset(SCOPES), True
        world.end_tokens(stage.team)
        yield Club(stage)


def spans(club: Club) -> int:
    """The stretches in which Slack was listened to without a gap."""
    return int(club.look("SELECT count(*) FROM coverage WHERE platform = 'slack'")[0])


async def test_the_app_is_installed_goes_and_comes_back(club: Club) -> None:
    stage = club.stage
    assert isinstance(stage, Installing)
    opening = asyncio.create_task(club.open())
    await stage.until("slack-not-installed")
    assert "slack-installed</code>" in await stage.install()
    await opening
    card = await club.applied("ada")
    await club.votes(card, "fay")
    await club.until(lambda: spans(club), "what was listened to so far is kept")
    seen = spans(club)
    stage.slack.world.uninstall(stage.team)
    await stage.until("login-revoked")
    await club.votes(card, "alice")  # a press that was on its way
    await asyncio.sleep(1)
    assert not stage.inside("ada")
    assert "slack-installed</code>" in await stage.install()
    await stage.until("")
    await club.is_in("ada")
    await club.until(lambda: "Approved by" in shown(card), "the card says who")
    assert set(club.joined("ada").values()) == {1}
    await club.until(lambda: spans(club) == seen + 1, "the gap is kept")
    await club.service.stop()
    await club.service.start()
    log = club.service.log.read_text("utf-8")
    assert not re.search(r"xox[be]|Traceback|code=|state=", log)
    assert not re.search(r"xox[be]", (club.service.folder / "gatekeeper.toml").read_text("utf-8"))
