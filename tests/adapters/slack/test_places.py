"""Which channels are the club's, and that somebody can always come into them."""

from typing import Any

from gatekeeper_slack.api import Api
from gatekeeper_slack.places import Places, Plan
from gatekeeper_slack.scene import Scene
from tests.adapters.slack.world import PLACES, SlackWorld


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
