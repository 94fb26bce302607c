"""The schema of a policy's rules: who may join, who is asked to stay, who is let go.

A policy is one YAML file with a document of each `kind`: Club, AdmissionPolicy, PruningPolicy, and
perhaps a second one of rules, on trial. In the file the names are written in camelCase.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from pydantic import Field

from gatekeeper.policy.base import (
    Account,
    AtLeastOne,
    Count,
    Duration,
    Metadata,
    Model,
    Name,
    Slug,
)
from gatekeeper.policy.club_document import Club


class Mode(StrEnum):
    """Whether outcomes are applied, or only shown."""

    ENFORCE = "enforce"
    AUDIT = "audit"


class Variable(Model):
    """A named expression that later ones may use as variables.<name>."""

    name: Name = Field(description="Name in conditions: variables.<name>.")
    expression: str = Field(min_length=1, description="CEL.")


class Invariant(Model):
    """What must hold whatever the rules say; `policy check --invariants` tries to break it."""

    id: Slug = Field(description="Stable name; in what is found.")
    description: str = Field("", description="What it promises, in words.")
    condition: str = Field(
        min_length=1,
        description="CEL that is true wherever all is well; it may also use verdict and rule.",
    )


class Review(Model):
    """How admins decide on an application, and until when."""

    approvals: AtLeastOne = Field(1, description="Votes that admit.")
    declines: AtLeastOne = Field(1, description="Votes that decline.")
    remind_after: Duration | None = Field(
        timedelta(days=1), description="Until it is brought up again, and again; null: never."
    )
    open_for: Duration | None = Field(
        timedelta(days=14), description="Until onDeadline; null: no end."
    )
    on_deadline: Literal["decline", "wait"] = Field(
        "decline", description="At the end of openFor: decline, or wait for the admins still."
    )
    interview: bool = Field(
        False, description="Nobody is admitted before they have answered a question (❓)."
    )
    sponsors_decide: bool = Field(
        True, description="Whether admins who vouch for somebody may vote on them too."
    )


class ReviewChange(Model):
    """What one rule wants otherwise than the policy's `review`; left out: as there."""

    approvals: AtLeastOne | None = Field(None, description="Votes that admit.")
    declines: AtLeastOne | None = Field(None, description="Votes that decline.")
    remind_after: Duration | None = Field(None, description="Until it is brought up again.")
    open_for: Duration | None = Field(None, description="Until onDeadline.")
    on_deadline: Literal["decline", "wait"] | None = Field(None, description="At the end.")
    interview: bool | None = Field(None, description="Whether a question must be answered.")
    sponsors_decide: bool | None = Field(None, description="Whether those who vouch may vote.")


class AdmissionOutput(Model):
    """What a rule decides about an application."""

    decision: Literal["admit", "review", "decline"] = Field(description="The outcome.")
    message: str = Field("", description="Code of the text told; empty: the outcome's own.")
    reason: str = Field("", description="With decline: id of a decline reason to tell instead.")
    review: ReviewChange | None = Field(None, description="Otherwise than the policy's review.")
    involved: tuple[Account, ...] = Field((), description="People who have no vote in this case.")


class AdmissionRule(Model):
    """One rule; without a condition it always matches."""

    id: Slug = Field(description="Stable name; in records and cases.")
    condition: str = Field("", description="CEL that is true or false; empty: always true.")
    output: AdmissionOutput = Field(description="What it decides.")
    explanation: str = Field("", description="CEL that gives a text; the person may read it.")
    mode: Mode = Field(Mode.ENFORCE, description="audit: shown, never applied.")


class AdmissionRules(Model):
    """The rules, first match wins."""

    match: tuple[AdmissionRule, ...] = Field(description="In this order.")


PARAMS = 300  # of one document
Params: TypeAlias = Mapping[Name, Any]


class AdmissionSpec(Model):
    """Who may join."""

    mode: Mode = Field(Mode.ENFORCE, description="audit: rules are shown, admins decide all.")
    failure_policy: Literal["review"] = Field(
        "review", description="What a rule that cannot be evaluated leads to."
    )
    params: Params = Field(
        default_factory=dict,
        max_length=PARAMS,
        description="Numbers, texts, lists, durations: params.<name>.",
    )
    variables: tuple[Variable, ...] = Field((), description="Named expressions.")
    review: Review = Field(default_factory=Review, description="How admins decide.")
    rule: AdmissionRules = Field(description="The rules, first match wins.")
    invariants: tuple[Invariant, ...] = Field((), description="What must always hold.")

    @property
    def mode_in_force(self) -> Mode:
        """Whether its rules decide."""
        return self.mode


class AdmissionPolicy(Model):
    """The document `kind: AdmissionPolicy`."""

    api_version: Literal["gatekeeper/v1"] = Field(description="gatekeeper/v1")
    kind: Literal["AdmissionPolicy"] = Field(description="AdmissionPolicy")
    metadata: Metadata = Field(description="What it is called.")
    spec: AdmissionSpec = Field(description="Who may join.")


class PruningOutput(Model):
    """What a rule does about a member."""

    action: Literal["keep", "notify", "remove"] = Field(description="The outcome.")
    message: str = Field("", description="Code of the text told; empty: the outcome's own.")


class PruningRule(Model):
    """One rule; without a condition it always matches."""

    id: Slug = Field(description="Stable name; in records and cases.")
    condition: str = Field("", description="CEL that is true or false; empty: always true.")
    output: PruningOutput = Field(description="What it does.")
    explanation: str = Field("", description="CEL that gives a text; the person may read it.")
    mode: Mode = Field(Mode.ENFORCE, description="audit: shown, never applied.")


class PruningRules(Model):
    """The rules, first match wins."""

    match: tuple[PruningRule, ...] = Field(description="In this order.")


class Exclusion(Model):
    """Someone whom no rule of this policy touches."""

    id: Slug = Field(description="Stable name; in records and cases.")
    condition: str = Field(min_length=1, description="CEL that is true or false.")
    message: str = Field("excluded", description="Code of the text that says why.")


class MaxAffected(Model):
    """The brake: how many one sweep may notify and plan for removal together."""

    count: Count | None = Field(None, description="So many; null: no bar.")
    percent: float | None = Field(
        10, ge=0, le=100, description="So many of all members, in percent; null: no bar."
    )
    times_usual: float | None = Field(
        3,
        ge=1,
        le=1000,
        description="So many times as many as the last ten sweeps that touched anybody did, by "
        "their median; counts from the fourth such sweep and beyond 5 people; null: no bar.",
    )
    on_exceed: Literal["pause-and-ask"] = Field(
        "pause-and-ask", description="Nothing is done; the plan is shown to the admins."
    )


class PruningSpec(Model):
    """Whom to ask, and whom to let go."""

    schedule: str = Field(
        "0 6 * * MON", description="Cron, 5 fields; with 6 the first one is seconds."
    )
    time_zone: str = Field("", description="IANA name for the schedule; empty: the club's.")
    mode: Mode | None = Field(
        None,
        description="audit: plans are shown, nothing is done; null: audit where a rule removes, "
        "else enforce.",
    )
    failure_policy: Literal["keep"] = Field(
        "keep", description="What a rule that cannot be evaluated leads to."
    )
    params: Params = Field(
        default_factory=dict,
        max_length=PARAMS,
        description="Numbers, texts, lists, durations: params.<name>.",
    )
    variables: tuple[Variable, ...] = Field((), description="Named expressions.")
    grace: Duration = Field(
        timedelta(days=14), description="Time to answer, from the delivery of a notice."
    )
    softer: Duration | None = Field(
        None,
        description="Time in which somebody whose removal is confirmed is still a guest, out of "
        "all rooms but the guestsRoom (on Slack: all channels but the club's own), before they are "
        "planned for removal; null: none.",
    )
    exclude: tuple[Exclusion, ...] = Field((), description="Exclusions always win.")
    rule: PruningRules = Field(description="The rules, first match wins.")
    invariants: tuple[Invariant, ...] = Field((), description="What must always hold.")
    confirm: Literal["admins", "none"] = Field(
        "admins", description="Whether removals wait for an admin's word."
    )
    digest: Literal["none", "monthly"] = Field(
        "none",
        description="monthly: who is planned for removal comes up together, on the first of the "
        "month at 9:00; none: as soon as they are planned.",
    )
    max_affected: MaxAffected = Field(default_factory=MaxAffected, description="The brake.")
    settle: Duration = Field(
        timedelta(days=30), description="A club watched for less than this sweeps nobody."
    )

    @property
    def mode_in_force(self) -> Mode:
        """Whether its rules act: nobody is removed where no admin has written so."""
        return self.mode or (Mode.AUDIT if self.starts_in_audit else Mode.ENFORCE)

    @property
    def starts_in_audit(self) -> bool:
        """Whether it is in audit because it removes and no mode is written."""
        removes = any(rule.output.action == "remove" for rule in self.rule.match)
        return self.mode is None and removes


class PruningPolicy(Model):
    """The document `kind: PruningPolicy`."""

    api_version: Literal["gatekeeper/v1"] = Field(description="gatekeeper/v1")
    kind: Literal["PruningPolicy"] = Field(description="PruningPolicy")
    metadata: Metadata = Field(description="What it is called.")
    spec: PruningSpec = Field(description="Whom to ask, and whom to let go.")


Document: TypeAlias = Club | AdmissionPolicy | PruningPolicy
KINDS: Mapping[str, type[Document]] = {
    "Club": Club,
    "AdmissionPolicy": AdmissionPolicy,
    "PruningPolicy": PruningPolicy,
}
