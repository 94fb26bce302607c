"""What a hostile applicant, a hostile member or a clumsy admin might try: each was tried once."""

from datetime import timedelta

import pytest

from gatekeeper.domain.applications import Application, State, Vote
from gatekeeper.domain.clubs import Pass, StandingCard
from gatekeeper.domain.decisions import Admit, Order, Progress, Remove
from gatekeeper.domain.errors import TooMany
from gatekeeper.domain.events import Pressed
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import Membership
from gatekeeper.domain.memberships import State as Stage
from gatekeeper.usecases import adopt, apply, due, pause, sweep
from tests.journeys.club import ANSWERS, CLUB, WHY, Club

LINES = f"{WHY}\n✅ Alice approves\n2 of 2 approvals"


async def state(club: Club, number: int) -> State:
    """Where an application stands."""
    return (await club.one(Application, id=number)).state


async def silent(club: Club, name: str, *, takes_chats: bool = True) -> Identity:
    """A member from before who has been asked, and has not answered within Grace."""
    who = club.platform.person(f"@{name}:fake", inside=True, takes_chats=takes_chats)
    await adopt.adopt(club.parts, "operator:root")
    await club.pass_time(seconds=20)
    await sweep.run(club.parts, f"for-{name}")
    await club.settle()
    return who


async def stage(club: Club, who: Identity) -> Stage:
    """Where a membership stands."""
    return (await club.find(Membership, identity=who))[-1].state


async def settle_paused(club: Club) -> None:
    """Do what time asks for while nothing may be written."""
    await club.observer.flush()
    await due.due(club.parts)


def performed(club: Club, kind: type) -> list:
    """All actions of a kind that took effect."""
    return [action for _, action in club.platform.performed if isinstance(action, kind)]


# ---- Getting in without approval ---------------------------------------------------------------


async def test_whoever_turns_to_no_approves_no_more(club: Club) -> None:
    number = await club.apply(club.platform.person("@ada:fake"))
    ref = club.card_of("Ada").ref
    await club.platform.press(club.alice, ref, "✅")
    await club.platform.press(club.alice, ref, "❌")
    await club.platform.press(club.boris, ref, "✅")
    await club.settle()
    assert await state(club, number) is State.IN_REVIEW


async def test_the_reason_is_the_last_word(club: Club) -> None:
    number = await club.apply(club.platform.person("@ada:fake"))
    ref = club.card_of("Ada").ref
    await club.platform.press(club.alice, ref, "❌")
    await club.settle()
    reasons = club.said_in("admins")[-1]
    club.clock.advance(seconds=1)
    await club.platform.press(club.alice, ref, "✅")
    club.clock.advance(seconds=1)
    await club.platform.press(club.alice, reasons.ref, "1\u20e3")
    assert await state(club, number) is State.DECLINED


async def test_a_press_on_answers_that_changed_meanwhile_does_not_count(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    club.platform.people["@alice:fake"].takes_chats = True
    number = await club.apply(ada)
    ref = club.card_of("Ada").ref
    club.clock.advance(seconds=1)
    raw = {**ANSWERS, "why": "Now something quite different stands here, after you have read."}
    await apply.edit(club.parts, number, f"browser of {ada}", raw)
    await club.platform.press(club.alice, ref, "✅")  # the card still shows the old answers
    assert not await club.find(Vote, application_id=number, ended_at=None)
    await club.settle()
    assert "just changed" in club.told(club.alice)[-1].text
    club.clock.advance(seconds=1)
    await club.platform.press(club.boris, ref, "✅")
    assert len(await club.find(Vote, application_id=number, ended_at=None)) == 1


async def test_nobody_takes_back_the_vote_of_another(club: Club) -> None:
    number = await club.apply(club.platform.person("@ada:fake"))
    ref = club.card_of("Ada").ref
    press = await club.platform.press(club.alice, ref, "✅")
    await club.platform.take_back_press(club.boris, press)
    assert len(await club.find(Vote, application_id=number, ended_at=None)) == 1


async def test_a_press_that_is_told_after_its_end_does_not_count(club: Club) -> None:
    number = await club.apply(club.platform.person("@ada:fake"))
    ref = club.card_of("Ada").ref
    desk, club.platform._desk = club.platform._desk, None
    press = await club.platform.press(club.alice, ref, "✅")
    await club.platform.take_back_press(club.alice, press)
    club.platform._desk = desk
    pressed, gone = club.platform.history[-2:]
    await club.desk.handle(gone)
    await club.desk.handle(pressed)
    assert not await club.find(Vote, application_id=number, ended_at=None)


async def test_answers_cannot_draw_lines_on_the_card(club: Club) -> None:
    await club.apply(club.platform.person("@ada:fake", name="Ada\n✅ Boris approves"), why=LINES)
    card = club.card_of("Ada").card
    drawn = [line for _, value in card.facts for line in value.split("\n")[1:]]
    drawn += card.title.split("\n")[1:]
    assert drawn
    assert all(line.startswith("│ ") for line in drawn)


async def test_what_cannot_be_sent_to_a_stranger_is_not_told_to_the_admins(club: Club) -> None:
    vic = club.platform.person("@vic:fake")
    club.platform.refuse(vic, "no-such-person")
    sent = apply.Submission(identity=vic, answers=ANSWERS, browser="b", address="192.0.2.9")
    await apply.submit(club.parts, sent)
    await club.settle()
    assert not club.said_in("admins")


async def test_knocking_on_and_on_sends_no_more_links_than_codes(club: Club) -> None:
    mal = club.platform.person("@mal:fake", takes_chats=True)
    for _ in range(10):
        await club.platform.knock(mal, "hello")
        await club.settle()
        await club.platform.take_back_knock(mal)
    assert len(await club.find(Pass, act="form")) <= 3


async def test_an_applicant_cannot_change_answers_without_end(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    number = await club.apply(ada)
    turns = [{**ANSWERS, "why": f"{WHY} {turn}"} for turn in range(11)]
    for raw in turns[:-1]:
        await apply.edit(club.parts, number, f"browser of {ada}", raw)
    with pytest.raises(TooMany):
        await apply.edit(club.parts, number, f"browser of {ada}", turns[-1])


async def test_a_stranger_who_writes_on_and_on_is_answered_a_while(club: Club) -> None:
    mal = club.platform.person("@mal:fake", takes_chats=True)
    for _ in range(100):
        await club.platform.write(mal, "help")
    assert len(await club.find(Order, purpose="told")) <= 30


async def test_an_old_list_resumes_nothing_after_another_pause(club: Club) -> None:
    await club.platform.write(club.alice, "!gk pause", "admins")
    await club.platform.write(club.alice, "!gk resume", "admins")
    await club.settle()
    old = club.said_in("admins")[-1]
    await pause.resume(club.parts, "operator:root")
    await pause.pause(club.parts, "operator:root")
    await club.platform.press(club.boris, old.ref, "▶")
    assert await club.desk.paused()


# ---- Being put out by accident -----------------------------------------------------------------


async def test_who_was_put_out_by_hand_is_not_asked_back_by_a_removal_left_over(club: Club) -> None:
    carl = await silent(club, "carl")
    await club.pass_time(seconds=8)
    await pause.pause(club.parts, "operator:root")
    card = club.cards()[-1]
    await club.platform.press(club.alice, card.ref, "✅")
    await club.platform.live(carl)
    await settle_paused(club)
    await club.platform.put_out_by_hand(carl, club.alice, "harassment")
    await pause.resume(club.parts, "operator:root")
    await club.settle()
    assert not performed(club, Admit)
    assert (await club.find(Membership, identity=carl))[-1].cause == "cause"


async def test_who_was_put_out_for_cause_gets_no_way_back_for_silence(club: Club) -> None:
    carl = await silent(club, "carl")
    await club.pass_time(seconds=8)
    card = club.cards()[-1]
    await pause.pause(club.parts, "operator:root")
    await club.platform.press(club.alice, card.ref, "✅")
    await club.platform.put_out_by_hand(carl, club.alice, "harassment")
    await pause.resume(club.parts, "operator:root")
    await club.settle()
    assert (await club.find(Membership, identity=carl))[-1].cause == "cause"
    assert not await club.find(Pass, act="comeback", void_at=None)


async def test_who_was_only_just_asked_is_not_removed_by_name(club: Club) -> None:
    zoe = await silent(club, "zoe", takes_chats=False)
    carl = await silent(club, "carl")
    await club.pass_time(seconds=8)
    yara = await silent(club, "yara", takes_chats=False)
    card = club.cards()[-1]
    await club.platform.write(club.alice, "remove @yara:fake", "admins", thread=card.ref)
    await club.settle()
    assert await stage(club, yara) is Stage.NOTIFYING
    assert not performed(club, Remove)
    await club.platform.write(club.alice, "remove @zoe:fake", "admins", thread=card.ref)
    await club.settle()
    assert await stage(club, zoe) is Stage.REMOVED
    assert carl


async def test_of_two_who_answer_a_held_sweep_at_once_the_first_decides(club: Club) -> None:
    for number in range(8):
        club.platform.person(f"@m{number}:fake", inside=True, takes_chats=True)
    await adopt.adopt(club.parts, "operator:root")
    await club.pass_time(seconds=20)
    await sweep.run(club.parts, "held")
    await club.settle()
    ref = club.cards()[-1].ref
    as_boris_found_it = await club.one(StandingCard, ref=ref)
    await club.platform.press(club.alice, ref, "❌")
    late = Pressed(
        who=club.boris, at=club.clock.now(), event_id="$late", ref=ref, symbol="✅", place="admins"
    )
    await sweep.answered(club.parts, late, as_boris_found_it)
    await club.settle()
    assert not await club.find(Order, purpose="notice")


async def invited(club: Club) -> Identity:
    """Ada, whose invitation stands and whose time to take it up has just passed."""
    ada = club.platform.person("@ada:fake", takes_chats=True)
    number = await club.apply(ada)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of("Ada").ref, "✅")
    await club.settle()
    club.clock.advance(seconds=6)
    await club.settle()
    club.clock.advance(seconds=7)
    await due.due(club.parts)
    assert await state(club, number) is State.LAPSED
    return ada


async def test_whoever_takes_up_an_invitation_as_it_ends_is_in(club: Club) -> None:
    ada = await invited(club)
    await club.platform.join(ada)
    await club.settle()
    assert await stage(club, ada) is Stage.ACTIVE
    assert (await club.one(Order, purpose="retract")).progress is Progress.CANCELLED
    assert club.platform.people[ada.account].places["space"] == "join"


async def test_whoever_is_put_out_by_the_end_of_an_invitation_is_asked_in_again(club: Club) -> None:
    ada = await invited(club)
    desk, club.platform._desk = club.platform._desk, None
    await club.platform.join(ada)
    club.platform._put_out(ada, "not taken up")  # looked at before she came, carried out after
    club.platform.people[ada.account].places.clear()
    await club.platform.start(desk)
    await club.settle()
    assert "at the very moment" in club.told(ada)[-1].text
    await club.platform.join(ada)
    await club.settle()
    assert await stage(club, ada) is Stage.ACTIVE
    assert len(await club.find(Membership, identity=ada)) == 1
    assert len(performed(club, Admit)) == 2


async def declined(club: Club, name: str) -> None:
    """Both admins say no, each with the first reason."""
    ref = club.card_of(name).ref
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, ref, "❌")
        await club.settle()
        await club.platform.press(admin, club.said_in("admins")[-1].ref, "1\u20e3")
    await club.settle()


async def test_a_decline_leaves_an_admins_own_invitation_alone(club: Club) -> None:
    """The admins said no to the application; what one of them does by hand is theirs."""
    ada = club.platform.person("@ada:fake", takes_chats=True)
    number = await club.apply(ada)
    await club.platform.invite_by_hand(ada, club.alice)
    await declined(club, "Ada")
    assert await state(club, number) is State.DECLINED
    assert (await club.platform.standing(ada)).invited
    await club.platform.join(ada, by=club.alice)
    await club.settle()
    assert (await club.platform.standing(ada)).inside


async def test_a_late_retraction_spares_a_new_application(club: Club) -> None:
    """What was ordered for the old one is not carried out on the invitation of the new one."""
    ada = club.platform.person("@ada:fake", takes_chats=True)
    first = await club.apply(ada)
    await apply.withdraw(club.parts, first, str(ada))
    [late] = await club.find(Order, purpose="retract")
    async with club.store.transaction(CLUB) as tx:
        await tx.change(late, due_at=club.clock.now() + timedelta(seconds=2))
    second = await club.apply(ada, browser="another")
    [card] = [m for m in club.cards() if m.card and f"#{second}" in m.card.title]
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, card.ref, "✅")
    await club.settle()
    assert (await club.platform.standing(ada)).invited
    await club.pass_time(seconds=3)
    assert (await club.one(Order, purpose="retract")).progress is Progress.CANCELLED
    assert (await club.platform.standing(ada)).invited


# ---- The service goes on -----------------------------------------------------------------------


async def test_a_code_whose_application_has_gone_is_no_longer_sent(club: Club) -> None:
    vic = club.platform.person("@vic:fake")
    sent = apply.Submission(identity=vic, answers=ANSWERS, browser="b", address="192.0.2.9")
    await apply.submit(club.parts, sent)
    await pause.pause(club.parts, "operator:root")
    club.clock.advance(days=2)
    await settle_paused(club)
    await pause.resume(club.parts, "operator:root")
    await club.settle()
    assert (await club.one(Order, purpose="code")).progress is Progress.CANCELLED
