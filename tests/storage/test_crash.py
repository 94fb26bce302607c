"""A process that dies between two statements leaves nothing half done, and loses no answer."""

import subprocess
import sys
from pathlib import Path

import pytest

from gatekeeper.domain.decisions import Order
from gatekeeper.domain.identity import Person
from gatekeeper.storage.store import TortoiseStore
from tests.storage.fresh import RECORD_KEY, fresh_postgres

TOP = Path(__file__).resolve().parents[2]

# One whole use case; then a second one that dies after so many of its statements.
_DIE = """
import asyncio, os, sys
from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.storage.connections import Session
from gatekeeper.storage.store import TortoiseStore
from gatekeeper.testing.store_samples import NOON, order, person

url, left, rows = sys.argv[1], int(sys.argv[2]), Session.rows

async def dying(self, *args):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    return await rows(self, *args)

async def use_case(store, number):
    async with store.transaction("lutes") as tx:
        one = await tx.add(person("lutes", f"n{number}"))
        await tx.add(order("lutes", f"k{number}"))
        await tx.change(one, language="de")
        await tx.record(Decision(Verdict.ADMIT, "x"), at=NOON, actor="a", subject="s",
                        sentence="s", seen={"n": number})
    print("answered", number, flush=True)

async def main():
    store = TortoiseStore(url, b"0123456789abcdef0123456789abcdef")
    await store.open()
    await use_case(store, 1)
    Session.rows = dying
    await use_case(store, 2)
    os._exit(9)

asyncio.run(main())
"""
# Of the second use case; SQLite is held without asking for the club's row again.
ON_SQLITE, ON_POSTGRES = 7, 8


async def _die_and_look(url: str, statements: int) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _DIE, url, str(statements)],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 9, result.stderr
    answered = result.stdout.count("answered")
    last = ON_SQLITE if url.startswith("sqlite") else ON_POSTGRES
    assert answered == (2 if statements == last else 1)
    store = TortoiseStore(url, RECORD_KEY)
    await store.open()
    async with store.transaction("lutes") as tx:  # nobody holds the lock any more
        assert [one.name for one in await tx.find(Person)] == ["n1", "n2"][:answered]
        assert [await tx.count(Order), len(await tx.entries())] == [answered, answered]
    assert await store.verify("lutes") == answered
    await store.close()


@pytest.mark.parametrize("statements", [1, 3, 5, 6, ON_SQLITE])
async def test_a_killed_process_on_sqlite(url, statements):
    await _die_and_look(url, statements)


@pytest.mark.postgres
async def test_a_killed_process_on_postgres(postgres):
    for statements in (3, ON_POSTGRES):
        await _die_and_look(fresh_postgres(postgres), statements)
