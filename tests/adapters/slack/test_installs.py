"""Installing the app: the browser's way, whose installation counts, and what ends one."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from slack_sdk.oauth.installation_store.models.installation import Installation

import gatekeeper_slack as adapter
from gatekeeper.domain.decisions import Card, Choice, Post, ShowCard
from gatekeeper.domain.errors import PlatformDown
from gatekeeper.testing.fakes import ManualClock
from gatekeeper.testing.platform_world import RecordingDesk
from gatekeeper_slack import SlackPlatform
from gatekeeper_slack.cards import symbol_of
from gatekeeper_slack.installs import STATE, VaultInstallations, VaultStates
from gatekeeper_slack.oauth import SCOPES
from tests.adapters.matrix.world import DictVault
from tests.adapters.slack.ears import until
from tests.adapters.slack.installed import Installing, installing
from tests.support.slack.methods import METHODS
from tests.support.slack.people import Person

POST = Post(text="Hello.", place="admins")
CHOICE = Choice("approve", "✅", "Approve")
CARD = ShowCard(place="admins", card=Card(title="Zoe", status="New", choices=(CHOICE,)))


@pytest.fixture
async def way() -> AsyncIterator[Installing]:
    async with installing() as made:
        yield made


def listens(way: Installing) -> bool:
    return way.platform.health().ok


# ---- The way in --------------------------------------------------------------------------------


async def test_what_is_installed_is_used_at_once(way):
    await way.begin()
    assert way.platform.health().code == "slack-not-installed"
    assert [check.code for check in await way.make().examine()] == ["slack-not-installed"]
    with pytest.raises(PlatformDown):
        await way.platform.perform(POST, "k", way.clock.now())
    status, page = await way.install()
    assert status == 200
    assert "slack-installed</code>" in page
    assert "Gate Club" in page
    await until(lambda: listens(way))
    receipt = await way.platform.perform(POST, "k", way.clock.now())
    assert receipt.ref
    (asked,) = way.slack.consent.asked
    assert asked["redirect_uri"] == f"{way.base_url}/slack/oauth_redirect"
    assert "groups:write" in asked["scope"].split(",")
    assert not asked["user_scope"]


async def test_nothing_of_it_is_readable_and_nothing_is_printed(way, caplog):
    await way.begin()
    address = await way.consent()
    _, page, _ = await way.get(address)
    (token,) = way.slack.world.tokens
    assert token not in page
    assert token not in caplog.text
    assert address.partition("code=")[2].partition("&")[0] not in caplog.text


async def test_a_state_is_for_one_browser_and_one_use(way):
    await way.begin()
    address = await way.consent()
    mine = way.cookie
    assert (await way.get(address, cookie=""))[0] == 400
    assert (await way.get(address, cookie="slack-app-oauth-state=x"))[0] == 400
    assert (await way.get(address, cookie=mine))[0] == 200
    way.slack.world.codes["again"] = (way.team.id, "U1")
    status, page, _ = await way.get(address, cookie=mine)
    assert (status, "slack-install-again</code>" in page) == (400, True)
    assert (await way.get("/slack/oauth_redirect"))[0] == 400
    assert len(way.slack.api.of("oauth.v2.access")) == 1


async def test_who_says_no_is_told_what_to_do(way):
    await way.begin()
    status, page = await way.install(by="")
    assert (status, "slack-install-denied</code>" in page) == (200, True)
    assert "/slack/install" in page
    status, page, _ = await way.get("/slack/oauth_redirect", error="<script>alert(1)</script>")
    assert "<script>" not in page


FAULTS = [
    ("500", 503, "slack-install-no-answer"),
    ("reset", 503, "slack-install-no-answer"),
    ("bad_client_secret", 400, "slack-install-refused"),
    ("invalid_code", 400, "slack-install-again"),
]


@pytest.mark.parametrize(("fault", "status", "code"), FAULTS)
async def test_slack_gives_no_token(way, fault, status, code):
    await way.begin()
    way.slack.api.fail("oauth.v2.access", fault)
    told, page = await way.install()
    assert (told, f"{code}</code>" in page) == (status, True)
    assert way.platform.health().code == "slack-not-installed"
    assert (await way.install())[0] == 200


async def test_made_up_codes_do_not_use_up_what_renewals_need(way):
    await way.begin()
    for _ in range(25):
        _, _, to_slack = await way.get("/slack/install")
        state = to_slack.partition("state=")[2].partition("&")[0]
        last = await way.get("/slack/oauth_redirect", code="made-up", state=state)
    assert (last[0], "slack-install-no-answer</code>" in last[1]) == (503, True)
    assert len(way.slack.api.of("oauth.v2.access")) == 20
    way.clock.advance(seconds=61)
    assert (await way.install())[0] == 200


def test_the_scopes_that_are_asked_for_are_those_of_the_methods_called():
    source = "".join(file.read_text("utf-8") for file in Path(adapter.__path__[0]).glob("*.py"))
    called = set(re.findall(r'(?:call|pages)\(\s*"([a-z]+\.[A-Za-z.0-9]+)"', source))
    assert "conversations.kick" in called
    needed = [METHODS[name].bot for name in called if METHODS[name].bot]
    assert [scopes for scopes in needed if not scopes & set(SCOPES)] == []
    histories = {"channels:history", "groups:history", "im:history"}
    told = {"app_mentions:read", "commands", "reactions:read", *histories}
    of_events = {*told, "users:read.email"}  # what we are told, and an address beside a name
    assert set(SCOPES) - of_events <= set().union(*needed)


ODD = [
    "",
    "code=&state=",
    "state=%00&code=%ff",
    "state=a&state=b&code=c",
    "error=&code=x",
    "%",
    "code=" + 3_000 * "x",
]


@pytest.mark.parametrize("query", ODD)
async def test_odd_addresses_are_refused_without_a_call(way, query, caplog):
    await way.begin()
    cookies = [
        "",
        "slack-app-oauth-state",
        "slack-app-oauth-state=a",
        ";;=",
        "slack-app-oauth-state=",
    ]
    for cookie in cookies:
        status, page, _ = await way.get(f"/slack/oauth_redirect?{query}", cookie=cookie)
        assert status in (200, 400)
        assert "</code>" in page
    assert way.slack.api.of("oauth.v2.access") == []
    assert "Traceback" not in caplog.text


async def test_only_these_pages_are_there(way):
    await way.begin()
    assert (await way.get("/slack/elsewhere"))[0] == 404
    assert (await way.get("/matrix/install"))[0] == 404
    assert (await way.get("/slack/events"))[0] == 405
    async with way.session.post(f"{way.base_url}/slack/install") as answer:
        assert answer.status == 405


# ---- Whose installation counts -----------------------------------------------------------------


async def test_another_workspace_is_kept_apart(way):
    other = way.slack.world.team("Elsewhere")
    await way.begin(workspace=way.team.id)
    _, page = await way.install(other.id)
    assert "slack-installed-elsewhere</code>" in page
    assert way.slack.consent.asked[0]["team"] == way.team.id
    assert way.platform.health().code == "slack-not-installed"
    await way.install()
    await until(lambda: listens(way))
    assert way.platform.bot.account == f"{way.team.id}:{way.team.bot_user}"
    stranger = way.slack.world.user(other, "mallory")
    way.slack.world.join(other, next(iter(other.channels.values())), stranger.id)
    way.slack.world.uninstall(other)
    await way.slack.quiet()
    assert way.desk.events == []
    assert listens(way)


async def test_where_none_is_named_it_is_that_of_the_admins(way):
    """Else anybody who finds the page could be first, and have the club in their workspace."""
    other = way.slack.world.team("Elsewhere")
    await way.begin(admins=[f"{way.team.id}:U0FAY", f"{way.team.id}:U0GIL"])
    _, page = await way.install(other.id)
    assert "slack-installed-elsewhere</code>" in page
    assert not listens(way)
    await way.install()
    await until(lambda: listens(way))
    assert way.platform.bot.account.startswith(way.team.id)


async def test_where_nothing_names_one_the_first_one_counts(way):
    other = way.slack.world.team("Elsewhere")
    await way.begin()
    await way.install()
    _, page = await way.install(other.id)
    assert "slack-installed-elsewhere</code>" in page
    await until(lambda: listens(way))
    assert way.platform.bot.account.startswith(way.team.id)


async def test_a_token_of_another_workspace_is_refused():
    from tests.adapters.slack.world import PLACES, SlackWorld

    world = SlackWorld("http")
    async with world.slack:
        platform = world.make()
        platform._workspace = "T0OTHER"
        await platform.start(world.desk)
        assert not platform.health().ok
        assert "T0OTHER" in platform.health().detail
        await platform.stop()
    assert "workspace" not in PLACES


# ---- A whole organisation ----------------------------------------------------------------------


async def test_an_organisation_s_installation_reaches_the_club(way):
    world = way.slack.world
    org = world.organisation("All", [way.team, world.team("Elsewhere")])
    await way.begin(workspace=way.team.id)
    _, page = await way.install(org.id)
    assert "slack-installed-elsewhere</code>" in page  # not yet added to any workspace
    world.grant(org, way.team)
    await until(lambda: listens(way))
    assert way.platform.bot.account == f"{way.team.id}:{way.team.bot_user}"
    assert all(args["team_id"] == way.team.id for args in way.slack.api.of("conversations.create"))
    receipt = await way.platform.perform(CARD, "k", way.clock.now())
    channel, _, ts = receipt.ref.partition(":")
    desk = way.team.channels[channel]
    fay, (card,) = way.person("fay"), [one for one in desk.messages if one.ts == ts]
    desk.members.append(fay.id)
    (action,) = [
        one["action_id"]
        for block in card.blocks
        for one in block.get("elements", ())
        if symbol_of(one) == "✅"
    ]
    await fay.press(desk, card, action)
    assert [event.who.account for event in way.desk.events] == [f"{way.team.id}:{fay.id}"]
    world.grant(org, way.team, granted=False)
    await way.slack.quiet()
    assert way.platform.health().code == "login-revoked"
    with pytest.raises(PlatformDown):
        await way.platform.perform(POST, "l", way.clock.now())
    world.grant(org, way.team)
    await until(lambda: listens(way))
    await way.platform.perform(POST, "l", way.clock.now())


async def test_an_organisation_that_does_not_reach_the_club_changes_nothing(way):
    world = way.slack.world
    other = world.team("Elsewhere")
    org = world.organisation("Others", [other])
    await way.begin(workspace=way.team.id)
    await way.install()
    await until(lambda: listens(way))
    await way.install(org.id)
    world.grant(org, other)
    await way.slack.quiet()
    assert listens(way)
    assert way.platform.bot.account.startswith(way.team.id)


# ---- The end of one ----------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["uninstalled first", "revoked first"])
async def test_after_an_uninstall_all_waits_for_the_next_install(way, order):
    await way.begin()
    await way.install()
    await until(lambda: listens(way))
    gaps, channels = way.desk.gaps, set(way.team.channels)
    way.clock.advance(hours=1)
    way.slack.world.uninstall(way.team, order)
    await way.slack.quiet()
    assert way.platform.health().code == "login-revoked"
    calls = len(way.slack.api.calls)
    for _ in range(3):
        with pytest.raises(PlatformDown, match="login-revoked"):
            await way.platform.perform(POST, "k", way.clock.now())
    assert len(way.slack.api.calls) == calls
    assert not any(b"xoxb" in secret for secret in way.vault.kept.values())
    way.clock.advance(hours=1)
    assert (await way.install())[0] == 200
    await until(lambda: listens(way))
    assert way.desk.gaps == gaps + 1  # what nobody told us meanwhile
    assert set(way.team.channels) == channels
    assert (await way.platform.perform(POST, "k", way.clock.now())).ref


async def test_word_of_an_uninstall_that_comes_after_the_next_install_ends_nothing(way):
    await way.begin()
    await way.install()
    await until(lambda: listens(way))
    way.clock.advance(hours=1)
    event = {"type": "app_uninstalled", "event_ts": way.slack.world.ts()}
    late = way.slack.event(way.team.id, event)
    way.slack.world.end_tokens(way.team, "account_inactive")
    way.clock.advance(minutes=1)
    await way.install()
    way.slack.tell(late)
    await way.slack.quiet()
    assert listens(way)
    assert (await way.platform.perform(POST, "k", way.clock.now())).ref


async def test_a_token_that_slack_refuses_has_ended_although_nobody_told(way):
    await way.begin()
    await way.install()
    await until(lambda: listens(way))
    way.slack.world.end_tokens(way.team)
    with pytest.raises(PlatformDown):
        await way.platform.perform(POST, "k", way.clock.now())
    assert way.platform.health().code == "login-revoked"
    await way.install()
    await until(lambda: listens(way))
    assert (await way.platform.perform(POST, "k", way.clock.now())).ref


async def test_an_order_that_waits_for_a_token_brings_it(way):
    way.slack.world.app.rotates = True
    await way.begin()
    await way.install()
    await until(lambda: listens(way))
    way.slack.api.fail("oauth.v2.access", "bad_client_secret")
    way.clock.advance(hours=13)
    with pytest.raises(PlatformDown, match="not-renewed"):
        await way.platform.perform(POST, "k", way.clock.now())
    assert way.platform.health().code == "slack-token-not-renewed"
    gaps = way.desk.gaps
    way.clock.advance(minutes=2)
    assert (await way.platform.perform(POST, "k", way.clock.now())).ref
    assert listens(way)
    assert way.desk.gaps == gaps  # Slack told us everything meanwhile


async def test_over_socket_mode_the_lines_are_opened_anew():
    async with installing("socket") as way:
        await way.begin()
        assert way.platform.health().code == "slack-not-installed"
        for _ in range(2):
            await way.install()
            await until(lambda: listens(way))
            way.person("ada").tell_app("hello")
            await way.slack.quiet()
            way.clock.advance(hours=1)
            way.slack.world.uninstall(way.team)
            await way.slack.quiet()
            assert way.platform.health().code == "login-revoked"
        assert len(way.desk.events) == 2


async def test_what_is_stored_serves_after_a_restart(way):
    await way.begin()
    await way.install()
    await until(lambda: listens(way))
    await way.platform.stop()
    await way.begin()
    assert listens(way)
    other = way.make()  # of a command, or of another process
    await other.connect()
    assert other.bot == way.platform.bot
    await other.stop()


# ---- The stores by themselves ------------------------------------------------------------------


def installation(team: str | None = "T0A", org: str | None = None, **more: str) -> Installation:
    return Installation(
        team_id=team,
        enterprise_id=org,
        is_enterprise_install=team is None,
        user_id=more.get("user", "U1"),
        bot_token=more.get("token", "xoxb-1"),
        bot_refresh_token="xoxe-1",
        bot_token_expires_at=1_767_225_600,
        bot_scopes=["chat:write"],
        installed_at=1_767_220_000.5,
    )


async def test_installations_are_kept_by_workspace_and_organisation():
    store = VaultInstallations(DictVault())
    here, whole = installation(org="E0A"), installation(None, "E0A", token="xoxb-2")
    await store.async_save(here)
    await store.async_save(whole)
    found = await store.async_find_installation(enterprise_id="E0A", team_id="T0A")
    assert found is not None
    assert found.to_dict() == here.to_dict()
    of_all = await store.async_find_bot(
        enterprise_id="E0A", team_id="T0A", is_enterprise_install=True
    )
    assert of_all is not None
    assert of_all.bot_token == "xoxb-2"
    theirs = {"enterprise_id": "E0A", "team_id": "T0A"}
    assert await store.async_find_installation(**theirs, user_id="U1") is not None
    assert await store.async_find_installation(**theirs, user_id="U2") is None
    assert await store.async_find_bot(enterprise_id=None, team_id="T0B") is None
    assert await store.async_find_bot(enterprise_id=None, team_id=None) is None
    await store.async_delete_installation(**theirs, user_id="U2")
    assert await store.async_find_bot(**theirs) is not None
    await store.async_delete_all(**theirs)
    assert await store.async_find_bot(**theirs) is None
    await store.async_delete_all(enterprise_id="E0A", team_id=None)
    assert await store.read("E0A") is not None  # that it ended, without a token
    assert not any(b"xox" in secret for secret in store._vault.kept.values())  # type: ignore[attr-defined]


async def test_a_newer_bot_takes_the_place_of_the_older():
    store = VaultInstallations(DictVault())
    await store.async_save(installation())
    bot = installation(token="xoxb-3").to_bot()
    await store.async_save_bot(bot)
    found = await store.async_find_bot(enterprise_id=None, team_id="T0A")
    assert found is not None
    assert found.bot_token == "xoxb-3"
    await store.async_save_bot(installation("T0B").to_bot())
    assert await store.async_find_bot(enterprise_id=None, team_id="T0B") is None


async def test_a_state_ends():
    clock, vault = ManualClock(), DictVault()
    states = VaultStates(vault, clock, "secret")
    early, late = await states.async_issue(), await states.async_issue()
    assert vault.kept == {}
    assert not await VaultStates(vault, clock, "another").async_consume(early)
    assert await states.async_consume(early)
    assert not await states.async_consume(early)
    clock.advance(seconds=STATE.total_seconds())
    assert not await states.async_consume(late)
    assert not await states.async_consume(early)
    for odd in ("", ".", "..", "a.b.c", "a.9999999999.ü", early.replace(".", "")):
        assert not await states.async_consume(odd)


# ---- One app in several workspaces --------------------------------------------------------------


async def test_clubs_that_share_an_app_are_installed_at_any_of_their_pages():
    """And each by its own workspace; what ends one installation leaves the other."""
    async with installing() as way:
        commons, other = DictVault(), way.slack.world.team()
        desks = [RecordingDesk(), RecordingDesk()]
        clubs = []
        for team, desk in zip((way.team, other), desks, strict=True):
            platform = way.make(workspace=team.id)
            clubs.append(
                SlackPlatform(
                    club=team.id.lower(),
                    settings=platform._settings,
                    places=platform._given,
                    vault=DictVault(),
                    clock=way.clock,
                    commons=commons,
                )
            )
            way.platforms["slack"] = clubs[0]
            await clubs[-1].start(desk)
        first, second = clubs
        try:
            assert (await way.install(way.team.id))[0] == 200
            await until(lambda: first.health().ok)
            assert second.health().code == "slack-not-installed"
            assert (await way.install(other.id))[0] == 200
            way.clock.advance(seconds=31)  # by then a look of another process is old
            await until(lambda: second.health().ok)
            for team, desk in zip((way.team, other), desks, strict=True):
                person = Person(way.slack, team, way.slack.world.user(team, "ada"))
                person.tell_app("hello")
                await way.slack.quiet()
                await until(lambda d=desk: d.events)
                assert {one.who.account for one in desk.events} == {f"{team.id}:{person.id}"}
            way.slack.world.uninstall(other)
            await way.slack.quiet()
            await until(lambda: not second.health().ok)
            assert first.health().ok
        finally:
            await second.stop()


async def test_an_organisation_s_installation_serves_all_clubs_that_it_reaches():
    async with installing() as way:
        world, commons = way.slack.world, DictVault()
        other, beyond = world.team(), world.team()
        org = world.organisation("All", [way.team, other, beyond])
        org.granted |= {way.team.id, other.id}
        clubs = []
        for team in (way.team, other, beyond):
            made = way.make(workspace=team.id)
            clubs.append(
                SlackPlatform(
                    club=team.id.lower(),
                    settings=made._settings,
                    places=made._given,
                    vault=DictVault(),
                    clock=way.clock,
                    commons=commons,
                )
            )
            way.platforms["slack"] = clubs[0]
            await clubs[-1].start(RecordingDesk())
        try:
            assert (await way.install(org.id))[0] == 200
            way.clock.advance(seconds=31)
            await until(lambda: clubs[0].health().ok and clubs[1].health().ok)
            assert clubs[2].health().code == "slack-not-installed"
        finally:
            for one in clubs[1:]:
                await one.stop()
