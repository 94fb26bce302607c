"""Logins: with which token to speak, read from the stored installation by way of a short cache.

slack-bolt would ask Slack who we are for every request; here Slack is never asked. A token that
ends is renewed some time before, by one of all processes; the old one serves until the new one is
stored. What ends a login (uninstall, revocation, a workspace taken out of an organisation's
installation) drops the cache, and everything that is ordered waits for the next installation.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from slack_bolt.authorization import AuthorizeResult
from slack_sdk.oauth.installation_store.models.installation import Installation

from gatekeeper.domain.errors import PlatformDown, PlatformRefused
from gatekeeper.ports import Clock
from gatekeeper_slack.api import Api
from gatekeeper_slack.installs import Kept, VaultInstallations
from gatekeeper_slack.patience import passing
from gatekeeper_slack.renewal import LEASE, NONE, NOT_RENEWED, Renewal, early
from gatekeeper_slack.scene import NAME

log = logging.getLogger(__name__)

FRESH: Final = timedelta(seconds=30)  # what another process changed is known by then
_DOUBT: Final = timedelta(minutes=5)  # between Slack's clock and ours
_WAIT: Final = 0.2  # seconds between looks while another process gets the token that we need
NOT_INSTALLED: Final = "slack-not-installed"
REVOKED: Final = "login-revoked"


@dataclass(frozen=True, slots=True)
class _Look:
    """What the vault held when we looked."""

    at: datetime
    team: str
    where: str  # the workspace, or the organisation whose installation reaches it
    kept: Kept | None

    @property
    def fault(self) -> str:
        if self.kept is None:
            return NOT_INSTALLED
        gone = self.kept.installation is None or self.team in self.kept.away
        return REVOKED if gone else ""

    @property
    def login(self) -> tuple[str, float] | None:
        """Which installation it is, whatever its token; None where there is none."""
        if self.fault or self.kept is None or self.kept.installation is None:
            return None
        return self.where, self.kept.installation.installed_at


class Logins:
    """The login of one club's workspace.

    Args:
        store: where installations are kept.
        exchange: calls Slack as the app itself, by its id and secret.

    Attributes:
        turns: how many logins there were: what came between two of them reached nobody.
    """

    def __init__(self, store: VaultInstallations, exchange: Api, clock: Clock) -> None:
        self._store, self._exchange, self._clock = store, exchange, clock
        self._renewal = Renewal(store, exchange, clock)
        self._look: _Look | None = None
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()
        self._fault = NOT_INSTALLED
        self._login: tuple[str, float] | None = None
        self.turns = 0
        self.detail = ""

    @property
    def fault(self) -> str:
        """Why there is no login, "" where there is one."""
        return self._fault or (NOT_RENEWED if self._renewal.over else "")

    @property
    def lost(self) -> bool:
        """Whether there is no login, and none but a new installation brings one."""
        return bool(self._fault)

    @property
    def store(self) -> VaultInstallations:
        """Where installations are kept."""
        return self._store

    @property
    def org_team(self) -> str:
        """The club's workspace where the installation is a whole organisation's: some methods
        have to be told then; "" else."""
        look = self._look
        return look.team if look is not None and look.where != look.team else ""

    # ---- for the Web API -----------------------------------------------------------------------

    async def token(self) -> str:
        """The token to speak with now.

        Raises:
            PlatformDown: there is no login, or it cannot be read now; what is ordered waits.
        """
        async with self._turn:
            try:
                return (await self._current()).token
            except PlatformDown:
                raise
            except Exception as error:
                if not passing(error):
                    raise
                raise PlatformDown(NAME, f"the login: {type(error).__name__}") from error

    async def _current(self) -> Kept:
        await self._save()
        look = await self._seen()
        for _ in range(int(LEASE.total_seconds() / _WAIT)):
            if look.fault or look.kept is None or look.kept.installation is None:
                raise PlatformDown(NAME, f"{look.fault}: {self.detail}".rstrip(": "))
            left = self._renewal.left(look.kept.installation)
            if left is None or left > early(look.kept.installation):
                return look.kept
            unsaved = self._renewal.unsaved_for(look.kept)
            if unsaved is not None and left <= NONE:
                return unsaved
            if await self._renew(look):
                return (await self._seen()).kept or look.kept
            if left > NONE:  # somebody else is at it, or Slack is away: the old one serves still
                return look.kept
            self._renewal.over = True
            if self._renewal.waits():
                break
            await asyncio.sleep(_WAIT)
            look = await self._seen(anew=True)
        raise PlatformDown(NAME, f"{NOT_RENEWED}: the token is over")

    async def _renew(self, look: _Look) -> bool:
        """Whether the next token is there."""
        assert look.kept is not None
        done = await self._renewal.renew(look.where, look.kept)
        await self._seen(anew=True)
        return done and not self._fault

    async def _save(self) -> None:
        if self._look is not None and await self._renewal.save(self._look.where):
            await self._seen(anew=True)

    async def refused(self, token: str, error: str) -> bool:
        """Slack refused a token. Whether another one is there by now, to try the same call with.

        Source: https://docs.slack.dev/authentication/using-token-rotation
        """
        async with self._turn:
            try:
                return await self._replaced(token, error)
            except Exception as fault:
                if not passing(fault):
                    raise
                log.warning("slack-login-unknown %s", type(fault).__name__)
                return False

    async def _replaced(self, token: str, error: str) -> bool:
        look = await self._seen(anew=True)
        if look.kept is not None and look.kept.token not in ("", token):
            return not look.fault
        if look.fault:
            return False
        if error == "token_expired":
            return await self._renew(look)
        if error in ("account_inactive", "token_revoked"):
            await self._store.end(look.where, error, token)
            await self._seen(anew=True)
        return False

    # ---- what the vault holds ------------------------------------------------------------------

    async def _seen(self, *, anew: bool = False) -> _Look:
        look = self._look
        if look is not None and not anew and self._clock.now() - look.at < FRESH:
            return look
        try:
            self._look = look = await self._read()
        except Exception as error:
            if look is None or anew or not passing(error):
                raise
            log.warning("slack-login-unknown %s", type(error).__name__)
            return look  # what was true half a minute ago has to do
        self._fault, kept = look.fault, look.kept
        self.detail = (kept.ended if kept else "") or ("no-access" if look.fault and kept else "")
        if look.login != self._login:
            self.turns += look.login is not None
            self._login = look.login
            self._news.set()
        return look

    async def _read(self) -> _Look:
        now, team = self._clock.now(), await self._store.workspace()
        where, kept = team, await self._store.read(team) if team else None
        if team and (kept is None or kept.installation is None):
            org = await self._store.organisation(team) or await self._reached_by(team)
            of_org = await self._store.read(org) if org else None
            if of_org is not None and (kept is None or of_org.installation is not None):
                where, kept = org, of_org
        return _Look(now, team, where, kept)

    async def _reached_by(self, team: str) -> str:
        """The organisation whose installation reaches the workspace as well, though it was made at
        another club's pages; "" for none. PlatformDown, PlatformBusy."""
        for org in await self._store.organisations():
            kept = await self._store.read(org)
            if kept is None or kept.installation is None or team in kept.away:
                continue
            if await _reaches(self._exchange, kept.token, team):
                await self._store.join(team, org)
                return org
        return ""

    def drop(self) -> None:
        """Something has changed: the next to ask reads the vault."""
        self._look = None
        self._news.set()

    async def workspace(self) -> str:
        """The club's workspace, "" while none is known."""
        return (await self._seen()).team

    async def news(self, seconds: float) -> None:
        """Until something has changed here, for so long at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    async def renewed(self, since: int) -> None:
        """Until there is another login than at that turn."""
        while self.turns == since or self.lost:
            await self.news(FRESH.total_seconds())
            try:
                await self.token()  # so that it is renewed in time, whoever calls or does not
            except PlatformDown as error:
                log.debug("slack-login-waits %s", error)

    # ---- what Slack tells ----------------------------------------------------------------------

    async def installed(self, installation: Installation, api: Api) -> bool:
        """An installation was stored just now; whether it is the club's. One of an organisation is
        where Slack says that its token reaches the club's workspace.

        Args:
            api: where to ask.
        """
        team = await self._store.workspace()
        org = installation.enterprise_id or ""
        ours = bool(team) and installation.team_id == team
        if installation.is_enterprise_install:
            ours = bool(team) and await _reaches(api, installation.bot_token or "", team)
            if ours:
                await self._store.join(team, org)
        self._renewal.forget()
        self.drop()
        await self._seen()
        return ours

    async def ended(self, why: str, at: datetime | None, api: Api) -> bool:
        """Slack told that the app is uninstalled or its token revoked; whether that is so.

        Both come, in either order and perhaps late: an installation that may be younger than that
        is asked for by a call, and only what Slack refuses has ended.
        """
        async with self._turn:
            look = await self._seen(anew=True)
            kept = look.kept
            if kept is None or kept.installation is None:
                return True
            at = at or self._clock.now()
            if at.timestamp() > kept.installation.installed_at + _DOUBT.total_seconds():
                await self._store.end(look.where, why, kept.token)
                return bool((await self._seen(anew=True)).fault)
        try:
            await api.call("auth.test")
        except PlatformRefused:
            return bool(self.fault)
        log.info("slack-late %s: the installation is younger", why)
        return False

    async def access(self, organisation: str, teams: frozenset[str], granted: bool) -> bool:
        """Slack told that an organisation's installation reaches workspaces, or does no more;
        whether the club's is among them."""
        async with self._turn:
            look = await self._seen(anew=True)
            if look.team not in teams:
                return False
            if granted and organisation:
                await self._store.join(look.team, organisation)
                await self._store.change(
                    organisation, lambda kept: kept and replace(kept, away=kept.away - teams)
                )
            elif not granted and look.where != look.team:
                await self._go_away(look, teams)
            await self._seen(anew=True)
            return True

    async def _go_away(self, look: _Look, teams: set[str] | frozenset[str]) -> None:
        await self._store.change(
            look.where, lambda kept: kept and replace(kept, away=kept.away | teams)
        )
        await self._seen(anew=True)

    # ---- for slack-bolt ------------------------------------------------------------------------

    def authorize(self) -> Callable[..., Awaitable[AuthorizeResult | None]]:
        """What slack-bolt is given as `authorize`; a plain function, since bolt goes by the names
        of the arguments and trips over a method's."""

        async def authorize(
            enterprise_id: str | None, team_id: str | None
        ) -> AuthorizeResult | None:
            return await self._authorized(enterprise_id, team_id)

        return authorize

    async def _authorized(self, org: str | None, team: str | None) -> AuthorizeResult | None:
        """The club's own installation, nobody else's, and without a call to Slack."""
        async with self._turn:
            look = await self._seen()
            if look.fault or (team or org) not in (look.team, look.where):
                return None
            kept = await self._current()
        installed = kept.installation
        assert installed is not None
        return AuthorizeResult(
            enterprise_id=installed.enterprise_id,
            team_id=look.team,
            bot_user_id=installed.bot_user_id,
            bot_id=installed.bot_id,
            bot_token=kept.token,
            bot_scopes=installed.bot_scopes,
        )


async def _reaches(api: Api, token: str, team: str) -> bool:
    theirs = api.speaking(token)
    try:
        await theirs.call("users.conversations", team_id=team, limit=1)
    except PlatformRefused as no:
        log.info("slack-org-elsewhere %s", no.detail)
        return False
    finally:
        await theirs.close()
    return True
