"""Logs: one line an event, JSON or plain, and no secret in either."""

import json
import logging

import pytest
import structlog

from gatekeeper import logs

TOKEN = "syt_Z2F0ZQ_abcdefgh_12"
PASS = "kJ3l0n-xX8_Qw5e6r7t8y9u0i1o2p3a4"


@pytest.fixture(autouse=True)
def _as_before():
    yield
    logs._known.clear()
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


def tell(style, capsys):
    logs.configure("info", style)
    logs.hide("hunter22hunter22")
    log = structlog.get_logger("gatekeeper.test")
    log.info(
        "form-sent",
        token="short",
        answers={"why": "private words"},
        url=f"http://127.0.0.1/l/{PASS}",
        nested={"password": "pw", "note": f"Bearer {TOKEN}"},
        database="postgres://club:db-pass@host/club",
        order=7,
    )
    log.warning("odd", detail="login with hunter22hunter22 failed")
    try:
        raise ValueError(f"no such token {TOKEN}")
    except ValueError:
        logging.getLogger("a.library").exception("job-failed url=/l/%s", PASS)
    structlog.get_logger("gatekeeper.test").debug("not-shown")
    return capsys.readouterr()


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_secret_is_logged(style, capsys):
    out = tell(style, capsys)
    assert out.out == ""
    for secret in (
        *(TOKEN, PASS, "short", "private words", "hunter22", "db-pass"),
        "'pw'",
        '"pw"',
    ):
        assert secret not in out.err
    assert "form-sent" in out.err
    assert "not-shown" not in out.err


@pytest.mark.parametrize("style", ["json", "console"])
def test_one_line_an_event(style, capsys):
    lines = tell(style, capsys).err.strip().split("\n")
    assert len(lines) == 3


def test_json_lines_carry_code_level_and_time(capsys):
    first, _, third = (json.loads(line) for line in tell("json", capsys).err.splitlines())
    assert first["event"] == "form-sent"
    assert first["level"] == "info"
    assert first["order"] == 7
    assert first["timestamp"].endswith("Z")
    assert "ValueError" in third["exception"]
