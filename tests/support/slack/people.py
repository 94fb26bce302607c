"""The hands of people in a workspace: what they write, press, fill in and open."""

from typing import Any

from tests.support.slack.chat import reaction, view_shown
from tests.support.slack.delivery import Slack, Told
from tests.support.slack.world import Channel, Message, Team, User, View


class NoSuchButton(LookupError):
    """Nothing with that action stands where somebody wants to press."""


class Person:
    """One person of one workspace."""

    def __init__(self, slack: Slack, team: Team, user: User) -> None:
        self.slack, self.team, self.user = slack, team, user
        self.world = slack.world

    @property
    def id(self) -> str:
        """Slack's id."""
        return self.user.id

    # ---- words ---------------------------------------------------------------------------------

    def write(self, channel: Channel, text: str, thread_ts: str = "", **more: Any) -> Message:
        """Write into a channel they are in; text arrives as Slack escapes it."""
        assert self.id in channel.members, f"{self.user.name} is not in {channel.name}"
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        message = Message(
            ts=self.world.ts(), user=self.id, text=escaped, thread_ts=thread_ts, **more
        )
        return self.world.post(self.team, channel, message)

    def tell_app(self, text: str) -> Message:
        """Write to the app in their chat with it."""
        return self.write(self.chat, text)

    @property
    def chat(self) -> Channel:
        """Their chat with the app."""
        return self.world.chat(self.team, self.id)

    def react(self, channel: Channel, message: Message, name: str) -> None:
        """Add a reaction."""
        message.reactions.setdefault(name, []).append(self.id)
        event = reaction("added", self.id, name, channel, message, self.slack.api)
        self.world.happens(self.team, event)

    def seen(self, channel: Channel) -> list[Message]:
        """What they can read there."""
        return [one for one in channel.messages if one.seen_only_by in ("", self.id)]

    # ---- coming and going ----------------------------------------------------------------------

    def join(self, channel: Channel) -> None:
        """Come into a public channel by themselves."""
        self.world.join(self.team, channel, self.id)

    def leave(self, channel: Channel) -> None:
        """Leave a channel."""
        self.world.part(self.team, channel, self.id)

    # ---- presses -------------------------------------------------------------------------------

    async def press(self, channel: Channel, message: Message, action: str, **more: Any) -> Told:
        """Press the button of that action on a message; `more` is what a menu or date chose."""
        block, element = _element(message.blocks, action)
        return await self.slack.interact(
            {
                **self._who("block_actions"),
                "container": {
                    "type": "message",
                    "message_ts": message.ts,
                    "channel_id": channel.id,
                    "is_ephemeral": bool(message.seen_only_by),
                },
                "trigger_id": self.world.trigger(self.team, self.id),
                "channel": {"id": channel.id, "name": _kind(channel)},
                "message": {
                    "type": "message",
                    "user": message.user,
                    "ts": message.ts,
                    "bot_id": message.bot_id,
                    "text": message.text,
                    "blocks": message.blocks,
                },
                "state": {"values": {}},
                "response_url": self.slack.response_url(self.team.id),
                "actions": [_action(self.world.ts(), block, element, more)],
            }
        )

    async def press_in_view(self, view: View, action: str, state: Any = None, **more: Any) -> Told:
        """Press a button in a modal or in the Home tab."""
        block, element = _element(view.content["blocks"], action)
        return await self.slack.interact(
            {
                **self._who("block_actions"),
                "container": {"type": "view", "view_id": view.id},
                "trigger_id": self.world.trigger(self.team, self.id, view.id),
                "view": view_shown(self.slack.api, view, state),
                "actions": [_action(self.world.ts(), block, element, more)],
            }
        )

    async def note_in_view(self, view: View, block: str, state: Any) -> Told:
        """Choose something in an input that tells of it at once; `state`: what stands in all."""
        return await self.slack.interact(
            {
                **self._who("block_actions"),
                "container": {"type": "view", "view_id": view.id},
                "trigger_id": self.world.trigger(self.team, self.id, view.id),
                "view": view_shown(self.slack.api, view, state),
                "actions": [
                    {
                        "type": "radio_buttons",
                        "block_id": block,
                        "action_id": "answer",
                        "action_ts": self.world.ts(),
                    }
                ],
            }
        )

    async def send_view(self, view: View, values: dict[str, dict[str, Any]]) -> Told:
        """Send a modal's inputs, by block and action; what the app answers is done to it.

        `errors` leaves it open, `update` and `push` show another, `clear` and nothing close it.
        """
        told = await self.slack.interact(
            {
                **self._who("view_submission"),
                "trigger_id": self.world.trigger(self.team, self.id, view.id),
                "view": view_shown(self.slack.api, view, values),
                "response_urls": [],
            }
        )
        self._answered(view, told)
        return told

    def _answered(self, view: View, told: Told) -> None:
        answer = told.answer if isinstance(told.answer, dict) else {}
        what = answer.get("response_action", "")
        if told.status != 200 or what == "errors":
            return  # it stays open, with the errors or with "trouble connecting"
        view.open = what in {"update", "push"}
        if what == "update":
            view.content, view.hash = answer["view"], f"{view.hash}+"
        elif what == "push":
            number = self.world.name("V")
            self.world.views[number] = View(
                id=number,
                team=self.team.id,
                user=self.id,
                content=answer["view"],
                hash=self.world.ts(),
                root=view.root,
                previous=view.id,
            )
        elif what == "clear" or not what:
            for one in self.world.views.values():
                if one.root == view.root and (what == "clear" or one.id == view.id):
                    one.open = False

    async def close_view(self, view: View, cleared: bool = False) -> Told | None:
        """Close a modal; the app hears of it only where it asked to."""
        view.open = False
        if not view.content.get("notify_on_close"):
            return None
        told = {**self._who("view_closed"), "is_cleared": cleared}
        return await self.slack.interact(told | {"view": view_shown(self.slack.api, view)})

    def open_view(self) -> View | None:
        """The modal that lies on top before them, None for none."""
        mine = [
            one
            for one in self.world.views.values()
            if one.user == self.id and one.open and one.content.get("type") == "modal"
        ]
        return mine[-1] if mine else None

    # ---- commands, shortcuts, Home -------------------------------------------------------------

    async def command(self, command: str, text: str = "", channel: Channel | None = None) -> Told:
        """Type a slash command."""
        where = channel or next(iter(self.team.channels.values()))
        return await self.slack.command(
            {
                "token": self.world.app.verification,
                "team_id": self.team.id,
                "team_domain": self.team.domain,
                "channel_id": where.id,
                "channel_name": _kind(where),
                "user_id": self.id,
                "user_name": self.user.name,
                "command": command,
                "text": text,
                "api_app_id": self.world.app.id,
                "is_enterprise_install": "false",
                "response_url": self.slack.response_url(self.team.id),
                "trigger_id": self.world.trigger(self.team, self.id),
            }
        )

    async def shortcut(self, callback_id: str) -> Told:
        """Take a global shortcut."""
        return await self.slack.interact(
            {
                **self._who("shortcut"),
                "action_ts": self.world.ts(),
                "callback_id": callback_id,
                "trigger_id": self.world.trigger(self.team, self.id),
            }
        )

    def open_home(self) -> None:
        """Open the app's Home tab."""
        event = {
            "type": "app_home_opened",
            "user": self.id,
            "channel": self.chat.id,
            "tab": "home",
            "event_ts": self.world.ts(),
        }
        self.world.happens(self.team, event | ({"view": self.user.home} if self.user.home else {}))

    @property
    def home(self) -> View:
        """What stands in their Home tab."""
        assert self.user.home is not None, "nothing was published there"
        return self.world.views[self.user.home["id"]]

    def _who(self, kind: str) -> dict[str, Any]:
        name, org = self.user.name, self.team.org
        whole = bool(org) and any(one.org == org for one in self.world.tokens.values())
        return {
            "type": kind,
            "user": {"id": self.id, "username": name, "name": name, "team_id": self.user.team},
            "api_app_id": self.world.app.id,
            "token": self.world.app.verification,
            "team": None if whole else {"id": self.team.id, "domain": self.team.domain},
            "enterprise": {"id": org, "name": self.world.orgs[org].name} if org else None,
            "is_enterprise_install": whole,
        }


def _kind(channel: Channel) -> str:
    """The name by which interactions call a channel: never its own, where it is private."""
    return {"group": "privategroup", "im": "directmessage"}.get(channel.kind, channel.name)


def _element(blocks: list[dict[str, Any]], action: str) -> tuple[str, dict[str, Any]]:
    for block in blocks:
        own = [block.get("accessory"), block.get("element"), *(block.get("elements") or ())]
        for element in own:
            if isinstance(element, dict) and element.get("action_id") == action:
                return block.get("block_id", ""), element
    raise NoSuchButton(action)


def _action(ts: str, block: str, element: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    kept = ("type", "action_id", "text", "value", "style")
    told = {key: element[key] for key in kept if key in element}
    return told | {"block_id": block, "action_ts": ts, **more}
