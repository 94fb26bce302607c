"""An intake that listens to the stand-in, told by HTTP or by Socket Mode."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from unittest.mock import patch

import uvicorn

from gatekeeper.clock import SystemClock
from gatekeeper.domain.identity import Identity
from gatekeeper.testing.platform_world import RecordingDesk
from gatekeeper_slack.listening import Intake
from gatekeeper_slack.scene import Scene
from gatekeeper_slack.screens import Looks, Screens
from tests.support.slack import delivery
from tests.support.slack.delivery import Slack
from tests.support.slack.people import Person
from tests.support.slack.world import Channel, Message, Team

Mode = Literal["http", "socket"]
SCOPES = ("chat:write", "groups:history", "groups:read", "im:history", "users:read")


class SlowDesk(RecordingDesk):
    """Takes nothing in until `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.go.set()

    async def handle(self, event: Any) -> None:
        await self.go.wait()
        await super().handle(event)


@dataclass
class Ears:
    """A club in a workspace, and our intake."""

    slack: Slack
    team: Team
    club: Channel
    room: Channel
    desk_room: Channel
    intake: Intake
    desk: SlowDesk
    scene: Scene
    looks: Looks
    people: dict[str, Person] = field(default_factory=dict)

    def person(self, name: str, *channels: Channel, **given: Any) -> Person:
        """Somebody of the workspace who is in these channels."""
        user = self.slack.world.user(self.team, name, **given)
        for channel in channels:
            channel.members.append(user.id)
        return Person(self.slack, self.team, user)

    def who(self, person: Person) -> Identity:
        return Identity("slack", f"{person.user.team}:{person.id}")

    def card(self, symbol: str = "✅", action: str = "card:1:approve") -> Message:
        """A card of ours with one button, in the admins' channel."""
        button = {
            "type": "button",
            "action_id": action,
            "value": symbol,
            "text": {"type": "plain_text", "text": "Approve"},
        }
        message = Message(
            ts=self.slack.world.ts(),
            user=self.team.bot_user,
            bot_id=self.team.bot_id,
            text="A card",
            blocks=[{"type": "actions", "block_id": "act", "elements": [button]}],
        )
        self.desk_room.messages.append(message)
        return message


def by_value(action: Mapping[str, Any]) -> str:
    """The stand-in's buttons carry their symbol as it is."""
    return str(action.get("value", ""))


@asynccontextmanager
async def ears(
    mode: Mode, *, within: float = 1.5, screens: Screens | None = None
) -> AsyncIterator[Ears]:
    """A club that is listened to; presses and events are the test's to make."""
    with patch.object(delivery, "ACK", 2 * within):
        async with _ears(mode, within, screens) as listening:
            yield listening


@asynccontextmanager
async def _ears(mode: Mode, within: float, screens: Screens | None) -> AsyncIterator[Ears]:
    async with Slack(mode, speed=600.0) as slack:
        slack.api.limited = False
        world = slack.world
        team = world.team()
        world.install(team, SCOPES)
        club, room, desk_room = (
            world.channel(team, name, [team.bot_user], kind="group")
            for name in ("club", "room", "desk")
        )
        scene = Scene(
            team=team.id,
            bot=team.bot_user,
            club=club.id,
            admins=desk_room.id,
            rooms={"club": club.id, "room": room.id},
        )
        desk, looks = SlowDesk(), Looks(by_value)
        intake = Intake(
            f"{slack.url}/api/",
            desk,
            scene,
            SystemClock(),
            looks=looks,
            screens=screens,
            app_token=world.app.token if mode == "socket" else "",
            signing_secret=world.app.signing_secret,
            within=within,
            ping=0.2,
            look=0.02,
        )
        async with AsyncExitStack() as stack:
            if mode == "http":
                slack.app_url = await stack.enter_async_context(served(intake.routes))
            await intake.start()
            desk.lost.clear()  # of the time until the first line was up
            try:
                yield Ears(slack, team, club, room, desk_room, intake, desk, scene, looks)
            finally:
                desk.go.set()
                await intake.stop()


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """An ASGI application on a port of loopback."""
    config = uvicorn.Config(
        app, port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[method-assign,attr-defined]
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/slack/events"
    finally:
        server.should_exit = True
        await running


async def until(true: Callable[[], Any], within: float = 5.0) -> None:
    """Until something holds that nobody tells of."""
    async with asyncio.timeout(within):
        while not true():
            await asyncio.sleep(0.01)
