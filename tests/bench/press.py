"""`python -m tests.bench.press FILE`: how long the loop stands still while a policy is read.

In a process that has just started as the service does: one policy in force, nothing else read. The
answer is a line of JSON: the longest stall in milliseconds while FILE is compiled and its cases run
beside the loop, then the same with nothing beside it.
"""

import asyncio
import gc
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gatekeeper import policy_file, serve
from tests.bench.policy_rules import a_policy

STEP = 0.001  # seconds between two looks


async def stalls(file: Path) -> list[float]:
    """Beside the reading, and alone."""
    assert serve.PolicyWatch  # what the service has imported by then, this process has
    in_force = a_policy()
    gc.collect()
    gc.freeze()  # as the service does once it has started
    return [
        await stall(lambda: _read(file, in_force.digest)),
        await stall(lambda: threading.Event().wait(0.3)),
    ]


async def stall(work: Callable[[], object]) -> float:
    """In milliseconds, the longest over the time that `work` takes in a thread."""
    busy = asyncio.create_task(asyncio.to_thread(policy_file.beside_the_loop, work))
    worst, before = 0.0, time.perf_counter()
    while not busy.done():
        await asyncio.sleep(STEP)
        now = time.perf_counter()
        worst, before = max(worst, now - before - STEP), now
    await busy
    return 1000 * worst


def _read(file: Path, in_force: str) -> None:
    reading = policy_file.tried(policy_file.read(file), file)
    assert reading.fault is None, reading.fault
    assert reading.digest != in_force


if __name__ == "__main__":
    print(json.dumps(asyncio.run(stalls(Path(sys.argv[1])))))
