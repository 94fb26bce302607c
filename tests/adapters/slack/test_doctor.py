"""What `gatekeeper doctor` tells of a workspace."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gatekeeper.policy.texts import remedy, sentence
from gatekeeper_slack.scopes import NEEDED, SCOPES
from tests.adapters.slack.world import SlackWorld
from tests.support.slack.world import Plan


@pytest.fixture
async def world(request) -> AsyncIterator[SlackWorld]:
    async with SlackWorld(*getattr(request, "param", ())) as world:
        yield world


async def told(world: SlackWorld) -> dict[str, bool]:
    """Every line by its code; each has its sentence, and a fault what to do, in both languages."""
    lines = await world.platform.examine()
    for one in lines:
        for language in ("en", "de"):
            said = sentence(one.code, one.values, language)
            assert "{" not in said
            assert not said.startswith("["), said
            assert one.ok or remedy(one.code, one.values, language), one.code
    return {one.code: one.ok for one in lines}


async def test_all_is_well(world):
    world.token.scopes = frozenset({*SCOPES, "usergroups:read"})
    lines = await told(world)
    assert all(lines.values()), lines
    assert set(lines) == {
        "slack-logged-in",
        "slack-clock",
        "slack-scopes",
        "slack-line-socket",
        "slack-channel",
        "slack-admins",
        "slack-plan-free",
        "slack-cannot-plan",
        "slack-cannot-token",
        "slack-invites-by-hand",
    }


@pytest.mark.parametrize("world", [("http", Plan.PRO)], indirect=True)
async def test_over_http_and_paid(world):
    world.token.scopes = frozenset({*SCOPES, "usergroups:read"})
    lines = await told(world)
    assert lines["slack-line-http"]
    assert lines["slack-plan-paid"]


async def test_scopes_that_lack(world):
    world.token.scopes = frozenset({*NEEDED, "im:read"}) - {"groups:write"}
    lines = await world.platform.examine()
    missing = next(one for one in lines if one.code == "slack-scopes-missing")
    assert not missing.ok
    assert missing.values == {"scopes": "groups:write"}
    fewer = next(one for one in lines if one.code == "slack-scopes-fewer")
    assert fewer.ok
    assert "reactions:read" in str(fewer.values["scopes"])
    assert (await told(world))["slack-plan-unknown"]
    assert (await told(world))["slack-cannot-scope"]


@pytest.mark.parametrize("world", [("socket", Plan.FREE)], indirect=True)
async def test_an_account_that_is_to_end_where_it_cannot(world):
    world.platform._given = {**world.platform._given, "removal": "deactivateAccount"}
    assert (await told(world))["slack-deactivates-not"] is False


@pytest.mark.parametrize(
    ("plan", "scopes", "code"),
    [
        (Plan.BUSINESS, ("admin",), "business"),
        (Plan.ENTERPRISE, ("admin.users:write",), "enterprise"),
    ],
)
async def test_what_an_administrators_token_gives(plan, scopes, code):
    async with SlackWorld(
        "http", plan, scopes, removal="deactivateAccount", outside=["workspace"]
    ) as world:
        lines = await told(world)
    assert lines[f"slack-plan-{code}"]
    assert lines["slack-invites-workspace"]
    assert lines["slack-deactivates"]


async def test_channels_that_we_lost(world):
    world.channel("talk").members.remove(world.team.bot_user)
    world.channel("desk").kind = "channel"
    lines = await told(world)
    assert not lines["slack-put-out"]
    assert not lines["slack-not-private"]


async def test_admins_who_cannot_decide(world):
    """Those of another workspace, and those who are not in the channel; each with what to do."""
    inside, outside = await world.admin(), await world.person()
    world.platform._given = {
        **world.platform._given,
        "admins": [inside.account, outside.account, "T0CLUB:U0ANN"],
    }
    lines = await world.platform.examine()
    wrong = {one.values["account"]: one.code for one in lines if not one.ok}
    assert wrong == {
        outside.account: "slack-admin-outside",
        "T0CLUB:U0ANN": "slack-admin-elsewhere",
    }
    assert not (await told(world))["slack-admin-outside"]


async def test_a_channel_that_is_public(world):
    """Out of one, Slack lets only owners take people, until a setting says otherwise."""
    world.channel("talk").kind = "channel"
    lines = await world.platform.examine()
    [public] = [one for one in lines if one.code == "slack-public"]
    assert public.values == {"channel": "talk"}
    assert "People who can remove members" in remedy("slack-public", public.values)


async def test_a_login_that_is_over(world):
    world.token.end = "token_revoked"
    assert await told(world) == {"slack-login": False}


async def test_an_app_token_that_is_wrong(world):
    world.platform._settings = {**world.platform._settings, "app_token": "xapp-wrong"}
    lines = await told(world)
    assert not lines["slack-app-token"]


async def test_a_clock_that_is_off(world):
    await world.platform.examine()
    api = world.platform._api
    api._clock = type("Late", (), {"now": lambda _: world.clock.now() - timedelta(minutes=4)})()
    lines = await told(world)
    assert not lines["slack-clock-off"]
