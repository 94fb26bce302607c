"""Rulings and Decisions as sentences, for cards, status pages and terminals."""

from collections.abc import Iterable, Mapping

from gatekeeper.domain.decisions import Decision, RuleResult, Ruling
from gatekeeper.policy.texts import DEFAULT, NO_TEXTS, sentence


def explain_ruling(
    ruling: Ruling,
    language: str = DEFAULT,
    overrides: Mapping[str, Mapping[str, str]] = NO_TEXTS,
) -> tuple[str, ...]:
    """The outcome in a word, its sentence, then what every rule said; one sentence each."""
    return (
        sentence(f"verdict-{ruling.verdict.value}", {}, language),
        sentence(ruling.code, ruling.values, language, overrides),
        *explain_results(ruling.results, language),
    )


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


def explain_decision(
    decision: Decision,
    language: str = DEFAULT,
    overrides: Mapping[str, Mapping[str, str]] = NO_TEXTS,
) -> str:
    """The sentence of a Decision."""
    return sentence(decision.code, decision.values, language, overrides)
