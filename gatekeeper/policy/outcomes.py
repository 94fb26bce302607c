"""What the rules of a policy can lead to: verdicts, codes, ids of rules."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from gatekeeper.policy.case_facts import Subject
from gatekeeper.policy.judge import CODES, FAULT, VERDICTS, CompiledRule, Policy, RuleSet

# The outcomes of each subject in the words of a policy, the one that does nothing first.
WORDS: Mapping[Subject, tuple[str, ...]] = {
    "application": ("review", "decline", "admit"),
    "member": ("keep", "notify", "remove"),
}


def rules_of(policy: Policy, subject: Subject) -> RuleSet:
    """The rules that such a subject is judged by."""
    return policy.admission_rules if subject == "application" else policy.pruning_rules


def outcomes(
    policy: Policy, subject: Subject
) -> tuple[tuple[str, ...], frozenset[str], tuple[str, ...]]:
    """The verdicts, codes and ids of rules that judging such a subject can give."""
    rules = rules_of(policy, subject)
    verdicts = [VERDICTS[word] for word in WORDS[subject]]
    quiet = CODES[VERDICTS[WORDS[subject][0]]]
    codes = {quiet, FAULT, *(_code(rule) for rule in (*rules.exclude, *rules.match))}
    ids = tuple(one.rule.id for one in (*rules.exclude, *rules.match))
    return tuple(verdict.value for verdict in verdicts), frozenset(codes), ids


def _code(compiled: CompiledRule) -> str:
    rule: Any = compiled.rule
    output = getattr(rule, "output", None)
    if output is None:
        return str(rule.message)
    outcome = getattr(output, "decision", "") or getattr(output, "action", "")
    reason = getattr(output, "reason", "")
    return str(output.message or ("declined" if reason else CODES[VERDICTS[outcome]]))


def close(name: str, known: Iterable[str]) -> str:
    """The known names closest to `name`, all of them where none is close."""
    names = list(known)
    return ", ".join(difflib.get_close_matches(name, names, 3, 0.5) or names) or "-"
