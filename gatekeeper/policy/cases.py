"""The cases beside a policy: `NAME.cases.yaml` with facts and what they should lead to.

    now: 2026-03-01T12:00:00Z
    application: {answers: {why: I like it here, rules: true}}   # what all applications share
    member: {silent: 100d}                                       # what all members share
    cases:
      - case: a first application waits for the admins
        application: {earlier_declines: 0}
        expect: {verdict: wait, code: in-review, rule: default}

Only what matters has to be given: the rest are plain defaults of somebody harmless. Durations are
texts with a unit; a time may also be a duration, counted back from `now`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from gatekeeper.domain.decisions import Ruling
from gatekeeper.policy.document import Form, parse_duration
from gatekeeper.policy.facts import (
    ApplicationFacts,
    Facts,
    MemberFacts,
    Type,
    count_links,
    schema_of,
    typed_text,
)
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.parse import Finding, PolicyError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expect(_Strict):
    """What a case should lead to; what is left out is not compared."""

    verdict: Literal["admit", "wait", "decline", "keep", "notify", "remove"] | None = Field(
        None, description="The outcome; wait stands for review."
    )
    code: str | None = Field(None, description="Code of the text told.")
    rule: str | None = Field(None, description='Id of the rule that fired, "" for none.')


class Case(_Strict):
    """One case: an application or a member, and what is expected."""

    case: str = Field(description="What it shows, in words.")
    now: AwareDatetime | None = Field(None, description="Otherwise the file's.")
    application: Mapping[str, Any] | None = Field(None, description="Facts, over the file's.")
    member: Mapping[str, Any] | None = Field(None, description="Facts, over the file's.")
    expect: Expect = Field(description="What it should lead to.")


class CaseFile(_Strict):
    """A file of cases."""

    now: AwareDatetime = Field(description="The moment at which all is judged.")
    application: Mapping[str, Any] = Field(
        default_factory=dict, description="Facts that all applications share."
    )
    member: Mapping[str, Any] = Field(
        default_factory=dict, description="Facts that all members share."
    )
    cases: tuple[Case, ...] = Field(description="The cases.")


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case and how it went; `differences` is empty where it passed."""

    case: str
    differences: tuple[str, ...]
    ruling: Ruling | None = None

    @property
    def passed(self) -> bool:
        """Whether all that was expected came about."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Report:
    """All cases of a file; `never_fired` are the ids of rules that no case led to."""

    results: tuple[CaseResult, ...]
    never_fired: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return all(result.passed for result in self.results)

    def lines(self) -> tuple[str, ...]:
        """The report as text: a line for each case, its differences beneath."""
        told = []
        for result in self.results:
            told.append(f"{'passed' if result.passed else 'FAILED'}  {result.case}")
            told += [f"        {difference}" for difference in result.differences]
        told += [f"no case fires rule {rule}" for rule in self.never_fired]
        return tuple(told)


def run_cases(policy: Policy, text: str, name: str = "cases.yaml") -> Report:
    """Judge every case in `text` by `policy`; raises PolicyError where it is no file of cases."""
    file = read_cases(text, name)
    results = tuple(_run(policy, file, case) for case in file.cases)
    fired = {result.ruling.rule for result in results if result.ruling}
    ids = [rule.id for rule in policy.admission.rule.match]
    ids += [rule.id for rule in policy.pruning.exclude]
    ids += [rule.id for rule in policy.pruning.rule.match]
    never = tuple(dict.fromkeys(name for name in ids if name not in fired))
    return Report(results, never)


def read_cases(text: str, name: str = "cases.yaml") -> CaseFile:
    """The cases in `text`; raises PolicyError with findings."""
    try:
        return CaseFile.model_validate(yaml.safe_load(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        finding = Finding(name, line, column, "yaml-syntax", {"detail": error.problem or ""})
        raise PolicyError(name, [finding]) from None
    except ValidationError as error:
        findings = [
            Finding(name, 1, 1, "cases-wrong", {"detail": f"{_dotted(one['loc'])}: {one['msg']}"})
            for one in error.errors()
        ]
        raise PolicyError(name, findings) from None
    except (yaml.YAMLError, ValueError) as error:
        finding = Finding(name, 1, 1, "yaml-syntax", {"detail": str(error)})
        raise PolicyError(name, [finding]) from None


def _dotted(loc: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in loc)


def _run(policy: Policy, file: CaseFile, case: Case) -> CaseResult:
    now = case.now or file.now
    if (case.application is None) == (case.member is None):
        return CaseResult(case.case, ("give either application or member",))
    try:
        if case.application is not None:
            given = _merged(file.application, case.application)
            ruling = policy.judge_application(application_facts(policy, given, now), now)
        else:
            given = _merged(file.member, case.member or {})
            ruling = policy.judge_member(member_facts(given, now), now)
    except ValidationError as error:
        wrong = tuple(f"{_dotted(one['loc'])}: {one['msg']}" for one in error.errors())
        return CaseResult(case.case, wrong)
    except ValueError as error:
        return CaseResult(case.case, (str(error),))
    return CaseResult(case.case, _differences(case.expect, ruling), ruling)


def _differences(expect: Expect, ruling: Ruling) -> tuple[str, ...]:
    got = {"verdict": ruling.verdict.value, "code": ruling.code, "rule": ruling.rule}
    told = [
        f"{name}: expected {wanted!r}, got {got[name]!r}"
        for name in got
        if (wanted := getattr(expect, name)) is not None and wanted != got[name]
    ]
    if told:
        told += [f"rule {one.rule}: {one.fault}" for one in ruling.results if one.fault]
    return tuple(told)


def _merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    both = {**shared, **own}
    if isinstance(shared.get("answers"), Mapping) and isinstance(own.get("answers"), Mapping):
        both["answers"] = {**shared["answers"], **own["answers"]}
    return both


def application_facts(policy: Policy, given: Mapping[str, Any], now: datetime) -> ApplicationFacts:
    """Facts of an application from what a case gives; `text` and `links` follow from answers.

    Raises ValueError (pydantic's ValidationError) for unknown names and wrong values.
    """
    values = {
        "submitted_at": now,
        "first_seen_at": now - timedelta(days=1),
        "identity": "matrix:@ada:example.org",
        "server": "example.org",
        **_moments(ApplicationFacts, given, now),
    }
    answers = {name: _plain(answer) for name, answer in (values.get("answers") or {}).items()}
    text = typed_text(policy.form, answers, str(values.get("reason", "")))
    values["answers"] = answers
    values.setdefault("text", text)
    values.setdefault("links", count_links(str(values["text"])))
    return ApplicationFacts.model_validate(values)


def member_facts(given: Mapping[str, Any], now: datetime) -> MemberFacts:
    """Facts of a member from what a case gives; raises ValueError as above."""
    values = {
        "known_since": now - timedelta(days=365),
        "silent": timedelta(0),
        **_moments(MemberFacts, given, now),
    }
    return MemberFacts.model_validate(values)


def _plain(answer: Any) -> Any:
    return answer.isoformat() if isinstance(answer, date) else answer


def _moments(model: type[Facts], given: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Texts like 90d as durations, or as times that long before `now`; days as midnights UTC."""
    read: dict[str, Any] = {}
    kinds = schema_of(model, Form())
    for name, value in given.items():
        kind = kinds.get(name)
        scalar = kind.scalar if isinstance(kind, Type) else None
        if scalar is timedelta and isinstance(value, str):
            value = parse_duration(value)
        elif scalar is datetime and isinstance(value, str):
            value = now - parse_duration(value)
        elif scalar is datetime and isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        read[name] = value
    return read
