"""SignLaws: what StoreContract says of signs of life, ties and coverage."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

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
from gatekeeper.domain.clubs import Checkpoint
from gatekeeper.domain.identity import Account, ClubId, Identity
from gatekeeper.domain.memberships import STAGED, Membership, State
from gatekeeper.ports import Insider, Store
from gatekeeper.testing.store_row_laws import LUTES
from gatekeeper.testing.store_samples import ADA, NOON, later, membership

Make = Callable[[], Awaitable[Store]]
DRUMS: Final = ClubId("drums")


def sign(kind: Kind, days: float, place: str = "!a") -> Sign:
    """A sign of life so many days after NOON."""
    return Sign(who=ADA, kind=kind, place=place, at=later(days), event_id=f"${days}")


def account(who: Identity, person_id: int) -> Account:
    """An account of somebody in the club."""
    return Account(club=LUTES, person_id=person_id, identity=who, name="Ada", first_seen_at=NOON)


class SignLaws:
    """A part of StoreContract, which see."""

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

    async def test_two_who_write_the_same_signs_do_not_stop_each_other(self, make: Make) -> None:
        """In opposite orders, some of them the same events."""
        stores = [await make(), await make()]

        async def write(store: Store, way: int) -> None:
            for turn in range(6):
                people = [*range(40)][::way]
                marks = [mark_of(LUTES, "matrix", f"${turn}-{person}") for person in people]
                async with store.transaction(LUTES) as tx:
                    fresh = await tx.count_once(marks, NOON.date())
                    told = zip(people, marks, strict=True)
                    signs = {
                        one: [sign(Kind.READ, turn / 99)] for one, mark in told if mark in fresh
                    }
                    await tx.merge_activity(signs)
                    await tx.move_last({one: own[0] for one, own in signs.items()})

        async with asyncio.timeout(30):
            await asyncio.gather(write(stores[0], 1), write(stores[1], -1))
        async with stores[0].look(LUTES) as tx:
            days = await tx.find(Activity)
            assert (len(days), {day.count for day in days}) == (40, {6})

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

    async def test_whoever_is_in_a_stage_is_known(self, store: Store) -> None:
        """Of this club only, and neither who is at rest nor who is out."""
        who = {state: Identity("matrix", f"@{state}:x") for state in State}
        async with store.transaction(LUTES) as tx:
            for number, (state, identity) in enumerate(who.items(), 1):
                one = membership(LUTES, number, state=state)
                await tx.add(replace(one, identity=identity))
        async with store.look(LUTES) as tx:
            assert await tx.staged() == {who[state] for state in STAGED}
        async with store.look(DRUMS) as tx:
            assert await tx.staged() == frozenset()

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
