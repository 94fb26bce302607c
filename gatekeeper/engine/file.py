"""The engine's own SQLite file: how it is opened, and the lock that keeps a second process out."""

import fcntl
import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gatekeeper.engine.faults import EngineLocked


class FileLock:
    """Held as long as this process works on a file; the kernel lets go of it when it dies."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._held: int | None = None

    def take(self) -> None:
        """Raises EngineLocked when another process (or engine) holds it."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise EngineLocked(path=str(self._path)) from None
        except OSError:
            os.close(handle)
            raise
        self._held = handle

    def release(self) -> None:
        """Let go; again changes nothing. The file stays: removing it would race with a taker."""
        if self._held is not None:
            os.close(self._held)
            self._held = None


def open_file(path: Path, connections: int) -> sa.Engine:
    """SQLAlchemy's engine on `path`, 0600, as DBOS needs it, with WAL, which DBOS does not set.

    synchronous=NORMAL: a killed process loses nothing; a power cut may lose the last moments, and
    what they held is due in our own tables still.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)), pool_size=connections, max_overflow=0
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"  # as DBOS does on an engine of its own
        for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=NORMAL"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("PRAGMA foreign_keys=ON")

    return engine
