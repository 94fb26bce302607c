"""deploy/slack-manifest.yaml asks for what the code uses, and for nothing else."""

import ast
import json
import os
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from gatekeeper_slack import events, windows
from gatekeeper_slack.scopes import NEEDED, SCOPES, WHY
from tests.support.slack.methods import METHODS

FILE = Path(__file__).parents[3] / "deploy/slack-manifest.yaml"
ADAPTER = Path(events.__file__).parent
# Scopes that no call needs, with what Slack gives for them.
HEARD = {
    "app_mentions:read": "app_mention",
    "channels:history": "message.channels",
    "channels:read": "channel_deleted",
    "commands": "slash_commands",
    "groups:history": "message.groups",
    "im:history": "message.im",
    "reactions:read": "reaction_added",
    "users:read.email": "profile.email",
}


@pytest.fixture(scope="module")
def manifest():
    return yaml.safe_load(FILE.read_text("utf-8"))


def called() -> set[str]:
    """Every method that the adapter calls by name."""
    text = "\n".join(file.read_text("utf-8") for file in ADAPTER.glob("*.py"))
    found = set(re.findall(r'\.(?:call|pages)\(\s*"([a-zA-Z0-9_.]+)"', text))
    assert {"auth.test", "chat.postMessage", "conversations.kick"} <= found
    return found


def test_each_scope_says_why():
    text = FILE.read_text("utf-8")
    told = dict(re.findall(r"(?m)^      - ([a-z_.:]+:[a-z.]+|commands)  # (\S.*)$", text))
    assert told == WHY


def test_it_asks_for_the_scopes_of_the_code(manifest):
    assert manifest["oauth_config"]["scopes"]["bot"] == list(SCOPES)
    assert set(SCOPES) >= NEEDED


def test_every_call_has_a_scope_and_every_scope_a_use():
    used = set(HEARD)
    for name in called():
        wanted = METHODS[name].bot
        assert not wanted or wanted & set(SCOPES), name
        used |= wanted
    assert set(SCOPES) <= used


def test_it_subscribes_what_is_heard(manifest):
    tree = ast.parse(Path(events.__file__).read_text("utf-8"))
    cases = {
        node.value
        for case in ast.walk(tree)
        if isinstance(case, ast.match_case)
        for node in ast.walk(case.pattern)
        if isinstance(node, ast.Constant)
    }
    messages = {"message.channels", "message.groups", "message.im"}
    heard = (cases & {"message"} and messages) | cases - {"message"}
    wanted = set(manifest["settings"]["event_subscriptions"]["bot_events"])
    assert wanted == heard & wanted
    assert {one for one in heard if re.match("(app|channel|group|member|mess|rea|t|u)", one)} <= (
        wanted
    )


def test_its_shortcuts_are_answered(manifest):
    known = set(windows._SHORTCUTS) | windows._VOUCHES
    for one in manifest["features"]["shortcuts"]:
        assert one["callback_id"] in known
    words = manifest["features"]["slash_commands"][0]["usage_hint"].strip("[]").split(" | ")
    assert set(words) - {"help"} <= set(windows._WORDS)


def test_the_home_and_the_chat_are_open(manifest):
    home = manifest["features"]["app_home"]
    assert home["home_tab_enabled"]
    assert home["messages_tab_enabled"]
    assert not home["messages_tab_read_only_enabled"]
    assert manifest["settings"]["interactivity"]["is_enabled"]


def test_slack_takes_it(manifest):
    """By Slack's own schema, where that lies beside us."""
    folder = os.environ.get("GATEKEEPER_SLACK_SPEC", "")
    if not folder:
        pytest.skip("GATEKEEPER_SLACK_SPEC names no folder")
    schema = json.loads((Path(folder) / "app-manifest.schema.json").read_text("utf-8"))
    jsonschema.validate(manifest, schema)
