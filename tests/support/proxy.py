"""A way to the homeserver that can go wrong just when it hurts."""

import asyncio
import hashlib
import json
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web
from yarl import URL

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "upgrade"}


@dataclass
class Call:
    """One call as the proxy saw it; times are time.monotonic()."""

    at: float  # received
    method: str
    path: str  # unquoted, without the query
    who: str  # a short mark of the access token
    invitee: str = ""
    answered: float | None = None  # handed to the caller; None where it never was
    status: int | None = None
    retry_after_ms: int | None = None


@dataclass
class Trap:
    """Waits for a call; lets it through and keeps its answer back."""

    method: str
    path: re.Pattern[str]
    body: re.Pattern[str] | None
    times: int
    callback: Callable[[], object] | None
    caught: asyncio.Event = field(default_factory=asyncio.Event)  # the homeserver has done it
    answers: list[tuple[int, Any]] = field(default_factory=list)  # what the caller never got
    _release: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, timeout: float = 30.0) -> tuple[int, Any]:
        """Until the homeserver has answered a caught call; that answer."""
        try:
            await asyncio.wait_for(self.caught.wait(), timeout)
        except TimeoutError:
            what = f"{self.method} {self.path.pattern}"
            raise TimeoutError(f"no {what} came within {timeout:g} s") from None
        return self.answers[-1]

    def release(self) -> None:
        """Catch no more; whoever still waits is cut off without an answer."""
        self.times = 0
        self._release.set()

    def fits(self, method: str, path: str, body: bytes) -> bool:
        """Whether this call is one to catch."""
        return (
            self.times > 0
            and method == self.method
            and self.path.search(path) is not None
            and (self.body is None or self.body.search(body.decode(errors="replace")) is not None)
        )


class Proxy:
    """A reverse proxy on loopback: `async with Proxy(synapse.url) as proxy: ... proxy.url`."""

    def __init__(self, target: str, log_size: int = 20_000, hold_seconds: float = 60.0) -> None:
        self.target = target.rstrip("/")
        self.calls: deque[Call] = deque(maxlen=log_size)
        self.answer_with: int | None = None  # for instance 502: answer so, forward nothing
        self._hold_seconds = hold_seconds
        self._traps: list[Trap] = []
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """What the service under test takes for its homeserver."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        self._session = ClientSession(
            connector=TCPConnector(limit=0),
            timeout=ClientTimeout(total=None, sock_connect=10),
            auto_decompress=False,
        )
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        for trap in self._traps:
            trap.release()
        await self.down()
        await self._session.close()

    async def up(self) -> None:
        """Listen; after a down() on the same port as before."""
        if self._runner:
            return
        app = web.Application(client_max_size=2**27)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        # A caller that dies must not leave its long poll hanging at the homeserver.
        runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = runner.addresses[0][1]
        self._runner = runner

    async def down(self) -> None:
        """Be unreachable: connections are cut, new ones refused."""
        runner, self._runner = self._runner, None
        if runner:
            for connection in list(runner.server.connections if runner.server else ()):
                if connection.transport:
                    connection.transport.abort()
            await runner.cleanup()

    def arm(
        self,
        method: str,
        path_regex: str,
        times: int = 1,
        body_regex: str | None = None,
        callback: Callable[[], object] | None = None,
    ) -> Trap:
        """Let the next `times` such calls through to the homeserver and keep their answers back.

        Args:
            method: of HTTP.
            path_regex: searched in the unquoted path, without the query.
            times: how many calls are caught; later ones pass as usual.
            body_regex: searched in the body as well.
            callback: called once the homeserver has answered, for instance
                `lambda: service.send_signal(SIGKILL)`; may be a coroutine function.
        """
        body = re.compile(body_regex) if body_regex else None
        trap = Trap(method.upper(), re.compile(path_regex), body, times, callback)
        self._traps.append(trap)
        return trap

    # What was seen

    def find(
        self, method: str | None = None, path_regex: str = "", status: int | None = None
    ) -> list[Call]:
        """The calls that fit, in the order of arrival."""
        pattern = re.compile(path_regex)
        return [
            call
            for call in self.calls
            if method in (None, call.method)
            and pattern.search(call.path)
            and status in (None, call.status)
        ]

    def count(
        self, method: str | None = None, path_regex: str = "", status: int | None = None
    ) -> int:
        """How many calls fit."""
        return len(self.find(method, path_regex, status))

    def too_early(self, calls: Iterable[Call] | None = None) -> list[Call]:
        """The 429s that a careful client would not have met.

        That is each one whose call came after an earlier 429 of the same limiter had been
        answered, and before that one's `retry_after_ms` was over.
        """
        ends: dict[Hashable, list[tuple[float, float]]] = {}  # (known since, over at)
        early = []
        for call in sorted(calls if calls is not None else self.calls, key=lambda c: c.at):
            if call.status != 429:
                continue
            known = ends.setdefault(limiter(call), [])
            if any(since <= call.at < over for since, over in known):
                early.append(call)
            if call.answered is not None:
                over = call.answered + (call.retry_after_ms or 0) / 1000
                known.append((call.answered, over))
        return early

    # Forwarding

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        path = unquote(request.rel_url.raw_path)
        call = Call(time.monotonic(), request.method, path, _who(request), _invitee(path, body))
        self.calls.append(call)
        if self.answer_with is not None:
            call.status, call.answered = self.answer_with, time.monotonic()
            return web.Response(status=self.answer_with, text="the proxy was told to say so")
        forward = asyncio.create_task(self._forward(request, body))
        try:
            # What changes something at the homeserver is not undone by a caller that dies.
            status, headers, answer = await (
                forward if request.method == "GET" else asyncio.shield(forward)
            )
        except ClientError:
            call.status, call.answered = 502, time.monotonic()
            return web.Response(status=502, text="the homeserver does not answer")
        call.status = status
        if status == 429:
            call.retry_after_ms = _json(answer).get("retry_after_ms")
        for trap in self._traps:
            if trap.fits(request.method, path, body):
                return await self._hold(trap, request, status, answer)
        call.answered = time.monotonic()
        return web.Response(status=status, headers=headers, body=answer)

    async def _forward(
        self, request: web.Request, body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = [(k, v) for k, v in request.headers.items() if k.lower() not in _HOP]
        # The caller's own quoting is kept: room ids and aliases hold ! and #.
        url = URL(self.target + request.raw_path, encoded=True)
        async with self._session.request(
            request.method, url, data=body or None, headers=headers, allow_redirects=False
        ) as answer:
            kept = [(k, v) for k, v in answer.headers.items() if k.lower() not in _HOP]
            return answer.status, kept, await answer.read()

    async def _hold(
        self, trap: Trap, request: web.Request, status: int, answer: bytes
    ) -> web.StreamResponse:
        trap.times -= 1
        trap.answers.append((status, _json(answer)))
        if trap.callback:
            outcome = trap.callback()
            if isinstance(outcome, Awaitable):
                await outcome
        trap.caught.set()
        try:
            await asyncio.wait_for(trap._release.wait(), self._hold_seconds)
        except TimeoutError:
            pass
        finally:
            if request.transport:
                request.transport.abort()
        raise asyncio.CancelledError


def limiter(call: Call) -> Hashable:
    """What Synapse counts a call against, as far as a single answer shows it.

    A refused invitation does not tell which of three limiters refused it (by room, by issuer,
    by recipient), so only the same invitation again counts as too early.
    """
    path = call.path
    if path.endswith("/createRoom"):
        return call.who, "rooms"
    if path.endswith("/invite"):
        return call.who, "invite", path, call.invitee
    if "/join" in path or "/knock" in path:
        return call.who, "join", path
    if re.search(r"/(send|state|redact|kick|ban|unban|leave)(/|$)", path):
        return call.who, "send"
    return call.who, call.method, path


def _who(request: web.Request) -> str:
    token = request.headers.get("Authorization", "") or request.query.get("access_token", "")
    return hashlib.sha256(token.encode()).hexdigest()[:8] if token else ""


def _invitee(path: str, body: bytes) -> str:
    return str(_json(body).get("user_id", "")) if path.endswith("/invite") else ""


def _json(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
