"""What rules said, as sentences."""

from gatekeeper.domain.decisions import RuleResult
from gatekeeper.policy.explain import explain_results

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
