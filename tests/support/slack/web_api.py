"""The Web API over HTTP: who calls, with what, how often; then the method's own answer.

A call may come as a form, as JSON or with its arguments in the query, as Slack's own SDK sends it.
"""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiohttp import web

from tests.support.slack.methods import METHODS, TIERS, Method
from tests.support.slack.world import Team, Token, World

Answer: TypeAlias = dict[str, Any]


class Refusal(Exception):
    """`ok: false` with an error of Slack's."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.error, self.more = error, more


@dataclass(slots=True, kw_only=True)
class Call:
    """One call that has passed all checks."""

    method: Method
    token: Token
    team: Team
    args: dict[str, Any]

    def text(self, name: str) -> str:
        """An argument as text; "" where it is not there."""
        value = self.args.get(name, "")
        return value if isinstance(value, str) else json.dumps(value)

    def json(self, name: str) -> Any:
        """An argument that is JSON, also where it came as text; None where it is not there."""
        value = self.args.get(name)
        if isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                raise Refusal("invalid_arguments", response_metadata=_told(name)) from None
        return value

    def flag(self, name: str) -> bool:
        """Whether an argument says yes."""
        return str(self.args.get(name, "")).lower() in {"1", "true"}

    def names(self, name: str) -> list[str]:
        """An argument that lists ids, separated by commas or as a JSON list."""
        value = self.args.get(name, "")
        if isinstance(value, list):
            return [str(one) for one in value]
        return [one.strip() for one in str(value).split(",") if one.strip()]


@dataclass(slots=True, kw_only=True)
class Fault:
    """Something that goes wrong with the next calls of a method.

    `kind`: 500 (nothing is done), lost (done, but the answer never comes), reset (nothing is done
    and the line is cut), slow (answered after `seconds`), or an error of Slack's.
    """

    method: str
    kind: str
    times: int = 1
    seconds: float = 0.0


Handler: TypeAlias = Callable[["WebApi", Call], Answer | Awaitable[Answer]]


@dataclass(slots=True)
class WebApi:
    """Answers calls about a World.

    Attributes:
        speed: how many of Slack's seconds pass in one of ours, for the limits alone.
        calls: every call that came, as method and arguments, refused ones too.
        needless: calls of a method before the time that its last 429 named.
    """

    world: World
    handlers: Mapping[str, Handler]
    speed: float = 1.0
    limited: bool = True
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    needless: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    url: str = ""
    socket_url: Callable[[], str] = lambda: ""
    _past: defaultdict[tuple[str, ...], deque[float]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    _until: dict[tuple[str, ...], float] = field(default_factory=dict)

    def routes(self) -> list[web.RouteDef]:
        """Where calls come in."""
        return [web.post("/api/{method}", self.answer), web.get("/api/{method}", self.answer)]

    def fail(self, method: str, kind: str, times: int = 1, seconds: float = 0.0) -> None:
        """Let the next calls of a method fail."""
        self.faults.append(Fault(method=method, kind=kind, times=times, seconds=seconds))

    def of(self, method: str) -> list[dict[str, Any]]:
        """The arguments of every call of a method."""
        return [args for name, args in self.calls if name == method]

    # ---- one call ------------------------------------------------------------------------------

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """HTTP in, HTTP out."""
        name = request.match_info["method"]
        try:
            args, shown = await self._read(request)
        except Refusal as no:
            return _no(no)
        self.calls.append((name, args))
        fault = self._fault(name)
        if fault is not None and fault.kind == "500":
            return web.Response(status=500, text="Server Error")
        if fault is not None and fault.kind == "reset":
            _cut(request)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        try:
            if fault is not None and fault.kind not in {"lost", "slow"}:
                raise Refusal(fault.kind)
            given = await self._do(name, args, shown)
        except Refusal as no:
            if no.error == "ratelimited":
                return _limited(no)
            return _no(no)
        if fault is not None and fault.kind == "lost":
            _cut(request)
        holds = self.world.tokens.get(shown)
        scopes = {"x-oauth-scopes": ",".join(sorted(holds.scopes))} if holds else {}
        return web.json_response({"ok": True, **given}, headers=scopes)

    async def _read(self, request: web.Request) -> tuple[dict[str, Any], str]:
        args: dict[str, Any] = dict(request.query)
        if request.method == "POST" and request.can_read_body:
            kind = request.content_type
            if kind == "application/json":
                try:
                    body = await request.json()
                except ValueError:
                    raise Refusal("invalid_json") from None
                if not isinstance(body, dict):
                    raise Refusal("json_not_object")
                args |= body
            elif kind in {"application/x-www-form-urlencoded", "multipart/form-data"}:
                args |= dict(await request.post())
            else:
                raise Refusal("invalid_post_type")
        scheme, _, header = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":  # the SDK's way for the app's own id and secret
            args |= _basic(request)
            header = ""
        shown = str(args.pop("token", "") or header)
        return args, shown

    async def _do(self, name: str, args: dict[str, Any], shown: str) -> Answer:
        method = METHODS.get(name)
        if method is None or name not in self.handlers:
            raise Refusal("unknown_method", req_method=name)
        if name == "oauth.v2.access":
            token = Token(text="", kind="none", team="", user="")
            team = Team(id="", name="", domain="")
        else:
            token = self._token(shown)
            team = self.world.teams[token.team] if token.team else Team(id="", name="", domain="")
            if token.org:
                team = self._of_org(method, token, args)
            self._may(method, token)
        self._arguments(method, args)
        self._limit(method, token, args)
        given = self.handlers[name](self, Call(method=method, token=token, team=team, args=args))
        return given if isinstance(given, dict) else await given

    def _token(self, shown: str) -> Token:
        if not shown:
            raise Refusal("not_authed")
        if shown == self.world.app.token:
            return Token(text=shown, kind="app", team="", user="")
        token = self.world.tokens.get(shown)
        if token is None:
            raise Refusal("invalid_auth")
        if token.end:
            raise Refusal(token.end)
        if token.ends_at is not None and self.world.now() >= token.ends_at:
            raise Refusal("token_expired")
        return token

    def _of_org(self, method: Method, token: Token, args: Mapping[str, Any]) -> Team:
        """The workspace that is meant, by `team_id` or by the channel or person that is named."""
        granted = self.world.orgs[token.org].granted
        asked = str(args.get("team_id") or "")
        if not asked and "team_id" in method.optional | method.required:
            raise Refusal("invalid_arguments", response_metadata=_told("team_id"))
        theirs = [team for team in self.world.teams.values() if team.org == token.org]
        for team in theirs:
            named = args.get("channel") in team.channels or args.get("user") in team.users
            if team.id == asked or (not asked and named):
                if team.id not in granted:
                    raise Refusal("team_access_not_granted")
                return team
        if asked:
            raise Refusal("team_access_not_granted")
        return self.world.teams[token.team]

    def _may(self, method: Method, token: Token) -> None:
        if not method.takes(token.kind):
            raise Refusal("not_allowed_token_type")
        needed = method.scopes(token.kind)
        if needed and not needed & token.scopes:
            raise Refusal(
                "missing_scope",
                needed=",".join(sorted(needed)),
                provided=",".join(sorted(token.scopes)),
            )

    def _arguments(self, method: Method, args: Mapping[str, Any]) -> None:
        lacking = sorted(one for one in method.required if args.get(one) in (None, ""))
        # The SDK puts team_id on every call once it is authorised; Slack takes no offence.
        strange = sorted(set(args) - method.required - method.optional - {"team_id", "token"})
        if lacking:
            told = [f"[ERROR] missing required field: {one}" for one in lacking]
            raise Refusal("invalid_arguments", response_metadata={"messages": told})
        if strange:
            raise AssertionError(f"{method.name} knows no argument {strange}")

    # ---- how often -----------------------------------------------------------------------------

    def _limit(self, method: Method, token: Token, args: Mapping[str, Any]) -> None:
        if not self.limited:
            return
        key: tuple[str, ...] = (method.name, token.team)
        allowed, window = TIERS.get(method.tier, 600), 60.0 / self.speed
        if method.name == "chat.postMessage":
            # one a second a channel, with short bursts
            key, allowed, window = (*key, str(args.get("channel"))), 5, 5.0 / self.speed
        now, past = self.world.now(), self._past[key]
        until = self._until.get(key, 0.0)
        if now < until:
            self.needless.append(method.name)
            raise Refusal("ratelimited", retry_after=self._seconds(until - now))
        while past and past[0] <= now - window:
            past.popleft()
        if len(past) >= allowed:
            self._until[key] = past[0] + window
            raise Refusal("ratelimited", retry_after=self._seconds(self._until[key] - now))
        past.append(now)

    def _seconds(self, left: float) -> int:
        """Whole seconds, as Slack tells them: by its own clock, which runs `speed` times ours."""
        return max(1, -int(-left // 1))

    def _fault(self, name: str) -> Fault | None:
        for fault in self.faults:
            if fault.method in (name, "*") and fault.times > 0:
                fault.times -= 1
                return fault
        return None


def _told(name: str) -> dict[str, list[str]]:
    return {"messages": [f"[ERROR] invalid `{name}`"]}


def _no(no: Refusal) -> web.Response:
    return web.json_response({"ok": False, "error": no.error, **no.more})


def _limited(no: Refusal) -> web.Response:
    return web.json_response(
        {"ok": False, "error": "ratelimited"},
        status=429,
        headers={"Retry-After": str(no.more["retry_after"])},
    )


def _cut(request: web.Request) -> None:
    """The line breaks; whoever called sees no answer."""
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError


def _basic(request: web.Request) -> dict[str, str]:
    import base64

    text = request.headers["Authorization"].partition(" ")[2]
    client, _, secret = base64.b64decode(text).decode().partition(":")
    return {"client_id": client, "client_secret": secret}
