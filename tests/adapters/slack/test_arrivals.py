"""Somebody new in the workspace is told with their address, where Slack has seen it confirmed."""

import pytest

from gatekeeper.clock import SystemClock
from gatekeeper.domain import events as told
from gatekeeper_slack.api import Api
from gatekeeper_slack.oauth import SCOPES as ASKED
from gatekeeper_slack.people import People
from tests.adapters.slack.ears import ears

ADDRESS = "Zoe.Q@post.example"


@pytest.fixture(params=[True, False], ids=["with-email", "without"])
async def heard(request):
    """A club in a workspace whose app may, or may not, see addresses."""
    async with ears("http") as found:
        found.may = request.param
        scopes = ("users:read", *(("users:read.email",) if found.may else ()))
        world = found.slack.world
        token = world.install(found.team, scopes)
        found.api = Api(f"{found.slack.url}/api/", token.text, SystemClock())
        found.looks.profile = People(found.api, found.scene, SystemClock()).profile
        yield found
        await found.api.close()


async def arrive(heard, person):
    raw = {"type": "team_join", "user": {"id": person.id, "team_id": person.user.team}}
    heard.slack.tell(heard.slack.event(heard.team.id, raw))
    await heard.slack.quiet()


def test_the_app_asks_for_addresses():
    assert "users:read.email" in ASKED


async def test_a_newcomer_is_told_once_with_their_address(heard):
    zoe = heard.person("zoe", email=ADDRESS)
    await arrive(heard, zoe)
    [one] = heard.desk.of(told.Arrived)
    assert one.who == heard.who(zoe)
    assert one.name == "zoe"
    assert one.email == (ADDRESS if heard.may else "")
    await arrive(heard, zoe)
    assert {each.event_id for each in heard.desk.of(told.Arrived)} == {one.event_id}


async def test_whoever_comes_into_the_club_is_told_with_their_address_too(heard):
    zoe = heard.person("zoe", email=ADDRESS)
    zoe.join(heard.club)
    await heard.slack.quiet()
    [joined] = heard.desk.of(told.Joined)
    assert joined.email == (ADDRESS if heard.may else "")


@pytest.mark.parametrize(
    "given", [{"is_restricted": True}, {"is_ultra_restricted": True}, {"is_stranger": True}]
)
async def test_guests_and_strangers_have_no_address_for_us(heard, given):
    zoe = heard.person("zoe", email=ADDRESS, **given)
    await arrive(heard, zoe)
    assert [one.email for one in heard.desk.of(told.Arrived)] == [""]


async def test_a_bot_does_not_arrive(heard):
    await arrive(heard, heard.person("robot", email=ADDRESS, is_bot=True))
    assert not heard.desk.of(told.Arrived)


@pytest.mark.parametrize(("confirmed", "email"), [(True, ADDRESS), (False, "")])
async def test_an_address_that_slack_has_not_seen_confirmed_is_none(heard, confirmed, email):
    people = People(heard.api, heard.scene, SystemClock())
    raw = {
        "id": "U0ZOE",
        "team_id": heard.team.id,
        "is_email_confirmed": confirmed,
        "profile": {"email": ADDRESS},
    }
    assert people._keep(raw).email == email
