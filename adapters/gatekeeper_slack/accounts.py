"""Accounts in the workspace itself: closed with a removal, where the policy says so, and opened.

Only an administrator's token can do it, on Business+ and Enterprise. Whose account is not to be
touched (owners, administrators, bots, guests, people of other workspaces) is looked up each time.
"""

import logging
from dataclasses import dataclass
from typing import Final

from gatekeeper.domain.errors import PlatformRefused
from gatekeeper.domain.identity import Identity
from gatekeeper_slack.abilities import Abilities, Can
from gatekeeper_slack.api import Refusal
from gatekeeper_slack.hands import Hands
from gatekeeper_slack.people import People
from gatekeeper_slack.scene import NAME, Scene

log = logging.getLogger(__name__)

STAYS: Final = (
    "slack-account-stays"  # the admins are told so; nothing to do: it is not to be closed
)
BY_HAND: Final = "slack-account-by-hand"
_DONE: Final = frozenset({"user_already_deleted", "user_already_team_member"})


@dataclass(slots=True, kw_only=True)
class Accounts:
    """Closes and opens accounts of one workspace."""

    abilities: Abilities
    scene: Scene
    people: People
    hands: Hands

    async def end(self, who: Identity) -> tuple[bool, str]:
        """Deactivate an account: whether something was done, and the code of why it lives on.

        Raises:
            PlatformDown, PlatformBusy: the same may work later.
        """
        self.people.forget(who)
        looked = await self.people.look(who)
        if looked.deleted:
            return False, ""
        if looked.rules or looked.bot or not looked.ours:
            return False, STAYS
        user = who.account.rpartition(":")[2]
        if await self._do(user, Can.EXPEL, "admin.users.remove") or await self._by_scim(
            user, Can.DEACTIVATE
        ):
            self.people.forget(who)
            return True, ""
        return False, BY_HAND

    async def begin(self, who: Identity) -> None:
        """Let a deactivated account live again, before it is let in.

        Raises:
            PlatformRefused: it is closed, and an admin has to open it by hand.
            PlatformDown, PlatformBusy.
        """
        self.people.forget(who)
        if not (await self.people.look(who)).deleted:
            return
        user = who.account.rpartition(":")[2]
        if not (
            await self._do(user, Can.EXPEL, "admin.users.assign")
            or await self._by_scim(user, Can.DEACTIVATE, live=True)
        ):
            raise PlatformRefused(NAME, "account-closed", who.account)
        self.people.forget(who)

    async def _do(self, user: str, can: Can, method: str) -> bool:
        """By the Enterprise's own calls; False where the workspace cannot."""
        if self.hands.admin is None or not (await self.abilities.of(can)).given:
            return False
        try:
            await self.hands.admin.call(method, team_id=self.scene.team, user_id=user)
        except Refusal as error:
            if error.error in _DONE:
                return True
            if not await self.abilities.refused(can, error.error):
                log.warning("slack-account-refused %s", error.detail)
            return False
        return True

    async def _by_scim(self, user: str, can: Can, *, live: bool = False) -> bool:
        if self.hands.scim is None or not (await self.abilities.of(can)).given:
            return False
        try:
            await (self.hands.scim.open_account if live else self.hands.scim.close_account)(user)
        except Refusal as error:
            if not await self.abilities.refused(can, error.error):
                log.warning("slack-account-refused %s", error.detail)
            return False
        return True
