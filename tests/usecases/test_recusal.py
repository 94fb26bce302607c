"""An admin who keeps out of a case: no vote of theirs counts, and everyone sees it."""

from gatekeeper.domain.applications import Application, State
from gatekeeper.usecases.review_card import APPROVE, DECLINE, RECUSE


async def opened(club):
    """Eve's application, before two admins."""
    await club.apply(club.platform.person("@eve:fake"))
    await club.settle()
    return club.card_of("Eve").ref


async def state(club) -> State:
    [app] = await club.find(Application)
    return app.state


async def press(club, who, ref, symbol):
    pressed = await club.platform.press(who, ref, symbol)
    await club.settle()
    return pressed


async def test_whoever_keeps_out_of_it_has_no_vote(club):
    ref = await opened(club)
    await press(club, club.alice, ref, APPROVE)
    await press(club, club.alice, ref, RECUSE)
    await press(club, club.boris, ref, APPROVE)
    assert await state(club) is State.IN_REVIEW
    lines = club.card_of("Eve").card.lines
    assert "🙈 Alice keeps out of it" in lines
    assert not any(line.startswith("✅ Alice") for line in lines)


async def test_a_quorum_that_cannot_be_reached_any_more_is_told(club):
    ref = await opened(club)
    [app] = await club.find(Application)
    for admin in app.electorate:
        if admin != club.boris:
            await press(club, admin, ref, RECUSE)
    assert any("only one admin may vote" in line for line in club.card_of("Eve").card.lines)


async def test_a_no_is_taken_back_by_it_too(club):
    ref = await opened(club)
    await press(club, club.alice, ref, DECLINE)
    await press(club, club.alice, ref, RECUSE)
    assert await state(club) is State.IN_REVIEW
    assert not any("❌ Alice" in line for line in club.card_of("Eve").card.lines)


async def test_a_later_vote_is_one_again(club):
    ref = await opened(club)
    await press(club, club.alice, ref, RECUSE)
    for admin in (club.alice, club.boris):
        await press(club, admin, ref, APPROVE)
    assert await state(club) is State.INVITED


async def test_nobody_else_can_keep_out(club):
    ref = await opened(club)
    gil = club.platform.person("@gil:fake", inside=True)
    await press(club, gil, ref, RECUSE)
    assert not any("🙈" in line for line in club.card_of("Eve").card.lines)
