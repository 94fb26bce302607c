"""Places that are lost, limited, encrypted, paused or made by a bot before us."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gatekeeper.domain import events
from gatekeeper.domain.decisions import Card, Post, ShowCard, Tell
from gatekeeper.domain.errors import PlatformDown, PlatformRefused
from gatekeeper.domain.events import Event
from gatekeeper.testing.platform_contract import RecordingDesk, until
from gatekeeper_matrix import intake, places
from tests.adapters.matrix.world import MatrixWorld
from tests.support.parts import SYNAPSE_PYTHON, missing
from tests.support.synapse import Synapse

pytestmark = pytest.mark.homeserver


class AskingDesk(RecordingDesk):
    """Asks who the admins are before it takes in a knock that says so, as use cases do."""

    def __init__(self, world: MatrixWorld) -> None:
        super().__init__()
        self.world = world

    async def handle(self, event: Event) -> None:
        if isinstance(event, events.Knocked) and event.reason == "ask":
            await self.world.platform.admins()
        await super().handle(event)


@pytest.fixture
async def world(synapse: Synapse) -> AsyncIterator[MatrixWorld]:
    world = MatrixWorld(synapse, poll_seconds=0.5)
    world.desk = AskingDesk(world)
    async with world:
        yield world


async def held(world: MatrixWorld) -> None:
    """Until an event waits."""
    await until(lambda: "wait" in world.platform.health().detail, "an event that waits")


async def test_what_needs_the_admin_room_waits_for_it(world: MatrixWorld) -> None:
    """In order, over a crash, while others go on; well again by itself."""
    one, two = await world.person(), await world.person()
    path = f"/_matrix/client/v3/rooms/{world.scene.admins}/leave"
    world.synapse.call("POST", path, {}, token=world.bot.token)
    await world.healthy("put-out")
    position = world.desk.place
    await world.knock(one, "ask")
    await held(world)
    await world.hands(one).leave(world.scene.space)
    await world.knock(two, "please")
    await world.desk.wait_for(events.Knocked, two)
    await until(lambda: "2 events wait" in world.platform.health().detail, "both wait")
    assert not [event for event in world.desk.events if event.who == one]
    assert world.desk.place == position
    await world.restart()
    await held(world)
    assert world.platform.health().code == "put-out"
    await world.hands(world.founder).invite(world.scene.admins, world.bot.user_id)
    await world.desk.wait_for(events.KnockTakenBack, one)
    mine = [type(event) for event in world.desk.events if event.who == one]
    assert mine == [events.Knocked, events.KnockTakenBack]
    await world.healthy()
    await until(lambda: world.desk.place != position, "the position")


async def test_nobody_can_be_judged_while_a_place_is_lost(world: MatrixWorld) -> None:
    """And what is ordered waits; so it does before we know that the room is gone."""
    path = f"/_synapse/admin/v1/rooms/{world.scene.admins}"
    await world.platform.stop()
    world.platform = world.make()
    await world.platform.connect()
    world.synapse.call("DELETE", path, {"purge": True}, token=world.synapse.admin_token)
    for _ in range(2):
        with pytest.raises(PlatformDown, match="board"):
            await world.platform.standing(world.founder)
        with pytest.raises(PlatformDown, match="board"):
            await world.platform.admins()
        with pytest.raises(PlatformDown, match="board"):
            await world.platform.members()
        with pytest.raises(PlatformDown, match="board"):
            await world.platform.perform(Post(place="admins", text="x"), "p", world.now())
    lines = {line.code: line for line in await world.platform.examine()}
    assert not lines["matrix-place-missing"].ok


async def test_an_admin_room_that_was_deleted_for_good(world: MatrixWorld) -> None:
    """Another alias and a restart: a new room, and what waited is told."""
    one, two = await world.person(), await world.person()
    path = f"/_synapse/admin/v1/rooms/{world.scene.admins}"
    world.synapse.call("DELETE", path, {"purge": True}, token=world.synapse.admin_token)
    await world.knock(one, "ask")
    await held(world)
    await world.knock(two, "please")
    await world.desk.wait_for(events.Knocked, two)
    assert not world.desk.of(events.Knocked, one)
    world.changes = {"adminRoom": {"alias": f"{world.slug}-board-2"}}
    await world.restart()
    await world.desk.wait_for(events.Knocked, one)
    await world.healthy()
    invited = await world.hands(world.founder).wait_for_invite(
        lambda invitation: invitation.room == world.scene.admins
    )
    assert invited.inviter == world.bot.user_id


async def test_no_more_is_asked_for_than_can_be_held(
    world: MatrixWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.platform._intake._held.most_events = 1  # type: ignore[union-attr]
    monkeypatch.setattr(intake, "_FULL", 0.1)
    one, two = await world.person(), await world.person()
    path = f"/_matrix/client/v3/rooms/{world.scene.admins}/leave"
    world.synapse.call("POST", path, {}, token=world.bot.token)
    await world.healthy("put-out")
    await world.knock(one, "ask")
    await held(world)
    await world.knock(two, "please")
    polls = world.proxy.count("GET", "/sync")
    await asyncio.sleep(1)
    assert not world.desk.of(events.Knocked, two)
    assert world.proxy.count("GET", "/sync") - polls <= 1
    await world.restart()  # nothing was committed: all comes again
    await world.desk.wait_for(events.Knocked, two)
    assert not world.desk.of(events.Knocked, one)


async def test_limited_invitations_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before the limit has passed; meanwhile doctor says so, in another process too."""
    if not SYNAPSE_PYTHON.exists():
        missing("the environment that holds Synapse", "make it with: make environments")
    monkeypatch.setattr(places, "_AGAIN", timedelta(seconds=1))
    monkeypatch.setattr(intake, "_SEARCH", timedelta(seconds=1))
    # Synapse's own limits, but with a shorter wait for who sent too much.
    sends = {"rc_message": {"per_second": 1, "burst_count": 10}}
    synapse = Synapse(tmp_path / "hs", limits="default", settings=sends)
    synapse.start()
    try:
        world = MatrixWorld(synapse, poll_seconds=0.5)
        extra = [f"@admin{n}:gk.test" for n in range(4)]
        async with world.proxy:
            world.bot = synapse.register(f"gatekeeper-{world.slug}")
            world.founder = await world._add("founder")
            world.changes = {"admins": [world.founder.account, *extra]}
            world.platform = world.make()
            await world.platform.start(world.desk)
            await world.healthy()
            other = world.make()
            lines = {line.code: line for line in await other.examine()}
            await other.stop()
            assert not lines["matrix-admin-limited"].ok
            assert str(lines["matrix-admin-limited"].values["until"]).endswith("UTC")
            assert "matrix-admin-invited" in lines
            await until(lambda: not any(world.scene.uninvited.values()), "all invited", 60)
            codes = [line.code for line in await world.platform.examine()]
            assert codes.count("matrix-admin-invited") == 5
            assert not world.proxy.too_early()
            await world.platform.stop()
            await world.hands(world.founder).close()
    finally:
        synapse.kill()


async def test_we_write_nothing_where_it_is_encrypted(synapse: Synapse) -> None:
    world = MatrixWorld(synapse)
    world.changes = {"encrypted": True}
    async with world:
        talk = next(room for room, alias in world.scene.rooms.items() if alias.endswith("talk"))
        assert world.scene.encrypted == {talk}
        with pytest.raises(PlatformRefused) as refused:
            await world.platform.perform(
                Post(place=f"{world.slug}-talk", text="x"), "t", world.now()
            )
        assert refused.value.reason == "encrypted"
        assert world.proxy.count("PUT", "/send/") == 0
        for place in ("welcome", "admins"):
            await world.platform.perform(Post(place=place, text="x"), place, world.now())
        who = await world.person()
        await world.platform.perform(Tell(who=who, text="Hello"), "h", world.now())
        await world.take_chat(who)
        assert (await world.platform.perform(Tell(who=who, text="Hello"), "h", world.now())).ref
        lines = {line.code: line for line in await world.platform.examine()}
        assert lines["matrix-encrypted-room"].ok
        assert all(line.ok for line in lines.values()), lines

        content = {"algorithm": "m.megolm.v1.aes-sha2"}
        founder = world.hands(world.founder)
        await founder.set_state(world.scene.admins, "m.room.encryption", content)
        faults = [line for line in await world.platform.examine() if not line.ok]
        assert [line.code for line in faults] == ["matrix-encrypted"]
        await until(lambda: world.scene.admins in world.scene.encrypted, "encryption seen")
        before = world.proxy.count("PUT", "/send/")
        show = ShowCard(place="admins", card=Card(title="Bob", status="waits"))
        with pytest.raises(PlatformRefused, match="encrypted"):
            await world.platform.perform(show, "card", world.now())
        assert world.proxy.count("PUT", "/send/") == before


async def test_a_paused_club_makes_nothing(
    synapse: Synapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks again now and then; what is to be noted of a chat is noted then."""
    monkeypatch.setattr(intake, "_SEARCH", timedelta(seconds=0.5))
    world = MatrixWorld(synapse, poll_seconds=0.3)
    async with world.proxy:
        world.bot = synapse.register(f"gatekeeper-{world.slug}")
        world.founder = await world._add("founder")
        world.desk.is_paused = True
        world.platform = world.make()
        await world.platform.start(world.desk)
        await world.healthy("place-missing")
        eve = await world.person()
        chat = await world.hands(eve).make_direct_chat(world.bot.user_id)
        await until(lambda: chat in world.scene.opened, "the chat")
        await world.restart()
        assert world.scene.opened == {chat: eve.account}  # not noted, and not forgotten
        writes = [call for call in world.proxy.calls if call.method != "GET"]
        assert [call.path.rpartition("/")[2] for call in writes] == ["join"]
        world.desk.is_paused = False
        await world.healthy()
        founder = world.hands(world.founder)
        await founder.wait_for_invite(lambda found: found.room == world.scene.admins)
        await until(lambda: world.proxy.count("PUT", "/account_data/m.direct") == 1, "the note")
        await world.platform.stop()
        for person in world.people.values():
            await person.close()


async def test_a_bot_before_us_is_no_admin(world: MatrixWorld) -> None:
    """Nothing takes a creator's power from it; that it was a bot of ours is told."""
    old = world.bot
    new = world.synapse.register(f"second-{world.slug}")
    founder = world.hands(world.founder)
    for room in world.scene.rooms:
        await founder.join(room)
    for room in (world.scene.space, world.scene.admins, *world.scene.rooms):
        await founder.invite(room, new.user_id)
        await founder.set_power(room, new.user_id, 100)
    world.vault.kept.clear()
    world.bot = new
    await world.restart()
    await world.healthy()
    guests = {guest.identity.account: guest for guest in await world.platform.admins()}
    assert guests[old.user_id].bot
    assert guests[old.user_id].power == 1_000_000
    assert not guests[world.founder.account].bot
    assert guests[world.founder.account].power == 100
    inside = {guest.identity.account: guest.bot for guest in await world.platform.members()}
    assert inside == {old.user_id: True, world.founder.account: False}
