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
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp

from gatekeeper.domain.decisions import Remove
from gatekeeper.domain.errors import PlatformBusy
from gatekeeper.domain.identity import Identity
from tests.adapters.slack.world import SlackWorld
from tests.bench import slack_many
from tests.bench.app import seconds_of
from tests.bench.frame import Bar, Row
from tests.demo.chapters import APPROVE, DECLINE
from tests.journeys.slack_club import Club, Line
from tests.support.slack.delivery import ACK, signed
from tests.support.slack.world import Message

RATE, SECONDS = 200, 30  # presses a second, and for how long
CARDS, PRESSERS = 10, 60
CALM: Final = 3.0  # seconds that the service is given before
PEOPLE, SPEED, TIER = 500, 60.0, 50  # tier 3 allows so many calls a minute
AT_ONCE = 2  # as `usecases.perform` has it for one platform
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

    connector = aiohttp.TCPConnector(limit=200)
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as client:
        began, sending = time.perf_counter(), list[asyncio.Task[None]]()
        for number in range(RATE * SECONDS):
            await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            name = names[number % len(names)]
            body = _body(club, cards[number % len(cards)], name, number)
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
    """Five hundred people out of a club's one channel, two at a time, as fast as Slack lets us."""
    async with SlackWorld("http") as world:
        slack = world.slack
        them = [await world.person() for _ in range(PEOPLE)]
        club = world.channel("club")
        for who in them:
            club.members.append(world.hands(who).id)
        slack.speed, slack.api.speed, slack.api.limited = SPEED, SPEED, True
        slack.api.calls.clear()
        took = await _taken_out(world, them)
        left = len(set(club.members) & {world.hands(who).id for who in them})
        assert left == 0, f"{left} are still inside"
        calls = len(slack.api.of("conversations.kick"))
        needless = len(slack.api.needless)
        say(f"{PEOPLE} removals: {took:.1f} s, {calls} kicks, {needless} needless calls")
    limit = PEOPLE / TIER * 60 / SPEED
    return [
        Row(
            "slack.remove_500",
            "s",
            [took],
            [limit],
            Bar("ratio", 1.05),
            f"out of one channel, limits {SPEED:g} times as fast; floor: {TIER} kicks a minute",
        ),
        Row(
            "slack.remove_500_429",
            "calls",
            [needless],
            bar=Bar("ours", 0),
            note="made before the time that a 429 of their method had named",
        ),
    ]


async def _taken_out(world: SlackWorld, them: Sequence[Identity]) -> float:
    """Seconds until all of them are out; Busy is waited out, as the performer does."""
    free, open_at = asyncio.Semaphore(AT_ONCE), time.monotonic()

    async def remove(who: Identity) -> None:
        nonlocal open_at
        async with free:
            while True:
                await asyncio.sleep(max(0.0, open_at - time.monotonic()))
                try:
                    if (await world.platform.standing(who)).inside:
                        act = Remove(who=who, reason="silent")
                        await world.platform.perform(act, f"out/{who}", world.now())
                    return
                except PlatformBusy as busy:
                    wait = max(0.0, busy.retry_after.total_seconds())
                    open_at = max(open_at, time.monotonic() + wait)

    began = time.monotonic()
    await asyncio.gather(*(remove(who) for who in them))
    return time.monotonic() - began
