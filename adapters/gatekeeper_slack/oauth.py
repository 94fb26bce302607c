"""The way in: `/slack/install` sends a browser to Slack, `/slack/oauth_redirect` takes it back.

slack-bolt's flow issues the state, binds it to the browser by a cookie and sees both again; the
call to Slack goes through our Api, so that nothing is sent a second time.
"""

import html
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from slack_bolt.oauth.async_callback_options import (
    AsyncCallbackOptions,
    AsyncFailureArgs,
    AsyncSuccessArgs,
)
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.oauth.installation_store.models.installation import Installation

from gatekeeper.domain.errors import PlatformBusy, PlatformDown, PlatformRefused
from gatekeeper.ports import Clock, Vault
from gatekeeper_slack.api import Api, Refusal
from gatekeeper_slack.authorize import Logins
from gatekeeper_slack.heard import Access, Revoked
from gatekeeper_slack.installs import STATE, VaultInstallations, VaultStates
from gatekeeper_slack.renewal import LIFE
from gatekeeper_slack.requests import Receive, Scope, Send
from gatekeeper_slack.scopes import SCOPES

log = logging.getLogger(__name__)

INSTALL: Final = "/slack/install"
REDIRECT: Final = "/slack/oauth_redirect"
PATHS: Final = frozenset({"events", "install", "oauth_redirect"})  # beneath /slack
AGAIN: Final = "slack-install-again"
DENIED: Final = "slack-install-denied"
REFUSED: Final = "slack-install-refused"
SILENT: Final = "slack-install-no-answer"
DONE: Final = "slack-installed"
ELSEWHERE: Final = "slack-installed-elsewhere"
_A_MINUTE: Final = 20  # codes that are tried
_MINUTE: Final = timedelta(minutes=1)
_SAID: Final = "gatekeeper-said"  # in the request's context: code and values of the page
_OURS: Final = "gatekeeper-ours"
_PAGE: Final = """<!doctype html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><link rel="stylesheet" href="../static/style.css"></head>
<body><main><h1>{title}</h1><p>{remedy}</p><p class="code"><code>{code}</code></p></main></body></html>
"""  # noqa: E501

Say = Callable[[str, Mapping[str, str]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What a platform needs where its login is an installation and no token in the settings."""

    logins: Logins
    pages: "Pages"
    exchange: Api

    @classmethod
    def read(
        cls,
        settings: Mapping[str, Any],
        vault: Vault,
        clock: Clock,
        workspace: str,
        commons: Vault | None = None,
    ) -> "Installed | None":
        """From the settings; None where they hold a token."""
        if not settings.get("client_id"):
            return None
        app = str(settings["client_id"]), str(settings["client_secret"])
        exchange = Api(str(settings["api_url"]), "", clock, app)
        store = VaultInstallations(vault, workspace, commons, app[0])
        logins = Logins(store, exchange, clock)
        pages = Pages(settings, logins, exchange, vault, clock)
        return cls(logins=logins, pages=pages, exchange=exchange)

    def is_page(self, scope: Scope) -> bool:
        """Whether a request is a browser's, for one of our pages."""
        return str(scope.get("path", "")).endswith((INSTALL, REDIRECT))

    async def told(self, change: Revoked | Access, api: Api) -> None:
        """Slack told what became of the installation."""
        if isinstance(change, Access):
            await self.logins.access(change.organisation, change.teams, change.granted)
        else:
            await self.logins.ended(change.why, change.at, api)

    async def close(self) -> None:
        """Let go of all connections."""
        await self.exchange.close()


class Pages:
    """Two addresses for a browser, an ASGI application.

    Args:
        settings: client_id, client_secret, base_url of our pages, api_url.
        exchange: calls Slack as the app itself.
    """

    def __init__(
        self, settings: Mapping[str, Any], logins: Logins, exchange: Api, vault: Vault, clock: Clock
    ) -> None:
        self._clock, self._past = clock, deque[datetime]()
        url, secret = str(settings["api_url"]), str(settings["client_secret"])
        self._flow = _Flow(
            settings=AsyncOAuthSettings(
                client_id=str(settings["client_id"]),
                client_secret=secret,
                scopes=SCOPES,
                user_scopes=(),
                redirect_uri=f"{settings['base_url']}{REDIRECT}",
                install_page_rendering_enabled=False,
                authorization_url=f"{url.rstrip('/').removesuffix('/api')}/oauth/v2/authorize",
                callback_options=AsyncCallbackOptions(_succeeded, _failed),
                installation_store=logins.store,
                state_store=VaultStates(vault, clock, secret),
                state_expiration_seconds=int(STATE.total_seconds()),
            ),
            logins=logins,
            exchange=exchange,
            clock=clock,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send, say: Say) -> None:
        """ASGI; `say` gives the catalogue's sentences. StorageError."""
        if scope["method"] != "GET":
            await _answer(send, 405, {"allow": ["GET"]}, "")
            return
        request = AsyncBoltRequest(
            body="",
            query=scope.get("query_string", b"").decode("latin-1"),
            headers={
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in scope.get("headers", ())
            },
        )
        try:
            if str(scope["path"]).endswith(INSTALL):
                answer = await self._flow.handle_installation(request)
            elif "code" in request.query and not self._in_time():
                log.warning("slack-install-too-many")
                answer = _told(request, 503, SILENT)
            else:
                answer = await self._flow.handle_callback(request)
        except (PlatformDown, PlatformBusy) as error:
            log.warning("%s %s", SILENT, error)
            answer = _told(request, 503, SILENT)
        except PlatformRefused as error:
            code = (
                AGAIN if isinstance(error, Refusal) and error.error == "invalid_code" else REFUSED
            )
            log.warning("%s %s", code, error.detail)
            answer = _told(request, 400, code, {"detail": error.detail})
        headers, body = dict(answer.headers), answer.body
        if said := request.context.get(_SAID):
            body = _page(say, *said)
            cookie = self._flow.settings.state_utils.build_set_cookie_for_deletion()
            headers["set-cookie"] = [cookie]
        await _answer(send, answer.status, headers, body)

    def _in_time(self) -> bool:
        """Whether one more may be asked of Slack: anybody may come with a made-up code, and the
        same method renews our tokens."""
        now = self._clock.now()
        while self._past and now - self._past[0] > _MINUTE:
            self._past.popleft()
        if len(self._past) >= _A_MINUTE:
            return False
        self._past.append(now)
        return True


class _Flow(AsyncOAuthFlow):
    def __init__(
        self, *, settings: AsyncOAuthSettings, logins: Logins, exchange: Api, clock: Clock
    ) -> None:
        super().__init__(settings=settings, logger=log)
        self._logins, self._exchange, self._clock = logins, exchange, clock

    async def build_authorize_url(self, state: str, request: AsyncBoltRequest) -> str:
        """Where Slack asks whoever installs; the club's workspace is chosen already."""
        team = await self._logins.workspace()
        return self.settings.authorize_url_generator.generate(state=state, team=team or None)

    async def run_installation(self, code: str) -> Installation:
        """A code for a token. PlatformDown, PlatformBusy, Refusal."""
        told = await self._exchange.call(
            "oauth.v2.access", code=code, redirect_uri=self.settings.redirect_uri
        )
        org, team = told.get("enterprise") or {}, told.get("team") or {}
        now = self._clock.now().timestamp()
        if not told.get("access_token") or not (org.get("id") or team.get("id")):
            raise PlatformRefused("slack", "other", "oauth.v2.access: no bot token")
        return Installation(
            app_id=told.get("app_id"),
            enterprise_id=org.get("id"),
            enterprise_name=org.get("name"),
            team_id=team.get("id"),
            team_name=team.get("name"),
            bot_token=told["access_token"],
            bot_user_id=told.get("bot_user_id"),
            bot_scopes=told.get("scope") or "",
            bot_refresh_token=told.get("refresh_token"),
            bot_token_expires_at=int(now) + int(life) if (life := told.get("expires_in")) else None,
            user_id=str((told.get("authed_user") or {}).get("id") or ""),
            is_enterprise_install=bool(told.get("is_enterprise_install")),
            token_type=told.get("token_type"),
            installed_at=now,
            custom_values={LIFE: told.get("expires_in")},
        )

    async def store_installation(
        self, request: AsyncBoltRequest, installation: Installation
    ) -> None:
        """Keep it; what runs uses it at once where it is the club's."""
        await self.settings.installation_store.async_save(installation)
        ours = await self._logins.installed(installation, self._exchange)
        log.info("%s %s", DONE if ours else ELSEWHERE, installation.team_id or "organisation")
        request.context[_OURS] = ours


def _told(
    request: AsyncBoltRequest, status: int, code: str, values: Mapping[str, str] | None = None
) -> BoltResponse:
    request.context[_SAID] = code, values or {}
    return BoltResponse(status=status)


async def _succeeded(args: AsyncSuccessArgs) -> BoltResponse:
    installed, context = args.installation, args.request.context
    name = installed.team_name or installed.enterprise_name or installed.team_id or ""
    return _told(args.request, 200, DONE if context[_OURS] else ELSEWHERE, {"team": name})


async def _failed(args: AsyncFailureArgs) -> BoltResponse:
    code = DENIED if args.request.query.get("error") else AGAIN
    log.warning("%s %s", code, args.reason[:80])
    return _told(args.request, 200 if code == DENIED else 400, code)


def _page(say: Say, code: str, values: Mapping[str, str]) -> str:
    title, remedy = (html.escape(say(one, values)) for one in (code, f"{code}.remedy"))
    return _PAGE.format(title=title, remedy=remedy, code=code)


async def _answer(send: Send, status: int, headers: Mapping[str, Sequence[str]], body: str) -> None:
    told = {"content-type": ["text/html; charset=utf-8"], **headers}
    raw = body.encode()
    pairs = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, all_of_it in told.items()
        for value in all_of_it
    ]
    pairs.append((b"content-length", b"%d" % len(raw)))
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": raw})
