"""One app in several workspaces: each club is told what concerns its own, over shared lines."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gatekeeper.clock import SystemClock
from gatekeeper.domain import events
from gatekeeper.domain.decisions import Admit
from gatekeeper.domain.identity import Identity
from gatekeeper.testing.platform_world import RecordingDesk
from gatekeeper_slack import SlackPlatform, lines
from tests.adapters.matrix.world import DictVault
from tests.adapters.slack.ears import Mode, served
from tests.adapters.slack.world import PLACES, SCOPES
from tests.support.slack.delivery import Slack
from tests.support.slack.people import Person
from tests.support.slack.world import Channel
from tests.support.wait import eventually


class One:
    """One club, with a workspace and a desk of its own, by the app of all."""

    def __init__(self, slack: Slack, mode: Mode) -> None:
        self.slack, self.team = slack, slack.world.team()
        token, app = slack.world.install(self.team, SCOPES), slack.world.app
        told = {"app_token": app.token} if mode == "socket" else {}
        self.desk: Any = RecordingDesk()
        self.platform = SlackPlatform(
            club=self.team.id.lower(),
            settings={
                "bot_token": token.text,
                "api_url": f"{slack.url}/api",
                "signing_secret": app.signing_secret if mode == "http" else "",
                "pace": slack.speed,
                **told,
            },
            places=PLACES,
            vault=DictVault(),
            clock=SystemClock(),
        )

    async def start(self) -> None:
        await self.platform.start(self.desk)

    def person(self, name: str) -> Person:
        return Person(self.slack, self.team, self.slack.world.user(self.team, name))

    @property
    def club(self) -> Channel:
        return next(one for one in self.team.channels.values() if one.name == "club")

    def joined(self) -> list[str]:
        return [one.who.account for one in self.desk.events if isinstance(one, events.Joined)]


class Hall:
    """Some clubs by one app, on one stand-in."""

    def __init__(self, slack: Slack, mode: Mode, count: int) -> None:
        self.slack = slack
        self.clubs = [One(slack, mode) for _ in range(count)]

    async def join(self, one: One, name: str) -> str:
        """Somebody is taken into a club's channel by us; their account."""
        person = one.person(name)
        who = Identity("slack", f"{one.team.id}:{person.id}")
        await one.platform.perform(Admit(who=who), f"a {who}", one.platform._clock.now())
        await self.slack.quiet()
        return who.account


async def hall(mode: Mode, count: int, stack: AsyncExitStack) -> Hall:
    slack = await stack.enter_async_context(Slack(mode, speed=600.0))
    slack.api.limited = False
    made = Hall(slack, mode, count)
    if mode == "http":  # Slack knows one address: that of the first club's pages

        async def receive(scope: Any, read: Any, send: Any) -> None:
            await made.clubs[0].platform.receive(scope, read, send)

        slack.app_url = await stack.enter_async_context(served(receive))
    for one in made.clubs:
        await one.start()
        stack.push_async_callback(one.platform.stop)
    return made


@pytest.fixture(params=["socket", "http"])
async def two(request) -> AsyncIterator[Hall]:
    async with AsyncExitStack() as stack:
        yield await hall(request.param, 2, stack)


async def test_each_club_hears_its_own_workspace_alone(two):
    first, second = two.clubs
    ada, ben = await two.join(first, "ada"), await two.join(second, "ben")
    await eventually(lambda: first.joined() and second.joined(), 5, what="both are told")
    assert (first.joined(), second.joined()) == ([ada], [ben])
    assert all(one.platform.health().ok for one in two.clubs)
    assert all(told.status == 200 for told in two.slack.told)


async def test_they_share_two_lines():
    async with AsyncExitStack() as stack:
        made = await hall("socket", 5, stack)
        await eventually(lambda: len(made.slack.lines) == 2, 5, what="two lines")
        await asyncio.sleep(0.1)
        assert len(made.slack.lines) == 2
        assert len(made.slack.api.of("apps.connections.open")) == 2


async def test_one_that_stops_leaves_the_others_listening(two):
    first, second = two.clubs
    await first.platform.stop()
    ben = await two.join(second, "ben")
    await eventually(lambda: second.joined() == [ben], 5, what="the second is told")
    assert second.platform.health().ok
    assert not first.joined()
    await first.start()
    ada = await two.join(first, "ada")
    await eventually(lambda: first.joined() == [ada], 5, what="the first is told again")


async def test_a_workspace_of_nobody_is_answered_and_nothing_done(two, caplog):
    stranger = two.slack.world.team()
    two.slack.world.install(stranger, SCOPES)
    raw = {"type": "team_join", "user": {"id": "U0NOBODY", "team_id": stranger.id}}
    two.slack.tell(two.slack.event(stranger.id, raw))
    await two.slack.quiet()
    assert two.slack.told[-1].status == 200
    assert "slack-foreign-team" in caplog.text
    assert not any(one.desk.events for one in two.clubs)


async def test_of_a_shared_channel_the_one_that_is_installed_for_hears(two):
    """Its author is of the other club's workspace: that club is told nothing of it."""
    first, second = two.clubs
    cem = second.person("cem")
    first.team.users[cem.id] = second.team.users[cem.id]
    two.slack.world.join(first.team, first.club, cem.id)
    await two.slack.quiet()
    body = two.slack.event(
        first.team.id,
        {
            "type": "message",
            "channel": first.club.id,
            "user": cem.id,
            "ts": "1700000000.000100",
            "team": second.team.id,
            "user_team": second.team.id,
            "text": "hello",
        },
    )
    body["team_id"] = body["context_team_id"] = second.team.id
    assert [one["team_id"] for one in body["authorizations"]] == [first.team.id]
    two.slack.tell(body)
    await two.slack.quiet()
    await eventually(lambda: first.desk.signs, 5, what="a sign of life in the first club")
    assert {one.who.account for one in first.desk.signs} == {f"{second.team.id}:{cem.id}"}
    assert not second.desk.signs


async def test_lost_time_is_told_to_every_club():
    async with AsyncExitStack() as stack:
        made = await hall("socket", 2, stack)
        for one in made.clubs:
            one.desk.lost.clear()
        line = made.clubs[0].platform._intake._line
        now = made.clubs[0].platform._clock.now()
        await line.sockets.lost(now, now)
        assert [len(one.desk.lost) for one in made.clubs] == [1, 1]


async def test_a_line_ends_with_the_last_who_has_it():
    async with AsyncExitStack() as stack:
        made = await hall("socket", 2, stack)
        for one in made.clubs:
            await one.platform.stop()
        await eventually(lambda: not made.slack.lines, 5, what="the lines are shut")
        del one
        made.clubs.clear()
    gc.collect()
    assert not [line for line in lines._LINES.values() if line._ears]


@pytest.mark.slow
async def test_fifty_workspaces_by_one_app():
    async with AsyncExitStack() as stack:
        made = await hall("socket", 50, stack)
        joined = [await made.join(one, "ada") for one in made.clubs]
        await eventually(lambda: all(one.joined() for one in made.clubs), 20, what="all are told")
        assert [one.joined() for one in made.clubs] == [[who] for who in joined]
        assert len(made.slack.lines) == 2


def test_other_apps_have_other_lines():
    assert lines.shared("a", "b") is not lines.shared("ab", "")
