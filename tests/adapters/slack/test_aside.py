"""What is for one person's eyes, beside the card that they pressed; else in their chat, once."""

from collections.abc import AsyncIterator

import pytest

from gatekeeper.domain.decisions import Card, ShowCard, Tell
from gatekeeper.domain.errors import PlatformDown
from gatekeeper.domain.identity import Identity
from tests.adapters.slack.world import SlackWorld
from tests.support.slack.world import Message

SAID = "Only this club's admins decide here."


@pytest.fixture
async def world() -> AsyncIterator[SlackWorld]:
    async with SlackWorld("http") as world:
        card = Card(title="Application #1", status="Open")
        receipt = await world.platform.perform(
            ShowCard(place="admins", card=card), "card", world.now()
        )
        world.card = receipt.ref  # type: ignore[attr-defined]
        yield world


async def say(world: SlackWorld, who: Identity) -> str:
    tell = Tell(who=who, text=SAID, aside=world.card)  # type: ignore[attr-defined]
    receipt = await world.platform.perform(tell, f"told/{who}", world.now())
    assert receipt.changed
    return receipt.ref


def aside(world: SlackWorld) -> list[Message]:
    return [one for one in world.channel("desk").messages if one.seen_only_by]


async def test_it_stands_where_they_pressed_and_nobody_else_sees_it(world):
    who = await world.person()
    world.slack.world.join(world.team, world.channel("desk"), world.hands(who).id)
    assert await say(world, who) == ""  # it will not come back to us, and is no sign that we hear
    [shown] = aside(world)
    assert (shown.text, shown.seen_only_by) == (SAID, world.hands(who).id)
    assert await world.chats(who) == 0


async def test_who_is_not_there_any_more_is_told_in_their_chat(world):
    who = await world.person()
    assert await say(world, who)
    assert [one.text for one in await world.told(who)] == [SAID]
    assert aside(world) == []


async def test_where_the_answer_is_lost_it_is_said_in_the_chat_and_once(world):
    who = await world.person()
    world.slack.world.join(world.team, world.channel("desk"), world.hands(who).id)
    world.slack.api.fail("chat.postEphemeral", "500")
    with pytest.raises(PlatformDown):
        await say(world, who)
    refs = {await say(world, who) for _ in range(2)}
    assert len(refs) == 1
    assert [one.text for one in await world.told(who)] == [SAID]
    assert aside(world) == []
