"""Scim: accounts of a workspace on Business+ and Enterprise, made and closed by an administrator.

Slack's provisioning speaks another protocol than its Web API, at another address: JSON by RFC 7644,
errors by status, 180 writes a minute. Source: https://docs.slack.dev/admins/scim-api and
https://docs.slack.dev/reference/scim-api/rate-limits.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import aiohttp

from gatekeeper.domain.errors import PlatformBusy, PlatformDown
from gatekeeper.ports import Clock
from gatekeeper_slack.api import Refusal, wait_of
from gatekeeper_slack.pace import Pace
from gatekeeper_slack.scene import NAME

URL: Final = "https://api.slack.com/scim/v2"
LIMITER: Final = "scim"
_USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
_CHANGE: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_SECONDS: Final = 20  # for one call
_LONGEST_NAME: Final = 21  # letters of a user name in Slack
# By status; what Slack says of it in words is no code.
_ERRORS: Final[Mapping[int, str]] = {
    400: "invalid_arguments",
    401: "invalid_auth",
    402: "plan_upgrade_required",
    403: "missing_scope",
    404: "user_not_found",
    409: "already_in_team",
}


class Scim:
    """Calls to one organisation's or workspace's accounts.

    Args:
        url: base, with its version.
        token: of an administrator (xoxp-…) with the scope `admin`.
    """

    def __init__(self, url: str, token: str, clock: Clock, pace: Pace) -> None:
        self._url, self._token, self._clock, self._pace = url.rstrip("/"), token, clock, pace
        self._session: aiohttp.ClientSession | None = None  # made where the loop runs
        self._blocked = clock.now() - timedelta(days=1)

    async def look(self) -> None:
        """Whether we may: reads one account. Raises like `_call`."""
        await self._call("GET", "/Users?count=1")

    async def find(self, address: str) -> str:
        """The id of the account with this address, also of one that is closed; "" for none."""
        if set(address) & set('"\\'):
            return ""  # no filter can name it
        told = await self._call("GET", "/Users", params={"filter": f'email eq "{address}"'})
        for one in told.get("Resources") or ():
            mails = [str(each.get("value", "")).lower() for each in one.get("emails") or ()]
            if address.lower() in mails:
                return str(one["id"])
        return ""

    async def create(self, address: str, name: str) -> str:
        """A full member with this address, whom Slack then writes to; their id.

        Raises:
            Refusal: `already_in_team` where the address has an account, also a closed one.
        """
        first, _, rest = name.strip().partition(" ")
        local = "".join(c for c in address.partition("@")[0].lower() if c.isalnum() or c in "._-")
        body = {
            "schemas": [_USER],
            "userName": local[:_LONGEST_NAME] or "member",
            "name": {"givenName": first[:50] or "-", "familyName": rest[:50]},
            "emails": [{"value": address, "primary": True}],
            "active": True,
        }
        return str((await self._call("POST", "/Users", body))["id"])

    async def close_account(self, user: str) -> None:
        """Deactivate an account; nothing happens to one that is."""
        await self._call("DELETE", f"/Users/{user}")

    async def open_account(self, user: str) -> None:
        """Let a deactivated account live again; nothing happens to one that does."""
        change = {"op": "replace", "path": "active", "value": True}
        await self._call("PATCH", f"/Users/{user}", {"schemas": [_CHANGE], "Operations": [change]})

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """PlatformBusy, PlatformDown, Refusal. Nothing is sent a second time by itself."""
        if (wait := self._blocked - self._clock.now()) > timedelta(0):
            raise PlatformBusy(NAME, wait, (LIMITER,))
        await self._pace.pass_by(LIMITER)
        what = f"scim {method} {path.partition('?')[0]}"
        try:
            async with self._web().request(
                method, f"{self._url}{path}", json=body, params=params
            ) as answer:
                if answer.status == 429:
                    wait = wait_of(answer.headers)
                    self._blocked = self._clock.now() + wait
                    raise PlatformBusy(NAME, wait, (LIMITER,))
                if answer.status >= 500:
                    raise PlatformDown(NAME, f"{what}: {answer.status}")
                if answer.status >= 400:
                    raise Refusal(what, _ERRORS.get(answer.status, f"status_{answer.status}"))
                raw = await answer.text()
                told = json.loads(raw) if raw.strip() else {}
        except TimeoutError as error:
            raise PlatformDown(NAME, f"{what}: no answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PlatformDown(NAME, f"{what}: {type(error).__name__}") from error
        if not isinstance(told, dict):
            raise PlatformDown(NAME, f"{what}: an answer that is no object")
        return told

    def _web(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(_SECONDS),
                headers={"Authorization": f"Bearer {self._token}"},
            )
        return self._session
