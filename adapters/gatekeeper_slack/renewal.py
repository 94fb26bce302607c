"""Renewal: the next token for one that ends, got by one of all processes.

A refresh token works once: whoever uses it has a lease in the vault, and what Slack gave for it is
held until it is stored.

Source: https://docs.slack.dev/authentication/using-token-rotation
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from slack_sdk.oauth.installation_store.models.installation import Installation

from gatekeeper.domain.errors import GatekeeperError, PlatformRefused
from gatekeeper.ports import Clock
from gatekeeper_slack.api import Api, Refusal
from gatekeeper_slack.installs import Kept, VaultInstallations, copied
from gatekeeper_slack.patience import passing

log = logging.getLogger(__name__)

EARLY: Final = timedelta(hours=2)  # before a token's end; they live for twelve
LIFE: Final = "life"  # custom value of an installation: for how many seconds its token was given
LEASE: Final = timedelta(seconds=60)  # for one process to get the next token
NONE: Final = timedelta(0)
NOT_RENEWED: Final = "slack-token-not-renewed"
_SOON: Final = timedelta(seconds=2)  # until Slack is asked again that did not answer


def early(installed: Installation) -> timedelta:
    """How long before its end a token is renewed; never so long that the next is due at once."""
    life = installed.custom_values.get(LIFE)
    return min(EARLY, timedelta(seconds=life) / 4) if isinstance(life, int) else EARLY


class Renewal:
    """Gets tokens for one login; its caller lets in one call at a time.

    Args:
        exchange: calls Slack as the app itself, by its id and secret.

    Attributes:
        over: the token has ended, and no other was to be had.
    """

    def __init__(self, store: VaultInstallations, exchange: Api, clock: Clock) -> None:
        self._store, self._exchange, self._clock = store, exchange, clock
        self._unsaved: tuple[str, Installation] | None = None  # and the token that it replaces
        self._retry_at: datetime | None = None
        self.over = False

    def left(self, installed: Installation) -> timedelta | None:
        """Until the token's end; None where it has none."""
        if installed.bot_token_expires_at is None:
            return None
        end = datetime.fromtimestamp(installed.bot_token_expires_at, self._clock.now().tzinfo)
        return end - self._clock.now()

    def waits(self) -> bool:
        """Whether it is too early to ask Slack again."""
        return self._retry_at is not None and self._clock.now() < self._retry_at

    def forget(self) -> None:
        """There is a new installation: what failed before says nothing of it."""
        self._retry_at, self.over = None, False

    def unsaved_for(self, kept: Kept) -> Kept | None:
        """The same with the next token, where Slack gave it and it could not be stored yet."""
        if self._unsaved is None or self._unsaved[0] != kept.token:
            return None
        return replace(kept, installation=self._unsaved[1])

    async def renew(self, where: str, kept: Kept) -> bool:
        """Get and store the next token; False where this is not the one to get it, or none was to
        be had. StorageError."""
        now, installed = self._clock.now(), kept.installation
        if self._unsaved is not None or self.waits() or installed is None:
            return False
        lease = (now + LEASE).timestamp()

        def lent(found: Kept | None) -> Kept | None:
            free = found is not None and found.renewing <= now.timestamp()
            ours = found is not None and found.token == kept.token
            return replace(found, renewing=lease) if found and free and ours else None

        if await self._store.change(where, lent) is None:
            return False
        try:
            told = await self._exchange.call(
                "oauth.v2.access",
                grant_type="refresh_token",
                refresh_token=installed.bot_refresh_token,
            )
            self._unsaved = kept.token, _next(installed, told, now)
        except (GatekeeperError, KeyError, TypeError, ValueError) as error:
            await self._failed(where, kept, error)
            return False
        return await self.save(where)

    async def _failed(self, where: str, kept: Kept, error: Exception) -> None:
        """Slack gave no token. The lease runs on where it said no, so that nobody asks at once."""
        log.error("%s %s: %s", NOT_RENEWED, type(error).__name__, error)
        self._retry_at = self._clock.now() + LEASE
        if not isinstance(error, PlatformRefused):
            self._retry_at = self._clock.now() + _SOON
            await self._store.change(where, lambda found: found and replace(found, renewing=0.0))
        elif isinstance(error, Refusal) and error.error == "invalid_refresh_token":
            left = self.left(kept.installation) if kept.installation else None
            if left is not None and left <= NONE:  # and no other can follow
                await self._store.end(where, error.error, kept.token)

    async def save(self, where: str) -> bool:
        """Store a token that we got; whether it is the one now: a newer installation wins. What
        cannot be stored is to be tried again, and the old token serves meanwhile."""
        if self._unsaved is None:
            return False
        old, installed = self._unsaved

        def stored(kept: Kept | None) -> Kept | None:
            ours = kept is not None and kept.token == old
            return replace(kept, installation=installed, renewing=0.0) if kept and ours else None

        try:
            kept = await self._store.change(where, stored)
        except Exception as error:
            if not passing(error):
                raise
            log.warning("slack-token-not-stored %s", type(error).__name__)
            return False
        self._unsaved, self.over = None, False
        return kept is not None


def _next(installed: Installation, told: Any, now: datetime) -> Installation:
    """The same installation with the token that Slack gave; KeyError, TypeError, ValueError where
    it gave none."""
    renewed = copied(installed)
    renewed.bot_token = str(told["access_token"])
    renewed.bot_refresh_token = str(told["refresh_token"])
    life = int(told["expires_in"])
    renewed.bot_token_expires_at = int(now.timestamp()) + life
    renewed.custom_values = {**installed.custom_values, LIFE: life}
    return renewed
