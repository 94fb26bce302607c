"""Every payload kept beside these tests is taken in, or ignored on purpose, by name."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.domain import events as told
from gatekeeper.domain.activity import Kind
from gatekeeper.testing.clock import ManualClock
from gatekeeper.testing.platform_world import RecordingDesk
from gatekeeper_slack.cards import symbol_of
from gatekeeper_slack.events import acted, commanded, heard, pressed
from gatekeeper_slack.heard import NOTHING, Changed, Heard, Home, Lost, Out, Revoked
from gatekeeper_slack.listening import Intake
from gatekeeper_slack.requests import readable, verify
from gatekeeper_slack.scene import Scene
from gatekeeper_slack.screens import Looks
from tests.adapters.slack.ears import Ears, ears
from tests.adapters.slack.test_requests import APP, FORM, JSON, asked
from tests.support.slack.delivery import signed

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
    "team_join": (told.Arrived, None, Changed),
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


# ---- As Slack sends them: signed, through everything of ours up to the desk ----------------------


class Taken(RecordingDesk):
    """A desk that also knows what was to be shown to people."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    def __getattr__(self, name: str) -> Any:
        async def show(*given: Any) -> None:
            self.shown.append(name)

        return show


@pytest.fixture
async def desk() -> AsyncIterator[Taken]:
    """With `post`: one signed body, and the answer."""
    desk = Taken()
    intake = Intake(
        "http://127.0.0.1:9/api/",  # nothing may be asked of Slack
        desk,
        SCENE,
        ManualClock(NOW),
        looks=Looks(symbol_of),
        screens=desk,
        signing_secret=APP.signing_secret,
    )

    async def post(body: bytes, kind: str) -> tuple[int, Any]:
        headers = signed(APP, body.decode(), NOW.timestamp())
        status, _, answer = await asked(intake.routes, body, kind, headers)
        return status, answer

    desk.post = post  # type: ignore[attr-defined]
    intake.join()
    yield desk
    await intake.stop()


@pytest.mark.parametrize("name", EVENTS)
async def test_event_is_answered(desk, name, caplog):
    status, answer = await desk.post((HERE / "events" / f"{name}.json").read_bytes(), JSON)
    challenged = {"challenge": read("events", name).get("challenge")}
    assert (status, answer) == (200, challenged if name == "url_verification" else None)
    event, sign, change = EVENTS[name]
    assert [type(one) for one in desk.events] == [event] * bool(event)
    assert [one.kind for one in desk.signs] == [sign] * bool(sign)
    assert desk.shown == ["home"] * (change is Home)
    assert not [one for one in caplog.records if one.exc_info]


SHOWN = {
    "block_actions_home_button": "pressed",
    "message_action": "shortcut",
    "shortcut_global": "shortcut",
    "slash_command": "command",
    "slash_command_with_text": "command",
    "view_closed": "closed",
    "view_submission": "submitted",
}


@pytest.mark.parametrize("name", INTERACTIONS)
async def test_interaction_is_answered(desk, name, caplog):
    form = (HERE / "interactions" / f"{name}.form.txt").read_bytes().strip()
    status, answer = await desk.post(form, FORM)
    assert (status, answer) == (200, {"options": []} if name == "block_suggestion" else None)
    event, sign = INTERACTIONS[name]
    assert [one.kind for one in desk.signs] == [sign] * bool(sign)
    if name == "block_actions_message_button":  # of another app's making: it chooses nothing
        assert (desk.events, desk.shown) == ([], ["pressed"])
    else:
        assert [type(one) for one in desk.events] == [event] * bool(event)
        assert desk.shown == ([SHOWN[name]] if name in SHOWN else [])
    assert not [one for one in caplog.records if one.exc_info]


# ---- Over a socket -------------------------------------------------------------------------------


@pytest.fixture
async def line() -> AsyncIterator[Ears]:
    async with ears("socket") as heard:
        heard.scene.team = SCENE.team
        yield heard


@pytest.mark.parametrize("name", sorted(path.stem for path in (HERE / "socket-mode").iterdir()))
async def test_a_line_lives_on_after(line, name, caplog):
    """Whatever Slack says on one line, an envelope that comes next is taken in and answered."""
    await line.slack.lines[0].send_json(read("socket-mode", name))
    line.scene.team = line.team.id
    ada = line.person("ada", line.club)
    ada.write(line.club, "hello")
    await line.slack.quiet()
    assert line.slack.told[-1].tries[-1] == 200
    assert len(line.desk.signs) >= 1
    assert not [one for one in caplog.records if one.exc_info]


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
