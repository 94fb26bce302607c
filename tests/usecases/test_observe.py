from dataclasses import replace
from datetime import timedelta

import pytest

from gatekeeper.domain.activity import Activity, BlindSpot, Counted, Coverage, Kind, Relation, Tie
from gatekeeper.domain.clubs import Checkpoint, ClubState
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import State
from gatekeeper.policy.parse import load_policy
from gatekeeper.testing.builders import NOW, a_sign
from gatekeeper.testing.fakes import FakePlatform
from gatekeeper.usecases import due, erase, member_facts, observe
from gatekeeper.usecases.observe import Observer
from tests.usecases.conftest import QUIET

SECOND = timedelta(seconds=1)


def sign(club, who, name="1", ago=0, kind=Kind.MESSAGE):
    at = club.clock.now() - ago * SECOND
    return replace(a_sign(kind=kind, at=at, event_id=f"$s{name}"), who=who)


async def test_a_sign_moves_a_member_forward_and_never_back(club):
    [eve] = await club.adopt("eve")
    await club.observer.observe("matrix", [sign(club, eve, "new", ago=1)], "p1")
    await club.observer.flush()
    seen = await club.member(eve)
    assert seen.last_seen_at == club.clock.now() - SECOND
    assert (seen.last_kind, seen.last_place) == ("message", "lobby")
    await club.observer.observe("matrix", [sign(club, eve, "old", ago=500)], "p2")
    await club.observer.flush()
    assert (await club.member(eve)).last_seen_at == seen.last_seen_at
    assert sum(day.count for day in await club.find(Activity)) == 2


async def test_strangers_and_signs_that_do_not_count_leave_no_trace(club):
    stranger = Identity("matrix", "@mallory:fake")
    await club.observer.observe("matrix", [sign(club, stranger)], "p1")
    await club.observer.flush()
    assert not await club.find(Activity)
    assert (await club.one(Checkpoint)).position == "p1"


async def test_a_second_telling_is_not_counted(club):
    [eve] = await club.adopt("eve")
    for _ in range(2):
        await club.observer.observe("matrix", [sign(club, eve)] * 2, "p1")
        await club.observer.flush()
    assert [day.count for day in await club.find(Activity)] == [1]


async def test_a_clock_that_runs_ahead_makes_nobody_younger(club):
    [eve] = await club.adopt("eve")
    await club.observer.observe("matrix", [sign(club, eve, ago=-86_400)], "p1")
    await club.observer.flush()
    assert (await club.member(eve)).last_seen_at == club.clock.now()


async def test_what_was_not_committed_is_still_there_after_a_failure(club, monkeypatch):
    [eve] = await club.adopt("eve")
    before = await club.observer.position("matrix")
    await club.observer.observe("matrix", [sign(club, eve)], "later")
    with monkeypatch.context() as broken:
        broken.setattr("gatekeeper.usecases.observe._keep_position", _fails)
        with pytest.raises(RuntimeError):
            await club.observer.flush()
    assert await club.observer.position("matrix") == before
    assert (await club.member(eve)).last_seen_at is None
    await club.observer.flush()
    assert await club.observer.position("matrix") == "later"
    assert (await club.member(eve)).last_seen_at is not None


async def _fails(*_):
    raise RuntimeError("as if the disk were full")


async def test_coverage_is_one_interval_until_a_gap(club):
    start = club.clock.now()
    await club.pass_time(seconds=20)
    [interval] = await club.find(Coverage)
    assert interval.start == start
    assert club.clock.now() - interval.end < observe.QUIET
    assert (await club.one(ClubState)).watched_since == start
    club.clock.advance(seconds=100)
    after = Observer(club.parts)  # as after a restart
    await after.observe("matrix", [], "p9", after_gap=True)
    await after.flush()
    first, second = await club.find(Coverage)
    assert first == interval
    assert second.start == club.clock.now()


async def test_while_the_intake_does_not_listen_nothing_counts_as_seen(club):
    await club.pass_time(seconds=20)
    seen_until = (await club.one(Coverage)).end
    assert club.clock.now() - seen_until < observe.QUIET
    club.platform.down = True
    club.clock.advance(seconds=60)
    await club.observer.flush()
    assert (await club.one(Coverage)).end == seen_until
    club.platform.down = False
    await club.observer.observe("matrix", [], "caught-up")  # without a gap: nothing was missed
    await club.observer.flush()
    assert (await club.one(Coverage)).end == club.clock.now()


async def test_a_sign_of_someone_who_was_asked_is_not_kept_waiting(club):
    [carl] = await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.pass_time(seconds=1)
    assert await club.state(carl) is State.NOTICED
    await club.platform.live(carl, Kind.REACTION)  # no flush by the clock
    assert await club.state(carl) is State.ACTIVE


async def test_old_event_after_new_moves_nobody_back_and_is_counted_on_its_day(club):
    """A tool overwrote the last sign by whatever came last, and a late event made people older."""
    [eve] = await club.adopt("eve")
    await club.observer.observe("matrix", [sign(club, eve, "new", ago=1)], "p1")
    await club.observer.flush()
    seen = await club.member(eve)
    late = sign(club, eve, "old", ago=5 * 86_400, kind=Kind.FILE)
    await club.observer.observe("matrix", [late], "p2")
    await club.observer.flush()
    now = await club.member(eve)
    assert (now.last_seen_at, now.last_kind) == (seen.last_seen_at, "message")
    assert {(day.kind, day.day) for day in await club.find(Activity)} == {
        (Kind.MESSAGE, seen.last_seen_at.date()),
        (Kind.FILE, late.at.date()),
    }


async def test_told_again_after_a_restart_or_by_another_worker_nothing_is_counted_twice(club):
    [eve] = await club.adopt("eve")
    told = [sign(club, eve, str(number), ago=number) for number in range(5)]
    await club.observer.observe("matrix", told, "p1")
    await club.observer.flush()
    other = Observer(club.parts)
    await other.observe("matrix", [*reversed(told), sign(club, eve, "6")], "p2")
    await other.flush()
    assert sum(day.count for day in await club.find(Activity)) == 6


async def test_what_was_counted_long_ago_is_forgotten(club):
    [eve, bob] = await club.adopt("eve", "bob")
    towards = ((Relation.ANSWERED, bob),)
    await club.observer.observe("matrix", [replace(sign(club, eve), towards=towards)], "p1")
    await club.observer.flush()
    for days, left in ((29, (1, 1)), (2, (0, 1)), (400, (0, 0))):
        club.clock.advance(days=days)
        await due.tidy(club.parts)
        assert (len(await club.find(Counted)), len(await club.find(Tie))) == left


async def test_a_bridge_that_lets_its_people_in_again_says_nothing_of_them(club):
    """Its start is a join of everybody; what they say through it is theirs."""
    spec = "\n  bridged: ['matrix:@irc_*:fake']"
    text = club.parts.policy.text.replace("\nspec:", f"\nspec:{spec}", 1)
    club.parts.shelf.use(load_policy(text, "bridged.yaml"))
    ghost, eve = await club.adopt("irc_carl", "eve")
    signs = [
        sign(club, ghost, "g", kind=Kind.JOIN),
        sign(club, eve, "e", kind=Kind.JOIN),
    ]
    await club.observer.observe("matrix", signs, "p1")
    await club.observer.flush()
    assert (await club.member(ghost)).last_seen_at is None
    assert (await club.member(eve)).last_kind == "join"
    await club.observer.observe("matrix", [sign(club, ghost, "said")], "p2")
    await club.observer.flush()
    assert (await club.member(ghost)).last_kind == "message"


async def test_who_turned_to_whom_is_counted_by_week_and_between_members_only(club):
    eve, bob = await club.adopt("eve", "bob")
    stranger = Identity("matrix", "@mallory:fake")
    towards = ((Relation.ANSWERED, bob), (Relation.MENTIONED, bob), (Relation.MENTIONED, eve))
    said = [
        replace(sign(club, eve, str(number)), towards=(*towards, (Relation.REACTED, stranger)))
        for number in range(2)
    ]
    for _ in range(2):
        await club.observer.observe("matrix", said, "p1")
        await club.observer.flush()
    found = await club.find(Tie)
    people = [(await club.member(who)).person_id for who in (eve, bob)]
    assert {(tie.person_id, tie.to_id, tie.relation, tie.count) for tie in found} == {
        (*people, Relation.ANSWERED, 2),
        (*people, Relation.MENTIONED, 2),
    }
    today = club.clock.now().date()
    assert {tie.week for tie in found} == {today - timedelta(days=today.weekday())}
    await erase.erase(club.parts, bob, "operator:root")
    assert not await club.find(Tie)


async def share(club, who):
    """The evidence about a member: the share that was seen, and when nothing was."""
    members = [await club.member(who)]
    outlook = await member_facts.look_out(club.parts)
    async with club.store.look(club.parts.club) as tx:
        [look] = await member_facts.look_at(tx, club.parts, members, outlook, club.clock.now())
    return look.facts.seen_share, look.candidate.evidence["blind"]


async def test_what_a_room_that_was_shut_to_us_hid_is_nobody_s_silence(club):
    [eve] = await club.adopt("eve")
    await club.pass_time(seconds=100)
    assert await share(club, eve) == (1.0, "")
    start = club.clock.now()
    for _ in range(2):  # told at a restart too
        await club.desk.blind("matrix", {"lobby": start})
        await club.pass_time(seconds=50)
    assert (await club.one(BlindSpot)).end is None
    seen_share, blind = await share(club, eve)
    assert seen_share == pytest.approx(0.5, abs=0.01)
    assert blind.startswith(f"{start.isoformat(timespec='seconds')}/")
    assert blind.endswith(" matrix:lobby")
    await Observer(club.parts).blind("matrix", {})  # another process, or after a crash
    assert (await club.one(BlindSpot)).end == club.clock.now()
    await club.pass_time(seconds=100)
    assert (await share(club, eve))[0] == pytest.approx(2 / 3, abs=0.01)


async def test_what_was_lost_on_its_way_to_us_is_kept_once(club):
    [eve] = await club.adopt("eve")
    await club.pass_time(seconds=100)
    now = club.clock.now()
    for _ in range(2):
        await club.desk.missed("matrix", "", now - 30 * SECOND, now - 5 * SECOND)
        await club.desk.missed("matrix", "", now - 5 * SECOND, now + 99 * SECOND)
    assert [spot.end for spot in await club.find(BlindSpot)] == [now - 5 * SECOND, now]
    assert (await share(club, eve))[0] == pytest.approx(0.7, abs=0.01)


async def test_a_blind_spot_on_any_platform_of_theirs_is_one(club):
    """Whoever has an account on two platforms may have been alive on either."""
    [eve, bob] = await club.adopt("eve", "bob")
    other = Identity("other", "U1")
    club.parts = replace(
        club.parts, platforms={**club.parts.platforms, "other": FakePlatform(club.clock, "other")}
    )
    async with club.store.transaction(club.parts.club) as tx:
        person = (await club.member(eve)).person_id
        await tx.add(
            Account(club=tx.club, person_id=person, identity=other, name="", first_seen_at=NOW)
        )
        now = club.clock.now()
        for start, end in ((0, 50), (75, 100)):  # 25 seconds in which it was not there for us
            await tx.add(
                Coverage(
                    club=tx.club,
                    platform="other",
                    start=now + start * SECOND,
                    end=now + end * SECOND,
                )
            )
    await club.pass_time(seconds=100)
    assert (await share(club, bob))[0] == 1.0
    seen_share, blind = await share(club, eve)
    assert seen_share == pytest.approx(0.75, abs=0.02)
    assert blind.endswith(" other")
    signs = [replace(sign(club, other, "there"), event_id="$there")]
    await club.observer.observe("other", signs, "p")
    await club.observer.flush()
    assert (await club.member(eve)).last_seen_at == club.clock.now()
