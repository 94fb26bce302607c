"""The laws of the Engine, over the fake and over DBOS on SQLite and PostgreSQL."""

from pathlib import Path

import pytest

from gatekeeper.clock import SystemClock
from gatekeeper.engine.dbos_engine import DbosEngine
from gatekeeper.ports import Engine
from gatekeeper.testing.contract import EngineContract
from gatekeeper.testing.engine_contract import Make
from gatekeeper.testing.fakes import EngineMemory, FakeEngine
from tests.support.postgres import Database


class TestFake(EngineContract):
    @pytest.fixture
    def make(self) -> Make:
        memory = EngineMemory()
        return lambda: FakeEngine(memory, grace=0.5)

    async def fire(self, engine: Engine, name: str) -> None:
        assert isinstance(engine, FakeEngine)
        for slot in ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:01+00:00"):
            await engine.tick(name, slot)
            await engine.tick(name, slot)  # a second process sees the same tick
        await engine.drain()


class TestSqlite(EngineContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda: DbosEngine(
            clock=SystemClock(), path=tmp_path / "engine.sqlite", poll=0.2, grace=0.5
        )


@pytest.mark.postgres
class TestPostgres(EngineContract):
    @pytest.fixture
    def make(self, postgres_database: Database) -> Make:
        return lambda: DbosEngine(
            clock=SystemClock(), postgres_url=postgres_database.libpq, poll=0.2, grace=0.5
        )
