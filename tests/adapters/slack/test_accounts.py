"""Accounts that end with a removal: where the policy says so and the plan lets us."""

from collections.abc import AsyncIterator

import pytest

from gatekeeper.domain import events
from gatekeeper.domain.decisions import Admit, EndAccount, Receipt, Remove
from gatekeeper.domain.errors import PlatformDown, PlatformRefused
from gatekeeper.domain.identity import Identity
from gatekeeper_slack.accounts import BY_HAND, STAYS
from tests.adapters.slack.world import SlackWorld
from tests.support.slack.world import Plan, User

ADMIN = ("admin", "admin.users:write")
ACCOUNT = "deactivateAccount"


@pytest.fixture
async def world(request) -> AsyncIterator[SlackWorld]:
    plan, admin, removal = request.param
    async with SlackWorld("http", plan, admin, removal=removal) as world:
        yield world


async def member(world: SlackWorld, **given) -> tuple[Identity, User]:
    who = await world.person(**given)
    await world.platform.perform(Admit(who=who), f"a {who}", world.now())
    await world.slack.quiet()
    return who, world.team.users[who.account.partition(":")[2]]


async def remove(world: SlackWorld, who: Identity) -> Receipt:
    action = Remove(who=who, reason="Silent.")
    return await world.platform.perform(action, f"r {who}", world.now())


async def end(world: SlackWorld, who: Identity) -> Receipt:
    """As is ordered a day after they were taken out of the channels."""
    await remove(world, who)
    return await world.platform.perform(EndAccount(who=who), f"e {who}", world.now())


PLANS = [
    pytest.param((Plan.ENTERPRISE, ADMIN, ACCOUNT), True, "", id="enterprise"),
    pytest.param((Plan.BUSINESS, ADMIN, ACCOUNT), True, "", id="business+"),
    pytest.param((Plan.BUSINESS, (), ACCOUNT), False, BY_HAND, id="business+ without a token"),
    pytest.param((Plan.PRO, ADMIN, ACCOUNT), False, BY_HAND, id="pro"),
    pytest.param((Plan.FREE, (), ACCOUNT), False, BY_HAND, id="free"),
]


@pytest.mark.parametrize(("world", "ends", "left"), PLANS, indirect=["world"])
async def test_it_ends_where_the_plan_lets_us(world, ends, left):
    who, user = await member(world)
    assert (await remove(world, who)).changed
    assert not user.deleted, "a removal by itself ends none"
    receipts = [await end(world, who) for _ in range(2)]
    assert [(one.changed, one.by_hand) for one in receipts] == [(ends, left), (False, left)]
    assert user.deleted is ends
    assert not await world.platform.members()
    await world.slack.quiet()
    gone = [one for one in world.desk.events if isinstance(one, events.Departed)]
    assert not gone, "it was our hand, and they did not leave by themselves"


ENTERPRISE = pytest.mark.parametrize("world", [(Plan.ENTERPRISE, ADMIN, ACCOUNT)], indirect=True)
BUSINESS = pytest.mark.parametrize("world", [(Plan.BUSINESS, ADMIN, ACCOUNT)], indirect=True)


@ENTERPRISE
@pytest.mark.parametrize(
    "given", [{"is_admin": True}, {"is_owner": True}, {"is_restricted": True}, {"is_bot": True}]
)
async def test_of_some_it_never_ends(world, given):
    who = await world.person(**given)
    user = world.team.users[who.account.partition(":")[2]]
    for name in ("club", "talk"):
        world.slack.world.join(world.team, world.channel(name), user.id)
    receipt = await end(world, who)
    assert (receipt.changed, receipt.by_hand, user.deleted) == (False, STAYS, False)


@ENTERPRISE
async def test_a_lost_answer_ends_it_once(world):
    who, user = await member(world)
    world.slack.api.fail("admin.users.remove", "lost")
    with pytest.raises(PlatformDown):
        await end(world, who)
    assert (await end(world, who)).by_hand == ""
    assert user.deleted
    assert len(world.slack.api.of("admin.users.remove")) == 1


@ENTERPRISE
@pytest.mark.parametrize("error", ["feature_not_enabled", "invalid_permissions"])
async def test_what_is_refused_is_left_to_the_admins(world, error):
    """SCIM would end it in the whole organisation: that is not what the policy says."""
    who, user = await member(world)
    await world.platform._abilities.known()
    world.slack.api.fail("admin.users.remove", error)
    assert (await end(world, who)).by_hand == BY_HAND
    assert not user.deleted
    assert not [one for one in world.slack.scim.calls if one[0] != "GET"]


@pytest.mark.parametrize(
    "world",
    [(Plan.ENTERPRISE, ADMIN, ACCOUNT), (Plan.BUSINESS, ADMIN, ACCOUNT)],
    indirect=True,
)
async def test_whoever_comes_back_has_it_again(world):
    who, user = await member(world)
    await end(world, who)
    assert user.deleted
    receipt = await world.platform.perform(Admit(who=who, reopen=True), "back", world.now())
    assert receipt.changed
    assert not user.deleted
    assert (await world.platform.standing(who)).inside


@pytest.mark.parametrize("world", [(Plan.ENTERPRISE, ADMIN, ACCOUNT)], indirect=True)
async def test_one_that_the_workspace_has_closed_stays_closed(world):
    who, user = await member(world)
    await remove(world, who)
    user.deleted = True
    with pytest.raises(PlatformRefused):
        await world.platform.perform(Admit(who=who), "back", world.now())
    assert user.deleted
    assert not world.slack.api.of("admin.users.assign")


@BUSINESS
async def test_where_it_cannot_be_opened_that_is_told(world):
    who, user = await member(world)
    await end(world, who)
    world.hand.scopes = frozenset()
    with pytest.raises(PlatformRefused) as refused:
        await world.platform.perform(Admit(who=who, reopen=True), "back", world.now())
    assert refused.value.reason == "account-closed"
    assert user.deleted


# ---- People of another workspace, by Slack Connect --------------------------------------------


@ENTERPRISE
async def test_a_stranger_is_inside_by_connect_alone_and_can_be_taken_out(world):
    """Their account is their own workspace's: it is nobody's here to end."""
    here = await world.person(is_stranger=True)
    user = world.team.users[here.account.partition(":")[2]]
    user.team, who = "T0ELSEWHERE", Identity("slack", f"T0ELSEWHERE:{user.id}")
    with pytest.raises(PlatformRefused) as refused:
        await world.platform.perform(Admit(who=who), "a", world.now())
    assert refused.value.reason == "no-such-person"
    world.slack.world.join(world.team, world.channel("club"), user.id)
    assert (await world.platform.standing(who)).inside
    assert not (await world.platform.perform(Admit(who=who), "b", world.now())).changed
    assert user.id not in world.channel("talk").members
    assert who in [one.identity for one in await world.platform.members()]
    world.slack.api.fail("conversations.kick", "lost")
    with pytest.raises(PlatformDown):
        await remove(world, who)
    assert not (await remove(world, who)).changed, "done already, and no refusal"
    receipt = await end(world, who)
    assert (receipt.changed, receipt.by_hand) == (False, "")
    assert not (await world.platform.standing(who)).inside
    assert not user.deleted
