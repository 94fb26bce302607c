"""No method is called more often than its tier allows, and what Actions cost adds up to that."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatekeeper_slack
from gatekeeper.domain.decisions import Admit, Card, Post, Remove, ShowCard, Tell
from gatekeeper.domain.errors import PlatformBusy
from gatekeeper.domain.identity import Identity
from gatekeeper_slack import api, pace
from gatekeeper_slack.pace import _METHODS, TIERS, Pace
from tests.adapters.slack.world import SlackWorld
from tests.support.slack import methods

WHO = Identity("slack", "T0A:U0ADA")
CALLED = re.compile(r'(?:call|pages)\(\s*"([a-z]+\.[A-Za-z.]+)"')
CARD = Card(title="A card", status="Open")


def test_every_method_that_we_call_has_the_tier_of_the_reference():
    for method, tier in _METHODS.items():
        assert methods.METHODS[method].tier == f"t{tier}", method
    assert all(methods.TIERS[f"t{tier}"] == allowed for tier, allowed in TIERS.items())
    folder = Path(gatekeeper_slack.__file__).parent
    called = {one for path in folder.glob("*.py") for one in CALLED.findall(path.read_text())}
    special = {
        "apps.connections.open",
        "auth.test",
        "chat.postMessage",
        "oauth.v2.access",
        "team.info",
    }
    assert called - special <= _METHODS.keys()


@given(st.lists(st.floats(min_value=0, max_value=20), max_size=200))
def test_no_minute_holds_more_calls_than_the_tier(steps):
    pace, now, went = Pace(), 0.0, list[float]()
    for step in steps:
        now += step
        while wait := pace._wait("conversations.kick", now):
            assert wait > 0
            now += wait
        went.append(now)
    for first, later in zip(went, went[TIERS[3] :], strict=False):
        assert later - first > 60


async def test_a_short_wait_is_waited_here_and_a_long_one_told():
    pace = Pace(speed=6_000.0)  # a minute in ten milliseconds
    async with asyncio.timeout(5):
        for _ in range(120):
            await pace.pass_by("conversations.kick")
    slow = Pace()
    for _ in range(50):
        await slow.pass_by("conversations.kick")
    with pytest.raises(PlatformBusy) as busy:
        await slow.pass_by("conversations.kick")
    assert busy.value.limiters == ("conversations.kick",)
    assert timedelta(seconds=50) < busy.value.retry_after <= timedelta(seconds=61)
    await slow.pass_by("conversations.invite")  # each method by itself
    await slow.pass_by("auth.test")  # and one of no tier as often as Slack lets us


COSTS = [
    (Admit(who=WHO), {"users.conversations", "conversations.invite"}),
    (Remove(who=WHO, reason="silent"), {"users.conversations", "conversations.kick"}),
    (ShowCard(place="admins", card=CARD, ref="C0A:1.1"), {"chat.update"}),
    (ShowCard(place="admins", card=CARD), {"chat.postMessage admins"}),
    (Post(place="welcome", text="Hello."), {"chat.postMessage welcome"}),
    (Tell(who=WHO, text="Hello."), {"conversations.open", "chat.postMessage"}),
    (Tell(who=WHO, text="Hello.", room="D0A"), {"chat.postMessage"}),
]


@pytest.mark.parametrize(("action", "limiters"), COSTS)
def test_what_an_action_costs(action, limiters):
    assert Pace().costs(action, 3, chat_known=False).keys() == limiters


def test_bulk_leaves_room_for_what_is_waited_for():
    costs = Pace().costs(Remove(who=WHO, reason="silent"), 2, chat_known=False)
    in_a_minute = timedelta(minutes=1) / costs["conversations.kick"] * 2
    assert TIERS[3] / 1.05 <= in_a_minute < TIERS[3]


async def test_a_long_list_waits_in_its_middle_and_is_read_to_its_end(monkeypatch):
    """More pages than a minute allows: to begin anew would end at the same page each time."""
    async with SlackWorld("http") as world:
        monkeypatch.setattr(api, "PAGE", 1)
        for _ in range(TIERS[2] + 5):
            await world.person()
        caller = api.Api(
            f"{world.slack.url}/api", world.token.text, world.clock, pace=Pace(speed=300.0)
        )
        monkeypatch.setattr(pace, "_PATIENCE", 0.0)  # every wait is told
        found = [one["id"] async for one in caller.pages("users.list", "members")]
        assert len(found) == len(set(found)) == len(world.team.users)
        await caller.close()
