"""A club on the stand-in for Slack and the real service, told by HTTP or over Socket Mode."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.adapters.slack.ears import Mode
from tests.demo.chapters import APPROVE
from tests.demo.on_slack import Stage, Story
from tests.demo.stage import Program
from tests.demo.workspace import CLUB, WORKSHOP, policy_text, shown
from tests.support.slack.web_api import Call, Refusal, WebApi
from tests.support.slack.world import Message
from tests.support.wait import eventually

WHY = "I repair ship clocks and would love to learn from your makers."


class Line(Stage):
    """The stage of the demo, with Slack telling the app by the way under test."""

    def __init__(self, mode: Mode) -> None:
        super().__init__(Program(), mode)

    def kill_before(self, method: str, words: str) -> asyncio.Event:
        """Kill the service when it makes such a call, before anything comes of it."""
        done, right = asyncio.Event(), self.slack.api.handlers[method]

        def deadly(api: WebApi, call: Call) -> Any:
            if not done.is_set() and words in str(call.args):
                self.service.kill()
                done.set()
                raise Refusal("fatal_error")
            return right(api, call)

        self.slack.api.handlers = {**self.slack.api.handlers, method: deadly}
        return done


class Club(Story):
    """A club of our own: the demo's, with Fay and Alice as its admins."""

    stage: Line

    async def open(self) -> None:
        service = self.service
        await service.run("init")
        settings = service.folder / "gatekeeper.toml"  # the tokens are in the environment
        settings.write_text(settings.read_text("utf-8").partition("[matrix]")[0], "utf-8")
        self.file.with_name("house-rules.cases.yaml").unlink()
        admins = [self.stage.account(name) for name in ("fay", "alice")]
        self.file.write_text(policy_text(*admins), "utf-8")
        await service.start()
        for name in ("gil", "nora"):  # they read along there, and are no admins
            user = self.stage.person(name).id
            self.stage.slack.world.join(self.stage.team, self.keepers, user)

    async def applied(self, name: str) -> Message:
        """Somebody applies; the card."""
        await self.apply(name, WHY)
        return await self.card(name.capitalize())

    async def votes(self, card: Message, *names: str) -> None:
        for name in names:
            await self.stage.press(name, self.keepers, card, APPROVE)

    async def until(self, check: Callable[[], object], what: str) -> None:
        await eventually(check, 15, what=what)

    async def is_in(self, name: str) -> None:
        await self.until(lambda: self.stage.inside(name) == [CLUB, WORKSHOP], f"{name} inside")
        await self.until(lambda: self.state(name) == "active", f"{name} a member")

    def joined(self, name: str) -> Counter[str]:
        """How often somebody came into which channel."""
        user = self.stage.person(name).id
        happened = [told.body["event"] for told in self.stage.slack.told]
        return Counter(
            one["channel"]
            for one in happened
            if one["type"] == "member_joined_channel" and one["user"] == user
        )

    def aside(self, name: str, *words: str) -> list[Message]:
        """What somebody alone sees in the admins' channel."""
        user = self.stage.person(name).id
        found = [one for one in self.keepers.messages if one.seen_only_by == user]
        return [one for one in found if all(word in shown(one) for word in words)]

    def logged(self, *words: str) -> list[str]:
        """Lines of the service's log that hold one of these words."""
        lines = self.service.log.read_text("utf-8").splitlines()
        return [line for line in lines if any(word in line for word in words)]
