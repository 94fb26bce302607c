"""A copy is one moment of the whole, also while others write."""

import asyncio
import stat

import pytest

from gatekeeper.domain.decisions import Order
from gatekeeper.domain.errors import StorageError
from gatekeeper.domain.identity import Person
from gatekeeper.storage.backup import backup
from gatekeeper.storage.store import TortoiseStore
from gatekeeper.testing.store_samples import order, person
from tests.storage.fresh import RECORD_KEY


async def test_a_copy_while_others_write(store, url, tmp_path):
    """A person and an Order always come together, in the copy too."""
    begun, enough = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        number = 0
        while not enough.is_set():
            number += 1
            async with store.transaction("lutes") as tx:
                await tx.add(person("lutes"))
                await tx.add(order("lutes", f"k{number}"))
            begun.set()

    writing = asyncio.create_task(write())
    await begun.wait()
    await backup(url, tmp_path / "copy.db")
    enough.set()
    await writing
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    copy = TortoiseStore(f"sqlite://{tmp_path / 'copy.db'}", RECORD_KEY)
    await copy.open()
    async with copy.look("lutes") as tx:
        assert await tx.count(Person) == await tx.count(Order) > 0
    await copy.close()


async def test_what_cannot_be_copied(url, tmp_path):
    (tmp_path / "there.db").write_text("mine")
    for source, to in (
        (url, tmp_path / "there.db"),
        (f"sqlite://{tmp_path / 'none.db'}", tmp_path / "copy.db"),
    ):
        with pytest.raises(StorageError):
            await backup(source, to)
    assert (tmp_path / "there.db").read_text() == "mine"
    with pytest.raises(StorageError, match="pg_dump"):
        await backup("postgres://x@y/z", tmp_path / "copy.db")
