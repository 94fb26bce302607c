"""Facts as people write them in cases, short and sparse, to facts and back.

Only what matters is given: the rest is somebody harmless. Durations are texts with a unit; a time
may also be a duration, counted back from `now`.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias

from gatekeeper.policy.base import DURATION, parse_duration, write_duration
from gatekeeper.policy.club_document import Form, Question, QuestionKind
from gatekeeper.policy.facts import (
    ApplicationFacts,
    Facts,
    MemberFacts,
    Schema,
    Subject,
    Type,
    answer_type,
    count_links,
    schema_of,
    subject_of,
    typed_text,
)
from gatekeeper.policy.judge import Policy

Given: TypeAlias = Mapping[str, Any]  # facts as a case gives them

MODELS: Mapping[Subject, type[Facts]] = {"application": ApplicationFacts, "member": MemberFacts}
# Names and types of all facts but the answers, which each club asks for differently.
KINDS: Mapping[Subject, Mapping[str, Type | Schema]] = {
    subject: schema_of(model, Form()) for subject, model in MODELS.items()
}
_EXAMPLES = {
    bool: "true",
    int: "3",
    float: "0.5",
    str: '"…"',
    datetime: "2026-03-01T12:00:00Z, 90d",
    timedelta: "90d",
}


def application_facts(policy: Policy, given: Given, now: datetime) -> ApplicationFacts:
    """Facts of an application from what a case gives; `text` and `links` follow from answers.

    Raises ValueError (pydantic's ValidationError) for unknown names and wrong values.
    """
    values = {
        "submitted_at": now,
        "first_seen_at": now - timedelta(days=1),
        "identity": "matrix:@ada:example.org",
        "server": "example.org",
        **_moments("application", given, now),
    }
    given_answers = values.get("answers") or {}
    if not isinstance(given_answers, Mapping):
        raise ValueError("answers hold questions by their ids, each with what was answered")
    answers = {
        name: _plain(answer)
        for name, answer in given_answers.items()
        if answer is not None  # not answered after all
    }
    text = typed_text(policy.form, answers, str(values.get("reason", "")))
    values["answers"] = answers
    values.setdefault("text", text)
    values.setdefault("links", count_links(str(values["text"])))
    return ApplicationFacts.model_validate(values)


def member_facts(given: Given, now: datetime) -> MemberFacts:
    """Facts of a member from what a case gives; raises ValueError as above."""
    values = {
        "known_since": now - timedelta(days=365),
        "silent": timedelta(0),
        **_moments("member", given, now),
    }
    return MemberFacts.model_validate(values)


def facts_of(policy: Policy, subject: Subject, given: Given, now: datetime) -> Facts:
    """Facts of either subject; raises ValueError as above."""
    if subject == "application":
        return application_facts(policy, given, now)
    return member_facts(given, now)


def merged(first: Given, *others: Given) -> dict[str, Any]:
    """The facts of all, later ones over earlier ones; answers one by one."""
    both = dict(first)
    for other in others:
        answers = [both.get("answers"), other.get("answers")]
        both |= other
        if all(isinstance(each, Mapping) for each in answers):
            both["answers"] = {**answers[0], **answers[1]}  # type: ignore[dict-item]
    return both


def given_of(policy: Policy, facts: Facts, now: datetime) -> dict[str, Any]:
    """What a case has to give to have just these `facts` at `now`, in words of YAML."""
    given = {name: getattr(facts, name) for name in type(facts).model_fields}
    if isinstance(facts, ApplicationFacts):
        text = typed_text(policy.form, facts.answers, facts.reason)
        if facts.text == text:
            given.pop("text")
        if facts.links == count_links(facts.text):
            given.pop("links")
    plain = facts_of(policy, subject_of(facts), {}, now)
    return {
        name: written(value, now)
        for name, value in given.items()
        if name in {"text", "links"} or value != getattr(plain, name)
    }


def written(value: Any, now: datetime) -> Any:
    """One fact as a case writes it: spans as 90d, past times as spans before `now`."""
    if isinstance(value, timedelta):
        return write_duration(value) if value >= timedelta(0) else value
    if isinstance(value, datetime):
        span = write_duration(max(now - value, timedelta(0)))
        return span if now - parse_duration(span) == value else value
    if isinstance(value, tuple | list):
        return [written(each, now) for each in value]
    if isinstance(value, Mapping):
        return {name: written(each, now) for name, each in value.items()}
    return value


# ---- What is wrong with one fact ---------------------------------------------------------------


def wanted(kind: Type) -> str:
    """How a value of this type is written, as an example: it reads alike in every language."""
    return f"[{_EXAMPLES[kind.scalar]}]" if kind.many else _EXAMPLES[kind.scalar]


def fits(kind: Type, value: object) -> bool:
    """Whether a case may write `value` for a fact of this type."""
    if value is None:
        return kind.optional
    if kind.many:
        one = Type(kind.scalar)
        return isinstance(value, list | tuple) and all(fits(one, each) for each in value)
    if kind.scalar is datetime:
        return _is_duration(value) or _is_moment(value)
    if kind.scalar is timedelta:
        return isinstance(value, timedelta) or _is_duration(value)
    if kind.scalar is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind.scalar


def answer_fits(question: Question, value: object) -> bool:
    """Whether a case may write `value` as the answer to `question`; None takes an answer back."""
    if value is None:
        return True
    chosen = {option.value for option in question.options}
    if question.kind is QuestionKind.CHOICE:
        return value in chosen if isinstance(value, str) else False
    if question.kind is QuestionKind.MANY:
        return fits(Type(str, many=True), value) and set(value) <= chosen  # type: ignore[call-overload]
    if question.kind is QuestionKind.DATE:
        if isinstance(value, str):
            try:
                date.fromisoformat(value)
            except ValueError:
                return False
            return True
        return isinstance(value, date) and not isinstance(value, datetime)
    kind = answer_type(question)
    return fits(Type(kind.scalar, kind.many), value)


def _is_duration(value: object) -> bool:
    return isinstance(value, str) and DURATION.fullmatch(value) is not None


def _is_moment(value: object) -> bool:
    """An aware time, or a day."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return False
    if isinstance(value, datetime):
        return value.tzinfo is not None
    return isinstance(value, date)


def _plain(answer: Any) -> Any:
    return answer.isoformat() if isinstance(answer, date) else answer


def _moments(subject: Subject, given: Given, now: datetime) -> dict[str, Any]:
    """Texts like 90d as durations, or as times that long before `now`; days as midnights UTC."""
    read: dict[str, Any] = {}
    for name, value in given.items():
        kind = KINDS[subject].get(name)
        scalar = kind.scalar if isinstance(kind, Type) else None
        if scalar is timedelta and isinstance(value, str):
            value = parse_duration(value)
        elif scalar is datetime and _is_duration(value):
            value = now - parse_duration(value)
        elif scalar is datetime and isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        read[name] = value
    return read
