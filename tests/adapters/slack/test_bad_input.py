"""What reaches us that ought not to, by both lines: the right answer, no act, one line with a code.

Forged, late, unsigned and unreadable requests stand in test_requests; doubled ones, empty actions,
unknown names and foreign teams in test_listening; every size in test_cards and test_modals.
"""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gatekeeper.domain import events as told
from gatekeeper.domain.decisions import Admit, Card, Choice, ShowCard, Tell
from gatekeeper.domain.errors import PlatformDown
from gatekeeper.domain.windows import Field, Window
from tests.adapters.slack.world import SlackWorld
from tests.support.slack.world import Message

HOSTILE = [
    "<!channel> <!here|now> <@U0OWNER> <#C0CLUB> <!subteam^S1>",
    "&lt;!channel&gt; &amp;lt;@U1&amp;gt;",
    "*bold* _it_ ~no~ `code` ```block``` > quote",
    "@channel @here @everyone",
    "[x](https://evil.test) https://evil.test <https://evil.test|ok> javascript:alert(1)",
    "\u202ekcab\u202c \u200b\u2066x\u2069 \ufeff",
    "\0\ud800\x1b[31m".encode("utf-8", "replace").decode(),
    "Ａ" * 5_000,
    "",
    '{"type":"modal"} ${7*7} {{x}} \' OR 1=1 --',
]
PING = re.compile(r"<[!@#]")


@pytest.fixture(params=["http", "socket"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[SlackWorld]:
    async with SlackWorld(request.param) as world:
        world.slack.api.calls.clear()
        yield world


@pytest.fixture
async def world_http() -> AsyncIterator[SlackWorld]:
    async with SlackWorld("http") as world:
        yield world


def codes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The first word of every line that warns, none of which brings a traceback along."""
    lines = [one for one in caplog.records if one.levelname in ("WARNING", "ERROR")]
    assert not [one for one in lines if one.exc_info]
    return [one.getMessage().split()[0] for one in lines]


def a_card(title: str, *lines: str) -> Card:
    choices = (Choice(id="approve", symbol="✅", label="Approve"),)
    return Card(title=title, status="Open", lines=lines, choices=choices)


def kinds(message: Message) -> set[str]:
    """Of everything in a message's blocks."""
    found, rest = set(), list[Any](message.blocks)
    while rest:
        one = rest.pop()
        if isinstance(one, dict):
            found.add(str(one.get("type")))
            rest += one.values()
        elif isinstance(one, list):
            rest += one
    return found


async def test_hostile_names_and_answers_ping_and_format_nothing(world_http):
    world = world_http
    who = await world.person()
    for number, typed in enumerate(HOSTILE):
        shown = ShowCard(place="admins", card=a_card(f"Application of {typed}", typed))
        for action in (shown, Tell(who=who, text=typed)):
            key = f"hostile/{number}/{type(action).__name__}"
            await world.platform.perform(action, key, world.now())
    for channel in (world.hands(who).chat, world.channel("desk")):
        assert len(channel.messages) == len(HOSTILE)
        for message in channel.messages:
            assert not PING.search(message.text), message.text
            acting = {"mrkdwn", "broadcast", "user", "usergroup", "channel", "link"}
            assert not acting & kinds(message), message.blocks


async def test_a_view_of_more_than_a_hundred_blocks(world, caplog):
    """A form with more questions than fit has steps; a view that is sent with thousands is read,
    and refused nothing but what is wrong."""
    who = await world.person()
    fields = tuple(Field(name=f"q{n}", kind="text", label=f"Question {n}") for n in range(150))
    window = Window(
        club="Clocks", language="en", headline="Hi", may=frozenset({"apply"}), fields=fields
    )
    world.desk.windows[who] = window
    ada = world.hands(who)
    assert (await ada.command("/gatekeeper", "apply")).status == 200
    view = ada.open_view()
    assert view is not None
    assert len(view.content["blocks"]) <= 100
    values = {f"q:q{n}": {"answer": {"type": "plain_text_input", "value": "x"}} for n in range(500)}
    for _ in range(2):
        view = ada.open_view()
        view.content["blocks"] = [{"type": "divider", "block_id": f"b{n}"} for n in range(5_000)]
        assert (await ada.send_view(view, values)).status == 200
    [sent] = world.desk.filled
    assert sent.act == "apply"
    assert codes(caplog) == []


async def test_an_expired_trigger_opens_nothing(world, caplog):
    """Their words are taken as if they were written to us, so that they are answered all the
    same."""
    who = await world.person()
    world.slack.api.fail("views.open", "expired_trigger_id")
    ada = world.hands(who)
    assert (await ada.command("/gatekeeper", "apply")).status == 200
    assert ada.open_view() is None
    [said] = world.desk.of(told.Wrote, who)
    assert said.text == "apply"
    assert codes(caplog) == ["slack-screen-failed"]
    assert "expired_trigger_id" in caplog.text


async def test_uninstalled_in_the_middle_of_a_review(world, caplog):
    """Nobody is let in by a decision that comes too late; after the next install it is done."""
    who, admin = await world.person(), await world.admin()
    show = ShowCard(place="admins", card=a_card("Application #1"))
    ref = (await world.platform.perform(show, "card/1", world.now())).ref
    await world.slack.quiet()
    world.slack.api.calls.clear()
    token = world.slack.world.tokens[world.token.text]
    token.end = "account_inactive"
    world.slack.world.happens(world.team, {"type": "app_uninstalled"})
    await world.slack.quiet()
    assert world.platform.health().code == "login-revoked"
    await world.press(admin, ref, "✅")  # pressed before, told after
    for _ in range(2):
        with pytest.raises(PlatformDown, match="login-revoked"):
            await world.platform.perform(Admit(who=who), "admit/1", world.now())
    assert await world.places(who) == 0
    assert codes(caplog) == ["app-uninstalled"]
    token.end = ""
    receipt = await world.platform.perform(Admit(who=who), "admit/1", world.now())
    assert receipt.changed
    assert await world.places(who) == 2


@pytest.mark.parametrize("why", ["token_expired", "token_revoked", "invalid_auth"])
async def test_a_token_rotated_away_under_us(world_http, caplog, why):
    """Every act waits for a new one; who presses or asks meanwhile is answered and nothing is
    lost."""
    world = world_http
    who = await world.person()
    world.slack.world.tokens[world.token.text].end = why
    with pytest.raises(PlatformDown, match=why):
        await world.platform.perform(Admit(who=who), "admit/1", world.now())
    with pytest.raises(PlatformDown, match=why):
        await world.platform.standing(who)
    ada = world.hands(who)
    assert (await ada.command("/gatekeeper", "apply")).status == 200
    assert [one.text for one in world.desk.of(told.Wrote, who)] == ["apply"]
    assert codes(caplog) == ["slack-screen-failed"]
    world.slack.world.tokens[world.token.text].end = ""
    assert (await world.platform.perform(Admit(who=who), "admit/1", world.now())).changed


async def test_forged_names_in_a_press_are_nobodys(world, caplog):
    """Ids that are none: answered, and neither an event nor a sign."""
    await world.admin()
    before = len(world.desk.events), len(world.desk.signs)
    where = {"channel_id": world.channel("desk").id, "message_ts": "1700000000.000100"}
    for user, team in (("", "T0A"), ("U1; DROP", "T0A"), ("USLACKBOT", ""), ("U" + "9" * 99, "")):
        body = {
            "type": "block_actions",
            "team": {"id": world.team.id},
            "user": {"id": user, "team_id": team or world.team.id},
            "container": where,
            "actions": [{"action_id": "choice:approve", "value": "✅"}],
        }
        assert (await world.slack.interact(body)).status == 200
    assert (len(world.desk.events), len(world.desk.signs)) == before
    assert codes(caplog) == ["slack-nobody"] * 4
