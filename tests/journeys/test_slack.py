"""The real service in a workspace, told by signed requests or over Socket Mode: the same journeys.

One service for each way, through which all its tests go; each test has people of its own.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.demo.chapters import APPROVE, DECLINE
from tests.demo.on_slack import filled, shown
from tests.journeys.slack_club import WHY, Club, Line
from tests.support.slack.people import Person
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
FIRST = "1\u20e3"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["http", "socket"])
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
    assert not club.inside("ada")
    await club.votes(card, "fay")
    await club.is_in("ada")
    await club.until(lambda: "Approved by" in shown(card), "the card says who")
    assert len(club.found(club.keepers, "Application #", "Ada")) == 1
    assert set(club.joined("ada").values()) == {1}


async def test_somebody_is_declined_and_told_why(club: Club) -> None:
    card = await club.applied("bob")
    await club.press("alice", club.keepers, card, DECLINE)
    reasons = await club.message(club.keepers, "Your interests lie elsewhere")
    await club.press("alice", club.keepers, reasons, FIRST)
    await club.told("bob", "Your interests lie elsewhere")
    await club.until(lambda: "Declined" in shown(card), "the card")
    assert not club.inside("bob")


async def test_who_is_no_admin_changes_nothing_and_is_told(club: Club) -> None:
    card = await club.applied("cleo")
    before = shown(card)
    for symbol in (APPROVE, DECLINE):
        await club.press("gil", club.keepers, card, symbol)
    await club.told("gil", "Only this club's admins decide here.")
    assert shown(card) == before
    assert "0 of 2" in before
    assert not club.inside("cleo")


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
    card = await club.applied("emil")
    assert isinstance(club.stage, Line)
    done = club.stage.kill_before("conversations.invite", club.stage.person("emil").id)
    await club.votes(card, "alice", "fay")
    await asyncio.wait_for(done.wait(), 10)
    assert not club.inside("emil")
    await club.revive()
    await club.is_in("emil")
    assert set(club.joined("emil").values()) == {1}
    await club.until(lambda: "Approved by" in shown(card), "the card says who")
    assert len(club.found(club.keepers, "Application #", "Emil")) == 1
