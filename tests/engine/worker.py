"""A process with an engine, for tests that kill it: worker.py STORE NOTES RELEASE SECONDS [KEY].

Job `work` notes its arguments and RELEASE; in release "old" it then hangs for ever.
"""

import asyncio
import sys
from pathlib import Path

from gatekeeper.clock import SystemClock
from gatekeeper.engine.dbos_engine import DbosEngine


async def main(store: str, notes: str, release: str, seconds: str, key: str = "") -> None:
    def note(*words: str | int) -> None:
        with Path(notes).open("a") as file:
            print(release, *words, file=file)

    async def old(*args: str | int) -> None:
        note("begun", *args)
        await asyncio.Event().wait()

    async def new(*args: str | int) -> None:
        note("begun", *args)
        note("ended", *args)

    where = {"postgres_url": store} if "://" in store else {"path": Path(store)}
    engine = DbosEngine(clock=SystemClock(), poll=0.2, grace=0.5, takeover=0.5, **where)
    engine.register("work", old if release == "old" else new)
    engine.register("tick", new)
    await engine.start()
    if key == "cron":
        engine.schedule("tick", "* * * * * *", "UTC", "tick")
    elif key:
        await engine.enqueue("work", "club", 8, key=f"{key}-queued")
        await engine.enqueue("work", "club", 7, key=key, now=True)
    await asyncio.sleep(float(seconds))
    await engine.stop()
    note("stopped")


asyncio.run(main(*sys.argv[1:]))
