"""Presses that a platform has to be answered for at once: kept first, weighed by the next look."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from gatekeeper.domain.applications import Application, State, Vote
from gatekeeper.domain.clubs import EarlyPress
from gatekeeper.domain.errors import PlatformBusy, PlatformDown
from gatekeeper.domain.events import Pressed
from gatekeeper.domain.identity import Identity
from gatekeeper.testing.fakes import FakeStore, ManualClock
from gatekeeper.usecases import presses
from gatekeeper.usecases.intake import Desk
from tests.journeys.club import Club, a_club


@pytest.fixture
async def club() -> AsyncIterator[Club]:
    async with a_club(FakeStore(ManualClock())) as found:
        ada = found.platform.person("@ada:fake", takes_chats=True)
        await found.apply(ada)
        yield found


def press(club: Club, who: Identity, number: int = 0, symbol: str = "✅") -> Pressed:
    return Pressed(
        who=who,
        at=club.clock.now(),
        event_id=f"press:{who}:{number}",
        ref=club.card_of("Ada").ref,
        symbol=symbol,
        place="admins",
    )


async def test_what_is_kept_survives_and_is_weighed_once(club: Club) -> None:
    kept = press(club, club.alice)
    await club.desk.keep(kept)
    assert not await club.find(Vote)
    club.desk = Desk(club.parts, club.observer)  # a new process
    await club.desk.keep(kept)
    assert len(await club.find(EarlyPress)) == 1
    await club.settle()
    await club.desk.keep(kept)  # told once more, after it was weighed
    await club.settle()
    assert len(await club.find(Vote)) == 1
    assert not await club.find(EarlyPress)


async def test_those_that_come_together_are_kept_together(club: Club, monkeypatch) -> None:
    commits, asked = 0, 0
    transaction, admins = club.store.transaction, club.platform.admins

    def counted(name, **how):
        nonlocal commits
        commits += 1
        return transaction(name, **how)

    async def ask():
        nonlocal asked
        asked += 1
        return await admins()

    monkeypatch.setattr(club.store, "transaction", counted)
    gil = club.platform.person("@gil:fake")
    await asyncio.gather(*(club.desk.keep(press(club, gil, n)) for n in range(40)))
    assert commits <= 2
    monkeypatch.setattr(club.platform, "admins", ask)
    assert await presses.due(club.parts, club.clock.now()) is None
    assert asked == 1
    assert not await club.find(EarlyPress)


async def test_a_store_that_fails_is_told_to_each(club: Club, monkeypatch) -> None:
    def broken(name, **how):
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(club.store, "transaction", broken)
        keeping = [club.desk.keep(press(club, club.alice, n)) for n in range(3)]
        faults = await asyncio.gather(*keeping, return_exceptions=True)
    assert [type(one) for one in faults] == [OSError] * 3
    await club.desk.keep(press(club, club.alice))
    await club.settle()
    assert len(await club.find(Vote)) == 1


@pytest.mark.parametrize(
    ("fault", "wait"),
    [(PlatformBusy("fake", timedelta(seconds=7)), 7), (PlatformDown("fake", "away"), 5)],
)
async def test_where_the_platform_cannot_be_asked_it_waits(club: Club, monkeypatch, fault, wait):
    await club.desk.keep(press(club, club.alice))

    async def ask():
        raise fault

    now = club.clock.now()
    with monkeypatch.context() as patched:
        patched.setattr(club.platform, "admins", ask)
        assert await presses.due(club.parts, now) == now + timedelta(seconds=wait)
    assert not await club.find(Vote)
    await club.settle()
    assert len(await club.find(Vote)) == 1


async def test_one_that_fails_by_itself_holds_up_no_other(club: Club, monkeypatch) -> None:
    await club.desk.keep(press(club, club.alice))
    await club.desk.keep(press(club, club.boris))
    take = presses._take

    async def some(parts, event, card):
        if event.who == club.alice:
            raise KeyError("of our own making")
        await take(parts, event, card)

    monkeypatch.setattr(presses, "_take", some)
    for _ in range(4):
        assert await presses.due(club.parts, club.clock.now()) is not None
        assert [one.voter for one in await club.find(Vote)] == [club.boris]
    assert await presses.due(club.parts, club.clock.now()) is None  # passed over, and told
    assert not await club.find(EarlyPress)
    assert (await club.one(Application)).state is State.IN_REVIEW


async def test_a_flood_is_taken_in_part_by_part_in_its_order(club: Club) -> None:
    gil = club.platform.person("@gil:fake")
    far = replace(press(club, gil), ref="of nothing that we know", event_id="early")
    await club.desk.keep(far)
    await asyncio.gather(*(club.desk.keep(press(club, gil, n)) for n in range(250)))
    left = list[int]()
    while await presses.due(club.parts, club.clock.now()) is not None:
        left.append(len(await club.find(EarlyPress)))
    assert left[0] > 100
    assert [one.event_id for one in await club.find(EarlyPress)] == ["early"]
    club.clock.advance(days=2)
    assert await presses.due(club.parts, club.clock.now()) is None
    assert not await club.find(EarlyPress)
