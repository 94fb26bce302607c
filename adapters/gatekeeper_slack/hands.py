"""Hands: an administrator's token, where the settings hold one; what is read to know abilities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatekeeper.ports import Clock
from gatekeeper_slack.abilities import Probed
from gatekeeper_slack.api import Api, Refusal
from gatekeeper_slack.pace import Pace
from gatekeeper_slack.scim import URL, Scim


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What speaks with an administrator's token; both None where there is none."""

    admin: Api | None
    scim: Scim | None

    @classmethod
    def read(cls, settings: Mapping[str, Any], clock: Clock, pace: Pace) -> "Hands":
        """From the settings."""
        token = str(settings.get("admin_token") or "")
        if not token:
            return cls(admin=None, scim=None)
        url, scim = str(settings["api_url"]), str(settings.get("scim_url") or URL)
        return cls(admin=Api(url, token, clock, pace=pace), scim=Scim(scim, token, clock, pace))

    async def close(self) -> None:
        """Let go of all connections."""
        if self.admin is not None:
            await self.admin.close()
        if self.scim is not None:
            await self.scim.close()


async def probe(api: Api, hands: Hands, *, organisation: bool) -> Probed:
    """Harmless reads, by which a workspace shows what it can do. PlatformDown, PlatformBusy.

    Args:
        organisation: whether it belongs to one, as the login tells.
    """
    groups = ""
    try:
        await api.call("usergroups.list")
    except Refusal as error:
        groups = error.error
    scopes = api.scopes or frozenset()
    if hands.admin is None or hands.scim is None:
        return Probed(scopes=scopes, organisation=organisation, groups=groups)
    try:
        theirs = await hands.admin.call("auth.test")
    except Refusal as error:
        return Probed(scopes=scopes, organisation=organisation, groups=groups, admin=error.error)
    return Probed(
        scopes=scopes,
        organisation=organisation or bool(theirs.get("enterprise_id")),
        groups=groups,
        admin="",
        admin_scopes=hands.admin.scopes or frozenset(),
        scim=await _look(hands.scim),
    )


async def _look(scim: Scim) -> str:
    try:
        await scim.look()
    except Refusal as error:
        return error.error
    return ""
