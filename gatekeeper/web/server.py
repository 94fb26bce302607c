"""uvicorn inside the loop that is there already, with the limits it lacks."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from gatekeeper.domain.errors import SettingsError

HEAD_SECONDS: Final = 10.0  # to send a request's head, and to begin with one
HEAD_BYTES: Final = 32_768
CONNECTIONS: Final = 1_000
BACKLOG: Final = 256


class Server(uvicorn.Server):
    """Listens from the moment it is made; `port` is the one it got.

    `await serve()` runs it; `should_exit = True` ends it. Signals stay with whoever runs the loop.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self._listener = listener

    @property
    def port(self) -> int:
        """The TCP port that it listens on."""
        return int(self._listener.getsockname()[1])

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer requests until `should_exit`."""
        try:
            await super().serve(sockets or [self._listener])
        finally:
            self._listener.close()


def serve(app: ASGIApp, host: str = "127.0.0.1", port: int = 8080) -> Server:
    """A server for `app`, bound already; loopback unless told.

    Raises:
        SettingsError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)  # who comes before the loop is ready waits
    except OSError as fault:
        listener.close()
        raise SettingsError((f"{host}:{port}: {fault.strerror or fault}",)) from None
    listener.setblocking(False)
    config = uvicorn.Config(
        app,
        http=PromptProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # its lines hold the secrets of personal links
        server_header=False,
        proxy_headers=False,  # ours, by named proxies alone
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=HEAD_BYTES,
    )
    return Server(config, listener)


class PromptProtocol(H11Protocol):
    """Hangs up on whoever does not send a request's head in time."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Somebody is there; now they have to say something."""
        super().connection_made(transport)
        self._watch(fresh=True)

    def data_received(self, data: bytes) -> None:
        """The head, or a part of it."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """After an answer the next head may already be half here."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._stop()
        super().connection_lost(exc)

    def _watch(self, *, fresh: bool = False) -> None:
        """Wait while a head is missing; one that trickles in gets no more time."""
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._waiting is None and (fresh or self.conn.trailing_data[0]):
            self._waiting = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
