"""Socket Mode: two lines at a time, so that one may break or be made anew while the other hears.

Slack gives each payload to any one line, and tells again what was not acknowledged.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from gatekeeper.ports import Clock
from gatekeeper_slack.patience import back_off
from gatekeeper_slack.requests import Reply

log = logging.getLogger(__name__)

LINES: Final = 2
PING: Final = 5.0  # seconds between pings; a line is stale after four of them
LOOK: Final = 1.0  # seconds between our looks at the lines
_SOON: Final = 0.05  # the same until the first line is up
_PATIENCE: Final = 30.0  # seconds until a line that the SDK cannot mend is made by us
_OPENING: Final = 15.0

Take = Callable[[dict[str, Any]], Awaitable[Reply]]


class Plain(logging.Filter):
    """What the SDK logs, in one line each and no louder than a warning."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = record.exc_text = None
        record.levelno = min(record.levelno, logging.WARNING)
        record.levelname = logging.getLevelName(record.levelno)
        return True


_sdk = logging.getLogger(f"{__name__}.sdk")
_sdk.addFilter(Plain())


@dataclass(slots=True)
class Sockets:
    """Keeps the lines up.

    Args:
        token: the app-level token (xapp-…).
        url: base of the Web API, with a slash at the end.
        lost: told once a line is up again, since when none was; may raise, and is then told later.
    """

    token: str
    url: str
    clock: Clock
    take: Take
    lost: Callable[[datetime, datetime], Awaitable[None]]
    lines: int = LINES
    ping: float = PING
    look: float = LOOK
    up: int = 0  # lines that hear now
    fault: str = ""  # why none does
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    _clients: list[SocketModeClient | None] = field(default_factory=list)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _heard_at: datetime | None = None
    _deaf_since: datetime | None = None

    async def start(self) -> None:
        """Open the lines in the background, and keep them."""
        self._clients, self._deaf_since = [None] * self.lines, self.clock.now()
        self.opened.clear()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._keep(number)) for number in range(self.lines)]
        self._tasks.append(loop.create_task(self._watch()))

    async def stop(self) -> None:
        """Close the lines."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._clients, self.up = [], 0

    async def _keep(self, number: int) -> None:
        """One line, made anew where the SDK cannot mend it."""
        failures = 0
        while True:
            client = self._client()
            try:
                async with asyncio.timeout(_OPENING):
                    await client.connect_to_new_endpoint(force=True)
                self._clients[number], failures = client, 0
                await self._until_broken(client)
            except Exception as error:
                self.fault = type(error).__name__
                failures += 1
                log.warning("slack-line-down %d: %s", number, _why(error))
            finally:
                self._clients[number] = None
                await _close(client)
            await asyncio.sleep(back_off(failures))

    def _client(self) -> SocketModeClient:
        web = AsyncWebClient(base_url=self.url, retry_handlers=[], logger=_sdk)
        client = SocketModeClient(
            app_token=self.token, web_client=web, ping_interval=self.ping, logger=_sdk
        )
        client.socket_mode_request_listeners.append(self._handle)  # type: ignore[arg-type]
        return client

    async def _until_broken(self, client: SocketModeClient) -> None:
        """Until a line has not heard for so long that it will not mend itself."""
        loop = asyncio.get_running_loop()
        good = loop.time()
        while loop.time() - good < min(_PATIENCE, 6 * self.ping):
            await asyncio.sleep(self.look)
            if await client.is_connected():
                good = loop.time()

    async def _watch(self) -> None:
        """See how many lines are up; tell of the time in which none was."""
        while True:
            up = [client for client in self._clients if client and await client.is_connected()]
            self.up, now = len(up), self.clock.now()
            if up:
                await self._back(now)
            elif self._heard_at is not None and self._deaf_since is None:
                # A line may have been dead for as long as its pings take to show it.
                self._deaf_since = self._heard_at - timedelta(seconds=4 * self.ping)
                log.warning("slack-no-line since %s", self._deaf_since.isoformat())
            await asyncio.sleep(self.look if self.opened.is_set() else min(self.look, _SOON))

    async def _back(self, now: datetime) -> None:
        if self._deaf_since is not None:
            try:
                await self.lost(self._deaf_since, now)
            except Exception as error:
                log.warning("slack-gap-waits %s", type(error).__name__)
                return
        self._heard_at, self._deaf_since = now, None
        self.fault = ""
        self.opened.set()

    async def _handle(self, client: SocketModeClient, request: SocketModeRequest) -> None:
        """One envelope. What is not to be answered 200 is not acknowledged: it comes again."""
        payload: Any = request.payload
        if not isinstance(payload, dict):
            log.warning("slack-not-an-object in an envelope")
            reply = Reply()
        else:
            reply = await self.take(payload)
        if reply.status != 200:
            return
        body = dict(reply.body) if reply.body and request.accepts_response_payload else None
        answer = SocketModeResponse(envelope_id=request.envelope_id, payload=body)
        await client.send_socket_mode_response(answer)


async def _close(client: SocketModeClient) -> None:
    closing: Coroutine[Any, Any, None] = client.close()  # type: ignore[no-untyped-call]
    await closing


def _why(error: Exception) -> str:
    """In one line, without the response that a SlackApiError carries along."""
    code = error.response.get("error") if isinstance(error, SlackApiError) else ""
    return f"{type(error).__name__} {code or ''}".strip()
