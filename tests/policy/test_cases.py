"""The cases beside a policy."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gatekeeper.policy.cases import application_facts, member_facts, run_cases
from gatekeeper.policy.parse import PolicyError, check_policy, load_policy
from tests.policy.builders import NOW, a_policy

POLICIES = sorted(
    path
    for path in (Path(__file__).parents[2] / "policies").glob("*.yaml")
    if not path.name.endswith(".cases.yaml")
)
POLICY = a_policy()


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_every_policy_that_is_shipped_is_sound_and_its_cases_fire_every_rule(path):
    text = path.read_text(encoding="utf-8")
    assert check_policy(text, path.name) == ()
    cases = path.with_suffix(".cases.yaml").read_text(encoding="utf-8")
    report = run_cases(load_policy(text, path.name), cases)
    assert report.passed, "\n".join(report.lines())
    assert report.never_fired == ()


def test_a_difference_is_told_readably():
    report = run_cases(
        POLICY,
        "now: 2026-03-01T12:00:00Z\n"
        "cases:\n"
        "  - {case: right, member: {silent: 91d}, expect: {verdict: notify, rule: quiet}}\n"
        "  - {case: wrong, member: {silent: 91d}, expect: {verdict: keep, code: kept}}\n",
    )
    assert not report.passed
    assert report.lines()[:4] == (
        "passed  right",
        "FAILED  wrong",
        "        verdict: expected 'keep', got 'notify'",
        "        code: expected 'kept', got 'silent-notice'",
    )
    assert "no case fires rule spam" in report.lines()


def test_facts_are_short_to_write():
    given = {"answers": {"why": "see https://a.b"}, "last_declined_at": "3d"}
    facts = application_facts(POLICY, given, NOW)
    assert (facts.text, facts.links) == ("see https://a.b", 1)
    assert facts.last_declined_at == NOW - timedelta(days=3)
    member = member_facts(
        {"silent": "2w", "known_since": datetime(2026, 1, 1, tzinfo=UTC).date()}, NOW
    )
    assert member.silent == timedelta(weeks=2)
    assert member.known_since == datetime(2026, 1, 1, tzinfo=UTC)


def test_shared_facts_are_merged_and_a_case_may_have_its_own_now():
    report = run_cases(
        POLICY,
        "now: 2026-03-01T12:00:00Z\n"
        "application: {answers: {why: casino, age: 3}}\n"
        "cases:\n"
        "  - {case: shared, application: {}, expect: {rule: spam}}\n"
        "  - {case: own, application: {answers: {why: x}}, expect: {rule: default},"
        " now: 2027-01-01T00:00:00Z}\n",
    )
    assert report.passed, report.lines()


WRONG = [
    ("- {case: a, member: {silent: 9x}, expect: {}}", "duration"),
    ("- {case: a, member: {nope: 1}, expect: {}}", "nope"),
    ("- {case: a, expect: {}}", "either"),
    ("- {case: a, member: {}, application: {}, expect: {}}", "either"),
]


@pytest.mark.parametrize(("case", "told"), WRONG)
def test_a_case_that_cannot_be_run_fails_with_its_reason(case, told):
    report = run_cases(POLICY, f"now: 2026-03-01T12:00:00Z\ncases:\n  {case}\n")
    assert told in report.lines()[1]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("cases: []", "cases-wrong"),
        ("now: 2026-03-01T12:00:00Z\ncases: [{case: a, expect: {verdict: yes}}]", "cases-wrong"),
        ("now: [", "yaml-syntax"),
        ("\x00", "yaml-syntax"),
    ],
)
def test_what_is_no_file_of_cases_gives_findings(text, code):
    with pytest.raises(PolicyError) as caught:
        run_cases(POLICY, text)
    assert caught.value.findings[0].code == code
