"""Inviting somebody who has no account in the workspace: the first way that it allows.

Each way is looked at before it is taken, and Slack refuses the same invitation twice by itself, so
that a second try invites nobody again. A way that the workspace does not allow after all is marked
so, and the next one is taken; at the end an admin invites by hand.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from gatekeeper.domain.decisions import Bring, Receipt
from gatekeeper.domain.errors import PlatformRefused
from gatekeeper.domain.identity import Identity
from gatekeeper.ports import Clock
from gatekeeper_slack.abilities import Abilities, Can
from gatekeeper_slack.api import Api, Refusal
from gatekeeper_slack.events import account
from gatekeeper_slack.hands import Hands
from gatekeeper_slack.people import People
from gatekeeper_slack.scene import NAME, Scene

WORKSPACE: Final = "outside.by-invitation"
PROVISIONED: Final = "outside.by-scim"
CONNECT: Final = "outside.by-connect"
# The invitation stands already: ours, whose answer was lost, or somebody's.
_STANDS: Final = frozenset({"already_in_team_invited_user", "already_invited"})
_IN_TEAM: Final = frozenset({"already_in_team", "already_in_channel"})
_UNKNOWN: Final = frozenset({"users_not_found", "missing_scope"})
_NO_ADDRESS: Final = frozenset({"invalid_email", "invalid_arguments"})
_Act: TypeAlias = Callable[[Bring], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outsiders:
    """Invites into one workspace.

    Attributes:
        ways: those that the policy allows, in its order: "workspace", "connect".
    """

    abilities: Abilities
    scene: Scene
    clock: Clock
    api: Api
    people: People
    hands: Hands
    ways: Sequence[str]

    async def bring(self, action: Bring) -> Receipt:
        """Invite; see `Bring`.

        Raises:
            PlatformRefused: the address is none to Slack.
            PlatformDown, PlatformBusy: the same may work later.
        """
        known = await self.found(action.who.account)
        if known is not None or action.look:
            return Receipt(changed=False, at=self.clock.now(), account=known)
        for can, act, way in self._all():
            taken = await self._try(can, act, action)
            if taken is not None:
                return self._receipt(taken, way if taken else "")
        return self._receipt(False, "")

    def _all(self) -> list[tuple[Can, _Act, str]]:
        """All ways in turn that the policy allows."""
        ways = {
            "workspace": [
                (Can.INVITE, self._invited, WORKSPACE),
                (Can.PROVISION, self._provisioned, PROVISIONED),
            ],
            "connect": [(Can.CONNECT, self._connected, CONNECT)],
        }
        return [one for name in self.ways for one in ways.get(name, ())]

    async def found(self, address: str) -> Identity | None:
        """The living account whose confirmed address this is; None also where we may not ask, and
        for that of a guest, whom Slack lets into no channel by our hand."""
        try:
            told = await self.api.call("users.lookupByEmail", email=address)
        except Refusal as error:
            if error.error not in _UNKNOWN:
                raise
            return None
        who = account(self.scene.team, str(told["user"]["id"]))
        self.people.forget(who)
        looked = await self.people.look(who)
        alike = looked.email.lower() == address.lower()
        return who if alike and not (looked.bot or looked.deleted) else None

    async def _try(self, can: Can, act: _Act, action: Bring) -> bool | None:
        """Whether they are invited by it; False: an admin has to look, None: the next way."""
        if not (await self.abilities.of(can)).given:
            return None
        try:
            await act(action)
        except Refusal as error:
            if error.error in _STANDS:
                return True
            if error.error in _IN_TEAM:
                return False  # an account that is closed, or hidden from us
            if error.error in _NO_ADDRESS:
                raise PlatformRefused(NAME, "no-such-address", error.detail) from error
            await self.abilities.refused(can, error.error)
            return None
        return True

    async def _invited(self, action: Bring) -> None:
        """To #general, since one channel has to be named, and to no other: into the club we let
        them ourselves, once their address is seen to be the one."""
        if self.hands.admin is None:
            raise Refusal("admin.users.invite", "invalid_auth")
        await self.hands.admin.call(
            "admin.users.invite",
            team_id=self.scene.team,
            email=action.who.account,
            channel_ids=await self._general(),
            real_name=action.name or None,
        )

    async def _general(self) -> str:
        async for one in self.api.pages("conversations.list", "channels", types="public_channel"):
            if one.get("is_general"):
                return str(one["id"])
        raise Refusal("conversations.list", "restricted_action")

    async def _provisioned(self, action: Bring) -> None:
        if self.hands.scim is None:
            raise Refusal("scim", "invalid_auth")
        await self.hands.scim.create(action.who.account, action.name)

    async def _connected(self, action: Bring) -> None:
        await self.api.call(
            "conversations.inviteShared",
            channel=self.scene.club,
            emails=[action.who.account],
        )

    def _receipt(self, changed: bool, way: str) -> Receipt:
        return Receipt(changed=changed, at=self.clock.now(), ref=way)
