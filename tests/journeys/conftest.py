"""The stores that journeys run on."""

from collections.abc import AsyncIterator

import pytest

from gatekeeper.testing.fakes import FakeStore
from tests.journeys.club import Club, a_club


@pytest.fixture
async def club() -> AsyncIterator[Club]:
    """An open club over a store in memory."""
    async with a_club(FakeStore()) as club:
        yield club
