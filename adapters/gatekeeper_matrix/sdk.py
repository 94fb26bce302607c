"""Api: one call to the homeserver, its failures as ours. The only module that knows HTTP.

No Matrix library stands between: see ARCHITECTURE.md for what theirs do to tokens, gaps and 429.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from gatekeeper.domain.errors import PlatformBusy, PlatformDown, PlatformRefused
from gatekeeper.ports import Clock
from gatekeeper_matrix.lean import Lean

NAME: Final = "matrix"
SEND: Final = "send"  # the limiter of all events
INVITING: Final = "invite:issuer"  # of all invitations
CLIENT: Final = "/_matrix/client/v3"
_SECONDS = 30.0  # for one request; a long poll adds its own time
_UNTOLD = timedelta(seconds=5)  # to wait where a 429 does not say how long
# A longer wait than this can only come from the limiter by recipient or by creation: the others
# refill within seconds. Blocking them all that long would hold up cards for one person's sake.
_LONG = timedelta(seconds=30)

Body = Mapping[str, Any]


def _in_words(error: Exception, url: URL) -> str:
    """Why nobody answered, for whoever reads a command's last line; the log has the rest."""
    where = f"{url.host}:{url.port}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {url.host} is not known"
    if isinstance(error, aiohttp.ClientSSLError):
        return f"{where} has no certificate that we trust"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"nothing answers at {where}"
    if isinstance(error, TimeoutError):
        return f"{where} did not answer in time"
    return f"{where} broke off ({type(error).__name__})"


class Refusal(PlatformRefused):
    """A final no with the homeserver's own words: `status` of HTTP and `errcode`."""

    def __init__(self, reason: str, status: int, errcode: str, detail: str) -> None:
        self.status, self.errcode = status, errcode
        super().__init__(NAME, reason, f"{errcode} {detail}".strip())


_REASONS: Final[Mapping[str, str]] = {
    "M_UNKNOWN_TOKEN": "login-revoked",
    "M_MISSING_TOKEN": "login-revoked",
    "M_USER_DEACTIVATED": "login-revoked",
    "M_FORBIDDEN": "no-power",
    "M_TOO_LARGE": "too-large",
    "M_NOT_FOUND": "no-such-room",
}


class Api:
    """Calls to one homeserver as one account.

    Args:
        url: where the client API stands, without a slash at the end.
        clock: tells when a limiter is free again, and how far the homeserver's clock is off.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None  # made where the loop runs
        self._clock = clock
        self._blocked: dict[str, datetime] = {}
        self._lean = Lean()
        self._version = ""
        self.token = ""
        self.skew: timedelta | None = None  # the homeserver's clock minus ours, when last heard

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, query: Body | None = None, seconds: float = _SECONDS) -> Any:
        """Ask for something; the JSON of the answer. PlatformDown, PlatformBusy, Refusal."""
        return await self.call("GET", path, query=query, seconds=seconds)

    async def find(self, path: str, query: Body | None = None) -> Any:
        """`get`, and None where there is no such thing."""
        try:
            return await self.get(path, query)
        except Refusal as error:
            if error.status == 404:
                return None
            raise

    async def version(self) -> str:
        """The version of rooms that this homeserver makes."""
        if not self._version:
            told = (await self.get(f"{CLIENT}/capabilities")).get("capabilities", {})
            self._version = str(told.get("m.room_versions", {}).get("default", "11"))
        return self._version

    async def call(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        query: Body | None = None,
        limiters: tuple[str, ...] = (),
        seconds: float = _SECONDS,
    ) -> Any:
        """One request.

        Args:
            path: already quoted (see `q`).
            limiters: what the call draws on; while one of them is known to be spent the call is
                not made at all.
            seconds: until it counts as lost.

        Raises:
            PlatformBusy: 429, with the limiters that may have asked.
            PlatformDown: no answer, or one that is not the homeserver's; it may have taken effect.
            Refusal: a final no.
        """
        self._mind(limiters)
        status, headers, text = await self._counted(method, path, body, query, seconds, limiters)
        told = _json(text)
        self._hear_clock(headers)
        if status < 300 and told is not None:
            return told
        told = told if isinstance(told, dict) else {}
        errcode, detail = str(told.get("errcode", "")), str(told.get("error", ""))
        if status == 429:
            raise self._busy(_wait(told, headers), limiters)
        if status >= 500 or not errcode:
            raise PlatformDown(NAME, f"{status} {errcode or text[:80]!r}")
        raise Refusal(_REASONS.get(errcode, "other"), status, errcode, detail)

    async def _counted(
        self,
        method: str,
        path: str,
        body: Body | None,
        query: Body | None,
        seconds: float,
        limiters: tuple[str, ...],
    ) -> tuple[int, Mapping[str, str], str]:
        if SEND not in limiters:
            return await self._send(method, path, body, query, seconds)
        sent = True  # so may be what was never answered
        self._lean.begun()
        try:
            answer = await self._send(method, path, body, query, seconds)
            sent = answer[0] < 300
        finally:
            self._lean.ended(INVITING in limiters, sent, self._clock.now())
        return answer

    async def _send(
        self, method: str, path: str, body: Body | None, query: Body | None, seconds: float
    ) -> tuple[int, Mapping[str, str], str]:
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=True)
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if query:
            path = f"{path}?{urlencode(query)}"
        data = None if body is None and method in ("GET", "DELETE") else json.dumps(body or {})
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=10)
        try:
            url = URL(f"{self._url}{path}", encoded=True)
            async with self._session.request(
                method, url, data=data, headers=headers, timeout=timeout
            ) as answer:
                return answer.status, answer.headers, await answer.text(errors="replace")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise PlatformDown(NAME, _in_words(error, url)) from error

    def _mind(self, limiters: tuple[str, ...]) -> None:
        now = self._clock.now()
        waits = {name: self._blocked[name] - now for name in limiters if name in self._blocked}
        if SEND in limiters and not any(wait > timedelta(0) for wait in waits.values()):
            inviting = INVITING in limiters
            # Under a name of its own, what is kept for an invitation does not hold that one back.
            waits[INVITING if inviting else "send:kept"] = self._lean.wait(inviting, now)
        spent = tuple(name for name, wait in waits.items() if wait > timedelta(0))
        if spent:
            raise PlatformBusy(NAME, max(waits.values()), spent)

    def _busy(self, wait: timedelta, limiters: tuple[str, ...]) -> PlatformBusy:
        if wait > _LONG:
            slow = tuple(n for n in limiters if n == "create" or n.startswith("invite:to:"))
            limiters = slow or limiters
        elif SEND in limiters:
            self._lean.refused(INVITING in limiters, wait, self._clock.now())
        until = self._clock.now() + wait
        self._blocked |= dict.fromkeys(limiters, until)
        return PlatformBusy(NAME, wait, limiters)

    def _hear_clock(self, headers: Mapping[str, str]) -> None:
        try:
            self.skew = parsedate_to_datetime(headers["Date"]) - self._clock.now()
        except (KeyError, ValueError, TypeError):
            return  # a proxy may leave the header out: then nothing is known


def q(part: str) -> str:
    """One part of a path, quoted."""
    return quote(part, safe="")


def room_path(room: str, *parts: str) -> str:
    """The path of something in a room."""
    return "/".join([f"{CLIENT}/rooms/{q(room)}", *(q(part) for part in parts)])


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _wait(told: Body, headers: Mapping[str, str]) -> timedelta:
    ms = told.get("retry_after_ms")
    if isinstance(ms, int | float) and ms >= 0:
        return timedelta(milliseconds=ms)
    after = headers.get("Retry-After", "")
    return timedelta(seconds=int(after)) if after.isdecimal() else _UNTOLD
