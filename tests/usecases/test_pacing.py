"""Bulk takes its times in a line, over all workers; what somebody waits for goes before it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gatekeeper.domain.clubs import ClubState
from gatekeeper.domain.decisions import Lane, Order, Progress, Tell
from gatekeeper.testing.fakes import FakeStore, ManualClock
from gatekeeper.usecases.parts import order
from gatekeeper.usecases.perform import Performer
from tests.journeys.club import CLUB, Club, a_club

COST = timedelta(seconds=2)


@pytest.fixture
async def club() -> AsyncIterator[Club]:
    async with a_club(FakeStore(ManualClock())) as found:
        await found.settle()
        found.platform.costs = lambda action: {"say": COST}  # type: ignore[attr-defined]
        yield found


async def place(club: Club, *names: str, lane: Lane = Lane.NOTICE) -> None:
    async with club.store.transaction(CLUB) as tx:
        for name in names:
            who = club.platform.person(f"@{name}:fake", takes_chats=True)
            await order(
                tx,
                Tell(who=who, text="Hello."),
                platform="matrix",
                key=name,
                purpose="told",
                subject=f"of:{name}",
                lane=lane,
                now=club.clock.now(),
            )


async def perform(club: Club) -> list[str]:
    """What is due now, by whoever works; whose Orders were done by that."""
    ripe = await club.find(Order, progress=Progress.DUE, due_at__lte=club.clock.now())
    for one in ripe:
        await club.performer.perform(one.id, one.attempt)
    left = {one.id for one in await club.find(Order, progress=Progress.DUE)}
    return [one.key for one in ripe if one.id not in left]


async def test_each_goes_when_it_is_its_turn(club: Club) -> None:
    await place(club, "a", "b", "c")
    began, done = club.clock.now(), dict[str, float]()
    for _ in range(6):
        for key in await perform(club):
            done[key] = (club.clock.now() - began).total_seconds()
        club.clock.advance(seconds=1)
    assert done == {"a": 0, "b": 2, "c": 4}


async def test_what_is_waited_for_goes_at_once_and_bulk_makes_up_for_it(club: Club) -> None:
    await place(club, "a")
    await perform(club)
    await place(club, "now", lane=Lane.ANSWER)
    assert await perform(club) == ["now"]
    await place(club, "b")
    began = club.clock.now()
    assert await perform(club) == []
    [waiting] = await club.find(Order, key="b")
    assert waiting.due_at == began + 2 * COST


async def test_another_worker_stands_in_the_same_line(club: Club) -> None:
    await place(club, "a", "b")
    assert await perform(club) == ["a"]
    club.performer = Performer(club.parts)
    await place(club, "c")
    assert await perform(club) == []
    club.clock.advance(seconds=2)
    assert await perform(club) == ["b"]
    club.clock.advance(seconds=2)
    assert await perform(club) == ["c"]


async def test_after_a_pause_they_do_not_come_all_at_once(club: Club) -> None:
    await place(club, "a", "b", "c", "d")
    assert await perform(club) == ["a"]
    async with club.store.transaction(CLUB) as tx:
        state = await tx.first(ClubState)
        assert state is not None
        await tx.change(state, paused_at=club.clock.now())
    club.clock.advance(seconds=600)
    assert await perform(club) == []
    async with club.store.transaction(CLUB) as tx:
        state = await tx.first(ClubState)
        assert state is not None
        await tx.change(state, paused_at=None)
    gone = list[int]()
    for _ in range(8):
        gone.append(len(await perform(club)))
        club.clock.advance(seconds=1)
    assert max(gone) == 1
    assert sum(gone) == 3


async def test_a_platform_without_costs_is_not_paced(club: Club) -> None:
    del club.platform.costs  # type: ignore[attr-defined]
    await place(club, "a", "b", "c")
    assert await perform(club) == ["a", "b", "c"]
