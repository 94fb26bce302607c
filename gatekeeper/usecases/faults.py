"""Rules that could not be evaluated, told to whoever runs the service: one line for each fault.

Nobody is admitted or removed by one; the card or `members show` tells admins the values it came
from, which are people's own and stay out of logs.
"""

from collections.abc import Iterable

import structlog

from gatekeeper.domain.decisions import RuleResult, Ruling
from gatekeeper.policy.judge import Policy

log = structlog.get_logger(__name__)


def note(policy: Policy, judged: Iterable[tuple[str, Ruling]]) -> None:
    """Log each fault once, with the first rule and the first subject that have it.

    Args:
        judged: subjects with what the rules of `policy` said of them.
    """
    found: dict[str, list[tuple[str, RuleResult]]] = {}
    for subject, ruling in judged:
        first = next((one for one in ruling.results if one.fault), None)
        if first is not None:
            found.setdefault(_kind(first.fault), []).append((subject, first))
    for kind, those in found.items():
        subject, result = those[0]
        log.warning(
            "rule-fault",
            rule=result.rule,
            fault=kind,
            subject=subject,
            subjects=len(those),
            policy=policy.digest[:12],
        )


def _kind(fault: str) -> str:
    """A fault without the values that it may end with."""
    parts = fault.split(": ")
    return ": ".join(parts[:2])
