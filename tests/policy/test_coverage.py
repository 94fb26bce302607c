"""How much of a policy its cases show."""

import pytest

from gatekeeper.policy.cases import run_cases
from tests.policy.builders import a_policy, rule

HEAD = "now: 2026-03-01T12:00:00Z\ncases:\n"


def covered(policy, *cases):
    return run_cases(policy, HEAD + "".join(f"  - {{{case}}}\n" for case in cases)).coverage


def missing(policy, *cases):
    """(code, rule, source) of what is missing of the rule `tried`."""
    found = covered(policy, *cases).missing
    return [
        (one.code.removeprefix("coverage-"), one.source) for one in found if one.rule == "tried"
    ]


def case(number, facts, rule="x"):
    return f"case: c{number}, application: {{{facts}}}, expect: {{rule: {rule}}}"


BOTH = "application.vouches >= 2 && application.objections == 0"
VOUCHES, OBJECTIONS = BOTH.split(" && ")

ROWS = [
    ([""], ["rule-never", f"never-true {VOUCHES}", f"never-false {OBJECTIONS}"]),
    (["vouches: 2"], ["rule-always", f"never-false {VOUCHES}", f"never-false {OBJECTIONS}"]),
    (["vouches: 2", ""], [f"never-false {OBJECTIONS}"]),
    # The second atom is looked at also where the first one already settles the matter.
    (["vouches: 2", "objections: 1"], []),
]


@pytest.mark.parametrize(("given", "lacking"), ROWS)
def test_rules_and_each_atom_are_wanted_both_ways(given, lacking):
    policy = a_policy(rule(BOTH))
    cases = [case(number, facts, "tried") for number, facts in enumerate(given)]
    found = [" ".join(part for part in one if part) for one in missing(policy, *cases)]
    assert found == lacking


def test_a_rule_that_matches_only_behind_others_is_told_apart():
    policy = a_policy(
        (
            "      - id: default\n",
            "      - id: tried\n        condition: application.vouches > 0\n"
            "        output: {decision: admit}\n      - id: default\n",
        )
    )
    one = "case: a, application: {vouches: 1, answers: {why: casino}}, expect: {rule: spam}"
    assert ("rule-not-first", "") in missing(policy, one)
    assert ("rule-never", "") in missing(
        policy, "case: a, application: {}, expect: {rule: default}"
    )


def test_an_absent_value_shows_nothing():
    condition = "has(application.last_declined_at) && application.last_declined_at < now"
    policy = a_policy(rule(condition))
    found = missing(policy, case(1, "", "default"))
    assert ("never-false", "application.last_declined_at < now") in found
    assert ("never-true", "application.last_declined_at < now") in found
    assert ("never-false", "has(application.last_declined_at)") not in found


def test_a_rule_on_trial_has_only_to_match():
    policy = a_policy(rule("application.vouches > 0", mode="audit"))
    assert missing(policy, case(1, "vouches: 1", "default"), case(2, "", "default")) == []


def test_a_document_on_trial_is_covered_by_what_would_decide():
    policy = a_policy(
        ("metadata: {name: door}\nspec:\n", "metadata: {name: door}\nspec:\n  mode: audit\n"),
        rule("application.vouches > 0"),
    )
    cases = [case(n, facts, "''") for n, facts in enumerate(("vouches: 1", "vouches: 0"))]
    assert missing(policy, *cases) == []


def test_constants_need_no_case():
    policy = a_policy(rule("params.pattern == 'x' || application.vouches > 1"))
    found = missing(policy, case(1, "vouches: 2", "tried"), case(2, "", "default"))
    assert found == []


def test_variables_that_are_true_or_false_are_looked_into():
    policy = a_policy(
        (
            "  review: {approvals: 2}\n",
            "    - {name: known, expression: application.vouches > 1 || application.was_member}\n"
            "  review: {approvals: 2}\n",
        ),
        rule("variables.known"),
    )
    found = covered(policy, case(1, "vouches: 2", "tried"), case(2, "", "default"))
    assert [(one.code, one.source) for one in found.missing if "known" in one.rule] == [
        ("coverage-never-true", "application.was_member")
    ]


def test_all_is_all_and_less_is_never_rounded_up_to_it():
    policy = a_policy()
    cases = [
        "case: a, application: {answers: {why: casino}}, expect: {rule: spam}",
        "case: b, application: {}, expect: {rule: default}",
        "case: c, member: {admin: true}, expect: {rule: staff}",
        "case: d, member: {grace_over: true, noticed_at: 30d}, expect: {verdict: remove}",
        "case: e, member: {silent: 91d}, expect: {rule: quiet}",
    ]
    whole = covered(policy, *cases)
    assert whole.missing == ()
    assert whole.percent == 100
    assert whole.lines() == (f"covered: 100 % ({whole.count} of {whole.count})",)
    part = covered(policy, *cases[:-1])
    assert part.percent < 100
    assert part.covered == part.count - len(part.missing)
    assert "rule quiet: no case matches it" in part.lines()
    assert "quiet: never true: member.silent > duration('90d')" in part.lines()
    assert any("niemals wahr" in line for line in part.lines("de"))
