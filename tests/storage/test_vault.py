"""The vault: nothing readable in the database, and no key in it."""

import asyncio

import pytest

from gatekeeper.domain.errors import StorageError
from gatekeeper.domain.identity import ClubId
from gatekeeper.storage.store import TortoiseStore
from gatekeeper.storage.vault import TortoiseVault
from tests.storage.fresh import RECORD_KEY, fresh_postgres

CLUB = ClubId("lutes")
KEY, NEWER = b"k" * 32, b"n" * 32


async def _laws(store: TortoiseStore) -> None:
    vault = TortoiseVault(store, KEY, CLUB)
    assert await vault.get("matrix/login") is None
    for secret in (b"syt_first", b"\x00\xff", b""):
        await vault.put("matrix/login", secret)
        assert await vault.get("matrix/login") == secret
    assert not await vault.swap("matrix/login", None, b"late")
    assert not await vault.swap("matrix/login", b"syt_first", b"late")
    assert await vault.swap("matrix/login", b"", b"next")
    assert await vault.swap("matrix/login", b"next", b"")
    await vault.put("slack/login", b"other")
    assert await vault.get("matrix/login") == b""


async def _one_is_told_yes(store: TortoiseStore) -> None:
    vaults = [TortoiseVault(store, KEY, CLUB) for _ in range(2)]
    told = await asyncio.gather(*(vaults[n % 2].swap("lease", None, b"%d" % n) for n in range(8)))
    assert sum(told) == 1
    assert await vaults[0].get("lease") == b"%d" % told.index(True)


async def test_on_sqlite(store):
    await _laws(store)
    await _one_is_told_yes(store)


@pytest.mark.postgres
async def test_on_postgres(postgres):
    store = TortoiseStore(fresh_postgres(postgres), RECORD_KEY)
    await store.open()
    await _laws(store)
    await _one_is_told_yes(store)
    await store.close()


async def test_nothing_is_readable_in_the_file(store, file):
    await TortoiseVault(store, KEY, CLUB).put("login", b"syt_secret_token")
    await store.close()
    assert b"syt_secret_token" not in file.read_bytes()
    assert KEY not in file.read_bytes()


async def test_keys_change_in_turn(store, tamper):
    await TortoiseVault(store, KEY, CLUB).put("login", b"token")
    with pytest.raises(StorageError, match="does not open login"):
        await TortoiseVault(store, NEWER, CLUB).get("login")
    both = TortoiseVault(store, NEWER, CLUB, older=[KEY])
    assert await both.get("login") == b"token"
    await both.put("login", b"token")
    assert await TortoiseVault(store, NEWER, CLUB).get("login") == b"token"
    other = "CASE substr(secret, 51, 1) WHEN '_' THEN '-' ELSE '_' END"
    tamper(f"UPDATE secrets SET secret = substr(secret, 1, 50) || {other} || substr(secret, 52)")
    with pytest.raises(StorageError):
        await both.get("login")


async def test_it_says_so_rather_than_wait_for_its_own_transaction(store):
    async with store.transaction("lutes"):
        with pytest.raises(RuntimeError, match="inside"):
            await TortoiseVault(store, KEY, CLUB).put("login", b"token")


def test_a_key_of_another_length_is_refused(url):
    with pytest.raises(ValueError, match="32 bytes"):
        TortoiseVault(TortoiseStore(url, RECORD_KEY), b"short", CLUB)


async def test_two_clubs_in_one_database_share_no_secret(store):
    ours, theirs = TortoiseVault(store, KEY, CLUB), TortoiseVault(store, KEY, ClubId("harps"))
    await ours.put("login", b"token")
    assert await theirs.get("login") is None
    await theirs.put("login", b"another")
    assert await ours.get("login") == b"token"
