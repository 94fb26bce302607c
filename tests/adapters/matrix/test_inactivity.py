"""The silent are found on a real homeserver, with months that are dated back."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gatekeeper.domain.decisions import Order, Post
from gatekeeper.domain.memberships import State, Sweep
from gatekeeper.testing.platform_contract import until
from gatekeeper.usecases import links
from tests.adapters.matrix.past_club import PastClub
from tests.support.people import together
from tests.support.synapse import Synapse

pytestmark = pytest.mark.homeserver


@pytest.fixture
async def club(synapse: Synapse, tmp_path: Path) -> AsyncIterator[PastClub]:
    async with PastClub(synapse, tmp_path) as club:
        yield club


async def asked(club: PastClub, *names: str):
    """Members who said nothing for 100 days, were asked, and have read it."""
    them = await club.from_before(*names)
    await club.pass_days(100)
    await club.sweep()
    for who in them:
        await club.take_chat(who)
    await club.settle()
    states = [await club.state(who) for who in them]
    assert states == [State.NOTICED] * len(them), await club.codes(them[0])
    return them


async def test_an_old_event_that_arrives_late_never_moves_anyone_back(club: PastClub) -> None:
    begin = club.now()
    (ada,) = await club.from_before("ada")
    lobby, talk = club.scene.rooms
    await club.pass_days(20)
    await club.dated(ada, lobby)
    seen_at = club.now()
    await club.pass_days(1)
    await club.dated(ada, talk, at=begin + timedelta(days=3))
    await club.heard()
    member = await club.member(ada)
    assert (member.last_seen_at, member.last_place) == (seen_at, club.scene.rooms[lobby])
    assert (await club.counts(ada))["message"] == 2  # it is a sign all the same, of that day
    await club.pass_days(95)
    await club.sweep()
    await club.take_chat(ada)
    await club.settle()
    await club.pass_days(1)
    await club.dated(ada, talk, at=begin + timedelta(days=10))
    await club.heard()
    assert await club.state(ada) is State.NOTICED, "what was before the silence says nothing of it"
    await club.dated(ada, talk, at=club.now() - timedelta(days=2))
    await club.heard()
    assert await club.state(ada) is State.ACTIVE, "that was within it, though before the notice"
    assert (await club.member(ada)).last_seen_at == club.now() - timedelta(days=2)


async def test_what_is_no_sign_of_life(club: PastClub) -> None:
    """Edits, redactions, notices, what others and we ourselves do with and beside someone."""
    (carl,) = await club.from_before("carl")
    lobby, talk = club.scene.rooms
    hands, founder = club.hands(carl), club.hands(club.founder)
    await together(founder.join(lobby), founder.join(talk))
    await club.pass_days(5)
    said = await club.dated(carl, lobby)
    liked = await hands.react(lobby, said, "👍")
    await club.heard()
    before, counted = await club.member(carl), await club.counts(carl)
    assert before.last_seen_at == club.now()
    await club.pass_days(95)
    await hands.edit(lobby, said, "hello!")
    await hands.redact(lobby, liked)
    await hands.say(lobby, "beep", msgtype="m.notice")
    await hands.set_display("Carlo", lobby, talk)
    await founder.reply(lobby, said, "are you there?")
    await founder.set_power(talk, carl.account, 10)
    await founder.kick(talk, carl.account)
    await founder.invite(talk, carl.account)
    await club.platform.perform(Post(place="welcome", text="Hello"), "p", club.now())
    await club.heard()
    member = await club.member(carl)
    assert (member.last_seen_at, member.last_kind) == (before.last_seen_at, before.last_kind)
    assert await club.counts(carl) == counted
    await club.sweep()
    assert await club.state(carl) is State.NOTIFYING


async def test_what_was_said_while_we_were_down_is_neither_lost_nor_doubled(
    synapse: Synapse, tmp_path: Path, short_timeline: int
) -> None:
    """Signs that were still in memory when we died come again with those of the days after."""
    club = PastClub(synapse, tmp_path, rooms=("lobby", "talk", "attic"))
    async with club:
        ada, bob = await club.from_before("ada", "bob")
        await together(club.hands(ada).close(), club.hands(bob).close())  # they need not read
        lobby, talk, attic = club.scene.rooms
        await club.pass_days(50)
        in_memory = {await club.dated(ada, lobby) for _ in range(3)}
        await until(lambda: in_memory <= {sign.event_id for sign in club.desk.signs}, "the signs")
        await club.stop()
        club.moment.advance(days=30)
        sent = [*[lobby] * (2 * short_timeline), *[talk] * 6, *[attic] * 4]
        days = [club.now() - timedelta(days=20, minutes=-number) for number in range(len(sent))]
        for start in range(0, len(sent), 10):
            some = range(start, start + 10)
            await together(*(club.dated(ada, sent[n], at=days[n]) for n in some))
        await club.restart()
        await club.heard()
        counts = await club.counts(ada)
        assert counts["message"] == 3 + len(sent)
        assert (await club.member(ada)).last_seen_at == days[-1]
        await club.restart()
        await club.heard()
        assert await club.counts(ada) == counts
        await club.pass_days(20)
        await club.sweep()
        assert await club.state(ada) is State.ACTIVE
        assert await club.state(bob) is State.NOTIFYING, "all was read back: we saw those days"


async def test_no_grace_is_over_while_we_are_out_of_a_room(club: PastClub) -> None:
    """What we cannot see is nobody's silence: the grace is as long as what we saw of it."""
    carl, dan = await asked(club, "carl", "dan")
    lobby, talk = club.scene.rooms
    await club.hands(club.founder).join(talk)
    await club.pass_days(2)
    path = f"/_matrix/client/v3/rooms/{talk}/leave"
    club.synapse.call("POST", path, {}, token=club.bot.token)
    await club.healthy("put-out")
    await club.heard()  # so that the gap begins today
    await club.pass_days(10)
    await club.dated(dan, lobby)
    await club.heard()
    assert await club.state(dan) is State.ACTIVE, "elsewhere we see people all the while"
    await club.pass_days(20)
    assert await club.state(carl) is State.NOTICED, await club.codes(carl)
    await club.hands(club.founder).invite(talk, club.bot.user_id)
    await club.healthy()
    await club.heard()
    await club.pass_days(10)
    assert await club.state(carl) is State.NOTICED, await club.codes(carl)
    await club.pass_days(3)
    assert await club.state(carl) is State.PLANNED


async def test_a_young_club_judges_nobody_and_its_first_run_stops_at_the_brake(
    synapse: Synapse, tmp_path: Path
) -> None:
    """People were put out for idle days before a bot had come, and by its very first run."""
    async with PastClub(synapse, tmp_path, settle=95, brake=2) as club:
        them = await club.from_before("ada", "bob", "carl")
        lobby, _ = club.scene.rooms
        for who in them:
            await club.dated(who, lobby, at=club.now() - timedelta(days=200))

        async def after(days: int) -> Sweep:
            await club.pass_days(days)
            await club.sweep()
            assert {await club.state(who) for who in them} == {State.ACTIVE}
            return (await club.find(Sweep))[-1]

        assert (await after(1)).counts == {"admin": 1, "settling": 3}
        assert (await after(92)).counts == {"admin": 1, "settling": 3}
        first = await after(10)
        assert (first.held, first.touched) == ("brake-count", 3)
        assert [await club.chats(who) for who in them] == [0, 0, 0]
        await club.press_card("held", "✅")
        assert {await club.state(who) for who in them} == {State.NOTIFYING}


async def test_a_sweep_from_the_question_to_the_way_back(club: PastClub) -> None:
    """Three are asked: one answers, one never reads it, one is let go and comes back."""
    ada, bob, carl, dora = await club.from_before("ada", "bob", "carl", "dora")
    lobby, talk = club.scene.rooms
    await club.pass_days(5)
    await club.dated(ada, lobby)
    await club.pass_days(90)
    await club.dated(dora, talk)
    await club.pass_days(10)
    await club.sweep()
    assert (await club.member(ada)).last_seen_at == club.now() - timedelta(days=100)
    assert [await club.state(who) for who in (ada, bob, carl)] == [State.NOTIFYING] * 3
    assert (await club.state(dora), await club.chats(dora)) == (State.ACTIVE, 0)
    for who in (ada, carl):
        await club.take_chat(who)
    await club.settle()
    assert await club.state(bob) is State.NOTIFYING
    assert await club.state(carl) is State.NOTICED, await club.find(Order, purpose="notice")
    await club.pass_days(13)
    await club.dated(ada, lobby)
    await club.settle()
    assert await club.state(ada) is State.ACTIVE
    assert await club.state(carl) is State.NOTICED, await club.codes(carl)
    await club.pass_days(1)
    assert await club.state(carl) is State.PLANNED
    assert await club.places(carl) == 3
    await club.press_card("removals", "✅")
    assert await club.state(carl) is State.REMOVED
    assert await club.places(carl) == 0
    assert await club.state(bob) is State.NOTIFYING, "nobody is let go unasked"
    assert [await club.places(who) for who in (ada, bob)] == [3, 3]
    codes = await club.codes(carl)
    assert [codes.count(code) for code in ("notice-delivered", "removed-for-silence")] == [1, 1]
    # back by the link, without a new application
    await links.use(club.parts, await club.way_back(carl), "browser")
    await club.settle()
    await club.enter(carl)
    await club.settle()
    assert await club.state(carl) is State.ACTIVE
    assert await club.places(carl) == 3
    await club.pass_days(80)
    await club.sweep()
    assert await club.state(carl) is State.ACTIVE, "silent anew only from the return on"
