"""Slack, on the stand-in: how soon presses are answered, how fast people are taken out, and how
much of a process fifty workspaces take.

The stand-in, and whoever presses, run in the bench's own process: beside the service, and part of
what the machine does.
"""

import asyncio
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp

from gatekeeper.clock import SystemClock
from gatekeeper.domain.decisions import Lane, Order, Progress, Remove
from gatekeeper.domain.identity import ClubId, Identity
from gatekeeper.engine.dbos_engine import CONCURRENCY
from gatekeeper.engine.relay import PERFORM, Relay
from gatekeeper.policy.parse import load_policy
from gatekeeper.storage.store import TortoiseStore
from gatekeeper.testing.fakes_engine import FakeEngine
from gatekeeper.usecases.parts import Parts, Shelf, order
from gatekeeper.usecases.perform import Performer
from tests.adapters.slack.world import SlackWorld
from tests.bench import slack_many
from tests.bench.app import seconds_of
from tests.bench.frame import Bar, Row
from tests.demo.chapters import APPROVE, DECLINE
from tests.demo.workspace import policy_text
from tests.journeys.slack_club import Club, Line
from tests.storage.fresh import RECORD_KEY, fresh_sqlite
from tests.support.slack.delivery import ACK, signed
from tests.support.slack.world import Message

RATE, SECONDS = 200, 30  # presses a second, and for how long
CARDS, PRESSERS = 10, 60
CALM: Final = 3.0  # seconds that the service is given before
PEOPLE, SPEED, TIER = 500, 60.0, 50  # tier 3 allows so many calls a minute
Say = Callable[[str], None]


async def rows(say: Say) -> list[Row]:
    """Presses, removals, then fifty workspaces."""
    return [*await _acks(say), *await _removals(say), *await slack_many.rows(say)]


# ---- Presses -----------------------------------------------------------------------------------


async def _acks(say: Say) -> list[Row]:
    """The real service, told by signed requests, at Slack's own limits."""
    async with Line("http") as stage:
        club = Club(stage)
        await club.open()
        cards = [await club.applied(f"guest{number}") for number in range(CARDS)]
        names = [f"reader{number}" for number in range(PRESSERS)]
        for name in names:
            stage.slack.world.join(stage.team, club.keepers, stage.person(name).id)
        await stage.slack.quiet()
        await asyncio.sleep(CALM)
        stage.slack.api.speed = 1.0
        asked, work = len(stage.slack.api.calls), seconds_of(stage.service.pid)
        took = await _pressed(club, cards, ["alice", *names])
        asked = len(stage.slack.api.calls) - asked
        work = seconds_of(stage.service.pid) - work
    took.sort()
    late = sum(one > 1000 * ACK for one in took)  # a refusal counts as one, too
    p99 = took[int(len(took) * 0.99)]
    say(f"acks: median {statistics.median(took):.1f}, p99 {p99:.1f}, longest {took[-1]:.0f} ms")
    say(f"{late} late, {asked} calls, {work:.1f} s of work")
    note = (
        f"{RATE} signed presses a second over {SECONDS} s, {PRESSERS} people and an admin, {CARDS}"
        f" cards; median {statistics.median(took):.1f} ms, longest {took[-1]:.0f}; {asked} calls of"
        f" ours, {100 * work / SECONDS:.0f} % of a core"
    )
    return [
        Row("slack.ack_p99", "ms", [p99], bar=Bar("ours", 100, below=True), note=note),
        Row("slack.ack_late", "presses", [late], bar=Bar("ours", 0), note="answered after 3 s"),
    ]


async def _pressed(club: Club, cards: Sequence[Message], names: Sequence[str]) -> list[float]:
    """Milliseconds until each press was answered; it is sent when it is its turn, whatever became
    of those before."""
    slack, took = club.stage.slack, list[float]()

    async def press(body: str) -> None:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            **signed(slack.world.app, body, slack.world.now()),
        }
        began = time.perf_counter()
        async with client.post(slack.app_url, data=body, headers=headers) as answer:
            await answer.read()
        well = answer.status == 200
        took.append(1000 * (time.perf_counter() - began) if well else math.inf)

    bodies = [  # made before, so that whoever presses takes little of the machine
        _body(club, cards[number % len(cards)], names[number % len(names)], number)
        for number in range(RATE * SECONDS)
    ]
    connector = aiohttp.TCPConnector(limit=200)
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as client:
        began, sending = time.perf_counter(), list[asyncio.Task[None]]()
        for number, body in enumerate(bodies):
            await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            sending.append(asyncio.create_task(press(body)))
        await asyncio.gather(*sending)
    return took


def _body(club: Club, card: Message, name: str, number: int) -> str:
    """As a button's press is sent."""
    person, world = club.stage.person(name), club.stage.slack.world
    symbol = APPROVE if number % 3 else DECLINE
    action = next(
        one
        for block in card.blocks
        for one in block.get("elements", ())
        if symbol in str(one.get("value"))
    )
    payload: dict[str, Any] = {
        "type": "block_actions",
        "user": {"id": person.id, "team_id": club.stage.team.id},
        "team": {"id": club.stage.team.id},
        "container": {
            "type": "message",
            "message_ts": card.ts,
            "channel_id": club.keepers.id,
        },
        "trigger_id": f"t{number}",
        "channel": {"id": club.keepers.id, "name": "privategroup"},
        "message": {"ts": card.ts, "text": card.text, "blocks": card.blocks},
        "actions": [{**action, "block_id": "b", "action_ts": world.ts()}],
    }
    return urlencode({"payload": json.dumps(payload)})


# ---- Removals ----------------------------------------------------------------------------------


async def _removals(say: Say) -> list[Row]:
    """Five hundred people out of a club's channel by its performer, as fast as Slack lets us."""
    with TemporaryDirectory(prefix="gk-bench-") as folder:
        store = TortoiseStore(fresh_sqlite(Path(folder)), RECORD_KEY, SystemClock())
        await store.open()
        async with SlackWorld("socket") as world:
            slack, rooms = world.slack, [world.channel("club"), world.channel("talk")]
            them = [await world.person() for _ in range(PEOPLE)]
            for room in rooms:
                room.members += [world.hands(who).id for who in them]
            slack.speed, slack.api.speed, slack.api.limited = SPEED, SPEED, True
            world.platform.pace.speed = SPEED
            slack.api.calls.clear()
            took = await _taken_out(world, store, them)
            inside = {user for room in rooms for user in room.members}
            left = len(inside & {world.hands(who).id for who in them})
            assert left == 0, f"{left} are still inside"
        await store.close()
    calls = len(slack.api.of("conversations.kick"))
    needless = len(slack.api.needless)
    say(f"{PEOPLE} removals: {took:.1f} s, {calls} kicks, {needless} needless calls")
    limit = calls / TIER * 60 / SPEED
    return [
        Row(
            "slack.remove_500",
            "s",
            [took],
            [limit],
            Bar("ratio", 1.05),
            f"out of two channels, limits {SPEED:g} times as fast; floor: {TIER} kicks a minute",
        ),
        Row(
            "slack.remove_500_429",
            "calls",
            [needless],
            bar=Bar("ours", 0),
            note="made before the time that a 429 of their method had named",
        ),
    ]


async def _taken_out(world: SlackWorld, store: TortoiseStore, them: Sequence[Identity]) -> float:
    """Seconds until all of them are out, each by an Order, as the relay hands them on."""
    policy = load_policy(policy_text("T0BENCH:U0FAY", "T0BENCH:U0ANN"), "lighthouse.yaml")
    parts = Parts(
        club=ClubId("lighthouse"),
        store=store,
        platforms={"slack": world.platform},
        shelf=Shelf(policy),
        clock=SystemClock(),
        base_url="http://club.test",
        secret=b"a secret of sixteen bytes or more",
    )
    performer = Performer(parts)
    async with store.transaction(parts.club) as tx:
        for who in them:
            await order(
                tx,
                Remove(who=who, reason="silent"),
                platform="slack",
                key=f"out/{who}",
                purpose="bench",
                subject=f"bench:{who}",
                lane=Lane.REMOVAL,
                now=parts.clock.now(),
            )
    engine = FakeEngine()  # the real one's own database would be measured, too

    jobs = asyncio.Semaphore(CONCURRENCY)

    async def perform(_club: str, order_id: int, attempt: int) -> None:
        async with jobs:
            await performer.perform(order_id, attempt)

    async def nothing(_club: ClubId) -> None:
        return None

    engine.register(PERFORM, perform)
    relay = Relay(store, engine, parts.clock, nothing)
    store.committed = relay.nudge
    began = time.monotonic()
    await engine.start()
    await relay.start()
    try:
        while True:
            async with store.look(parts.club) as tx:
                due = await tx.first(Order, progress=Progress.DUE, order="-due_at")
            if due is None:
                return time.monotonic() - began
            left = (due.due_at - parts.clock.now()).total_seconds()
            await asyncio.sleep(min(max(left, 0.02), 1.0))
    finally:
        await relay.stop()
        await engine.stop()
