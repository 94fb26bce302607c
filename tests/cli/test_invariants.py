"""policy check --invariants, over made-up facts and over those of a club's record."""

import json
from datetime import timedelta

import pytest

from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.policy.facts import MemberFacts

STATED = """\
  invariants:
    - id: nobody-is-asked
      description: Nobody is ever asked.
      condition: '{condition}'
"""


@pytest.fixture
def stated(club):
    """State one invariant about members in the club's policy."""

    def state(condition: str) -> None:
        path = club.folder / "house-rules.yaml"
        before, found, after = path.read_text().partition("kind: PruningPolicy")
        after = after.split("\n  invariants:")[0].rstrip() + "\n"
        path.write_text(before + found + after + STATED.format(condition=condition))

    return state


def test_what_holds_is_said_to_hold(stated, gatekeeper):
    stated('!(verdict == "remove" && member.admin)')
    code, out, _ = gatekeeper("policy", "check", "--invariants", "--tries", "50")
    assert code == 0
    assert "hold" in out


def test_what_is_broken_is_shown_as_a_case(stated, gatekeeper):
    stated('verdict != "notify"')
    code, out, _ = gatekeeper("policy", "check", "--invariants", "--tries", "300", "--seed", "2")
    assert code == 1
    assert "nobody-is-asked" in out
    assert "  - case: Nobody is ever asked." in out
    assert "silent: 91d" in out
    code, out, _ = gatekeeper("policy", "check", "--invariants", "--tries", "300", "--json")
    told = json.loads(out)
    assert code == 1
    assert told["findings"] == []
    (broken,) = told["invariants"][0]["broken"]
    assert broken["given"] == {"silent": "91d"}
    assert "- case:" in broken["case"]


def test_a_policy_with_mistakes_is_not_tried(club, stated, gatekeeper):
    stated('verdict != "notify" && nothing')
    code, out, err = gatekeeper("policy", "check", "--invariants")
    assert code == 1
    assert "condition-unknown-name" in err
    assert out == ""


def test_recorded_facts_are_tried_too(club, stated, gatekeeper):
    stated('member.last_place != "#attic"')

    async def record(parts):
        now = parts.clock.now()
        facts = MemberFacts(
            known_since=now - timedelta(days=400),
            silent=timedelta(days=3),
            last_place="#attic",
            messages_30d=7,
        )
        membership = {
            "state": "active",
            "notice_ref": "",
            "known_since": facts.known_since.isoformat(),
            "last_seen_at": None,
            "noticed_at": None,
            "unreachable_since": None,
            "grace_ends_at": None,
        }
        seen = {"facts": facts.model_dump(mode="json"), "protected": "", "membership": membership}
        async with parts.store.transaction(parts.club) as tx:
            await tx.record(
                at=now,
                actor="rule:quiet",
                subject="membership:1",
                decision=Decision(Verdict.NOTIFY, "silent-notice"),
                sentence="-",
                policy=parts.policy.digest,
                seen=seen,
            )

    club.within(record)
    code, out, _ = gatekeeper("policy", "check", "--invariants", "--recorded", "--tries", "1")
    assert code == 1
    assert "membership:1" in out
    assert "last_place: '#attic'" in out
    assert "messages_30d" not in out
