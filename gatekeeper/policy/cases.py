"""The cases beside a policy, judged by it: what passed, what differs and why, what is not covered.

The format stands in `case_format`, its reading in `case_reader`; how facts are written short in
`case_facts`.
"""

from dataclasses import dataclass, field

from gatekeeper.domain.decisions import Ruling
from gatekeeper.domain.errors import Value
from gatekeeper.policy.case_facts import application_facts, facts_of, member_facts
from gatekeeper.policy.case_format import Case, CaseFile, Expect
from gatekeeper.policy.case_reader import Try, check_cases, read_cases
from gatekeeper.policy.facts import ApplicationFacts, MemberFacts
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.texts import DEFAULT, sentence

__all__ = [
    "Case",
    "CaseFile",
    "CaseResult",
    "Difference",
    "Expect",
    "Report",
    "Try",
    "application_facts",
    "check_cases",
    "facts_of",
    "member_facts",
    "read_cases",
    "run_cases",
]


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
    """One input of a case and how it went; `differences` is empty where it passed."""

    case: str
    line: int
    differences: tuple[Difference, ...]
    ruling: Ruling

    @property
    def passed(self) -> bool:
        """Whether all that was expected came about."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Report:
    """All cases of a file; `never_fired` are the ids of rules that no case led to."""

    name: str
    results: tuple[CaseResult, ...]
    never_fired: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return all(result.passed for result in self.results)

    def lines(self, language: str = DEFAULT) -> tuple[str, ...]:
        """The report as text: a line for each case, its differences beneath."""
        told = []
        for result in self.results:
            code = "case-passed" if result.passed else "case-failed"
            where = f"{self.name}:{result.line}"
            told.append(sentence(code, {"case": result.case, "where": where}, language))
            told += [f"        {each.sentence(language)}" for each in result.differences]
        told += [sentence("case-rule-never", {"rule": r}, language) for r in self.never_fired]
        return tuple(told)


def run_cases(policy: Policy, text: str, name: str = "cases.yaml") -> Report:
    """Judge every case in `text` by `policy`; raises PolicyError with all that is wrong with it."""
    results = tuple(_run(policy, each) for each in read_cases(text, policy, name))
    fired = {result.ruling.rule for result in results}
    ids = [rule.id for rule in policy.admission.rule.match]
    ids += [rule.id for rule in policy.pruning.exclude]
    ids += [rule.id for rule in policy.pruning.rule.match]
    never = tuple(dict.fromkeys(rule for rule in ids if rule not in fired))
    return Report(name, results, never)


def _run(policy: Policy, one: Try) -> CaseResult:
    if isinstance(one.facts, ApplicationFacts):
        ruling = policy.judge_application(one.facts, one.now)
    else:
        assert isinstance(one.facts, MemberFacts)
        ruling = policy.judge_member(one.facts, one.now)
    return CaseResult(one.case, one.line, _differences(one.expect, ruling), ruling)


def _differences(expect: Expect, ruling: Ruling) -> tuple[Difference, ...]:
    got = {"verdict": ruling.verdict.value, "code": ruling.code, "rule": ruling.rule}
    told = [
        Difference("case-difference", {"name": name, "wanted": wanted or "-", "got": found or "-"})
        for name, found in got.items()
        if (wanted := getattr(expect, name)) is not None and wanted != found
    ]
    if told:
        told += [
            Difference("rule-faulty", {"rule": one.rule, "fault": one.fault})
            for one in ruling.results
            if one.fault
        ]
    return tuple(told)
