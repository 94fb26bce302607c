"""The service by itself: how soon it is ready, and what it takes while nothing happens."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.club import a_club
from tests.bench.frame import Bar, Row

STARTS = 5
SETTLE = 20.0  # seconds of rest before the memory is read
IDLE = 30.0  # seconds over which its work is counted


async def rows(say: Callable[[str], None]) -> list[Row]:
    """Start it five times beside a real homeserver; each time let it rest, then look at it."""
    ready: list[float] = []
    memory: list[float] = []
    work: list[float] = []
    async with a_club() as stage:
        for turn in range(STARTS):
            ready.append(await stage.service.start(timeout=60))
            pid = stage.service.pid
            await asyncio.sleep(SETTLE)
            memory.append(_resident(pid))
            work.append(await _busy(pid))
            await stage.service.stop()
            say(f"start {turn + 1}: {ready[-1]:.2f} s, {memory[-1]:.0f} MB, {work[-1]:.2f} %")
    return [
        Row(
            "app.start_ready",
            "s",
            ready,
            bar=Bar("ours", 3, below=True),
            note="process start to 200 on /readyz, of a club that is there; read every 50 ms",
        ),
        Row(
            "app.idle_rss",
            "MB",
            memory,
            bar=Bar("ours", 180, below=True),
            note=f"resident memory of all its processes, {SETTLE:.0f} s after it was ready",
        ),
        Row(
            "app.idle_cpu",
            "%",
            work,
            bar=Bar("ours", 3, below=True),
            note=f"of one core, over {IDLE:.0f} s after that, connected to the homeserver",
        ),
    ]


async def _busy(pid: int) -> float:
    """Percent of a core that a process and its children take from now on."""
    began, before = time.monotonic(), seconds_of(pid)
    await asyncio.sleep(IDLE)
    return 100 * (seconds_of(pid) - before) / (time.monotonic() - began)


def _family(pid: int) -> list[int]:
    """A process and all that it has started and that still run."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    return [pid, *(each for child in children for each in _family(child))]


def _resident(pid: int) -> float:
    """MB (of 10^6 bytes) in memory."""
    pages = [int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in _family(pid)]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


def seconds_of(pid: int) -> float:
    """Seconds of work so far, in user and system mode."""
    total = 0
    for each in _family(pid):
        # The second field is the command's name, which may hold spaces and brackets.
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")
