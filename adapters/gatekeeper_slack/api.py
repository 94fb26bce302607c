"""Api: one call to the Web API, its failures as ours; nothing is sent a second time by itself."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from gatekeeper.domain.errors import PlatformBusy, PlatformDown, PlatformRefused
from gatekeeper.ports import Clock
from gatekeeper_slack.pace import Pace
from gatekeeper_slack.scene import NAME

log = logging.getLogger(__name__)
_sdk = logging.getLogger(f"{__name__}.sdk")
_sdk.setLevel(logging.CRITICAL)  # every failure is raised, and told there once

PAGE: Final = 200  # what Slack recommends at most
_PAGES: Final = 500
_PAGE_WAIT: Final = timedelta(seconds=70)  # between two pages; a limit is by the minute
_SECONDS: Final = 20  # for one call
_UNTOLD: Final = timedelta(seconds=5)  # to wait where a 429 does not say how long
# What a workspace's administrators, an expired token or an uninstall leave us with.
_REVOKED: Final = frozenset(
    ["account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"]
)
# Methods that ask for `team_id` where the token is a whole organisation's.
_OF_ORGS: Final = frozenset(
    [
        "conversations.create",
        "conversations.list",
        "usergroups.list",
        "usergroups.users.list",
        "usergroups.users.update",
        "users.conversations",
        "users.list",
    ]
)
_DOWN: Final = frozenset(
    ["fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"]
)
_REASONS: Final[Mapping[str, str]] = {
    **dict.fromkeys([*_REVOKED, "team_access_not_granted"], "login-revoked"),
    **dict.fromkeys(
        [
            "missing_scope",
            "restricted_action",
            "not_allowed_token_type",
            "no_permission",
            "ekm_access_denied",
            "plan_upgrade_required",
            "not_in_channel",
            "cant_kick_from_general",
            "cant_update_message",
            "method_not_supported_for_channel_type",
            "is_archived",
            "ura_max_channels",
            "user_is_restricted",
            "cant_invite",
            "messages_tab_disabled",
        ],
        "no-power",
    ),
    **dict.fromkeys(["channel_not_found", "message_not_found", "thread_not_found"], "no-such-room"),
    **dict.fromkeys(
        ["user_not_found", "user_disabled", "user_not_visible", "users_not_found", "no_user"],
        "no-such-person",
    ),
    **dict.fromkeys(["msg_too_long", "msg_blocks_too_long", "view_too_large"], "too-large"),
}


class Refusal(PlatformRefused):
    """A final no with Slack's own word, `error`."""

    def __init__(self, method: str, error: str, needed: str = "") -> None:
        self.error = error
        more = f" (needs {needed})" if needed else ""
        super().__init__(NAME, _REASONS.get(error, "other"), f"{method}: {error}{more}")


class Tokens(Protocol):
    """With which token to call: one that may change while we run."""

    @property
    def org_team(self) -> str:
        """The workspace that is meant, where the token is a whole organisation's; "" else."""
        ...

    async def token(self) -> str:
        """The token now; PlatformDown where there is none."""
        ...

    async def refused(self, token: str, error: str) -> bool:
        """Slack refused a token: whether another one is there, to try the same call with."""
        ...


class Api:
    """Calls to one workspace as one bot.

    Args:
        url: base of the Web API.
        token: the bot's, or what gives it; "" where the app itself calls.
        clock: tells when a method may be called again.
        app: id and secret of the app itself.
        pace: how often each method may be called; None: as often as Slack lets us.
    """

    def __init__(
        self,
        url: str,
        token: "str | Tokens",
        clock: Clock,
        app: tuple[str, str] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._url, self._token, self._clock = f"{url.rstrip('/')}/", token, clock
        self._headers = {"Authorization": f"Basic {_basic(*app)}"} if app else {}
        self._session: aiohttp.ClientSession | None = None  # made where the loop runs
        self._client: AsyncWebClient | None = None
        self._blocked: dict[str, datetime] = {}
        self._pace = pace
        self.skew: timedelta | None = None  # Slack's clock minus ours, when last heard
        self.scopes: frozenset[str] | None = None  # of the token, when last heard

    def speaking(self, token: str) -> "Api":
        """Another one at the same address, for this token; to be closed by the caller."""
        return Api(self._url, token, self._clock)

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = self._client = None

    def _web(self) -> AsyncWebClient:
        if self._client is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_SECONDS))
            self._client = AsyncWebClient(
                base_url=self._url,
                timeout=_SECONDS,
                session=self._session,
                retry_handlers=[],  # the SDK's own would send a message twice
                logger=_sdk,
            )
        return self._client

    async def call(self, method: str, **given: Any) -> Mapping[str, Any]:
        """Call one method; arguments that are None are left out, lists and objects go as JSON.

        Raises:
            PlatformBusy: Slack asked us to wait with this method, named as its limiter, or would.
            PlatformDown: no answer, or none that can be read; a write may have taken effect.
            Refusal: a final no.
        """
        if isinstance(self._token, str):
            return await self._call(method, self._token, given)
        token = await self._token.token()
        try:
            return await self._call(method, token, self._placed(method, given))
        except Refusal as no:  # nothing was done: the same call may go with a newer token
            if no.error not in _REVOKED or not await self._token.refused(token, no.error):
                raise
        return await self._call(method, await self._token.token(), self._placed(method, given))

    def _placed(self, method: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """With the workspace, where the token alone does not say which one is meant."""
        team = "" if isinstance(self._token, str) else self._token.org_team
        return {**given, "team_id": team} if team and method in _OF_ORGS else given

    async def _call(self, method: str, token: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        now = self._clock.now()
        if self._blocked.get(method, now) > now:
            raise PlatformBusy(NAME, self._blocked[method] - now, (method,))
        if self._pace is not None:
            await self._pace.pass_by(method)
        data = {key: _written(value) for key, value in given.items() if value is not None}
        web = self._web()
        web.token = token or None  # read before the first time that this call waits
        try:
            answer = await web.api_call(method, data=data, headers=dict(self._headers))
        except SlackApiError as error:
            raise self._failure(method, error) from error
        except (aiohttp.ClientError, SlackClientError, OSError, ValueError) as error:
            raise PlatformDown(NAME, f"{method}: {type(error).__name__}") from error
        self._heard(answer.headers)
        told = answer.data
        if not isinstance(told, dict):
            raise PlatformDown(NAME, f"{method}: an answer that is no object")
        return told

    def _failure(self, method: str, fault: SlackApiError) -> Exception:
        answer = fault.response
        told = answer.data if isinstance(answer.data, dict) else {}
        error = str(told.get("error") or "")
        if answer.status_code == 429 or error in ("ratelimited", "rate_limited"):
            wait = wait_of(answer.headers)
            self._blocked[method] = self._clock.now() + wait
            return PlatformBusy(NAME, wait, (method,))
        if answer.status_code >= 500 or error in _DOWN or not error:
            return PlatformDown(NAME, f"{method}: {error or answer.status_code}")
        return Refusal(method, error, str(told.get("needed") or ""))

    def _heard(self, headers: Mapping[str, str]) -> None:
        if (scopes := headers.get("x-oauth-scopes")) is not None:
            self.scopes = frozenset(one.strip() for one in scopes.split(","))
        try:
            self.skew = parsedate_to_datetime(headers["Date"]) - self._clock.now()
        except (KeyError, TypeError, ValueError):
            return

    async def pages(self, method: str, key: str, **given: Any) -> AsyncIterator[Any]:
        """All items of a list that comes in pages; raises like `call`. In the middle of a long one
        it waits, since whoever begins anew would never come to its end."""
        cursor: str | None = None
        for number in range(_PAGES):
            asked = {"limit": PAGE, **given, "cursor": cursor}
            try:
                told = await self.call(method, **asked)
            except PlatformBusy as busy:
                if not number or busy.retry_after > _PAGE_WAIT:
                    raise
                await asyncio.sleep(busy.retry_after.total_seconds())
                told = await self.call(method, **asked)
            for item in told.get(key) or ():
                yield item
            cursor = str((told.get("response_metadata") or {}).get("next_cursor") or "") or None
            if cursor is None:
                return


def _basic(name: str, secret: str) -> str:
    return base64.b64encode(f"{name}:{secret}".encode()).decode()


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def wait_of(headers: Mapping[str, str]) -> timedelta:
    """For how long a 429 asks us to wait."""
    try:
        seconds = float({key.lower(): value for key, value in headers.items()}["retry-after"])
    except (KeyError, ValueError):
        return _UNTOLD
    return timedelta(seconds=min(max(seconds, 0.0), 3_600.0))
