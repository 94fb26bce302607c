"""What is wrong with a policy: each finding with file, line, column, code, sentence and remedy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, TypeAlias

from gatekeeper.domain.errors import GatekeeperError, Value
from gatekeeper.policy.texts import DEFAULT, remedy, sentence

Level: TypeAlias = Literal["error", "warning"]

# What is most likely a mistake and yet does what it says. All other codes are errors.
WARNINGS = frozenset(
    {
        "condition-always",
        "condition-never",
        "param-unused",
        "rule-covered",
        "rule-shadowed",
        "rule-twice",
        "schedule-often",
        "variable-unused",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a policy; `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    code: str
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """`error`: the policy cannot be used; `warning`: it can."""
        return "warning" if self.code in WARNINGS else "error"

    def sentence(self, language: str = DEFAULT) -> str:
        """What is wrong."""
        return sentence(self.code, self.values, language)

    def remedy(self, language: str = DEFAULT) -> str:
        """What to do about it."""
        return remedy(self.code, self.values, language)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.code}: {self.sentence()}"


class PolicyError(GatekeeperError):
    """A policy that cannot be used; `findings` lists everything wrong with it."""

    code = "policy"

    def __init__(self, name: str, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(name=name, count=len(self.findings), first=str(self.findings[0]))


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings in the order of the file, each once."""
    order = sorted(findings, key=lambda one: (one.line, one.column, one.code))
    groups = groupby(order, key=lambda one: (one.line, one.column, one.code))
    alike = (list(group) for _, group in groups)
    return tuple(one for group in alike for n, one in enumerate(group) if one not in group[:n])


def errors_in(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that keep a policy from being used."""
    return tuple(one for one in findings if one.level == "error")
