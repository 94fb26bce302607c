"""The real service in a workspace, told by signed requests or over Socket Mode: the same journeys.

One service for each way, through which all its tests go; each test has people of its own.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import pytest
import pytest_asyncio

from gatekeeper_slack.cards import symbol_of
from tests.demo.chapters import APPROVE, ASK, DECLINE
from tests.demo.workspace import filled, shown
from tests.journeys.slack_club import WHY, Club, Line
from tests.support.slack.people import Person
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
FIRST = "1\u20e3"


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=["http", pytest.param("socket", marks=pytest.mark.slow)],
)
async def club(request: pytest.FixtureRequest) -> AsyncIterator[Club]:
    """The real service, serving; at the end it stopped well and logged no traceback."""
    async with Line(request.param) as stage:
        club = Club(stage)
        await club.open()
        yield club
        assert not club.logged("Traceback", '"level": "critical"')


async def test_somebody_applies_and_two_buttons_let_them_in(club: Club) -> None:
    ada: Person = club.stage.person("ada")
    await ada.command("/gatekeeper", "apply")
    view = await eventually(ada.open_view, 5, what="the form")
    told = await ada.send_view(view, filled("Because."))
    assert list(told.answer["errors"]) == ["q:why"]
    told = await ada.send_view(view, filled(WHY))
    assert told.status == 200
    assert "errors" not in str(told.answer)
    card = await club.card("Ada")
    await club.votes(card, "alice")
    await club.until(lambda: "1 of 2" in shown(card), "one vote")
    assert not club.stage.inside("ada")
    await club.votes(card, "fay")
    await club.is_in("ada")
    await club.until(lambda: "Approved by" in shown(card), "the card says who")
    assert len(club.stage.found(club.keepers, "Application #", "Ada")) == 1
    assert set(club.joined("ada").values()) == {1}


async def test_a_command_that_says_nothing_to_us_is_answered_all_the_same(club: Club) -> None:
    """By what one can do here, in the words of this platform."""
    noa = club.stage.person("noa")
    noa.tell_app("Good morning")  # in a chat people may say what they like
    await noa.command("/gatekeeper", "leave <!channel>")
    told = await club.stage.told("noa", "write /gatekeeper in any channel")
    assert "space" not in shown(told)
    assert len(club.stage.found(noa.chat, "I keep the door")) == 1


async def test_somebody_is_declined_and_told_why(club: Club) -> None:
    card = await club.applied("bob")
    await club.stage.press("alice", club.keepers, card, DECLINE)
    reasons = await club.stage.message(club.keepers, "Your interests lie elsewhere")
    await club.stage.press("alice", club.keepers, reasons, "1\u20e3")
    await club.stage.told("bob", "Your interests lie elsewhere")
    await club.until(lambda: "Declined" in shown(card), "the card")
    assert not club.stage.inside("bob")


async def test_who_is_no_admin_changes_nothing_and_is_told(club: Club) -> None:
    card = await club.applied("cleo")
    before = shown(card)
    for symbol in (APPROVE, DECLINE):
        await club.stage.press("gil", club.keepers, card, symbol)
    await club.until(lambda: club.aside("gil", "Only this club's admins decide here."), "told")
    assert not club.stage.person("gil").chat.messages
    assert shown(card) == before
    assert "0 of 2" in before
    assert not club.stage.inside("cleo")


async def test_an_answer_to_an_ask_comes_in_the_cards_thread(club: Club) -> None:
    card = await club.applied("ines")
    await club.stage.press("alice", club.keepers, card, ASK)
    await club.stage.message(club.keepers, "write your question")
    club.stage.person("alice").write(club.keepers, "Which harbour?", card.ts)
    await club.stage.told("ines", "Which harbour?")
    club.stage.person("ines").tell_app("The old one, in the east.")
    said = partial(club.stage.found, club.keepers, "The old one, in the east.")
    await club.until(lambda: card.ts in [one.thread_ts for one in said()], "it is in the thread")


async def test_a_card_of_a_former_release_still_answers(club: Club) -> None:
    """Its buttons carried the symbol alone; one that nobody knows any more is answered politely."""
    card = await club.applied("jan")
    elements = card.blocks[-1]["elements"]
    first, gone = elements[0], {**elements[1], "action_id": "card-1-away", "value": "7"}
    old = {**first, "value": symbol_of(first)}
    former = [{**card.blocks[-1], "elements": [old, gone]}]
    club.stage.slack.world.post(
        club.stage.team, club.keepers, replace(card, ts=card.ts, blocks=former)
    )
    alice = club.stage.person("alice")
    standing = club.keepers.messages[-1]
    assert (await alice.press(club.keepers, standing, "card-1-away")).status == 200
    assert (await alice.press(club.keepers, standing, str(first["action_id"]))).status == 200
    await club.until(lambda: "1 of 2" in shown(card), "one vote")


async def test_a_press_told_twice_is_one_vote(club: Club) -> None:
    card = await club.applied("dora")
    alice, slack = club.stage.person("alice"), club.stage.slack
    action = card.blocks[-1]["elements"][0]["action_id"]
    pressed = await alice.press(club.keepers, card, action)
    assert [(await slack.interact(pressed.body)).status for _ in range(2)] == [200, 200]
    await club.until(lambda: "1 of 2" in shown(card), "one vote")
    await club.votes(card, "fay")
    await club.is_in("dora")
    assert set(club.joined("dora").values()) == {1}


async def test_killed_between_decision_and_act_it_is_done_once(club: Club) -> None:
    """And a form that somebody had begun to fill in is as it was."""
    kim = club.stage.person("kim")
    await kim.command("/gatekeeper", "apply")
    begun = await eventually(kim.open_view, 5, what="the form")
    await kim.note_in_view(begun, "q:craft", filled(WHY))
    card = await club.applied("emil")
    done = club.stage.kill_before("conversations.invite", club.stage.person("emil").id)
    await club.votes(card, "alice", "fay")
    await asyncio.wait_for(done.wait(), 10)
    assert not club.stage.inside("emil")
    await club.revive()
    await club.is_in("emil")
    assert set(club.joined("emil").values()) == {1}
    await club.until(lambda: "Approved by" in shown(card), "the card says who")
    assert len(club.stage.found(club.keepers, "Application #", "Emil")) == 1
    await kim.close_view(begun)
    await kim.command("/gatekeeper", "apply")
    again = await eventually(kim.open_view, 5, what="the form")
    assert again.content["blocks"][0]["element"]["initial_value"] == WHY


@pytest.mark.slow
async def test_killed_right_after_the_answer_a_press_counts_once(club: Club) -> None:
    """Its short form: tests/usecases/test_kept_presses.py."""
    card = await club.applied("gert")
    await club.votes(card, "alice")
    club.service.kill()
    await club.revive()
    await club.until(lambda: "1 of 2" in shown(card), "one vote")
    await club.votes(card, "fay")
    await club.is_in("gert")
    assert set(club.joined("gert").values()) == {1}
