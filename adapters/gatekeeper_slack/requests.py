"""Signed HTTP requests: the guard in front, an ASGI application.

What is not Slack's, or not whole, gets no further than here: one line with a code, a status, and
`x-slack-no-retry`, since the same request would fare no better a second time.
"""

import hashlib
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from yarl import URL

from gatekeeper.ports import Clock

log = logging.getLogger(__name__)

MOST: Final = 1024 * 1024  # bytes of a body; Slack's own are far below
OLDEST: Final = 300  # seconds between Slack's clock and ours
_FIELDS: Final = 200  # of a form

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reply:
    """What Slack is answered: a status, and a body of JSON where there is one."""

    status: int = 200
    body: Mapping[str, Any] | None = None


Take = Callable[[dict[str, Any]], Awaitable[Reply]]


class Refused(Exception):
    """A request that is not let in: the status of the answer, and the code of the reason."""

    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code
        super().__init__(code)


class Requests:
    """Where Slack sends events, presses and commands.

    Args:
        secret: the app's signing secret; without one nothing is let in.
        take: called with the event, the payload of a form, or its fields, once all is well.
    """

    def __init__(self, secret: str, clock: Clock, take: Take) -> None:
        self._secret, self._clock, self._take = secret.encode(), clock, take

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        headers = _headers(scope.get("headers", ()))
        try:
            if scope.get("method") != "POST":
                raise Refused(405, "slack-not-post")
            raw = await _read(receive)
            verify(self._secret, headers, raw, self._clock.now())
            reply = await self._take(readable(raw, headers.get("content-type", "")))
        except Refused as no:
            log.warning("%s from %s", no.code, (scope.get("client") or ("?",))[0])
            reply = Reply(no.status, {"error": no.code})
        await _answer(send, reply)


def verify(secret: bytes, headers: Mapping[str, str], raw: bytes, now: datetime) -> None:
    """That Slack signed this body just now; Refused where not.

    Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
    """
    stamp = headers.get("x-slack-request-timestamp", "")
    given = headers.get("x-slack-signature", "")
    if not (stamp and given and secret):
        raise Refused(401, "slack-unsigned")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise Refused(401, "slack-bad-timestamp")
    if abs(now.timestamp() - int(stamp)) > OLDEST:
        raise Refused(401, "slack-stale")
    mac = hmac.new(secret, b"v0:" + stamp.encode() + b":" + raw, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(f"v0={mac}".encode(), given.encode("utf-8", "replace")):
        raise Refused(401, "slack-bad-signature")


def readable(raw: bytes, kind: str) -> dict[str, Any]:
    """The event, the payload inside a form, or the form's fields.

    Not left to bolt: that takes a command whose words hold "payload" for a form without fields.
    Forms are taken apart in C: a card's press brings the whole card, percent-encoded.
    """
    kind = kind.partition(";")[0].strip().lower()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(400, "slack-not-utf8") from error
    if kind == "application/json":
        return _object(text)
    if kind != "application/x-www-form-urlencoded":
        raise Refused(415, "slack-bad-type")
    if not text or text.count("&") >= _FIELDS:
        raise Refused(400, "slack-bad-form")
    fields = URL.build(query_string=text, encoded=True).query
    return _object(fields["payload"]) if "payload" in fields else dict(fields)


def _object(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "slack-not-json") from error
    if not isinstance(told, dict):
        raise Refused(400, "slack-not-an-object")
    return told


async def _read(receive: Receive) -> bytes:
    found, size = [], 0
    while True:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise Refused(400, "slack-cut-short")
        chunk = part.get("body", b"")
        found.append(chunk)
        size += len(chunk)
        if size > MOST:
            raise Refused(413, "slack-too-large")
        if not part.get("more_body"):
            return b"".join(found)


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}


async def _answer(send: Send, reply: Reply) -> None:
    body = b"" if reply.body is None else json.dumps(reply.body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if 400 <= reply.status < 500:
        headers.append((b"x-slack-no-retry", b"1"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
