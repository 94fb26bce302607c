"""Our table of Slack's methods and limits, held against Slack's own reference."""

import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.slack.delivery import Slack, signed
from tests.support.slack.methods import ANY, EVERYWHERE, METHODS, TIERS
from tests.support.slack.world import App, Plan, UserGroup
from tests.support.test_slack import SCOPES, Caller

MODAL = '{{"type": "modal", "title": {{"type": "plain_text", "text": "Join"}}, "blocks": []}}'

SPEC = Path(os.environ["GATEKEEPER_SLACK_SPEC"])  # conftest.py leaves us out where it is not set


@pytest.fixture(scope="module")
def reference() -> Any:
    return json.loads((SPEC / "methods-2026.json").read_text("utf-8"))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_asks_for_what_slack_s_asks_for(reference, name):
    ours, theirs = METHODS[name], reference["methods"][name]
    arguments = set(theirs["args"]["properties"]) - {"token"}
    required = set(theirs["args"].get("required") or ()) - {"token"}
    assert ours.required == required
    assert ours.optional <= arguments - required
    assert ours.tier == theirs["rate_limits"]
    assert ours.bot == set(theirs["scope"].get("bot", ()))
    assert ours.user == set(theirs["scope"].get("user", ()))


@pytest.mark.parametrize("name", METHODS)
def test_its_errors_are_slack_s(reference, name):
    known = set(reference["methods"][name].get("errors", ())) | set(
        reference["errors_any_method_can_return"]
    )
    assert METHODS[name].errors - EVERYWHERE <= known


def test_errors_of_any_method_are_slack_s(reference):
    assert set(reference["errors_any_method_can_return"]) >= ANY


def test_tiers_are_slack_s():
    limits = json.loads((SPEC / "limits.json").read_text("utf-8"))
    assert limits["rate_limits"]["tiers"] == TIERS


def test_the_signature_is_slack_s_own():
    example = json.loads((SPEC.parent / "payloads/signature_example.json").read_text("utf-8"))
    app = App(signing_secret=example["signing_secret"])
    made = signed(app, example["body"], float(example["timestamp"]))
    assert made["X-Slack-Signature"] == example["signature"]


# ---- What is answered --------------------------------------------------------------------------

CALLS: dict[str, dict[str, Any]] = {
    "auth.test": {},
    "bots.info": {},
    "team.info": {},
    "chat.postMessage": {"channel": "{room}", "text": "Hello"},
    "chat.postEphemeral": {"channel": "{room}", "user": "{noa}", "text": "Hello"},
    "chat.update": {"channel": "{room}", "ts": "{ts}", "text": "Hello again"},
    "chat.getPermalink": {"channel": "{room}", "message_ts": "{ts}"},
    "conversations.create": {"name": "fresh"},
    "conversations.history": {"channel": "{room}"},
    "conversations.info": {"channel": "{room}"},
    "conversations.invite": {"channel": "{room}", "users": "{ben}"},
    "conversations.inviteShared": {"channel": "{room}", "emails": "ada@example.org"},
    "conversations.kick": {"channel": "{room}", "user": "{ben}"},
    "conversations.list": {},
    "conversations.members": {"channel": "{room}"},
    "conversations.open": {"users": "{noa}", "return_im": "true"},
    "conversations.replies": {"channel": "{room}", "ts": "{ts}"},
    "reactions.add": {"channel": "{room}", "timestamp": "{ts}", "name": "eyes"},
    "reactions.get": {"channel": "{room}", "timestamp": "{ts}"},
    "users.conversations": {"types": "private_channel"},
    "users.info": {"user": "{noa}"},
    "users.list": {},
    "users.lookupByEmail": {"email": "noa@example.org"},
    "usergroups.list": {},
    "usergroups.users.list": {"usergroup": "{group}"},
    "usergroups.users.update": {"usergroup": "{group}", "users": "{noa}"},
    "views.publish": {"user_id": "{noa}", "view": '{{"type": "home", "blocks": []}}'},
    "views.open": {"trigger_id": "{trigger}", "view": MODAL},
}


async def test_answers_have_the_shape_of_slack_s_examples():
    """In order, in one small workspace; fields that both have are of the same type."""
    async with Slack() as slack, aiohttp.ClientSession() as session:
        world = slack.world
        team = world.team(plan=Plan.BUSINESS)
        token = world.install(team, SCOPES).text
        noa, ben = world.user(team, "noa", email="noa@example.org"), world.user(team, "ben")
        room = world.channel(team, "club", [team.bot_user, noa.id], kind="group")
        team.groups["S1"] = UserGroup(id="S1", handle="club", users=[noa.id])
        known = {"room": room.id, "noa": noa.id, "ben": ben.id, "group": "S1", "ts": ""}
        known["trigger"] = world.trigger(team, noa.id)
        call, strange = Caller(slack, token, session), []
        for method, args in CALLS.items():
            filled = {name: value.format(**known) for name, value in args.items()}
            answer = await call(method, **filled)
            assert answer["ok"], (method, answer)
            known["ts"] = known["ts"] or answer.get("ts", "")
            examples = json.loads((SPEC.parent / f"responses/{method}.json").read_text("utf-8"))
            right = [
                one["example"]
                for name, one in examples["from_docs_2026"].items()
                if name.startswith("success")
            ]
            if right:
                strange.append((method, min((unlike(answer, one) for one in right), key=len)))
    assert [(method, paths) for method, paths in strange if paths] == []


def unlike(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where a value of ours is of another type than theirs in the same place."""
    if ours is None or theirs is None:
        return []
    if type(ours) is not type(theirs):
        return [f"{path}: {type(ours).__name__}, not {type(theirs).__name__}"]
    if isinstance(ours, dict):
        both = sorted(set(ours) & set(theirs))
        return [fault for key in both for fault in unlike(ours[key], theirs[key], f"{path}/{key}")]
    if isinstance(ours, list) and ours and theirs:
        return unlike(ours[0], theirs[0], f"{path}/0")
    return []
