"""StoreContract: the laws of the Store port."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from gatekeeper.domain.activity import (
    Activity,
    Kind,
)
from gatekeeper.domain.clubs import (
    Checkpoint,
    ClubState,
)
from gatekeeper.domain.decisions import Decision, Entry, Order, Progress, Verdict
from gatekeeper.domain.errors import NotFound, StorageError
from gatekeeper.domain.identity import ClubId, Person
from gatekeeper.ports import Store, Tx
from gatekeeper.testing.store_row_laws import LUTES, RowLaws
from gatekeeper.testing.store_samples import (
    NOON,
    later,
    order,
    person,
)
from gatekeeper.testing.store_sign_laws import DRUMS, Make, SignLaws, sign


class Abandoned(Exception):
    """A use case that gives up half way."""


async def note(tx: Tx, subject: str, **seen: Any) -> Entry:
    """One row of the record."""
    return await tx.record(
        Decision(Verdict.ADMIT, "quorum", {"vouches": 2}),
        at=NOON,
        actor="rule:é",
        subject=subject,
        sentence="You are in. ✅\0",
        policy="digest",
        seen=seen or None,
    )


class StoreContract(SignLaws, RowLaws):
    """A subclass gives the fixture `make`: each call another open Store on the same data, as
    another process would have it, closed by the fixture; and `store`, one of them."""

    async def test_an_abandoned_transaction_leaves_nothing(self, store: Store) -> None:
        told: list[Sequence[int]] = []
        async with store.transaction(LUTES) as tx:
            kept = await tx.add(person(LUTES))
        store.committed = lambda _club, orders: told.append(orders)
        before = await store.head(LUTES)

        async def give_up() -> None:
            async with store.transaction(LUTES) as tx:
                await tx.change(kept, name="Eve")
                await tx.add(order(LUTES))
                await tx.merge_activity({1: [sign(Kind.READ, 1)]})
                await note(tx, "club", why="x")
                await tx.remove(Person, id=kept.id)
                raise Abandoned

        with pytest.raises(Abandoned):
            await give_up()
        async with store.look(LUTES) as tx:
            assert await tx.find(Person) == [kept]
            assert [await tx.count(kind) for kind in (Order, Activity)] == [0, 0]
            assert await tx.entries() == []
        assert (await store.head(LUTES), told) == (before, [])

    async def test_a_cancelled_transaction_leaves_nothing_and_holds_nobody_up(
        self, store: Store
    ) -> None:
        inside = asyncio.Event()

        async def hang() -> None:
            async with store.transaction(LUTES) as tx:
                await tx.add(person(LUTES))
                inside.set()
                await asyncio.sleep(60)

        for pause in (inside.wait, lambda: asyncio.sleep(0), lambda: asyncio.sleep(0.001)):
            hanging = asyncio.create_task(hang())
            await pause()
            hanging.cancel()
            await asyncio.gather(hanging, return_exceptions=True)
            inside.clear()
        async with asyncio.timeout(5), store.transaction(LUTES) as tx:
            assert await tx.count(Person) == 0

    async def test_writers_of_one_club_come_one_after_the_other(self, make: Make) -> None:
        """Each reads, waits and writes; over two processes none overwrites another's word."""
        stores = [await make(), await make()]
        async with stores[0].transaction(LUTES) as tx:
            kept = await tx.add(order(LUTES))

        async def once_more(store: Store) -> None:
            async with store.transaction(LUTES) as tx:
                fresh = await tx.get(Order, kept.id)
                await asyncio.sleep(0.005)
                await tx.change(fresh, attempt=fresh.attempt + 1)

        await asyncio.gather(*(once_more(store) for store in stores * 5))
        async with stores[1].look(LUTES) as tx:
            assert (await tx.get(Order, kept.id)).attempt == 10

    async def test_a_transaction_inside_a_transaction_is_a_mistake(self, store: Store) -> None:
        async with store.transaction(LUTES):
            with pytest.raises(RuntimeError, match="inside"):
                await store.transaction(LUTES).__aenter__()
        async with store.transaction(LUTES) as tx:
            assert await tx.count(ClubState) == 1

    async def test_who_looks_is_not_held_up_and_sees_one_moment(self, make: Make) -> None:
        store, other = await make(), await make()
        async with store.transaction(LUTES) as tx:
            kept = await tx.add(person(LUTES))
        async with asyncio.timeout(5), other.transaction(LUTES) as tx:
            await tx.change(kept, name="Eve")
            for watching in (store, other):
                async with watching.look(LUTES) as seen:
                    assert await seen.find(Person) == [kept]
        async with store.look(LUTES) as seen:
            assert (await seen.get(Person, kept.id)).name == "Eve"
            async with other.transaction(LUTES) as tx:
                await tx.remove(Person, id=kept.id)
            assert await seen.count(Person) == 1
        async with store.look(LUTES) as seen:
            assert await seen.count(Person) == 0

    async def test_looking_writes_nothing(self, store: Store) -> None:
        async with store.transaction(LUTES) as tx:
            kept = await tx.add(person(LUTES))
        async with store.look(LUTES) as seen:
            for writing in (
                seen.add(person(LUTES)),
                seen.change(kept, name="Eve"),
                seen.remove(Person, id=kept.id),
                seen.merge_activity({1: [sign(Kind.READ, 1)]}),
                seen.merge_ties([]),
                seen.move_last({}),
                seen.count_once([1], NOON.date()),
                seen.erase_inputs(["club"]),
                note(seen, "club"),
            ):
                with pytest.raises(StorageError):
                    await writing
            assert await seen.find(Person) == [kept]
        for late in (seen, tx):
            with pytest.raises(StorageError, match="ended"):
                await late.count(Person)

    async def test_clubs_are_not_seen_by_each_other(self, store: Store) -> None:
        assert await store.clubs() == []
        async with store.transaction(LUTES) as tx:
            kept = await tx.add(person(LUTES))
            await tx.add(order(LUTES))
            await note(tx, "club", why="ours")
        async with store.transaction(DRUMS) as tx:
            assert await tx.find(Person) == []
            assert await tx.entries() == []
            with pytest.raises(NotFound):
                await tx.get(Person, kept.id)
            with pytest.raises(ValueError, match="another club"):
                await tx.change(kept, name="Eve")
            with pytest.raises(ValueError, match="another club"):
                await tx.add(person(LUTES))
            await tx.add(order(DRUMS))  # keys are unique in a club
            assert await tx.remove(Person, id=kept.id) == await tx.erase_inputs(["club"]) == 0
            entry = await note(tx, "club", why="theirs")
            assert (entry.sequence, await tx.seen_by(entry)) == (1, {"why": "theirs"})
        assert await store.clubs() == [DRUMS, LUTES]
        async with store.look(LUTES) as tx:
            assert await tx.find(Person) == [kept]
        assert [await store.verify(club) for club in (LUTES, DRUMS)] == [1, 1]

    async def test_a_club_has_its_row_from_the_first_transaction_on(self, make: Make) -> None:
        stores = [await make(), await make()]

        async def begin(store: Store) -> ClubState | None:
            async with store.transaction(LUTES) as tx:
                return await tx.first(ClubState)

        first, *others = await asyncio.gather(*(begin(store) for store in stores * 3))
        assert first is not None
        assert others == [first] * 5
        assert (first.club, first.paused_at, first.created_at.utcoffset()) == (
            LUTES,
            None,
            timedelta(0),
        )

    async def test_signs_and_position_come_together_or_not_at_all(self, store: Store) -> None:
        async def give_up() -> None:
            async with store.transaction(LUTES) as tx:
                await tx.merge_activity({7: [sign(Kind.MESSAGE, 0)]})
                await tx.add(Checkpoint(club=LUTES, platform="matrix", position="s1"))
                raise Abandoned

        with pytest.raises(Abandoned):
            await give_up()
        async with store.look(LUTES) as tx:
            assert [await tx.count(Activity), await tx.count(Checkpoint)] == [0, 0]

    async def test_the_record_holds_and_outlives_what_is_erased(self, store: Store) -> None:
        assert await store.head(LUTES) == (0, "")
        async with store.transaction(LUTES) as tx:
            rows = [await note(tx, f"person:{n % 2}", said=["x", n]) for n in range(3)]
            rows.append(await note(tx, "club"))
        async with store.transaction(LUTES) as tx:
            rows.append(await note(tx, "person:1", nested={"é": None}))
            assert await tx.entries() == rows
            assert await tx.entries(subject="person:1") == [rows[1], rows[4]]
            assert await tx.entries(after=1, limit=2) == rows[1:3]
            assert await tx.seen_by(rows[2]) == {"said": ["x", 2]}
            assert await tx.seen_by(rows[3]) is None
        assert [row.sequence for row in rows] == [1, 2, 3, 4, 5]
        assert len({row.mac for row in rows}) == 5
        assert (rows[0].verdict, rows[0].code, rows[0].at) == (Verdict.ADMIT, "quorum", NOON)
        assert (rows[3].input_digest, await store.verify(LUTES)) == ("", 5)
        assert await store.head(LUTES) == (5, rows[4].mac)
        async with store.transaction(LUTES) as tx:
            assert await tx.erase_inputs([]) == 0
            assert await tx.erase_inputs(["person:1", "club", "person:9"]) == 2
            assert [await tx.seen_by(row) for row in rows[:2]] == [{"said": ["x", 0]}, None]
            assert await tx.entries() == rows
        assert (await store.verify(LUTES), await store.head(LUTES)) == (5, (5, rows[4].mac))

    async def test_the_same_input_has_another_digest_each_time(self, store: Store) -> None:
        """Who has erased an input must not be able to guess it from its digest."""
        async with store.transaction(LUTES) as tx:
            assert len({(await note(tx, "club", vote="no")).input_digest for _ in range(3)}) == 3

    async def test_every_commit_is_told_of_with_its_due_orders(self, store: Store) -> None:
        told: list[tuple[ClubId, tuple[int, ...], int]] = []

        def committed(club: ClubId, orders: Sequence[int]) -> None:
            told.append((club, tuple(orders), len(told)))

        store.committed = committed
        async with store.transaction(LUTES) as tx:
            due = await tx.add(order(LUTES))
            waiting = await tx.add(order(LUTES, "waiting", progress=Progress.WAITING))
            assert told == []
        async with store.transaction(LUTES) as tx:
            await tx.change(waiting, progress=Progress.DUE)
            await tx.change(due, reason="platform-down")
            later_on = await tx.change(due, due_at=later(1))
            await tx.change(later_on, progress=Progress.DONE)
        async with store.transaction(LUTES) as tx:
            await tx.add(person(LUTES))
        async with store.look(LUTES) as tx:
            await tx.find(Order)
        assert [club for club, _, _ in told] == [LUTES, LUTES, LUTES]
        assert told[0][1] == (due.id,)
        assert told[2][1] == (), "a commit without orders may still have moved a due date"
        assert waiting.id in told[1][1]

    async def test_it_opens_again_with_everything_in_it(self, make: Make) -> None:
        store = await make()
        async with store.transaction(LUTES) as tx:
            kept = await tx.add(person(LUTES))
            await note(tx, "club")
        await store.close()
        again = await make()
        async with again.look(LUTES) as tx:
            assert await tx.find(Person) == [kept]
        assert await again.verify(LUTES) == 1
