"""TortoiseVault: tokens and login states beside the tables, encrypted with a key that is not."""

import base64
from collections.abc import Sequence
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from gatekeeper.domain.errors import StorageError
from gatekeeper.domain.identity import ClubId
from gatekeeper.storage.connections import Session
from gatekeeper.storage.store import TortoiseStore

KEY_LENGTH: Final = 32  # bytes


class TortoiseVault:
    """The Vault in the store's database.

    Args:
        store: open when the vault is used; never inside one of its transactions.
        key: 32 bytes, kept outside the database; ValueError for any other length.
        club: whose secrets these are.
        older: earlier keys: what they encrypted is read still, and written with `key` from then on.
    """

    def __init__(
        self,
        store: TortoiseStore,
        key: bytes,
        club: ClubId,
        older: Sequence[bytes] = (),
    ) -> None:
        if any(len(each) != KEY_LENGTH for each in (key, *older)):
            raise ValueError(f"a vault's key has {KEY_LENGTH} bytes")
        self._database, self._club = store.database, club
        self._fernet = MultiFernet(
            [Fernet(base64.urlsafe_b64encode(each)) for each in (key, *older)]
        )

    async def get(self, name: str) -> bytes | None:
        """The secret kept under `name`, None for none.

        Raises:
            StorageError: it is there, but was encrypted with another key or has been changed.
        """
        async with self._database.read() as session:
            return await self._kept(session, name)

    async def _kept(self, session: Session, name: str) -> bytes | None:
        rows = await session.rows(
            "SELECT secret FROM secrets WHERE club = ? AND name = ?", [self._club, name]
        )
        if not rows:
            return None
        try:
            return self._fernet.decrypt(rows[0]["secret"])
        except InvalidToken as fault:
            raise StorageError(detail=f"the vault's key does not open {name}") from fault

    async def put(self, name: str, secret: bytes) -> None:
        """Keep a secret, in place of an earlier one."""
        async with self._database.write(self._club) as session:
            await self._keep(session, name, secret)

    async def swap(self, name: str, old: bytes | None, new: bytes) -> bool:
        """Keep `new` if `old` is what is kept still: a club has one writer at a time, over all
        processes. StorageError as `get`."""
        async with self._database.write(self._club) as session:
            if await self._kept(session, name) != old:
                return False
            await self._keep(session, name, new)
            return True

    async def _keep(self, session: Session, name: str, secret: bytes) -> None:
        token = self._fernet.encrypt(secret).decode()
        await session.rows(
            "INSERT INTO secrets (club, name, secret) VALUES (?, ?, ?)"
            " ON CONFLICT (club, name) DO UPDATE SET secret = excluded.secret RETURNING name",
            [self._club, name, token],
        )
