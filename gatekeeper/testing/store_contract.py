"""StoreContract: the laws of the Store port."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from gatekeeper.domain.activity import (
    Activity,
    Counted,
    Coverage,
    Kind,
    Relation,
    Sign,
    Span,
    Tie,
    mark_of,
)
from gatekeeper.domain.clubs import (
    Checkpoint,
    ClubState,
)
from gatekeeper.domain.decisions import Decision, Entry, Order, Progress, Verdict
from gatekeeper.domain.errors import NotFound, StorageError
from gatekeeper.domain.identity import Account, ClubId, Identity, Person
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.ports import Insider, Store, Tx
from gatekeeper.testing.store_row_laws import LUTES, RowLaws
from gatekeeper.testing.store_samples import (
    ADA,
    NOON,
    later,
    membership,
    order,
    person,
)

Make = Callable[[], Awaitable[Store]]
DRUMS: Final = ClubId("drums")


class Abandoned(Exception):
    """A use case that gives up half way."""


def sign(kind: Kind, days: float, place: str = "!a") -> Sign:
    """A sign of life so many days after NOON."""
    return Sign(who=ADA, kind=kind, place=place, at=later(days), event_id=f"${days}")


def account(who: Identity, person_id: int) -> Account:
    """An account of somebody in the club."""
    return Account(club=LUTES, person_id=person_id, identity=who, name="Ada", first_seen_at=NOON)


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


class StoreContract(RowLaws):
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

    async def test_activity_adds_up_and_never_moves_back(self, store: Store) -> None:
        async with store.transaction(LUTES) as tx:
            await tx.merge_activity(
                {
                    7: [sign(Kind.MESSAGE, 0.2, "!b"), sign(Kind.MESSAGE, 0.1), sign(Kind.READ, 0)],
                    8: [sign(Kind.READ, 0)],
                }
            )
            await tx.add(Checkpoint(club=LUTES, platform="matrix", position="s1"))
        async with store.transaction(LUTES) as tx:
            await tx.merge_activity({7: [sign(Kind.MESSAGE, 0), sign(Kind.MESSAGE, 1, "!c")]})
            await tx.merge_activity({})
        async with store.look(LUTES) as tx:
            days = await tx.find(Activity, person_id=7, kind=Kind.MESSAGE, order="day")
            assert [(day.day, day.count, day.last_at, day.last_place) for day in days] == [
                (NOON.date(), 3, later(0.2), "!b"),
                (later(1).date(), 1, later(1), "!c"),
            ]
            assert await tx.count(Activity) == 4
            assert await tx.last_signs([7, 9]) == {
                7: {Kind.MESSAGE: later(1), Kind.READ: NOON},
            }
            assert await tx.last_signs([]) == {}

    async def test_an_event_is_counted_once(self, make: Make) -> None:
        stores = [await make(), await make()]
        many = [mark_of(LUTES, "matrix", f"${number}") for number in range(3_000)]
        async with stores[0].transaction(LUTES) as tx:
            assert await tx.count_once(many[:2_000], NOON.date()) == set(many[:2_000])
            assert await tx.count_once([], NOON.date()) == set()
        async with stores[1].transaction(LUTES) as tx:
            assert await tx.count_once(many, later(1).date()) == set(many[2_000:])
            assert await tx.remove(Counted, day__lt=later(1).date()) == 2_000
        async with stores[0].look(LUTES) as tx:
            assert await tx.count(Counted) == 1_000

    async def test_ties_add_up(self, store: Store) -> None:
        tie = Tie(
            club=LUTES,
            week=NOON.date(),
            person_id=1,
            to_id=2,
            relation=Relation.ANSWERED,
            count=2,
        )
        back = replace(tie, person_id=2, to_id=1, relation=Relation.REACTED)
        async with store.transaction(LUTES) as tx:
            await tx.merge_ties([tie])
            await tx.merge_ties([replace(tie, count=3), back])
            await tx.merge_ties([])
        async with store.look(LUTES) as tx:
            assert [each.count for each in await tx.find(Tie, order="person_id")] == [5, 2]

    async def test_who_is_inside_is_known_by_any_account(self, store: Store) -> None:
        """And their last sign moves forward only; another club's is not touched."""
        slack = Identity("slack", "U1")
        async with store.transaction(LUTES) as tx:
            member = await tx.add(membership(LUTES, state=State.NOTICED, last_seen_at=None))
            for who in (ADA, slack):
                await tx.add(account(who, member.person_id))
            await tx.add(account(Identity("matrix", "@out:x"), 99))
            found = await tx.inside([ADA, slack, Identity("matrix", "@\0:x")])
            ours = Insider(
                member.id, member.person_id, State.NOTICED, member.known_since, member.last_seen_at
            )
            assert found == {ADA: ours, slack: ours}
            assert await tx.inside([]) == {}
            for day in (5, 4):
                await tx.move_last({member.id: sign(Kind.FILE, day, f"!{day}\0")})
            await tx.move_last({})
            moved = await tx.get(Membership, member.id)
            assert (moved.last_seen_at, moved.last_kind) == (later(5), "file")
            assert moved.last_place.startswith("!5")
        async with store.transaction(DRUMS) as tx:
            assert await tx.inside([ADA]) == {}
            await tx.move_last({member.id: sign(Kind.FILE, 9)})
        async with store.look(LUTES) as tx:
            assert (await tx.get(Membership, member.id)).last_seen_at == later(5)

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

    async def test_coverage_since(self, store: Store) -> None:
        async with store.transaction(LUTES) as tx:
            for start, end, platform in ((4, 5, "m"), (0, 1, "m"), (2, 3, "m"), (2, 9, "s")):
                await tx.add(
                    Coverage(club=LUTES, platform=platform, start=later(start), end=later(end))
                )
            assert await tx.coverage("m", later(2.5)) == [
                Span(later(2), later(3)),
                Span(later(4), later(5)),
            ]
            assert await tx.coverage("m", later(5)) == await tx.coverage("x", NOON) == []

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
