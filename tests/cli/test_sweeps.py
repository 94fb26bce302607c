"""sweep status, history, keep: over a club's tables, without a service."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import Membership, State, Sweep, SweepItem
from gatekeeper.usecases.parts import record

CARL = "@carl:example.org"
UNTIL = (datetime.now(UTC) + timedelta(days=90)).date().isoformat()


@pytest.fixture
def staged(club, gatekeeper):
    """Ada was asked, Carl is planned for removal; one sweep went through, one was held."""
    assert gatekeeper("members", "adopt", "--yes")[0] == 0

    async def begin(parts):
        now = parts.clock.now()
        async with parts.store.transaction(parts.club) as tx:
            asked = {"noticed_at": now, "notice_ref": "$n", "grace_ends_at": now}
            for name, state, more in (
                ("ada", State.NOTICED, asked | {"grace_ends_at": now + timedelta(days=9)}),
                ("carl", State.PLANNED, asked | {"planned_at": now}),
            ):
                who = Identity("matrix", f"@{name}:example.org")
                member = await tx.first(Membership, identity=who)
                await tx.change(member, state=state, **more)
            for slot, held in (("one", ""), ("two", "brake-count")):
                counts = {"silent-notice": 1, "rule-keep": 4}
                sweep = await tx.add(
                    Sweep(club=tx.club, slot=slot, at=now, policy="p", counts=counts, held=held)
                )
                item = SweepItem(
                    club=tx.club,
                    sweep_id=sweep.id,
                    membership_id=member.id,
                    verdict="notify",
                    code="silent-notice",
                    rule="silent",
                    evidence={"seen_share": 1.0, "known_since": now.isoformat()},
                )
                await tx.add(item)
            released = Decision(Verdict.RECORD, "sweep-released")
            await record(
                tx, parts, released, now=now, actor="operator:root", subject=f"sweep:{sweep.id}"
            )

    club.within(begin)


def test_status_tells_stages_with_counts_and_what_comes_next(staged, gatekeeper):
    code, out, err = gatekeeper("sweep", "status")
    assert code == 0, err
    assert "asked; time to answer" in out
    assert "planned; waits for an admin's word" in out
    assert CARL in out
    assert "next at" in out
    found = json.loads(gatekeeper("sweep", "status", "--json")[1])
    by_code = {one["code"]: one for one in found["stages"]}
    assert by_code["stage.noticed"]["count"] == by_code["stage.planned"]["count"] == 1
    nine_days = datetime.now(UTC) + timedelta(days=9)
    moment = datetime.fromisoformat(by_code["stage.noticed"]["next_at"])
    assert abs(moment - nine_days) < timedelta(minutes=5)
    assert found["next"] is not None


def test_history_tells_what_was_held_and_by_whom_released(staged, gatekeeper):
    code, out, err = gatekeeper("sweep", "history")
    assert code == 0, err
    assert "operator:root" in out
    newest, oldest = json.loads(gatekeeper("sweep", "history", "--json")[1])
    assert (newest["sweep"]["held"], newest["answer"], newest["by"]) == (
        "brake-count",
        "sweep-released",
        "operator:root",
    )
    assert (oldest["sweep"]["held"], oldest["answer"], oldest["asked"]) == ("", "", 1)
    assert oldest["looked_at"] == 5
    assert len(json.loads(gatekeeper("sweep", "history", "--last", "1", "--json")[1])) == 1


def test_history_of_a_new_club(club, gatekeeper):
    assert "no sweep yet" in gatekeeper("sweep", "history")[1]


def test_one_is_kept_out_with_a_reason_and_an_end(staged, gatekeeper):
    code, out, err = gatekeeper(
        "sweep", "keep", CARL, "--because", "keeps the lamp", "--until", UNTIL
    )
    assert code == 0, err
    assert "Exempt until" in out
    shown = json.loads(gatekeeper("members", "show", CARL, "--json")[1])
    assert shown["membership"]["state"] == "active"
    [kept] = shown["exemptions"]
    assert (kept["reason"], kept["ended_at"]) == ("keeps the lamp", None)
    assert kept["author"].startswith("operator:")
    assert "kept-by-admin" in [one["code"] for one in shown["record"]]


WRONG = [
    pytest.param(["keep", CARL], 2, "--because", id="without a reason"),
    pytest.param(["keep", CARL, "--because", " "], 2, "reason-required", id="an empty one"),
    pytest.param(["keep", CARL, "--because", "x", "--until", "soon"], 2, "not-a-date", id="date"),
    pytest.param(["keep", "@eve:example.org", "--because", "x"], 1, "nothing-to-keep", id="no"),
    pytest.param(["keep", "@zoe:example.org", "--because", "x"], 1, "not-a-member", id="who"),
]


@pytest.mark.parametrize(("words", "exit_code", "why"), WRONG)
def test_what_cannot_be_kept_changes_nothing(staged, gatekeeper, words, exit_code, why):
    code, _, err = gatekeeper("sweep", *words)
    assert code == exit_code, err
    assert why in err
    found = json.loads(gatekeeper("members", "show", CARL, "--json")[1])
    assert found["membership"]["state"] == "planned"
