"""What we do on a real homeserver: once, to the right people, and never by force of habit."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gatekeeper.domain import events
from gatekeeper.domain.decisions import Admit, Card, Choice, Post, Remove, Retract, ShowCard, Tell
from gatekeeper.domain.errors import BadInput, PlatformBusy, PlatformRefused
from gatekeeper.domain.identity import Identity
from gatekeeper.testing.platform_contract import until
from tests.adapters.matrix.world import MatrixWorld
from tests.support.parts import SYNAPSE_PYTHON, missing
from tests.support.people import MForbidden
from tests.support.synapse import Account, Synapse

pytestmark = pytest.mark.homeserver


@pytest.fixture
async def world(synapse: Synapse) -> AsyncIterator[MatrixWorld]:
    async with MatrixWorld(synapse) as world:
        yield world


async def admitted(world: MatrixWorld) -> Identity:
    who = await world.person()
    await world.platform.perform(Admit(who=who), f"a {who}", world.now())
    await world.enter(who)
    return who


async def test_every_door_is_shut(world: MatrixWorld) -> None:
    """To an outsider, and to a member who would bring one in."""
    who, ada = await world.person(), await admitted(world)
    outsider, member = world.hands(who), world.hands(ada)
    for room in (world.scene.space, world.scene.admins, *world.scene.rooms):
        with pytest.raises(MForbidden):
            await outsider.join(room)
        with pytest.raises(MForbidden):
            await outsider.messages(room)
        with pytest.raises(MForbidden):
            await member.invite(room, who.account)
    with pytest.raises(MForbidden):
        await member.join(world.scene.admins)


async def test_the_founder_has_power_everywhere(world: MatrixWorld) -> None:
    """And we, as creators of rooms of version 12, stand above without being written down."""
    for room in (world.scene.space, world.scene.admins, *world.scene.rooms):
        power = await world.platform._doing().power(room)
        assert power.of(world.founder.account) == 100
        assert power.can_kick(world.bot.user_id, world.founder.account)
        assert world.bot.user_id not in power.levels["users"]
    assert (await world.platform.standing(world.founder)).power == 100


async def test_starting_again_makes_nothing(world: MatrixWorld) -> None:
    """Nor does it after a crash that lost all we remember."""
    call, token = world.synapse.call, world.bot.token
    rooms = call("GET", "/_matrix/client/v3/joined_rooms", token=token)["joined_rooms"]
    world.vault.kept.clear()
    await world.restart()
    await world.restart()
    again = call("GET", "/_matrix/client/v3/joined_rooms", token=token)["joined_rooms"]
    assert set(again) == set(rooms)


async def test_killed_halfway_through_making_rooms(synapse: Synapse) -> None:
    """The first room's answer is lost, and its alias with it: it is found by our mark."""
    world = MatrixWorld(synapse)
    async with world.proxy:
        world.bot = synapse.register(f"gatekeeper-{world.slug}")
        world.founder = await world._add("founder")
        world.platform = world.make()
        world.proxy.arm("POST", "/createRoom$", times=1, callback=lambda: trap_gone(world))
        await world.platform.start(world.desk)
        await world.healthy()
        token = world.bot.token
        rooms = synapse.call("GET", "/_matrix/client/v3/joined_rooms", token=token)
        assert len(rooms["joined_rooms"]) == 4
        await world.platform.stop()
        await world.hands(world.founder).close()


def trap_gone(world: MatrixWorld) -> None:
    for trap in world.proxy._traps:
        trap.release()


async def test_a_deleted_room_is_not_made_anew(world: MatrixWorld) -> None:
    """It is told, here and after a restart; the rest goes on."""
    (lobby, *_) = world.scene.rooms
    alias = world.scene.rooms[lobby]
    path = f"/_synapse/admin/v1/rooms/{lobby}"
    await_deleted = {"purge": True, "block": False}
    world.synapse.call("DELETE", path, await_deleted, token=world.synapse.admin_token)
    post = Post(place=alias, text="Hello")
    for _ in range(2):
        with pytest.raises(PlatformRefused) as refused:
            await world.platform.perform(post, "w", world.now())
        assert refused.value.reason == "no-such-room"
        assert world.platform.health().code == "place-missing"
        assert alias in world.platform.health().detail
        await world.restart()
    who = await world.person()
    await world.knock(who, "please")
    await world.desk.wait_for(events.Knocked, who)


async def test_removal_reaches_rooms_that_people_added(world: MatrixWorld) -> None:
    """A room that the founder made and hung into the space, with us as moderator."""
    founder, ada = world.hands(world.founder), await admitted(world)
    own = await founder.make_room("Added by hand")
    await founder.invite(own, world.bot.user_id)
    path = f"/_matrix/client/v3/rooms/{own}/join"
    world.synapse.call("POST", path, {}, token=world.bot.token)
    await founder.set_power(own, world.bot.user_id, 50)
    await founder.set_state(world.scene.space, "m.space.child", {"via": ["gk.test"]}, own)
    await founder.invite(own, ada.account)
    await world.hands(ada).join(own)
    await until(lambda: own in world.scene.inside(), "the room in the space")
    remove = Remove(who=ada, reason="Silent.")
    receipt = await world.platform.perform(remove, "r", world.now())
    assert receipt.note == ""
    assert ada.account not in await founder.members(own)
    out = await world.hands(ada).wait_until_out(world.scene.space)
    assert out is not None
    assert out.reason == "Silent."


async def test_a_guest_is_out_of_the_rooms_and_gets_back_what_was_taken(world: MatrixWorld) -> None:
    """Done twice like once; a room that they left by themselves stays theirs to enter."""
    ada = await admitted(world)
    hands, guests = world.hands(ada), world.scene.welcome
    [talk] = [room for room in world.scene.rooms if room != guests]
    for room in world.scene.rooms:
        await hands.join(room)
    remove = Remove(who=ada, reason="Silent.", stay_in=world.scene.rooms[guests])
    first = await world.platform.perform(remove, "g", world.now())
    again = await world.platform.perform(remove, "g", world.now())
    assert (first.changed, again.changed) == (True, False)
    there = await states(world, ada.account)
    assert there == {world.scene.space: "join", guests: "join", talk: "leave"}
    assert (await world.platform.standing(ada)).inside
    back = Admit(who=ada, rooms=True)
    receipts = [await world.platform.perform(back, "b", world.now()) for _ in range(2)]
    assert [one.changed for one in receipts] == [True, False]
    assert (await states(world, ada.account))[talk] == "invite"
    await hands.join(talk)
    await hands.leave(talk)
    assert not (await world.platform.perform(back, "b", world.now())).changed
    assert not world.desk.of(events.PutOut, ada)


async def states(world: MatrixWorld, user: str) -> dict[str, str]:
    """The membership of `user` in the space and its rooms, as the homeserver has it."""
    found = {}
    for room in (world.scene.space, *world.scene.rooms):
        path = f"/_matrix/client/v3/rooms/{room}/state/m.room.member/{user}"
        told = world.synapse.call("GET", path, token=world.bot.token)
        found[room] = told["membership"]
    return found


async def test_an_invitation_taken_back_leaves_no_door_open(world: MatrixWorld) -> None:
    """We invite to each room as well: whoever was not quick is to find all of them shut."""
    who = await world.person()
    await world.platform.perform(Admit(who=who), "a", world.now())
    hands = world.hands(who)
    rooms = (world.scene.space, *world.scene.rooms)
    for room in rooms:
        await hands.wait_for_invite(lambda invitation, room=room: invitation.room == room)
    assert (await world.platform.perform(Retract(who=who), "r", world.now())).changed
    for room in rooms:
        with pytest.raises(MForbidden):
            await hands.join(room)
    assert not (await world.platform.perform(Retract(who=who), "r2", world.now())).changed


async def test_whoever_left_the_chat_is_asked_once_more(world: MatrixWorld) -> None:
    """Once for each message, however often it is performed."""
    who = await world.person()
    tell = Tell(who=who, text="Hello")
    assert (await world.platform.perform(tell, "one", world.now())).waiting
    hands = world.hands(who)
    first = await hands.wait_for_invite()
    for _ in range(2):
        await hands.leave(first.room)
        assert (await world.platform.perform(tell, "two", world.now())).waiting
    assert who.account not in await _invited(world, first.room)
    assert (await world.platform.perform(tell, "three", world.now())).waiting
    assert who.account in await _invited(world, first.room)
    assert await world.chats(who) == 1


async def _invited(world: MatrixWorld, room: str) -> set[str]:
    path = f"/_matrix/client/v3/rooms/{room}/members?membership=invite"
    told = world.synapse.call("GET", path, token=world.bot.token)
    return {event["state_key"] for event in told["chunk"]}


async def test_nobody_brings_another_into_a_direct_chat(world: MatrixWorld) -> None:
    who, other = await world.person(), await world.person()
    await world.platform.perform(Tell(who=who, text="Hello"), "one", world.now())
    await world.take_chat(who)
    (room,) = await world._chat_rooms(who)
    with pytest.raises(MForbidden):
        await world.hands(who).invite(room, other.account)
    with pytest.raises(MForbidden):
        await world.hands(who).set_state(room, "m.room.encryption", {"algorithm": "x"})


async def test_nobody_is_no_such_person(world: MatrixWorld) -> None:
    ghost = Identity("matrix", "@nobody-of-that-name:gk.test")
    with pytest.raises(PlatformRefused) as refused:
        await world.platform.perform(Tell(who=ghost, text="Hello"), "g", world.now())
    assert refused.value.reason == "no-such-person"
    with pytest.raises(PlatformRefused):
        await world.platform.profile(ghost)


async def test_an_old_order_is_read_back_before_it_is_sent_again(world: MatrixWorld) -> None:
    """By then the homeserver has forgotten the transaction; so it has for another login."""
    post = Post(place="admins", text="Only once")
    first = await world.platform.perform(post, "old", world.now())
    new = world.synapse.call(
        "POST",
        f"/_synapse/admin/v1/users/{world.bot.user_id}/login",
        {},
        token=world.synapse.admin_token,
    )
    ordered_at = world.now() - timedelta(seconds=1)
    await world.restart(access_token=new["access_token"])
    again = await world.platform.perform(post, "old", ordered_at)
    assert again.ref == first.ref
    assert [seen.text for seen in await world.posted()].count("Only once") == 1
    late = await world.platform.perform(post, "another", world.now() - timedelta(hours=13))
    assert late.ref != first.ref


async def test_choices_stand_ready_and_only_once(world: MatrixWorld) -> None:
    choices = (Choice("approve", "✅", "Approve"), Choice("decline", "❌", "Decline"))
    show = ShowCard(place="admins", card=Card(title="Bob", status="waits", choices=choices))
    for _ in range(2):
        ref = (await world.platform.perform(show, "card", world.now())).ref
    founder = world.hands(world.founder)
    assert await founder.reactions(world.scene.admins, ref) == {
        "✅": {world.bot.user_id},
        "❌": {world.bot.user_id},
    }


async def test_a_login_by_password_is_kept(world: MatrixWorld) -> None:
    password = "a long enough one"
    bot = world.synapse.register(f"pw-{world.slug}", password)
    settings = {"access_token": None, "password": password, "user_id": bot.user_id}
    platform = world.make(**settings)
    await platform.connect()
    logins = len(world.proxy.find("POST", "/login$"))
    await platform.stop()
    platform = world.make(**settings)
    await platform.connect()
    assert len(world.proxy.find("POST", "/login$")) == logins == 1
    token = platform._api.token
    await platform.stop()
    world.synapse.call("POST", "/_matrix/client/v3/logout", {}, token=token)
    platform = world.make(**settings)
    await platform.connect()
    await platform.stop()
    platform = world.make(**{**settings, "password": "wrong"})
    world.vault.kept.clear()
    with pytest.raises(PlatformRefused) as refused:
        await platform.connect()
    assert refused.value.reason == "login-revoked"
    await platform.stop()


async def test_doctor_is_green_and_finds_what_people_changed(world: MatrixWorld) -> None:
    lines = await world.platform.examine()
    assert all(line.ok for line in lines), lines
    founder = world.hands(world.founder)
    (lobby, *_) = world.scene.rooms
    await founder.join(lobby)
    await founder.set_state(lobby, "m.room.guest_access", {"guest_access": "can_join"})
    levels = await founder.state(lobby, "m.room.power_levels")
    await founder.set_state(lobby, "m.room.power_levels", {**levels, "invite": 0})
    await founder.set_state(world.scene.space, "m.room.join_rules", {"join_rule": "public"})
    await founder.leave(world.scene.admins)
    faults = {line.code for line in await world.platform.examine() if not line.ok}
    assert faults == {
        "matrix-guests",
        "matrix-anyone-invites",
        "matrix-join-rule",
        "matrix-admin-outside",
    }
    world.proxy.answer_with = 502
    assert [line.code for line in await world.platform.examine()] == ["matrix-unreachable"]


def test_accounts_as_people_type_them(synapse: Synapse) -> None:
    world = MatrixWorld(synapse)
    world.bot, world.founder = Account("@bot:gk.test", "", ""), Identity("matrix", "@f:gk.test")
    platform = world.make()
    for text in (" @ada:Example.org ", "https://matrix.to/#/@ada:example.org"):
        assert platform.parse_identity(text).account == "@ada:example.org"
    for wrong in ("@ada:example.org/x", "@ada:exa mple.org", "@ada:", "#ada:example.org"):
        with pytest.raises(BadInput):
            platform.parse_identity(wrong)


async def test_the_default_limits_are_met_once_each(tmp_path: Path) -> None:
    """What asked to wait is not asked again before; other limiters go on; nothing is lost."""
    if not SYNAPSE_PYTHON.exists():
        missing("the environment that holds Synapse", "make it with: make environments")
    synapse = Synapse(tmp_path / "hs", limits="default")
    synapse.start()
    try:
        async with MatrixWorld(synapse) as world:
            waits = []
            for number in range(16):
                post = Post(place="admins", text=f"Post {number}")
                try:
                    await world.platform.perform(post, f"p{number}", world.now())
                except PlatformBusy as busy:
                    waits.append(busy)
            assert len(waits) > 2
            assert {busy.limiters for busy in waits} == {("send",)}
            assert all(0 < busy.retry_after.total_seconds() < 10 for busy in waits)
            assert world.proxy.count("PUT", "/send/", status=429) == 1
            assert not world.proxy.too_early()
    finally:
        synapse.kill()
