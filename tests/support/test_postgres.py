"""Each test has a database of its own, made in a blink."""

import asyncpg
import psycopg
import pytest
from tortoise import Tortoise, connections

# Tortoise warns that this module holds no models, which is so.
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.filterwarnings("ignore:Module .* has no models"),
]


async def test_every_library_finds_it(postgres_database, postgres_url):
    """The addresses lead asyncpg, Tortoise and psycopg to the same database."""
    async with await psycopg.AsyncConnection.connect(postgres_database.libpq) as connection:
        await connection.execute("CREATE TABLE club (name text)")
        await connection.execute("INSERT INTO club VALUES ('Lutes')")
    plain = await asyncpg.connect(postgres_database.libpq)
    assert await plain.fetchval("SELECT name FROM club") == "Lutes"
    await plain.close()
    assert postgres_url.startswith("asyncpg://")
    await Tortoise.init(db_url=postgres_url, modules={"models": [__name__]})
    try:
        rows = await connections.get("default").execute_query_dict("TABLE club")
    finally:
        await Tortoise.close_connections()
    assert rows == [{"name": "Lutes"}]


def test_a_template_is_filled_once_and_copied(postgres):
    """Migrate once, clone for each test; what one clone does, no other sees."""
    calls = []

    def prepare(database):
        calls.append(database.name)
        with psycopg.connect(database.libpq) as connection:
            connection.execute("CREATE TABLE club (name text)")

    copies = [postgres.database(postgres.template("clubs", prepare)) for _ in range(2)]
    with psycopg.connect(copies[0].libpq) as connection:
        connection.execute("INSERT INTO club VALUES ('Lutes')")
    with psycopg.connect(copies[1].libpq) as connection:
        assert connection.execute("SELECT count(*) FROM club").fetchone() == (0,)
    assert len(calls) == 1
    for copy in copies:
        postgres.drop(copy.name)


def test_no_port_is_open(postgres_database):
    """Our own server listens on a Unix socket alone."""
    with psycopg.connect(postgres_database.libpq) as connection:
        listening = connection.execute("SHOW listen_addresses").fetchone()
        folder = connection.execute("SHOW unix_socket_directories").fetchone()
    if folder and "gk-pg-" in folder[0]:
        assert listening == ("",)
