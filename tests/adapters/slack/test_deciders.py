"""Who decides by a Slack user group, `admins.userGroup`."""

from collections.abc import AsyncIterator

import pytest

from gatekeeper.policy.texts import remedy, sentence
from gatekeeper_slack import SlackPlatform
from gatekeeper_slack.deciders import Deciders
from gatekeeper_slack.scopes import SCOPES
from tests.adapters.slack.world import SlackWorld
from tests.support.slack.world import Plan, UserGroup

GROUP = "S0ADMINS"


@pytest.fixture
async def world() -> AsyncIterator[SlackWorld]:
    async with SlackWorld(plan=Plan.PRO) as world:
        world.token.scopes = frozenset(SCOPES)
        platform = world.platform
        world.team.groups[GROUP] = UserGroup(id=GROUP, handle="admins")
        platform._people.deciders = Deciders(platform._api, GROUP, world.clock)
        yield world


def put_on(world: SlackWorld, *who) -> None:
    """Make these the group's list, as of now."""
    world.team.groups[GROUP].users = [world.people[one].id for one in who]
    world.platform._people.deciders._asked = None


async def groups(world: SlackWorld, who) -> tuple[str, ...]:
    """What `standing` and `admins` say; they say the same."""
    told = {one.identity: one.groups for one in await world.platform.admins()}
    standing = await world.platform.standing(who)
    assert told.get(who, ()) == standing.groups
    return standing.groups


async def test_who_is_on_it_and_in_the_admins_channel_holds_it(world):
    ada, bob = await world.admin(), await world.admin()
    put_on(world, ada)
    assert await groups(world, ada) == (GROUP,)
    assert await groups(world, bob) == ()
    put_on(world, bob)
    assert await groups(world, ada) == ()


async def test_it_gives_nothing_outside_the_admins_channel_or_to_a_guest(world):
    member, guest = await world.person(), await world.person(is_restricted=True)
    world.slack.world.join(world.team, world.channel("club"), world.people[member].id)
    world.slack.world.join(world.team, world.channel("desk"), world.people[guest].id)
    put_on(world, member, guest)
    assert await groups(world, member) == ()
    assert await groups(world, guest) == ()


@pytest.mark.parametrize("why", ["plan", "scope", "group"])
async def test_where_slack_says_no_nobody_holds_it(world, why):
    ada = await world.admin()
    put_on(world, ada)
    if why == "plan":
        world.team.plan = Plan.FREE
    elif why == "scope":
        world.token.scopes = world.token.scopes - {"usergroups:read"}
    else:
        del world.team.groups[GROUP]
    assert await groups(world, ada) == ()
    assert await doctor(world) == {"slack-group-refused": False}


async def test_it_is_asked_about_no_more_often_than_slack_lets_us(world):
    ada = await world.admin()
    put_on(world, ada)
    for _ in range(10):
        await world.platform.standing(ada)
    assert len(world.slack.api.of("usergroups.users.list")) == 1


async def test_doctor_tells_of_it(world):
    assert await doctor(world) == {"slack-group-empty": False}
    put_on(world, await world.admin())
    assert await doctor(world) == {"slack-group": True}


async def doctor(world: SlackWorld) -> dict[str, bool]:
    lines = [one for one in await world.platform.examine() if "slack-group" in one.code]
    for one in lines:
        for language in ("en", "de"):
            said = sentence(one.code, one.values, language)
            assert "{" not in said
            assert not said.startswith("["), said
            assert one.ok or remedy(one.code, one.values, language)
    return {one.code: one.ok for one in lines}


async def test_the_platform_is_told_which_group_it_is(world):
    places = {**world.platform._given, "adminGroup": GROUP}
    made = SlackPlatform(
        club="club",
        settings=world.platform._settings,
        places=places,
        vault=world.vault,
        clock=world.clock,
    )
    assert made._people.deciders.group == GROUP
