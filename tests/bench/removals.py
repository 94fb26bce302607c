"""Removals on a real homeserver: beside bare kicks, one after another, by the same account.

Ours is what the service does for each removal: it looks how the person stands, then takes them
out of all rooms and the space; two people at a time, as its performer has it. The floor kicks each
of the same number of people out of the same rooms and looks at nothing.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from aiohttp import ClientSession

from gatekeeper.domain.decisions import Action, Admit, Remove
from gatekeeper.domain.errors import PlatformBusy
from gatekeeper.domain.identity import Identity
from tests.adapters.matrix.world import MatrixWorld
from tests.bench.frame import Bar, Row
from tests.support.proxy import Call
from tests.support.synapse import Synapse

RUNS, PEOPLE = 6, 12  # in each run so many are removed by each of both
SETTLED = 3.0  # seconds that a homeserver is given for what it does after people have joined
AT_ONCE = 2  # as `usecases.perform` has it for one platform
Say = Callable[[str], None]


async def rows(say: Say) -> list[Row]:
    """Without limits beside bare kicks; then with a homeserver's own, counting its refusals."""
    ours, bare = list[float](), list[float]()
    async with _world("off") as world:
        for turn in range(RUNS + 1):
            rates = {}
            # Each has the rooms with the same number of people, and the first turn in turn.
            for way in (_removed, _kicked) if turn % 2 else (_kicked, _removed):
                them = await _inside(world, PEOPLE)
                await asyncio.sleep(SETTLED)
                rates[way] = PEOPLE / await way(world, them)
            if turn:  # the first one warms connections and caches
                ours.append(rates[_removed])
                bare.append(rates[_kicked])
                say(f"{ours[-1]:.1f} removals/s, bare {bare[-1]:.1f}")
    return [
        Row(
            "sweep.remove_matrix",
            "people/s",
            ours,
            bare,
            Bar("ratio", 0.9, least=True),
            f"{PEOPLE} people out of a space and two rooms, no limits; floor: bare kicks in turn",
        ),
        await _refused(say),
    ]


class _world:  # noqa: N801 - used like a function
    """A club on a homeserver of its own."""

    def __init__(self, limits: str) -> None:
        self._limits = limits

    async def __aenter__(self) -> MatrixWorld:
        self._folder = TemporaryDirectory(prefix="gk-bench-")
        self._synapse = Synapse(Path(self._folder.name) / "hs", limits=self._limits)  # type: ignore[arg-type]
        await asyncio.to_thread(self._synapse.start)
        self._world = MatrixWorld(self._synapse)
        return await self._world.__aenter__()

    async def __aexit__(self, *_: object) -> None:
        await self._world.__aexit__()
        await asyncio.to_thread(self._synapse.stop)
        self._folder.cleanup()


async def _inside(world: MatrixWorld, number: int) -> list[Identity]:
    """People who have joined the space and all rooms."""
    them = []
    for _ in range(number):
        who = await world.person()
        hands = world.hands(who)
        await _patient(world, Admit(who=who), f"in/{who}")
        await hands.wait_for_invite(lambda invitation: invitation.room == world.scene.space)
        await world.enter(who)
        them.append(who)
    return them


async def _patient(world: MatrixWorld, action: Action, key: str) -> None:
    while True:
        try:
            await world.platform.perform(action, key, world.now())
            return
        except PlatformBusy as busy:
            await asyncio.sleep(busy.retry_after.total_seconds())


async def _removed(world: MatrixWorld, them: Sequence[Identity]) -> float:
    """Seconds until all of them are out; Busy is waited out, as the performer does."""
    free = asyncio.Semaphore(AT_ONCE)
    open_at = time.monotonic()

    async def remove(who: Identity) -> None:
        nonlocal open_at
        async with free:
            while True:
                await asyncio.sleep(max(0.0, open_at - time.monotonic()))
                try:
                    standing = await world.platform.standing(who)
                    if standing.inside:
                        await world.platform.perform(
                            Remove(who=who, reason="silent"), f"out/{who}", world.now()
                        )
                    return
                except PlatformBusy as busy:
                    wait = max(busy.retry_after, timedelta(0)).total_seconds()
                    open_at = max(open_at, time.monotonic() + wait)

    began = time.monotonic()
    await asyncio.gather(*(remove(who) for who in them))
    return time.monotonic() - began


async def _kicked(world: MatrixWorld, them: Sequence[Identity]) -> float:
    """The same by nothing but kicks."""
    headers = {"Authorization": f"Bearer {world.bot.token}"}
    rooms = (*world.scene.rooms, world.scene.space)
    async with ClientSession(world.proxy.url, headers=headers) as session:
        began = time.monotonic()
        for who in them:
            for room in rooms:
                path = f"/_matrix/client/v3/rooms/{quote(room, safe='')}/kick"
                body = {"user_id": who.account, "reason": "silent"}
                async with session.post(path, json=body) as answer:
                    answer.raise_for_status()
        return time.monotonic() - began


async def _refused(say: Say) -> Row:
    """How often a homeserver with its own limits said 429 though it had been asked to wait."""
    needless = 0
    async with _world("default") as world:
        them = await _inside(world, PEOPLE)
        began = time.monotonic()
        await _removed(world, them)
        told = [call for call in world.proxy.find("POST", "/kick$", 429) if call.at > began]
        for call in told:
            needless += any(_asked_to_wait(one, call) for one in told)
        say(f"with limits: {len(told)} times 429 in {time.monotonic() - began:.0f} s")
    return Row(
        "sweep.remove_matrix_429",
        "calls",
        [needless],
        bar=Bar("ours", 0),
        note=f"refused though an earlier answer had asked to wait; {PEOPLE} people, default limits",
    )


def _asked_to_wait(earlier: Call, call: Call) -> bool:
    if earlier.answered is None or earlier.retry_after_ms is None:
        return False
    return earlier.answered < call.at < earlier.answered + earlier.retry_after_ms / 1000
