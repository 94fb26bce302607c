"""A chat's own forms: applying, changing, answering, being away; each person their own."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gatekeeper.domain.applications import Application, State, Vote, Vouch
from gatekeeper.domain.memberships import Leave
from gatekeeper.domain.windows import Filled
from gatekeeper.usecases import windows
from gatekeeper.usecases.intake import Desk
from tests.usecases.conftest import QUIET


def filled(club, who, act, number=1, **given):
    return Filled(who=who, at=club.clock.now(), event_id=f"{act}:{who}:{number}", act=act, **given)


@pytest.fixture
def ada(club):
    return club.platform.person("@ada:fake", takes_chats=True)


def answers_to(window, **typed):
    """Every question answered so that it can be taken."""
    by_kind = {"choice": None, "many": None, "number": "7", "date": "2020-01-01", "consent": "yes"}
    given = {}
    for field in window.fields:
        plain = by_kind.get(field.kind, "https://example.org/a-long-enough-answer")
        given[field.name] = plain if plain is not None else field.options[0][0]
    return given | typed


async def test_a_stranger_applies_without_a_code_and_may_not_twice(club, ada):
    desk = Desk(club.parts, club.observer)
    window = await desk.window(ada)
    assert window.may == {"apply"}
    assert window.fields
    sent = filled(club, ada, "apply", answers=answers_to(window))
    taken = await desk.take(sent)
    assert not taken.problems
    assert "with the admins" in taken.said
    app = await club.one(Application)
    assert (app.state, app.identity) == (State.IN_REVIEW, ada)
    again = await desk.take(sent)
    assert "already" in again.said
    assert len(await club.find(Application)) == 1
    window = await desk.window(ada)
    assert window.may == {"edit", "withdraw"}
    assert window.answers
    assert any(field.typed for field in window.fields)


async def test_what_cannot_be_taken_is_told_at_its_field(club, ada):
    taken = await windows.take(club.parts, filled(club, ada, "apply", answers={"nothing": "x"}))
    assert "nothing" in taken.problems
    assert not await club.find(Application)


async def test_answers_are_changed_and_votes_end_with_it(club, ada):
    window = await windows.look(club.parts, ada)
    await windows.take(club.parts, filled(club, ada, "apply", answers=answers_to(window)))
    await club.settle()
    await club.platform.press(club.alice, club.card_of("Ada").ref, "✅")
    await club.settle()
    window = await windows.look(club.parts, ada)
    text = next(field for field in window.fields if field.kind in {"text", "longText"})
    given = answers_to(window) | {text.name: "https://example.org/changed-and-long-enough"}
    taken = await windows.take(club.parts, filled(club, ada, "edit", answers=given))
    assert taken.said == "Your answers have been changed."
    assert all(vote.ended_at for vote in await club.find(Vote))


async def test_it_is_withdrawn_and_then_it_is_too_late(club, ada):
    window = await windows.look(club.parts, ada)
    await windows.take(club.parts, filled(club, ada, "apply", answers=answers_to(window)))
    await windows.take(club.parts, filled(club, ada, "withdraw"))
    assert (await club.one(Application)).state is State.WITHDRAWN
    for act in ("edit", "withdraw", "answer"):
        taken = await windows.take(club.parts, filled(club, ada, act, 2))
        assert "not possible any more" in taken.said
    assert "apply" in (await windows.look(club.parts, ada)).may


async def test_a_question_is_answered_once(club, ada):
    window = await windows.look(club.parts, ada)
    await windows.take(club.parts, filled(club, ada, "apply", answers=answers_to(window)))
    await club.settle()
    ref = club.card_of("Ada").ref
    await club.platform.press(club.alice, ref, "❓")
    await club.settle()
    await club.platform.write(club.alice, "Which clocks?", place="admins", thread=ref)
    await club.settle()
    [(number, text)] = (await windows.look(club.parts, ada)).asked
    assert text == "Which clocks?"
    mallory = club.platform.person("@mallory:fake")
    sent = filled(club, ada, "answer", asked=number, text="Ship's clocks.")
    assert "not possible" in (await windows.take(club.parts, replace(sent, who=mallory))).said
    empty = await windows.take(club.parts, replace(sent, text=" "))
    assert list(empty.problems) == ["text"]
    assert "have your answer" in (await windows.take(club.parts, sent)).said
    assert (await windows.look(club.parts, ada)).asked == ()


async def test_a_member_is_away_and_back(club):
    [dana] = await club.adopt("dana")
    today = club.clock.now().date()
    assert (await windows.look(club.parts, dana)).may == {"away", "listed"}
    for day in (None, today - timedelta(days=2), today + timedelta(days=500)):
        taken = await windows.take(club.parts, filled(club, dana, "away", until=day))
        assert list(taken.problems) == ["until"]
    until = today + timedelta(days=20)
    sent = filled(club, dana, "away", until=until, text="At sea")
    assert str(until.year) in (await windows.take(club.parts, sent)).said
    assert (await club.one(Leave)).note == "At sea"
    assert (await windows.look(club.parts, dana)).may == {"away", "back", "listed"}
    await windows.take(club.parts, filled(club, dana, "back"))
    assert (await club.one(Leave)).ended_at is not None
    taken = await windows.take(
        club.parts,
        filled(
            club,
            dana,
            "apply",
            answers=answers_to(await windows.look(club.parts, club.platform.person("@eve:fake"))),
        ),
    )
    assert "already" in taken.said


async def test_a_members_wish_to_be_listed_is_kept(club):
    [carl] = await club.adopt("carl")
    assert "listed" in (await windows.look(club.parts, carl)).may
    told = await windows.take(club.parts, filled(club, carl, "listed"))
    assert "still to come" in told.said
    window = await windows.look(club.parts, carl)
    assert "unlisted" in window.may
    assert any("still to come" in one for one in window.sentences)
    await windows.take(club.parts, filled(club, carl, "unlisted"))
    assert "listed" in (await windows.look(club.parts, carl)).may


async def test_a_stranger_is_not_listed(club, ada):
    taken = await windows.take(club.parts, filled(club, ada, "listed"))
    assert "members only" in taken.said


async def test_a_stranger_is_not_away(club, ada):
    sent = filled(club, ada, "away", until=club.clock.now().date() + timedelta(days=9))
    assert (await windows.take(club.parts, sent)).said == "This is for members only."


async def test_a_whole_card_is_for_admins(club, ada):
    window = await windows.look(club.parts, ada)
    await windows.take(club.parts, filled(club, ada, "apply", answers=answers_to(window)))
    await club.settle()
    desk, ref = Desk(club.parts, club.observer), club.card_of("Ada").ref
    card = await desk.whole(club.alice, ref)
    assert card == club.card_of("Ada").card
    assert await desk.whole(ada, ref) is None
    assert await desk.whole(club.alice, "$other") is None


async def test_a_member_vouches_for_an_applicant_and_for_nobody_else(club, ada):
    [dana] = await club.adopt("dana")
    window = await windows.look(club.parts, ada)
    await windows.take(club.parts, filled(club, ada, "apply", answers=answers_to(window)))
    await club.settle()
    sent = filled(club, dana, "vouch", about=ada)
    assert "noted" in (await windows.take(club.parts, sent)).said
    assert (await club.one(Vouch)).voucher == dana
    for about in (None, dana, club.platform.person("@eve:fake")):
        told = await windows.take(club.parts, filled(club, dana, "vouch", 2, about=about))
        assert told.said == "This person has no application that waits."
    mallory = club.platform.person("@mallory:fake")
    for who, about in ((ada, ada), (mallory, ada), (mallory, dana), (mallory, None)):
        told = await windows.take(club.parts, filled(club, who, "vouch", 3, about=about))
        assert told.said == "This is for members only."  # they learn nothing of who has applied


async def test_where_there_is_one_platform_nothing_is_linked(club):
    [dana] = await club.adopt("dana")
    assert "link" not in (await windows.look(club.parts, dana)).may
    told = await windows.take(club.parts, filled(club, dana, "link"))
    assert told.said == club.parts.say("refused.link-one-platform")


async def test_a_card_shows_what_was_chosen_as_the_form_did(club, ada):
    window = await windows.look(club.parts, ada)
    await windows.take(club.parts, filled(club, ada, "apply", answers=answers_to(window)))
    await club.settle()
    chosen = next(one for one in window.fields if one.kind == "choice")
    value, label = chosen.options[0]
    assert value != label
    assert (chosen.label, label) in club.card_of("Ada").card.facts


async def test_who_was_asked_sees_it_and_until_when_to_answer(club):
    [dana] = await club.adopt("dana")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.settle()
    assert "asked whether you wish to stay" in (await windows.look(club.parts, dana)).sentences[0]
    await club.platform.live(dana)
    await club.observer.flush()
    await club.settle()
    assert "asked" not in str((await windows.look(club.parts, dana)).sentences)
