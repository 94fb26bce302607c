"""“This is wrong”, and an admin's “keep … until”, said on a real homeserver."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gatekeeper.domain.memberships import Dispute, Exemption, State
from tests.adapters.matrix.past_club import PastClub
from tests.support.synapse import Synapse

pytestmark = pytest.mark.homeserver


@pytest.fixture
async def club(synapse: Synapse, tmp_path: Path) -> AsyncIterator[PastClub]:
    async with PastClub(synapse, tmp_path) as club:
        yield club


async def answer(club: PastClub, part: str, words: str) -> None:
    """The founder replies beneath a card."""
    card = await club.card(part)
    founder = club.hands(club.founder)
    await founder.reply_in_thread(club.scene.admins, card.ref, words)
    await club.settle()


async def test_an_objection_is_pressed_written_and_answered(club: PastClub) -> None:
    carl, dana = await club.from_before("carl", "dana")
    await club.pass_days(100)
    await club.sweep()
    for who in (carl, dana):
        await club.take_chat(who)
    await club.settle()
    [chat] = await club._chat_rooms(carl)
    await club.hands(carl).react(chat, (await club.notice(carl)).ref, "🚩")
    await club.settle()
    assert await club.state(carl) is State.ACTIVE
    assert (await club.find(Dispute))[0].stage == "noticed"
    assert "nobody asks again" in (await club.told(carl))[-1].text
    await club.press_card("this is wrong", "🤝")
    assert (await club.find(Dispute))[0].outcome == "kept"
    assert "it was wrong" in (await club.told(carl))[-1].text
    # dana is let go, and says so then; the only admin had confirmed it, and answers
    await club.pass_days(15)
    await club.press_card("removals", "✅")
    assert await club.state(dana) is State.REMOVED
    await club.write(dana, "This is wrong: I was at sea")
    await club.settle()
    await answer(club, "this is wrong", "keep so you were")
    codes = await club.codes(dana)
    assert codes[-1] == "dispute-kept-alone"
    assert "so you were" in (await club.told(dana))[-1].text
    await club.enter(dana)
    await club.settle()
    assert await club.state(dana) is State.ACTIVE


async def test_one_on_the_card_is_kept_until_a_day(club: PastClub) -> None:
    carl, dana = await club.from_before("carl", "dana")
    await club.pass_days(100)
    await club.sweep()
    for who in (carl, dana):
        await club.take_chat(who)
    await club.settle()
    await club.pass_days(15)
    day = (club.now() + timedelta(days=60)).date().isoformat()
    await answer(club, "removals", f"keep {carl.account} because of the lamp until {day}")
    assert await club.state(carl) is State.ACTIVE
    [kept] = await club.find(Exemption)
    assert (kept.reason, kept.until.date().isoformat()) == ("of the lamp", day)
    await club.press_card("removals", "✅")
    assert (await club.state(carl), await club.state(dana)) == (State.ACTIVE, State.REMOVED)
    assert (await club.places(carl), await club.places(dana)) == (3, 0)
