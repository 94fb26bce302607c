"""A small sound policy, pieces of which tests exchange, and facts to judge."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gatekeeper.policy.facts import ApplicationFacts, MemberFacts
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.parse import load_policy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

POLICY = """\
apiVersion: gatekeeper/v1
kind: Club
metadata: {name: house}
spec:
  timeZone: Europe/Berlin
  admins:
    people: ["matrix:@ann:example.org", "matrix:@ben:example.org"]
  platforms:
    matrix:
      space: {alias: house}
      rooms: [{alias: lobby}, {alias: talk}]
      adminRoom: {alias: admins}
      welcomeRoom: lobby
  form:
    questions:
      - {id: why, kind: longText, label: "Why?", required: true}
      - {id: age, kind: number, label: "How old?"}
  texts:
    own-words: {en: "Your own words, {club}."}
  declineReasons:
    - {id: not-a-fit, text: We do not fit., translations: {de: Wir passen nicht zusammen.}}
---
apiVersion: gatekeeper/v1
kind: AdmissionPolicy
metadata: {name: door}
spec:
  params: {cooldown: 30d, pattern: "(?i)casino"}
  variables:
    - {name: known_for, expression: now - application.first_seen_at}
  review: {approvals: 2}
  rule:
    match:
      - id: spam
        condition: application.text.matches(params.pattern)
        output: {decision: decline, message: own-words}
      - id: default
        output: {decision: review}
---
apiVersion: gatekeeper/v1
kind: PruningPolicy
metadata: {name: roll}
spec:
  schedule: "0 6 * * MON"
  mode: enforce
  exclude:
    - {id: staff, condition: member.admin}
  rule:
    match:
      - id: over
        condition: member.grace_over
        output: {action: remove}
      - id: quiet
        condition: member.silent > duration('90d')
        output: {action: notify}
"""


def policy_text(*changes: tuple[str, str]) -> str:
    """POLICY with each (old, new) exchanged; every old must be there."""
    text = POLICY
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def a_policy(*changes: tuple[str, str]) -> Policy:
    return load_policy(policy_text(*changes), "policy.yaml")


def rule(condition: str, decision: str = "admit", **more: str) -> tuple[str, str]:
    """A change of POLICY: a first admission rule `tried` with this condition."""
    extra = "".join(f"        {name}: {value}\n" for name, value in more.items())
    made = (
        f"      - id: tried\n        condition: |-\n          {condition}\n"
        f"        output: {{decision: {decision}}}\n{extra}"
    )
    return "      - id: spam\n", made + "      - id: spam\n"


def an_application(**facts: Any) -> ApplicationFacts:
    values = {
        "submitted_at": NOW,
        "first_seen_at": NOW - timedelta(days=1),
        "identity": "matrix:@ada:example.org",
        "answers": {"why": "gardens"},
        **facts,
    }
    return ApplicationFacts.model_validate(values)


def a_member(**facts: Any) -> MemberFacts:
    values = {"known_since": NOW - timedelta(days=400), "silent": timedelta(0), **facts}
    return MemberFacts.model_validate(values)
