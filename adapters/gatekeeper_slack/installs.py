"""Installations and OAuth states: what slack-bolt asks of its stores, kept in our Vault.

The vault encrypts and lets one of many writers win; more than a shell around it is not needed. All
clubs of a service share the installations of an app. One lies under its workspace, one for a whole
organisation under that: Slack gives each of them an id of its own.
"""

import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from gatekeeper.ports import Clock, Vault

log = logging.getLogger(__name__)

STATE: Final = timedelta(minutes=10)  # between the first click and Slack's answer
_MOST: Final = 1_000  # states used within that time
_WORKSPACE: Final = "slack-workspace"
_USED: Final = "slack-states-used"
_ORGS: Final = "organisations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One installation as the vault keeps it.

    Attributes:
        installation: None once it has ended: its tokens are gone then.
        ended: why it has, "" while it lives.
        away: workspaces that one for an organisation was taken out of.
        renewing: until when somebody is getting the next token, in seconds since the epoch.
    """

    installation: Installation | None
    ended: str = ""
    away: frozenset[str] = frozenset()
    renewing: float = 0.0

    @property
    def token(self) -> str:
        """The bot's, "" where there is none."""
        return (self.installation and self.installation.bot_token) or ""


Change = Callable[[Kept | None], Kept | None]


class VaultInstallations(AsyncInstallationStore):
    """Which workspaces the app is installed in.

    Args:
        vault: the club's own.
        workspace: the club's (T…); "": the first one that installs it, from then on.
        commons: of all clubs of the service, where installations lie: one of an organisation serves
            several of them, and a refresh token works once.
        app: the app's client id.
    """

    def __init__(
        self, vault: Vault, workspace: str = "", commons: Vault | None = None, app: str = ""
    ) -> None:
        self._vault, self._named, self._app = vault, workspace, app
        self._commons = commons or vault

    @property
    def logger(self) -> logging.Logger:
        """For the SDK."""
        return log

    def _drawer(self, where: str) -> str:
        return f"slack-install-{self._app}-{where}"

    # ---- ours ----------------------------------------------------------------------------------

    async def workspace(self) -> str:
        """The club's, "" while none is known."""
        return self._named or (await self._vault.get(_WORKSPACE) or b"").decode()

    async def organisation(self, workspace: str) -> str:
        """The organisation whose installation reaches a workspace as well, "" for none."""
        return (await self._commons.get(f"slack-org-of-{workspace}") or b"").decode()

    async def organisations(self) -> tuple[str, ...]:
        """All that have ever installed the app."""
        return tuple(json.loads(await self._commons.get(self._drawer(_ORGS)) or b"[]"))

    async def join(self, workspace: str, organisation: str) -> None:
        """An organisation's installation reaches this workspace, as Slack itself says."""
        await self._commons.put(f"slack-org-of-{workspace}", organisation.encode())

    async def read(self, where: str) -> Kept | None:
        """What is kept for a workspace or an organisation; StorageError."""
        return _read(await self._commons.get(self._drawer(where)))

    async def change(self, where: str, change: Change) -> Kept | None:
        """Write what `change` makes of what is kept, whoever else writes meanwhile.

        Returns:
            What stands there now; None where `change` gave None, and nothing was written.
        """
        while True:
            old = await self._commons.get(self._drawer(where))
            new = change(_read(old))
            if new is None:
                return None
            if await self._commons.swap(self._drawer(where), old, _written(new)):
                return new

    async def end(self, where: str, why: str, token: str = "") -> None:
        """An installation has ended, and its tokens with it; with `token`, if that is its."""

        def ended(kept: Kept | None) -> Kept | None:
            if kept is None or kept.installation is None or (token and kept.token != token):
                return None
            return Kept(installation=None, ended=why)

        if await self.change(where, ended) is not None:
            log.error("slack-installation-ended %s: %s", where, why)

    # ---- the SDK's -----------------------------------------------------------------------------

    async def async_save(self, installation: Installation) -> None:
        """Keep an installation in place of an earlier one of the same workspace."""
        where = _where(
            installation.enterprise_id, installation.team_id, installation.is_enterprise_install
        )
        await self._commons.put(self._drawer(where), _written(Kept(installation=installation)))
        if installation.is_enterprise_install:
            await self._note(where)
        if not self._named and not installation.is_enterprise_install:
            await self._vault.swap(_WORKSPACE, None, where.encode())

    async def _note(self, organisation: str) -> None:
        drawer = self._drawer(_ORGS)
        while True:
            old = await self._commons.get(drawer)
            known = json.loads(old or b"[]")
            new = json.dumps(sorted({*known, organisation})).encode()
            if organisation in known or await self._commons.swap(drawer, old, new):
                return

    async def async_save_bot(self, bot: Bot) -> None:
        """Keep a newer token of an installation that is there."""

        def newer(kept: Kept | None) -> Kept | None:
            if kept is None or kept.installation is None:
                return None
            installed = copied(kept.installation)
            installed.bot_token = bot.bot_token
            installed.bot_refresh_token = bot.bot_refresh_token
            installed.bot_token_expires_at = bot.bot_token_expires_at
            return replace(kept, installation=installed, renewing=0.0)

        await self.change(_where(bot.enterprise_id, bot.team_id, bot.is_enterprise_install), newer)

    async def async_find_bot(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        is_enterprise_install: bool | None = False,
    ) -> Bot | None:
        """The bot of a workspace or an organisation."""
        found = await self.async_find_installation(
            enterprise_id=enterprise_id,
            team_id=team_id,
            is_enterprise_install=is_enterprise_install,
        )
        return found.to_bot() if found is not None else None

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None = None,
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        """The latest installation; with `user_id`, if that is who installed it."""
        where = _where(enterprise_id, team_id, is_enterprise_install)
        kept = await self.read(where) if where else None
        if kept is None or kept.installation is None:
            return None
        return kept.installation if user_id in (None, kept.installation.user_id) else None

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """The bot is gone, and with it all that we keep of an installation."""
        await self.end(_where(enterprise_id, team_id, not team_id), "deleted")

    async def async_delete_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None
    ) -> None:
        """The same; with `user_id`, if that is who installed it."""
        found = await self.async_find_installation(
            enterprise_id=enterprise_id,
            team_id=team_id,
            user_id=user_id,
            is_enterprise_install=not team_id,
        )
        if found is not None:
            await self.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)


class VaultStates(AsyncOAuthStateStore):
    """States that we gave out ourselves, each used once, within its time.

    A state carries its end and our seal, so that nothing is kept for those who only look at the
    page; what is kept is which ones were used.

    Args:
        key: seals them; the app's client secret.
    """

    def __init__(self, vault: Vault, clock: Clock, key: str) -> None:
        self._vault, self._clock, self._key = vault, clock, key.encode()

    @property
    def logger(self) -> logging.Logger:
        """For the SDK."""
        return log

    async def async_issue(self, *_: Any, **__: Any) -> str:
        """A fresh state."""
        end = int((self._clock.now() + STATE).timestamp())
        body = f"{secrets.token_urlsafe(18)}.{end}"
        return f"{body}.{self._seal(body)}"

    async def async_consume(self, state: str) -> bool:
        """Whether we gave out this state, lately, and it was not used before; from now on it is."""
        body, _, seal = state.rpartition(".")
        nonce, _, end = body.partition(".")
        if not hmac.compare_digest(self._seal(body).encode(), seal.encode("utf-8", "replace")):
            return False
        now = self._clock.now().timestamp()
        if int(end) <= now:  # ours, so a number
            return False
        while True:
            old = await self._vault.get(_USED)
            used = {one: at for one, at in json.loads(old or b"{}").items() if at > now}
            if nonce in used or len(used) >= _MOST:
                return False
            new = json.dumps({**used, nonce: int(end)}).encode()
            if await self._vault.swap(_USED, old, new):
                return True

    def _seal(self, body: str) -> str:
        return hmac.new(self._key, f"slack-state:{body}".encode(), hashlib.sha256).hexdigest()


def copied(installation: Installation) -> Installation:
    """Another one with the same content."""
    return Installation(**installation.to_dict_for_copying())


def _where(enterprise: str | None, team: str | None, whole: bool | None) -> str:
    """The workspace, or the organisation for an installation on the whole of it."""
    return (enterprise if whole else team) or enterprise or ""


def _written(kept: Kept) -> bytes:
    installed = None
    if kept.installation is not None:
        installed = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in kept.installation.to_dict_for_copying().items()
        }
    told = {
        "installation": installed,
        "ended": kept.ended,
        "away": sorted(kept.away),
        "renewing": kept.renewing,
    }
    return json.dumps(told).encode()


def _read(secret: bytes | None) -> Kept | None:
    if not secret:
        return None
    told = json.loads(secret)
    installed = told["installation"]
    return Kept(
        installation=Installation(**installed) if installed else None,
        ended=told["ended"],
        away=frozenset(told["away"]),
        renewing=told["renewing"],
    )
