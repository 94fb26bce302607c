"""RowLaws: what StoreContract says of single values."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any, Final

import pytest

from gatekeeper.domain import memberships
from gatekeeper.domain.activity import Activity, Kind
from gatekeeper.domain.applications import Application
from gatekeeper.domain.applications import State as ApplicationState
from gatekeeper.domain.clubs import (
    Budget,
    Checkpoint,
    ClubState,
    Draft,
    EarlyPress,
    Finding,
    Handled,
    Pass,
    PolicyVersion,
    Schedule,
    StandingCard,
    Tally,
)
from gatekeeper.domain.decisions import Entry, Lane, Order, Progress
from gatekeeper.domain.errors import WrongState
from gatekeeper.domain.identity import Account, ClubId, Person
from gatekeeper.domain.memberships import Leave, Membership, Sweep
from gatekeeper.policy.predicates import (
    FALSE,
    TRUE,
    And,
    Compare,
    IsNull,
    IsText,
    Or,
    Predicate,
)
from gatekeeper.ports import Store, Tx
from gatekeeper.testing.store_samples import (
    ADA,
    KINDS,
    NOON,
    application,
    later,
    membership,
    order,
    person,
    samples,
)

LUTES: Final = ClubId("lutes")
ONCE: Final = frozenset(
    {
        Account,
        Activity,
        Budget,
        Checkpoint,
        Draft,
        EarlyPress,
        Handled,
        Order,
        Pass,
        PolicyVersion,
        Sweep,
        Schedule,
        Finding,
        Tally,
    }
)


class RowLaws:
    """A part of StoreContract, which see."""

    async def test_every_kind_comes_back_as_it_was(self, store: Store) -> None:
        for value in samples(LUTES):
            async with store.transaction(LUTES) as tx:
                kept = await tx.add(value)
                assert kept == replace(value, id=kept.id)
            async with store.look(LUTES) as tx:
                assert await tx.get(type(value), kept.id) == kept
                assert kept in await tx.find(type(value))
        async with store.look(LUTES) as tx:
            for kind in KINDS:
                assert await tx.count(kind), kind

    async def test_moments_are_kept_to_the_microsecond_in_utc(self, store: Store) -> None:
        east = (NOON + timedelta(microseconds=7)).astimezone(timezone(timedelta(hours=5)))
        async with store.transaction(LUTES) as tx:
            kept = await tx.add(Leave(club=LUTES, person_id=1, since=NOON, until=east))
            assert (kept.until, kept.until.utcoffset()) == (east, timedelta(0))
            with pytest.raises(ValueError, match="zone"):
                await tx.add(replace(kept, until=NOON.replace(tzinfo=None)))
            with pytest.raises(ValueError, match="None"):
                await tx.change(kept, until=None)

    async def test_letters_that_no_database_holds_harm_nobody(self, store: Store) -> None:
        """A text from outside must not be able to stop the intake for ever."""
        async with store.transaction(LUTES) as tx:
            kept = await tx.add(person(LUTES, "a\0b\ud800"))
            assert kept == await tx.get(Person, kept.id)
            assert kept.name == "a\N{REPLACEMENT CHARACTER}b?"
            form = await tx.add(application(LUTES, answers={"why": "a\0b"}))
            assert (await tx.get(Application, form.id)).answers == {"why": "a\0b"}

    async def test_of_two_who_change_the_same_one_wins(self, store: Store) -> None:
        async with store.transaction(LUTES) as tx:
            kept = await tx.add(application(LUTES))
            fixed = await tx.add(order(LUTES))
            won = await tx.change(kept, state=ApplicationState.APPROVED, reason="quorum")
            assert won == replace(kept, state=ApplicationState.APPROVED, reason="quorum")
            for stale in (kept, replace(kept, id=kept.id + 99)):
                with pytest.raises(WrongState, match="stale"):
                    await tx.change(stale, reason="spam")
            await tx.change(fixed, progress=Progress.DONE)
            with pytest.raises(WrongState, match="stale"):
                await tx.change(fixed, attempt=1)
            assert await tx.get(Application, kept.id) == won

    async def test_a_change_leaves_alone_what_it_does_not_name(self, store: Store) -> None:
        """Who loaded a member before a sign of life came in must not take it back."""
        async with store.transaction(LUTES) as tx:
            kept = await tx.add(membership(LUTES))
            await tx.change(kept, last_seen_at=later(3))
            both = await tx.change(kept, welcome_due_at=later(1))
            assert (both.last_seen_at, both.welcome_due_at) == (later(3), later(1))
            assert await tx.get(Membership, kept.id) == both == await tx.change(both)
            for fixed in ({"id": 9}, {"club": "drums"}, {"no_such_field": 1}):
                with pytest.raises(ValueError, match=r"id|no_such_field"):
                    await tx.change(both, **fixed)

    async def test_what_is_there_once_stays_so_and_the_transaction_goes_on(
        self, store: Store
    ) -> None:
        async with store.transaction(LUTES) as tx:
            for value in samples(LUTES):
                await tx.add(value)
                if type(value) in ONCE:
                    with pytest.raises(WrongState, match="exists"):
                        await tx.add(value)
            twin = await tx.add(order(LUTES, "twin"))
            with pytest.raises(WrongState, match="exists"):
                await tx.change(twin, key="done")
            with pytest.raises(WrongState, match="exists"):
                await tx.add(ClubState(club=LUTES, created_at=NOON))
            assert await tx.count(Account) == 1
        async with store.look(LUTES) as tx:
            assert await tx.first(Order, key="twin") == twin

    @pytest.mark.parametrize("state", ApplicationState)
    async def test_a_person_has_one_case_under_review(
        self, store: Store, state: ApplicationState
    ) -> None:
        """A form that nobody has proven to be theirs is no case yet and blocks nobody."""
        blocks = state.value in ("in-review", "approved", "invited")
        async with store.transaction(LUTES) as tx:
            await tx.add(application(LUTES, state=state))
            if blocks:
                with pytest.raises(WrongState, match="exists"):
                    await tx.add(application(LUTES))
            else:
                await tx.add(application(LUTES))
            waiting = await tx.add(application(LUTES, state=ApplicationState.UNPROVEN))
            with pytest.raises(WrongState, match="exists"):
                await tx.change(waiting, state=ApplicationState.IN_REVIEW)
            await tx.add(application(LUTES, person_id=2))

    @pytest.mark.parametrize("state", memberships.State)
    async def test_a_person_is_inside_once(self, store: Store, state: memberships.State) -> None:
        async with store.transaction(LUTES) as tx:
            kept = await tx.add(membership(LUTES, state=state))
            if state in memberships.INSIDE:
                with pytest.raises(WrongState, match="exists"):
                    await tx.add(membership(LUTES))
            else:
                await tx.add(membership(LUTES))
                with pytest.raises(WrongState, match="exists"):
                    await tx.change(kept, state=memberships.State.ACTIVE)

    async def test_criteria(self, store: Store) -> None:
        async with store.transaction(LUTES) as tx:
            for number, due in enumerate((later(2), None, later(1), None), 1):
                await tx.add(application(LUTES, number, due_at=due, name=f"n{number}"))

            async def who(**criteria: Any) -> list[int]:
                return [each.person_id for each in await tx.find(Application, **criteria)]

            assert await who() == await who(identity=ADA, name__gt="n0") == [1, 2, 3, 4]
            assert await who(due_at=None) == await who(due_at__set=False) == [2, 4]
            assert await who(due_at__set=True) == await who(due_at__gte=NOON) == [1, 3]
            assert await who(due_at__lte=later(1)) == await who(due_at__lt=later(2)) == [3]
            assert await who(due_at__gt=later(1), person_id__lt=9) == [1]
            assert await who(due_at__in=[later(1), None]) == [2, 3, 4]
            assert await who(due_at__not_in=[later(1)]) == [1, 2, 4]
            assert await who(due_at__not_in=(later(1), None)) == [1]
            assert await who(person_id__in=[]) == await who(state=ApplicationState.LAPSED) == []
            assert await who(person_id__not_in=[]) == [1, 2, 3, 4]
            assert await who(state__in=ApplicationState, identity__in={ADA}) == [1, 2, 3, 4]
            assert await who(order="due_at") == [2, 4, 3, 1]
            assert await who(order="-due_at") == [1, 3, 4, 2]
            assert await who(order="-person_id", limit=2) == [4, 3]
            assert await tx.count(Application, due_at=None) == 2
            assert await tx.first(Application, order="-name", due_at=None) is not None
            assert await tx.first(Application, name="nobody") is None
            for wrong in ({"no_such_field": 1}, {"name__like": "n"}, {"order": "no_such_field"}):
                with pytest.raises(ValueError, match=r"no.such"):
                    await who(**wrong)

    async def test_pages_follow_one_another(self, store: Store) -> None:
        """Many on one moment, some before and after it; those that a predicate leaves out."""
        days = (2, 1, 1, 1, 0, 1, 2, 1)
        async with store.transaction(LUTES) as tx:
            await tx.add_many([])
            await tx.add_many(
                [
                    replace(
                        membership(LUTES, number, look_at=later(day)),
                        last_seen_at=None if number == 3 else later(number),
                        origin="adopted" if number == 4 else "application",
                    )
                    for number, day in enumerate(days, 1)
                ]
            )
            with pytest.raises(WrongState, match="exists"):
                await tx.add_many([membership(LUTES, 1)])

        async def pages(among: Predicate) -> list[list[int]]:
            found: list[list[int]] = []
            after = None
            async with store.look(LUTES) as tx:
                while page := await tx.page(
                    Membership,
                    order="look_at",
                    after=after,
                    limit=2,
                    among=among,
                    look_at__lte=later(1),
                ):
                    found.append([each.person_id for each in page])
                    after = (page[-1].look_at, page[-1].id)
            return found

        assert await pages(TRUE) == [[5, 2], [3, 4], [6, 8]]
        seen = Compare("last_seen_at", "<=", later(5))
        assert await pages(seen) == [[5, 2], [4]]
        assert await pages(Or((IsNull("last_seen_at"), seen))) == [[5, 2], [3, 4]]
        assert await pages(And((seen, IsText("origin", "adopted")))) == [[4]]
        assert await pages(And((seen, IsText("origin", "adopted", True)))) == [[5, 2]]
        assert await pages(Compare("last_seen_at", ">=", later(5))) == [[5, 6], [8]]
        assert await pages(IsNull("last_seen_at", True)) == [[5, 2], [4, 6], [8]]
        assert await pages(FALSE) == []

    async def test_many_are_changed_at_once_unless_it_may_hold(self, store: Store) -> None:
        """Where it cannot be told, as of somebody never seen, nothing is changed."""
        async with store.transaction(LUTES) as tx:
            for number, seen in enumerate((later(1), later(5), None), 1):
                await tx.add(membership(LUTES, number, last_seen_at=seen))
            moved = Or((Compare("last_seen_at", "<=", later(2)), IsNull("last_seen_at")))
            changes = {"look_at": later(9)}
            assert await tx.change_all(Membership, changes, unless=moved) == 1
            assert await tx.change_all(Membership, changes, look_at=later(9), person_id=1) == 0
            late = await tx.find(Membership, look_at=later(9))
            assert [each.person_id for each in late] == [2]
            assert await tx.change_all(Membership, {"name": "Bo"}, person_id__lte=2) == 2
            for guarded in ({"id": 1}, {"club": "drums"}, {"state": memberships.State.REMOVED}):
                with pytest.raises(ValueError, match="compared"):
                    await tx.change_all(Membership, guarded, person_id=1)
        async with store.look(LUTES) as tx:
            assert await tx.count(Membership, name="Bo") == 2

    async def test_the_club_knows_how_many_are_inside(self, store: Store) -> None:
        """Also after a change that was refused, and after a transaction that was given up."""

        async def known(tx: Tx) -> int:
            (state,) = await tx.find(ClubState)
            inside = await tx.count(Membership, state__in=tuple(memberships.INSIDE))
            assert state.members == inside
            return inside

        async with store.transaction(LUTES) as tx:
            first = await tx.add(membership(LUTES, 1))
            await tx.add(membership(LUTES, 2, state=memberships.State.DEPARTED))
            await tx.add_many([membership(LUTES, number) for number in (3, 4, 5)])
            assert await known(tx) == 4
            gone = await tx.change(first, state=memberships.State.REMOVED, ended_at=later(1))
            with pytest.raises(WrongState):
                await tx.change(first, state=memberships.State.DEPARTED)
            await tx.change(gone, name="Bo")
            with pytest.raises(ValueError, match="deleted"):
                await tx.remove(Membership, id=gone.id)
            assert await known(tx) == 3
        with suppress(LookupError):
            async with store.transaction(LUTES) as tx:
                await tx.add(membership(LUTES, 6))
                assert await known(tx) == 4
                raise LookupError
        async with store.transaction(ClubId("drums")) as tx:
            assert await known(tx) == 0
        async with store.look(LUTES) as tx:
            assert await known(tx) == 3

    async def test_kind_and_texts_are_criteria_and_orders_too(self, store: Store) -> None:
        async with store.transaction(LUTES) as tx:
            for value in samples(LUTES):
                await tx.add(value)
            assert await tx.count(StandingCard, kind="review") == 1
            assert await tx.first(Activity, kind=Kind.REPLY, day=NOON.date()) is not None
            for lane, key in ((Lane.PROOF, "z"), (Lane.ANSWER, "Z"), (Lane.ANSWER, "é")):
                await tx.add(order(LUTES, key, lane=lane, due_at=later(9)))
            late = await tx.find(Order, due_at__gt=NOON, order="key")
            assert [each.key for each in late] == ["Z", "z", "é"]
            by_lane = await tx.find(Order, due_at__gt=NOON, order="lane", limit=2)
            assert [each.key for each in by_lane] == ["Z", "é"]

    async def test_what_is_removed_is_named_first(self, store: Store) -> None:
        async with store.transaction(LUTES) as tx:
            for days in range(4):
                await tx.add(
                    Handled(club=LUTES, platform="matrix", event_id=f"${days}", at=later(days))
                )
            assert await tx.remove(Handled, at__lt=later(2)) == 2
            with pytest.raises(ValueError, match="criterion"):
                await tx.remove(Handled)
            for writing in (tx.remove(Entry, sequence=1), tx.find(Entry)):
                with pytest.raises(TypeError):
                    await writing
            assert await tx.count(Handled) == 2
