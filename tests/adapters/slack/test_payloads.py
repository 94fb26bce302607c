"""Every payload kept beside these tests is taken in, or ignored on purpose, by name."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.domain import events as told
from gatekeeper.domain.activity import Kind
from gatekeeper_slack.events import (
    NOTHING,
    Changed,
    Heard,
    Home,
    Lost,
    Out,
    Revoked,
    acted,
    commanded,
    heard,
    pressed,
)
from gatekeeper_slack.requests import readable, verify
from gatekeeper_slack.scene import Scene

HERE = Path(__file__).parent / "payloads"
NOW = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
SCENE = Scene(
    team="T0G4TEK33",
    bot="U0G4TEB0T",
    club="C0CLUBR0M",
    admins="C0ADM1NS1",
    rooms={"club": "C0CLUBR0M", "lobby": "C0L0BBY01"},
)
# name: (the event, the kind of the sign, the change); all None: ignored
EVENTS: dict[str, tuple[Any, Any, Any]] = {
    "app_home_opened": (None, Kind.READ, Home),
    "app_home_opened_first_time": (None, Kind.READ, Home),
    "app_mention": (told.Wrote, Kind.MESSAGE, None),
    "app_rate_limited": (None, None, Lost),
    "app_uninstalled": (None, None, Revoked),
    "channel_deleted": (None, None, Out),
    "channel_rename": (None, None, None),  # names are never looked up by
    "member_joined_channel": (None, Kind.JOIN, None),  # the lobby
    "member_joined_channel_invited": (told.Joined, None, None),
    "member_left_channel": (told.Departed, None, None),
    "message_channel": (None, Kind.MESSAGE, None),
    "message_escaped_text": (None, Kind.MESSAGE, None),
    "message_im": (told.Wrote, Kind.COMMAND, None),
    "message_own_bot_post": (None, None, None),
    "message_private_channel": (None, Kind.MESSAGE, None),
    "message_thread_reply": (told.Wrote, Kind.THREAD, None),
    "reaction_added": (None, Kind.REACTION, None),
    "reaction_removed": (None, None, None),
    "team_join": (None, None, Changed),
    "tokens_revoked": (None, None, Revoked),
    "url_verification": (None, None, None),  # answered in front
    "user_change_deactivated": (None, None, Changed),
    "user_change_profile": (None, None, Changed),
}


def read(kind: str, name: str) -> Any:
    return json.loads((HERE / kind / f"{name}.json").read_text())


def summary(found: Heard) -> tuple[Any, Any, Any]:
    return (
        type(found.event) if found.event else None,
        found.sign.kind if found.sign else None,
        type(found.change) if found.change else None,
    )


def test_no_event_is_forgotten_here():
    assert {path.stem for path in (HERE / "events").iterdir()} == EVENTS.keys()


@pytest.mark.parametrize("name", EVENTS)
def test_event(name):
    assert summary(heard(SCENE, read("events", name), NOW)) == EVENTS[name]


INTERACTIONS: dict[str, tuple[Any, Any]] = {
    "block_actions_home_button": (None, Kind.PRESS),
    "block_actions_message_button": (told.Pressed, Kind.PRESS),
    "block_suggestion": (None, None),
    "message_action": (None, Kind.PRESS),
    "shortcut_global": (None, Kind.PRESS),
    "slash_command": (told.Wrote, Kind.COMMAND),
    "slash_command_with_text": (told.Wrote, Kind.COMMAND),
    "ssl_check": (None, None),
    "view_closed": (None, None),
    "view_submission": (None, Kind.PRESS),
}
UNMARKED = {"block_suggestion", "view_closed", "ssl_check"}


def test_no_interaction_is_forgotten_here():
    names = {path.name.partition(".")[0] for path in (HERE / "interactions").iterdir()}
    assert names == INTERACTIONS.keys()


@pytest.mark.parametrize("name", INTERACTIONS)
def test_interaction(name):
    form = (HERE / "interactions" / f"{name}.form.txt").read_bytes().strip()
    body = readable(form, "application/x-www-form-urlencoded")
    plain = HERE / "interactions" / f"{name}.json"
    if plain.exists():
        assert body == json.loads(plain.read_text())
    if name in UNMARKED:
        return  # answered by the reception; test_listening says how
    if name == "block_actions_message_button":
        found = pressed(SCENE, body, "✅", NOW)
    elif "command" in body:
        found = commanded(SCENE, body, NOW)
    else:
        found = acted(SCENE, body, NOW)
    assert summary(found)[:2] == INTERACTIONS[name]


@pytest.mark.parametrize("name", ["envelope_events_api", "envelope_events_api_retry"])
def test_envelope_of_an_event(name):
    envelope = read("socket-mode", name)
    assert summary(heard(SCENE, envelope["payload"], NOW)) == (None, Kind.MESSAGE, None)


def test_envelope_of_an_interaction():
    body = read("socket-mode", "envelope_interactive")["payload"]
    assert heard(SCENE, body, NOW) == NOTHING  # no event, whatever it looks like
    assert acted(SCENE, body, NOW).sign is not None


def test_envelope_of_a_command():
    body = read("socket-mode", "envelope_slash_commands")["payload"]
    assert commanded(SCENE, body, NOW).event is not None


def test_signature_example():
    told = read(".", "signature_example")
    headers = {
        "x-slack-request-timestamp": told["timestamp"],
        "x-slack-signature": told["signature"],
    }
    at = datetime.fromtimestamp(int(told["timestamp"]) + 299, UTC)
    verify(told["signing_secret"].encode(), headers, told["body"].encode(), at)
