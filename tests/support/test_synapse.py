"""The homeserver that tests stand on behaves like the ones that clubs have."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.parts import SYNAPSE_PYTHON, missing
from tests.support.people import MatrixPerson, MForbidden
from tests.support.synapse import HomeserverError, Synapse
from tests.support.wait import eventually

pytestmark = pytest.mark.homeserver

KNOCK = [{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}]


async def test_rooms_are_of_version_12(people):
    """Their creator stands above all power levels, and their ids name no server."""
    ada = await people("ada")
    room = await ada.make_room("Hall")
    created = await ada.state(room, "m.room.create")
    levels = await ada.state(room, "m.room.power_levels")
    assert created["room_version"] == "12"
    assert ":" not in room
    assert ada.id not in levels.get("users", {})


async def test_from_knock_to_goodbye(people):
    """Everything a person does in the stories, once."""
    founder, bob = await people("founder"), await people("bob")
    room = await founder.make_room("Hall", initial_state=KNOCK)
    with pytest.raises(MForbidden):
        await bob.join(room)

    await bob.knock(room, "I play the lute")
    knock = await founder.wait_for_event(lambda e: e.content.get("membership") == "knock")
    assert (knock.state_key, knock.reason) == (bob.id, "I play the lute")

    await founder.invite(room, bob, "welcome")
    invitation = await bob.wait_for_invite()
    assert (invitation.room, invitation.inviter, invitation.reason, invitation.name) == (
        room,
        founder.id,
        "welcome",
        "Hall",
    )
    await bob.join(room)
    await bob.wait_until_joined(room)
    assert bob.invites() == []
    assert await founder.members(room) == {founder.id, bob.id}

    said = await bob.say(room, "good evening")
    heard = await founder.wait_for_message(lambda e: "evening" in e.body)
    assert (heard.id, heard.sender) == (said, bob.id)
    await founder.reply_in_thread(room, said, "and to you")
    answer = await bob.wait_for_message(lambda e: e.thread == said)
    assert answer.body == "and to you"

    reaction = await founder.react(room, said, "✅")
    assert await bob.reactions(room, said) == {"✅": {founder.id}}
    await founder.redact(room, reaction)
    assert await bob.reactions(room, said) == {}

    await bob.edit(room, said, "good night")
    assert await founder.text_of(room, said) == "good night"
    await founder.read(room, answer.id)
    await eventually(lambda: bob.receipts.get((room, founder.id)) == answer.id)

    await founder.set_power(room, bob, 50)
    levels = await bob.state(room, "m.room.power_levels")
    assert levels["users"] == {bob.id: 50}

    await founder.kick(room, bob, "a long silence")
    event = await bob.wait_until_out(room)
    assert event is not None
    assert event.reason == "a long silence"
    await founder.ban(room, bob)
    assert await founder.members(room, "ban") == {bob.id}


async def test_the_past_can_be_laid_out(synapse, people):
    """An event of 40 days ago is stored as such, so inactivity needs no waiting."""
    ada = await people("ada")
    room = await ada.make_room()
    then = datetime.now(UTC).replace(microsecond=0) - timedelta(days=40)
    event = synapse.send_at(then, ada.id, room, {"msgtype": "m.text", "body": "long ago"})
    seen = await ada.wait_for_event(lambda e: e.id == event)
    assert seen.at == then.timestamp() * 1000


async def test_default_limits_spare_the_bot_alone_and_data_outlive_a_kill(tmp_path):
    """One server with Synapse's own limits, killed and started again on the same data."""
    if not SYNAPSE_PYTHON.exists():
        missing("the environment that holds Synapse", "make it with: make environments")
    # Sends as everywhere at first, but with a shorter wait for who sent too much.
    sends = {"rc_message": {"per_second": 2, "burst_count": 10}}
    homeserver = Synapse(tmp_path / "hs", limits="default", settings=sends)
    homeserver.start()
    try:
        async with await MatrixPerson.create(homeserver, "bot") as bot:
            homeserver.override_ratelimit(bot.id)
            room = await bot.make_room("Hall")
            for number in range(20):
                await bot.say(room, f"line {number}")
            assert bot.waited_for_limits == 0
        async with await MatrixPerson.create(homeserver, "ada") as ada:
            own = await ada.make_room("Attic")
            said = 0  # more at once than are let through, however slow the machine is
            while not ada.waited_for_limits and said < 90:
                await asyncio.gather(*(ada.say(own, f"line {said + n}") for n in range(15)))
                said += 15
            assert ada.waited_for_limits > 0

            url = homeserver.url
            homeserver.kill()
            assert not homeserver.healthy()
            homeserver = Synapse(tmp_path / "hs", limits="default")
            homeserver.start()
            assert homeserver.url == url
            assert len(await ada.messages(own)) == said
            with pytest.raises(HomeserverError, match="M_USER_IN_USE"):
                homeserver.register("ada")
            homeserver.override_ratelimit(ada.id)  # its admin is remembered as well
    finally:
        homeserver.stop()
    assert homeserver.pid is None
