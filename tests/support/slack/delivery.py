"""How Slack tells an app: signed requests with retries, or envelopes over Socket Mode."""

import asyncio
import hashlib
import hmac
import itertools
import json
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from tests.support.slack import chat, directory, oauth, rooms
from tests.support.slack.scim import Provisioning
from tests.support.slack.web_api import WebApi
from tests.support.slack.world import App, Channel, Team, World

ACK = 3.0  # seconds in which an app has to answer
_HISTORY = {
    "channel": "channels:history",
    "group": "groups:history",
    "im": "im:history",
    "mpim": "mpim:history",
}
RETRIES = (0.0, 60.0, 300.0)  # after which a failed event comes again


@dataclass(slots=True)
class Told:
    """What became of one thing that the app was told; `status` 0: no answer in time."""

    body: dict[str, Any]
    status: int = 0
    answer: Any = None
    tries: list[int] = field(default_factory=list)


def signed(app: App, body: str, at: float) -> dict[str, str]:
    """The headers by which an app knows that Slack sent it."""
    stamp = str(int(at))
    base = f"v0:{stamp}:{body}".encode()
    mac = hmac.new(app.signing_secret.encode(), base, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={mac}"}


class Slack:
    """The whole stand-in on a port of loopback; `async with Slack() as slack`.

    Args:
        mode: how the app is told: "http" (`app_url` has to be set) or "socket".
        speed: how many of Slack's seconds pass in one of ours, in limits and retries.
    """

    def __init__(
        self, mode: Literal["http", "socket"] = "http", speed: float = 1.0, app: App | None = None
    ) -> None:
        self.world = World(app)
        handlers = {**rooms.HANDLERS, **chat.HANDLERS, **directory.HANDLERS}
        self.api = WebApi(self.world, handlers, speed=speed)
        self.api.socket_url = lambda: (
            f"{self.url.replace('http', 'ws', 1)}/link?ticket={uuid.uuid4()}"
        )
        self.scim = Provisioning(self.api)
        self.consent = oauth.Consent(self.world)
        self.mode, self.speed = mode, speed
        self.app_url = ""  # where the app takes requests, when told by HTTP
        self.told: list[Told] = []  # every event, in the order in which it happened
        self.hooks: dict[str, list[dict[str, Any]]] = {}  # what came to a response_url
        self.url = ""
        self.lines: list[web.WebSocketResponse] = []
        self._acks: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._turn = itertools.count()
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self.world.listeners.append(self._happened)

    # ---- life ----------------------------------------------------------------------------------

    async def __aenter__(self) -> "Slack":
        server = web.Application(client_max_size=4 * 1024 * 1024)
        server.add_routes(
            [
                *self.api.routes(),
                *self.scim.routes(),
                web.get("/link", self._link),
                web.get("/oauth/v2/authorize", self.consent.page),
                web.post("/hooks/{number}", self._hook),
            ]
        )
        self._runner = web.AppRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self.url = f"http://127.0.0.1:{port}"
        self.api.url = f"{self.url}/api/"
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ACK))
        return self

    async def __aexit__(self, *why: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in list(self.lines):
            await line.close()
        await self._client.close()
        await self._runner.cleanup()

    async def quiet(self, within: float = 10.0) -> None:
        """Until every event has been told, or given up."""
        async with asyncio.timeout(within):
            while self._tasks:
                await asyncio.wait(set(self._tasks))

    # ---- events --------------------------------------------------------------------------------

    def _happened(self, team: str, event: dict[str, Any]) -> None:
        if self._is_told(self.world.teams[team], event):
            self.tell(self.event(team, event))

    def _is_told(self, team: Team, event: dict[str, Any]) -> bool:
        """Where the app is installed, of channels that its bot is in."""
        if not team.bot_user:
            return False
        channel = event.get("channel") or (event.get("item") or {}).get("channel")
        if isinstance(channel, str) and channel in team.channels:
            own = event["type"] == "member_left_channel" and event["user"] == team.bot_user
            there = team.channels[channel]
            return own or (team.bot_user in there.members and self._is_heard(team, there, event))
        return True

    def _is_heard(self, team: Team, channel: Channel, event: dict[str, Any]) -> bool:
        """Messages come only to who may read the history of such a channel."""
        if event["type"] != "message":
            return True
        tokens = [one for one in self.world.tokens.values() if one.user == team.bot_user]
        return any(_HISTORY[channel.kind] in one.scopes for one in tokens)

    def event(self, team: str, event: dict[str, Any]) -> dict[str, Any]:
        """The outer event around an inner one."""
        number = next(self._numbers)
        world, of_org = self.world, str(event.get("type")).startswith("team_access_")
        org = world.teams[team].org or None
        whole = bool(org) and any(token.org == org for token in world.tokens.values())
        return {
            "token": self.world.app.verification,
            "team_id": None if of_org else team,
            "enterprise_id": org,
            "context_team_id": None if of_org else team,
            "context_enterprise_id": org,
            "api_app_id": self.world.app.id,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev0T{number:07d}",
            "event_time": int(self.world.now()),
            "authorizations": [
                {
                    "enterprise_id": org,
                    "team_id": None if whole else team,
                    "user_id": self.world.teams[team].bot_user,
                    "is_bot": True,
                    "is_enterprise_install": whole,
                }
            ],
            "is_ext_shared_channel": False,
            "event_context": f"4-{number}",
        }

    def tell(self, body: dict[str, Any]) -> Told:
        """Tell the app of an outer event, and again while it does not answer in time."""
        told = Told(body)
        self.told.append(told)
        task = asyncio.get_running_loop().create_task(self._tell(told))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return told

    async def _tell(self, told: Told) -> None:
        for number, wait in enumerate((None, *RETRIES)):
            if wait is not None:
                await asyncio.sleep(wait / self.speed)
            retry = (number, _reason(told.status)) if number else None
            if self.mode == "socket":
                await self._envelope("events_api", told, retry)
            else:
                await self._request("application/json", json.dumps(told.body), told, retry)
            told.tries.append(told.status)
            if 200 <= told.status < 300 or told.answer == "no-retry":
                return

    # ---- interactions and commands -------------------------------------------------------------

    async def interact(self, payload: dict[str, Any]) -> Told:
        """Tell of a press, a sent view or a shortcut; once, whatever becomes of it."""
        told = Told(payload)
        if self.mode == "socket":
            await self._envelope("interactive", told)
        else:
            body = urlencode({"payload": json.dumps(payload)})
            await self._request("application/x-www-form-urlencoded", body, told)
        return told

    async def command(self, fields: dict[str, str]) -> Told:
        """Tell of a slash command."""
        told = Told(dict(fields))
        if self.mode == "socket":
            await self._envelope("slash_commands", told)
        else:
            await self._request("application/x-www-form-urlencoded", urlencode(fields), told)
        return told

    def response_url(self, team: str) -> str:
        """An address at which the app may answer later."""
        number = str(next(self._numbers))
        self.hooks[number] = []
        return f"{self.url}/hooks/{number}"

    async def _hook(self, request: web.Request) -> web.Response:
        said = self.hooks.get(request.match_info["number"])
        if said is None or len(said) >= 5:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        said.append(await request.json())
        return web.Response(text="ok")

    # ---- HTTP ----------------------------------------------------------------------------------

    async def _request(
        self, kind: str, body: str, told: Told, retry: tuple[int, str] | None = None
    ) -> None:
        headers = {"Content-Type": kind, **signed(self.world.app, body, self.world.now())}
        if retry:
            headers |= {"X-Slack-Retry-Num": str(retry[0]), "X-Slack-Retry-Reason": retry[1]}
        told.status, told.answer = 0, None
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self._client.post(self.app_url, data=body.encode(), headers=headers) as sent:
                told.status = sent.status
                text = await sent.text()
                told.answer = _read(text)
                if told.status >= 300 and sent.headers.get("x-slack-no-retry") == "1":
                    told.answer = "no-retry"

    # ---- Socket Mode ---------------------------------------------------------------------------

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse(heartbeat=30.0)
        await line.prepare(request)
        self.lines.append(line)
        await line.send_json(
            {
                "type": "hello",
                "num_connections": len(self.lines),
                "debug_info": {"host": "stand-in", "approximate_connection_time": 18060},
                "connection_info": {"app_id": self.world.app.id},
            }
        )
        try:
            async for message in line:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._acked(json.loads(message.data))
        finally:
            self.lines.remove(line)
        return line

    def _acked(self, said: dict[str, Any]) -> None:
        waiting = self._acks.get(said.get("envelope_id", ""))
        if waiting is not None and not waiting.done():
            waiting.set_result(said)

    async def _envelope(self, kind: str, told: Told, retry: tuple[int, str] | None = None) -> None:
        number = str(uuid.uuid4())
        envelope: dict[str, Any] = {
            "envelope_id": number,
            "payload": told.body,
            "type": kind,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope["retry_attempt"] = retry[0] if retry else 0
            envelope["retry_reason"] = retry[1] if retry else ""
        told.status, told.answer = 0, None
        if not self.lines:
            return
        line = self.lines[next(self._turn) % len(self.lines)]
        self._acks[number] = asyncio.get_running_loop().create_future()
        try:
            await line.send_json(envelope)
            async with asyncio.timeout(ACK):
                told.answer = (await self._acks[number]).get("payload")
                told.status = 200
        except (TimeoutError, ConnectionError):
            told.status = 0
        finally:
            del self._acks[number]

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask the oldest line to be made anew."""
        if self.lines:
            await self.lines[0].send_json(
                {"type": "disconnect", "reason": reason, "debug_info": {"host": "stand-in"}}
            )


def _reason(status: int) -> str:
    return "http_timeout" if status == 0 else "http_error"


def _read(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
