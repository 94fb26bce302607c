"""Where platforms that are told things over HTTP are called."""

from collections.abc import Mapping, Sequence

from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from gatekeeper.ports import Called, Platform


class _Hook:
    """Hands a request on to the platform that its path names, if it is there by then."""

    def __init__(self, platforms: Mapping[str, object]) -> None:
        self._platforms = platforms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        platform = self._platforms.get(scope["path_params"]["platform"])
        take = platform.receive if isinstance(platform, Called) else PlainTextResponse("", 404)
        await take(scope, receive, send)


def hooks(platforms: Mapping[str, Platform]) -> Sequence[BaseRoute]:
    """Routes for `/<platform>/events`; `platforms` may change with the policy."""
    return (Route("/{platform}/events", _Hook(platforms), methods=["POST"]),)
