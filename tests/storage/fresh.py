"""A database with all tables for one test: migrated once in each process, then copied."""

import asyncio
import shutil
import tempfile
import threading
from functools import cache
from pathlib import Path

from gatekeeper.storage import migrate

_FOLDER = tempfile.TemporaryDirectory(prefix="gk-template-")  # gone when the process ends
RECORD_KEY = b"0123456789abcdef0123456789abcdef"


def fresh_sqlite(folder: Path, name: str = "gatekeeper.db") -> str:
    """The address of a new SQLite database in `folder`; about a millisecond after the first."""
    path = folder / name
    shutil.copyfile(_template(), path)
    return f"sqlite://{path}"


@cache
def _template() -> Path:
    path = Path(_FOLDER.name) / "template.db"
    _run_beside(f"sqlite://{path}")
    return path


def fresh_postgres(postgres) -> str:
    """The address of a new PostgreSQL database on the server of the fixture `postgres`."""
    template = postgres.template("storage", lambda database: _run_beside(database.tortoise))
    return postgres.database(template).tortoise


def _run_beside(url: str) -> None:
    """Migrate from wherever we are: a running loop cannot run another one in its own thread."""
    faults: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(migrate.upgrade(url))
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if faults:
        raise faults[0]
