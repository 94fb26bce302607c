"""The stores that journeys run on."""

import os
from collections.abc import AsyncIterator

import pytest

from gatekeeper.storage.store import TortoiseStore
from gatekeeper.testing.clock import ManualClock
from gatekeeper.testing.fakes import FakeStore
from tests.journeys.club import Club, a_club
from tests.storage.fresh import RECORD_KEY, fresh_postgres, fresh_sqlite

STORES = [
    "memory",
    *(["sqlite", "postgres"] if os.environ.get("GATEKEEPER_TEST_ALL_STORES") else []),
]


@pytest.fixture(params=STORES)
async def club(request, tmp_path) -> AsyncIterator[Club]:
    """An open club over a store in memory, and over the real ones where all are asked for."""
    if request.param == "memory":
        async with a_club(FakeStore()) as club:
            yield club
        return
    if request.param == "sqlite":
        url = fresh_sqlite(tmp_path)
    else:
        url = fresh_postgres(request.getfixturevalue("postgres"))
    store = TortoiseStore(url, RECORD_KEY, ManualClock())
    await store.open()
    async with a_club(store) as club:
        yield club
    await store.close()
