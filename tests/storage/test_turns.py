"""One writer at a time: urgent ones first, none waits for ever, one that gives up stops nobody."""

import asyncio

from gatekeeper.storage.connections import Turns


async def held(turns: Turns, name: str, told: list[str], urgent: bool = False) -> None:
    async with turns.turn(urgent):
        told.append(name)
        await asyncio.sleep(0)


async def lined_up(turns: Turns, told: list[str], *names: str) -> list["asyncio.Task[None]"]:
    """In this order behind somebody; those that begin with "u" are urgent."""
    made = [asyncio.create_task(held(turns, n, told, n.startswith("u"))) for n in names]
    await asyncio.sleep(0)
    return made


async def test_urgent_ones_go_first() -> None:
    turns, told = Turns(), list[str]()
    async with turns.turn():
        waiting = await lined_up(turns, told, "a", "b", "u1", "u2", "c")
    await asyncio.gather(*waiting)
    assert told == ["u1", "u2", "a", "b", "c"]


async def test_one_of_the_others_goes_before_urgent_ones_so_often() -> None:
    turns, told = Turns(every=0.0), list[str]()
    async with turns.turn():
        waiting = await lined_up(turns, told, "a", "u1", "u2", "b")
    await asyncio.gather(*waiting)
    assert told == ["a", "b", "u1", "u2"]


async def test_only_one_holds_it_at_a_time() -> None:
    turns, inside, most = Turns(), 0, 0

    async def work(urgent: bool) -> None:
        nonlocal inside, most
        async with turns.turn(urgent):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work(number % 3 == 0) for number in range(50)))
    assert most == 1
    async with asyncio.timeout(1), turns.turn():
        pass


async def test_who_gives_up_holds_nobody_up() -> None:
    turns, told = Turns(), list[str]()
    async with turns.turn():
        waiting = await lined_up(turns, told, "a", "u1", "b")
        waiting[1].cancel()
    waiting[0].cancel()  # just as it was handed over
    await asyncio.gather(*waiting, return_exceptions=True)
    assert told == ["b"]
    async with asyncio.timeout(1), turns.turn():
        pass


async def test_a_failure_inside_hands_it_on() -> None:
    turns = Turns()
    try:
        async with turns.turn():
            raise OSError
    except OSError:
        pass
    async with asyncio.timeout(1), turns.turn(urgent=True):
        pass


async def test_in_a_flood_the_next_urgent_one_may_come_first() -> None:
    turns, told = Turns(moment=5.0), list[str]()
    async with turns.turn():
        waiting = await lined_up(turns, told, "a", "u1")
    await waiting[1]
    late = await lined_up(turns, told, "b", "u2")  # while it rests: "b" stands behind "a"
    await late[1]
    assert told == ["u1", "u2"]
    assert turns._resting is not None
    turns._end_rest()
    turns._rested()  # the moment is over
    await asyncio.gather(*waiting, *late)
    assert told == ["u1", "u2", "a", "b"]
    async with asyncio.timeout(1), turns.turn():
        pass
