"""People of several workspaces of one organisation: here each of them is one person."""

from collections.abc import AsyncIterator

import pytest

from gatekeeper.domain import events as told
from gatekeeper.domain.decisions import Admit, Card, Choice, ShowCard
from gatekeeper.domain.identity import Identity
from tests.adapters.slack.world import SlackWorld
from tests.support.slack.world import Plan
from tests.support.wait import eventually


@pytest.fixture
async def world() -> AsyncIterator[SlackWorld]:
    async with SlackWorld("http", Plan.ENTERPRISE) as world:
        yield world


async def somebody(world: SlackWorld, **given) -> tuple[Identity, Identity]:
    """As Slack names them, by the workspace that they came by first, and as they are here."""
    other = world.slack.world.team("Elsewhere", plan=Plan.ENTERPRISE)
    world.slack.world.organisation("All", [world.team, other])
    teams = (other.id, world.team.id) if given.pop("here", True) else (other.id,)
    here = await world.person(teams=teams, **given)
    hands = world.people[here]
    hands.user.team = other.id
    named = Identity("slack", f"{other.id}:{hands.id}")
    world.people[named] = hands
    return named, here


async def said(world: SlackWorld, named: Identity) -> Identity:
    """They write in a channel, told as of the other workspace; whose sign of life that is."""
    before, user = len(world.desk.signs), world.hands(named)
    world.slack.world.happens(
        world.team,
        {
            "type": "message",
            "user": user.id,
            "user_team": user.user.team,
            "team": user.user.team,
            "text": "Good morning.",
            "channel": world.channel("talk").id,
            "channel_type": "group",
            "ts": world.slack.world.ts(),
            "event_ts": world.slack.world.ts(),
        },
    )
    await world.slack.quiet()
    [sign] = world.desk.signs[before:]
    return sign.who


async def test_what_they_do_counts_for_them_whichever_workspace_slack_names(world):
    named, here = await somebody(world)
    await world.platform.perform(Admit(who=here), "a", world.now())
    assert [one.identity for one in await world.platform.members()] == [here]
    assert await said(world, named) == here
    await world.restart()
    scene = world.platform._scene
    await eventually(lambda: scene.shared_people, what="the members were looked at")
    assert await said(world, named) == here


async def test_an_admin_of_several_workspaces_decides_here(world):
    named, here = await somebody(world, is_admin=True)
    for name in ("club", "desk"):
        world.slack.world.join(world.team, world.channel(name), world.hands(named).id)
    assert (await world.platform.standing(here)).power == 100
    card = Card(title="Application #1", status="Open", choices=(Choice("approve", "✅", "Yes"),))
    show = ShowCard(place="admins", card=card)
    ref = (await world.platform.perform(show, "card/1", world.now())).ref
    await world.slack.quiet()
    await world.press(named, ref, "✅")
    assert [one.who for one in world.desk.of(told.Pressed)] == [here]


async def test_who_is_of_another_workspace_alone_stays_a_stranger(world):
    named, here = await somebody(world, here=False, is_stranger=True)
    for name in ("club", "talk"):
        world.slack.world.join(world.team, world.channel(name), world.hands(named).id)
    assert [one.identity for one in await world.platform.members()] == [named]
    assert await said(world, named) == named != here
