"""Policy: the rules of a club, compiled; what they say of an application or a member.

What cannot be evaluated never admits and never removes: an application then waits for the admins,
a member is kept, and the fault is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from gatekeeper.domain.decisions import Quorum, RuleResult, Ruling, Verdict
from gatekeeper.domain.errors import Value
from gatekeeper.domain.identity import ClubId
from gatekeeper.policy.base import write_duration
from gatekeeper.policy.club_document import Club, Form
from gatekeeper.policy.document import (
    AdmissionRule,
    AdmissionSpec,
    Exclusion,
    Mode,
    PruningRule,
    PruningSpec,
    Review,
    ReviewChange,
)
from gatekeeper.policy.evaluation import (
    CODES,
    FAULT,
    VERDICTS,
    Found,
    Inspection,
    RuleSet,
    code_of,
    find,
    looks,
)
from gatekeeper.policy.facts import ApplicationFacts, Facts, MemberFacts, Subject, subject_of
from gatekeeper.policy.texts import languages, names_in, sentence

RuleKind: TypeAlias = Literal["AdmissionPolicy", "PruningPolicy"]  # documents of rules


@dataclass(frozen=True, slots=True)
class Trial:
    """Rules that run beside those in force and change nothing.

    Attributes:
        kind: AdmissionPolicy or PruningPolicy.
        name: metadata.name of its document.
    """

    kind: RuleKind
    name: str
    spec: AdmissionSpec | PruningSpec
    rules: RuleSet


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
        """What the club is called in sentences: its space's or channel's name, else its own."""
        places = self.club.spec.platforms
        space = places.matrix.space.name if places.matrix else ""
        channel = places.slack.channel.name if places.slack else ""
        return space or channel or self.club.metadata.name

    @property
    def form(self) -> Form:
        """The join form."""
        return self.club.spec.form

    def rules_for(self, subject: Subject) -> RuleSet:
        """The rules that such a subject is judged by."""
        return self.admission_rules if subject == "application" else self.pruning_rules

    def enforced(self) -> "Policy":
        """This policy as it would decide with none of its documents in audit; itself if it does."""
        if Mode.AUDIT not in (self.admission.mode_in_force, self.pruning.mode_in_force):
            return self
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
        found = find(self.admission_rules, facts, now)
        rule = found.rule.rule if found.rule else None
        audit = self.admission.mode_in_force is Mode.AUDIT
        if audit or not isinstance(rule, AdmissionRule):
            return Ruling(
                verdict=Verdict.WAIT,
                rule="",
                code=FAULT if found.faulty else CODES[Verdict.WAIT],
                results=_results(found, audit),
                quorum=quorum_of(self.admission.review),
                involved=_sponsors(self.admission.review, facts),
                policy=self.digest,
            )
        verdict = VERDICTS[rule.output.decision]
        review = merged_review(self.admission.review, rule.output.review)
        code = code_of(rule)
        values = {**self._values(code, self.admission_rules.params), **found.explanation()}
        if rule.output.reason:
            values["reason"] = rule.output.reason
        return Ruling(
            verdict=verdict,
            rule=rule.id,
            code=code,
            values=values,
            results=found.results(),
            quorum=quorum_of(review),
            reason=rule.output.reason,
            involved=(*rule.output.involved, *_sponsors(review, facts)),
            policy=self.digest,
        )

    def judge_member(self, facts: MemberFacts, now: datetime) -> Ruling:
        """What the pruning rules say; KEEP, NOTIFY or REMOVE. Raises ValueError for naive `now`."""
        found = find(self.pruning_rules, facts, now)
        fired = found.rule
        rule = fired.rule if fired else None
        audit = self.pruning.mode_in_force is Mode.AUDIT
        verdict, name, said = Verdict.KEEP, "", FAULT if found.faulty else CODES[Verdict.KEEP]
        if isinstance(rule, Exclusion):
            said, name = code_of(rule), rule.id
        elif isinstance(rule, PruningRule) and not audit:
            verdict, name = VERDICTS[rule.output.action], rule.id
            said = code_of(rule)
        values: Mapping[str, Value] = {}
        if name:
            values = self._values(said, self.pruning_rules.params)
        if name and fired and fired.explanation:
            values = {**values, **found.explanation()}
        return Ruling(
            verdict=verdict,
            rule=name,
            code=said,
            values=values,
            results=_results(found, audit),
            policy=self.digest,
        )

    def judge(self, facts: Facts, now: datetime) -> Ruling:
        """What the rules say of either subject."""
        if isinstance(facts, ApplicationFacts):
            return self.judge_application(facts, now)
        assert isinstance(facts, MemberFacts)
        return self.judge_member(facts, now)

    def look_into(self, facts: Facts, now: datetime) -> Inspection:
        """The same with every atom of every rule."""
        ruling = self.judge(facts, now)
        return Inspection(ruling, looks(self.rules_for(subject_of(facts)), facts, now, ruling))

    def _values(self, code: str, params: Mapping[str, object]) -> dict[str, Value]:
        """The params that the sentence of `code` asks for and no others: one may be a secret."""
        shown: dict[str, Value] = {}
        for name in names_in(code, self.club.spec.texts) & params.keys():
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


def _results(found: Found, audit: bool) -> tuple[RuleResult, ...]:
    """Of every rule; as on trial, all of them, where their whole document is."""
    results = found.results()
    return tuple(replace(one, audit=True) for one in results) if audit else results
