"""Where platforms that are told things over HTTP are called."""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from gatekeeper.ports import Called, Platform

EVENTS: Final = "events"  # asked so often that the log has no line for each


class _Hook:
    """Hands a request on to the platform that its path names, if it is there by then."""

    def __init__(self, platforms: Mapping[str, object]) -> None:
        self._platforms = platforms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = scope["path_params"]
        platform = self._platforms.get(named["platform"])
        if named.get("rest", EVENTS) not in getattr(platform, "paths", ()):
            raise HTTPException(404)
        await cast(Called, platform).receive(scope, receive, send)


def hooks(platforms: Mapping[str, Platform]) -> Sequence[BaseRoute]:
    """Routes for all that lies beneath `/<platform>`; `platforms` may change with the policy."""
    hook, methods = _Hook(platforms), ["GET", "POST"]
    return (
        Route(f"/{{platform}}/{EVENTS}", hook, methods=methods),
        Route("/{platform}/{rest}", hook, methods=methods),
    )
