"""What the rules said, as sentences for cards and terminals."""

from collections.abc import Iterable

from gatekeeper.domain.decisions import RuleResult
from gatekeeper.policy.texts import DEFAULT, sentence


def explain_results(results: Iterable[RuleResult], language: str = DEFAULT) -> tuple[str, ...]:
    """What each rule said, one sentence each; the one that decided is named as such."""
    told, decided = [], False
    for result in results:
        code = {None: "rule-faulty", False: "rule-not-matched", True: "rule-matched"}[
            result.matched
        ]
        if result.audit:
            code += "-audit"
        elif not decided and result.matched is not False:
            decided = True  # a fault decides too: people look at it, or the member is kept
            code = "rule-fired" if result.matched else code
        told.append(sentence(code, {"rule": result.rule, "fault": result.fault}, language))
    return tuple(told)
