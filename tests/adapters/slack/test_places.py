"""Which channels are the club's, and that somebody can always come into them."""

from typing import Any

import pytest

from gatekeeper.domain.decisions import Admit, Post
from gatekeeper.domain.errors import PlatformDown
from gatekeeper_slack.api import Api
from gatekeeper_slack.places import Places, Plan
from gatekeeper_slack.scene import Scene
from tests.adapters.slack.world import PLACES, SlackWorld
from tests.support.wait import eventually


async def settle(world: SlackWorld, *people: str) -> None:
    """As at a start, with a policy that names these."""
    places: dict[str, Any] = {**PLACES, "admins": [f"{world.team.id}:{one}" for one in people]}
    scene = Scene()
    scene.team, scene.bot = world.team.id, world.team.bot_user
    api = Api(f"{world.slack.url}/api", world.token.text, world.clock)
    try:
        await Places(api, Plan.read("club", places), world.vault, scene).settle(make=True)
    finally:
        await api.close()


def people_in(world: SlackWorld, name: str) -> set[str]:
    return set(world.channel(name).members) - {world.team.bot_user}


async def test_admins_named_later_come_into_channels_that_stand_empty():
    """Else nobody could ever come in: a private channel of the bot's alone is seen by nobody."""
    async with SlackWorld() as world:
        assert not people_in(world, "desk")  # the first policy named nobody of here
        ann, ben = [world.hands(await world.person()).id for _ in range(2)]
        await settle(world, ann, "U0NOBODY", ben)
        for name in ("club", "talk", "desk"):
            assert people_in(world, name) == {ann, ben}


async def test_nobody_is_taken_in_where_somebody_could_do_it():
    """Whoever left, or was put out by hand, stays out; a channel of other people's is theirs."""
    async with SlackWorld() as world:
        ann, ben = [world.hands(await world.person()).id for _ in range(2)]
        await settle(world, ann, ben)
        world.slack.world.part(world.team, world.channel("desk"), ben)
        world.slack.world.part(world.team, world.channel("club"), ann)
        world.slack.world.part(world.team, world.channel("club"), ben)
        world.channel("club").creator = ann
        await settle(world, ann, ben)
        assert people_in(world, "desk") == {ann}
        assert people_in(world, "club") == set()


@pytest.mark.parametrize("how", ["public", "shared"])
async def test_nothing_is_posted_into_an_admins_channel_that_others_read(how):
    """Slack tells nobody that a channel was opened; it is looked at, and what waits goes on."""
    async with SlackWorld() as world:
        post, desk = Post(place="admins", text="Zoe applies."), world.channel("desk")
        await world.platform.perform(post, "a", world.clock.now())
        world.platform._places._alone = -1e9  # a minute has passed
        desk.kind, desk.is_ext_shared = ("channel", False) if how == "public" else ("group", True)
        with pytest.raises(PlatformDown, match="not-private"):
            await world.platform.perform(post, "b", world.clock.now())
        assert world.platform.health().code == "place-missing"
        assert [one.text for one in desk.messages if one.user == world.team.bot_user] == [
            "Zoe applies."
        ]
        desk.kind, desk.is_ext_shared = "group", False
        world.platform._places._looked = -1e9  # some seconds later
        assert (await world.platform.perform(post, "b", world.clock.now())).changed


async def test_an_admins_channel_that_we_are_out_of_makes_cards_wait():
    async with SlackWorld() as world:
        world.platform._places._alone = -1e9
        world.channel("desk").members.remove(world.team.bot_user)
        with pytest.raises(PlatformDown, match="put-out"):
            await world.platform.perform(
                Post(place="admins", text="Zoe applies."), "b", world.clock.now()
            )


async def test_who_is_approved_while_the_bot_is_out_comes_in_once_it_is_back():
    """It is no final no: whether Slack told us of it in time or not."""
    async with SlackWorld() as world:
        ada, bot, talk = await world.person(), world.team.bot_user, world.channel("talk")
        when = world.clock.now()
        for told in (True, False):
            if told:
                world.slack.world.part(world.team, talk, bot)
            else:
                talk.members.remove(bot)
            await world.slack.quiet()
            with pytest.raises(PlatformDown, match="talk: put-out"):
                await world.platform.perform(Admit(who=ada), f"admit/{told}", when)
            assert await world.places(ada) == 0
            world.slack.world.join(world.team, talk, bot)
            await world.slack.quiet()
        await eventually(lambda: not world.platform._scene.lost, what="it knows that it is back")
        assert (await world.platform.perform(Admit(who=ada), "admit", when)).changed
        assert await world.places(ada) == 2


async def test_an_admins_channel_made_private_again_is_used_without_a_new_start(monkeypatch):
    monkeypatch.setattr("gatekeeper_slack.places._AGAIN", 0.0)
    async with SlackWorld() as world:
        await world.platform.stop()
        world.channel("desk").kind = "channel"
        world.token.scopes |= {"channels:read"}
        await world.listen()
        with pytest.raises(PlatformDown, match="not-private"):
            await world.platform.admins()
        world.channel("desk").kind = "group"
        assert await world.platform.admins() == ()
        assert world.platform.health().ok


async def test_back_in_the_admins_channel_after_a_start_outside_it():
    async with SlackWorld() as world:
        bot, desk = world.team.bot_user, world.channel("desk")
        await world.platform.stop()
        desk.members.remove(bot)
        await world.listen()
        health = world.platform.health()
        assert (health.code, health.detail) == ("put-out", "admins: put-out")
        world.slack.world.join(world.team, desk, bot)
        await world.slack.quiet()
        await eventually(lambda: world.platform.health().ok, what="it hears and decides again")
        assert await world.platform.admins() == ()


@pytest.mark.parametrize("hears", [True, False], ids=["with the scope", "without it"])
async def test_what_is_written_in_a_public_channel_is_heard_or_not_taken_for_silence(hears):
    """Whoever speaks only there must not look silent."""
    async with SlackWorld() as world:
        who = await world.person()
        await world.platform.perform(Admit(who=who), "a", world.now())
        world.channel("talk").kind = "channel"
        world.token.scopes |= {"channels:read"}
        if hears:
            world.token.scopes |= {"channels:history"}
        await world.restart()
        assert world.desk.blind_now == ({} if hears else {"talk": world.desk.blind_now["talk"]})
        before = len(world.desk.signs)
        world.hands(who).write(world.channel("talk"), "Good morning.")
        await world.slack.quiet()
        assert [(one.who, one.place) for one in world.desk.signs[before:]] == (
            [(who, "talk")] if hears else []
        )
        world.token.scopes |= {"channels:history"}
        await world.restart()
        assert world.desk.blind_now == {}
        assert world.platform.health().ok
