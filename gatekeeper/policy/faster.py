"""A policy that judges by generated code: simulations of a long past, and plans over many.

Whoever is removed, or let in, is judged by the library alone just before.

The library stays the authority: it judges what the code cannot, whatever had a fault in it, and
one in so many besides; at the first difference the code is given up, loudly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gatekeeper.domain.errors import GatekeeperError
from gatekeeper.policy.evaluation import RuleSet, find
from gatekeeper.policy.facts import Facts
from gatekeeper.policy.generate import Bits, CannotGenerate, Source, generate
from gatekeeper.policy.judge import Policy

SAMPLE = 50


class BackendsDiffer(GatekeeperError):
    """The generated code and the library gave different results for `rule`."""

    code = "backends-differ"


@dataclass(slots=True)
class Checked:
    """Generated code for one set of rules, held against the library now and then."""

    rules: RuleSet
    made: Bits
    sample: int
    count: int = 0

    def bits(self, facts: Facts, now: datetime) -> Sequence[bool] | None:
        """Of each rule in its order; None where the library is to judge.

        Raises:
            BackendsDiffer: at the first difference from the library.
        """
        try:
            bits = self.made(facts, now)
        except Exception:  # whatever it was: what CEL makes of it, the library knows
            return None
        if self.count % self.sample == 0:
            self._compare(bits, facts, now)
        self.count += 1
        return bits

    def _compare(self, bits: Sequence[bool], facts: Facts, now: datetime) -> None:
        right = find(self.rules, facts, now).bits
        for rule, one, other in zip(self.rules.all, bits, right, strict=True):
            if one is not other:
                raise BackendsDiffer(rule=rule.rule.id)


def faster(policy: Policy, sample: int = SAMPLE) -> Policy:
    """The same policy, judging by generated code where it can.

    Args:
        sample: one judgement in so many is made by the library too, the first one always.
    """
    return replace(
        policy,
        admission_rules=_with_code(policy.admission_rules, sample),
        pruning_rules=_with_code(policy.pruning_rules, sample),
    )


def _with_code(rules: RuleSet, sample: int) -> RuleSet:
    conditions = rules.conditions
    source = Source(
        conditions.subject, conditions.subject_schema, rules.params, dict(rules.variables)
    )
    try:
        made = generate(source, [one.condition for one in rules.all])
    except CannotGenerate:
        return rules
    return replace(rules, fast=Checked(rules, made.bits, max(1, sample)))
