"""What the rules of a policy can lead to: verdicts, codes, ids of rules."""

import difflib
from collections.abc import Iterable, Mapping
from datetime import datetime

from gatekeeper.domain.decisions import Ruling
from gatekeeper.policy.case_facts import Subject
from gatekeeper.policy.evaluation import CODES, FAULT, VERDICTS, Inspection, RuleSet, code_of
from gatekeeper.policy.facts import ApplicationFacts, Facts, MemberFacts
from gatekeeper.policy.judge import Policy

# The outcomes of each subject in the words of a policy, the one that does nothing first.
WORDS: Mapping[Subject, tuple[str, ...]] = {
    "application": ("review", "decline", "admit"),
    "member": ("keep", "notify", "remove"),
}


def rules_of(policy: Policy, subject: Subject) -> RuleSet:
    """The rules that such a subject is judged by."""
    return policy.admission_rules if subject == "application" else policy.pruning_rules


def judge(policy: Policy, facts: Facts, now: datetime) -> Ruling:
    """What the policy says of either subject."""
    if isinstance(facts, ApplicationFacts):
        return policy.judge_application(facts, now)
    assert isinstance(facts, MemberFacts)
    return policy.judge_member(facts, now)


def look_into(policy: Policy, facts: Facts, now: datetime) -> Inspection:
    """The same, with every atom of every rule."""
    if isinstance(facts, ApplicationFacts):
        return policy.look_into_application(facts, now)
    assert isinstance(facts, MemberFacts)
    return policy.look_into_member(facts, now)


def outcomes(
    policy: Policy, subject: Subject
) -> tuple[tuple[str, ...], frozenset[str], tuple[str, ...]]:
    """The verdicts, codes and ids of rules that judging such a subject can give."""
    rules = rules_of(policy, subject)
    verdicts = [VERDICTS[word] for word in WORDS[subject]]
    quiet = CODES[VERDICTS[WORDS[subject][0]]]
    codes = {quiet, FAULT, *(code_of(one.rule) for one in (*rules.exclude, *rules.match))}
    ids = tuple(one.rule.id for one in (*rules.exclude, *rules.match))
    return tuple(verdict.value for verdict in verdicts), frozenset(codes), ids


def close(name: str, known: Iterable[str]) -> str:
    """The known names closest to `name`, all of them where none is close."""
    names = list(known)
    return ", ".join(difflib.get_close_matches(name, names, 3, 0.5) or names) or "-"
