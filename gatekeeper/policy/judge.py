"""Policy: the rules of a club, compiled; what they say of an application or a member.

First match wins, and every rule's result is kept. What cannot be evaluated never admits and never
removes: an application then waits for the admins, a member is kept, and the fault is shown.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Literal, Protocol, TypeAlias

from gatekeeper.domain.decisions import Quorum, RuleResult, Ruling, Verdict
from gatekeeper.domain.errors import BadInput, Value
from gatekeeper.domain.identity import ClubId
from gatekeeper.policy.atoms import AtomValue, Shape
from gatekeeper.policy.base import write_duration
from gatekeeper.policy.binding import Outcome
from gatekeeper.policy.club_document import ANSWER_LETTERS, Club, Form, Question, QuestionKind
from gatekeeper.policy.conditions import Conditions
from gatekeeper.policy.document import (
    AdmissionRule,
    AdmissionSpec,
    Exclusion,
    Invariant,
    Mode,
    PruningRule,
    PruningSpec,
    Review,
    ReviewChange,
)
from gatekeeper.policy.facts import Answer, ApplicationFacts, Facts, MemberFacts
from gatekeeper.policy.plain import clean_text
from gatekeeper.policy.reader import Fused, Unreadable
from gatekeeper.policy.scope import Condition, Scope, unseen
from gatekeeper.policy.texts import languages, names_in, sentence

VERDICTS: Mapping[str, Verdict] = {
    "admit": Verdict.ADMIT,
    "review": Verdict.WAIT,
    "decline": Verdict.DECLINE,
    "keep": Verdict.KEEP,
    "notify": Verdict.NOTIFY,
    "remove": Verdict.REMOVE,
}
# The text of an outcome whose rule names none.
CODES: Mapping[Verdict, str] = {
    Verdict.ADMIT: "admitted-by-rule",
    Verdict.WAIT: "in-review",
    Verdict.DECLINE: "declined-by-rule",
    Verdict.KEEP: "kept",
    Verdict.NOTIFY: "silent-notice",
    Verdict.REMOVE: "silent-removal",
}
FAULT = "rule-fault"

Rule: TypeAlias = AdmissionRule | PruningRule | Exclusion


def code_of(rule: Rule) -> str:
    """The code of the text that a rule tells."""
    match rule:
        case Exclusion():
            return rule.message
        case AdmissionRule():
            default = "declined" if rule.output.reason else CODES[VERDICTS[rule.output.decision]]
            return rule.output.message or default
        case PruningRule():
            return rule.output.message or CODES[VERDICTS[rule.output.action]]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its condition (None: always true) and its explanation (None: none)."""

    rule: Rule
    condition: Condition | None = None
    explanation: Condition | None = None

    @property
    def on_trial(self) -> bool:
        """Whether it is shown and never applied."""
        return not isinstance(self.rule, Exclusion) and self.rule.mode is Mode.AUDIT


@dataclass(frozen=True, slots=True)
class CompiledInvariant:
    """What must hold, with its condition, which may also look at `verdict` and `rule`."""

    invariant: Invariant
    conditions: Conditions
    condition: Condition


class Fast(Protocol):
    """A second backend for many subjects."""

    def bits(self, facts: Facts, now: datetime) -> Sequence[bool] | None:
        """Of each rule in its order; None where the library is to judge."""


@dataclass(frozen=True)
class RuleSet:
    """The rules of one document in one environment, in their order.

    Attributes:
        fused: all of them as one program; None where they are evaluated one by one.
        fast: judges instead of the library, where it can; see `faster`.
    """

    conditions: Conditions
    params: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, Condition] = field(default_factory=dict)
    exclude: tuple[CompiledRule, ...] = ()
    match: tuple[CompiledRule, ...] = ()
    invariants: tuple[CompiledInvariant, ...] = ()
    fused: Fused | None = None
    fast: Fast | None = None

    @cached_property
    def all(self) -> tuple[CompiledRule, ...]:
        """Exclusions, then rules."""
        return (*self.exclude, *self.match)

    @cached_property
    def always(self) -> tuple[int, ...]:
        """The places of rules without a condition."""
        return tuple(place for place, one in enumerate(self.all) if one.condition is None)

    @cached_property
    def on_trial(self) -> frozenset[int]:
        """The places of rules that are shown and never applied."""
        return frozenset(place for place, one in enumerate(self.all) if one.on_trial)

    @cached_property
    def told(self) -> tuple[tuple[RuleResult, RuleResult], ...]:
        """What is told of each rule that did not match, and of one that did."""
        return tuple(
            (
                RuleResult(one.rule.id, False, "", one.on_trial),
                RuleResult(one.rule.id, True, "", one.on_trial),
            )
            for one in self.all
        )

    def scope(self, facts: Facts, now: datetime) -> Scope:
        """These facts, to evaluate the rules on; raises ValueError for a naive time, Unreadable."""
        return self.conditions.scope(facts, self.variables, now, fused=self.fused)


@dataclass(frozen=True, slots=True)
class Trial:
    """Rules that run beside those in force and change nothing.

    Attributes:
        kind: AdmissionPolicy or PruningPolicy.
        name: metadata.name of its document.
    """

    kind: Literal["AdmissionPolicy", "PruningPolicy"]
    name: str
    spec: AdmissionSpec | PruningSpec
    rules: RuleSet


@dataclass(frozen=True, slots=True)
class RuleLook:
    """One rule on one subject, with every atom of its condition.

    Attributes:
        kind: whether it stands under `exclude` or under `rule.match`.
        matched: None where it could not be told; `fault` says why.
        audit: shown, never applied.
    """

    rule: str
    kind: Literal["exclude", "match"]
    matched: bool | None
    fault: str
    audit: bool
    shape: Shape
    atoms: tuple[AtomValue, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """A ruling with all that led to it."""

    ruling: Ruling
    rules: tuple[RuleLook, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a club's policy; made by `gatekeeper.policy.parse.load_policy`.

    Attributes:
        name: file name, for messages.
        text: as it was read; `digest` is its SHA-256 in hex and names the version.
        club: the whole Club document; `form`, `club_id` and `spec` are short ways into it.
        admission, pruning: the specs of the two other documents.
        trials: second documents of rules, in audit mode.
        admission_name, pruning_name: metadata.name of the documents in force.
    """

    name: str
    text: str
    digest: str
    club: Club
    admission: AdmissionSpec
    pruning: PruningSpec
    admission_rules: RuleSet
    pruning_rules: RuleSet
    trials: tuple[Trial, ...] = ()
    admission_name: str = ""
    pruning_name: str = ""

    @property
    def club_id(self) -> ClubId:
        """The club's id: metadata.name of its document."""
        return ClubId(self.club.metadata.name)

    @property
    def title(self) -> str:
        """What the club is called in sentences: its space's name, else its own."""
        matrix = self.club.spec.platforms.matrix
        return (matrix.space.name if matrix else "") or self.club.metadata.name

    @property
    def form(self) -> Form:
        """The join form."""
        return self.club.spec.form

    def enforced(self) -> "Policy":
        """This policy as it would decide with none of its documents in audit."""
        mode = {"mode": Mode.ENFORCE}
        return replace(
            self,
            admission=self.admission.model_copy(update=mode),
            pruning=self.pruning.model_copy(update=mode),
        )

    def promoted(self, trial: Trial) -> "Policy":
        """This policy as it would decide with `trial` in force."""
        spec = trial.spec.model_copy(update={"mode": Mode.ENFORCE})
        if isinstance(spec, AdmissionSpec):
            return replace(self, admission=spec, admission_rules=trial.rules)
        return replace(self, pruning=spec, pruning_rules=trial.rules)

    def say(self, code: str, values: Mapping[str, Value] | None = None, language: str = "") -> str:
        """The sentence of `code` in the club's own words; `language` "" is the club's, and so is
        one that the catalogue does not speak.

        A value `reason` that is the id of a decline reason becomes that reason's text.
        """
        spec = self.club.spec
        tongue = language if language.split("_")[0] in languages() else spec.language
        filled = dict(values or {})
        if isinstance(filled.get("reason"), str):
            filled["reason"] = self.club.reason_text(str(filled["reason"]), tongue)
        filled.setdefault("club", self.title)
        if code not in spec.texts or tongue in spec.texts[code]:
            return sentence(code, filled, tongue, spec.texts, spec.time_zone)
        own = spec.language if spec.language in spec.texts[code] else tongue
        return sentence(code, filled, own, spec.texts, spec.time_zone)

    def judge_application(self, facts: ApplicationFacts, now: datetime) -> Ruling:
        """What the admission rules say; ADMIT, WAIT or DECLINE. Raises ValueError for naive `now`.

        `quorum` is the policy's review with what the rule that fired wants otherwise.
        """
        fired, code, results, extra = _first_match(self.admission_rules, facts, now)
        audit = self.admission.mode_in_force is Mode.AUDIT
        rule = fired.rule if fired else None
        if audit or not isinstance(rule, AdmissionRule):
            return Ruling(
                verdict=Verdict.WAIT,
                rule="",
                code=code or CODES[Verdict.WAIT],
                results=_as_audit(results) if audit else results,
                quorum=quorum_of(self.admission.review),
                involved=_sponsors(self.admission.review, facts),
                policy=self.digest,
            )
        verdict = VERDICTS[rule.output.decision]
        review = merged_review(self.admission.review, rule.output.review)
        code = code_of(rule)
        values = {**self._values(code, self.admission_rules.params), **extra}
        if rule.output.reason:
            values["reason"] = rule.output.reason
        return Ruling(
            verdict=verdict,
            rule=rule.id,
            code=code,
            values=values,
            results=results,
            quorum=quorum_of(review),
            reason=rule.output.reason,
            involved=(*rule.output.involved, *_sponsors(review, facts)),
            policy=self.digest,
        )

    def judge_member(self, facts: MemberFacts, now: datetime) -> Ruling:
        """What the pruning rules say; KEEP, NOTIFY or REMOVE. Raises ValueError for naive `now`."""
        fired, code, results, extra = _first_match(self.pruning_rules, facts, now)
        audit = self.pruning.mode_in_force is Mode.AUDIT
        rule = fired.rule if fired else None
        verdict, said, name = Verdict.KEEP, code or CODES[Verdict.KEEP], ""
        if isinstance(rule, Exclusion):
            said, name = code_of(rule), rule.id
        elif isinstance(rule, PruningRule) and not audit:
            verdict, name = VERDICTS[rule.output.action], rule.id
            said = code_of(rule)
        return Ruling(
            verdict=verdict,
            rule=name,
            code=said,
            values={**self._values(said, self.pruning_rules.params), **extra} if name else {},
            results=_as_audit(results) if audit else results,
            policy=self.digest,
        )

    def look_into_application(self, facts: ApplicationFacts, now: datetime) -> Inspection:
        """`judge_application` with every atom of every rule."""
        ruling = self.judge_application(facts, now)
        return Inspection(ruling, _looks(self.admission_rules, facts, now, ruling))

    def look_into_member(self, facts: MemberFacts, now: datetime) -> Inspection:
        """`judge_member` with every atom of every rule."""
        ruling = self.judge_member(facts, now)
        return Inspection(ruling, _looks(self.pruning_rules, facts, now, ruling))

    def _values(self, code: str, params: Mapping[str, object]) -> dict[str, Value]:
        """The params that the sentence of `code` asks for and no others: one may be a secret."""
        shown: dict[str, Value] = {}
        for name in names_in(code, self.club.spec.texts) & set(params):
            value = params[name]
            if isinstance(value, timedelta):
                shown[name] = write_duration(value)  # for {name:duration}
            elif isinstance(value, str | int | float):
                shown[name] = value
        return shown


def _sponsors(review: Review, facts: ApplicationFacts) -> tuple[str, ...]:
    """Who vouches and therefore has no vote, where the policy wants it so."""
    return () if review.sponsors_decide else facts.sponsors


def merged_review(review: Review, change: ReviewChange | None = None) -> Review:
    """A policy's `review`, with one rule's changes."""
    fields = type(change).model_fields if change else {}
    wanted = {name: value for name in fields if (value := getattr(change, name)) is not None}
    return review.model_copy(update=wanted)


def quorum_of(merged: Review) -> Quorum:
    """The Quorum that a review asks for."""
    return Quorum(
        approvals=merged.approvals,
        declines=merged.declines,
        remind_after=_seconds(merged.remind_after),
        open_for=_seconds(merged.open_for),
        on_deadline=Verdict(merged.on_deadline),
        interview=merged.interview,
    )


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


@dataclass(slots=True)  # not frozen: one is made for every judgement, and that takes thrice as long
class Found:
    """What the rules of one document give on one subject.

    Attributes:
        bits: of each rule in its order, exclusions first; None where it has a fault.
        faults: of those, by their place.
        decides: the place of the first rule that matched or has a fault; -1 for none.
    """

    rules: RuleSet
    scope: Scope | None
    facts: Facts
    now: datetime
    bits: Sequence[bool | None]
    faults: Mapping[int, str]
    decides: int

    @property
    def rule(self) -> CompiledRule | None:
        """The rule that fires; None for none, also where a fault came before it."""
        return self.rules.all[self.decides] if self.decides >= 0 and not self.faulty else None

    @property
    def faulty(self) -> bool:
        """Whether a fault came before any rule that matched."""
        return self.decides in self.faults

    def atoms(self, place: int) -> tuple[AtomValue, ...]:
        """The atoms of one rule."""
        condition = self.rules.all[place].condition
        if condition is None:
            return ()
        try:
            return self._scope().atoms(condition)
        except Unreadable as wrong:
            return unseen(condition, str(wrong))

    def explanation(self) -> dict[str, Value]:
        """What the rule that fired says for itself, to be named in its text."""
        rule = self.rule
        if rule is None or rule.explanation is None:
            return {}
        said = self._scope().evaluate(rule.explanation).value
        return {"explanation": said} if isinstance(said, str) else {}

    def results(self) -> tuple[RuleResult, ...]:
        """Of every rule."""
        faults = self.faults
        return tuple(
            [
                told[bit]
                if bit is not None
                else replace(told[0], matched=None, fault=faults[place])
                for place, (told, bit) in enumerate(zip(self.rules.told, self.bits, strict=True))
            ]
        )

    def _scope(self) -> Scope:
        return self.scope or self.rules.scope(self.facts, self.now)


def find(rules: RuleSet, facts: Facts, now: datetime) -> Found:
    """Evaluate every rule; the first one that matches decides, unless a fault comes before it."""
    if rules.fast is not None:
        bits = rules.fast.bits(facts, now)
        if bits is not None:
            return Found(rules, None, facts, now, bits, {}, _first(rules, bits))
    faults = dict[int, str]()
    try:
        scope = rules.scope(facts, now)
    except Unreadable as wrong:  # then no rule can be trusted
        faults = dict.fromkeys(range(len(rules.all)), str(wrong))
        none: list[bool | None] = [None] * len(faults)
        return Found(rules, None, facts, now, none, faults, _first(rules, none))
    told = scope.bits()
    every: list[bool | None]
    if told is not None:
        every = [*told]
        for place in rules.always:
            every.insert(place, True)
        return Found(rules, scope, facts, now, every, faults, _first(rules, every))
    every = []  # one by one, to name what has a fault
    for place, one in enumerate(rules.all):
        outcome = scope.evaluate(one.condition) if one.condition else Outcome(True)
        every.append(None if outcome.fault else outcome.value is True)
        if outcome.fault:
            faults[place] = outcome.fault
    return Found(rules, scope, facts, now, every, faults, _first(rules, every))


def unreadable(ruling: Ruling) -> bool:
    """Whether no rule could look at the facts, as one of their values is of another type."""
    return any(one.fault.startswith(Unreadable.BEGINS) for one in ruling.results)


def _first(rules: RuleSet, bits: Sequence[bool | None]) -> int:
    for place, bit in enumerate(bits):
        if bit is not False and place not in rules.on_trial:
            return place
    return -1


def _first_match(
    rules: RuleSet, facts: Facts, now: datetime
) -> tuple[CompiledRule | None, str, tuple[RuleResult, ...], dict[str, Value]]:
    """The rule that fires (None for none), a fault's code, every rule's result, an explanation."""
    found = find(rules, facts, now)
    code = FAULT if found.faulty else ""
    return found.rule, code, found.results(), found.explanation()


def _looks(rules: RuleSet, facts: Facts, now: datetime, ruling: Ruling) -> tuple[RuleLook, ...]:
    bits = [one.matched for one in ruling.results]
    found = Found(rules, None, facts, now, bits, {}, -1)
    with suppress(Unreadable):  # every rule has that as its fault
        found = replace(found, scope=rules.scope(facts, now))
    return tuple(
        RuleLook(
            rule=result.rule,
            kind="exclude" if isinstance(one.rule, Exclusion) else "match",
            matched=result.matched,
            fault=result.fault,
            audit=result.audit,
            shape=one.condition.shape if one.condition else Shape("and"),
            atoms=found.atoms(place),
        )
        for place, (one, result) in enumerate(zip(rules.all, ruling.results, strict=True))
    )


def _as_audit(results: Sequence[RuleResult]) -> tuple[RuleResult, ...]:
    return tuple(RuleResult(one.rule, one.matched, one.fault, True) for one in results)


# ---- Answers ---------------------------------------------------------------------------------

_LINK = re.compile(r"https?://[^\s/?#]+\.?[^\s]*", re.IGNORECASE)


def validate_answers(form: Form, raw: Mapping[str, str | list[str]]) -> dict[str, Answer]:
    """What people typed, checked and typed; used by the web form and by chat alike.

    Args:
        form: the club's.
        raw: question id to what was typed or chosen; a box that is ticked is any non-empty text.

    Returns:
        question id to answer, plain JSON values: texts, whole or decimal numbers, ISO dates,
        True or False for consent, lists of texts for many and tags. Unanswered ones are left out,
        but for consent (False), many and tags ([]).

    Raises:
        BadInput: `problems` maps each question to its code: answer-required, consent-required,
            answer-too-long, answer-too-short, answer-not-a-number, answer-out-of-range,
            answer-not-a-date, answer-not-a-link, answer-unknown-option, answer-unknown-question,
            answer-not-one.
    """
    known = {question.id: question for question in form.questions}
    problems = {name: "answer-unknown-question" for name in raw if name not in known}
    answers: dict[str, Answer] = {}
    for question in form.questions:
        typed = raw.get(question.id, "")
        try:
            answer = _read(question, [typed] if isinstance(typed, str) else typed)
        except _AnswerError as problem:
            problems[question.id] = str(problem)
        else:
            if answer is not None:
                answers[question.id] = answer
    if problems:
        raise BadInput(problems)
    return answers


class _AnswerError(Exception):
    """Carries the code of what is wrong with one answer."""


def _read(question: Question, typed: list[str]) -> Answer | None:
    texts = [text for one in typed if (text := clean_text(one).replace("\r\n", "\n").strip())]
    if any(len(text) > ANSWER_LETTERS for text in texts):
        raise _AnswerError("answer-too-long")
    if question.required and not texts:
        consent = question.kind is QuestionKind.CONSENT
        raise _AnswerError("consent-required" if consent else "answer-required")
    if question.kind is QuestionKind.CONSENT:
        return bool(texts)
    if question.kind in {QuestionKind.MANY, QuestionKind.TAGS}:
        return _read_list(question, texts)
    if not texts:
        return None
    if len(texts) > 1:
        raise _AnswerError("answer-not-one")
    return _read_one(question, texts[0])


def _read_list(question: Question, texts: list[str]) -> list[str]:
    if question.kind is QuestionKind.MANY:
        if not set(texts) <= {option.value for option in question.options}:
            raise _AnswerError("answer-unknown-option")
        return list(dict.fromkeys(texts))
    tags = [tag for text in texts for part in text.split(",") if (tag := part.strip())]
    tags = list(dict.fromkeys(tags))
    if question.required and not tags:
        raise _AnswerError("answer-required")
    if len(tags) > (question.max_length or ANSWER_LETTERS):
        raise _AnswerError("answer-too-long")
    if len(tags) < (question.min_length or 0):
        raise _AnswerError("answer-too-short")
    return tags


def _read_one(question: Question, text: str) -> Answer:
    match question.kind:
        case QuestionKind.CHOICE:
            if text not in {option.value for option in question.options}:
                raise _AnswerError("answer-unknown-option")
            return text
        case QuestionKind.NUMBER:
            return _read_number(question, text)
        case QuestionKind.DATE:
            try:
                return date.fromisoformat(text).isoformat()
            except ValueError:
                raise _AnswerError("answer-not-a-date") from None
        case QuestionKind.TEXT:
            text = " ".join(text.split())
        case QuestionKind.LINK:
            if not _LINK.fullmatch(text):
                raise _AnswerError("answer-not-a-link")
        case _:
            pass
    if len(text) > (question.max_length or ANSWER_LETTERS):
        raise _AnswerError("answer-too-long")
    if len(text) < (question.min_length or 0):
        raise _AnswerError("answer-too-short")
    return text


def _read_number(question: Question, text: str) -> int | float:
    whole, decimal = r"[+-]?[0-9]{1,15}", r"[+-]?[0-9]{1,15}([.,][0-9]{1,9})?"
    if not re.fullmatch(decimal if question.decimals else whole, text):
        raise _AnswerError("answer-not-a-number")
    number = float(text.replace(",", ".")) if question.decimals else int(text)
    low, high = question.min, question.max
    if (low is not None and number < low) or (high is not None and number > high):
        raise _AnswerError("answer-out-of-range")
    return number
