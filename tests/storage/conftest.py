"""A store on a fresh SQLite file, and the file itself for hands that should not be there."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gatekeeper.storage.store import TortoiseStore
from tests.storage.fresh import RECORD_KEY, fresh_sqlite


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A fresh SQLite database."""
    return fresh_sqlite(tmp_path)


@pytest.fixture
def file(url: str) -> Path:
    """Its file."""
    return Path(url.removeprefix("sqlite://"))


@pytest.fixture
async def store(url: str) -> AsyncIterator[TortoiseStore]:
    """A store on it, open."""
    opened = TortoiseStore(url, RECORD_KEY)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def tamper(file: Path):
    """`tamper("UPDATE …", value)`: somebody with a hand on the file; how many rows it touched."""

    def do(statement: str, *values: object) -> int:
        with sqlite3.connect(file) as connection:
            count = connection.execute(statement, values).rowcount
        connection.close()
        return count

    return do
