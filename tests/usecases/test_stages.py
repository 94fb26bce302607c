import re

import pytest

from gatekeeper.domain.activity import Kind
from gatekeeper.domain.clubs import Pass
from gatekeeper.domain.decisions import Order, Progress, Remove
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.events import Departed
from gatekeeper.domain.identity import Account
from gatekeeper.domain.memberships import State
from gatekeeper.usecases import due, exempt, leave, links, pause, stage_ends
from tests.journeys.club import CLUB
from tests.usecases.conftest import GRACE, QUIET


def link(message):
    return message.links[0].url.rpartition("/")[2]


# ---- Answering -----------------------------------------------------------------------------------


async def test_a_press_of_the_hand_sets_free(club):
    [eve] = await club.adopt("eve")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.platform.press(eve, club.told(eve)[0].ref, "✋")
    await club.settle()
    member = await club.member(eve)
    assert member.state is State.ACTIVE
    assert member.last_seen_at == club.clock.now()
    assert member.noticed_at is None
    assert "You stay" in club.told(eve)[-1].text
    await club.sweep("at once")
    assert await club.state(eve) is State.ACTIVE


async def test_only_the_one_who_was_asked_can_answer(club):
    carl, eve = await club.adopt("carl", "eve")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.platform.press(eve, club.told(carl)[0].ref, "✋")
    await club.settle()
    assert await club.state(carl) is State.NOTICED


async def test_the_link_of_a_notice_sets_free_once(club):
    [eve] = await club.adopt("eve")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    [order] = await club.find(Order, purpose="notice")
    async with club.store.look(CLUB) as tx:
        assert await tx.count(Pass, act="here", used_at=None, void_at=None) == 1
    secret = link(club.told(eve)[0])
    await links.inspect(club.parts, secret)
    assert await club.state(eve) is State.NOTICED, "a look at a link changes nothing"
    await links.use(club.parts, secret, "browser")
    assert await club.state(eve) is State.ACTIVE
    assert order.progress is Progress.DONE


@pytest.mark.parametrize("late", [0, GRACE + 1], ids=["in grace", "on the card"])
async def test_any_sign_of_life_ends_every_stage(club, late):
    [carl] = await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.pass_time(seconds=late)
    await club.platform.live(carl, Kind.READ)
    await club.settle()
    assert await club.state(carl) is State.ACTIVE
    card = club.removals()
    assert card is None or (not card.card.facts and not card.choices)


async def test_a_leave_and_an_exemption_end_what_was_begun(club):
    carl, dana = await club.to_planned("carl", "dana")
    later = club.clock.advance(seconds=1).replace(year=2026, month=9)
    await leave.announce(club.parts, carl, later, "at sea", str(carl))
    await exempt.exempt(club.parts, dana, "keeps the lamp", later, "operator:root")
    await club.settle()
    assert await club.state(carl) is State.ACTIVE
    assert await club.state(dana) is State.ACTIVE
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    assert await club.state(carl) is State.ACTIVE
    assert await club.state(dana) is State.ACTIVE


# ---- Reaching ------------------------------------------------------------------------------------


async def test_an_invitation_to_a_chat_is_no_delivery(club):
    [zoe] = await club.adopt("zoe", takes_chats=False)
    [carl] = await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.pass_time(seconds=GRACE * 3)
    member = await club.member(zoe)
    assert member.state is State.NOTIFYING
    assert member.noticed_at is None
    assert member.grace_ends_at is None
    card = club.removals().card
    assert [label.split(" ")[1] for label, _ in card.facts] == ["Carl", "Zoe"]
    assert "could not be reached" in card.facts[1][1]
    await club.platform.press(club.alice, club.removals().ref, "✅")
    await club.settle()
    assert await club.state(carl) is State.REMOVED
    assert await club.state(zoe) is State.NOTIFYING, "decided by name only"


async def test_grace_begins_when_the_chat_is_taken_up_and_the_date_told_is_kept(club):
    [zoe] = await club.adopt("zoe", takes_chats=False)
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.pass_time(seconds=600)
    await club.platform.take_chat(zoe)
    await club.settle()
    member = await club.member(zoe)
    assert member.state is State.NOTICED
    assert (club.clock.now() - member.noticed_at).total_seconds() < 2
    told = re.search(r"link by 1 March 2026, (12:\d\d)", club.told(zoe)[0].text)
    assert told[1] >= f"{club.clock.now():%H:%M}", "a date of long ago"
    assert told[1] <= f"{member.grace_ends_at:%H:%M}"


async def test_who_could_not_be_reached_is_removed_on_their_name(club):
    [zoe] = await club.adopt("zoe", takes_chats=False)
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.pass_time(seconds=GRACE + 1)
    assert club.removals() is None
    await club.sweep("next week")
    ref = club.removals().ref
    assert not club.removals().choices
    await club.platform.write(club.alice, "remove @zoe", place="admins", thread=ref)
    await club.settle()
    assert await club.state(zoe) is State.REMOVED
    assert not (await club.platform.standing(zoe)).inside


async def test_a_notice_that_is_refused_removes_nobody(club):
    [zoe] = await club.adopt("zoe")
    club.platform.refuse(zoe, "no-such-person")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.pass_time(seconds=GRACE * 2)
    member = await club.member(zoe)
    assert member.state is State.NOTIFYING
    assert member.unreachable_since is not None


# ---- Removing ------------------------------------------------------------------------------------


async def test_a_press_confirms_and_the_way_back_is_told(club):
    [carl] = await club.to_planned("carl")
    card = club.removals()
    assert "Carl" in card.card.facts[0][0]
    assert "Last sign" in card.card.facts[0][1] or "No sign" in card.card.facts[0][1]
    await club.platform.press(club.alice, card.ref, "✅")
    await club.settle()
    member = await club.member(carl)
    assert (member.state, member.cause) == (State.REMOVED, "silence")
    alice = await club.one(Account, identity=club.alice)
    assert member.confirmed_by == f"person:{alice.person_id}"
    goodbye = club.told(carl)[-1]
    assert goodbye.place == "direct"
    assert "come back" in goodbye.text.lower()
    assert [one.label for one in goodbye.links] == ["Come back", "This is wrong"]
    assert not club.removals().choices


async def test_a_member_has_no_say_on_the_card(club):
    carl, eve = await club.to_planned("carl", "eve")
    await club.platform.live(eve)
    await club.settle()
    await club.platform.press(eve, club.removals().ref, "✅")
    await club.settle()
    assert await club.state(carl) is State.PLANNED
    assert "Only this club's admins" in club.told(eve)[-1].text


async def test_a_press_confirms_only_those_whom_the_card_showed(club):
    carl, eve = await club.adopt("carl", "eve")
    await club.pass_time(seconds=QUIET - 2)
    await club.platform.live(eve)
    await club.pass_time(seconds=2)
    await club.sweep("carl")
    await club.pass_time(seconds=GRACE + 1)
    ref = club.removals().ref
    await club.pass_time(seconds=QUIET - GRACE - 3)
    await club.sweep("eve")
    club.clock.advance(seconds=GRACE + 1)
    await club.observer.flush()
    await due.due(club.parts)  # Eve is planned, but the card does not show it yet
    assert await club.state(eve) is State.PLANNED
    await club.platform.press(club.alice, ref, "✅")
    await club.settle()
    assert await club.state(carl) is State.REMOVED
    assert await club.state(eve) is State.PLANNED


async def test_a_press_before_the_receipt_of_the_first_card_counts(club):
    """The card stands and is pressed, but its answer was lost on the way to us."""
    [carl] = await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.pass_time(seconds=GRACE - 1)
    club.clock.advance(seconds=1)
    club.platform.lose_answers(1)
    await club.settle()
    ref = club.removals().ref
    await club.platform.press(club.alice, ref, "✅")
    assert await club.state(carl) is State.PLANNED
    await club.pass_time(seconds=3)
    assert await club.state(carl) is State.REMOVED


async def test_a_second_press_says_that_nobody_is_left(club):
    [carl] = await club.to_planned("carl")
    ref = club.removals().ref
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, ref, "✅")
    await club.settle()
    assert await club.state(carl) is State.REMOVED
    assert len(await club.find(Order, purpose="removal")) == 1
    told = await club.find(Order, purpose="told")
    assert any("Nobody on this card" in order.action.text for order in told)


async def test_an_admin_keeps_all_and_silence_is_measured_anew(club):
    [carl] = await club.to_planned("carl")
    await club.platform.press(club.alice, club.removals().ref, "❌")
    await club.settle()
    member = await club.member(carl)
    assert member.state is State.ACTIVE
    assert member.known_since == club.clock.now()
    assert "keep you" in club.told(carl)[-1].text
    await club.sweep("at once")
    assert await club.state(carl) is State.ACTIVE


async def test_an_admin_keeps_one_by_name(club):
    carl, eve = await club.to_planned("carl", "eve")
    ref = club.removals().ref
    await club.platform.write(club.alice, "keep @carl is ill", place="admins", thread=ref)
    await club.settle()
    assert await club.state(carl) is State.ACTIVE
    assert await club.state(eve) is State.PLANNED
    member = await club.member(carl)
    async with club.store.look(CLUB) as tx:
        entry = (await tx.entries(subject=f"membership:{member.id}"))[-1]
        assert entry.code == "kept-by-admin"
        assert (await tx.seen_by(entry)) == {"reason": "is ill"}
    await club.platform.write(club.alice, "remove @nobody", place="admins", thread=ref)
    await club.settle()
    assert "nobody here called @nobody" in club.platform.posted()[-1].text


async def test_nobody_is_removed_by_name_while_their_grace_runs(club):
    carl, eve = await club.adopt("carl", "eve")
    await club.pass_time(seconds=QUIET)
    await club.platform.live(eve)
    await club.sweep()
    await club.pass_time(seconds=GRACE + 1)
    await club.pass_time(seconds=QUIET - GRACE - 1)
    await club.sweep("eve")
    ref = club.removals().ref
    await club.platform.write(club.alice, "remove @eve", place="admins", thread=ref)
    await club.settle()
    assert await club.state(eve) is State.NOTICED
    assert await club.state(carl) is State.PLANNED


async def test_the_last_look_calls_a_removal_off(club):
    [carl] = await club.to_planned("carl")
    await pause.pause(club.parts, "operator:root")
    await club.platform.press(club.alice, club.removals().ref, "✅")
    assert await club.state(carl) is State.CONFIRMED
    await club.platform.live(carl)
    await pause.resume(club.parts, "operator:root")
    await club.settle()
    assert await club.state(carl) is State.ACTIVE
    assert (await club.platform.standing(carl)).inside
    assert (await club.one(Order, purpose="removal")).progress is Progress.CANCELLED


async def test_an_admin_is_not_removed_even_when_confirmed(club):
    [carl] = await club.to_planned("carl")
    await pause.pause(club.parts, "operator:root")
    await club.platform.press(club.alice, club.removals().ref, "✅")
    account = club.platform.people[carl.account]
    account.places["admins"], account.power = "join", 50
    await pause.resume(club.parts, "operator:root")
    await club.settle()
    assert await club.state(carl) is State.ACTIVE


async def test_a_lost_answer_removes_once(club):
    [carl] = await club.to_planned("carl")
    club.platform.lose_answers(1, Remove)
    await club.platform.press(club.alice, club.removals().ref, "✅")
    await club.pass_time(seconds=5)
    assert await club.state(carl) is State.REMOVED
    removed = [key for key, action in club.platform.performed if type(action).__name__ == "Remove"]
    assert len(removed) == 1
    assert len([m for m in club.told(carl) if m.links and "back" in m.text]) == 1


@pytest.mark.parametrize("unclear", [True, False])
async def test_whom_we_took_out_did_not_leave_by_themselves(club, unclear):
    """Where a platform does not say whose hand it was, and ours was begun, it was ours."""
    [carl] = await club.to_planned("carl")
    club.platform.lose_answers(1, Remove)
    await club.platform.press(club.alice, club.removals().ref, "✅")
    await club.settle()
    assert await club.state(carl) is State.CONFIRMED
    gone = Departed(who=carl, at=club.clock.now(), event_id="$gone", unclear=unclear)
    await club.desk.handle(gone)
    await club.pass_time(seconds=5)
    assert await club.state(carl) is (State.REMOVED if unclear else State.DEPARTED)
    ways_back = [m for m in club.told(carl) if m.links and "back" in m.text]
    assert len(ways_back) == (1 if unclear else 0)


async def test_whoever_leaves_before_we_began_left_by_themselves(club):
    [carl] = await club.to_planned("carl")
    gone = Departed(who=carl, at=club.clock.now(), event_id="$gone", unclear=True)
    await club.desk.handle(gone)
    assert await club.state(carl) is State.DEPARTED


async def test_a_sign_that_crosses_the_removal_brings_them_back(club):
    """The kick took effect, its answer was lost, and before the next try a sign comes in."""
    [carl] = await club.to_planned("carl")
    club.platform.lose_answers(1)
    await club.platform.press(club.alice, club.removals().ref, "✅")
    order = await club.one(Order, purpose="removal")
    await club.performer.perform(order.id, order.attempt)
    assert not (await club.platform.standing(carl)).inside
    account = await club.member(carl)
    async with club.store.transaction(CLUB) as tx:
        await stage_ends.alive(tx, club.parts, account.person_id, club.clock.now(), "chat")
    await club.pass_time(seconds=5)
    assert (await club.platform.standing(carl)).invited
    assert "Sorry" in " ".join(m.text for m in club.told(carl))
    await club.platform.join(carl)
    await club.settle()
    assert (await club.member(carl)).origin == "comeback"
    assert await club.state(carl) is State.ACTIVE


@pytest.mark.parametrize("how", ["sign", "exempt"])
async def test_a_removal_that_broke_off_and_is_called_off_gives_the_rooms_back(club, how):
    """They were out of the rooms, and not yet out of the club, when something spoke for them."""
    [carl] = await club.to_planned("carl")
    before = dict(club.platform.people[carl.account].places)
    club.platform.break_off()
    await club.platform.press(club.alice, club.removals().ref, "✅")
    order = await club.one(Order, purpose="removal")
    await club.performer.perform(order.id, order.attempt)
    assert club.platform.people[carl.account].places == {"space": "join"}
    account = await club.member(carl)
    async with club.store.transaction(CLUB) as tx:
        how_seen = "chat" if how == "sign" else "exempt"
        await stage_ends.alive(tx, club.parts, account.person_id, club.clock.now(), how_seen)
    await club.pass_time(seconds=5)
    places = club.platform.people[carl.account].places
    assert places == {place: "join" if place == "space" else "invite" for place in before}
    assert await club.state(carl) is State.ACTIVE


async def test_a_removal_that_is_refused_can_be_tried_again(club):
    [carl] = await club.to_planned("carl")
    club.platform.refuse(carl, "no-power")
    await club.platform.press(club.alice, club.removals().ref, "✅")
    await club.settle()
    assert await club.state(carl) is State.CONFIRMED
    assert "could not be done" in club.removals().card.facts[0][1]
    club.platform.refuse(carl, "")
    club.clock.advance(seconds=1)
    await club.platform.press(club.boris, club.removals().ref, "✅")
    await club.settle()
    assert await club.state(carl) is State.REMOVED


# ---- Other hands ---------------------------------------------------------------------------------


async def test_what_an_admin_does_by_hand_is_theirs(club):
    carl, eve, finn = await club.to_planned("carl", "eve", "finn")
    await club.platform.put_out_by_hand(carl, club.alice, "conduct")
    await club.platform.put_out_by_hand(eve, club.alice)
    await club.platform.leave(finn)
    await club.settle()
    ended = [await club.member(who) for who in (carl, eve, finn)]
    assert [(m.state, m.cause) for m in ended] == [
        (State.REMOVED, "cause"),
        (State.REMOVED, "by-hand"),
        (State.DEPARTED, "departed"),
    ]
    assert not await club.find(Order, purpose="removal")
    async with club.store.look(CLUB) as tx:
        entry = (await tx.entries(subject=f"membership:{ended[0].id}"))[-1]
        alice = await tx.first(Account, identity=club.alice)
    assert (entry.code, entry.actor) == ("removed-by-hand", f"person:{alice.person_id}")


async def test_a_ban_ends_open_links(club):
    [carl] = await club.to_planned("carl")
    await club.platform.press(club.alice, club.removals().ref, "✅")
    await club.settle()
    secret = link(club.told(carl)[-1])
    await club.platform.ban(carl, club.fay, "sold our charts")
    await club.settle()
    assert await club.state(carl) is State.BANNED
    async with club.store.look(CLUB) as tx:
        assert not await tx.find(Pass, identity=carl, used_at=None, void_at=None)
    with pytest.raises(Refused, match="link-withdrawn"):
        await links.use(club.parts, secret, "browser")
