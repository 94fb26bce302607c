"""Who a browser is, whether a form is ours, and where a request comes from."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from gatekeeper.domain.errors import GatekeeperError
from gatekeeper.domain.identity import Identity
from gatekeeper.ports import Clock

Network: TypeAlias = IPv4Network | IPv6Network

SESSION_SECONDS: Final = 90 * 86_400  # as long as a review may well take
TOKEN_SECONDS: Final = 86_400  # a form may lie open for a day
_HERE: Final = frozenset({"same-origin", "none"})

HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSecrets:
    """Keys that never leave the process: `session` signs cookies and forms."""

    session: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """What the pages are told from outside.

    Attributes:
        base_url: where people reach the pages, without a slash at the end.
        trusted_proxies: only their X-Forwarded-For counts.
        body_bytes, fields: the largest form; body_seconds: how long it may take to arrive.
        request_seconds: how long any answer may take.
    """

    base_url: str
    trusted_proxies: tuple[Network, ...] = ()
    body_bytes: int = 2_097_152
    fields: int = 500
    body_seconds: float = 20.0
    request_seconds: float = 30.0

    @property
    def root(self) -> str:
        """The path before every page of ours, "" for none."""
        return urlsplit(self.base_url).path.rstrip("/")

    @property
    def origin(self) -> str:
        """Scheme, host and port as a browser writes them into Origin."""
        parts = urlsplit(self.base_url.lower())
        usual = {"http": 80, "https": 443}.get(parts.scheme)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = "" if parts.port in {None, usual} else f":{parts.port}"
        return f"{parts.scheme}://{host}{port}"

    @property
    def secure(self) -> bool:
        """Whether people come by https."""
        return urlsplit(self.base_url).scheme == "https"


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """`127.0.0.1`, `10.0.0.0/8` to networks; ValueError for anything else."""
    return tuple(ip_network(text, strict=False) for text in texts)


# ---- Sessions ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Session:
    """One browser: a random id, its language, and whom a personal form link has shown it to be.

    `new`: made just now, the browser does not know it yet.
    """

    browser: str
    language: str = ""
    identity: Identity | None = None
    pass_id: int = 0
    new: bool = False

    def renewed(self) -> "Session":
        """The same browser under a new id, so that nobody who knew the old one is it."""
        return replace(self, browser=secrets.token_urlsafe(24))


class Sessions:
    """Signed cookies and signed forms; a forged, foreign or old one counts as none, and so does one
    of another club, which has the same key."""

    def __init__(
        self, keys: WebSecrets, settings: WebSettings, clock: Clock, club: str = ""
    ) -> None:
        self._cookies = _Signer(keys.session, f"gatekeeper.session {club}", clock)
        self._forms = _Signer(keys.session, f"gatekeeper.form {club}", clock)
        self._secure = settings.secure
        # With this prefix no other host or path can plant one.
        self.cookie = "__Host-gatekeeper" if settings.secure else "gatekeeper"

    def read(self, request: Request) -> Session:
        """The browser's session; a new one where it has none."""
        try:
            kept = self._cookies.read(request.cookies.get(self.cookie, ""), SESSION_SECONDS)
            identity = Identity.parse(kept["i"]) if kept.get("i") else None
            return Session(str(kept["b"]), str(kept.get("l", "")), identity, int(kept.get("p", 0)))
        except (BadData, KeyError, TypeError, ValueError):
            return Session(secrets.token_urlsafe(24), new=True)

    def write(self, response: Response, session: Session) -> None:
        """Hand a session to the browser."""
        kept: dict[str, Any] = {"b": session.browser}
        if session.language:
            kept["l"] = session.language
        if session.identity:
            kept |= {"i": str(session.identity), "p": session.pass_id}
        response.set_cookie(
            self.cookie,
            self._cookies.write(kept),
            max_age=SESSION_SECONDS,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def token(self, session: Session) -> str:
        """What a form of ours carries, good for this session alone."""
        return self._forms.write(_digest(session))

    def genuine(self, session: Session, token: str) -> bool:
        """Whether `token` is this session's and not too old."""
        try:
            found = self._forms.read(token, TOKEN_SECONDS)
        except BadData:
            return False
        return isinstance(found, str) and secrets.compare_digest(found, _digest(session))


class _Signer:
    """itsdangerous with its time taken from the Clock."""

    def __init__(self, key: bytes, salt: str, clock: Clock) -> None:
        self._serializer = URLSafeTimedSerializer(
            key, salt=salt, signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._clock = clock

    def write(self, value: object) -> str:
        return str(self._serializer.dumps({"v": value, "t": int(self._clock.now().timestamp())}))

    def read(self, text: str, seconds: int) -> Any:
        kept = self._serializer.loads(text)
        if not -60 <= self._clock.now().timestamp() - kept["t"] <= seconds:
            raise BadData("too old")
        return kept["v"]


def _digest(session: Session) -> str:
    return hashlib.sha256(session.browser.encode()).hexdigest()


def comes_from_us(request: Request, settings: WebSettings) -> bool:
    """Whether a browser says that a POST comes from a page of ours.

    Our pages send no referrer, which makes browsers write `Origin: null`: that alone says nothing,
    and the form's token decides.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in _HERE
    origin = request.headers.get("origin", "null")
    return origin == "null" or origin.lower() == settings.origin


# ---- Addresses ---------------------------------------------------------------------------------


def client_address(request: Request, trusted: Sequence[Network]) -> str:
    """The network address that a request counts for, "" where the peer has none.

    The peer, unless it is a named proxy: then the hop nearest to us that is not one. An IPv6
    address counts as its /64, which is what one household or server has.
    """
    peer = _parse(request.client.host) if request.client else None
    if peer is None:
        return ""
    hops = [
        hop
        for line in request.headers.getlist("x-forwarded-for")
        for hop in line.split(",")
        if hop.strip()
    ]
    while hops and _within(peer, trusted):
        nearer = _parse(hops.pop().strip())
        if nearer is None:
            break
        peer = nearer
    if isinstance(peer, IPv6Address):
        return str(ip_network((peer, 64), strict=False))
    return str(peer)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        return found.ipv4_mapped
    return found


def _within(address: IPv4Address | IPv6Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


class NotOurForm(GatekeeperError):
    """A POST that does not come from a page of ours in this browser."""

    code = "web.not-our-form"


class StaleForm(GatekeeperError):
    """The form was opened in another session, or lay open for too long."""

    code = "web.stale-form"
