"""The guard in front of signed requests: the right status, one line with a code, no traceback."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from gatekeeper.testing.clock import ManualClock
from gatekeeper_slack.requests import MOST, Reply, Requests, readable
from tests.support.slack.delivery import signed
from tests.support.slack.world import App

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
APP = App()
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


class Taken:
    """What the guard let through."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    async def __call__(self, payload: dict[str, Any]) -> Reply:
        self.seen.append(payload)
        return Reply(body={"ok": True})


async def ask(
    body: bytes,
    kind: str = JSON,
    headers: dict[str, str] | None = None,
    method: str = "POST",
    secret: str = APP.signing_secret,
) -> tuple[int, dict[str, str], Any, Taken]:
    """One request; signed as it should be where no headers are given."""
    taken = Taken()
    if headers is None:
        headers = signed_bytes(body)
    app = Requests(secret, ManualClock(NOW), taken)
    return *await asked(app, body, kind, headers, method), taken


async def asked(
    app: Requests, body: bytes, kind: str, headers: Mapping[str, str], method: str = "POST"
) -> tuple[int, dict[str, str], Any]:
    """What an ASGI application answers: status, headers, JSON."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(part: Any) -> None:
        sent.append(part)

    scope = {
        "type": "http",
        "method": method,
        "headers": [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in {**headers, "Content-Type": kind}.items()
        ],
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)
    start, end = sent
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], found, json.loads(end["body"] or b"null")


def signed_bytes(body: bytes, at: float = NOW.timestamp()) -> dict[str, str]:
    text = body.decode("utf-8", "surrogateescape")
    try:
        return signed(APP, text, at)
    except UnicodeEncodeError:  # not text at all: signed as it is
        import hashlib
        import hmac

        stamp = str(int(at))
        mac = hmac.new(
            APP.signing_secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256
        ).hexdigest()
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={mac}"}


GOOD = b'{"type":"event_callback"}'
OWN = signed_bytes(GOOD)
SIGNATURE = OWN["X-Slack-Signature"]


async def test_what_slack_signed_is_taken():
    status, _, body, taken = await ask(GOOD)
    assert (status, body, taken.seen) == (200, {"ok": True}, [{"type": "event_callback"}])


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "slack-unsigned"),
        ({"X-Slack-Signature": SIGNATURE}, "slack-unsigned"),
        ({**OWN, "X-Slack-Signature": ""}, "slack-unsigned"),
        ({**OWN, "X-Slack-Request-Timestamp": "soon"}, "slack-bad-timestamp"),
        ({**OWN, "X-Slack-Request-Timestamp": "-1"}, "slack-bad-timestamp"),
        ({**OWN, "X-Slack-Request-Timestamp": "1e9"}, "slack-bad-timestamp"),
        ({**OWN, "X-Slack-Request-Timestamp": "9" * 5000}, "slack-bad-timestamp"),
        ({**OWN, "X-Slack-Request-Timestamp": "²²²"}, "slack-bad-timestamp"),
        ({**OWN, "X-Slack-Request-Timestamp": "999999999999"}, "slack-stale"),
        ({**OWN, "X-Slack-Request-Timestamp": "0"}, "slack-stale"),
        (signed_bytes(GOOD, NOW.timestamp() - 301), "slack-stale"),
        (signed_bytes(GOOD, NOW.timestamp() + 301), "slack-stale"),
        (signed_bytes(GOOD + b" "), "slack-bad-signature"),
        ({**OWN, "X-Slack-Signature": "v0=é"}, "slack-bad-signature"),
        ({**OWN, "X-Slack-Signature": SIGNATURE.upper()}, "slack-bad-signature"),
    ],
)
async def test_what_is_not_slacks_is_refused(caplog, headers, code):
    status, found, body, taken = await ask(GOOD, headers=headers)
    assert (status, body) == (401, {"error": code})
    assert found["x-slack-no-retry"] == "1"
    assert taken.seen == []
    [line] = caplog.records
    assert line.getMessage() == f"{code} from 127.0.0.1"
    assert line.exc_info is None


@pytest.mark.parametrize("age", [-300, 300])
async def test_five_minutes_are_young_enough(age):
    assert (await ask(GOOD, headers=signed_bytes(GOOD, NOW.timestamp() + age)))[0] == 200


async def test_without_a_secret_nothing_is_let_in():
    assert (await ask(GOOD, secret=""))[0] == 401


@pytest.mark.parametrize(
    ("raw", "kind", "status", "code"),
    [
        (b"not json", JSON, 400, "slack-not-json"),
        (b"", JSON, 400, "slack-not-json"),
        (b"[1, 2]", JSON, 400, "slack-not-an-object"),
        (b'"text"', JSON, 400, "slack-not-an-object"),
        (b"null", JSON, 400, "slack-not-an-object"),
        (b"[" * 100_000, JSON, 400, "slack-not-json"),
        ('{"a": "é"}'.encode("latin-1"), JSON, 400, "slack-not-utf8"),
        (b"payload={", FORM, 400, "slack-not-json"),
        (b"payload=[]", FORM, 400, "slack-not-an-object"),
        (b"payload=%FF", FORM, 400, "slack-not-json"),
        (b"", FORM, 400, "slack-bad-form"),
        (b"&".join(b"a%d=1" % n for n in range(500)), FORM, 400, "slack-bad-form"),
        (b"{}", "text/plain", 415, "slack-bad-type"),
        (b"{}", "", 415, "slack-bad-type"),
        (b" " * (MOST + 1), JSON, 413, "slack-too-large"),
    ],
)
async def test_what_is_signed_but_not_whole(caplog, raw, kind, status, code):
    """Trap 5, even behind a right signature."""
    answered, found, body, taken = await ask(raw, kind)
    assert (answered, body, taken.seen) == (status, {"error": code}, [])
    assert found["x-slack-no-retry"] == "1"
    [line] = caplog.records
    assert line.exc_info is None


async def test_only_posts_are_taken():
    assert (await ask(GOOD, method="GET"))[0] == 405


def test_a_command_may_speak_of_a_payload():
    fields = readable(b"command=%2Fclub&text=payload+due&user_id=U1", f"{FORM}; charset=utf-8")
    assert fields == {"command": "/club", "text": "payload due", "user_id": "U1"}


async def test_over_a_real_line_too(caplog):
    pytest.importorskip("slack_bolt")
    from tests.adapters.slack.ears import ears

    async with ears("http") as heard, aiohttp.ClientSession() as client:
        bad = [
            {"data": b"{"},
            {"data": "é".encode("latin-1"), "headers": {"X-Slack-Request-Timestamp": "soon"}},
            {"json": []},
        ]
        for each in bad:
            async with client.post(heard.slack.app_url, **each) as answer:
                assert answer.status == 401
        async with client.get(heard.slack.app_url) as answer:
            assert answer.status == 405
        challenge = {"type": "url_verification", "challenge": "abc", "token": "x"}
        text = json.dumps(challenge)
        headers = signed(heard.slack.world.app, text, heard.slack.world.now())
        headers["Content-Type"] = JSON
        async with client.post(heard.slack.app_url, data=text, headers=headers) as answer:
            assert await answer.json() == {"challenge": "abc"}
        checked = "ssl_check=1&token=x"
        headers = signed(heard.slack.world.app, checked, heard.slack.world.now())
        headers["Content-Type"] = FORM
        async with client.post(heard.slack.app_url, data=checked, headers=headers) as answer:
            assert answer.status == 200
    assert not [one for one in caplog.records if one.exc_info]
