"""What a workspace lets us do beyond channels, why not, and what is done instead: data, kept.

Slack has no call for it. What a few harmless reads answer is weighed to `Found`, which is kept in
the vault; an error that says otherwise counts from then on, for a day. Source: each method's page,
"Admitting and removing a person".
"""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from gatekeeper.domain.errors import PlatformBusy, PlatformDown, PlatformRefused
from gatekeeper.ports import Clock, Vault

log = logging.getLogger(__name__)

OLD: Final = timedelta(days=1)  # what was found, and what was refused, holds for so long
_SOON: Final = timedelta(minutes=10)  # between two looks after errors
_DRAWER: Final = "slack-abilities"


class Kind(StrEnum):
    """What a workspace pays for, as far as it can be told."""

    UNKNOWN = "unknown"
    FREE = "free"
    PAID = "paid"  # Pro, or Business+ where we have no token to tell it by
    BUSINESS = "business"
    ENTERPRISE = "enterprise"


class Can(StrEnum):
    """What may be possible, by what is called for it."""

    INVITE = "admin.users.invite"
    PROVISION = "SCIM: create"
    CONNECT = "conversations.inviteShared"
    GROUPS = "usergroups.users.update"
    EXPEL = "admin.users.remove"
    DEACTIVATE = "SCIM: deactivate"


class Why(StrEnum):
    """Why something cannot be done."""

    PLAN = "plan"  # it is not part of what the workspace pays for
    TOKEN = "token"  # an administrator's token is not among the settings
    SCOPE = "scope"  # the token lacks it
    REFUSED = "refused"  # a setting of the workspace, or an administrator, says no
    WIDE = "wide"  # it would go beyond the workspace, to its whole organisation


# What is done where something cannot be; nothing further: an admin does it by hand.
INSTEAD: Final[Mapping[Can, Can]] = {
    Can.INVITE: Can.PROVISION,
    Can.PROVISION: Can.CONNECT,
    Can.EXPEL: Can.DEACTIVATE,
}
BY_HAND: Final = "by-hand"
# What Slack says to a call that the workspace cannot do after all; anything else is about the call.
_NOT_GIVEN: Final[Mapping[str, Why]] = {
    "feature_not_enabled": Why.PLAN,
    "not_allowed_for_grid_workspace": Why.PLAN,
    "not_paid": Why.PLAN,
    "paid_only": Why.PLAN,
    "plan_upgrade_required": Why.PLAN,
    "account_inactive": Why.TOKEN,
    "invalid_auth": Why.TOKEN,
    "token_expired": Why.TOKEN,
    "token_revoked": Why.TOKEN,
    "missing_scope": Why.SCOPE,
    "not_allowed_token_type": Why.SCOPE,
    "invalid_permissions": Why.REFUSED,
    "no_external_invite_permission": Why.REFUSED,
    "not_an_admin": Why.REFUSED,
    "not_supported": Why.REFUSED,
    "restricted_action": Why.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing; `why` is None where it can be done, `instead` what is done where it cannot."""

    can: Can
    why: Why | None = None

    @property
    def given(self) -> bool:
        """Whether it can be done."""
        return self.why is None

    @property
    def instead(self) -> str:
        """The next way, or "by-hand"."""
        return INSTEAD.get(self.can, BY_HAND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What harmless reads were answered: an error of Slack's, "" for none; None: not asked.

    Attributes:
        scopes: of the bot's token.
        organisation: whether the workspace belongs to one (Enterprise).
        groups: of `usergroups.list`.
        admin_scopes: of the administrator's token; None where there is none, or it is refused.
        scim: of a look by SCIM.
    """

    scopes: frozenset[str]
    organisation: bool
    groups: str
    admin: str | None = None
    admin_scopes: frozenset[str] = frozenset()
    scim: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a workspace can do, as it was found at a time.

    Attributes:
        lacking: what cannot be done, and why.
        refused: what was refused at its use, why, and when.
    """

    kind: Kind
    at: datetime
    lacking: Mapping[Can, Why] = field(default_factory=dict)
    refused: Mapping[Can, tuple[Why, datetime]] = field(default_factory=dict)

    def of(self, can: Can, now: datetime) -> Ability:
        """One thing as it is known now."""
        why, at = self.refused.get(can, (None, now))
        if why is not None and now - at < OLD:
            return Ability(can, why)
        return Ability(can, self.lacking.get(can))


def weigh(probed: Probed, at: datetime) -> Found:
    """What the answers mean; pure."""
    lacking: dict[Can, Why] = {}
    free = probed.groups in ("plan_upgrade_required", "paid_only")
    if probed.groups:
        lacking[Can.GROUPS] = _NOT_GIVEN.get(probed.groups, Why.REFUSED)
    if free:
        lacking[Can.CONNECT] = Why.PLAN
    elif "conversations.connect:write" not in probed.scopes:
        lacking[Can.CONNECT] = Why.SCOPE
    for can, scope, missing in (
        (Can.INVITE, "admin.users:write", not probed.organisation),
        (Can.EXPEL, "admin.users:write", not probed.organisation),
        (Can.PROVISION, "admin", bool(probed.scim)),
        (Can.DEACTIVATE, "admin", bool(probed.scim)),
    ):
        if why := _of_admins(probed, scope, missing=missing):
            lacking[can] = why
        elif scope == "admin" and probed.organisation:
            lacking[can] = Why.WIDE
    return Found(kind=_kind(probed, free=free), at=at, lacking=lacking)


def _of_admins(probed: Probed, scope: str, *, missing: bool) -> Why | None:
    if probed.admin != "":
        return Why.TOKEN
    if missing and (scope != "admin" or probed.scim != "missing_scope"):
        return Why.PLAN
    return None if scope in probed.admin_scopes else Why.SCOPE


def _kind(probed: Probed, *, free: bool) -> Kind:
    if probed.organisation:
        return Kind.ENTERPRISE
    if probed.scim == "":
        return Kind.BUSINESS
    if free:
        return Kind.FREE
    return Kind.UNKNOWN if probed.groups else Kind.PAID


class Abilities:
    """What one club's workspace can do; found when first asked for, and again when that is old.

    Args:
        probe: makes the harmless reads; raises PlatformDown, PlatformBusy, PlatformRefused.
    """

    def __init__(self, vault: Vault, clock: Clock, probe: Callable[[], Awaitable[Probed]]) -> None:
        self._vault, self._clock, self._probe = vault, clock, probe
        self._found: Found | None = None

    async def known(self, *, anew: bool = False) -> Found:
        """All of it. What is known serves where Slack cannot be asked now.

        Raises:
            PlatformDown, PlatformBusy, PlatformRefused: nothing is known, and nothing can be found
                now.
        """
        found = self._found or _read(await self._vault.get(_DRAWER))
        if found is None or anew or self._clock.now() - found.at >= OLD:
            try:
                looked = weigh(await self._probe(), self._clock.now())
            except (PlatformDown, PlatformBusy, PlatformRefused):
                if found is None:
                    raise
            else:
                found = replace(looked, refused=found.refused if found and not anew else {})
                await self._keep(found)
        self._found = found
        return found

    async def of(self, can: Can) -> Ability:
        """One thing; raises like `known`."""
        return (await self.known()).of(can, self._clock.now())

    async def refused(self, can: Can, error: str) -> bool:
        """Slack has just refused it: whether that says that the workspace cannot do it at all. It
        is looked at anew soon, and not tried for a day."""
        why = _NOT_GIVEN.get(error)
        if why is None:
            return False
        log.warning("slack-cannot %s: %s", can, error)
        now, found = self._clock.now(), await self.known()
        refused = {**found.refused, can: (why, now)}
        soon = min(found.at, now - OLD + _SOON)
        await self._keep(replace(found, refused=refused, at=soon))
        return True

    async def _keep(self, found: Found) -> None:
        self._found = found
        await self._vault.put(_DRAWER, _written(found))


def _written(found: Found) -> bytes:
    told = {
        "kind": found.kind,
        "at": found.at.isoformat(),
        "lacking": dict(found.lacking),
        "refused": {can: [why, at.isoformat()] for can, (why, at) in found.refused.items()},
    }
    return json.dumps(told).encode()


def _read(kept: bytes | None) -> Found | None:
    """What the vault held; None also for what another release wrote."""
    try:
        told: dict[str, Any] = json.loads(kept or b"null") or {}
        return Found(
            kind=Kind(told["kind"]),
            at=datetime.fromisoformat(told["at"]),
            lacking={Can(can): Why(why) for can, why in told["lacking"].items()},
            refused={
                Can(can): (Why(why), datetime.fromisoformat(at))
                for can, (why, at) in told["refused"].items()
            },
        )
    except (KeyError, TypeError, ValueError):
        return None
