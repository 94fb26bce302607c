"""The cases beside a policy, judged by it: what passed, what differs and why, what is not covered.

The format stands in `case_format`, its reading in `case_reader`; how facts are written short in
`case_facts`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gatekeeper.domain.decisions import Ruling
from gatekeeper.domain.errors import Value
from gatekeeper.policy.atoms import AtomValue
from gatekeeper.policy.base import write_duration
from gatekeeper.policy.case_format import Expect
from gatekeeper.policy.case_reader import Try, read_cases
from gatekeeper.policy.coverage import Coverage, Look, coverage_of, look_at
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.promotions import Shadow, shadows, title
from gatekeeper.policy.texts import DEFAULT, sentence


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a case went otherwise: a code of the catalogue and its values."""

    code: str
    values: dict[str, Value] = field(default_factory=dict)

    def sentence(self, language: str = DEFAULT) -> str:
        """It in words."""
        return sentence(self.code, self.values, language)


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One input of a case and how it went.

    Attributes:
        case: its words, and the row where it has a matrix; `line` is where it stands.
        differences: what was expected and did not come about; () where it passed.
        because: the rule that decided and what its condition saw; the same of the expected rule.
    """

    case: str
    line: int
    differences: tuple[Difference, ...]
    because: tuple[Difference, ...]
    ruling: Ruling

    @property
    def passed(self) -> bool:
        """Whether all that was expected came about."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Otherwise:
    """A case that one thing on trial would give another verdict, were it in force."""

    case: str
    line: int
    verdict: str
    trial_verdict: str
    trial_rule: str


@dataclass(frozen=True, slots=True)
class OnTrial:
    """One rule or document on trial, and the cases that it would change if it were in force.

    Attributes:
        trial: rule:<id> or document:<name>.
    """

    trial: str
    otherwise: tuple[Otherwise, ...]

    def lines(self, name: str, language: str = DEFAULT) -> tuple[str, ...]:
        """It in words; `name` is the file's."""
        code = "cases-on-trial" if self.otherwise else "cases-on-trial-none"
        values: dict[str, Value] = {"count": len(self.otherwise)}
        values["trial"] = title(self.trial, language)
        told = [sentence(code, values, language)]
        for one in self.otherwise:
            values = {
                "case": one.case,
                "where": f"{name}:{one.line}",
                "was": one.verdict,
                "would": one.trial_verdict,
                "rule": one.trial_rule or "-",
            }
            told.append("  " + sentence("cases-on-trial-one", values, language))
        return tuple(told)


@dataclass(frozen=True, slots=True)
class Report:
    """All cases of a file, and what they show of the policy and of what is on trial in it."""

    name: str
    results: tuple[CaseResult, ...]
    coverage: Coverage
    trials: tuple[OnTrial, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return all(result.passed for result in self.results)

    @property
    def never_fired(self) -> tuple[str, ...]:
        """Ids of the rules that no case led to."""
        codes = {"coverage-rule-never", "coverage-rule-not-first"}
        return tuple(one.rule for one in self.coverage.missing if one.code in codes)

    def lines(self, language: str = DEFAULT) -> tuple[str, ...]:
        """The report as text: a line for each case, what differs beneath, what is not covered."""
        told = []
        for result in self.results:
            code = "case-passed" if result.passed else "case-failed"
            where = f"{self.name}:{result.line}"
            told.append(sentence(code, {"case": result.case, "where": where}, language))
            told += [f"        {each.sentence(language)}" for each in result.differences]
            told += [f"          {each.sentence(language)}" for each in result.because]
        for trial in self.trials:
            told += trial.lines(self.name, language)
        return (*told, *self.coverage.lines(language))


def run_cases(policy: Policy, text: str, name: str = "cases.yaml") -> Report:
    """Judge every case in `text` by `policy`; raises PolicyError with all that is wrong with it.

    A document in audit is judged as if it were enforced: its cases are there to be right before. A
    rule in audit, or a document beside the one in force, is so in the cases that name it as their
    `trial`; of all others is told what it would change.
    """
    policy = policy.enforced()
    results, looks = [], []
    tries = read_cases(text, policy, name)
    for one in tries:
        look = look_at(one.policy, one.facts, one.now)
        looks.append(look if one.policy is policy else look_at(policy, one.facts, one.now))
        ruling = look.inspection.ruling
        differences = _differences(one.expect, ruling)
        because = _because(one.expect, look) if differences else ()
        results.append(CaseResult(one.case, one.line, differences, because, ruling))
    plain = [
        (one, each.ruling) for one, each in zip(tries, results, strict=True) if one.policy is policy
    ]
    trials = tuple(_on_trial(shadow, plain) for shadow in shadows(policy))
    return Report(name, tuple(results), coverage_of(policy, looks), trials)


def _on_trial(shadow: Shadow, judged: Sequence[tuple[Try, Ruling]]) -> OnTrial:
    """What would come out otherwise."""
    changed = []
    for one, ruling in judged:
        if one.subject == shadow.subject:
            other = shadow.policy.judge(one.facts, one.now)
            if other.verdict is not ruling.verdict:
                verdicts = (ruling.verdict.value, other.verdict.value)
                changed.append(Otherwise(one.case, one.line, *verdicts, other.rule))
    return OnTrial(shadow.name, tuple(changed))


def _differences(expect: Expect, ruling: Ruling) -> tuple[Difference, ...]:
    got = {"verdict": ruling.verdict.value, "code": ruling.code, "rule": ruling.rule}
    return tuple(
        Difference("case-difference", {"name": name, "wanted": wanted or "-", "got": found or "-"})
        for name, found in got.items()
        if (wanted := getattr(expect, name)) is not None and wanted != found
    )


def _because(expect: Expect, look: Look) -> tuple[Difference, ...]:
    """What the rule that decided saw, and the one that was expected to; every fault."""
    fired = look.inspection.ruling.rule
    told = [Difference("case-fired", {"rule": fired}) if fired else Difference("case-no-rule")]
    for rule in look.inspection.rules:
        if rule.fault:
            told.append(Difference("rule-faulty", {"rule": rule.rule, "fault": rule.fault}))
        if rule.rule in {fired, expect.rule}:
            told += [_atom(rule.rule, each) for each in rule.atoms]
    return tuple(told)


def _atom(rule: str, seen: AtomValue) -> Difference:
    code = {True: "case-atom-true", False: "case-atom-false", None: "case-atom-absent"}[seen.value]
    values = [
        f"{operand.source} = {_shown(value)}"
        for operand, value in zip(seen.atom.operands, seen.operands, strict=True)
        if value is not None and (operand.path or not operand.constant)
        if operand.source != seen.atom.source
    ]
    told = f" ({', '.join(values)})" if values else ""
    return Difference(code, {"rule": rule, "source": seen.atom.source, "seen": told})


def _shown(value: object) -> str:
    """A value as a policy writes it, at most 60 letters of it."""
    if isinstance(value, timedelta):
        told = write_duration(value) if value >= timedelta(0) else str(value)
    elif isinstance(value, datetime):
        told = value.isoformat()
    elif isinstance(value, bool):
        told = str(value).lower()
    else:
        told = json.dumps(value, ensure_ascii=False, default=str)
    return told if len(told) <= 60 else f"{told[:59]}…"
