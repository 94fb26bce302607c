"""Two clubs in two workspaces, by one app and one service: each its own, whatever befalls one."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.demo.on_slack import Story
from tests.demo.workspace import Workspace, filled, policy_text
from tests.journeys.slack_club import WHY, Line
from tests.support.slack.people import Person
from tests.support.slack.world import Message
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
SETTINGS = """
[clubs.lutes]
policy = "lutes.yaml"
base_url = "http://lutes.example:{port}"
slack.bot_token_file = "lutes-token"

[clubs.lyres]
policy = "lyres.yaml"
base_url = "http://lyres.example:{port}"
slack.bot_token_file = "lyres-token"
"""


class Two(Line):
    """The stage with a second workspace, in which the same app is installed."""

    def __init__(self) -> None:
        super().__init__("socket")
        self.other = Workspace()
        self.other.slack = self.slack  # one Slack, one app
        self.other.team = self.slack.world.team("The Harbour")
        self.other.token = self.slack.world.install(self.other.team, self.token.scopes)

    @property
    def environment(self) -> dict[str, str]:
        """The app's; each club's own token lies in a file."""
        told = dict(super().environment)
        del told["GATEKEEPER_SLACK__BOT_TOKEN"]
        return told


class Club(Story):
    """One of the two."""

    def __init__(self, stage: Two, name: str, workspace: Workspace) -> None:
        super().__init__(stage)
        self.name, self.at = name, workspace
        self.file = self.service.folder / f"{name}.yaml"

    def write(self) -> None:
        admins = [self.at.account(one) for one in ("fay", "alice")]
        text = policy_text(*admins).replace("name: lighthouse,", f"name: {self.name},")
        assert self.name in text
        self.file.write_text(text, "utf-8")
        token = self.service.folder / f"{self.name}-token"
        token.write_text(self.at.token.text, "utf-8")
        token.chmod(0o600)

    async def applied(self, name: str) -> Message:
        person: Person = self.at.person(name)
        await person.command("/gatekeeper", "apply")
        view = await eventually(person.open_view, 5, what="the form")
        told = await person.send_view(view, filled(WHY))
        assert told.status == 200, told
        keepers = self.at.channel("lighthouse-keepers")
        return await self.at.message(keepers, "Application #", name.capitalize())

    async def let_in(self, name: str) -> None:
        card = await self.applied(name)
        for admin in ("alice", "fay"):
            await self.at.press(admin, self.at.channel("lighthouse-keepers"), card, "✅")
        await eventually(lambda: len(self.at.inside(name)) == 2, 15, what=f"{name} inside")

    async def page(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.service.base_url) as client:
            host = {"host": f"{self.name}.example:{self.service.port}"}
            return await client.get(path, headers=host)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clubs() -> AsyncIterator[tuple[Club, Club]]:
    async with Two() as stage:
        service = stage.service
        del service.environment["GATEKEEPER_BASE_URL"]  # each has its own
        lutes, lyres = Club(stage, "lutes", stage), Club(stage, "lyres", stage.other)
        await service.run("init")
        for one in (lutes, lyres):
            one.write()
        text = SETTINGS.format(port=service.port)
        (service.folder / "gatekeeper.toml").write_text(text, "utf-8")
        await service.start()
        yield lutes, lyres


async def test_each_workspace_has_its_own_club(clubs):
    lutes, lyres = clubs
    await lutes.let_in("zoe")
    await lyres.let_in("yan")
    listed = {}
    for one in clubs:
        said = await one.service.json("--club", one.name, "members", "list")
        listed[one.name] = sorted(row["name"] for row in said)
    assert listed == {"lutes": ["Zoe"], "lyres": ["Yan"]}


async def test_which_one_has_to_be_said(clubs):
    lutes, _ = clubs
    for words in (["members", "list"], ["pause"], ["--club", "harps", "members", "list"]):
        said = await lutes.service.run(*words, expect=2)
        assert "[which-club]" in said
        assert "lutes, lyres" in said


async def test_pages_are_each_clubs_own(clubs):
    pages = {one.name: await one.page("/join") for one in clubs}
    assert {page.status_code for page in pages.values()} == {200}
    assert "lutes" in pages["lutes"].text
    assert "lyres" not in pages["lutes"].text
    async with httpx.AsyncClient(base_url=clubs[0].service.base_url) as client:
        strange = await client.get("/join", headers={"host": "harps.example"})
        assert (strange.status_code, "no-such-host" in strange.text) == (421, True)
        ready = await client.get("/readyz")
    parts = json.loads(ready.text)["parts"]
    assert {"lutes/slack", "lyres/slack", "lutes/policy", "engine", "relay"} <= set(parts)


async def test_one_is_paused_and_the_other_goes_on(clubs):
    lutes, lyres = clubs
    await lutes.service.run("--club", "lutes", "pause")
    await lyres.let_in("wim")
    await lutes.service.run("--club", "lutes", "resume", "--yes")
    await lutes.let_in("vera")


async def test_killed_both_go_on_and_one_with_broken_rules_leaves_the_other(clubs):
    lutes, lyres = clubs
    card = await lutes.applied("ulf")
    good = lyres.file.read_text("utf-8")
    lyres.file.write_text("kind: Nothing", "utf-8")
    lutes.service.kill()
    await lutes.service.gone()
    await lutes.service.start()
    keepers = lutes.at.channel("lighthouse-keepers")
    for admin in ("alice", "fay"):
        await lutes.at.press(admin, keepers, card, "✅")
    await eventually(lambda: len(lutes.at.inside("ulf")) == 2, 15, what="ulf inside")
    await lyres.let_in("tom")  # by the version in force
    lyres.file.write_text(good, "utf-8")


async def test_doctor_goes_through_all(clubs):
    said = await clubs[0].service.run("doctor", expect=None)
    assert "Club lutes:" in said
    assert "Club lyres:" in said
    assert "✘" not in said, said
    one = await clubs[0].service.run("--club", "lyres", "doctor", expect=None)
    assert "lutes" not in one
