"""Which channels are the club's: found by id, by what we kept, or by name; made where missing."""

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatekeeper.domain.errors import PlatformDown
from gatekeeper.ports import Vault
from gatekeeper_slack.api import Api, Refusal
from gatekeeper_slack.scene import NAME, Scene
from gatekeeper_slack.scopes import HEARS

log = logging.getLogger(__name__)

_KINDS: Final = "public_channel,private_channel"
_AGAIN: Final = 10.0  # seconds between two looks whether we are back
_STILL: Final = 60.0  # seconds between two looks whether the admins' channel is theirs alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel as the club document names it."""

    alias: str
    name: str
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All channels that a club wants; the first of `channels` is the club's own.

    `people`: admins by name, as team:user, who are taken into channels that we make.
    """

    club: str
    channels: tuple[Channel, ...]
    admins: Channel
    welcome: str
    people: tuple[str, ...]

    @classmethod
    def read(cls, club: str, places: Mapping[str, Any]) -> "Plan":
        """From the club document's `platforms.slack`."""
        channels = tuple(map(_channel, (places["channel"], *places.get("channels", ()))))
        return cls(
            club=club,
            channels=channels,
            admins=_channel(places["adminChannel"]),
            welcome=str(places.get("welcomeChannel") or channels[0].alias),
            people=tuple(map(str, places.get("admins", ()))),
        )

    def home(self) -> str:
        """The workspace of all admins that are named; "" where they are of several, or none is."""
        teams = {one.partition(":")[0] for one in self.people}
        return teams.pop() if len(teams) == 1 else ""

    def all(self) -> tuple[Channel, ...]:
        """The club's own first, the admins' last."""
        return (*self.channels, self.admins)


def _channel(given: Mapping[str, Any]) -> Channel:
    alias = str(given["alias"])
    return Channel(alias=alias, name=str(given.get("name") or alias), id=str(given.get("id") or ""))


class Places:
    """Finds the channels, and keeps their ids: a channel that is renamed stays the club's."""

    def __init__(self, api: Api, plan: Plan, vault: Vault, scene: Scene) -> None:
        self._api, self._plan, self._vault, self._scene = api, plan, vault, scene
        self._looked = self._alone = 0.0  # by the monotonic clock

    async def settle(self, *, make: bool) -> None:
        """Fill the scene; what is not there, or not ours to use, stands in `scene.lost`.

        Args:
            make: private channels that do not exist are made.

        Raises:
            PlatformDown, PlatformBusy, Refusal.
        """
        drawer = f"slack-places-{self._plan.club}"
        kept: dict[str, str] = json.loads(await self._vault.get(drawer) or b"{}")
        ours = {
            str(one["id"]): one
            async for one in self._api.pages(
                "users.conversations", "channels", types=_KINDS, exclude_archived=True
            )
        }
        by_name = {str(one.get("name")): number for number, one in ours.items()}
        found: dict[str, str] = {}
        lost: dict[str, str] = {}
        for place in self._plan.all():
            number = place.id or kept.get(place.alias) or by_name.get(place.name, "")
            if not number and make and (made := await self._make(place)):
                number = str(made["id"])
                ours[number] = made
            if not number:
                lost[place.alias] = "missing"
            elif number not in ours:
                lost[place.alias] = "put-out"
            elif place is self._plan.admins and _is_open(ours[number]):
                lost[place.alias] = "not-private"
            if number:
                found[place.alias] = number
            if make and ours.get(number, {}).get("creator") == self._scene.bot:
                await self._open(number)
        scene, plan = self._scene, self._plan
        scene.rooms = {one.alias: found[one.alias] for one in plan.channels if one.alias in found}
        scene.club = found.get(plan.channels[0].alias, "")
        scene.admins = found.get(plan.admins.alias, "")
        scene.own, scene.desk = plan.channels[0].alias, plan.admins.alias
        scene.welcome, scene.lost = plan.welcome, lost
        there = {one.alias: ours.get(found.get(one.alias, "")) for one in plan.channels}
        known = {alias: told for alias, told in there.items() if told}
        scene.public = frozenset(alias for alias, told in known.items() if _is_open(told))
        given = self._api.scopes
        scene.unheard = frozenset(
            alias
            for alias, told in known.items()
            if given is not None and HEARS[bool(told.get("is_private"))] not in given
        )
        if found != kept:
            await self._vault.put(drawer, json.dumps(found).encode())

    async def look_again(self, *, now: bool = False) -> None:
        """While we are out of a channel, look whether we are back: some seconds after the last
        look, or `now`. What waits goes on then. PlatformDown, PlatformBusy."""
        if now or (self._scene.lost and time.monotonic() - self._looked > _AGAIN):
            self._looked = time.monotonic()
            try:
                await self.settle(make=False)
            except Refusal as error:
                raise PlatformDown(NAME, error.detail) from error

    async def alone(self) -> None:
        """Look whether the admins' channel is still theirs alone, before something of an applicant
        is put there: Slack tells no bot of a channel that was opened or shared. A minute old at
        most; what is to be posted waits while it is not. PlatformDown, PlatformBusy."""
        scene = self._scene
        if not scene.admins or scene.desk in scene.lost:
            return
        if time.monotonic() - self._alone > _STILL:
            try:
                told = await self._api.call("conversations.info", channel=scene.admins)
            except Refusal:
                await self.look_again(now=True)  # gone, or we are out of it
                return
            if _is_open(told["channel"]):
                scene.lost[scene.desk] = "not-private"
                log.error("slack-not-private %s", scene.desk)
                return
            self._alone = time.monotonic()

    async def usable(self, *, now: bool = False) -> None:
        """PlatformDown while we are out of a channel into which or out of which people go."""
        await self.look_again(now=now)
        for alias, why in self._scene.lost.items():
            if why != "missing":
                raise PlatformDown(NAME, f"{alias}: {why}")

    async def _make(self, place: Channel) -> Mapping[str, Any] | None:
        """A private channel; None where its name is taken by one that we are not in."""
        try:
            told = await self._api.call("conversations.create", name=place.name, is_private=True)
        except Refusal as error:
            if error.error != "name_taken":
                raise
            return None
        made: Mapping[str, Any] = told["channel"]
        return made

    async def _open(self, channel: str) -> None:
        """Take the admins into a private channel of our making in which there is nobody, since
        nobody could ever let them in: it is new, or the policy named nobody of here before."""
        async for user in self._api.pages("conversations.members", "members", channel=channel):
            if user != self._scene.bot:
                return
        for team, _, user in (one.partition(":") for one in self._plan.people):
            if team == self._scene.team:
                await self._take_in(channel, user)

    async def _take_in(self, channel: str, user: str) -> None:
        try:
            await self._api.call("conversations.invite", channel=channel, users=user)
        except Refusal as error:
            log.warning("slack-admin-not-invited %s", error.detail)


def _is_open(channel: Mapping[str, Any]) -> bool:
    """Whether people of other workspaces, or everybody of this one, could read along."""
    shared = any(
        channel.get(key) for key in ("is_ext_shared", "is_shared", "is_pending_ext_shared")
    )
    return shared or not channel.get("is_private")
