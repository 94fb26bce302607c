"""Nothing is missed and nothing spins, whatever the homeserver, the club or the desk does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gatekeeper.domain import events
from gatekeeper.domain.activity import Kind, Relation
from gatekeeper.domain.decisions import Admit, Card, Choice, Post, ShowCard, Tell
from gatekeeper.domain.errors import PlatformDown, PlatformRefused, StorageError, WrongState
from gatekeeper.testing.platform_contract import until
from gatekeeper_matrix import intake
from tests.adapters.matrix.world import MatrixWorld
from tests.support.parts import SYNAPSE_PYTHON, missing
from tests.support.synapse import Synapse

pytestmark = pytest.mark.homeserver


@pytest.fixture
async def world(synapse: Synapse) -> AsyncIterator[MatrixWorld]:
    async with MatrixWorld(synapse) as world:
        yield world


async def inside(world: MatrixWorld):
    """A person in the space and every room."""
    who = await world.person()
    await world.platform.perform(Admit(who=who), f"a {who}", world.now())
    await world.enter(who)
    await world.desk.wait_for(events.Joined, who)
    return who


async def test_what_was_said_while_we_were_away(short_timeline: int, world: MatrixWorld) -> None:
    """More than a timeline and a page of what is before it hold: all is fetched, in order, once."""
    many = 2 * short_timeline + 5
    ada = await inside(world)
    (lobby, *_) = world.scene.rooms
    await until(lambda: len(world.desk.signs) > 1, "signs")
    await world.stop()
    world.desk.signs.clear()
    sent = [await world.hands(ada).say(lobby, f"message {n}") for n in range(many)]
    await world.hands(ada).leave(world.scene.space)
    await world.restart()
    await world.desk.wait_for(events.Departed, ada)
    await until(lambda: len(world.desk.signs) >= many, "all messages")
    talk = [sign.event_id for sign in world.desk.signs if sign.kind is Kind.MESSAGE]
    assert talk == sent
    assert world.desk.gaps == 1  # the very first start


async def test_life_of_every_kind(world: MatrixWorld) -> None:
    ada = await inside(world)
    (lobby, *_) = world.scene.rooms
    hands = world.hands(ada)
    first = await hands.say(lobby, "hello")
    await hands.reply(lobby, first, "to you")
    await hands.reply_in_thread(lobby, first, "and more")
    await hands.react(lobby, first, "👍")
    await hands.edit(lobby, first, "hello!")
    await hands.read(lobby, first)
    kinds = {Kind.JOIN, Kind.MESSAGE, Kind.REPLY, Kind.THREAD, Kind.REACTION, Kind.READ}
    await until(lambda: {s.kind for s in world.desk.signs if s.who == ada} == kinds, "all kinds")
    assert [s.kind for s in world.desk.signs if s.who == ada].count(Kind.MESSAGE) == 1
    assert not world.desk.of(events.Pressed)  # that message was not ours


async def test_out_of_a_room_and_back_while_we_were_away(world: MatrixWorld) -> None:
    """What was said meanwhile never reaches us: it is told as missed."""
    (lobby, *_) = world.scene.rooms
    founder = world.hands(world.founder)
    await founder.join(lobby)
    await until(lambda: any(s.who == world.founder for s in world.desk.signs), "the join")
    await world.stop()
    client, token = "/_matrix/client/v3", world.bot.token
    began = world.now() - timedelta(seconds=1)
    world.synapse.call("POST", f"{client}/rooms/{lobby}/leave", {}, token=token)
    unheard = await founder.say(lobby, "is the bot gone?")
    await founder.invite(lobby, world.bot.user_id)
    world.synapse.call("POST", f"{client}/join/{lobby}", {}, token=token)
    heard = await founder.say(lobby, "it is back")
    await world.restart()
    await until(lambda: world.desk.lost, "what was missed")
    [(place, start, end)] = world.desk.lost
    assert place == world.scene.rooms[lobby]
    assert began <= start < end <= world.now()
    await until(lambda: heard in {s.event_id for s in world.desk.signs}, "what came after")
    assert unheard not in {s.event_id for s in world.desk.signs}
    assert not world.desk.blind_now


async def test_who_turns_to_whom_and_what_is_no_life(world: MatrixWorld) -> None:
    ada, bob = await inside(world), await inside(world)
    (lobby, *_) = world.scene.rooms
    one, two = world.hands(ada), world.hands(bob)
    first = await one.say(lobby, "hello")
    await until(lambda: first in {s.event_id for s in world.desk.signs}, "the first")
    picture = {"msgtype": "m.image", "url": "mxc://gk.test/x"}
    turned = {
        await two.reply(lobby, first, "to you"): (Kind.REPLY, Relation.ANSWERED),
        await two.reply_in_thread(lobby, first, "and more"): (Kind.THREAD, Relation.ANSWERED),
        await two.react(lobby, first, "👍"): (Kind.REACTION, Relation.REACTED),
        await two.say(lobby, "look", **picture, **{"m.mentions": {"user_ids": [ada.account]}}): (
            Kind.FILE,
            Relation.MENTIONED,
        ),
    }
    wrong = await two.say(lobby, "wrogn")
    nothing = {
        await two.edit(lobby, wrong, "wrong"),
        await two.redact(lobby, wrong),
        await two.say(lobby, "I am a program", msgtype="m.notice"),
    }
    last = await one.say(lobby, "the end")
    await until(lambda: last in {s.event_id for s in world.desk.signs}, "the last")
    found = {s.event_id: s for s in world.desk.signs if s.who == bob}
    for event_id, (kind, relation) in turned.items():
        assert (found[event_id].kind, found[event_id].towards) == (kind, ((relation, ada),))
    assert nothing.isdisjoint(found)


async def test_an_event_is_kept_until_the_desk_can_take_it(
    world: MatrixWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storage that fails is asked again; nothing is skipped, health says so."""
    who = await world.person()
    world.desk.fail = [StorageError(detail="full")] * 4
    await world.knock(who, "please")
    await until(lambda: world.platform.health().code == "intake-stuck", "health")
    await world.desk.wait_for(events.Knocked, who)
    await world.healthy()


async def test_a_poisonous_event_is_passed_over(
    world: MatrixWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some tries, and health tells of it."""
    monkeypatch.setattr(intake, "back_off", lambda _: 0.01)
    one, two = await world.person(), await world.person()
    world.desk.fail = [WrongState(state="x", event="y")] * 5
    await world.knock(one, "poison")
    await world.knock(two, "please")
    await world.desk.wait_for(events.Knocked, two)
    assert not world.desk.of(events.Knocked, one)
    assert world.platform.health().code == "event-refused"


async def test_a_revoked_login_does_not_spin(world: MatrixWorld) -> None:
    token = world.bot.token
    world.synapse.call("POST", "/_matrix/client/v3/logout", {}, token=token)
    await world.healthy("login-revoked")
    before = len(world.proxy.calls)
    await asyncio.sleep(3)
    assert len(world.proxy.calls) - before <= 3
    with pytest.raises(PlatformDown, match="login-revoked"):
        await world.platform.perform(Post(place="admins", text="x"), "k", world.now())


async def test_a_gateway_that_fails_does_not_spin(world: MatrixWorld) -> None:
    who = await world.person()
    world.proxy.answer_with = 502
    await world.stop()
    await world.restart()
    await world.healthy("homeserver-down")
    before = len(world.proxy.calls)
    await asyncio.sleep(2)
    assert len(world.proxy.calls) - before < 20
    await world.knock_at(who, "meanwhile")
    world.proxy.answer_with = None
    await world.desk.wait_for(events.Knocked, who)
    await world.healthy()


async def test_a_homeserver_that_cannot_be_reached_comes_back(world: MatrixWorld) -> None:
    """Out of reach at start, and once more later."""
    ada = await inside(world)
    await world.stop()
    await world.proxy.down()
    await world.restart()
    await world.healthy("homeserver-down")
    await world.proxy.up()
    await world.healthy()
    await world.leave(ada)
    await world.desk.wait_for(events.Departed, ada)
    await world.proxy.down()
    await world.healthy("homeserver-down")
    await world.proxy.up()
    await world.healthy()
    assert world.desk.gaps == 1


@pytest.mark.slow
async def test_a_homeserver_that_goes_away_comes_back(tmp_path: Path) -> None:
    """The same where it is started anew each time."""
    if not SYNAPSE_PYTHON.exists():
        missing("the environment that holds Synapse", "make it with: make environments")
    synapse = Synapse(tmp_path / "hs")
    synapse.start()
    try:
        async with MatrixWorld(synapse) as world:
            ada = await inside(world)
            await world.stop()
            synapse.stop()
            await world.restart()
            await world.healthy("homeserver-down")
            synapse.start()
            await world.healthy()
            await world.leave(ada)
            await world.desk.wait_for(events.Departed, ada)
            synapse.kill()
            await world.healthy("homeserver-down")
            synapse.start()
            await world.healthy()
            assert world.desk.gaps == 1
    finally:
        synapse.kill()


async def test_put_out_of_a_room_we_say_so(world: MatrixWorld) -> None:
    """And listen to the others; invited again we are back."""
    (lobby, *_) = world.scene.rooms
    founder = world.hands(world.founder)
    await founder.join(lobby)
    began = world.now() - timedelta(seconds=1)
    # as creator of a room of version 12 nobody can put us out: we leave as if it had happened
    path = f"/_matrix/client/v3/rooms/{lobby}/leave"
    world.synapse.call("POST", path, {}, token=world.bot.token)
    await world.healthy("put-out")
    await until(lambda: world.desk.blind_now, "the room is told")
    (name,) = world.desk.blind_now or {}
    assert began <= world.desk.blind_now[name] <= world.now()
    who = await world.person()
    await world.knock(who, "please")
    await world.desk.wait_for(events.Knocked, who)
    await founder.invite(lobby, world.bot.user_id)
    await world.healthy()
    await until(lambda: not world.desk.blind_now, "seeing again")
    assert world.desk.gaps == 1  # what came from the other places was seen all the time


async def test_we_take_no_invitation_but_to_a_direct_chat(world: MatrixWorld) -> None:
    eve = await world.person()
    hands = world.hands(eve)
    group = await hands.make_room("A trap")
    await hands.invite(group, world.bot.user_id)
    chat = await hands.make_direct_chat(world.bot.user_id)
    await hands.say(chat, "who are you?")
    wrote = await world.desk.wait_for(events.Wrote, eve)
    assert (wrote.place, wrote.text) == ("direct", "who are you?")
    assert world.bot.user_id not in await hands.members(group)


async def test_no_end_of_chats_that_one_person_opens(world: MatrixWorld) -> None:
    eve = await world.person()
    hands = world.hands(eve)
    chats = [await hands.make_direct_chat(world.bot.user_id) for _ in range(5)]
    (last,) = [await world.person()]
    await world.hands(last).make_direct_chat(world.bot.user_id)
    await until(lambda: last.account in world.scene.opened.values(), "the last one's chat")
    joined = [world.bot.user_id in await hands.members(chat) for chat in chats]
    assert sum(joined) == 3


async def test_a_forged_mark_makes_no_chat(world: MatrixWorld) -> None:
    """A room of Eve's that claims to be Ada's chat: what is for Ada would be read by Eve."""
    eve, ada = await world.person(), await world.person()
    hands = world.hands(eve)
    trap = await hands.make_direct_chat(world.bot.user_id)
    mark = {"club": world.slug, "user": ada.account}
    await hands.set_state(trap, "club.gatekeeper.chat", mark)
    await until(lambda: trap in world.scene.opened, "the chat")
    await world.restart()
    receipt = await world.platform.perform(Tell(who=ada, text="secret"), "s", world.now())
    assert receipt.waiting
    found = await world.hands(ada).wait_for_invite()
    assert found.room != trap
    assert found.name == "Club: Gatekeeper"
    assert trap not in world.scene.chats


async def test_encrypted_words_are_told_as_unreadable(world: MatrixWorld) -> None:
    content = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "session_id": "y"}
    content |= {"sender_key": "z", "device_id": "d"}
    hands = world.hands(world.founder)
    await hands.send(world.scene.admins, "m.room.encrypted", content)
    wrote = await world.desk.wait_for(events.Wrote, world.founder)
    assert (wrote.place, wrote.unreadable, wrote.text) == ("admins", True, "")
    assert wrote.room == world.scene.admins


@pytest.mark.parametrize("place", ["direct", "admins"])
async def test_where_we_cannot_read_we_say_so_there_in_clear(
    world: MatrixWorld, place: str
) -> None:
    """As most apps open their chats: encrypted. Nothing else of ours is sent into such a room."""
    algorithm = {"algorithm": "m.megolm.v1.aes-sha2"}
    who = await world.person() if place == "direct" else world.founder
    hands = world.hands(who)
    if place == "direct":
        room = await hands.make_direct_chat(world.bot.user_id)
        await until(lambda: room in world.scene.opened, "the chat")
    else:
        room = world.scene.admins
    await hands.set_state(room, "m.room.encryption", algorithm)
    secret = {**algorithm, "ciphertext": "x", "session_id": "y", "sender_key": "z"}
    await hands.send(room, "m.room.encrypted", {**secret, "device_id": "d"})
    wrote = await world.desk.wait_for(events.Wrote, who)
    assert (wrote.place, wrote.unreadable, wrote.room) == (place, True, room)
    answer = Tell(who=who, text="I cannot read this.", room=wrote.room)
    for _ in range(2):
        receipt = await world.platform.perform(answer, "once", world.now())
        assert receipt.ref
    said = [m for m in await hands.messages(room) if m.sender == world.bot.user_id]
    assert [m.body for m in said] == ["I cannot read this."]
    if place == "direct":
        other = await world.platform.perform(Tell(who=who, text="Hello"), "h", world.now())
        assert other.waiting, "what is meant for them alone goes to a chat that we made"
    assert len([m for m in await hands.messages(room) if m.sender == world.bot.user_id]) == 1


async def test_out_of_the_room_there_is_nobody_to_tell(world: MatrixWorld) -> None:
    who = await world.person()
    room = await world.hands(who).make_room()
    with pytest.raises(PlatformRefused) as refused:
        await world.platform.perform(Tell(who=who, text="x", room=room), "x", world.now())
    assert refused.value.reason == "no-such-room"


async def test_a_press_on_an_old_card_after_a_restart(world: MatrixWorld) -> None:
    """Which messages are ours is looked up, not only remembered."""
    card = Card(title="Bob", status="waits", choices=(Choice("approve", "✅", "Approve"),))
    show = ShowCard(place="admins", card=card)
    ref = (await world.platform.perform(show, "card", world.now())).ref
    await world.restart()
    hands = world.hands(world.founder)
    theirs = await hands.say(world.scene.admins, "what do you think?")
    await hands.react(world.scene.admins, theirs, "✅")
    await hands.react(world.scene.admins, ref, "✅")
    pressed = await world.desk.wait_for(events.Pressed, world.founder)
    assert pressed.ref == ref
    assert len(world.desk.of(events.Pressed)) == 1


async def test_an_answer_in_the_cards_thread(world: MatrixWorld) -> None:
    show = ShowCard(place="admins", card=Card(title="Bob", status="waits"))
    ref = (await world.platform.perform(show, "card", world.now())).ref
    hands = world.hands(world.founder)
    await hands.reply_in_thread(world.scene.admins, ref, "Why here?")
    wrote = await world.desk.wait_for(events.Wrote, world.founder)
    assert (wrote.text, wrote.thread) == ("Why here?", ref)
