"""A copy of the database while others work on it."""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from gatekeeper.domain.errors import StorageError
from gatekeeper.storage.connections import sqlite_path


async def backup(url: str, to: Path) -> None:
    """Copy a SQLite database as it stands at one moment, 0600; service and writers go on.

    Raises:
        StorageError: `to` exists, the database cannot be read, or it is PostgreSQL, which brings
            its own tool: pg_dump.
    """
    if not url.startswith("sqlite://"):
        raise StorageError(detail="copy a PostgreSQL database with its own tool: pg_dump")
    await asyncio.to_thread(_copy, sqlite_path(url), to)


def _copy(source: Path, to: Path) -> None:
    try:
        os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as there,
            closing(sqlite3.connect(to)) as here,
        ):
            there.backup(here)
            here.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
    except (OSError, sqlite3.Error) as fault:
        raise StorageError(detail=f"{to}: {fault}") from fault
