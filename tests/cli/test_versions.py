"""The policy's file under a running service, and the commands about its versions."""

import json
import signal
import time

import pytest

from gatekeeper.domain.clubs import ClubState, PolicyChange, PolicyVersion
from gatekeeper.domain.decisions import Order, Post
from tests.cli.test_service import codes

SECONDS = 20  # to notice a file on a busy machine; a look takes one


def until(club, work, seconds=SECONDS):
    """What `work(tx)` says of the club's tables, once it says anything."""

    async def look(parts):
        async with parts.store.look(parts.club) as tx:
            return await work(tx)

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := club.within(look):
            return found
        time.sleep(0.3)
    raise AssertionError(club.log)


def version_with(word):
    """The version in force, once its text has `word`."""

    async def look(tx):
        state = await tx.first(ClubState)
        found = await tx.first(PolicyVersion, digest=state.policy)
        return found if found and word in found.text else None

    return look


def told(word):
    """A text in the admin room that says `word`."""

    async def look(tx):
        posts = [each.action for each in await tx.find(Order, purpose="policy")]
        return [p.text for p in posts if isinstance(p, Post) and word in p.text]

    return look


def edit(club, old, new):
    file = club.folder / "house-rules.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return text


def ready(club):
    """What /readyz says of the policy's file."""
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{club.port}/readyz", timeout=5) as answer:
        return json.load(answer)["parts"]["policy"]


@pytest.mark.usefixtures("begun")
def test_a_file_is_taken_up_while_the_service_runs(club, gatekeeper):
    with club.served() as process:
        edit(club, "A friendly club", "A very friendly club")
        until(club, version_with("A very friendly club"))
        good = edit(club, "openFor:", "openfor:")
        [text] = until(club, told("field-unknown"))
        assert "house-rules.yaml:" in text
        assert ready(club) == {"ok": True, "code": "policy-file-wrong"}
        assert club.readyz() == 200
        assert "doctor.policy-wrong" in codes(gatekeeper("doctor")[1])
        (club.folder / "house-rules.yaml").write_text(good)
        end = time.monotonic() + SECONDS
        while ready(club)["code"] and time.monotonic() < end:
            time.sleep(0.2)
        assert ready(club) == {"ok": True, "code": ""}
        cases = club.folder / "house-rules.cases.yaml"
        cases.write_text(cases.read_text().replace("verdict: keep", "verdict: remove", 1))
        edit(club, "A very friendly club", "A most friendly club")
        process.send_signal(signal.SIGHUP)
        until(club, told("policy-cases-failed"))
        until(club, version_with("A very friendly club"))
        assert "policy-cases-failed" in codes(gatekeeper("doctor")[1])


def test_killed_between_reading_and_using_it_loses_nothing(club):
    with club.served() as process:
        edit(club, "A friendly club", "A very friendly club")
        process.kill()
        process.wait(10)
    with club.served():
        until(club, version_with("A very friendly club"))

    async def changes(tx):
        return await tx.find(PolicyChange)

    rows = until(club, changes)
    assert [row.reason for row in rows] == ["file", "file"]


def test_before_the_first_start_there_is_nothing_to_tell(gatekeeper):
    for words in (("history",), ("promote",), ("promote", "--yes"), ("rollback", "--release")):
        code, out, err = gatekeeper("policy", *words)
        assert (code, err) == (0, ""), words
        assert "  is in force" not in out
    assert "No version has been in force yet" in gatekeeper("policy", "history")[1]
    code, _, err = gatekeeper("policy", "rollback", "abcd", "--yes")
    assert code == 1
    assert "gatekeeper policy history" in err


@pytest.mark.usefixtures("begun")
def test_what_reads_tables_alone_needs_no_login(club, gatekeeper, monkeypatch):
    """Whoever looks after the rules need not have the bot's token."""
    monkeypatch.delenv("GATEKEEPER_MATRIX__ACCESS_TOKEN")
    assert not (club.folder / "matrix-token").exists()
    [version] = json.loads(gatekeeper("policy", "history", "--json")[1])["history"]
    known = version["digest"][:8]
    for words in (("trials",), ("promote",), ("show", known), ("diff", known, known)):
        code, _, err = gatekeeper("policy", *words)
        assert (code, err) == (0, ""), words
    assert gatekeeper("policy", "rollback", "--release", "--yes")[0] == 0
    monkeypatch.setenv("GATEKEEPER_MATRIX__ADMIN_API", "perhaps")
    assert gatekeeper("policy", "history")[0] == 0
    monkeypatch.setenv("GATEKEEPER_BIND_PORT", "none")  # what is not a login is still looked at
    assert gatekeeper("policy", "history")[0] == 2
    assert "access_token" in gatekeeper("members", "adopt")[2]


@pytest.mark.usefixtures("begun")
def test_the_way_back_and_its_traces(club, gatekeeper):
    assert gatekeeper("policy", "rollback")[0] == 2
    edit(club, "A friendly club", "A very friendly club")
    with club.served():
        code, out, _ = gatekeeper("policy", "history", "--json")
        told_of = json.loads(out)
        assert code == 0
        assert told_of["in_force"] == told_of["file"]
        newest, oldest = told_of["history"]
        assert newest["before"] == oldest["digest"]
        assert (newest["actor"], newest["reason"]) == ("file:house-rules.yaml", "file")
        code, out, _ = gatekeeper("policy", "show", oldest["digest"][:8])
        assert code == 0
        assert "A friendly club" in out
        code, out, _ = gatekeeper("policy", "rollback", oldest["digest"][:8])
        assert code == 0
        assert "--yes" in out
        assert (
            json.loads(gatekeeper("policy", "history", "--json")[1])["in_force"] == newest["digest"]
        )
        assert gatekeeper("policy", "rollback", oldest["digest"][:8], "--yes")[0] == 0
        until(club, told("An earlier version"))
        assert "left aside" in gatekeeper("policy", "history")[1]
        assert "doctor.policy-set-aside" in codes(gatekeeper("doctor")[1])
        end = time.monotonic() + SECONDS
        while ready(club)["code"] != "policy-aside" and time.monotonic() < end:
            time.sleep(0.2)
        assert ready(club) == {"ok": True, "code": "policy-aside"}
    with club.served():  # a restart does not undo it
        until(club, version_with("A friendly club"))
        assert gatekeeper("policy", "rollback", "--release", "--yes")[0] == 0
        until(club, version_with("A very friendly club"))
    assert gatekeeper("policy", "show", "ffff")[0] == 1
    assert gatekeeper("policy", "trials")[0] == 0


def test_what_waits_is_put_in_force_by_a_word(club, gatekeeper):
    rules = club.folder / "house-rules.yaml"
    enforce = rules.read_text()
    assert "  mode: enforce" in enforce
    rules.write_text(enforce.replace("mode: enforce", "mode: audit"))
    (club.folder / "house-rules.cases.yaml").unlink()
    with club.served():
        _, out, _ = gatekeeper("sweep", "plan")
        assert "audit mode" in out
        assert gatekeeper("policy", "promote", "--yes")[0] == 0
        rules.write_text(enforce)

        async def waits(tx):
            return (await tx.first(ClubState)).policy_pending

        until(club, waits)
        assert "doctor.policy-waits" in codes(gatekeeper("doctor")[1])
    with club.served():  # nor does a restart put it in force
        until(club, waits)
        _, out, _ = gatekeeper("policy", "promote")
        assert "could remove people" in out
        assert "--yes" in out
        assert gatekeeper("policy", "promote", "--yes")[0] == 0
        until(club, version_with("mode: enforce"))
        assert club.readyz() == 200
