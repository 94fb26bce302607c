"""applications, members, sweep, audit, db: over a club's tables, without a service."""

import json
import sqlite3
import stat
from datetime import UTC, datetime, timedelta

import pytest

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.decisions import Order
from gatekeeper.domain.memberships import Membership
from gatekeeper.keys import load_keys
from gatekeeper.usecases.parts import club_state


@pytest.fixture
def adopted(gatekeeper):
    assert gatekeeper("members", "adopt", "--yes")[0] == 0


def test_adopting_shows_first_and_is_done_once(club, gatekeeper):
    code, out, _ = gatekeeper("members", "adopt")
    assert code == 0
    assert "@carl:example.org" in out
    assert "--yes" in out
    assert json.loads(gatekeeper("members", "list", "--json")[1]) == []
    found = json.loads(gatekeeper("members", "adopt", "--yes", "--json")[1])
    assert found["adopted"] == len(found["plan"]) == 5
    assert json.loads(gatekeeper("members", "adopt", "--yes", "--json")[1])["adopted"] == 0
    members = json.loads(gatekeeper("members", "list", "--json")[1])
    assert {each["origin"] for each in members} == {"adopted"}
    assert {each["state"] for each in members} == {"active"}


def test_one_member_with_leave_and_exemption(adopted, gatekeeper):
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    assert gatekeeper("members", "leave", "@carl:example.org", "--until", until)[0] == 0
    assert until in gatekeeper("members", "show", "@carl:example.org")[1]
    code, out, err = gatekeeper(
        *("members", "exempt", "matrix:@eve:example.org", "--reason", "founder"),
        *("--until", until),
    )
    assert code == 0, err
    assert until in out
    found = json.loads(gatekeeper("members", "show", "@eve:example.org", "--json")[1])
    assert found["exemptions"][0]["reason"] == "founder"
    assert found["exemptions"][0]["author"].startswith("operator:")
    assert "founder" in gatekeeper("members", "show", "@eve:example.org")[1]


REFUSED = [
    (("members", "show", "@nobody:example.org"), 1, "not-found"),
    (("members", "show", "nonsense"), 2, "not-an-identity"),
    (("members", "leave", "@carl:example.org", "--until", "someday"), 2, "not-a-date"),
    (("members", "erase", "@carl:example.org"), 1, "erase-needs-yes"),
    (("applications", "show", "77"), 1, "not-found"),
    (("applications", "approve", "77"), 1, "not-found"),
]


@pytest.mark.parametrize(("words", "code", "said"), REFUSED)
def test_what_cannot_be_is_said_with_a_code(adopted, gatekeeper, words, code, said):
    found, out, err = gatekeeper(*words)
    assert (found, out) == (code, "")
    assert f"[{said}]" in err
    assert err.count("\n") == 1


def test_export_and_erasure_leave_the_record_whole(adopted, gatekeeper):
    told = gatekeeper("members", "export", "@carl:example.org")[1]
    assert "@carl:example.org" in told
    assert gatekeeper("members", "erase", "@carl:example.org", "--yes")[0] == 0
    assert gatekeeper("members", "show", "@carl:example.org")[0] == 1
    assert gatekeeper("audit", "verify")[0] == 0


def test_a_removal_that_comes_with_an_erasure_is_waited_for(adopted, gatekeeper):
    words = ("members", "erase", "@carl:example.org", "--yes", "--remove", "--wait", "1")
    code, out, err = gatekeeper(*words)
    assert (code, "is erased" in out) == (3, True)
    assert "[service-absent]" in err


def test_an_applicant_is_shown_without_tricks_on_the_terminal(zoe, gatekeeper):
    for words in (("applications", "list"), ("applications", "show", str(zoe.id))):
        code, out, _ = gatekeeper(*words)
        assert code == 0
        assert "Zoe⟨202E⟩⟨1B⟩[31m" in out
        assert "a-browser" not in out
    shown = json.loads(gatekeeper("applications", "show", str(zoe.id), "--json")[1])
    assert shown["answers"] == {"why": "I like it"}
    assert "browser" not in shown


def test_a_decision_without_a_service_is_kept_for_later(zoe, club, gatekeeper):
    code, _, err = gatekeeper("applications", "approve", str(zoe.id), "--wait", "1")
    assert code == 3
    assert "[service-absent]" in err
    assert "kept" in err

    async def look(parts):
        async with parts.store.look(parts.club) as tx:
            return (await tx.get(Application, zoe.id)).state, await tx.find(Order)

    state, orders = club.within(look)
    assert state is State.APPROVED
    assert [each.purpose for each in orders].count("invitation") == 1
    # decided is decided: the second word finds it so, and orders nothing
    assert gatekeeper("applications", "approve", str(zoe.id), "--wait", "1")[0] == 1
    assert len(club.within(look)[1]) == len(orders)


def test_a_paused_club_says_so_and_not_that_it_is_done(zoe, gatekeeper):
    assert gatekeeper("pause")[0] == 0
    assert "already" in gatekeeper("pause")[1]
    code, _, err = gatekeeper("applications", "approve", str(zoe.id), "--wait", "1")
    assert code == 3
    assert "[paused-service]" in err
    code, out, _ = gatekeeper("resume")
    assert code == 0
    assert "--yes" in out
    assert json.loads(gatekeeper("resume", "--json")[1])["paused"] is True
    assert json.loads(gatekeeper("resume", "--yes", "--json")[1])["due"] > 0
    assert "not paused" in gatekeeper("resume")[1]


def test_a_decline_needs_one_of_the_reasons(zoe, gatekeeper):
    assert gatekeeper("applications", "decline", str(zoe.id))[0] == 2
    code, _, err = gatekeeper("applications", "decline", str(zoe.id), "--reason", "no-such")
    assert code == 2
    assert "[not-a-decline-reason]" in err


def test_a_plan_shows_who_and_why_and_does_nothing(adopted, club, gatekeeper):
    async def silence(parts):
        async with parts.store.transaction(parts.club) as tx:
            past = parts.clock.now() - timedelta(days=400)
            await tx.change(await club_state(tx), watched_since=past)
            for member in await tx.find(Membership):
                await tx.change(member, known_since=past, since=past)

    club.within(silence)
    code, out, err = gatekeeper("sweep", "plan", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert set(found) == {"on_trial", "notify", "remove", "unreachable", "counts", "held"}
    code, out, _ = gatekeeper("sweep", "plan")
    assert code == 0
    assert "Nothing has been done." in out
    assert {m["state"] for m in json.loads(gatekeeper("members", "list", "--json")[1])} == {
        "active"
    }
    assert json.loads(gatekeeper("sweep", "status", "--json")[1])["last"] is None
    assert gatekeeper("sweep", "run", "--wait", "0")[0] in (0, 3)
    assert json.loads(gatekeeper("sweep", "status", "--json")[1])["last"] is not None


def test_verify_finds_a_changed_byte_and_a_cut_end(adopted, club, gatekeeper):
    assert gatekeeper("audit", "verify")[0] == 0
    rows = [json.loads(line) for line in gatekeeper("audit", "export")[1].splitlines()]
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    base = sqlite3.connect(club.folder / "data/gatekeeper.db")
    tables = [row[0] for row in base.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    table = next(
        name
        for name in tables
        if {"mac", "sentence"} <= {col[1] for col in base.execute(f"PRAGMA table_info({name})")}
    )
    kept = base.execute(f"SELECT sentence FROM {table} WHERE sequence = 2").fetchone()[0]
    base.execute(f"UPDATE {table} SET sentence = sentence || '.' WHERE sequence = 2")
    base.commit()
    code, _, err = gatekeeper("audit", "verify")
    assert code == 1
    assert "[record-broken]" in err
    base.execute(f"UPDATE {table} SET sentence = ? WHERE sequence = 2", (kept,))
    base.commit()
    assert gatekeeper("audit", "verify")[0] == 0
    base.execute(f"DELETE FROM {table} WHERE sequence = ?", (len(rows),))
    base.commit()
    base.close()
    assert gatekeeper("audit", "verify")[0] == 1


def test_a_backup_is_a_whole_club_for_its_owner_alone(adopted, club, gatekeeper, tmp_path):
    target = tmp_path / "backup"
    assert gatekeeper("db", "backup", str(target))[0] == 0
    load_keys(target / "keys")
    assert (target / "house-rules.yaml").is_file()
    modes = {stat.S_IMODE(each.stat().st_mode) for each in target.rglob("*") if each.is_file()}
    assert modes == {0o600}
    with sqlite3.connect(target / "gatekeeper.db") as base:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert gatekeeper("db", "backup", str(target))[0] == 1
    assert gatekeeper("db", "check")[0] == 0
    assert gatekeeper("db", "upgrade")[0] == 0
