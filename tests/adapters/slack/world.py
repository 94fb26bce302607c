"""A club in a workspace of the stand-in, with the hands of its people."""

import itertools
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

from gatekeeper.clock import SystemClock
from gatekeeper.domain.decisions import Action, Admit, Remove, ShowCard
from gatekeeper.domain.identity import Identity
from gatekeeper.testing.platform_world import RecordingDesk, Seen, until
from gatekeeper_slack import SlackPlatform
from gatekeeper_slack.cards import symbol_of
from tests.adapters.matrix.world import DictVault
from tests.adapters.slack.ears import Mode, served
from tests.support.slack.delivery import Slack
from tests.support.slack.people import Person
from tests.support.slack.world import Channel, Message, Plan

SCOPES = (
    "chat:write",
    "groups:history",
    "groups:read",
    "groups:write",
    "im:history",
    "im:read",
    "im:write",
    "users:read",
)
PLACES: Mapping[str, Any] = {
    "channel": {"alias": "club"},
    "channels": [{"alias": "talk"}],
    "adminChannel": {"alias": "desk"},
}
_NUMBERS = itertools.count(1)


class SlackWorld:
    """One workspace with the app installed; the platform makes the club's channels.

    Args:
        mode: by which line Slack tells us things.
        plan: what the workspace pays for.
        admin: scopes of an administrator's token, if there is to be one.
        given: more of the club document's part.
    """

    def __init__(
        self,
        mode: Mode = "socket",
        plan: Plan = Plan.FREE,
        admin: Sequence[str] = (),
        **given: Any,
    ) -> None:
        self.mode: Mode = mode
        self.slack = Slack(mode, speed=600.0)
        self.slack.api.limited = False
        self.team = self.slack.world.team(plan=plan)
        self.token = self.slack.world.install(self.team, SCOPES)
        owner = next(one for one in self.team.users.values() if one.is_owner)
        self.hand = self.slack.world.token("user", self.team, owner.id, admin) if admin else None
        self.given = {**PLACES, **given}
        self.desk: Any = RecordingDesk()
        self.clock, self.vault = SystemClock(), DictVault()
        self.people: dict[Identity, Person] = {}
        self.platform: SlackPlatform

    async def __aenter__(self) -> "SlackWorld":
        self._stack = AsyncExitStack()
        await self._stack.enter_async_context(self.slack)
        self.platform = self.make()
        if self.mode == "http":

            async def receive(scope: Any, read: Any, send: Any) -> None:
                await self.platform.receive(scope, read, send)

            self.slack.app_url = await self._stack.enter_async_context(served(receive))
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.platform.stop()
        await self._stack.aclose()

    def make(self) -> SlackPlatform:
        """A platform of this club, not started."""
        app = self.slack.world.app
        line = (
            {"app_token": app.token}
            if self.mode == "socket"
            else {"signing_secret": app.signing_secret}
        )
        return SlackPlatform(
            club="club",
            settings={
                "bot_token": self.token.text,
                "api_url": f"{self.slack.url}/api",
                "scim_url": f"{self.slack.url}/scim/v2",
                "admin_token": self.hand.text if self.hand else None,
                "pace": self.slack.speed,
                **line,
            },
            places=self.given,
            vault=self.vault,
            clock=self.clock,
        )

    async def listen(self) -> None:
        """Start the platform on the desk."""
        await self.platform.start(self.desk)

    # ---- what there is -------------------------------------------------------------------------

    def channel(self, name: str) -> Channel:
        """A channel of the workspace by its name."""
        return next(one for one in self.team.channels.values() if one.name == name)

    def hands(self, who: Identity) -> Person:
        """The hands of somebody."""
        return self.people[who]

    def now(self) -> datetime:
        return self.clock.now()

    async def person(self, **given: Any) -> Identity:
        user = self.slack.world.user(self.team, f"person{next(_NUMBERS)}", **given)
        who = Identity("slack", f"{user.team}:{user.id}")
        self.people[who] = Person(self.slack, self.team, user)
        return who

    async def admin(self) -> Identity:
        who = await self.person(is_admin=True)
        user = self.people[who].id
        for name in ("club", "desk"):
            self.slack.world.join(self.team, self.channel(name), user)
        await self.slack.quiet()
        return who

    # ---- coming and going ----------------------------------------------------------------------

    async def knock(self, who: Identity, reason: str) -> None:
        raise NotImplementedError("nobody can ask at a channel's door")

    async def enter(self, who: Identity) -> None:
        """Whoever is invited is inside at once."""

    async def leave(self, who: Identity) -> None:
        for name in ("talk", "club"):
            self.people[who].leave(self.channel(name))
        await self.slack.quiet()

    async def invite(self, who: Identity, by: Identity) -> None:
        user, inviter = self.people[who].id, self.people[by].id
        self.slack.world.join(self.team, self.channel("club"), user, inviter)

    async def ban(self, who: Identity, by: Identity) -> None:
        raise NotImplementedError("channels know no ban")

    async def open_door(self) -> str:
        self.channel("talk").is_ext_shared = True
        return "talk"

    async def places(self, who: Identity) -> int:
        user = self.people[who].id
        return sum(user in self.channel(name).members for name in ("club", "talk", "desk"))

    # ---- words ---------------------------------------------------------------------------------

    async def take_chat(self, who: Identity) -> None:
        """A chat needs nobody's consent."""

    async def chats(self, who: Identity) -> int:
        user = self.people[who].id
        both = {user, self.team.bot_user}
        return sum(
            one.kind == "im" and set(one.members) == both for one in self.team.channels.values()
        )

    async def told(self, who: Identity) -> list[Seen]:
        return self._ours(self.people[who].chat)

    async def posted(self) -> list[Seen]:
        return self._ours(self.channel("desk"))

    def _ours(self, channel: Channel) -> list[Seen]:
        return [
            Seen(f"{channel.id}:{one.ts}", one.text)
            for one in channel.messages
            if one.user == self.team.bot_user
        ]

    async def press(self, who: Identity, ref: str, symbol: str) -> str:
        channel, message = self._message(ref)
        before = len(self.desk.events)
        action = next(
            str(one["action_id"])
            for block in message.blocks
            for one in block.get("elements", ())
            if symbol_of(one) == symbol.removesuffix("\ufe0f")
        )
        await self.people[who].press(channel, message, action)
        await until(lambda: len(self.desk.events) > before, "the press")
        return str(self.desk.events[-1].event_id)

    def _message(self, ref: str) -> tuple[Channel, Message]:
        number, _, ts = ref.partition(":")
        message = self.team.channels[number].message(ts)
        assert message is not None
        return self.team.channels[number], message

    async def take_back(self, who: Identity, press_id: str) -> None:
        raise NotImplementedError("a press stays pressed")

    async def write(self, who: Identity, text: str) -> None:
        self.people[who].tell_app(text)
        await self.slack.quiet()

    async def lose_answer(self, action: Action) -> None:
        match action:
            case Admit(who=who):  # of the call for the club's own channel, which comes last
                self.slack.world.join(self.team, self.channel("talk"), self.people[who].id)
                method = "conversations.invite"
            case Remove():
                method = "conversations.kick"
            case ShowCard(ref=ref) if ref:
                method = "chat.update"
            case _:
                method = "chat.postMessage"
        self.slack.api.fail(method, "lost")

    async def stop(self) -> None:
        await self.platform.stop()

    async def restart(self) -> None:
        await self.platform.stop()
        self.platform = self.make()
        await self.listen()
