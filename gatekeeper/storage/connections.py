"""SQLite and PostgreSQL under one small face: one writer in a club, readers whom nobody holds up.

Tortoise's clients run the statements; beginning and ending a transaction is done here, since
theirs leave a lock behind when the task is cancelled at the wrong moment, and hang their state on
context variables that jobs started elsewhere do not have.
"""

import asyncio
import re
import sqlite3
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tortoise.backends.base.client import TransactionalDBClient
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionWrapper
from tortoise.exceptions import BaseORMException, IntegrityError

from gatekeeper.domain.errors import NoTables, StorageError

# How long a writer waits for another process, in milliseconds.
BUSY_TIMEOUT: Final = 15_000
IDLE_READERS: Final = 4
_faults: tuple[type[Exception], ...] = (BaseORMException, sqlite3.Error, OSError, TimeoutError)


def faults() -> tuple[type[Exception], ...]:
    """What drivers raise; PostgreSQL's is not brought in where nothing needs it."""
    return _faults


def add_faults(*more: type[Exception]) -> None:
    """What another driver raises."""
    global _faults
    _faults += more


@contextmanager
def told() -> Iterator[None]:
    """The drivers' errors become StorageError; a taken unique key stays an IntegrityError."""
    try:
        yield
    except IntegrityError:
        raise
    except faults() as fault:
        raise StorageError(detail=f"{type(fault).__name__}: {fault}"[:500]) from fault


class Session:
    """Statements within one transaction."""

    def __init__(self, client: TransactionalDBClient, dialect: str) -> None:
        self._client, self.dialect = client, dialect

    async def rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of a statement that gives some; marks are `?` for both databases."""
        with told():
            return await self._client.execute_query_dict(self._marked(sql), list(values))

    async def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """How many rows an UPDATE or DELETE touched."""
        with told():
            count, _ = await self._client.execute_query(self._marked(sql), list(values))
        return count

    async def run_many(self, sql: str, values: Sequence[Sequence[Any]]) -> None:
        """One statement for many rows."""
        with told():
            await self._client.execute_many(self._marked(sql), [list(row) for row in values])

    async def add_rows(
        self, table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """New rows by the shortest way that a database has; IntegrityError for a taken key."""
        marks = ", ".join("?" * len(names))
        columns = ", ".join(f'"{name}"' for name in names)
        await self.run_many(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What fails inside is undone alone; PostgreSQL would give up the whole transaction."""
        if self.dialect == "sqlite":
            yield
            return
        inner = self._client._connection.transaction()
        with told():
            await inner.start()
        try:
            yield
        except BaseException:
            with suppress(*faults()):
                await inner.rollback()
            raise
        with told():
            await inner.commit()

    def _marked(self, sql: str) -> str:
        if self.dialect == "sqlite":
            return sql
        first, *rest = sql.split("?")
        return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


class Database(ABC):
    """One database: `write` for the one writer in a club, `read` for a snapshot."""

    dialect: str

    def __init__(self) -> None:
        self._writing: set[asyncio.Task[Any] | None] = set()

    @abstractmethod
    async def open(self) -> None:
        """Connect; StorageError."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of all connections."""

    @asynccontextmanager
    async def write(self, club: str, *, urgent: bool = False) -> AsyncIterator[Session]:
        """A transaction, committed at the end; on SQLite the only one in the whole file, where an
        `urgent` one goes before others that wait.

        RuntimeError inside another one of the same task: it would wait for itself.
        """
        task = asyncio.current_task()
        if task in self._writing:
            raise RuntimeError("a transaction inside a transaction would wait for itself")
        self._writing.add(task)
        try:
            async with self._write(club, urgent) as session:
                yield session
        finally:
            self._writing.discard(task)

    @abstractmethod
    def _write(self, club: str, urgent: bool) -> AbstractAsyncContextManager[Session]:
        """`write` without the guard."""

    @abstractmethod
    def read(self) -> AbstractAsyncContextManager[Session]:
        """A snapshot that does not change while it is looked at."""


def database(url: str) -> Database:
    """What an address leads to; StorageError for one that we do not know."""
    if url.startswith("sqlite://"):
        return SqliteDatabase(sqlite_path(url))
    if re.match(r"(postgres|postgresql|asyncpg)://", url):
        from gatekeeper.storage.postgres import PostgresDatabase

        return PostgresDatabase(url)
    raise StorageError(detail="the address must begin with sqlite:// or postgres://")


def sqlite_path(url: str) -> Path:
    """The file of a sqlite:// address; StorageError for one that has none."""
    name = url.removeprefix("sqlite://")
    if not name or name.startswith(":"):
        raise StorageError(detail="a sqlite:// address names a file")
    return Path(name)


def shown(url: str) -> str:
    """An address as people may see it: without user and password."""
    if url.startswith("sqlite://"):
        return str(sqlite_path(url))
    parts = urlsplit(url)
    return f"{parts.hostname or ''}{parts.path}"


class Turns:
    """A lock whose urgent waiters go first; of the others, one goes before them so often.

    After an urgent one the next is given a moment to come: in a flood of them, the others would
    else go in between each time.

    `every`, `moment`: in seconds.
    """

    def __init__(self, every: float = 0.3, moment: float = 0.02) -> None:
        self._every, self._moment = every, moment
        self._taken, self._other_at = False, 0.0
        self._resting: asyncio.TimerHandle | None = None  # until the moment is over
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self, urgent: bool = False) -> AsyncIterator[None]:
        """Hold the lock."""
        if self._taken or (self._resting is not None and not urgent):
            await self._wait(self._urgent if urgent else self._others)
        self._taken = True
        self._end_rest()
        if not urgent:
            self._other_at = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self._hand_on(rest=urgent)

    async def _wait(self, line: deque[asyncio.Future[None]]) -> None:
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._hand_on()  # it was our turn just as we were told to give up
            raise

    def _hand_on(self, *, rest: bool = False) -> None:
        loop = asyncio.get_running_loop()
        lines = [self._urgent, self._others]
        early = loop.time() - self._other_at < self._every
        if not early:
            lines.reverse()
        for line in lines:
            if line is self._others and line and rest and early:
                self._taken = False
                self._resting = loop.call_later(self._moment, self._rested)
                return
            while line:
                turn = line.popleft()
                if not turn.done():
                    self._taken = True
                    turn.set_result(None)
                    return
        self._taken = False

    def _rested(self) -> None:
        self._resting = None
        if not self._taken:
            self._hand_on()

    def _end_rest(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None


class SqliteDatabase(Database):
    """One file: a connection that writes, and some that read beside it (WAL).

    synchronous=FULL: an answer that was given survives a power cut too, not only a killed process;
    it costs one fsync for each commit. secure_delete: what is erased is gone from the file.
    """

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._turns = Turns()
        self._writer = self._client(synchronous="FULL", secure_delete="ON")
        self._readers: list[SqliteClient] = []

    def _client(self, **pragmas: str) -> SqliteClient:
        return SqliteClient(
            str(self._path), connection_name="gatekeeper", busy_timeout=BUSY_TIMEOUT, **pragmas
        )

    async def open(self) -> None:
        if not self._path.exists():
            raise NoTables(where=str(self._path))
        if self._path.is_dir():
            raise StorageError(detail=f"{self._path} is a folder")
        # Where aiosqlite cannot open a file, its thread outlives the answer and breaks on it aloud.
        with told():
            await asyncio.to_thread(_try_open, self._path)
        await _connect(self._writer)

    async def close(self) -> None:
        readers, self._readers = self._readers, []
        for client in (*readers, self._writer):
            await client.close()

    @asynccontextmanager
    async def _write(self, club: str, urgent: bool) -> AsyncIterator[Session]:
        async with self._turns.turn(urgent):
            client = SqliteTransactionWrapper(self._writer)
            try:
                with told():
                    # Deferred, it could read first and then find that another process has written.
                    await _do(client, "BEGIN IMMEDIATE")
                yield Session(client, self.dialect)
                with told():
                    await _do(client, "COMMIT")
            except BaseException:
                with suppress(*faults()):
                    await client._connection.rollback()
                raise

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        if self._readers:
            reader = self._readers.pop()
        else:
            reader = self._client(query_only="ON")
            await _connect(reader)
        client = SqliteTransactionWrapper(reader)
        try:
            with told():
                await _do(client, "BEGIN")
            yield Session(client, self.dialect)
        finally:
            with suppress(*faults()):
                await client._connection.rollback()
            if len(self._readers) < IDLE_READERS:
                self._readers.append(reader)
            else:
                await reader.close()


def _try_open(path: Path) -> None:
    sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True).close()


async def _connect(client: SqliteClient) -> None:
    try:
        with told():
            await client.create_connection(with_db=True)
    except BaseException:
        await client.close()  # its thread would keep the process from ending
        raise


async def _do(client: SqliteTransactionWrapper, statement: str) -> None:
    async with client._connection.execute(statement):
        pass
