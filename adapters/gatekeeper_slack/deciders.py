"""Who is in the user group whose members decide, as the policy's `admins.userGroup` names it."""

import logging
from datetime import datetime, timedelta
from typing import Final

from gatekeeper.ports import Check, Clock
from gatekeeper_slack.api import Api, Refusal

log = logging.getLogger(__name__)

_FRESH: Final = timedelta(seconds=4)  # Slack lets us ask 20 times a minute


class Deciders:
    """The people of one user group of the workspace.

    Args:
        group: its id (S…); "" for none, nobody is asked about then.
    """

    def __init__(self, api: Api, group: str, clock: Clock) -> None:
        self.group = group
        self._api, self._clock = api, clock
        self._asked: tuple[datetime, frozenset[str]] | None = None

    async def people(self) -> frozenset[str]:
        """Their user ids, some seconds old at most.

        Where Slack says no to the question (a free plan, a scope that lacks, no such group),
        nobody decides by the group; whom the policy names still does.

        Raises:
            PlatformDown, PlatformBusy: Slack could not be asked.
            Refusal: our login is over.
        """
        if not self.group:
            return frozenset()
        now = self._clock.now()
        if self._asked is not None and timedelta(0) <= now - self._asked[0] < _FRESH:
            return self._asked[1]
        try:
            found = await self._ask()
        except Refusal as error:
            if error.reason == "login-revoked":
                raise
            log.warning("slack-group-refused %s %s", self.group, error.error)
            found = frozenset()
        self._asked = now, found
        return found

    async def groups(self, user: str) -> tuple[str, ...]:
        """The groups that give `user` a right: this one, or none."""
        return (self.group,) if user in await self.people() else ()

    async def examine(self) -> tuple[Check, ...]:
        """How doctor tells it; no line without a group. PlatformDown, PlatformBusy."""
        if not self.group:
            return ()
        try:
            found = await self._ask()
        except Refusal as error:
            values = {"group": self.group, "detail": error.error}
            return (Check(False, "slack-group-refused", values),)
        code = "slack-group" if found else "slack-group-empty"
        return (Check(bool(found), code, {"group": self.group, "people": len(found)}),)

    async def _ask(self) -> frozenset[str]:
        told = await self._api.call("usergroups.users.list", usergroup=self.group)
        return frozenset(map(str, told["users"]))
