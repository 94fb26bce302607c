"""Which club's pages somebody asked for: by the host, where a service has several clubs."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

# Asked of the process, and not of a club; the answer is the same everywhere.
_OF_ALL: Final = frozenset({"/healthz", "/readyz"})
_PORTS: Final = {"http": 80, "https": 443}


def by_host(pages: Mapping[str, ASGIApp]) -> ASGIApp:
    """One application of all clubs' pages, by the address of each; of a single one any host is."""
    if len(pages) == 1:
        return next(iter(pages.values()))
    return _Hosts(pages)


class _Hosts:
    def __init__(self, pages: Mapping[str, ASGIApp]) -> None:
        self._first = next(iter(pages.values()))
        self._pages = {_host_of(url): page for url, page in pages.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on; whoever asks for a host that is no club's gets nothing of one."""
        if scope["type"] != "http" or scope["path"] in _OF_ALL:
            await self._first(scope, receive, send)
            return
        asked = Headers(scope=scope).get("host", "").lower()
        page = self._pages.get(asked) or self._pages.get(_without_port(asked))
        if page is None:
            answer = PlainTextResponse("No club has its pages here. [no-such-host]\n", 421)
            await answer(scope, receive, send)
            return
        await page(scope, receive, send)


def _host_of(url: str) -> str:
    """The host as a browser names it: with its port where that is not the usual one."""
    parts = urlsplit(url)
    usual = parts.port in (None, _PORTS.get(parts.scheme))
    return (parts.hostname or "") if usual else parts.netloc.lower()


def _without_port(host: str) -> str:
    """A host that names the usual port, as some proxies do."""
    name, _, port = host.rpartition(":")
    return name if port in ("80", "443") else host
