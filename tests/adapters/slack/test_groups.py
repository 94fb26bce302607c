"""The club's user group follows its channel."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from gatekeeper.domain.decisions import Admit, Remove
from gatekeeper_slack.groups import UserGroup
from gatekeeper_slack.scopes import SCOPES
from tests.adapters.slack.world import SlackWorld
from tests.support.slack.world import Plan
from tests.support.slack.world import UserGroup as Group
from tests.support.wait import eventually


@pytest.fixture
async def world() -> AsyncIterator[SlackWorld]:
    async with SlackWorld(plan=Plan.PRO) as world:
        world.token.scopes = frozenset(SCOPES)
        yield world


def group_of(world: SlackWorld, *users: str) -> UserGroup:
    """A group of the workspace with these on it, and what keeps it."""
    world.team.groups["S0CLUB"] = Group(id="S0CLUB", handle="club", users=list(users))

    async def never() -> bool:
        return False

    platform = world.platform
    return UserGroup(platform._api, platform._scene, platform._people, "S0CLUB", never)


def listed(world: SlackWorld) -> set[str]:
    return set(world.team.groups["S0CLUB"].users)


async def test_it_is_made_that_of_the_channel(world):
    """Whoever came is put on it, whoever is not in the club is taken off; once is enough."""
    ada, bob = [await world.person() for _ in range(2)]
    stranger = await world.person()
    for number, who in enumerate((ada, bob)):
        await world.platform.perform(Admit(who=who), f"a {number}", world.clock.now())
    group = group_of(world, world.people[stranger].id)
    assert await group.sync()
    assert listed(world) == {world.people[ada].id, world.people[bob].id}
    assert not await group.sync()
    await world.platform.perform(Remove(who=bob, reason="Silent."), "r", world.clock.now())
    assert await group.sync()
    assert listed(world) == {world.people[ada].id}
    assert len(world.slack.api.of("usergroups.users.update")) == 2


async def test_guests_and_strangers_are_not_put_on_it(world):
    """Slack refuses a whole list for one account that may not be on it."""
    ada, guest = await world.person(), await world.person(is_restricted=True)
    for one in (ada, guest):
        world.slack.world.join(world.team, world.channel("club"), world.people[one].id)
    assert await group_of(world).sync()
    assert listed(world) == {world.people[ada].id}


async def test_an_empty_one_and_a_paused_club_change_nothing(world):
    who = await world.person()
    group = group_of(world, world.people[who].id)
    assert not await group.sync()
    await world.platform.perform(Admit(who=await world.person()), "a", world.clock.now())

    async def paused() -> bool:
        return True

    group._paused = paused
    assert not await group.sync()
    assert listed(world) == {world.people[who].id}


async def test_what_slack_refuses_is_tried_again_and_is_no_fault(world, monkeypatch, caplog):
    """On a free plan, or while a login is over; told once."""
    monkeypatch.setattr("gatekeeper_slack.groups.TOGETHER", 0.0)
    world.team.plan = Plan.FREE
    ada = await world.person()
    await world.platform.perform(Admit(who=ada), "a", world.clock.now())
    group = group_of(world)
    following = asyncio.create_task(group.follow())
    for tries in (1, 2, 3):
        asked = partial(world.slack.api.of, "usergroups.users.list")
        assert await eventually(lambda asked=asked, tries=tries: len(asked()) >= tries, 5)
        group.changed()
    assert caplog.text.count("slack-group-not-kept") == 1
    assert world.platform.health().ok
    world.team.plan = Plan.PRO
    group.changed()
    await eventually(lambda: listed(world) == {world.people[ada].id}, 5, what="Ada is listed")
    following.cancel()


async def test_the_platform_keeps_it(world, monkeypatch):
    monkeypatch.setattr("gatekeeper_slack.groups.TOGETHER", 0.05)
    group_of(world)
    await world.platform.stop()
    world.platform = world.make()
    world.platform._given = {**world.platform._given, "userGroup": "S0CLUB"}
    await world.listen()
    ada = await world.person()
    await world.platform.perform(Admit(who=ada), "a", world.clock.now())
    await eventually(lambda: world.people[ada].id in listed(world), 5, what="Ada is listed")
