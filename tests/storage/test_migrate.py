"""Schema and models agree, and no upgrade loses a row, an index or a unique key."""

import asyncio
import importlib
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tortoise import Tortoise
from tortoise.migrations import operations
from tortoise.migrations.api.migrate import migrate as migrate_to

from gatekeeper.cli import main
from gatekeeper.domain.errors import NoTables, StorageError
from gatekeeper.storage import migrate
from gatekeeper.storage.store import TortoiseStore
from tests.storage.fresh import RECORD_KEY

TOP = Path(__file__).resolve().parents[2]
MIGRATIONS = TOP / "gatekeeper/storage/migrations"


def path(url: str) -> Path:
    return Path(url.removeprefix("sqlite://"))


def rows(url: str, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(path(url))) as connection:
        return connection.execute(statement).fetchall()


def schema(url: str) -> set[tuple]:
    """Every table's columns, and every index with its columns and its condition."""
    found = set()
    for name, kind, sql in rows(url, "SELECT name, type, sql FROM sqlite_master"):
        if kind == "table" and name.startswith("sqlite_"):
            continue
        if kind == "table":
            found |= {(name, *row[1:]) for row in rows(url, f"PRAGMA table_info({name})")}
            for _, index, unique, _, partial in rows(url, f"PRAGMA index_list({name})"):
                columns = tuple(row[2] for row in rows(url, f"PRAGMA index_info({index})"))
                found.add((name, "index", columns, unique, partial))
        elif sql and " WHERE " in sql:
            found.add((name, sql.partition(" WHERE ")[2]))
    return found


def counts(url: str) -> dict[str, int]:
    """How many rows each table has."""
    names = rows(url, "SELECT name FROM sqlite_master WHERE type = 'table'")
    return {
        name: rows(url, f"SELECT count(*) FROM {name}")[0][0]
        for (name,) in names
        if not name.startswith(("sqlite_", "tortoise_"))
    }


def fill(url: str) -> None:
    """One row in every table, whatever columns it has by then."""
    for table in counts(url):
        columns = [row[1:3] for row in rows(url, f"PRAGMA table_info({table})")]
        values = [1 if "INT" in kind or kind == "BOOL" else f"{table}-x" for _, kind in columns]
        with closing(sqlite3.connect(path(url))) as connection:
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)
            connection.commit()


async def up_to(url: str, name: str) -> None:
    """The schema as it was after this migration."""
    await migrate_to(config=migrate.config(url), target=f"{migrate.APP}.{name}")
    await Tortoise.close_connections()


def test_models_and_migrations_agree(tmp_path):
    """Tortoise's own tool finds nothing to add; it has no --check, so its word is read."""
    (tmp_path / "settings_of_tool.py").write_text(
        "from gatekeeper.storage.migrate import config\n"
        f"TORTOISE_ORM = config('sqlite://{tmp_path}/x.db')\n"
    )
    before = sorted(MIGRATIONS.iterdir())
    result = subprocess.run(
        [sys.executable, "-m", "tortoise", "-c", "settings_of_tool.TORTOISE_ORM", "makemigrations"],
        cwd=TOP,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{TOP}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    for written in set(MIGRATIONS.iterdir()).difference(before):
        written.unlink()
    assert "No changes detected" in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize("start", range(len(migrate.shipped())))
async def test_a_filled_database_keeps_everything(tmp_path, start):
    """From every earlier schema: the same as a new one afterwards, and not a row less."""
    old, new = (f"sqlite://{tmp_path / name}" for name in ("old.db", "new.db"))
    first = migrate.shipped()[start]
    await asyncio.create_task(up_to(old, first))
    fill(old)
    before = counts(old)
    assert set(before.values()) == {1}
    assert await migrate.upgrade(old) == list(migrate.shipped()[start + 1 :])
    await migrate.upgrade(new)
    assert schema(old) == schema(new)
    after = counts(old)
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("name", migrate.shipped())
def test_no_migration_rebuilds_a_table(name):
    """On SQLite Tortoise's rebuild drops every index and unique key of the table."""
    module = importlib.import_module(f"gatekeeper.storage.migrations.{name}")
    for each in module.Migration.operations:
        assert not isinstance(each, operations.AlterField | operations.RemoveField)
        if isinstance(each, operations.AddField):
            assert each.field.null or each.field.has_db_default()


async def test_a_new_database_is_the_owners_alone(tmp_path):
    url = f"sqlite://{tmp_path / 'new.db'}"
    assert await migrate.check(url) == list(migrate.shipped())
    assert await migrate.upgrade(url) == list(migrate.shipped())
    assert await migrate.check(url) == await migrate.upgrade(url) == []
    assert stat.S_IMODE((tmp_path / "new.db").stat().st_mode) == 0o600


async def test_two_at_once_upgrade_once(tmp_path):
    url = f"sqlite://{tmp_path / 'new.db'}"
    done = await asyncio.gather(*(migrate.upgrade(url) for _ in range(3)))
    assert sorted(done) == [[], [], list(migrate.shipped())]


@pytest.mark.postgres
async def test_no_store_opens_without_tables_on_postgres(postgres_url):
    with pytest.raises(NoTables) as gone:
        await TortoiseStore(postgres_url, RECORD_KEY).open()
    assert "@" not in str(gone.value)
    assert await migrate.is_empty(postgres_url)
    await migrate.upgrade(postgres_url)
    assert not await migrate.is_empty(postgres_url)


@pytest.mark.postgres
async def test_two_at_once_upgrade_once_on_postgres(postgres_url):
    assert await migrate.check(postgres_url) == list(migrate.shipped())
    done = await asyncio.gather(*(migrate.upgrade(postgres_url) for _ in range(3)))
    assert sorted(done) == [[], [], list(migrate.shipped())]
    assert await migrate.check(postgres_url) == []


@pytest.mark.parametrize("statements", [pytest.param(3, marks=pytest.mark.slow), 30, 60])
async def test_an_upgrade_that_dies_half_way_leaves_nothing(tmp_path, statements):
    """Killed after so many statements, it is done whole the next time."""
    url = f"sqlite://{tmp_path / 'half.db'}"
    result = subprocess.run(
        [sys.executable, "-c", _DIE, url, str(statements)], cwd=TOP, timeout=60, check=False
    )
    assert result.returncode == 9
    assert counts(url) == {}
    assert await migrate.upgrade(url) == list(migrate.shipped())


_DIE = """
import asyncio, os, sys
from tortoise.backends.sqlite.client import SqliteClient
from gatekeeper.storage import migrate

left, run = int(sys.argv[2]), SqliteClient.execute_query

async def dying(self, *args):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    return await run(self, *args)

SqliteClient.execute_query = dying
asyncio.run(migrate.upgrade(sys.argv[1]))
"""


async def test_a_store_opens_only_what_is_of_its_release(tmp_path, url):
    missing = TortoiseStore(f"sqlite://{tmp_path / 'none.db'}", RECORD_KEY)
    with pytest.raises(StorageError, match="no-tables"):
        await missing.open()
    rows_changed = "UPDATE tortoise_migrations SET name = '9999_later'"
    with closing(sqlite3.connect(path(url))) as connection:
        connection.execute(rows_changed)
        connection.commit()
    for opening in (TortoiseStore(url, RECORD_KEY).open(), migrate.check(url)):
        with pytest.raises(StorageError, match="later release"):
            await opening
    with closing(sqlite3.connect(path(url))) as connection:
        connection.execute("DELETE FROM tortoise_migrations")
        connection.commit()
    with pytest.raises(StorageError, match="upgrade pending"):
        await TortoiseStore(url, RECORD_KEY).open()


async def test_what_is_no_database(tmp_path):
    (tmp_path / "x.db").write_text("this is a letter to my aunt, and no database at all" * 99)
    with pytest.raises(StorageError):
        await TortoiseStore(f"sqlite://{tmp_path / 'x.db'}", RECORD_KEY).open()
    for url in ("mysql://a/b", "sqlite://", "sqlite://:memory:"):
        with pytest.raises(StorageError):
            TortoiseStore(url, RECORD_KEY)
    with pytest.raises(StorageError):
        await migrate.upgrade(f"sqlite://{tmp_path / 'no-such-folder' / 'x.db'}")


async def test_a_password_is_not_told(unused_tcp_port):
    url = f"postgres://gate:tell-nobody@127.0.0.1:{unused_tcp_port}/club"
    with pytest.raises(StorageError) as refused:
        await TortoiseStore(url, RECORD_KEY).open()
    assert "tell-nobody" not in str(refused.value)


@pytest.mark.postgres
def test_init_makes_the_tables_where_the_settings_say(postgres_url, tmp_path, monkeypatch, capsys):
    """Also where the address lies in a file of its own; and never twice without a word."""
    secret = tmp_path / "database-url"
    secret.write_text(f"{postgres_url}\n")
    monkeypatch.setenv("GATEKEEPER_DATABASE_URL_FILE", str(secret))
    assert main.run(["init", str(tmp_path / "club")]) == 0
    assert asyncio.run(migrate.check(postgres_url)) == []
    assert not list(tmp_path.rglob("*.db"))
    assert "@" not in capsys.readouterr().out
    monkeypatch.setenv("GATEKEEPER_DATABASE_URL_FILE", str(tmp_path / "nowhere"))
    assert main.run(["init", str(tmp_path / "club")]) == 2
    assert "database_url: cannot be read" in capsys.readouterr().err
