"""The stand-in for Slack itself: it has to refuse what Slack refuses."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.slack.delivery import Slack, signed
from tests.support.slack.methods import METHODS
from tests.support.slack.people import Person
from tests.support.slack.world import Plan, Team

SCOPES = [
    "channels:manage", "channels:read", "channels:history", "channels:join", "groups:read",
    "groups:write", "groups:history", "im:write", "im:read", "im:history", "chat:write",
    "reactions:read", "reactions:write", "users:read", "users:read.email", "team:read",
    "usergroups:read", "usergroups:write", "conversations.connect:write",
]  # fmt: skip
BUTTON = {
    "type": "actions",
    "block_id": "act",
    "elements": [
        {
            "type": "button",
            "action_id": "approve",
            "text": {"type": "plain_text", "text": "Approve"},
            "value": "1",
        }
    ],
}
MODAL = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "Join"},
    "blocks": [{"type": "section", "text": {"type": "plain_text", "text": "Hello"}}],
}


class Caller:
    """Calls the Web API with one token, as any client would."""

    def __init__(self, slack: Slack, token: str, session: aiohttp.ClientSession) -> None:
        self.slack, self.token, self.session = slack, token, session

    async def __call__(self, method: str, **args: Any) -> Any:
        told = {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in args.items()}
        headers = {"Authorization": f"Bearer {self.token}"}
        url = self.slack.api.url + method
        async with self.session.post(url, data=told, headers=headers) as sent:
            answer = await sent.json()
            if "Retry-After" in sent.headers:
                answer["retry_after"] = int(sent.headers["Retry-After"])
            return answer


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    async with Slack() as running:
        running.api.limited = False
        yield running


@pytest.fixture
def team(slack: Slack) -> Team:
    return slack.world.team()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def call(slack: Slack, team: Team, session: aiohttp.ClientSession) -> Caller:
    return Caller(slack, slack.world.install(team, SCOPES).text, session)


async def test_every_method_of_the_table_is_answered(slack):
    assert set(slack.api.handlers) == set(METHODS)


# ---- Who may call ------------------------------------------------------------------------------


@pytest.mark.parametrize(("token", "error"), [("", "not_authed"), ("xoxb-nobody", "invalid_auth")])
async def test_a_call_needs_a_token_that_lives(slack, team, session, token, error):
    assert await Caller(slack, token, session)("auth.test") == {"ok": False, "error": error}


async def test_a_scope_that_is_missing_is_named(slack, team, session):
    call = Caller(slack, slack.world.install(team, ["chat:write"]).text, session)
    answer = await call("users.info", user="USLACKBOT")
    assert (answer["error"], answer["needed"]) == ("missing_scope", "users:read")
    room = slack.world.channel(team, "secret", [team.bot_user], kind="group")
    call = Caller(slack, slack.world.install(team, ["channels:read"]).text, session)
    answer = await call("conversations.members", channel=room.id)
    assert (answer["error"], answer["needed"]) == ("missing_scope", "groups:read")


async def test_an_argument_that_is_missing_is_named(call):
    answer = await call("chat.postMessage", text="to nobody")
    assert answer["error"] == "invalid_arguments"
    assert "channel" in answer["response_metadata"]["messages"][0]


async def test_what_was_uninstalled_is_inactive(slack, call):
    app = slack.world.app
    gone = await call("apps.uninstall", client_id=app.client_id, client_secret=app.client_secret)
    assert gone == {"ok": True}
    assert (await call("auth.test"))["error"] == "account_inactive"


async def test_tokens_rotate_and_a_refresh_token_works_once(slack, team, session):
    slack.world.app.rotates, slack.world.app.scopes = True, frozenset(SCOPES)
    code = slack.world.code(team.id, "U1")
    app, call = slack.world.app, Caller(slack, "", session)
    ours = {"client_id": app.client_id, "client_secret": app.client_secret}
    first = await call("oauth.v2.access", code=code, **ours)
    assert first["access_token"].startswith("xoxe.xoxb-")
    assert first["expires_in"] == 43_200
    assert (await call("oauth.v2.access", code=code, **ours))["error"] == "invalid_code"
    sent = slack.world.code(team.id, "U1", "https://club.example/slack/oauth_redirect")
    assert (await call("oauth.v2.access", code=sent, **ours))["error"] == "bad_redirect_uri"
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], **ours}
    second = await call("oauth.v2.access", **refresh)
    assert second["access_token"] != first["access_token"]
    assert (await call("oauth.v2.access", **refresh))["error"] == "invalid_refresh_token"
    slack.world.grace = 60.0
    assert (await call("oauth.v2.access", **refresh))["access_token"] == second["access_token"]
    later = slack.world.now() + 50_000
    slack.world.now = lambda: later
    late = Caller(slack, second["access_token"], session)
    assert (await late("auth.test"))["error"] == "token_expired"


async def test_an_organisation_s_token_reaches_what_is_granted_and_is_told_where(slack, session):
    world = slack.world
    world.app.scopes = frozenset(SCOPES)
    here, there = world.team("Here"), world.team("There")
    org = world.organisation("Both", [here, there])
    ours = {"client_id": world.app.client_id, "client_secret": world.app.client_secret}
    code = world.code(org.id, "U1")
    told = await Caller(slack, "", session)("oauth.v2.access", code=code, **ours)
    assert (told["team"], told["enterprise"]["id"]) == (None, org.id)
    assert told["is_enterprise_install"]
    call = Caller(slack, told["access_token"], session)
    world.grant(org, here)
    assert (await call("users.conversations"))["error"] == "invalid_arguments"
    assert (await call("users.conversations", team_id=here.id))["ok"]
    refused = await call("users.conversations", team_id=there.id)
    assert refused["error"] == "team_access_not_granted"
    assert (await call("users.info", user=next(iter(here.users))))["ok"]


# ---- Rooms and people --------------------------------------------------------------------------


async def test_people_are_invited_and_put_out_as_slack_does_it(slack, team, call):
    world = slack.world
    room = world.channel(team, "club", [team.bot_user], kind="group")
    noa, guest = world.user(team, "noa"), world.user(team, "guest", is_ultra_restricted=True)
    invited = await call("conversations.invite", channel=room.id, users=f"{noa.id},{guest.id}")
    assert invited["error"] == "ura_max_channels"
    assert [one["user"] for one in invited["errors"]] == [guest.id]
    assert noa.id not in room.members, "one bad id fails the whole call"
    users = f"{noa.id},{guest.id}"
    assert (await call("conversations.invite", channel=room.id, users=users, force="true"))["ok"]
    assert noa.id in room.members
    again = await call("conversations.invite", channel=room.id, users=noa.id)
    assert again["error"] == "already_in_channel"
    assert (await call("conversations.kick", channel=room.id, user=noa.id))["ok"]
    assert (await call("conversations.kick", channel=room.id, user=noa.id))[
        "error"
    ] == "not_in_channel"
    public = world.channel(team, "hall", [team.bot_user, noa.id])
    kicked = await call("conversations.kick", channel=public.id, user=noa.id)
    assert kicked["error"] == "restricted_action", "by default only admins may"


async def test_a_private_channel_is_hidden_from_who_is_not_in_it(slack, team, call):
    room = slack.world.channel(team, "others", kind="group")
    assert (await call("conversations.info", channel=room.id))["error"] == "channel_not_found"
    listed = await call("conversations.list", types="private_channel")
    assert listed["channels"] == []


async def test_long_lists_come_in_pages(slack, team, call):
    room = slack.world.channel(team, "club", [team.bot_user], kind="group")
    room.members += [slack.world.user(team, f"u{n}").id for n in range(249)]
    found, cursor = [], ""
    for _ in range(3):
        page = await call("conversations.members", channel=room.id, limit="100", cursor=cursor)
        found += page["members"]
        cursor = page["response_metadata"]["next_cursor"]
    assert (found, cursor) == (room.members, "")
    answer = await call("conversations.members", channel=room.id, cursor="!")
    assert answer["error"] == "invalid_cursor"


async def test_the_free_plan_has_no_groups_and_no_connect(slack, team, call):
    room = slack.world.channel(team, "club", [team.bot_user], kind="group")
    assert (await call("usergroups.list"))["error"] == "plan_upgrade_required"
    shared = {"channel": room.id, "emails": "a@b.example"}
    assert (await call("conversations.inviteShared", **shared))["error"] == "not_paid"
    team.plan = Plan.PRO
    assert (await call("usergroups.list"))["ok"]
    assert (await call("conversations.inviteShared", **shared))["ok"]


# ---- Messages and views ------------------------------------------------------------------------


async def test_an_update_without_blocks_drops_them_and_has_a_limit(slack, team, call):
    room = slack.world.channel(team, "desk", [team.bot_user], kind="group")
    sent = await call("chat.postMessage", channel=room.id, text="A card", blocks=[BUTTON])
    assert room.messages[0].blocks == [BUTTON]
    where = {"channel": room.id, "ts": sent["ts"]}
    assert (await call("chat.update", **where, text="x" * 4001))["error"] == "msg_too_long"
    assert (await call("chat.update", **where, text="Done"))["ok"]
    assert (room.messages[0].text, room.messages[0].blocks) == ("Done", [])


@pytest.mark.parametrize(
    "blocks",
    [
        [BUTTON] * 51,
        [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}],
        [{"type": "header", "text": {"type": "plain_text", "text": ""}}],
        [{"type": "section"}],
        [{"type": "marquee"}],
        [BUTTON, BUTTON],
    ],
)
async def test_blocks_that_slack_refuses(slack, team, call, blocks):
    room = slack.world.channel(team, "desk", [team.bot_user], kind="group")
    answer = await call("chat.postMessage", channel=room.id, text="A card", blocks=blocks)
    assert answer["error"] == "invalid_blocks"
    assert room.messages == []


async def test_metadata_is_read_back_by_who_asks_for_it(slack, team, call):
    room = slack.world.channel(team, "desk", [team.bot_user], kind="group")
    about = {"event_type": "card", "event_payload": {"key": "application:3/card"}}
    await call("chat.postMessage", channel=room.id, text="A card", metadata=about)
    [plain] = (await call("conversations.history", channel=room.id))["messages"]
    asked = {"channel": room.id, "include_all_metadata": "true"}
    [whole] = (await call("conversations.history", **asked))["messages"]
    assert "metadata" not in plain
    assert whole["metadata"] == about


async def test_a_trigger_opens_one_view_within_three_seconds(slack, team, call):
    noa = slack.world.user(team, "noa")
    trigger = slack.world.trigger(team, noa.id)
    opened = await call("views.open", trigger_id=trigger, view=MODAL)
    assert opened["view"]["title"] == MODAL["title"]
    again = await call("views.open", trigger_id=trigger, view=MODAL)
    assert again["error"] == "exchanged_trigger_id"
    late = slack.world.trigger(team, noa.id)
    slack.world.triggers[late].until -= 3.1
    assert (await call("views.open", trigger_id=late, view=MODAL))["error"] == "expired_trigger_id"


async def test_a_view_that_is_too_long_is_refused(slack, team, call):
    noa = slack.world.user(team, "noa")
    wide = MODAL | {"title": {"type": "plain_text", "text": "x" * 25}}
    opened = await call("views.open", trigger_id=slack.world.trigger(team, noa.id), view=wide)
    assert opened["error"] == "invalid_arguments"


# ---- Limits and faults -------------------------------------------------------------------------


async def test_a_tier_holds_and_calls_before_its_end_are_counted(slack, team, call):
    slack.api.limited = True
    answers = [await call("users.list") for _ in range(21)]
    assert [one["ok"] for one in answers] == [True] * 20 + [False]
    assert answers[-1]["error"] == "ratelimited"
    assert 55 <= answers[-1]["retry_after"] <= 60
    assert slack.api.needless == []
    assert not (await call("users.list"))["ok"]
    assert slack.api.needless == ["users.list"]
    assert (await call("users.info", user="USLACKBOT"))["ok"], "each method by itself"


async def test_an_answer_can_be_lost_after_the_act(slack, team, call):
    room = slack.world.channel(team, "desk", [team.bot_user], kind="group")
    slack.api.fail("chat.postMessage", "lost")
    with pytest.raises(aiohttp.ClientError):
        await call("chat.postMessage", channel=room.id, text="A card")
    slack.api.fail("chat.postMessage", "reset")
    with pytest.raises(aiohttp.ClientError):
        await call("chat.postMessage", channel=room.id, text="Another")
    assert [one.text for one in room.messages] == ["A card"]


# ---- Being told --------------------------------------------------------------------------------


class Listener:
    """An app that is told by HTTP; `answers` are given in turn, then 200."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], str]] = []
        self.answers: list[web.Response] = []

    async def take(self, request: web.Request) -> web.Response:
        self.seen.append((dict(request.headers), await request.text()))
        return self.answers.pop(0) if self.answers else web.Response()


@pytest.fixture
async def app(slack: Slack) -> AsyncIterator[Listener]:
    listener = Listener()
    server = web.Application()
    server.router.add_post("/slack", listener.take)
    runner = web.AppRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    slack.app_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack"
    yield listener
    await runner.cleanup()


async def test_an_event_is_signed_and_comes_again_under_the_same_id(slack, team, call, app):
    slack.speed = 600.0
    app.answers = [web.Response(status=500), web.Response(status=404)]
    noa = Person(slack, team, slack.world.user(team, "noa"))
    room = slack.world.channel(team, "club", [team.bot_user, noa.id])
    noa.write(room, "Tom & <Jerry>")
    await slack.quiet()
    bodies = [json.loads(text) for _, text in app.seen]
    assert len(bodies) == 3
    assert len({body["event_id"] for body in bodies}) == 1
    assert bodies[0]["event"]["text"] == "Tom &amp; &lt;Jerry&gt;"
    numbers = [headers.get("X-Slack-Retry-Num") for headers, _ in app.seen]
    assert numbers == [None, "1", "2"]
    headers, text = app.seen[0]
    again = signed(slack.world.app, text, float(headers["X-Slack-Request-Timestamp"]))
    assert headers["X-Slack-Signature"] == again["X-Slack-Signature"]


async def test_what_happens_where_the_app_is_not_is_not_told(slack, team, call, app):
    noa = Person(slack, team, slack.world.user(team, "noa"))
    noa.write(slack.world.channel(team, "elsewhere", [noa.id]), "between us")
    await slack.quiet()
    assert app.seen == []


async def test_a_press_comes_as_a_form_and_is_not_repeated(slack, team, call, app):
    noa = Person(slack, team, slack.world.user(team, "noa"))
    room = slack.world.channel(team, "desk", [team.bot_user, noa.id], kind="group")
    sent = await call("chat.postMessage", channel=room.id, text="A card", blocks=[BUTTON])
    await slack.quiet()
    app.seen.clear()
    app.answers = [web.Response(status=500)]
    told = await noa.press(room, room.message(sent["ts"]), "approve")
    assert told.status == 500
    [(headers, text)] = app.seen
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert text.startswith("payload=")
    assert told.body["channel"]["name"] == "privategroup"


async def test_a_sent_modal_stays_open_with_errors_and_closes_without(slack, team, call, app):
    noa = Person(slack, team, slack.world.user(team, "noa"))
    await call("views.open", trigger_id=slack.world.trigger(team, noa.id), view=MODAL)
    view = noa.open_view()
    app.answers = [web.json_response({"response_action": "errors", "errors": {"why": "short"}})]
    await noa.send_view(view, {})
    assert noa.open_view() is view
    await noa.send_view(view, {})
    assert noa.open_view() is None


async def test_socket_mode_says_hello_and_asks_for_an_ack(session):
    async with Slack("socket", speed=600.0) as slack:
        slack.api.limited = False
        team = slack.world.team()
        slack.world.install(team, SCOPES)
        opened = await Caller(slack, slack.world.app.token, session)("apps.connections.open")
        async with session.ws_connect(opened["url"]) as line:
            assert (await line.receive_json())["type"] == "hello"
            noa = Person(slack, team, slack.world.user(team, "noa"))
            noa.write(slack.world.channel(team, "club", [team.bot_user, noa.id]), "hello")
            first = await line.receive_json()
            assert (first["type"], first["retry_attempt"]) == ("events_api", 0)
            await line.send_json({"envelope_id": first["envelope_id"]})
            await slack.quiet()
            assert slack.told[-1].tries == [200]
            pressed = asyncio.create_task(noa.command("/join"))
            asked = await line.receive_json()
            answer = {"envelope_id": asked["envelope_id"], "payload": {"text": "Hi"}}
            await line.send_json(answer)
            assert (await pressed).answer == {"text": "Hi"}
