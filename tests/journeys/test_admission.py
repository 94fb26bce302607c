"""From the join form to being inside, and every way that ends otherwise."""

import pytest

from gatekeeper.domain.applications import Application, State, Vote
from gatekeeper.domain.clubs import Proof
from gatekeeper.domain.decisions import Entry, Order, Progress, Verdict
from gatekeeper.domain.errors import BadInput, Refused, TooMany, WrongState
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import Membership
from gatekeeper.policy.facts import ApplicationFacts
from gatekeeper.testing.fakes import FakeStore
from gatekeeper.usecases import apply, by_operator, erase, links, pause, replays, standing
from tests.journeys.club import ANSWERS, CLUB, WHY, Club, a_club


async def sent(club: Club, who: Identity, browser: str = "b", **answers: str) -> Application:
    """A form sent on the web."""
    form = apply.Submission(
        identity=who,
        answers=dict(ANSWERS) | answers,
        browser=browser,
        address=f"192.0.2.{len(browser)}",
    )
    return await apply.submit(club.parts, form)


async def state(club: Club, number: int) -> State:
    """Where an application stands."""
    return (await club.one(Application, id=number)).state


async def entries(club: Club) -> list[Entry]:
    """The whole record."""
    async with club.store.look(CLUB) as tx:
        return await tx.entries(limit=1000)


async def test_two_admins_admit_ada(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    number = await club.apply(ada)
    card = club.card_of("Ada")
    assert card.card is not None
    assert any(WHY in value for _, value in card.card.facts)
    assert {choice.symbol for choice in card.card.choices} == {"✅", "❓", "❌", "🙈"}
    await club.platform.press(club.alice, card.ref, "✅")
    await club.settle()
    assert await state(club, number) is State.IN_REVIEW
    await club.platform.press(club.boris, card.ref, "✅")
    await club.settle()
    assert await state(club, number) is State.INVITED
    assert "Alice" in card.card.title or "Alice" in str(club.card_of("Ada").card)
    await club.platform.join(ada)
    await club.settle()
    assert await state(club, number) is State.ADMITTED
    member = await club.one(Membership, identity=ada)
    assert member.origin == "application"
    assert len(club.cards()) == 1
    assert [e.code for e in await entries(club)].count("quorum") == 1
    assert await club.store.verify(CLUB) > 0


async def test_what_was_decided_is_decided_again_from_its_record(club: Club) -> None:
    await club.admit("ada")
    async with club.store.look(CLUB) as tx:
        rows = await tx.entries(limit=1000)
        [ruled] = [entry for entry in rows if entry.verdict is Verdict.WAIT]
        [decided] = [entry for entry in rows if entry.code == "quorum"]
        votes, facts = await tx.seen_by(decided), await tx.seen_by(ruled)
    assert votes is not None
    again = replays.replay(votes, decided.at)
    assert (again.code, dict(again.values)) == ("quorum", {"approvals": 2, "needed": 2})
    assert "alice" not in str(votes)
    ruling = club.policy.judge_application(ApplicationFacts.model_validate(facts), ruled.at)
    assert (ruling.code, ruling.verdict) == (ruled.code, ruled.verdict)


async def test_greeted_later_and_once(club: Club) -> None:
    await club.admit("ada")
    await club.admit("ben")
    rooms = [
        m for m in club.platform.messages.values() if m.place in {"welcome", "lighthouse-hall"}
    ]
    assert rooms == []
    await club.pass_time(seconds=12)
    rooms = [
        m for m in club.platform.messages.values() if m.place in {"welcome", "lighthouse-hall"}
    ]
    assert len(rooms) == 1
    assert "Ada" in rooms[0].text
    assert "Ben" in rooms[0].text


async def test_unproven_blocks_nobody_and_goes_after_a_day(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    squatter = await sent(club, ada, browser="squatter")
    await club.settle()
    assert club.cards() == []
    assert await club.find(Account, identity=ada) == []
    number = await club.apply(ada, browser="her own")
    assert await state(club, number) is State.IN_REVIEW
    with pytest.raises(Refused) as refused:
        await apply.prove(club.parts, squatter.id, "squatter", "000000")
    assert refused.value.reason == "code-expired"
    club.clock.advance(days=1, seconds=1)
    await club.settle()
    gone = await club.one(Application, id=squatter.id)
    assert gone.state is State.EXPIRED
    assert gone.answers is None


@pytest.mark.parametrize(
    ("browser", "code", "later", "why"),
    [
        pytest.param("b", "wrong", 0, "code-wrong", id="wrong code"),
        pytest.param("other", "right", 0, "code-other-browser", id="another browser"),
        pytest.param("b", "right", 601, "code-expired", id="after ten minutes"),
    ],
)
async def test_codes_are_refused(club: Club, browser: str, code: str, later: int, why: str) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    app = await sent(club, ada)
    await club.settle()
    right = club.code(ada)
    club.clock.advance(seconds=later)
    typed = right if code == "right" else f"{(int(right) + 1) % 10**6:06d}"
    with pytest.raises(Refused) as refused:
        await apply.prove(club.parts, app.id, browser, typed)
    assert refused.value.reason == why
    assert await state(club, app.id) is State.UNPROVEN


async def test_five_wrong_codes_end_a_code(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    app = await sent(club, ada)
    await club.settle()
    right = club.code(ada)
    wrong = f"{(int(right) + 1) % 10**6:06d}"
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(Refused) as refused:
            await apply.prove(club.parts, app.id, "b", wrong)
        assert refused.value.values["left"] == left
    with pytest.raises(Refused) as refused:
        await apply.prove(club.parts, app.id, "b", right)
    assert refused.value.reason == "code-too-many-tries"


async def test_one_open_code_for_an_account_and_a_limit_by_the_hour(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    for browser in ("a", "bb", "ccc"):
        await sent(club, ada, browser=browser)
    still_open = await club.find(Proof, identity=ada, expires_at__gt=club.clock.now())
    assert len(still_open) == 1
    with pytest.raises(TooMany):
        await sent(club, ada, browser="dddd")
    club.clock.advance(hours=1)
    await sent(club, ada, browser="dddd")


async def test_a_code_is_kept_nowhere_once_sent(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    await sent(club, ada)
    await club.settle()
    code = club.code(ada)
    order = await club.one(Order, purpose="code")
    assert order.progress is Progress.DONE
    assert code not in str(order)


async def test_an_account_may_refuse_codes_for_good(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    await club.apply(ada)
    await club.platform.write(ada, "stop")
    await club.settle()
    with pytest.raises(Refused) as refused:
        await sent(club, ada, browser="again")
    assert refused.value.reason == "proof-refused"


async def test_a_second_application_leads_to_the_first(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    first = await club.apply(ada, browser="one")
    club.clock.advance(minutes=5)
    await sent(club, ada, browser="two")
    await club.settle()
    code = club.code(ada)
    second = (await club.find(Application, order="-id"))[0]
    found = await apply.prove(club.parts, second.id, "two", code)
    assert found.id == first
    assert await state(club, second.id) is State.EXPIRED
    assert len(club.cards()) == 1


async def test_a_knock_gets_a_personal_link_that_works_once(club: Club) -> None:
    bob = club.platform.person("@bob:fake", takes_chats=True)
    await club.platform.knock(bob, "I write about harbours")
    await club.settle()
    url = club.told(bob)[-1].links[0].url
    secret = url.rpartition("/")[2]
    page = await links.inspect(club.parts, secret)
    assert page.act == "form"
    opened = await links.use(club.parts, secret, "b")
    form = apply.Submission(identity=bob, answers=ANSWERS, browser="b", address="192.0.2.9")
    app = await apply.submit_proven(club.parts, form, opened.pass_id)
    await club.settle()
    assert app.knock_reason == "I write about harbours"
    assert any("harbours" in value for _, value in club.card_of("Bob").card.facts)  # type: ignore[union-attr]
    with pytest.raises(Refused) as refused:
        await links.inspect(club.parts, secret)
    assert refused.value.reason == "link-used"
    stored = str(await club.find(Order))
    assert secret not in stored


async def test_spam_is_declined_by_its_rule_with_no_card(club: Club) -> None:
    eve = club.platform.person("@eve:fake", takes_chats=True)
    number = await club.apply(eve, why="The best CASINO in town waits for you all!")
    assert await state(club, number) is State.DECLINED
    assert club.cards() == []
    assert "declined" in club.told(eve)[-1].text
    assert [e.actor for e in await entries(club)] == ["rule:spam"]


async def test_a_decline_counts_once_its_reason_is_picked(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    number = await club.apply(ada)
    card = club.card_of("Ada")
    await club.platform.press(club.alice, card.ref, "❌")
    await club.settle()
    assert await state(club, number) is State.IN_REVIEW
    reasons = next(m for m in club.platform.messages.values() if m.thread == card.ref)
    await club.platform.press(club.boris, reasons.ref, reasons.choices[1].symbol)
    await club.settle()
    assert await state(club, number) is State.IN_REVIEW, "another admin picked the reason"
    await club.platform.press(club.alice, reasons.ref, reasons.choices[1].symbol)
    await club.settle()
    app = await club.one(Application, id=number)
    assert app.state is State.DECLINED
    assert app.reason == "too-early"
    assert "half a year" in club.told(ada)[-1].text


async def test_a_decline_in_own_words_is_told_as_it_was_written(club: Club) -> None:
    """By whoever pressed ❌ and was asked, behind a word that nobody writes by accident."""
    ada = club.platform.person("@ada:fake")
    number = await club.apply(ada)
    card = club.card_of("Ada")
    say = club.platform.write
    await say(club.alice, "because we never met", "admins", card.ref)  # nothing waits for it
    await club.settle()
    await club.platform.press(club.alice, card.ref, "❌")
    await club.settle()
    await say(club.boris, "because I say so", "admins", card.ref)
    await say(club.alice, "She is nice, though", "admins", card.ref)
    await say(club.alice, "because", "admins", card.ref)
    await say(club.alice, f"because {'x' * 501}", "admins", card.ref)
    await club.settle()
    assert await state(club, number) is State.IN_REVIEW
    await say(club.alice, "Because: we are *full* <b>until May</b>.", "admins", card.ref)
    await club.settle()
    app = await club.one(Application, id=number)
    assert (app.state, app.reason) == (State.DECLINED, "own-words")
    assert "we are *full* <b>until May</b>." in club.told(ada)[-1].text
    vote = (await club.find(Vote, application_id=number))[-1]
    assert (vote.voter, vote.told) == (club.alice, "we are *full* <b>until May</b>.")
    assert "full" not in str(await entries(club)), "the record keeps no words of people"
    await erase.erase(club.parts, ada, "operator:root")
    assert "full" not in str(await club.find(Vote))
    assert "full" not in str(await club.find(Application))


async def test_a_vote_taken_back_is_gone(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    number = await club.apply(ada)
    ref = club.card_of("Ada").ref
    press = await club.platform.press(club.alice, ref, "✅")
    await club.platform.take_back_press(club.alice, press)
    await club.platform.press(club.boris, ref, "✅")
    await club.settle()
    assert await state(club, number) is State.IN_REVIEW


async def test_presence_in_the_admin_room_is_no_right(club: Club) -> None:
    gil = club.platform.person("@gil:fake", admin=True, power=1, takes_chats=True)
    ada = club.platform.person("@ada:fake")
    number = await club.apply(ada)
    ref = club.card_of("Ada").ref
    await club.platform.press(gil, ref, "✅")
    await club.platform.press(club.alice, ref, "✅")
    await club.settle()
    assert await state(club, number) is State.IN_REVIEW
    assert "admins decide" in club.told(gil)[-1].text
    assert len(await club.find(Vote)) == 1


async def test_a_right_lost_before_the_decision_takes_the_vote_along(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    number = await club.apply(ada)
    ref = club.card_of("Ada").ref
    await club.platform.press(club.alice, ref, "✅")
    club.platform.people["@alice:fake"].power = 0
    await club.platform.press(club.boris, ref, "✅")
    await club.settle()
    assert await state(club, number) is State.IN_REVIEW


async def test_who_becomes_admin_later_is_not_in_the_electorate(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    number = await club.apply(ada)
    ref = club.card_of("Ada").ref
    late = club.platform.person("@late:fake", admin=True, takes_chats=True)
    for admin in (late, club.alice):
        await club.platform.press(admin, ref, "✅")
    await club.settle()
    assert await state(club, number) is State.IN_REVIEW
    assert "became an admin after" in club.told(late)[-1].text


async def test_the_second_of_two_who_decide_at_once_is_told_who(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    await club.apply(ada)
    club.platform.people["@fay:fake"].takes_chats = True
    ref = club.card_of("Ada").ref
    for admin in (club.alice, club.boris, club.fay):
        await club.platform.press(admin, ref, "✅")
    await club.settle()
    assert "Alice" in club.told(club.fay)[-1].text
    assert len([o for o in await club.find(Order) if o.purpose == "invitation"]) == 1


async def test_an_edit_clears_the_votes_and_tells_the_voters(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    club.platform.people["@alice:fake"].takes_chats = True
    number = await club.apply(ada)
    card = club.card_of("Ada")
    await club.platform.press(club.alice, card.ref, "✅")
    changed = dict(ANSWERS) | {"why": "In truth I want to sell you my own clocks, all of them."}
    await apply.edit(club.parts, number, f"browser of {ada}", changed)
    await club.settle()
    assert "cleared" in club.told(club.alice)[-1].text
    shown = club.card_of("Ada").card
    assert shown is not None
    assert any(f"{WHY} → " in value for _, value in shown.facts)
    await apply.edit(club.parts, number, f"browser of {ada}", changed | {"why": f"{WHY} Truly."})
    await club.settle()
    shown = club.card_of("Ada").card
    assert shown is not None
    assert any(f"{WHY} → {WHY} Truly." in value for _, value in shown.facts)
    await club.platform.press(club.boris, card.ref, "✅")
    await club.settle()
    assert await state(club, number) is State.IN_REVIEW


async def test_a_question_goes_out_and_its_answer_comes_back(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    number = await club.apply(ada)
    ref = club.card_of("Ada").ref
    await club.platform.press(club.alice, ref, "❓")
    await club.settle()
    await club.platform.write(club.alice, "Which clocks?", place="admins", thread=ref)
    await club.settle()
    assert "Which clocks?" in club.told(ada)[-1].text
    page = await standing.view(club.parts, number)
    assert [question.text for question in page.open_questions] == ["Which clocks?"]
    await club.platform.write(ada, "Marine chronometers.")
    await club.settle()
    shown = [m for m in club.platform.messages.values() if m.thread == ref]
    assert any("Marine chronometers." in m.text for m in shown)
    question = page.open_questions[0]
    with pytest.raises(WrongState):
        await apply.answer(club.parts, number, f"browser of {ada}", question.id, "And more.")


async def test_where_an_interview_is_asked_for_two_approvals_wait_for_an_answer() -> None:
    asks = {"review: {approvals: 2": "review: {interview: true, approvals: 2"}
    async with a_club(FakeStore(), **asks) as club:
        ada = club.platform.person("@ada:fake", takes_chats=True)
        number = await club.apply(ada)
        card = club.card_of("Ada")
        for admin in (club.alice, club.boris):
            await club.platform.press(admin, card.ref, "✅")
        await club.settle()
        assert await state(club, number) is State.IN_REVIEW
        shown = club.card_of("Ada").card
        assert shown is not None
        assert any("interview" in line for line in shown.lines)
        await club.platform.press(club.alice, card.ref, "❓")
        await club.settle()
        await club.platform.write(club.alice, "Which clocks?", place="admins", thread=card.ref)
        await club.settle()
        assert await state(club, number) is State.IN_REVIEW, "asked is not answered"
        await club.platform.write(ada, "Marine chronometers.")
        await club.settle()
        assert await state(club, number) is State.INVITED


async def test_people_are_answered_in_the_language_they_applied_in(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    form = apply.Submission(
        identity=ada, answers=dict(ANSWERS), language="de", browser="b", address="192.0.2.1"
    )
    app = await apply.submit(club.parts, form)
    await club.settle()
    await apply.prove(club.parts, app.id, "b", club.code(ada))
    await club.platform.write(ada, "status")
    await club.settle()
    assert "Deine Bewerbung" in club.told(ada)[-1].text


async def test_withdrawn_is_withdrawn(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    number = await club.apply(ada)
    ref = club.card_of("Ada").ref
    await apply.withdraw(club.parts, number, str(ada), f"browser of {ada}")
    await club.platform.press(club.alice, ref, "✅")
    await club.platform.press(club.boris, ref, "✅")
    await club.settle()
    assert await state(club, number) is State.WITHDRAWN
    assert club.platform.people["@ada:fake"].places == {}
    with pytest.raises(WrongState):
        await apply.withdraw(club.parts, number, str(ada))


async def test_an_invitation_not_taken_up_is_reminded_once_and_ends(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    number = await club.apply(ada)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of("Ada").ref, "✅")
    await club.pass_time(seconds=14)
    assert await state(club, number) is State.LAPSED
    assert sum("still waiting in your client" in m.text for m in club.told(ada)) == 1
    assert club.platform.people["@ada:fake"].places == {}
    assert await club.find(Membership) == []


async def test_a_waiting_application_is_brought_up_again(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    await club.apply(ada)
    ref = club.card_of("Ada").ref
    await club.pass_time(seconds=13)
    reminders = [m for m in club.platform.messages.values() if m.thread == ref]
    assert len(reminders) == 2


async def test_an_invitation_refused_ends_the_application(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    number = await club.apply(ada)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of("Ada").ref, "✅")
    await club.settle()
    await club.platform.leave(ada)
    await club.settle()
    assert await state(club, number) is State.LAPSED


async def test_a_ban_ends_an_open_application(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    number = await club.apply(ada)
    await club.platform.ban(ada, club.fay, "known elsewhere")
    await club.settle()
    assert await state(club, number) is State.DECLINED
    again = await sent(club, ada, browser="again")
    assert again.state is State.UNPROVEN


async def test_an_admin_we_never_met_stands_in_the_record_by_number(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    assert not await club.find(Account, identity=club.fay)
    await club.platform.ban(ada, club.fay)
    [entry] = [entry for entry in await entries(club) if entry.code == "banned"]
    fay = await club.one(Account, identity=club.fay)
    assert entry.actor == f"person:{fay.person_id}"


async def test_news_that_waited_is_not_told_once_it_is_over(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    number = await club.apply(ada)
    await club.platform.leave_chat(ada)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of("Ada").ref, "✅")
    await club.settle()
    told = await club.one(Order, purpose="approve-told")
    assert told.progress is Progress.WAITING
    await club.platform.ban(ada, club.alice)
    await club.settle()
    assert await state(club, number) is State.LAPSED
    assert (await club.one(Order, purpose="approve-told")).progress is Progress.CANCELLED


async def test_pause_stops_all_writing_and_resume_shows_first(club: Club) -> None:
    await pause.pause(club.parts, "operator:test")
    bob = club.platform.person("@bob:fake", takes_chats=True)
    await club.platform.knock(bob, "hello")
    for _ in range(3):
        for order in await club.find(Order, progress=Progress.DUE):
            await club.performer.perform(order.id, order.attempt)
    assert club.told(bob) == []
    assert any("@bob:fake" in line for line in (await pause.would(club.parts)).lines)
    await pause.resume(club.parts, "operator:test")
    await club.settle()
    assert len(club.told(bob)) == 1


async def test_lost_answers_double_nothing(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    club.platform.lose_answers(2)
    number = await club.apply(ada)
    club.platform.lose_answers(2)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of("Ada").ref, "✅")
    await club.pass_time(seconds=4)
    assert await state(club, number) is State.INVITED
    assert len(club.cards()) == 1


async def test_a_platform_that_is_busy_is_asked_again_in_time(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    number = await club.apply(ada)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of("Ada").ref, "✅")
    club.platform.busy(3, ("invite:issuer",))
    await club.settle()
    assert await state(club, number) is State.APPROVED
    await club.pass_time(seconds=4)
    assert await state(club, number) is State.INVITED


async def test_a_final_no_goes_to_the_admins(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    number = await club.apply(ada)
    club.platform.refuse(ada, "no-power")
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of("Ada").ref, "✅")
    await club.settle()
    assert await state(club, number) is State.APPROVED
    said = [m.text for m in club.platform.messages.values() if m.place == "admins"]
    assert any("power level is too low" in text for text in said)


async def test_an_operator_decides_by_hand(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    number = await club.apply(ada)
    with pytest.raises(BadInput):
        await by_operator.decide_by_operator(club.parts, number, False, "no-such-reason", "root")
    app = await by_operator.decide_by_operator(club.parts, number, False, "too-early", "root")
    assert app.state is State.DECLINED
    with pytest.raises(WrongState):
        await by_operator.decide_by_operator(club.parts, number, True, "", "root")
    assert (await entries(club))[-1].actor == "operator:root"
