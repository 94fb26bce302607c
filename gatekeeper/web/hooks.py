"""Where platforms that are told things over HTTP are called."""

from collections.abc import Mapping, Sequence

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from gatekeeper.ports import Called, Platform


class _Hook:
    """Hands a request on to the platform that its path names, if it is there by then."""

    def __init__(self, platforms: Mapping[str, object]) -> None:
        self._platforms = platforms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = scope["path_params"]
        platform = self._platforms.get(named["platform"])
        if not isinstance(platform, Called) or named["rest"] not in platform.paths:
            raise HTTPException(404)
        await platform.receive(scope, receive, send)


def hooks(platforms: Mapping[str, Platform]) -> Sequence[BaseRoute]:
    """Routes for all that lies beneath `/<platform>`; `platforms` may change with the policy."""
    return (Route("/{platform}/{rest}", _Hook(platforms), methods=["GET", "POST"]),)
