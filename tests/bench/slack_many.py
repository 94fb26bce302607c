"""Fifty clubs of fifty workspaces in one process and one database, at Slack's most events an hour.

`python -m tests.bench.slack_many FILE` is that process: it takes in signed events until its input
ends, then says what it has kept. The bench tells it of them, and reads how much it works.
"""

import asyncio
import contextlib
import json
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import aiohttp

from gatekeeper.clock import SystemClock
from gatekeeper.domain.activity import Activity
from gatekeeper.domain.identity import ClubId, Identity
from gatekeeper.policy.parse import load_policy
from gatekeeper.ports import Guest
from gatekeeper.storage.store import TortoiseStore
from gatekeeper.usecases.adopt import adopt_one
from gatekeeper.usecases.intake import Desk
from gatekeeper.usecases.observe import Observer
from gatekeeper.usecases.parts import Parts, Shelf
from gatekeeper.web.server import serve
from gatekeeper.wire import FLUSH
from gatekeeper_slack.cards import symbol_of
from gatekeeper_slack.listening import API, Intake
from gatekeeper_slack.scene import Scene
from gatekeeper_slack.screens import Looks
from tests.bench.app import seconds_of
from tests.bench.frame import Bar, Row
from tests.demo.workspace import policy_text
from tests.storage.fresh import RECORD_KEY, fresh_sqlite
from tests.support.slack.delivery import signed
from tests.support.slack.world import App

CLUBS, MEMBERS = 50, 100
HOURLY: Final = 30_000  # events that Slack sends of one workspace, at the most
SECONDS = 60
APP: Final = App()
Say = Callable[[str], None]


async def rows(say: Say) -> list[Row]:
    """Sixty seconds of it; all of it is kept, and time is left."""
    rate = CLUBS * HOURLY / 3600
    with TemporaryDirectory(prefix="gk-bench-") as folder:
        url = fresh_sqlite(Path(folder))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.slack_many", url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        address = json.loads(await process.stdout.readline())["address"]
        before = seconds_of(process.pid)
        sent, late, took = await _send(address, rate)
        work = seconds_of(process.pid) - before
        process.stdin.close()
        kept = json.loads(await process.stdout.readline())["kept"]
        assert await process.wait() == 0
    assert kept == sent, f"{kept} of {sent} kept"
    left = 100 * (1 - work / took)
    say(f"{sent / took:.0f} events/s, {left:.0f} % of a core left, longest answer {late:.0f} ms")
    return [
        Row(
            "slack.intake_50",
            "%",
            [left],
            bar=Bar("ours", 10, least=True),
            note=f"of a core left, by {sent / took:.0f} signed events a second over {took:.0f} s"
            f" of {CLUBS} workspaces with {MEMBERS} members each, all kept; longest answer"
            f" {late:.0f} ms",
        )
    ]


async def _send(address: str, rate: float) -> tuple[int, float, float]:
    """How many were sent, the longest answer in milliseconds, and the seconds it took."""
    dice, late, total = random.Random(1), 0.0, int(rate * SECONDS)
    sending = set[asyncio.Task[None]]()

    async def tell(number: int, body: str) -> None:
        nonlocal late
        headers = {"Content-Type": "application/json", **signed(APP, body, time.time())}
        at = time.perf_counter()
        # Slack knows one address of an app: the line gives what comes to the club it concerns.
        async with client.post(f"{address}/0", data=body, headers=headers) as answer:
            await answer.read()
            assert answer.status == 200, answer.status
        late = max(late, 1000 * (time.perf_counter() - at))

    connector = aiohttp.TCPConnector(limit=100)
    async with aiohttp.ClientSession(connector=connector) as client:
        began = time.perf_counter()
        for number in range(total):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            task = asyncio.create_task(tell(number, json.dumps(_event(number, dice))))
            sending.add(task)
            task.add_done_callback(sending.discard)
        await asyncio.gather(*sending)
    return total, late, time.perf_counter() - began


def _event(number: int, dice: random.Random) -> dict[str, Any]:
    """What a member does: mostly a message, now and then a reply or a reaction."""
    team, user = f"T0BENCH{number % CLUBS:02}", f"U0BENCH{dice.randrange(MEMBERS):03}"
    ts = f"{int(time.time())}.{number:06}"
    inner = {"user": user, "channel": "C0CLUB", "channel_type": "group", "team": team}
    inner |= {"type": "message", "ts": ts, "event_ts": ts, "text": "Good morning, all of you."}
    if number % 5 == 1:
        other = f"U0BENCH{dice.randrange(MEMBERS):03}"
        inner |= {"thread_ts": "1700000000.000100", "parent_user_id": other}
    elif number % 5 == 2:
        item = {"type": "message", "channel": "C0CLUB", "ts": ts}
        inner |= {"type": "reaction_added", "item": item, "reaction": "wave"}
    authorized = {"team_id": team, "user_id": "U0BOT", "is_bot": True}
    return {
        "type": "event_callback",
        "team_id": team,
        "api_app_id": APP.id,
        "event_id": f"Ev{number}",
        "event_time": int(time.time()),
        "authorizations": [{**authorized, "is_enterprise_install": False}],
        "event": inner,
    }


# ---- The process that takes it in ----------------------------------------------------------------


async def take_in(url: str) -> None:
    """All clubs, until the input ends."""
    store, clock = TortoiseStore(url, RECORD_KEY, SystemClock()), SystemClock()
    await store.open()
    policy = load_policy(policy_text("T0BENCH00:U0ADMIN", "T0BENCH00:U0OTHER"), "lighthouse.yaml")
    observers, intakes = list[Observer](), list[Intake]()
    for number in range(CLUBS):
        parts = Parts(
            club=ClubId(f"club-{number:02}"),
            store=store,
            platforms={},
            shelf=Shelf(policy),
            clock=clock,
            base_url="http://club.test",
            secret=b"a secret of sixteen bytes or more",
        )
        await _people(parts, f"T0BENCH{number:02}")
        observers.append(Observer(parts))
        intakes.append(_intake(parts, observers[-1], f"T0BENCH{number:02}"))
    for intake in intakes:
        await intake.start()

    async def receive(scope: Any, read: Any, send: Any) -> None:
        await intakes[int(scope["path"].rpartition("/")[2])].routes(scope, read, send)

    server = serve(receive, port=0)
    serving = asyncio.create_task(server.serve())
    flushing = asyncio.create_task(_flushed(observers))
    print(json.dumps({"address": f"http://127.0.0.1:{server.port}"}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    flushing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await flushing
    server.should_exit = True
    await serving
    kept = 0
    for number, observer in enumerate(observers):
        await intakes[number].stop()
        await observer.flush()
        async with store.look(ClubId(f"club-{number:02}")) as tx:
            kept += sum(one.count for one in await tx.find(Activity))
    await store.close()
    print(json.dumps({"kept": kept}), flush=True)


async def _people(parts: Parts, team: str) -> None:
    now = datetime.now(UTC)
    async with parts.store.transaction(parts.club) as tx:
        for number in range(MEMBERS):
            who = Identity("slack", f"{team}:U0BENCH{number:03}")
            guest = Guest(identity=who, name=f"Member {number}")
            await adopt_one(tx, parts, guest, "operator:bench", now)


def _intake(parts: Parts, observer: Observer, team: str) -> Intake:
    scene = Scene(
        team=team, bot="U0BOT", club="C0CLUB", admins="C0DESK", rooms={"lighthouse": "C0CLUB"}
    )
    return Intake(
        API,
        Desk(parts, observer),
        scene,
        parts.clock,
        looks=Looks(symbol_of),
        signing_secret=APP.signing_secret,
    )


async def _flushed(observers: list[Observer]) -> None:
    """As the service does for its club."""
    while True:
        await asyncio.sleep(FLUSH.total_seconds())
        for observer in observers:
            await observer.flush()


if __name__ == "__main__":
    asyncio.run(take_in(sys.argv[1]))
