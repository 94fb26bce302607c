"""Inviting whoever has no account, as each plan allows; never twice, and nobody by a name."""

from collections.abc import AsyncIterator

import pytest

from gatekeeper.domain.decisions import Bring, Receipt
from gatekeeper.domain.errors import PlatformDown, PlatformRefused
from gatekeeper.domain.identity import EMAIL, Identity
from gatekeeper_slack.abilities import Can, Why
from gatekeeper_slack.outsiders import CONNECT, PROVISIONED, WORKSPACE
from tests.adapters.slack.world import SCOPES, SlackWorld
from tests.support.slack.world import Plan

ADDRESS = "zoe.q@post.example"
BRING = Bring(who=Identity(EMAIL, ADDRESS), name="Zoe Quill")
BOT = (
    *SCOPES,
    "users:read.email",
    "usergroups:read",
    "conversations.connect:write",
    "channels:read",
)
ADMIN = ("admin", "admin.users:write")


@pytest.fixture
async def world(request) -> AsyncIterator[SlackWorld]:
    plan, admin, ways = request.param
    async with SlackWorld("http", plan, admin, outside=list(ways)) as world:
        world.token.scopes = frozenset(BOT)
        yield world


async def bring(world: SlackWorld, action: Bring = BRING) -> Receipt:
    return await world.platform.perform(action, "k", world.now())


BOTH = ("workspace", "connect")
PLANS = [
    pytest.param((Plan.FREE, ADMIN, BOTH), "", id="free"),
    pytest.param((Plan.PRO, (), BOTH), CONNECT, id="pro"),
    pytest.param((Plan.PRO, ADMIN, ("workspace",)), "", id="pro, not by Connect"),
    pytest.param((Plan.BUSINESS, ADMIN, BOTH), PROVISIONED, id="business+"),
    pytest.param((Plan.BUSINESS, (), ("workspace",)), "", id="business+ without a token"),
    pytest.param((Plan.ENTERPRISE, ADMIN, BOTH), WORKSPACE, id="enterprise"),
    pytest.param((Plan.ENTERPRISE, ADMIN, ()), "", id="by hand alone"),
]


@pytest.mark.parametrize(("world", "way"), PLANS, indirect=["world"])
async def test_by_the_first_way_that_the_plan_allows(world, way):
    receipt = await bring(world)
    assert (receipt.changed, receipt.ref, receipt.account) == (bool(way), way, None)
    invited = world.team.invited
    if way == PROVISIONED:
        [made] = [one for one in world.team.users.values() if one.email == ADDRESS]
        again = await bring(world)
        assert again.account == Identity("slack", f"{world.team.id}:{made.id}")
    else:
        assert len(invited) == (1 if way else 0)
    if way == WORKSPACE:
        general = next(c.id for c in world.team.channels.values() if c.is_general)
        assert invited == [{"email": ADDRESS, "channels": [general]}]
        assert (await bring(world)).ref == WORKSPACE
        assert len(invited) == 1
    if way == CONNECT:
        assert invited[0]["channel"] == world.channel("club").id


ENTERPRISE = pytest.mark.parametrize("world", [(Plan.ENTERPRISE, ADMIN, BOTH)], indirect=True)
BUSINESS = pytest.mark.parametrize("world", [(Plan.BUSINESS, ADMIN, BOTH)], indirect=True)


@ENTERPRISE
async def test_a_lost_answer_invites_once(world):
    world.slack.api.fail("admin.users.invite", "lost")
    with pytest.raises(PlatformDown):
        await bring(world)
    assert (await bring(world)).ref == WORKSPACE
    assert len(world.team.invited) == 1


@BUSINESS
async def test_a_lost_answer_makes_one_account(world):
    await bring(world, Bring(who=BRING.who, look=True))
    await world.platform._abilities.known()
    world.slack.scim.losing = 1
    with pytest.raises(PlatformDown):
        await bring(world)
    found = await bring(world)
    assert found.account is not None
    assert len([one for one in world.team.users.values() if one.email == ADDRESS]) == 1


@ENTERPRISE
@pytest.mark.parametrize("error", ["feature_not_enabled", "not_an_admin", "missing_scope"])
async def test_what_the_workspace_refuses_after_all_goes_the_next_way(world, error):
    await world.platform._abilities.known()
    world.slack.api.fail("admin.users.invite", error)
    assert (await bring(world)).ref == CONNECT
    ability = await world.platform._abilities.of(Can.INVITE)
    assert ability.why in (Why.PLAN, Why.REFUSED, Why.SCOPE)
    other = Bring(who=Identity(EMAIL, "yan@post.example"))
    assert (await bring(world, other)).ref == CONNECT
    assert len(world.slack.api.of("admin.users.invite")) == 1


@pytest.mark.parametrize("world", [(Plan.PRO, (), BOTH)], indirect=True)
@pytest.mark.parametrize(
    "error", ["restricted_action", "no_external_invite_permission", "not_paid"]
)
async def test_where_nothing_works_a_hand_does(world, error):
    await world.platform._abilities.known()
    world.slack.api.fail("conversations.inviteShared", error)
    receipt = await bring(world)
    assert (receipt.changed, receipt.ref) == (False, "")


@ENTERPRISE
async def test_what_is_no_address_is_told(world):
    world.slack.api.fail("admin.users.invite", "invalid_email")
    with pytest.raises(PlatformRefused) as refused:
        await bring(world)
    assert refused.value.reason == "no-such-address"


@ENTERPRISE
async def test_an_account_that_is_there_is_found_and_nobody_invited(world):
    zoe = await world.person(email="Zoe.Q@post.example")
    receipt = await bring(world)
    assert (receipt.changed, receipt.account) == (False, zoe)
    assert not world.team.invited


@ENTERPRISE
@pytest.mark.parametrize(
    "given",
    [
        {"is_bot": True},
        {"is_restricted": True},
        {"is_stranger": True},
        {"email": "other@post.example"},
    ],
)
async def test_nobody_is_taken_for_them(world, given):
    await world.person(**{"email": ADDRESS, "real_name": "Zoe Quill", **given})
    assert (await bring(world, Bring(who=BRING.who, look=True))).account is None


@ENTERPRISE
async def test_a_look_invites_nobody(world):
    assert (await bring(world, Bring(who=BRING.who, look=True))).account is None
    assert not world.team.invited


@ENTERPRISE
async def test_a_closed_account_is_left_to_the_admins(world):
    await world.person(email=ADDRESS, deleted=True)
    receipt = await bring(world)
    assert (receipt.ref, receipt.account) == ("", None)
    assert not world.team.invited
