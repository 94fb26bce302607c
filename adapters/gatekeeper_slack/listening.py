"""Intake: listens to one workspace, over Socket Mode or signed HTTP, by the same code.

Every payload goes through one middleware of slack-bolt's, before anything of bolt's own could
refuse it: an answer is never None, no listener can lose its ack, nothing asks Slack who we are.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.response import BoltResponse

from gatekeeper.ports import Clock, FrontDesk, Health
from gatekeeper_slack import lines
from gatekeeper_slack.reception import ACK, Login, Reception
from gatekeeper_slack.requests import Reply, Requests
from gatekeeper_slack.scene import NAME, Scene
from gatekeeper_slack.screens import Looks, Screens
from gatekeeper_slack.sight import Sight
from gatekeeper_slack.sockets import LOOK, PING, Plain, Sockets, Take

log = logging.getLogger(__name__)
_bolt = logging.getLogger(f"{__name__}.sdk")
_bolt.addFilter(Plain())

Authorize = Callable[..., Awaitable[AuthorizeResult | None]]
API: Final = "https://slack.com/api/"
_OPENING: Final = 10.0  # seconds that `start` waits for a line
_STOPPING: Final = 5.0
_REPLY: Final = "gatekeeper-reply"
_SHOWN: Final = timedelta(hours=1)  # how long health tells of an event passed over


class Intake:
    """Listens for one workspace and tells one desk.

    Args:
        api: base address of the Web API, where Socket Mode lines are asked for.
        scene: who we are and which channels are the club's; may be filled until `start`.
        app_token: of Socket Mode; "" where Slack calls us by HTTP.
        signing_secret: of the app; "" where it is Socket Mode alone.
        authorize: slack-bolt's, where workspaces install the app.
        login: told of what becomes of such an installation.
        looks, screens: see `screens`.
    """

    def __init__(
        self,
        api: str,
        desk: FrontDesk,
        scene: Scene,
        clock: Clock,
        *,
        looks: Looks,
        screens: Screens | None = None,
        app_token: str = "",
        signing_secret: str = "",
        authorize: Authorize | None = None,
        login: Login | None = None,
        within: float = ACK,
        ping: float = PING,
        look: float = LOOK,
    ) -> None:
        self._desk, self._clock, self.scene = desk, clock, scene
        self._sight = Sight(scene, desk)
        self._reception = Reception(
            scene, desk, clock, self._sight, looks, screens=screens, within=within, login=login
        )
        url = f"{(api or API).rstrip('/')}/"
        self._line = lines.shared(url, app_token, signing_secret)

        def sockets(take: Take, lost: lines.Lost) -> Sockets:
            return Sockets(app_token, url, clock, take, lost, ping=ping, look=look)

        self._make = sockets if app_token else None
        self._started = False
        self._app = AsyncApp(
            name=NAME,
            # Our own middleware answers before bolt would look at either.
            token=None if authorize else "unused",
            authorize=authorize,  # type: ignore[arg-type]  # None says no, as bolt's own does
            logger=_bolt,
            before_authorize=_Door(self._reception),
            request_verification_enabled=False,  # done in front, by our clock
            ssl_check_enabled=False,
            url_verification_enabled=False,
            ignoring_self_events_enabled=False,
            attaching_function_token_enabled=False,
        )
        self.routes = Requests(signing_secret, clock, self._line.take)  # ASGI

    async def start(self, lost: Mapping[str, str] | None = None) -> None:
        """Begin to listen; back within seconds, also where Slack is away.

        Args:
            lost: places that we are out of by a look just now, each with "put-out" or "gone".
        """
        now = self._clock.now()
        await self._sight.begin(lost or {}, now)
        known = await self._desk.position(NAME)
        self._reception.begin()
        # Nobody listened since the last position, and Slack promises no second telling.
        await self._desk.observe(NAME, [], now.isoformat(), after_gap=bool(known))
        self.join()
        if self._make is not None:
            await self._line.open(self._make)
        if (sockets := self._line.sockets) is not None:
            try:
                async with asyncio.timeout(_OPENING):
                    await sockets.opened.wait()
            except TimeoutError:
                log.warning("slack-no-line yet; it goes on trying")
        self._started = True

    def join(self) -> None:
        """Be told what concerns the workspace, also before `start`: what becomes of our login."""
        self._line.join(self)

    async def stop(self) -> None:
        """Stop listening; what was begun is ended first, or told again by Slack."""
        self._started = False
        await self._line.leave(self)
        await self._reception.stop(_STOPPING)

    def sent(self, ref: str) -> None:
        """We posted this message: should it not come back to us, events are switched off."""
        self._sight.sent(ref, self._clock.now())

    def health(self) -> Health:
        """Whether we listen, and to every place; never waits."""
        now, reception = self._clock.now(), self._reception
        if not self._started:
            return Health(ok=False, code="not-listening")
        if reception.revoked:
            return Health(ok=False, code="login-revoked", detail=reception.revoked)
        sockets = self._line.sockets
        if sockets is not None and not sockets.up:
            return Health(ok=False, code="slack-no-line", detail=sockets.fault)
        if (since := self._sight.deaf_since(now)) is not None:
            return Health(ok=False, code="slack-events-off", detail=since.isoformat())
        if out := self._sight.away():
            told = ", ".join(f"{place}: {why}" for place, why in sorted(out.items()))
            code = "put-out" if "put-out" in out.values() else "place-missing"
            return Health(ok=False, code=code, detail=told)
        if reception.poison and now - reception.poison[1] < _SHOWN:
            return Health(ok=False, code="event-refused", detail=reception.poison[0])
        return Health(ok=True)

    async def missed(self, start: datetime, end: datetime) -> None:
        """Nothing was heard in this time; see `Ear`."""
        await self._desk.missed(NAME, "", start, end)

    async def dispatch(self, payload: dict[str, Any]) -> Reply:
        """One payload through bolt, from either line. Whatever it holds, it is answered."""
        try:
            request = AsyncBoltRequest(mode="socket_mode", body=payload)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            log.warning("slack-odd-payload %s", type(error).__name__)
            return Reply()
        answer = await self._app.async_dispatch(request)
        reply = request.context.get(_REPLY)
        return reply if isinstance(reply, Reply) else Reply(answer.status)


class _Door(AsyncMiddleware):
    """Everything goes through here and no further. Not a function, for those get arguments that
    bolt reads out of the payload, and it fails at what it does not expect there."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    async def async_process(
        self,
        *,
        req: AsyncBoltRequest,
        resp: BoltResponse,
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002
    ) -> BoltResponse:
        """One answer, never None, which bolt would take for a 404."""
        reply = await self._reception.take(req.body)
        req.context[_REPLY] = reply
        return BoltResponse(status=reply.status, body=dict(reply.body or {}))
