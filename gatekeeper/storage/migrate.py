"""The schema: is it this release's, and make it so; one process at a time, all or nothing."""

import asyncio
import fcntl
import os
import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Final

from gatekeeper.domain.errors import NoTables, StorageError
from gatekeeper.storage import club_tables, migrations, tables
from gatekeeper.storage.connections import (
    BUSY_TIMEOUT,
    Session,
    database,
    shown,
    sqlite_path,
    told,
)

APP: Final = "gatekeeper"
_LOCK_NUMBER: Final = 0x6761_7465_6B65_6570  # any number, the same in all releases
_NAME: Final = "default"


def config(url: str) -> dict[str, Any]:
    """What Tortoise's own tools take, `makemigrations` among them."""
    if url.startswith("sqlite://"):
        # foreign_keys: Tortoise's rebuild of a table would delete what refers to it. There is no
        # foreign key; if ever there is one, its rows shall live.
        backend, settings = (
            "sqlite",
            dict[str, Any](
                file_path=str(sqlite_path(url)),
                busy_timeout=BUSY_TIMEOUT,
                synchronous="FULL",
                foreign_keys="OFF",
            ),
        )
    else:
        from gatekeeper.storage.postgres import credentials

        backend, settings = "asyncpg", dict(credentials(url))
    return {
        "connections": {_NAME: {"engine": f"tortoise.backends.{backend}", "credentials": settings}},
        "apps": {
            APP: {
                "models": [tables.__name__, club_tables.__name__],
                "migrations": migrations.__name__,
                "default_connection": _NAME,
            }
        },
    }


@cache
def shipped() -> tuple[str, ...]:
    """The names of this release's migrations, in order."""
    return tuple(sorted(each.name for each in pkgutil.iter_modules(migrations.__path__)))


async def check(url: str) -> list[str]:
    """The migrations that this database still needs, none where it is as it should be.

    Raises:
        StorageError: it cannot be reached, or is of a later release.
    """
    if url.startswith("sqlite://") and not sqlite_path(url).exists():
        return list(shipped())
    base = database(url)
    await base.open()
    try:
        async with base.read() as session:
            return await pending(session)
    finally:
        await base.close()


async def is_empty(url: str) -> bool:
    """Whether there is no table of ours, or no database at all; StorageError as `check`."""
    if url.startswith("sqlite://") and not sqlite_path(url).exists():
        return True
    base = database(url)
    await base.open()
    try:
        async with base.read() as session:
            return not await has_tables(session)
    finally:
        await base.close()


async def pending(session: Session) -> list[str]:
    """`check` on an open database."""
    if not await _has_table(session, "tortoise_migrations"):
        return list(shipped())
    rows = await session.rows("SELECT name FROM tortoise_migrations WHERE app = ?", [APP])
    applied = {row["name"] for row in rows}
    if strange := sorted(applied.difference(shipped())):
        raise StorageError(detail=f"the database is of a later release: {', '.join(strange)}")
    return [name for name in shipped() if name not in applied]


async def has_tables(session: Session) -> bool:
    """Whether there is any table of ours: an upgrade that died leaves none."""
    return await _has_table(session, "clubs")


async def _has_table(session: Session, name: str) -> bool:
    catalogue = (
        "SELECT 1 FROM sqlite_master WHERE name = ?"
        if session.dialect == "sqlite"
        else "SELECT 1 FROM information_schema.tables"
        " WHERE table_schema = current_schema() AND table_name = ?"
    )
    return bool(await session.rows(catalogue, [name]))


async def need_tables(url: str) -> None:
    """NoTables where there is none of ours: a club that has keys has had a database."""
    if await is_empty(url):
        raise NoTables(where=shown(url))


async def upgrade(url: str) -> list[str]:
    """Bring the schema to this release, and make the database's file where there is none.

    Of two processes at once the second waits and then finds nothing to do. All migrations are
    committed together with the note that they are, or none is. Stop the service first: what it
    does with a schema that changes beneath it nobody has tried.

    Returns:
        The names of the migrations carried out.

    Raises:
        StorageError: the database cannot be reached, is of a later release, or refused.
    """
    async with _alone(url):
        names = await check(url)
        if names:
            # In a task of its own: Tortoise hangs its state on the task's context.
            await asyncio.create_task(_migrate(config(url)))
        return names


async def _migrate(settings: dict[str, Any]) -> None:
    from tortoise.context import TortoiseContext
    from tortoise.migrations.executor import MigrationExecutor
    from tortoise.transactions import in_transaction

    context = TortoiseContext()
    with told():
        async with context:
            await context.init(config=settings)
            connection = context.connections.get(_NAME)
            executor = MigrationExecutor(connection, settings["apps"])
            await executor.recorder.ensure_schema(executor._schema_editor(atomic=False))
            async with in_transaction(_NAME) as client:
                executor = MigrationExecutor(client, settings["apps"])
                # Done above: on SQLite it runs a script, which would commit what is under way.
                setattr(executor.recorder, "ensure_schema", _nothing)  # noqa: B010 - typed as fixed
                await executor.migrate()


async def _nothing(_editor: object) -> None:
    pass


@asynccontextmanager
async def _alone(url: str) -> AsyncIterator[None]:
    """Tortoise itself has no lock."""
    if not url.startswith("sqlite://"):
        async with _alone_on_postgres(url):
            yield
        return
    path = sqlite_path(url)
    try:
        lock = os.open(f"{path}.upgrade.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise StorageError(detail=f"{path.parent}: {fault.strerror}") from fault
    try:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        try:  # made here, so that from its first byte nobody but the owner may read it
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as fault:
            raise StorageError(detail=f"{path}: {fault.strerror}") from fault
        yield
    finally:
        os.close(lock)  # the file stays: removing it would race with the next one


@asynccontextmanager
async def _alone_on_postgres(url: str) -> AsyncIterator[None]:
    base = database(url)
    await base.open()
    try:
        async with base.read() as session:
            await session.rows("SELECT pg_advisory_xact_lock(?)", [_LOCK_NUMBER])
            yield
    finally:
        await base.close()
