"""A club whose workspace installs the app: our pages, a browser, and a clock to be set."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from starlette.applications import Starlette

from gatekeeper.testing.fakes import ManualClock
from gatekeeper.testing.platform_world import RecordingDesk
from gatekeeper.web.hooks import hooks
from gatekeeper_slack import SlackPlatform
from gatekeeper_slack.oauth import SCOPES
from tests.adapters.matrix.world import DictVault
from tests.adapters.slack.ears import Mode, served
from tests.support.slack.delivery import Slack
from tests.support.slack.people import Person
from tests.support.slack.world import Team

PLACES: Any = {"channel": {"alias": "club"}, "adminChannel": {"alias": "desk"}}


@dataclass
class Installing:
    """What a test of installations needs; `platform` is made by `begin`."""

    slack: Slack
    team: Team
    clock: ManualClock
    session: aiohttp.ClientSession
    base_url: str = ""
    vault: DictVault = field(default_factory=DictVault)
    desk: Any = field(default_factory=RecordingDesk)
    platforms: dict[str, SlackPlatform] = field(default_factory=dict)
    cookie: str = ""

    @property
    def platform(self) -> SlackPlatform:
        return self.platforms["slack"]

    def make(self, **places: Any) -> SlackPlatform:
        """A platform of the club with the app's settings, not started."""
        app = self.slack.world.app
        line = {"signing_secret": app.signing_secret}
        if self.slack.mode == "socket":
            line = {"app_token": app.token}
        return SlackPlatform(
            club="club",
            settings={
                "client_id": app.client_id,
                "client_secret": app.client_secret,
                **line,
                "api_url": f"{self.slack.url}/api",
                "base_url": self.base_url,
            },
            places={**PLACES, **places},
            vault=self.vault,
            clock=self.clock,
        )

    async def begin(self, **places: Any) -> SlackPlatform:
        """Start one."""
        self.platforms["slack"] = platform = self.make(**places)
        await platform.start(self.desk)
        return platform

    async def get(self, path: str, cookie: str | None = None, **query: str) -> tuple[int, str, str]:
        """A page of ours as the browser gets it: status, body, and where it is sent on."""
        url = path if path.startswith("http") else f"{self.base_url}{path}"
        if query:
            url += f"?{urlencode(query)}"
        headers = {"Cookie": self.cookie if cookie is None else cookie}
        async with self.session.get(url, headers=headers, allow_redirects=False) as answer:
            for told in answer.headers.getall("Set-Cookie", []):
                self.cookie = told.partition(";")[0]
            return answer.status, await answer.text(), answer.headers.get("Location", "")

    async def consent(self, where: str = "", by: str = "U1") -> str:
        """Click on install, and say yes on Slack's page; the address that Slack sends back to."""
        self.slack.consent.where, self.slack.consent.by = where or self.team.id, by
        status, _, to_slack = await self.get("/slack/install")
        assert status == 302
        async with self.session.get(to_slack, allow_redirects=False) as answer:
            return answer.headers["Location"]

    async def install(self, where: str = "", by: str = "U1") -> tuple[int, str]:
        """The whole way; status and body of the last page."""
        return (await self.get(await self.consent(where, by)))[:2]

    def person(self, name: str) -> Person:
        return Person(self.slack, self.team, self.slack.world.user(self.team, name))


@asynccontextmanager
async def installing(mode: Mode = "http") -> AsyncIterator[Installing]:
    """A workspace in which nothing is installed yet, and our pages on a port of loopback."""
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(Slack(mode, speed=600.0))
        slack.api.limited = False
        slack.world.app.scopes = frozenset(SCOPES)
        clock = ManualClock()
        slack.world.now = lambda: clock.now().timestamp()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        made = Installing(slack, slack.world.team(), clock, session)
        url = await stack.enter_async_context(served(Starlette(routes=hooks(made.platforms))))
        made.base_url, slack.app_url = url.removesuffix("/slack/events"), url
        try:
            yield made
        finally:
            for platform in made.platforms.values():
                await platform.stop()
