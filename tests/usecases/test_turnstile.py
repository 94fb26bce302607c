import asyncio

from gatekeeper.usecases.turnstile import Turnstile


async def test_the_most_urgent_of_those_who_wait_goes_first():
    gate, went = Turnstile(1), []
    begun = asyncio.Event()

    async def go(lane, wait=None):
        async with gate.through(lane):
            went.append(lane)
            begun.set()
            if wait is not None:
                await wait.wait()

    hold = asyncio.Event()
    first = asyncio.create_task(go("3-admission", hold))
    await begun.wait()
    others = [asyncio.create_task(go(lane)) for lane in ("7-proof", "2-card", "6-removal")]
    await asyncio.sleep(0)
    hold.set()
    await asyncio.gather(first, *others)
    assert went == ["3-admission", "2-card", "6-removal", "7-proof"]


async def test_nobody_goes_in_beside_someone_more_urgent():
    gate, hold, went = Turnstile(2), asyncio.Event(), []

    async def go(lane):
        async with gate.through(lane):
            went.append(lane)
            await hold.wait()

    lanes = ("3-admission", "4-update", "3-admission", "2-card")
    tasks = [asyncio.create_task(go(lane)) for lane in lanes]
    await asyncio.sleep(0.01)
    assert went == ["3-admission", "3-admission"], "two as urgent go together, the update waits"
    hold.set()
    await asyncio.gather(*tasks)
    assert went[2:] == ["2-card", "4-update"]


async def test_whoever_gives_up_waiting_costs_no_place():
    gate, hold, inside = Turnstile(1), asyncio.Event(), asyncio.Event()

    async def stay():
        async with gate.through("1"):
            inside.set()
            await hold.wait()

    holder = asyncio.create_task(stay())
    await inside.wait()
    waiting = asyncio.create_task(stay())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    hold.set()
    await holder
    async with asyncio.timeout(1), gate.through("1"):
        assert waiting.cancelled()
