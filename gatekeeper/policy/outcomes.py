"""What the rules of a policy can lead to: verdicts, codes, ids of rules."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from gatekeeper.policy.evaluation import CODES, FAULT, VERDICTS, code_of
from gatekeeper.policy.facts import Subject
from gatekeeper.policy.judge import Policy

# The outcomes of each subject in the words of a policy, the one that does nothing first.
WORDS: Mapping[Subject, tuple[str, ...]] = {
    "application": ("review", "decline", "admit"),
    "member": ("keep", "notify", "remove"),
}

COMPARED: Final = 500  # names that a misspelt one is compared with
TOLD: Final = 40  # of them told


def outcomes(
    policy: Policy, subject: Subject
) -> tuple[tuple[str, ...], frozenset[str], tuple[str, ...]]:
    """The verdicts, codes and ids of rules that judging such a subject can give."""
    rules = policy.rules_for(subject)
    verdicts = [VERDICTS[word] for word in WORDS[subject]]
    quiet = CODES[VERDICTS[WORDS[subject][0]]]
    codes = {quiet, FAULT, *(code_of(one.rule) for one in rules.all)}
    ids = tuple(one.rule.id for one in rules.all)
    return tuple(verdict.value for verdict in verdicts), frozenset(codes), ids


def close(name: str, known: Iterable[str]) -> str:
    """The known names closest to `name`, all of them (of very many some) where none is close."""
    names = list(known)[:COMPARED]
    found = difflib.get_close_matches(name[:100], names, 3, 0.5) or names[:TOLD]
    return ", ".join(found) + (" …" if found[TOLD - 1 :] and names[TOLD:] else "") or "-"
