"""PostgreSQL; a module of its own, since a club on SQLite need not wait for its driver."""

import importlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.exceptions import IntegrityError

from gatekeeper.domain.errors import StorageError
from gatekeeper.storage.connections import Database, Session, Turns, add_faults, faults, told

# Not imported as usual: it has no types, and its errors alone are wanted.
_asyncpg: Any = importlib.import_module("asyncpg")
add_faults(_asyncpg.PostgresError, _asyncpg.InterfaceError, _asyncpg.InternalClientError)


class PostgresSession(Session):
    """Many new rows go by COPY: statement by statement they take several times as long."""

    async def add_rows(
        self, table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        copy = self._client._connection.copy_records_to_table
        with told():
            try:
                await copy(table, records=rows, columns=list(names))
            except _asyncpg.IntegrityConstraintViolationError as taken:
                raise IntegrityError(str(taken)) from taken


class PostgresDatabase(Database):
    """A pool of connections; whoever writes holds the club's row, in this process also a lock, so
    that waiting writers do not use up the pool."""

    dialect = "postgres"

    def __init__(self, url: str) -> None:
        super().__init__()
        self._client = AsyncpgDBClient(**credentials(url), connection_name="gatekeeper")
        self._turns: defaultdict[str, Turns] = defaultdict(Turns)

    async def open(self) -> None:
        with told():
            await self._client.create_connection(with_db=True)

    async def close(self) -> None:
        with suppress(*faults()):
            await self._client.close()

    @asynccontextmanager
    async def _write(self, club: str, urgent: bool) -> AsyncIterator[Session]:
        async with self._turns[club].turn(urgent), self._transaction() as session:
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        async with self._transaction(isolation="repeatable_read", readonly=True) as session:
            yield session

    @asynccontextmanager
    async def _transaction(self, **how: Any) -> AsyncIterator[Session]:
        pool = self._client._pool
        if pool is None:
            raise StorageError(detail="not open")
        with told():
            connection = await pool.acquire()
        try:
            client = TransactionWrapper(self._client)
            client._connection = connection
            transaction = connection.transaction(**how)
            with told():
                await transaction.start()
            try:
                yield PostgresSession(client, self.dialect)
            except BaseException:
                with suppress(*faults()):  # a dead connection rolls back by itself
                    await transaction.rollback()
                raise
            with told():
                await transaction.commit()
        finally:
            with suppress(*faults()):
                await pool.release(connection)


def credentials(url: str) -> Mapping[str, Any]:
    """What the client takes, from an address; a query may name a unix socket's folder as host."""
    return {"maxsize": 10, **expand_db_url(url)["credentials"]}
