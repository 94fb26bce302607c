"""A club over each kind of store that needs no server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gatekeeper.storage.store import TortoiseStore
from gatekeeper.testing.fakes import FakeStore, ManualClock
from tests.journeys.club import Club, a_club
from tests.storage.fresh import RECORD_KEY, fresh_sqlite

KINDS = ["memory", "sqlite"]


@asynccontextmanager
async def a_club_on(kind: str, folder: Path, **changes: str) -> AsyncIterator[Club]:
    """An open club whose store is in memory or a SQLite file; `changes` as `a_club` takes them."""
    if kind == "memory":
        async with a_club(FakeStore(ManualClock()), **changes) as club:
            yield club
        return
    store = TortoiseStore(fresh_sqlite(folder), RECORD_KEY, ManualClock())
    await store.open()
    try:
        async with a_club(store, **changes) as club:
            yield club
    finally:
        await store.close()
