"""The laws of the Store, over the fake and over SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gatekeeper.ports import Store
from gatekeeper.storage.store import TortoiseStore
from gatekeeper.testing.contract import StoreContract
from gatekeeper.testing.fakes import FakeStore
from gatekeeper.testing.store_contract import Make
from tests.storage.fresh import RECORD_KEY, fresh_postgres, fresh_sqlite


class TestFake(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return FakeStore()

    @pytest.fixture
    def make(self, store: Store) -> Make:
        async def same() -> Store:
            return store

        return same


class _Real(StoreContract):
    @pytest.fixture
    async def make(self, url: str) -> AsyncIterator[Make]:
        opened: list[Store] = []

        async def another() -> Store:
            opened.append(TortoiseStore(url, RECORD_KEY))
            await opened[-1].open()
            return opened[-1]

        yield another
        for store in opened:
            await store.close()

    @pytest.fixture
    async def store(self, make: Make) -> Store:
        return await make()


class TestSqlite(_Real):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return fresh_sqlite(tmp_path)


@pytest.mark.postgres
class TestPostgres(_Real):
    @pytest.fixture
    def url(self, postgres) -> str:
        return fresh_postgres(postgres)
