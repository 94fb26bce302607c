"""Rulings as sentences."""

from gatekeeper.domain.decisions import Decision, RuleResult, Verdict
from gatekeeper.policy.explain import explain_decision, explain_results, explain_ruling
from tests.policy.builders import NOW, a_policy, an_application, rule

RESULTS = (
    RuleResult("first", False),
    RuleResult("shadow", True, "", True),
    RuleResult("second", True),
    RuleResult("third", True),
    RuleResult("broken", None, "divide by zero"),
)


def test_each_rule_is_told_and_the_one_that_decided_named():
    assert explain_results(RESULTS) == (
        "Rule first: does not match.",
        "Rule shadow: would match; it is only on trial.",
        "Rule second: fired.",
        "Rule third: matches, an earlier one decided.",
        "Rule broken: could not be evaluated (divide by zero).",
    )
    assert explain_results(RESULTS, "de")[2] == "Regel second: hat entschieden."


def test_a_fault_before_a_match_is_what_decided():
    results = (RuleResult("broken", None, "x"), RuleResult("late", True))
    assert "earlier" in explain_results(results)[1]


def test_a_ruling_as_sentences():
    policy = a_policy(rule("1 / application.links == 1"))
    ruling = policy.judge_application(an_application(), NOW)
    told = explain_ruling(ruling, "en", policy.club.spec.texts)
    assert told[:2] == (
        "Waits for the admins.",
        "A rule could not be evaluated, so people decide.",
    )
    assert "divide by zero" in told[2]
    assert len(told) == 2 + len(ruling.results)


def test_a_decision_is_one_sentence():
    decision = Decision(Verdict.WAIT, "short-of-quorum", {"approvals": 1, "needed": 2})
    assert explain_decision(decision) == "You have 1 of 2 approvals so far."
