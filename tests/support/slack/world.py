"""What there is: workspaces, people, channels, messages, views, the app and its tokens."""

import itertools
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Plan(StrEnum):
    """What a workspace pays for."""

    FREE = "free"
    PRO = "pro"
    BUSINESS = "business+"
    ENTERPRISE = "enterprise"


@dataclass(slots=True, kw_only=True)
class User:
    """One account of one workspace; `team` is another one's for a stranger of Slack Connect."""

    id: str
    team: str
    name: str
    real_name: str = ""
    email: str = ""
    locale: str = "en-US"
    tz: str = "Europe/Berlin"
    deleted: bool = False
    is_bot: bool = False
    is_admin: bool = False
    is_owner: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    is_invited_user: bool = False
    teams: tuple[str, ...] = ()  # all workspaces of the organisation that they are in
    updated: int = 0
    home: dict[str, Any] | None = None  # the view that stands in the app's Home tab


@dataclass(slots=True, kw_only=True)
class Message:
    """One message as it stands now."""

    ts: str
    user: str
    text: str = ""
    blocks: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    thread_ts: str = ""
    bot_id: str = ""
    subtype: str = ""
    edited: str = ""
    seen_only_by: str = ""  # an ephemeral message
    reactions: dict[str, list[str]] = field(default_factory=dict)  # name to users
    versions: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Channel:
    """A channel, private channel or direct chat."""

    id: str
    name: str
    kind: str = "channel"  # channel, group, im, mpim
    members: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    creator: str = ""
    created: int = 0
    is_general: bool = False
    is_archived: bool = False
    is_ext_shared: bool = False

    def message(self, ts: str) -> Message | None:
        """The message of that time, None for none."""
        return next((one for one in self.messages if one.ts == ts), None)


@dataclass(slots=True, kw_only=True)
class UserGroup:
    """A group of people of a paid workspace."""

    id: str
    handle: str
    users: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Token:
    """What a caller shows: whose it is, what it may, and until when."""

    text: str
    kind: str  # bot, user, app
    team: str
    user: str
    scopes: frozenset[str] = frozenset()
    ends_at: float | None = None
    end: str = ""  # token_revoked, account_inactive or token_expired; "" while it lives
    refresh: str = ""
    refreshed_at: float | None = None
    successor: str = ""
    org: str = ""  # of a whole organisation; `team` is one of its workspaces then


@dataclass(slots=True, kw_only=True)
class View:
    """A modal that stands open before somebody."""

    id: str
    team: str
    user: str
    content: dict[str, Any]
    hash: str
    root: str
    previous: str | None = None
    open: bool = True


@dataclass(slots=True)
class Trigger:
    """A right to open one view, for three seconds."""

    team: str
    user: str
    until: float
    view: str | None = None  # of the modal it came from
    used: bool = False


@dataclass(slots=True, kw_only=True)
class Team:
    """One workspace."""

    id: str
    name: str
    domain: str
    plan: Plan = Plan.FREE
    users: dict[str, User] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    groups: dict[str, UserGroup] = field(default_factory=dict)
    org: str = ""  # the organisation that it belongs to
    bot_user: str = ""
    bot_id: str = ""
    removing_is_for: str = "admins"  # from public channels: "admins" or "everyone"
    invited: list[dict[str, Any]] = field(default_factory=list)  # by admin.users.invite and Connect


@dataclass(slots=True, kw_only=True)
class Org:
    """An organisation of workspaces; `granted`: those that its installation reaches."""

    id: str
    name: str
    granted: set[str] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class App:
    """The app under test, as its settings at Slack have it."""

    id: str = "A0G4TEK33"
    client_id: str = "8000000000001.8000000000002"
    client_secret: str = "not-a-secret-of-anybody"
    signing_secret: str = "not-a-signing-secret-of-anybody"
    token: str = "xapp-1-A0G4TEK33-0000000000000-aaaa"
    verification: str = "Jhj5dZrVaK7ZwHHjRyZWjbDl"
    rotates: bool = False
    scopes: frozenset[str] = frozenset()  # what an install grants
    home_tab: bool = True
    messages_tab: bool = True


class World:
    """All workspaces and the app; what happens goes to `told`, for whoever delivers it.

    Args:
        now: seconds since the epoch; passes as the test wants.
    """

    def __init__(self, app: App | None = None, now: Callable[[], float] = time.time) -> None:
        self.app = app or App()
        self.now = now
        self.teams: dict[str, Team] = {}
        self.tokens: dict[str, Token] = {}
        self.orgs: dict[str, Org] = {}
        self.codes: dict[str, tuple[str, str]] = {}  # of OAuth: to team (or organisation) and user
        self.redirects: dict[str, str] = {}  # where a code was sent
        self.life = 43_200  # seconds for which a token that rotates lives
        self.grace = 0.0  # seconds in which a refresh token works again
        self.views: dict[str, View] = {}
        self.triggers: dict[str, Trigger] = {}
        self.listeners: list[Callable[[str, dict[str, Any]], None]] = []
        self._numbers = itertools.count(1)

    # ---- making --------------------------------------------------------------------------------

    def number(self) -> int:
        """One more than the last."""
        return next(self._numbers)

    def name(self, letter: str) -> str:
        """A fresh id of Slack's kind."""
        return f"{letter}0T{self.number():07d}"

    def ts(self) -> str:
        """A fresh time of a message: seconds with six more digits that make it unique."""
        return f"{int(self.now())}.{self.number():06d}"

    def team(self, name: str = "Gate Club", plan: Plan = Plan.FREE, **given: Any) -> Team:
        """A workspace with #general, Slackbot and an owner."""
        made = Team(id=self.name("T"), name=name, domain=name.lower().replace(" ", "-"), plan=plan)
        self.teams[made.id] = made
        self.user(made, "slackbot", id="USLACKBOT")
        owner = self.user(made, "owner", is_admin=True, is_owner=True)
        self.channel(made, "general", [owner.id], is_general=True)
        for key, value in given.items():
            setattr(made, key, value)
        return made

    def user(self, team: Team, name: str, **given: Any) -> User:
        """An account of a workspace."""
        made = User(
            id=given.pop("id", "") or self.name("U"),
            team=given.pop("team", team.id),
            name=name,
            real_name=given.pop("real_name", name.capitalize()),
            updated=int(self.now()),
            **given,
        )
        team.users[made.id] = made
        return made

    def channel(
        self,
        team: Team,
        name: str,
        members: Iterable[str] = (),
        kind: str = "channel",
        **given: Any,
    ) -> Channel:
        """A channel with members."""
        letter = "D" if kind == "im" else "C"
        made = Channel(
            id=self.name(letter),
            name=name,
            kind=kind,
            members=list(dict.fromkeys(members)),
            created=int(self.now()),
            **given,
        )
        team.channels[made.id] = made
        return made

    def chat(self, team: Team, user: str) -> Channel:
        """The direct chat of the app with somebody; made where there is none."""
        pair = {team.bot_user, user}
        for channel in team.channels.values():
            if channel.kind == "im" and set(channel.members) == pair:
                return channel
        return self.channel(team, "directmessage", [team.bot_user, user], kind="im")

    # ---- the app's place in it -----------------------------------------------------------------

    def install(self, team: Team, scopes: Iterable[str] = (), by: str = "") -> Token:
        """Install the app in a workspace; its bot token."""
        if not team.bot_user:
            bot = self.user(team, "gatekeeper", is_bot=True)
            team.bot_user, team.bot_id = bot.id, self.name("B")
        granted = frozenset(scopes) or self.app.scopes
        return self.token("bot", team, team.bot_user, granted)

    def token(self, kind: str, team: Team, user: str, scopes: Iterable[str] = ()) -> Token:
        """A fresh token; one that ends in 12 hours where the app's tokens rotate."""
        prefix = {"bot": "xoxb-", "user": "xoxp-"}[kind]
        rotates = self.app.rotates
        made = Token(
            text=f"{'xoxe.' if rotates else ''}{prefix}{secrets.token_hex(12)}",
            kind=kind,
            team=team.id,
            user=user,
            scopes=frozenset(scopes),
            ends_at=self.now() + self.life if rotates else None,
            refresh=f"xoxe-1-{secrets.token_hex(12)}" if rotates else "",
        )
        self.tokens[made.text] = made
        return made

    def code(self, where: str, by: str, redirect_uri: str = "") -> str:
        """What Slack gives a browser for a token: once, to that address alone."""
        made = f"{self.number()}.{self.number()}.{secrets.token_hex(16)}"
        self.codes[made], self.redirects[made] = (where, by), redirect_uri
        return made

    def organisation(self, name: str, teams: Iterable[Team]) -> Org:
        """An organisation of these workspaces."""
        made = Org(id=self.name("E"), name=name)
        self.orgs[made.id] = made
        for team in teams:
            team.org = made.id
        return made

    def install_org(self, org: Org) -> Token:
        """Install the app in a whole organisation; it reaches the workspaces that are granted."""
        theirs = [team for team in self.teams.values() if team.org == org.id]
        bot = theirs[0].bot_user or self.user(theirs[0], "gatekeeper", is_bot=True).id
        for team in theirs:
            if team.id in org.granted:
                self._put_bot(team, bot)
        made = self.token("bot", theirs[0], bot, self.app.scopes)
        made.org = org.id
        return made

    def grant(self, org: Org, team: Team, granted: bool = True) -> None:
        """The organisation's administrators add the app to a workspace, or take it out."""
        bot = next(token.user for token in self.tokens.values() if token.org == org.id)
        self._put_bot(team, bot)
        (org.granted.add if granted else org.granted.discard)(team.id)
        kind = "team_access_granted" if granted else "team_access_revoked"
        self.happens(team, {"type": kind, "team_ids": [team.id], "event_ts": self.ts()})

    def _put_bot(self, team: Team, bot: str) -> None:
        if bot not in team.users:
            self.user(team, "gatekeeper", id=bot, is_bot=True)
        team.bot_user, team.bot_id = bot, team.bot_id or self.name("B")

    def uninstall(self, team: Team, order: str = "uninstalled first") -> None:
        """Take the app out of a workspace; Slack promises no order of the two events."""
        self.end_tokens(team, "account_inactive")
        revoked = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [team.bot_user]}}
        events: list[dict[str, Any]] = [{"type": "app_uninstalled"}, revoked]
        for event in events if order == "uninstalled first" else reversed(events):
            self.happens(team, {**event, "event_ts": self.ts()})

    def end_tokens(self, team: Team, why: str = "token_revoked") -> None:
        """Every token of a workspace ends."""
        for token in self.tokens.values():
            if token.team == team.id:
                token.end = token.end or why

    def trigger(self, team: Team, user: str, view: str | None = None) -> str:
        """What a press or a command brings along: the right to open a view, once, for 3 s."""
        text = f"{self.number()}.{self.number()}.{secrets.token_hex(16)}"
        self.triggers[text] = Trigger(team.id, user, self.now() + 3.0, view)
        return text

    # ---- what happens --------------------------------------------------------------------------

    def happens(self, team: Team, event: dict[str, Any]) -> None:
        """Tell the app of an event, where it is installed."""
        for listener in list(self.listeners):
            listener(team.id, event)

    def join(self, team: Team, channel: Channel, user: str, inviter: str = "") -> None:
        """Somebody comes into a channel."""
        if user in channel.members:
            return
        channel.members.append(user)
        event = {
            "type": "member_joined_channel",
            "user": user,
            "channel": channel.id,
            "channel_type": "G" if channel.kind == "group" else "C",
            "team": team.users[user].team if user in team.users else team.id,
            "event_ts": self.ts(),
        }
        self.happens(team, event | ({"inviter": inviter} if inviter else {}))

    def part(self, team: Team, channel: Channel, user: str) -> None:
        """Somebody is out of a channel."""
        if user not in channel.members:
            return
        channel.members.remove(user)
        self.happens(
            team,
            {
                "type": "member_left_channel",
                "user": user,
                "channel": channel.id,
                "channel_type": "G" if channel.kind == "group" else "C",
                "team": team.id,
                "event_ts": self.ts(),
            },
        )

    def post(self, team: Team, channel: Channel, message: Message) -> Message:
        """A message comes to stand in a channel."""
        channel.messages.append(message)
        if not message.seen_only_by:
            self.happens(team, message_event(team, channel, message))
        return message


def message_event(team: Team, channel: Channel, message: Message) -> dict[str, Any]:
    """The event of a new message."""
    event: dict[str, Any] = {
        "type": "message",
        "user": message.user,
        "text": message.text,
        "ts": message.ts,
        "team": team.id,
        "channel": channel.id,
        "channel_type": channel.kind,
        "event_ts": message.ts,
    }
    if message.subtype:
        event["subtype"] = message.subtype
    if message.bot_id:
        event["bot_id"] = message.bot_id
    if message.thread_ts:
        event["thread_ts"] = message.thread_ts
    if message.blocks:
        event["blocks"] = message.blocks
    return event
