"""What a call says when no homeserver answers."""

import asyncio

import pytest

from gatekeeper.domain.errors import PlatformDown
from gatekeeper.testing.builders import NOW
from gatekeeper.testing.clock import ManualClock
from gatekeeper_matrix.sdk import Api
from tests.support.synapse import free_port


async def why(url: str) -> str:
    api = Api(url, ManualClock(NOW))
    try:
        with pytest.raises(PlatformDown) as caught:
            await api.get("/_matrix/client/versions", seconds=0.3)
        return str(caught.value.values["detail"])
    finally:
        await api.close()


async def test_nobody_listens() -> None:
    port = free_port()
    assert await why(f"http://127.0.0.1:{port}") == f"nothing answers at 127.0.0.1:{port}"


async def test_a_server_that_says_nothing_or_breaks_off() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def rude(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    for behave, told in ((silent, "did not answer in time"), (rude, "broke off")):
        server = await asyncio.start_server(behave, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            said = await why(f"http://127.0.0.1:{port}")
        assert said.startswith(f"127.0.0.1:{port} {told}"), said
