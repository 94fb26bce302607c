"""What Slack tells, as events, signs and changes; each case is one inner event."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gatekeeper.domain import events as told
from gatekeeper.domain.activity import Kind, Relation
from gatekeeper.domain.identity import Identity
from gatekeeper_slack import events
from gatekeeper_slack.events import acted, commanded, heard, of_team, pressed
from gatekeeper_slack.heard import NOTHING, Access, Back, Changed, Heard, Lost, Out, Revoked
from gatekeeper_slack.said import TEXT, addressed, plain
from gatekeeper_slack.scene import Scene

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEAM, BOT, ADA, BOB = "T0CLUB", "U0BOT", "U0ADA", "U0BOB"
CLUB, ROOM, DESK = "C0CLUB", "C0ROOM", "C0DESK"
STAMP = f"{int(NOW.timestamp()) - 10}.000100"
AT = NOW - timedelta(seconds=10) + timedelta(microseconds=100)


@pytest.fixture
def scene() -> Scene:
    return Scene(team=TEAM, bot=BOT, club=CLUB, admins=DESK, rooms={"club": CLUB, "room": ROOM})


def who(user: str, team: str = TEAM) -> Identity:
    return Identity("slack", f"{team}:{user}")


def outer(inner: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "event_callback", "team_id": TEAM, "event_id": "Ev1", "event": inner, **more}


def message(channel: str = CLUB, user: str = ADA, **more: Any) -> dict[str, Any]:
    base = {"type": "message", "user": user, "channel": channel, "ts": STAMP, "event_ts": STAMP}
    return outer({**base, "text": "hello", "team": TEAM, **more})


def by_hand(kind: str, user: str = ADA, channel: str = CLUB, **more: Any) -> dict[str, Any]:
    return outer(
        {"type": kind, "user": user, "channel": channel, "team": TEAM, "event_ts": STAMP, **more}
    )


# ---- Activity ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, Kind.MESSAGE),
        ({"subtype": "me_message"}, Kind.MESSAGE),
        ({"subtype": "file_share", "files": [{"id": "F1"}]}, Kind.FILE),
        ({"thread_ts": "1767225602.000102"}, Kind.THREAD),
        ({"thread_ts": STAMP}, Kind.MESSAGE),
        ({"subtype": "thread_broadcast", "thread_ts": "1767225602.000102"}, Kind.THREAD),
        ({"channel": "D0ADA", "channel_type": "im"}, Kind.COMMAND),
    ],
)
def test_a_person_who_speaks_is_alive(scene, more, kind):
    sign = heard(scene, message(**more), NOW).sign
    assert sign is not None
    assert (sign.who, sign.kind, sign.at) == (who(ADA), kind, AT)


@pytest.mark.parametrize(
    "subtype",
    [
        "bot_message",
        "channel_join",
        "channel_leave",
        "channel_topic",
        "group_join",
        "message_changed",
        "message_deleted",
        "message_replied",
        "tombstone",
        "something_new",
    ],
)
def test_what_slack_says_itself_is_no_activity(scene, subtype):
    assert heard(scene, message(subtype=subtype), NOW) == NOTHING
    direct = message("D0ADA", channel_type="im", subtype=subtype)
    assert heard(scene, direct, NOW) == NOTHING


@pytest.mark.parametrize(
    "more",
    [
        {"user": BOT},
        {"user": "USLACKBOT"},
        {"bot_id": "B1"},
        {"user": None},
        {"user": "not an id"},
        {"user": "W"},
        {"channel": "C0ELSE"},
        {"channel": "G0PARTY", "channel_type": "mpim"},
        {"ts": "soon"},
        {"ts": ""},
        {"hidden": True},
        {"channel": {"id": CLUB}},
    ],
)
def test_who_is_no_person_or_not_with_us_says_nothing(scene, more):
    assert heard(scene, message(**more), NOW) == NOTHING


def test_the_same_message_has_one_name_however_it_comes(scene):
    plain_one = heard(scene, message(DESK, text=f"<@{BOT}> pause"), NOW)
    twin = heard(scene, message(DESK, type="app_mention", text=f"<@{BOT}> pause"), NOW)
    assert plain_one == twin
    assert plain_one.event is not None
    assert plain_one.event.event_id == f"{DESK}:{STAMP}"


def test_whom_a_message_turns_to(scene):
    text = f"<@{BOB}> <@{BOB}|bob> <@{BOT}> <@{ADA}> <@USLACKBOT> &lt;@U0NOT&gt;"
    named = heard(scene, message(text=text), NOW).sign
    assert named is not None
    assert named.towards == ((Relation.MENTIONED, who(BOB)),)
    answer = heard(scene, message(thread_ts="1.1", parent_user_id=BOB, text=f"<@{BOB}>"), NOW).sign
    assert answer is not None
    assert answer.towards == ((Relation.ANSWERED, who(BOB)),)


def test_a_reaction_is_a_sign_and_never_a_press(scene):
    inner = {
        "type": "reaction_added",
        "user": ADA,
        "reaction": "white_check_mark",
        "item": {"type": "message", "channel": DESK, "ts": STAMP},
        "item_user": BOT,
        "event_ts": STAMP,
    }
    told_now = heard(scene, outer(inner), NOW)
    assert told_now.event is None
    assert told_now.sign is not None
    assert (told_now.sign.kind, told_now.sign.towards) == (Kind.REACTION, ())
    to_bob = heard(scene, outer({**inner, "item_user": BOB}), NOW).sign
    assert to_bob is not None
    assert to_bob.towards == ((Relation.REACTED, who(BOB)),)
    assert heard(scene, outer({**inner, "item": {"type": "file"}}), NOW) == NOTHING
    assert heard(scene, outer({**inner, "type": "reaction_removed"}), NOW) == NOTHING


def test_a_stranger_keeps_the_name_of_their_own_workspace(scene):
    body = message(user_team="T0ELSE", team="T0ELSE")
    sign = heard(scene, {**body, "is_ext_shared_channel": True}, NOW).sign
    assert sign is not None
    assert sign.who == who(ADA, "T0ELSE")
    assert events.is_foreign(scene, sign.who)


@pytest.mark.parametrize("ts", ["99999999999.0", "-5.1", "nan", "1e400", "²²²²²²²²²².1", "9" * 400])
def test_no_time_is_absurd(scene, ts):
    body = by_hand("member_joined_channel", event_ts=ts)
    sign = heard(scene, body, NOW).sign
    assert sign is not None
    assert sign.at == NOW


# ---- Coming and going --------------------------------------------------------------------------


def test_who_comes_by_themselves_is_alive_and_who_is_brought_is_not(scene):
    own = heard(scene, by_hand("member_joined_channel"), NOW)
    assert own.sign is not None
    assert own.sign.kind is Kind.JOIN
    assert isinstance(own.event, told.Joined)
    assert (own.event.who, own.event.by) == (who(ADA), None)
    brought = heard(scene, by_hand("member_joined_channel", inviter=BOB), NOW)
    assert brought.sign is None
    assert isinstance(brought.event, told.Joined)
    assert brought.event.by == who(BOB)


def test_only_the_outermost_place_decides(scene):
    assert heard(scene, by_hand("member_joined_channel", channel=ROOM), NOW).event is None
    assert heard(scene, by_hand("member_left_channel", channel=ROOM), NOW) == NOTHING
    assert heard(scene, by_hand("member_left_channel", channel="C0ELSE"), NOW) == NOTHING


def test_who_goes_departs_unless_it_was_our_doing(scene):
    gone = heard(scene, by_hand("member_left_channel"), NOW).event
    assert isinstance(gone, told.Departed)
    ours = events.by_us(scene, gone)
    assert (ours.by, ours.inside, ours.event_id) == (who(BOT), True, gone.event_id)


@pytest.mark.parametrize(
    ("body", "change"),
    [
        (by_hand("member_left_channel", BOT), Out(CLUB, AT, "put-out")),
        (by_hand("group_left", BOT), Out(CLUB, AT, "put-out")),
        (by_hand("channel_left", BOT, ROOM), Out(ROOM, AT, "put-out")),
        (by_hand("channel_deleted", channel=ROOM), Out(ROOM, AT, "gone")),
        (by_hand("group_archive", channel=DESK), Out(DESK, AT, "gone")),
        (by_hand("group_unarchive", channel=DESK), Back(DESK, AT)),
        (by_hand("member_joined_channel", BOT), Back(CLUB, AT)),
        (by_hand("member_left_channel", BOT, "C0ELSE"), None),
        (by_hand("channel_deleted", channel="C0ELSE"), None),
        (outer({"type": "app_uninstalled"}), Revoked("app-uninstalled")),
        (outer({"type": "tokens_revoked", "tokens": {"bot": [BOT]}}),
         Revoked("login-revoked")),
        (outer({"type": "tokens_revoked", "tokens": {"oauth": [BOB]}}), None),
        (outer({"type": "tokens_revoked", "tokens": []}), None),
    ],
)  # fmt: skip
def test_what_becomes_of_our_sight(scene, body, change):
    assert heard(scene, body, NOW) == Heard(change=change)


def test_what_slack_kept_back_is_a_minute_lost(scene):
    start = NOW - timedelta(minutes=2)
    body = {"type": "app_rate_limited", "minute_rate_limited": int(start.timestamp())}
    assert heard(scene, body, NOW).change == Lost(start, start + timedelta(minutes=1))
    odd = heard(scene, {"type": "app_rate_limited", "minute_rate_limited": None}, NOW).change
    assert odd == Lost(NOW, NOW)


def test_an_account_that_is_switched_off(scene):
    user = {"id": ADA, "team_id": TEAM, "deleted": True}
    off = heard(scene, outer({"type": "user_change", "user": user}), NOW)
    assert off == Heard(change=Changed(who(ADA), deactivated=True))
    assert heard(scene, outer({"type": "user_change", "user": "U1"}), NOW) == NOTHING


# ---- Words -------------------------------------------------------------------------------------


def test_words_to_us_come_as_typed(scene):
    body = message("D0ADA", channel_type="im", text="Fish &amp; &lt;b&gt; <https://a.example|menu>")
    said = heard(scene, body, NOW).event
    assert isinstance(said, told.Wrote)
    assert (said.place, said.text) == ("direct", "Fish & <b> menu (https://a.example)")
    assert heard(scene, message("D0ADA", channel_type="im", text=""), NOW).event is None


def test_an_answer_in_the_admins_channel_names_the_message(scene):
    said = heard(scene, message(DESK, thread_ts="1767225602.000102"), NOW).event
    assert isinstance(said, told.Wrote)
    assert (said.place, said.thread) == ("admins", f"{DESK}:1767225602.000102")
    assert heard(scene, message(ROOM), NOW).event is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<@U0BOT> pause", "!gatekeeper pause"),
        ("  <@U0BOT|gatekeeper>: pause", "!gatekeeper pause"),
        ("<@U0BOT>", "!gatekeeper"),
        ("ask <@U0BOT>", "ask <@U0BOT>"),
        ("<@U0BOB> pause", "<@U0BOB> pause"),
    ],
)
def test_a_word_to_our_name_is_a_word_to_us(text, said):
    assert addressed(text, BOT) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("<http://b.example|b.example>", "http://b.example"),
        ("<#C1|lobby> <#C2>", "#lobby #C2"),
        ("<!channel> <!subteam^S1|@crew> <!subteam^S1>", "@channel @crew @subteam"),
        ("&amp;lt;", "&lt;"),
        ("<<<>>", "<<>"),
        ("a\0b\ud800c", "ab?c"),
        ("x" * 20_000, "x" * TEXT),
    ],
)
def test_marks_become_words(text, said):
    assert plain(text) == said


# ---- Presses -----------------------------------------------------------------------------------


def press(channel: str = DESK, team: str = TEAM, user: Any = ADA, **more: Any) -> dict[str, Any]:
    return {
        "type": "block_actions",
        "user": {"id": user, "team_id": team},
        "team": {"id": TEAM},
        "container": {"type": "message", "message_ts": STAMP, "channel_id": channel},
        "actions": [{"action_id": "a", "action_ts": STAMP}],
        **more,
    }


def test_a_press_names_its_message(scene):
    found = pressed(scene, press(), "✅", NOW)
    assert isinstance(found.event, told.Pressed)
    assert found.event.ref == f"{DESK}:{STAMP}"
    assert (found.event.symbol, found.event.place) == ("✅", "admins")
    assert found.sign is not None
    assert found.sign.kind is Kind.PRESS


@pytest.mark.parametrize(
    "body",
    [
        press(team="T0ELSE"),
        press(user="USLACKBOT"),
        press(user=None),
        press(channel="C0ELSE"),
        press(actions=[]),
        press(actions=None),
        press(actions=["x"], container={}),
        press(container={"type": "message", "channel_id": DESK, "message_ts": "x"}),
        press(user={"id": 1}),
    ],
)
def test_a_press_that_is_nobodys(scene, body):
    assert pressed(scene, body, "✅", NOW) == NOTHING


def test_a_stranger_may_press_in_their_own_chat(scene):
    found = pressed(scene, press("D0ADA", "T0ELSE"), "👋", NOW)
    assert isinstance(found.event, told.Pressed)
    assert (found.event.place, found.event.who) == ("direct", who(ADA, "T0ELSE"))


def test_a_command_is_said_as_if_in_the_chat(scene):
    fields = {"command": "/club", "user_id": ADA, "team_id": TEAM, "trigger_id": "1.2", "text": ""}
    found = commanded(scene, fields, NOW)
    assert isinstance(found.event, told.Wrote)
    assert (found.event.place, found.event.text) == ("direct", "help")
    assert found.event.event_id != commanded(scene, fields | {"trigger_id": "2"}, NOW).event
    assert commanded(scene, fields | {"user_id": ""}, NOW) == NOTHING


def test_a_view_sent_is_a_sign_with_a_name_of_its_own(scene):
    body = {"type": "view_submission", "user": {"id": ADA, "team_id": TEAM}, "view": {"id": "V1"}}
    first, second = (acted(scene, body | {"trigger_id": trigger}, NOW).sign for trigger in "12")
    assert first is not None
    assert second is not None
    assert first.event_id != second.event_id


@pytest.mark.parametrize(
    ("payload", "ours"),
    [
        ({"team_id": TEAM}, True),
        ({"team": {"id": TEAM}}, True),
        ({"team_id": "T0ELSE", "authorizations": [{"team_id": TEAM}]}, True),
        ({"team_id": "T0ELSE"}, False),
        ({"team": None, "authorizations": ["x", None]}, False),
        ({}, False),
        ({"team": None, "is_enterprise_install": True, "user": {"team_id": TEAM}}, True),
        ({"team": None, "is_enterprise_install": True, "user": {"team_id": "T0ELSE"}}, False),
        ({"team": None, "is_enterprise_install": False, "user": {"team_id": TEAM}}, False),
        ({"team_id": None, "event": {"type": "team_access_revoked", "team_ids": [TEAM]}}, True),
        ({"team_id": None, "event": {"type": "team_access_granted", "team_ids": [None]}}, False),
        ({"team_id": None, "event": {"type": "message", "team_ids": [TEAM]}}, False),
    ],
)
def test_whose_payload_it_is(scene, payload, ours):
    assert of_team(scene, payload) is ours


def test_what_an_organisation_s_installation_reaches(scene):
    raw = {"type": "team_access_revoked", "team_ids": [TEAM, "odd", None], "event_ts": "1.2"}
    body = {"team_id": None, "enterprise_id": "E0A", "event": raw, "event_time": 1_767_225_601}
    assert heard(scene, body, NOW) == Heard(change=Access(frozenset({TEAM}), False, "E0A"))
    granted = {**raw, "type": "team_access_granted"}
    told = {"authorizations": [{"enterprise_id": "E0A"}], "event": granted}
    assert heard(scene, told, NOW) == Heard(change=Access(frozenset({TEAM}), True, "E0A"))
    for odd in (None, "T0A", [], [7]):
        assert heard(scene, {"event": {**raw, "team_ids": odd}}, NOW) == NOTHING


def test_when_a_login_was_taken_away(scene):
    body = {"event": {"type": "app_uninstalled"}, "event_time": int(NOW.timestamp()) - 60}
    change = heard(scene, body, NOW).change
    assert isinstance(change, Revoked)
    assert change.at == NOW - timedelta(seconds=60)
    for odd in (None, "soon", 99_999_999_999_999):
        change = heard(scene, {**body, "event_time": odd}, NOW).change
        assert isinstance(change, Revoked)
        assert change.at == NOW
