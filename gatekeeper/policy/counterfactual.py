"""The smallest change that would turn a verdict, found by trying it.

What could be otherwise is taken from the atoms of all rules: letters of an answer, a count, a yes
or no, time that passes, a sign of life. Each candidate is applied to the facts, whatever follows
from it as well (`text` from the answers, the end of a leave from time), and the policy judges
again: only what it then really says is told. One change first, then two; a bounded number of
tries; nothing is said where nothing is found.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from gatekeeper.domain.decisions import Verdict
from gatekeeper.policy.atoms import AtomValue
from gatekeeper.policy.club_document import ANSWER_LETTERS, Question, QuestionKind
from gatekeeper.policy.facts import (
    URL,
    ApplicationFacts,
    Facts,
    MemberFacts,
    count_links,
    typed_text,
)
from gatekeeper.policy.judge import Inspection, Policy
from gatekeeper.policy.wording import FLIPPED, OPPOSITE, Term, is_public, term_of

TRIES = 160  # judgements for one search
LONGEST = timedelta(days=3650)  # a longer wait is no help
MONTH = timedelta(days=30)
MINUTE = timedelta(minutes=1)
LETTER = "…"  # of which answers are made longer: no rule looks for it

Kind: TypeAlias = Literal["letters", "number", "yes", "links", "count", "time", "alive", "leave"]
_COUNTS = ("vouches", "objections")
_TEXTS = frozenset({QuestionKind.TEXT, QuestionKind.LONG_TEXT})
_MONTHLY = ("messages_30d", "reactions_30d", "reads_30d", "active_days_30d")


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
class Turn:
    """The verdict that these changes together would bring, and by which rule ("" for none)."""

    verdict: Verdict
    rule: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class State:
    """Facts at a moment; `again` where a new application is meant, sent at that moment."""

    facts: Facts
    now: datetime
    again: bool = False
    changes: tuple[Change, ...] = ()


def find_turns(
    policy: Policy,
    facts: Facts,
    now: datetime,
    wanted: Collection[Verdict],
    *,
    public: bool = False,
    again: bool = False,
    tries: int = TRIES,
) -> tuple[Turn, ...]:
    """For each wanted verdict the smallest change that brings it, where one is found.

    Args:
        wanted: verdicts other than the present one.
        public: only what the person themselves may read and do.
        again: the facts are a new application's, see `applied_again`: time that passes before
            it is sent changes it.
    """
    start = State(facts, now, again)
    return _Search(policy, public, tries).run(start, frozenset(wanted))


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


class _Search:
    def __init__(self, policy: Policy, public: bool, tries: int) -> None:
        self._policy, self._public, self._tries = policy, public, tries

    def run(self, start: State, wanted: frozenset[Verdict]) -> tuple[Turn, ...]:
        found: dict[Verdict, Turn] = {}
        layer = [(start, self._judge(start))]
        for _ in range(2):
            after: list[tuple[State, Inspection]] = []
            for state, inspection in layer:
                for changed in self._moves(state, inspection):
                    if not self._tries or wanted <= set(found):
                        return tuple(found.values())
                    self._tries -= 1
                    judged = self._judge(changed)
                    verdict = self._agreed(changed, judged)
                    if verdict in wanted and verdict not in found:
                        found[verdict] = Turn(verdict, judged.ruling.rule, changed.changes)
                    after.append((changed, judged))
            layer = after
        return tuple(found.values())

    def _judge(self, state: State) -> Inspection:
        if isinstance(state.facts, ApplicationFacts):
            return self._policy.look_into_application(state.facts, state.now)
        assert isinstance(state.facts, MemberFacts)
        return self._policy.look_into_member(state.facts, state.now)

    def _agreed(self, state: State, judged: Inspection) -> Verdict | None:
        """The verdict, None where it hangs on counts that we cannot foresee."""
        verdict = judged.ruling.verdict
        waits = any(change.kind == "time" for change in state.changes)
        if waits and isinstance(state.facts, MemberFacts):
            facts = state.facts.model_copy(update=dict.fromkeys(_MONTHLY, 0))
            other = self._policy.judge_member(facts, state.now)
            return verdict if other.verdict is verdict else None
        return verdict

    # ---- Candidates ---------------------------------------------------------------------------

    def _moves(self, state: State, inspection: Inspection) -> Iterator[State]:
        """States one change away, each change once, the smaller of a kind before the larger."""
        seen = {(change.kind, change.path) for change in state.changes}
        found: dict[tuple[Kind, tuple[str, ...], Any], Change] = {}
        for change in self._candidates(state, inspection):
            if (change.kind, change.path) not in seen:
                found.setdefault((change.kind, change.path, change.to), change)
        for change in sorted(found.values(), key=_size):
            changed = apply(self._policy, state, change)
            if changed is not None:
                yield changed

    def _candidates(self, state: State, inspection: Inspection) -> Iterator[Change]:
        member = isinstance(state.facts, MemberFacts)
        if isinstance(state.facts, MemberFacts):
            yield from _of_member(self._policy, state.facts, state.now)
        rules = self._policy.pruning_rules if member else self._policy.admission_rules
        for look in inspection.rules:
            for seen in () if look.audit else look.atoms:
                if self._public and not is_public(seen, rules):
                    continue
                terms = [term_of(operand, rules) for operand in seen.atom.operands]
                yield from self._from_atom(state, seen, terms)

    def _from_atom(self, state: State, seen: AtomValue, terms: list[Term]) -> Iterator[Change]:
        operator = seen.atom.operator
        if not operator and len(terms) == 1 and isinstance(seen.value, bool):
            yield from _switched(terms[0], seen.value)
        if operator not in FLIPPED or len(terms) != 2 or seen.value is None:
            return
        left, right = seen.operands
        if isinstance(left, timedelta | datetime) and type(left) is type(right):
            away = abs(left - right)  # type: ignore[operator]
            yield from _waits(state.now, away)
            return
        for place in (0, 1):
            value, bound = seen.operands[place], seen.operands[1 - place]
            if isinstance(value, bool) or isinstance(bound, bool):
                continue
            if isinstance(value, int | float) and isinstance(bound, int | float):
                asked = operator if place == 0 else FLIPPED[operator]
                to = _solved(OPPOSITE[asked] if seen.value else asked, value, bound)
                if to is not None:
                    yield from self._measured(state, terms[place], value, to)

    def _measured(
        self, state: State, term: Term, was: int | float, to: int | float
    ) -> Iterator[Change]:
        if term.path[:2] == ("application", "answers") and len(term.path) == 3:
            kind: Kind = "letters" if term.kind == "size" else "number"
            yield Change(kind, term.path, was, to)
        elif term.path == ("application", "text") and term.kind == "size":
            longest = _longest(self._policy, state.facts)
            if longest:
                now = len(_answer(state.facts, longest))
                yield Change("letters", ("application", "answers", longest), now, now + to - was)
        elif term.path == ("application", "links") and to < was:
            yield Change("links", term.path, was, to)
        elif term.path[:1] == ("application",) and term.path[1:] in {(each,) for each in _COUNTS}:
            yield Change("count", term.path, was, to)


def _of_member(policy: Policy, facts: MemberFacts, now: datetime) -> Iterator[Change]:
    """What can always happen to a member: a sign of life, a leave, the end of a term."""
    yield Change("alive")
    yield Change("leave")
    over = facts.noticed_at + policy.pruning.grace if facts.noticed_at else None
    for end in (over, facts.on_leave_until, facts.exempt_until):
        if end is not None and end > now:
            yield from _waits(now, end - now)


def _switched(term: Term, value: bool) -> Iterator[Change]:
    if term.kind == "" and term.path[:2] == ("application", "answers"):
        yield Change("yes", term.path, value, not value)
    if term.kind == "" and term.path == ("application", "proven") and not value:
        yield Change("yes", term.path, False, True)


def _waits(now: datetime, away: timedelta) -> Iterator[Change]:
    """Waiting so long, or just longer, to the next full minute: what is told is to the minute."""
    for span in (away, away + timedelta(seconds=1)):
        if timedelta(0) < span <= LONGEST:
            until = (now + span).replace(second=0, microsecond=0)
            yield Change("time", (), now, until if until >= now + span else until + MINUTE)


def _solved(operator: str, value: int | float, bound: int | float) -> int | float | None:
    """What stands closest to `value` and makes `x operator bound` true."""
    whole = isinstance(value, int)
    step: int | float = 1 if whole else 0.01
    match operator:
        case ">=" | "<=" | "==":
            near: int | float = bound
        case ">":
            near = (int(bound) if whole else bound) + step
        case "<":
            near = bound - step
        case _:
            return None
    if whole and near != int(near):
        near = int(near) + (1 if operator in {">=", ">"} else 0)
    return int(near) if whole else near


def _size(change: Change) -> tuple[int, float]:
    """Smaller changes first; among different things what one can do oneself, waiting last."""
    kinds: Final = ("alive", "leave", "yes", "letters", "number", "links", "count", "time")
    size = 0.0
    if isinstance(change.to, datetime):
        size = (change.to - change.was).total_seconds()
    elif change.to is not None:
        size = abs(float(change.to) - float(change.was))
    return kinds.index(change.kind), size


# ---- Applying ----------------------------------------------------------------------------------


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
        old, to = _answer(facts, name), int(change.to)
        most, least = question.max_length or ANSWER_LETTERS, question.min_length or 0
        if question.kind not in _TEXTS or not max(least, 1) <= to <= most:
            return None
        new: str | int | float = old[:to] + LETTER * (to - len(old))
    else:
        new = change.to
        low, high = question.min, question.max
        if question.kind is not QuestionKind.NUMBER:
            return None
        if (low is not None and new < low) or (high is not None and new > high):
            return None
    return _with_answers(policy, facts, {**facts.answers, name: new})


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
        if question.kind in _TEXTS and isinstance(answer, str):
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
        update |= dict.fromkeys(_MONTHLY, 0)
    return facts.model_copy(update=update)


def _question(policy: Policy, name: str) -> Question | None:
    return next((each for each in policy.form.questions if each.id == name), None)


def _answer(facts: Facts, name: str) -> str:
    answer = facts.answers.get(name) if isinstance(facts, ApplicationFacts) else None
    return answer if isinstance(answer, str) else ""


def _longest(policy: Policy, facts: Facts) -> str:
    """The question with the longest answer in letters, "" for none."""
    texts = [q.id for q in policy.form.questions if q.kind in _TEXTS]
    return max(texts, key=lambda name: len(_answer(facts, name)), default="")
