"""What only the engine on DBOS can get wrong: files, locks, kills, upgrades, what it opens."""

import asyncio
import logging
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from gatekeeper.engine.dbos_engine import RETENTION, DbosEngine
from gatekeeper.engine.faults import EngineFault, EngineLocked
from gatekeeper.testing.engine_contract import Seen, at_work
from tests.support.postgres import Database

WORKER = Path(__file__).with_name("worker.py")
Run = Callable[..., subprocess.Popen[bytes]]


class WallClock:
    """The time, moved by `ahead`."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "engine.sqlite"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes"
    path.touch()
    return path


@pytest.fixture
def run(notes: Path) -> Iterator[Run]:
    """Start a worker; what is still alive at the end of the test is killed."""
    children = []

    def start(store: str | Path, release: str, seconds: float, key: str = "") -> object:
        words = [sys.executable, WORKER, store, notes, release, str(seconds), key]
        children.append(subprocess.Popen(words))
        return children[-1]

    yield start  # type: ignore[misc]
    for child in children:
        child.kill()
        child.wait()


def wait_for(notes: Path, text: str, within: float = 15) -> str:
    until = time.monotonic() + within
    while text not in notes.read_text() and time.monotonic() < until:
        time.sleep(0.02)
    return notes.read_text()


def everything_in(file: Path) -> list[str]:
    """Every text in every table."""
    with sqlite3.connect(file) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        rows = [row for table in tables for row in db.execute(f'SELECT * FROM "{table}"')]
    return [str(value) for row in rows for value in row if value is not None]


async def test_what_is_kept_is_json_and_never_a_pickle(file: Path) -> None:
    """Whoever can write a pickle into the tables could run code here."""

    async def broken(*args: str | int) -> None:
        raise ValueError("a fault")

    engine, seen = DbosEngine(clock=WallClock(), path=file, poll=0.2, grace=0.5), Seen()
    engine.register("job", seen)
    engine.register("broken", broken)
    async with at_work(engine):
        await engine.enqueue("job", "club", 1, key="a", now=True)
        await engine.enqueue("broken", "club", 2, key="b", now=True)
        await engine.enqueue("job", "club", 3, key="c")
        await seen.times(2)
    kept = everything_in(file)
    assert sum('["job",["club",' in text for text in kept) == 2
    assert "portable_json" in kept
    assert not [text for text in kept if "pickle" in text or re.match(r"gA[SR]V", text)]


async def test_the_file_is_private_and_in_wal_mode(file: Path) -> None:
    async with at_work(DbosEngine(clock=WallClock(), path=file)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with sqlite3.connect(file) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_second_engine_in_the_process_is_refused(file: Path, tmp_path: Path) -> None:
    async with at_work(DbosEngine(clock=WallClock(), path=file)) as first:
        with pytest.raises(EngineFault):
            await DbosEngine(clock=WallClock(), path=tmp_path / "other").start()
        assert first.health().ok
    async with at_work(DbosEngine(clock=WallClock(), path=file)) as second:
        assert second.health().ok


async def test_others_may_use_threads_while_it_stops(file: Path) -> None:
    """Intake is stopped after the engine; whoever connects looks a name up in a thread."""
    failed: list[BaseException] = []

    async def look_up() -> None:
        while True:
            try:
                await asyncio.to_thread(time.sleep, 0.001)
            except RuntimeError as fault:  # cannot schedule new futures after shutdown
                failed.append(fault)
                return

    async with at_work(DbosEngine(clock=WallClock(), path=file, grace=0.5)) as engine:
        await engine.enqueue("none", key="x", now=True)  # DBOS takes the loop's threads
        lookers = [asyncio.create_task(look_up()) for _ in range(4)]
        await asyncio.sleep(0.2)
    await asyncio.sleep(0.1)
    for each in lookers:
        each.cancel()
    await asyncio.gather(*lookers, return_exceptions=True)
    assert failed == []


async def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineFault, match="nowhere"):
        await DbosEngine(clock=WallClock(), path=tmp_path / "nowhere" / "engine").start()


async def test_a_second_process_on_the_file_is_refused(file: Path, notes: Path, run: Run) -> None:
    """Two would run each other's jobs: that is putting somebody out twice."""
    child = run(file, "new", 30, "k")
    await asyncio.to_thread(wait_for, notes, "ended club 8")
    engine = DbosEngine(clock=WallClock(), path=file)
    with pytest.raises(EngineLocked) as refused:
        await engine.start()
    assert refused.value.code == "engine-locked"
    child.send_signal(signal.SIGKILL)
    child.wait()
    async with at_work(DbosEngine(clock=WallClock(), path=file)) as after:
        assert after.health().ok


async def test_nothing_listens_speaks_or_stays(
    file: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    threads = set(threading.enumerate())
    me = psutil.Process()
    before = set(me.net_connections())
    async with at_work(DbosEngine(clock=WallClock(), path=file, grace=0.5)) as engine:
        await engine.enqueue("none", key="x", now=True)
        await asyncio.sleep(1.2)
        assert {c for c in me.net_connections() if c.type != 0} <= before
    out, err = capfd.readouterr()
    assert "dbos" not in (out + err).lower()
    assert not [r for r in caplog.records if r.name == "dbos" and r.levelno < logging.WARNING]
    assert await asyncio.to_thread(lambda: "works after the stop") == "works after the stop"
    left = [t for t in set(threading.enumerate()) - threads if not t.daemon]
    assert all(thread.name.startswith("asyncio") for thread in left)


def test_a_killed_process_goes_on_after_its_restart(file: Path, notes: Path, run: Run) -> None:
    child = run(file, "old", 60, "k")
    wait_for(notes, "begun club 7")
    child.send_signal(signal.SIGKILL)
    child.wait()
    run(file, "new", 60)
    noted = wait_for(notes, "ended club 7")
    noted = wait_for(notes, "ended club 8")
    assert "new ended club 7" in noted
    assert "new ended club 8" in noted


def test_what_an_older_release_handed_over_still_runs(file: Path, notes: Path, run: Run) -> None:
    """DBOS's own version, a hash of the code, would strand it. Here the old release stops cleanly
    in the middle of its jobs; the new one, another body of the same job, ends them."""
    old = run(file, "old", 0.5, "k")
    assert old.wait(20) == 0
    assert run(file, "new", 3).wait(20) == 0
    noted = Counter(notes.read_text().splitlines())
    assert noted["new ended club 7"] == 1
    assert noted["new ended club 8"] == 1


async def test_finished_jobs_are_forgotten_after_a_day(file: Path) -> None:
    clock, seen = WallClock(), Seen()
    engine = DbosEngine(clock=clock, path=file, grace=0.5)
    engine.register("job", seen)
    async with at_work(engine):
        await engine.enqueue("job", key="old", now=True)
        await seen.times(1)
        await asyncio.sleep(0.2)
        await engine.enqueue(RETENTION, "slot", key="first", now=True)
        await asyncio.sleep(0.3)
        assert await engine.fate("old") == "finished"
        clock.ahead = timedelta(days=1, minutes=1)
        await engine.enqueue(RETENTION, "slot", key="second", now=True)
        for _ in range(50):
            if await engine.fate("old") == "unknown":
                break
            await asyncio.sleep(0.05)
        assert await engine.fate("old") == "unknown"


@pytest.mark.postgres
def test_another_process_takes_over_from_a_killed_one(
    postgres_database: Database, notes: Path, run: Run
) -> None:
    first = run(postgres_database.libpq, "old", 60, "k")
    wait_for(notes, "old begun club 7")
    run(postgres_database.libpq, "new", 60)
    time.sleep(3)  # long enough for several looks: the living process keeps its jobs
    assert "new begun club 7" not in notes.read_text()
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert "new ended club 7" in wait_for(notes, "new ended club 7")


@pytest.mark.postgres
def test_a_tick_happens_once_over_two_processes(
    postgres_database: Database, notes: Path, run: Run
) -> None:
    for worker in [run(postgres_database.libpq, name, 4, "cron") for name in ("one", "two")]:
        assert worker.wait(30) == 0
    slots = Counter(re.findall(r"begun (\S+)", notes.read_text()))
    assert len(slots) >= 3
    assert set(slots.values()) == {1}
