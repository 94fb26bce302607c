"""The real `gatekeeper serve`: from start to stop, and what doctor says of it."""

import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from contextlib import suppress
from datetime import timedelta

import pytest

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.clubs import Schedule
from gatekeeper.domain.memberships import Sweep
from gatekeeper.usecases.parts import club_state


def codes(out):
    """What doctor found fault with."""
    return set(re.findall(r"✘ .*\[([a-z.-]+)\]", out))


def test_a_service_carries_out_what_a_command_decides(zoe, club, gatekeeper):
    with club.served() as process:
        code, out, err = gatekeeper("applications", "approve", str(zoe.id), "--wait", "20")
        assert code == 0, err
        assert out == f"application {zoe.id} of Zoe⟨202E⟩⟨1B⟩[31m: invited\n"
        second = club.run("serve")
        assert second.returncode == 3
        assert "[already-running]" in second.stderr
        assert str(process.pid) in second.stderr
        doctor = club.run("doctor")
        assert "doctor.no-service" not in doctor.stdout
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert time.monotonic() - began < 10
    told = [json.loads(line) for line in club.log.splitlines()]
    assert [line["event"] for line in told][-1] == "stopped"
    assert "syt_token" not in club.log
    assert "doctor.no-service" in codes(club.run("doctor").stdout)
    assert gatekeeper("applications", "approve", str(zoe.id), "--wait", "1")[0] == 1

    async def look(parts):
        async with parts.store.look(parts.club) as tx:
            return (await tx.get(Application, zoe.id)).state

    assert club.within(look) is State.INVITED


@pytest.mark.usefixtures("begun")
def test_the_log_holds_neither_links_nor_what_was_typed(club):
    secret, typed = "kJ3l0n-xX8_Qw5e6r7t8y9u0i1o2p3a4", "words-of-an-applicant"
    club.environment["GATEKEEPER_LOG_LEVEL"] = "debug"
    with club.served():
        for path in (f"/l/{secret}", f"/join?why={typed}", f"/nowhere/{secret}"):
            with suppress(urllib.error.HTTPError):
                urllib.request.urlopen(f"http://127.0.0.1:{club.port}{path}", timeout=5).close()
    assert '"route": "/l/{secret}"' in club.log
    for word in (secret, typed, "syt_token", *load_keys_as_texts(club)):
        assert word not in club.log
    assert all(json.loads(line)["event"] for line in club.log.splitlines())


def load_keys_as_texts(club):
    """The keys as they lie in their files."""
    return [path.read_text().strip() for path in (club.folder / "data/keys").iterdir()]


@pytest.mark.usefixtures("begun")
def test_killed_and_started_again(club):
    with club.served() as process:
        process.kill()
        process.wait(10)
    with club.served("--roles", "web,intake,worker"):
        assert club.readyz() == 200


@pytest.mark.usefixtures("begun")
def test_asked_twice_it_ends_at_once(club):
    with club.served() as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (0, 1)


@pytest.mark.usefixtures("begun")
def test_a_policy_that_was_broken_later_is_told(club, gatekeeper):
    rules = club.folder / "house-rules.yaml"
    rules.write_text(rules.read_text().replace("openFor:", "openfor:", 1))
    found = codes(gatekeeper("doctor")[1])
    assert "doctor.policy-wrong" in found
    assert "doctor.settings-wrong" not in found


@pytest.mark.usefixtures("begun")
def test_a_homeserver_that_is_down_is_no_failure_to_start(club):
    club.environment["DOUBLE_DOWN"] = "1"
    with club.served(ready=503) as process:
        time.sleep(1)
        assert process.poll() is None
        assert club.readyz() == 503


def test_doctor_says_what_to_do(club, gatekeeper, monkeypatch):
    code, out, _ = gatekeeper("doctor")
    assert code == 1
    assert "doctor.no-service" in codes(out)
    assert "gatekeeper serve" in out
    monkeypatch.setenv("DOUBLE_DOWN", "1")
    assert "homeserver-down" in codes(gatekeeper("doctor")[1])
    monkeypatch.setenv("GATEKEEPER_SMTP__HOST", "127.0.0.1")
    monkeypatch.setenv("GATEKEEPER_SMTP__PORT", "1")
    monkeypatch.setenv("GATEKEEPER_SMTP__SENDER", "gatekeeper@club.example")
    assert "doctor.mail-fails" in codes(gatekeeper("doctor")[1])
    monkeypatch.delenv("GATEKEEPER_MATRIX__ACCESS_TOKEN")
    code, out, _ = gatekeeper("doctor")
    assert code == 1
    assert codes(out) == {"doctor.settings-wrong"}
    assert "✔ policy" in out
    assert gatekeeper("doctor", "--json")[0] == 1


def test_doctor_and_a_quorum_that_nobody_can_reach(club, gatekeeper):
    rules = club.folder / "house-rules.yaml"
    rules.write_text(re.sub(r"approvals: \d+", "approvals: 9", rules.read_text()))
    found = codes(gatekeeper("doctor")[1])
    assert found & {"doctor.quorum-too-large", "doctor.policy-wrong"}


def test_demo_elsewhere_says_where(club, gatekeeper, monkeypatch):
    monkeypatch.setattr("gatekeeper.cli.service.__file__", "/usr/lib/gatekeeper/cli/service.py")
    code, _, err = gatekeeper("demo")
    assert code == 1
    assert "tests/demo" in err
    assert os.getcwd() == str(club.folder)


def test_doctor_finds_a_record_key_that_is_not_the_records_own(club, gatekeeper):
    """Restored beside the wrong keys: nothing could be decided any more."""
    assert gatekeeper("pause")[0] == 0
    code, out, _ = gatekeeper("doctor")
    assert "✔ record: the newest of its 1 rows" in out
    assert gatekeeper("resume", "--yes")[0] == 0
    (club.folder / "data/keys/record.key").unlink()
    assert gatekeeper("init")[0] == 0
    code, out, _ = gatekeeper("doctor")
    assert code == 1
    assert "doctor.record-key" in codes(out)
    assert "row 2" in out
    assert "backup" in out


def test_an_admission_is_taken_back(zoe, club, gatekeeper):
    number = str(zoe.id)
    code, _, err = gatekeeper("applications", "take-back", number, "--reason", "Two of you")
    assert code == 1
    assert "[wrong-state]" in err
    assert gatekeeper("applications", "take-back", number)[0] == 2
    with club.served():
        assert gatekeeper("applications", "approve", number, "--wait", "20")[0] == 0
        code, out, err = gatekeeper(
            "applications", "take-back", number, "--reason", "Two of you", "--wait", "20", "--json"
        )
        assert code == 0, err
    told = json.loads(out)
    assert told["state"] == "lapsed"
    assert {order["purpose"] for order in told["orders"]} >= {"retract", "decline-told"}
    assert "Two of you" in gatekeeper("applications", "show", number)[1]


@pytest.mark.usefixtures("begun")
def test_missed_cron_a_service_that_was_away_makes_the_newest_up_once(club):
    """Through the real engine, relay and tables: a month away, one sweep, and no second one."""

    async def a_month_ago(parts):
        then = parts.clock.now() - timedelta(days=40)
        async with parts.store.transaction(parts.club) as tx:
            row = await tx.first(Schedule, name="sweep")
            await tx.change(row, done_at=then)
            state = await club_state(tx)
            await tx.change(state, watched_since=then - timedelta(days=400))

    async def sweeps(parts):
        async with parts.store.look(parts.club) as tx:
            found = await tx.find(Sweep)
            row = await tx.first(Schedule, name="sweep")
        return [one.slot for one in found], row

    club.within(a_month_ago)
    for _ in range(2):
        with club.served():
            for _ in range(100):
                slots, row = club.within(sweeps)
                if slots and row.due_at is None:
                    break
                time.sleep(0.1)
            time.sleep(0.5)
        slots, row = club.within(sweeps)
        assert slots == [row.done_at.isoformat()]
        assert row.due_at is None
