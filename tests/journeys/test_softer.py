"""The softer step: whoever is let go is a guest first, and one word brings them back whole."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from gatekeeper.domain.activity import Kind
from gatekeeper.domain.clubs import Finding
from gatekeeper.domain.decisions import Admit, Order, Progress, Remove
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import Dispute, Membership, State
from gatekeeper.testing.fakes import FakeStore, ManualClock
from gatekeeper.usecases import (
    adopt,
    erase,
    exempt,
    export,
    pause,
    reconcile,
    stage_ends,
    sweep,
    sweep_report,
    words_on_removals,
)
from tests.journeys.club import CLUB, Club, a_club

GRACE, TIME = 7, 30
AS = {
    "grace: 7s": f"grace: 7s\n  softer: {TIME}s",
    "maxAffected: {count: 5, percent: null}": "maxAffected: {percent: null, timesUsual: null}",
}
ROOMS = {"lobby": "join", "talk": "join"}


class Softer(Club):
    async def sweep(self) -> None:
        await self.observer.flush()
        await sweep.run(self.parts, f"at-{self.clock.now().isoformat()}")
        await self.settle()

    async def later(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)
        await self.settle()

    async def planned(self, name: str = "@eve:fake") -> Identity:
        eve = self.platform.person(name, inside=True, takes_chats=True)
        self.platform.people[name].places |= ROOMS
        await adopt.adopt(self.parts, "operator:root")
        await self.pass_time(seconds=20)
        await self.sweep()
        await self.later(GRACE + 1)
        assert (await self.member(eve)).state is State.PLANNED
        return eve

    async def confirm(self) -> None:
        card = next(m for m in reversed(self.cards()) if m.card and "removals" in m.card.title)
        await self.platform.press(self.alice, card.ref, "✅")

    async def guest(self) -> Identity:
        eve = await self.planned()
        await self.confirm()
        await self.settle()
        assert (await self.member(eve)).state is State.GUEST
        return eve

    async def member(self, who: Identity) -> Membership:
        return await self.one(Membership, identity=who)

    def places(self, who: Identity) -> dict[str, str]:
        return self.platform.people[who.account].places

    def acts(self, kind: type[Admit] | type[Remove]) -> list[Admit | Remove]:
        return [one for _, one in self.platform.performed if isinstance(one, kind)]

    async def codes(self, who: Identity) -> list[str]:
        member = await self.member(who)
        async with self.store.look(CLUB) as tx:
            return [one.code for one in await tx.entries(subject=f"membership:{member.id}")]


@pytest.fixture
async def club() -> AsyncIterator[Softer]:
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    async with a_club(FakeStore(ManualClock(at)), at, **AS) as found:
        found.__class__ = Softer
        assert isinstance(found, Softer)
        yield found


async def test_a_confirmed_member_is_a_guest_first_and_told_so(club: Softer) -> None:
    eve = await club.guest()
    assert club.places(eve) == {"space": "join", "lighthouse-hall": "invite"}
    member = await club.member(eve)
    assert member.guest_at is not None
    assert member.grace_ends_at is not None
    assert member.grace_ends_at - member.guest_at == timedelta(seconds=TIME)
    assert "as a guest" in club.told(eve)[-1].text
    assert club.told(eve)[-1].choices
    assert {"softer-confirmed", "guest-for-silence"} <= set(await club.codes(eve))
    assert "removed-for-silence" not in await club.codes(eve)


@pytest.mark.parametrize("how", ["word", "press", "chat"])
async def test_one_sign_brings_back_what_was_taken_at_once(club: Softer, how: str) -> None:
    eve = await club.guest()
    club.clock.advance(seconds=3)
    if how == "word":
        await club.platform.live(eve, Kind.MESSAGE, "lighthouse-hall")
    elif how == "press":
        await club.platform.press(eve, club.told(eve)[-1].ref, "✋")
    else:
        await club.platform.write(eve, "I am still here")
    await club.settle()
    member = await club.member(eve)
    assert (member.state, member.guest_at, member.grace_ends_at) == (State.ACTIVE, None, None)
    assert {"lobby": "invite", "talk": "invite"}.items() <= club.places(eve).items()
    assert len(club.acts(Admit)) == 1
    await club.later(TIME * 2)
    assert len(club.acts(Remove)) == 1
    assert len(club.acts(Admit)) == 1


async def test_without_a_sign_they_are_confirmed_again_and_then_put_out(club: Softer) -> None:
    eve = await club.guest()
    await club.later(TIME - 1)
    assert (await club.member(eve)).state is State.GUEST
    await club.later(2)
    assert (await club.member(eve)).state is State.PLANNED
    await club.later(TIME)
    assert club.places(eve)["space"] == "join", "nobody goes without a second word"
    await club.confirm()
    await club.settle()
    assert (await club.member(eve)).state is State.REMOVED
    assert club.places(eve) == {}
    assert "removed-for-silence" in await club.codes(eve)


async def test_a_sign_after_they_are_planned_again_gives_the_rooms_back(club: Softer) -> None:
    eve = await club.guest()
    await club.later(TIME + 1)
    await club.platform.live(eve, Kind.MESSAGE, "lighthouse-hall")
    await club.settle()
    assert (await club.member(eve)).state is State.ACTIVE
    assert {"lobby": "invite", "talk": "invite"}.items() <= club.places(eve).items()


async def test_a_lost_answer_and_a_sign_between_give_the_rooms_back(club: Softer) -> None:
    eve = await club.planned()
    club.platform.lose_answers()
    await club.confirm()
    removal = await club.one(Order, purpose="removal")
    await club.performer.perform(removal.id, removal.attempt)
    assert "talk" not in club.places(eve)
    await club.platform.live(eve, Kind.MESSAGE, "lighthouse-hall")
    await club.observer.flush()
    assert (await club.member(eve)).state is State.ACTIVE
    await club.later(120)
    assert {"lobby": "invite", "talk": "invite"}.items() <= club.places(eve).items()
    assert (await club.member(eve)).state is not State.GUEST


async def test_a_lost_answer_makes_them_a_guest_once(club: Softer) -> None:
    eve = await club.planned()
    club.platform.lose_answers()
    await club.confirm()
    await club.settle()
    await club.pass_time(seconds=20)
    assert (await club.member(eve)).state is State.GUEST
    assert (await club.codes(eve)).count("guest-for-silence") == 1
    notes = await club.find(Order, purpose="guest", progress=Progress.DONE)
    assert len(notes) == 1
    await club.platform.live(eve, Kind.MESSAGE, "lighthouse-hall")
    await club.settle()
    assert {"lobby": "invite", "talk": "invite"}.items() <= club.places(eve).items()


async def test_a_leave_or_an_exemption_gives_the_rooms_back(club: Softer) -> None:
    eve = await club.guest()
    async with club.store.transaction(CLUB) as tx:
        member, now = await tx.get(Membership, (await club.member(eve)).id), club.clock.now()
        until = now + timedelta(days=9)
        await exempt.add(tx, club.parts, member, "A friend", until, "operator:root", now)
        await stage_ends.alive(tx, club.parts, member.person_id, now, "exempt")
    await club.settle()
    assert (await club.member(eve)).state is State.ACTIVE
    assert "talk" in club.places(eve)


async def test_a_room_that_is_refused_makes_no_guest_and_gives_back(club: Softer) -> None:
    eve = await club.planned()
    club.platform.refuse(eve, "no-power")
    await club.confirm()
    await club.settle()
    assert (await club.member(eve)).state is State.CONFIRMED
    club.platform.refuse(eve, "")
    await club.platform.live(eve)
    await club.settle()
    assert (await club.member(eve)).state is State.ACTIVE
    assert club.places(eve) == {"space": "join", **ROOMS}


async def test_who_could_not_be_reached_is_removed_by_name_as_ever(club: Softer) -> None:
    eve = club.platform.person("@eve:fake", inside=True)
    await adopt.adopt(club.parts, "operator:root")
    await club.pass_time(seconds=20)
    await club.sweep()
    await club.later(GRACE + 1)
    await club.sweep()
    card = next(m for m in reversed(club.cards()) if m.card and "removals" in m.card.title)
    await club.platform.write(club.alice, "remove @eve", "admins", card.ref)
    await club.settle()
    assert (await club.member(eve)).state is State.REMOVED


async def test_a_dispute_brings_a_guest_back_and_shows_their_stage(club: Softer) -> None:
    eve = await club.guest()
    await club.platform.press(eve, club.told(eve)[-1].ref, "🚩")
    await club.settle()
    assert (await club.one(Dispute)).stage == "guest"
    assert (await club.member(eve)).state is State.ACTIVE
    assert "talk" in club.places(eve)


@pytest.mark.parametrize("word", ["keep", "leave", "hand", "erase"])
async def test_other_ends_of_a_guests_time(club: Softer, word: str) -> None:
    eve = await club.guest()
    if word == "keep":
        await words_on_removals.keep_by_command(club.parts, eve, "We know", None, "operator:root")
    elif word == "leave":
        await club.platform.leave(eve)
    elif word == "hand":
        await club.platform.put_out_by_hand(eve, by=club.alice)
    else:
        assert (await export.export(club.parts, eve))["memberships"][0]["guest_at"]
        await erase.erase(club.parts, eve, "operator:root", remove=True)
    await club.settle()
    if word == "keep":
        assert (await club.member(eve)).state is State.ACTIVE
        assert "talk" in club.places(eve)
    else:
        [member] = [m for m in await club.find(Membership) if m.name != "Fay" and m.ended_at]
        assert member.state in (State.DEPARTED, State.REMOVED)
        assert "space" not in club.places(eve)
        assert not club.acts(Admit)


async def test_a_guest_is_no_finding_and_the_stage_is_told(club: Softer) -> None:
    eve = await club.guest()
    await reconcile.run(club.parts, "operator:root")
    assert eve.account not in str(await club.find(Finding))
    async with club.store.look(CLUB) as tx:
        staged = await sweep_report.standings(tx, club.parts, club.clock.now())
    assert [one.stage for one in staged] == ["stage.guest"]


async def test_a_pause_holds_the_step(club: Softer) -> None:
    eve = await club.planned()
    await pause.pause(club.parts, "operator:root")
    await club.confirm()
    removal = await club.one(Order, purpose="removal")
    await club.performer.perform(removal.id, removal.attempt)
    assert "talk" in club.places(eve)
    assert not club.acts(Remove)
    await pause.resume(club.parts, "operator:root")
    await club.settle()
    assert (await club.member(eve)).state is State.GUEST
