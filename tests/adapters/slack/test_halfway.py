"""Somebody is let in whole or not at all, also where a try breaks off between two channels."""

from collections.abc import AsyncIterator

import pytest

from gatekeeper.domain.decisions import Admit, Receipt, Retract
from gatekeeper.domain.errors import PlatformDown, PlatformRefused
from gatekeeper_slack.halfway import Halfway
from tests.adapters.matrix.world import DictVault
from tests.adapters.slack.world import SlackWorld
from tests.support.slack.web_api import Refusal


@pytest.fixture
async def world() -> AsyncIterator[SlackWorld]:
    async with SlackWorld("http") as world:
        yield world


async def admit(world: SlackWorld, who) -> Receipt:
    return await world.platform.perform(Admit(who=who), f"a {who}", world.now())


async def retract(world: SlackWorld, who) -> Receipt:
    return await world.platform.perform(Retract(who=who), f"r {who}", world.now())


def channels(world: SlackWorld, who) -> set[str]:
    user = world.hands(who).id
    return {name for name in ("club", "talk") if user in world.channel(name).members}


def closed(world: SlackWorld, name: str, method: str, error: str) -> None:
    """From now on Slack says no where such a call is about this channel."""
    right, channel = world.slack.api.handlers[method], world.channel(name)

    def refusing(api, call):
        if call.args["channel"] == channel.id:
            raise Refusal(error)
        return right(api, call)

    world.slack.api.handlers = {**world.slack.api.handlers, method: refusing}


async def broken_off(world: SlackWorld, **given):
    """Somebody whose way in broke off after the further channels."""
    who = await world.person(**given)
    closed(world, "club", "conversations.invite", "internal_error")
    with pytest.raises(PlatformDown):
        await admit(world, who)
    assert channels(world, who) == {"talk"}
    return who


async def test_a_try_that_broke_off_goes_on(world):
    right = world.slack.api.handlers
    who = await broken_off(world)
    world.slack.api.handlers = right
    assert (await admit(world, who)).changed
    assert channels(world, who) == {"club", "talk"}
    assert not (await retract(world, who)).changed, "a member is nobody to be turned away"
    assert channels(world, who) == {"club", "talk"}


@pytest.mark.parametrize("again", [False, True], ids=["same process", "after a restart"])
async def test_whoever_is_refused_after_all_is_out_of_every_channel(world, again):
    who = await broken_off(world)
    if again:
        await world.restart()
    closed(world, "club", "conversations.invite", "cant_invite")
    with pytest.raises(PlatformRefused):
        await admit(world, who)
    assert channels(world, who) == set()


async def test_whoever_withdraws_meanwhile_is_out_of_every_channel(world):
    who = await broken_off(world)
    assert [(await retract(world, who)).changed for _ in range(2)] == [True, False]
    assert channels(world, who) == set()


async def test_where_somebody_else_brought_them_they_stay(world):
    who = await world.person()
    world.slack.world.join(world.team, world.channel("talk"), world.hands(who).id)
    closed(world, "club", "conversations.invite", "cant_invite")
    with pytest.raises(PlatformRefused):
        await admit(world, who)
    assert not (await retract(world, who)).changed
    assert channels(world, who) == {"talk"}


async def test_an_undoing_that_breaks_off_is_done_later(world):
    who = await broken_off(world)
    closed(world, "club", "conversations.invite", "cant_invite")
    world.slack.api.fail("conversations.kick", "internal_error")
    with pytest.raises(PlatformDown):
        await admit(world, who)
    assert channels(world, who) == {"talk"}
    with pytest.raises(PlatformRefused):
        await admit(world, who)
    assert channels(world, who) == set()


async def test_whom_slack_does_not_let_us_take_out_again_is_told_in_the_log(world, caplog):
    who = await broken_off(world)
    closed(world, "talk", "conversations.kick", "restricted_action")
    assert not (await retract(world, who)).changed
    assert "slack-left-halfway" in caplog.text
    assert channels(world, who) == {"talk"}


async def test_the_notes_of_two_at_once_are_both_kept_and_nothing_stays_behind():
    vault = DictVault()
    one, other = Halfway(vault), Halfway(vault)
    await one.note("U1", ["C1"])
    await other.note("U2", ["C2"])
    await one.note("U1", ["C3", "C1"])
    assert (await other.of("U1"), await one.of("U2")) == (("C1", "C3"), ("C2",))
    await one.forget("U1")
    await other.forget("U2")
    assert (await one.of("U1"), list(vault.kept.values())) == ((), [b"{}"])
