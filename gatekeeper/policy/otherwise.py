"""Facts that are otherwise in one thing, and in all that follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from gatekeeper.policy.club_document import ANSWER_LETTERS, Question, QuestionKind
from gatekeeper.policy.facts import (
    URL,
    ApplicationFacts,
    Facts,
    MemberFacts,
    count_links,
    typed_text,
)
from gatekeeper.policy.judge import Policy

MONTH = timedelta(days=30)
LETTER = "…"  # of which answers are made longer: no rule looks for it
TEXTS = frozenset({QuestionKind.TEXT, QuestionKind.LONG_TEXT})
MONTHLY = tuple(name for name in MemberFacts.model_fields if name.endswith("_30d"))

Kind: TypeAlias = Literal["letters", "number", "yes", "links", "count", "time", "alive", "leave"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is otherwise: `path` names the fact; `was` and `to` are its measure.

    For `time` they are the moments; `alive` is a sign of life, `leave` one that is announced.
    """

    kind: Kind
    path: tuple[str, ...] = ()
    was: Any = None
    to: Any = None


@dataclass(frozen=True, slots=True)
class State:
    """Facts at a moment; `again` where a new application is meant, sent at that moment."""

    facts: Facts
    now: datetime
    again: bool = False
    changes: tuple[Change, ...] = ()


def applied_again(
    facts: ApplicationFacts, now: datetime, declined_at: datetime
) -> ApplicationFacts:
    """A new application with the same answers, sent now, after this one was declined."""
    return facts.model_copy(
        update={
            "submitted_at": now,
            "vouches": 0,
            "objections": 0,
            "sponsors": (),
            "earlier_applications": facts.earlier_applications + 1,
            "earlier_declines": facts.earlier_declines + 1,
            "last_declined_at": declined_at,
        }
    )


def apply(policy: Policy, state: State, change: Change) -> State | None:
    """The state with one change and all that follows from it; None where it cannot be."""
    facts = state.facts
    now = change.to if change.kind == "time" else state.now
    if isinstance(facts, MemberFacts):
        changed: Facts | None = _member(policy, facts, state.now, now, change)
    else:
        assert isinstance(facts, ApplicationFacts)
        changed = _application(policy, facts, now, change, state.again)
    if changed is None:
        return None
    return replace(state, facts=changed, now=now, changes=(*state.changes, change))


def _application(
    policy: Policy, facts: ApplicationFacts, now: datetime, change: Change, again: bool
) -> ApplicationFacts | None:
    name = change.path[-1] if change.path else ""
    match change.kind:
        case "time":
            return facts.model_copy(update={"submitted_at": now}) if again else facts
        case "letters" | "number":
            return _answered(policy, facts, name, change)
        case "yes" if change.path[1] == "answers":
            return _with_answers(policy, facts, {**facts.answers, name: change.to})
        case "yes":
            return facts.model_copy(update={name: change.to})
        case "links":
            return _unlinked(policy, facts, int(change.to))
        case "count" if change.to >= 0:
            update: dict[str, Any] = {name: change.to}
            if name == "vouches":  # whoever vouches more is nobody whom a rule could name
                new = (f"nobody:{number}" for number in range(change.to - len(facts.sponsors)))
                update["sponsors"] = (*facts.sponsors, *new)[: change.to]
            return facts.model_copy(update=update)
        case _:
            return None


def _answered(
    policy: Policy, facts: ApplicationFacts, name: str, change: Change
) -> ApplicationFacts | None:
    """One answer longer, shorter or of another number, as far as its question takes that."""
    question = _question(policy, name)
    if question is None:
        return None
    if change.kind == "letters":
        old, to = answer_of(facts, name), int(change.to)
        most, least = question.max_length or ANSWER_LETTERS, question.min_length or 0
        if question.kind not in TEXTS or not max(least, 1) <= to <= most:
            return None
        longer = old[:to] + LETTER * (to - len(old))
        return _with_answers(policy, facts, {**facts.answers, name: longer})
    low, high = question.min, question.max
    if question.kind is not QuestionKind.NUMBER:
        return None
    if (low is not None and change.to < low) or (high is not None and change.to > high):
        return None
    return _with_answers(policy, facts, {**facts.answers, name: change.to})


def _with_answers(
    policy: Policy, facts: ApplicationFacts, answers: Mapping[str, Any]
) -> ApplicationFacts | None:
    if not facts.text:  # facts by hand, without it
        return facts.model_copy(update={"answers": answers})
    if facts.text != typed_text(policy.form, facts.answers, facts.reason):
        return None  # not made from these answers: nobody knows what would become of it
    text = typed_text(policy.form, answers, facts.reason)
    return facts.model_copy(update={"answers": answers, "text": text, "links": count_links(text)})


def _unlinked(policy: Policy, facts: ApplicationFacts, to: int) -> ApplicationFacts | None:
    """The same answers with links made plain letters, the last ones first."""
    answers = dict(facts.answers)
    surplus = facts.links - to
    for question in reversed(policy.form.questions):
        answer = answers.get(question.id)
        if question.kind in TEXTS and isinstance(answer, str):
            for link in reversed(list(URL.finditer(answer))):
                if surplus > 0:
                    plain = LETTER * len(link[0])
                    answer = answer[: link.start()] + plain + answer[link.end() :]
                    surplus -= 1
            answers[question.id] = answer
    changed = _with_answers(policy, facts, answers)
    return changed if changed and changed.links == to else None


def _member(
    policy: Policy, facts: MemberFacts, before: datetime, now: datetime, change: Change
) -> MemberFacts | None:
    match change.kind:
        case "alive":  # it ends the notice, too
            freed = {"noticed_at": None, "grace_over": False}
            alive = {"last_active_at": now, "silent": timedelta(0), "seen_share": 1.0}
            return facts.model_copy(update={**freed, **alive})
        case "leave" if not facts.on_leave:
            until = now + MONTH
            return facts.model_copy(update={"on_leave": True, "on_leave_until": until})
        case "time":
            return _later(policy, facts, before, now)
        case _:
            return None


def _later(policy: Policy, facts: MemberFacts, before: datetime, now: datetime) -> MemberFacts:
    """After silence until `now`, all of it seen; leaves and exemptions have ended by then."""
    update: dict[str, Any] = {"silent": facts.silent + (now - before)}
    for name in ("on_leave", "exempt"):
        until = getattr(facts, f"{name}_until")
        if until is not None and until <= now:
            update |= {name: False, f"{name}_until": None}
    if facts.noticed_at is not None and now >= facts.noticed_at + policy.pruning.grace:
        update["grace_over"] = True
    if now - before >= MONTH:
        update |= dict.fromkeys(MONTHLY, 0)
    return facts.model_copy(update=update)


def _question(policy: Policy, name: str) -> Question | None:
    return next((each for each in policy.form.questions if each.id == name), None)


def answer_of(facts: Facts, name: str) -> str:
    answer = facts.answers.get(name) if isinstance(facts, ApplicationFacts) else None
    return answer if isinstance(answer, str) else ""


def longest(policy: Policy, facts: Facts) -> str:
    """The question with the longest answer in letters, "" for none."""
    texts = [q.id for q in policy.form.questions if q.kind in TEXTS]
    return max(texts, key=lambda name: len(answer_of(facts, name)), default="")
