"""The club's user group, `platforms.slack.userGroup`: its list follows the club's channel."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from gatekeeper.domain.errors import PlatformBusy, PlatformDown
from gatekeeper_slack.api import Api, Refusal
from gatekeeper_slack.patience import back_off, passing
from gatekeeper_slack.people import People
from gatekeeper_slack.scene import NAME, Scene

log = logging.getLogger(__name__)

TOGETHER: Final = 10.0  # seconds in which changes are gathered: one call writes the whole list
_AGAIN: Final = 3600.0  # seconds until it is looked at without a change of ours


class UserGroup:
    """Keeps the list of one user group that of the club's channel.

    On it are the channel's full members of the workspace: Slack refuses a whole list for one
    account that may not be on it.

    Args:
        group: its id (S…).
        paused: whether the club is paused; nothing is written then.
    """

    def __init__(
        self,
        api: Api,
        scene: Scene,
        people: People,
        group: str,
        paused: Callable[[], Awaitable[bool]],
    ) -> None:
        self._api, self._scene, self._people = api, scene, people
        self._group, self._paused = group, paused
        self._change = asyncio.Event()

    def changed(self) -> None:
        """Somebody came or went; never waits."""
        self._change.set()

    async def follow(self) -> None:
        """Write the list whenever the club has changed. What Slack refuses (a plan, a scope, a
        login that is over) is tried again with the next change, and hourly."""
        failures, refused = 0, ""
        while True:
            self._change.clear()
            try:
                await self.sync()
                refused = ""
            except Refusal as error:
                if error.error != refused:
                    log.warning("slack-group-not-kept %s %s", self._group, error.error)
                refused = error.error
            except Exception as error:
                if not passing(error):
                    log.exception("slack-group-not-kept")
                    return
                wait = back_off(failures)
                if isinstance(error, PlatformBusy):
                    wait = max(wait, error.retry_after.total_seconds())
                failures += 1
                await asyncio.sleep(wait)
                continue
            failures = 0
            try:
                async with asyncio.timeout(_AGAIN):
                    await self._change.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(TOGETHER)

    async def sync(self) -> bool:
        """Whether the list had to be written anew. An empty club and a paused one change nothing.

        Raises:
            PlatformDown, PlatformBusy: later.
            Refusal: no paid plan, no scope, no such group.
        """
        if await self._paused():
            return False
        if lost := self._scene.lacks():
            raise PlatformDown(NAME, lost)
        told = await self._api.call("usergroups.users.list", usergroup=self._group)
        wanted = await self._wanted()
        if not wanted or wanted == set(map(str, told["users"])):
            return False
        await self._api.call(
            "usergroups.users.update", usergroup=self._group, users=",".join(sorted(wanted))
        )
        return True

    async def _wanted(self) -> set[str]:
        inside = await self._people.members(self._scene.club)
        guests = await self._people.guests(inside, frozenset())
        found = set()
        for one in guests:
            if not one.bot and (await self._people.look(one.identity)).ours:
                found.add(one.identity.account.rpartition(":")[2])
        return found
