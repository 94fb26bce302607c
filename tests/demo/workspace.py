"""A workspace of the stand-in for Slack in which the demo's club meets, and what is said there."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Self

from gatekeeper_slack.cards import symbol_of
from tests.adapters.slack.ears import Mode
from tests.adapters.slack.world import SCOPES
from tests.demo import policy
from tests.support.slack.delivery import Slack
from tests.support.slack.people import Person
from tests.support.slack.world import Channel, Message
from tests.support.wait import eventually

CLUB, WORKSHOP, KEEPERS = "lighthouse", "lighthouse-workshop", "lighthouse-keepers"
PLATFORMS: Final = f"""\
  platforms:
    slack:
      channel: {{alias: {CLUB}}}
      channels: [{{alias: {WORKSHOP}}}]
      adminChannel: {{alias: {KEEPERS}}}
  form:
"""


def policy_text(*admins: str, **given: Any) -> str:
    """The demo's policy for a club on Slack."""
    text = policy.text(*admins, **given)
    head, rest = text.split("  platforms:\n", 1)
    whole = head + PLATFORMS + rest.split("  form:\n", 1)[1]
    return whole.replace('"matrix:', '"slack:').replace("    powerLevel: 50\n", "")


class Workspace:
    """A stand-in for Slack with one workspace, in which the app is installed.

    `mode`: by which line it tells the app of things.
    """

    def __init__(self, mode: Mode = "socket") -> None:
        self.mode = mode
        self.slack = Slack(mode, speed=60.0)
        self.team = self.slack.world.team("The Lighthouse")
        self.token = self.slack.world.install(self.team, SCOPES)
        self.people: dict[str, Person] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self.slack.__aenter__()
        return self

    async def __aexit__(self, *why: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.slack.__aexit__(*why)

    @property
    def environment(self) -> dict[str, str]:
        """What the service is told of it: Socket Mode by the app's token, HTTP by the secret."""
        app = self.slack.world.app
        line = {"APP_TOKEN": app.token}
        if self.mode == "http":
            line = {"SIGNING_SECRET": app.signing_secret}
        return {
            "GATEKEEPER_SLACK__BOT_TOKEN": self.token.text,
            **{f"GATEKEEPER_SLACK__{name}": secret for name, secret in line.items()},
            "GATEKEEPER_SLACK__API_URL": f"{self.slack.url}/api",
            "GATEKEEPER_SLACK__PACE": str(self.slack.speed),
        }

    def person(self, name: str, **given: Any) -> Person:
        """Somebody of the workspace."""
        if name not in self.people:
            user = self.slack.world.user(self.team, name.capitalize(), **given)
            self.people[name] = Person(self.slack, self.team, user)
        return self.people[name]

    def account(self, name: str) -> str:
        """Somebody's account as the policy writes it, without the platform."""
        return f"{self.team.id}:{self.person(name).id}"

    def channel(self, name: str) -> Channel:
        """A channel by its name."""
        return next(one for one in self.team.channels.values() if one.name == name)

    def keep_saying(self, name: str, every: float) -> None:
        """Somebody speaks in the club again and again, until the story ends."""

        async def go_on() -> None:
            while True:
                self.person(name).write(self.channel(CLUB), "Fair wind today.")
                await asyncio.sleep(every)

        self._tasks.add(asyncio.create_task(go_on()))

    def found(self, channel: Channel, *words: str) -> list[Message]:
        """Messages of ours in a channel that hold all these words."""
        bot = self.team.bot_user
        return [
            one
            for one in channel.messages
            if one.user == bot and all(word in shown(one) for word in words)
        ]

    async def message(self, channel: Channel, *words: str, timeout: float = 15) -> Message:
        """The newest of them, once there is one."""
        what = f"{words} in {channel.name}"
        return (await eventually(lambda: self.found(channel, *words), timeout, what=what))[-1]

    async def told(self, name: str, *words: str, timeout: float = 15) -> Message:
        """What somebody is told in their chat."""
        return await self.message(self.person(name).chat, *words, timeout=timeout)

    async def press(self, name: str, channel: Channel, message: Message, symbol: str) -> None:
        """Press a button by its symbol."""
        action = next(
            str(one["action_id"])
            for block in message.blocks
            for one in block.get("elements", ())
            if symbol_of(one) == symbol
        )
        told = await self.person(name).press(channel, message, action)
        assert told.status == 200, told

    def inside(self, name: str) -> list[str]:
        """The club's channels in which somebody is."""
        user = self.person(name).id
        return [one for one in (CLUB, WORKSHOP) if user in self.channel(one).members]


def shown(message: Message) -> str:
    """All that a message says."""
    return f"{message.text}\n{words(message.blocks)}"


def words(blocks: object) -> str:
    """Every text in blocks."""
    if isinstance(blocks, Mapping):
        own = blocks.get("text")
        inner = [
            words(one) for key, one in blocks.items() if key != "text" or not isinstance(own, str)
        ]
        return "\n".join([own if isinstance(own, str) else "", *inner])
    if isinstance(blocks, list):
        return "\n".join(words(one) for one in blocks)
    return ""


def filled(why: str) -> dict[str, dict[str, Any]]:
    """The demo form, as a modal sends it."""
    maker = {"type": "radio_buttons", "selected_option": {"value": "maker"}}
    return {
        "q:why": {"answer": {"type": "plain_text_input", "value": why}},
        "q:craft": {"answer": maker},
        "q:rules": {"answer": {"type": "checkboxes", "selected_options": [{"value": "yes"}]}},
    }
