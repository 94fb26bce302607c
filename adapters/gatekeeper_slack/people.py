"""Who somebody is in the workspace, and in which of the club's channels they are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gatekeeper.domain.errors import BadInput, PlatformRefused
from gatekeeper.domain.identity import Identity
from gatekeeper.ports import Clock, Guest, Profile, Standing
from gatekeeper_slack.api import Api
from gatekeeper_slack.deciders import Deciders
from gatekeeper_slack.events import SLACKBOT, account
from gatekeeper_slack.scene import NAME, Scene

_KINDS: Final = "public_channel,private_channel"
_FRESH: Final = timedelta(minutes=10)  # what Slack told of an account; changes are told besides
_MOMENT: Final = timedelta(seconds=3)  # between a look at somebody and what it is for
_MANY: Final = 1_000
_ONE_BY_ONE: Final = 40  # accounts looked up singly; for more, the whole workspace is read
_ACCOUNT: Final = re.compile(r"(?:slack:)?(T[A-Z0-9]{2,30}):([UW][A-Z0-9]{2,30})")
_MENTION: Final = re.compile(r"@?([UW][A-Z0-9]{6,30})|<@([UW][A-Z0-9]{6,30})(?:\|[^<>]*)?>")
POWER: Final = 100  # of owners and administrators of the workspace, in the admins' channel


@dataclass(frozen=True, slots=True)
class Looked:
    """An account as Slack tells it; `ours`: a full member of this very workspace."""

    team: str
    name: str
    bot: bool
    deleted: bool
    ours: bool
    rules: bool  # owner or administrator of the workspace
    email: str = ""  # confirmed, of a full member; "" also without the scope users:read.email


class People:
    """Looks accounts up, no more often than needed.

    `group` is the user group whose members decide; "" for none.
    """

    def __init__(self, api: Api, scene: Scene, clock: Clock, group: str = "") -> None:
        self.deciders = Deciders(api, group, clock)
        self._api, self._scene, self._clock = api, scene, clock
        self._known: dict[str, tuple[datetime, Looked]] = {}
        self._stood: dict[str, tuple[datetime, frozenset[str]]] = {}

    def forget(self, who: Identity) -> None:
        """Slack told that something about an account has changed."""
        self._known.pop(who.account.rpartition(":")[2], None)

    async def look(self, who: Identity) -> Looked:
        """One account, as it was some minutes ago at most. PlatformDown, PlatformBusy, Refusal."""
        return await self._look(who.account.rpartition(":")[2])

    async def _look(self, user: str) -> Looked:
        known = self._known.get(user)
        if known is not None and self._clock.now() - known[0] < _FRESH:
            return known[1]
        return self._keep((await self._api.call("users.info", user=user))["user"])

    def _keep(self, raw: Mapping[str, Any]) -> Looked:
        user, scene, profile = str(raw["id"]), self._scene, raw.get("profile") or {}
        guest = any(raw.get(key) for key in ("is_restricted", "is_ultra_restricted", "is_stranger"))
        team = self._team(raw)
        ours = not guest and team == scene.team
        confirmed = ours and raw.get("is_email_confirmed", True) is True
        looked = Looked(
            team=team,
            name=str(
                profile.get("display_name") or raw.get("real_name") or raw.get("name") or user
            ),
            bot=bool(raw.get("is_bot")) or user in (SLACKBOT, scene.bot),
            deleted=bool(raw.get("deleted")),
            ours=ours,
            rules=any(raw.get(key) for key in ("is_admin", "is_owner", "is_primary_owner")),
            email=str(profile.get("email") or "") if confirmed else "",
        )
        self._known[user] = self._clock.now(), looked
        return looked

    def _team(self, raw: Mapping[str, Any]) -> str:
        """Whose account it is; in an organisation people can be of several workspaces at once, and
        what they do may be told as of any of them."""
        profile, scene, user = raw.get("profile") or {}, self._scene, str(raw["id"])
        told = str(raw.get("team_id") or profile.get("team") or scene.team)
        teams = (raw.get("enterprise_user") or {}).get("teams") or ()
        shared = told != scene.team and scene.organisation and scene.team in teams
        (scene.shared_people.add if shared else scene.shared_people.discard)(user)
        return scene.team if shared else told

    async def profile(self, who: Identity) -> Profile:
        """For Platform.profile; a deactivated account is nobody's."""
        looked = await self.look(who)
        if looked.deleted:
            raise PlatformRefused(NAME, "no-such-person", who.account)
        return Profile(name=looked.name, bot=looked.bot, email=looked.email)

    async def places(self, who: Identity) -> frozenset[str]:
        """The club's channels in which somebody is now, by their ids. Slack lists the channels of
        its own people alone: for somebody of another workspace each of ours is read."""
        (team, _, user), scene = who.account.partition(":"), self._scene
        ours = {*scene.rooms.values(), scene.admins} - {""}
        if team != scene.team:
            return frozenset([one for one in ours if user in await self.members(one)])
        found = self._api.pages("users.conversations", "channels", types=_KINDS, user=user)
        return frozenset([str(one["id"]) async for one in found if one["id"] in ours])

    async def just_seen(self, who: Identity) -> frozenset[str]:
        """As `places`. Whoever acts has asked for somebody's standing right before: that look
        serves once more, since Slack lets us look no more often than act."""
        at, there = self._stood.pop(who.account, (None, frozenset[str]()))
        if at is not None and self._clock.now() - at < _MOMENT:
            return there
        return await self.places(who)

    async def standing(self, who: Identity) -> Standing:
        """For Platform.standing."""
        there = await self.places(who)
        if len(self._stood) >= _MANY:
            self._stood.clear()
        self._stood[who.account] = self._clock.now(), there
        admin = self._scene.admins in there
        power = self._power(await self.look(who)) if admin else -1
        user = who.account.rpartition(":")[2]
        return Standing(
            inside=self._scene.club in there,
            in_admin_room=admin,
            power=power,
            groups=await self.deciders.groups(user) if power >= 0 else (),
        )

    def _power(self, looked: Looked) -> int:
        """In the admins' channel: nobody's there who is of another workspace, or a guest."""
        if not looked.ours or looked.bot or looked.deleted:
            return -1
        return POWER if looked.rules else 0

    async def members(self, channel: str) -> list[str]:
        """Who is in a channel, ourselves left out."""
        found = self._api.pages("conversations.members", "members", channel=channel)
        return [str(user) async for user in found if user != self._scene.bot]

    async def guests(self, users: list[str], admins: frozenset[str]) -> tuple[Guest, ...]:
        """These accounts as the port tells them; those that nobody can use any more left out."""
        now = self._clock.now()
        unknown = [u for u in users if u not in self._known or now - self._known[u][0] > _FRESH]
        if len(unknown) > _ONE_BY_ONE:
            async for raw in self._api.pages("users.list", "members"):
                self._keep(raw)
        looked = {user: await self._look(user) for user in users}
        powers = {u: self._power(one) if u in admins else -1 for u, one in looked.items()}
        may = max(powers.values(), default=-1) >= 0
        deciders = await self.deciders.people() if may else frozenset()
        return tuple(
            Guest(
                identity=account(one.team, user),
                name=one.name,
                bot=one.bot,
                power=powers[user],
                groups=(self.deciders.group,) if powers[user] >= 0 and user in deciders else (),
            )
            for user, one in looked.items()
            if not one.deleted
        )


def typed(text: str, team: str) -> Identity:
    """What a person typed as an account: `T…:U…`, or a mention or id of the workspace `team`.

    Raises:
        BadInput: `not-an-identity`.
    """
    said = text.strip()
    if found := _ACCOUNT.fullmatch(said):
        return account(found[1], found[2])
    found = _MENTION.fullmatch(said)
    if found is None or not team:
        raise BadInput({"identity": "not-an-identity"})
    return account(team, found[1] or found[2])
