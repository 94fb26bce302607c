"""The schema of a policy: every field with its unit and its default.

A policy is one YAML file of up to three documents, each with `apiVersion: gatekeeper/v1` and a
`kind`: Club, AdmissionPolicy, PruningPolicy. In the file the names are written in camelCase.
Durations are texts with a unit: 90d, 2w, 10m, 1.5s, 500ms, or together as in 1h30m.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from gatekeeper.domain.activity import Kind
from gatekeeper.domain.identity import Identity

API_VERSION = "gatekeeper/v1"
ANSWER_LETTERS = 10_000  # no answer is longer, whatever its question allows

UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}
_PART = r"(\d+(?:\.\d+)?)(ms|[wdhms])"
DURATION = re.compile(rf"(?:{_PART})+")


def parse_duration(text: object) -> timedelta:
    """`90d`, `1h30m` to a timedelta.

    Raises:
        PydanticCustomError: `bad-duration` for anything without a number and a unit (it is a
            ValueError, so that a model reports it with its place).
    """
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not DURATION.fullmatch(text):
        raise PydanticCustomError("bad-duration", "not a duration: {value}", {"value": str(text)})
    try:
        return timedelta(
            seconds=sum(float(number) * UNITS[unit] for number, unit in re.findall(_PART, text))
        )
    except OverflowError:
        raise PydanticCustomError("bad-duration", "too long: {value}", {"value": text}) from None


def write_duration(span: timedelta) -> str:
    """The shortest text that `parse_duration` reads back as `span`; milliseconds are the finest."""
    left = round(span.total_seconds() * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(UNITS[unit] * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _identity(text: object) -> object:
    try:
        Identity.parse(str(text))
    except ValueError:
        raise PydanticCustomError(
            "bad-identity", "not platform:account: {value}", {"value": str(text)}
        ) from None
    return text


Duration: TypeAlias = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(write_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{DURATION.pattern}$", "examples": ["90d"]}),
]
Slug: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Account: TypeAlias = Annotated[str, BeforeValidator(_identity)]
Alias: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9._=/-]{1,200}$")]
Said: TypeAlias = Mapping[str, str]  # language code to text
Count: TypeAlias = Annotated[int, Field(ge=0, strict=True)]
AtLeastOne: TypeAlias = Annotated[int, Field(ge=1, strict=True)]


class Model(BaseModel):
    """A part of a policy: unknown fields are refused, nothing changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


class Metadata(Model):
    """What a document is called."""

    name: Slug = Field(description="Lower-case letters, digits, '-'; a Club's name is its id.")
    description: str = Field("", description="For people; nothing depends on it.")


class Mode(StrEnum):
    """Whether outcomes are applied, or only shown."""

    ENFORCE = "enforce"
    AUDIT = "audit"


# ---- Club ------------------------------------------------------------------------------------


class Admins(Model):
    """Who decides. Being in the admin room gives no right."""

    people: tuple[Account, ...] = Field((), description="Named people, as platform:account.")
    power_level: int | None = Field(
        None, description="Whoever has this Matrix power level in the admin room; none: nobody."
    )
    user_group: str | None = Field(
        None, description="Whoever is in this Slack user group; none: nobody."
    )


class Room(Model):
    """One room of the club."""

    alias: Alias = Field(description="Local part of its address, without '#' and server.")
    name: str = Field("", description="Shown name; empty: the alias.")
    topic: str = Field("", description="Shown topic.")


class AdminRoom(Model):
    """Where cards stand; private."""

    alias: Alias = Field(description="Local part of its address.")
    name: str = Field("", description="Shown name; empty: the alias.")


class MatrixSpec(Model):
    """The club's places on Matrix; the service makes what does not exist yet."""

    space: Room = Field(description="The space that is the club.")
    rooms: tuple[Room, ...] = Field((), description="Rooms of the space, for members only.")
    admin_room: AdminRoom = Field(description="The private room in which admins decide.")
    welcome_room: Alias = Field(description="Alias of the room in which newcomers are greeted.")
    invite_to_rooms: bool = Field(
        True, description="Invite to each room as well; false: to the space alone."
    )
    encrypted: bool = Field(
        False,
        description="Whether member rooms that are made are encrypted; we write nothing into them. "
        "The admin room and the welcome room never are.",
    )


class Platforms(Model):
    """Where the club lives."""

    matrix: MatrixSpec | None = Field(None, description="The club on Matrix; none: not there.")


class QuestionKind(StrEnum):
    """How a question is asked and what its answer is."""

    TEXT = "text"  # one line
    LONG_TEXT = "longText"
    CHOICE = "choice"  # one option
    MANY = "many"  # any number of options
    NUMBER = "number"
    DATE = "date"
    LINK = "link"  # http or https
    TAGS = "tags"  # words, separated by commas
    CONSENT = "consent"  # a box to tick


class Option(Model):
    """One answer to choose."""

    value: str = Field(min_length=1, description="What conditions see.")
    label: str = Field("", description="What people see; empty: the value.")


class QuestionWords(Model):
    """A question in another language."""

    label: str = Field("", description="The question; empty: as in the club's language.")
    help: str = Field("", description="The line beneath it.")
    options: Mapping[str, str] = Field(
        default_factory=dict, description="Labels of options, by value."
    )


class Question(Model):
    """One question of the join form."""

    id: Name = Field(description="Name in conditions: application.answers.<id>.")
    kind: QuestionKind = Field(description="How it is asked and what the answer is.")
    label: str = Field(min_length=1, description="The question, in the club's language.")
    help: str = Field("", description="A line beneath it.")
    required: bool = Field(False, description="Whether the form needs an answer.")
    min_length: Count | None = Field(None, description="Fewest letters of a text; none: any.")
    max_length: AtLeastOne | None = Field(
        None, description="Most letters of a text, or tags; none: 10000 letters."
    )
    min: float | None = Field(None, description="Smallest number; none: any.")
    max: float | None = Field(None, description="Largest number; none: any.")
    decimals: bool = Field(False, description="A number may have decimals; false: whole ones.")
    options: tuple[Option, ...] = Field((), description="What to choose from (choice, many).")
    translations: Mapping[str, QuestionWords] = Field(
        default_factory=dict, description="Words in other languages, by language code."
    )

    @model_validator(mode="after")
    def _options_where_due(self) -> "Question":
        if (self.kind in {QuestionKind.CHOICE, QuestionKind.MANY}) != bool(self.options):
            raise PydanticCustomError("bad-options", "options go with choice and many", {})
        return self

    def words(self, language: str) -> QuestionWords:
        """Label, help and labels of options in `language`, else in the club's own."""
        other = self.translations.get(language) or QuestionWords()
        return QuestionWords(
            label=other.label or self.label,
            help=other.help or self.help,
            options={
                option.value: other.options.get(option.value) or option.label or option.value
                for option in self.options
            },
        )


class Form(Model):
    """The join form."""

    questions: tuple[Question, ...] = Field((), description="In the order they are asked.")


class DeclineReason(Model):
    """A reason that admins can choose; the applicant reads its text."""

    id: Slug = Field(description="Stable name.")
    text: str = Field(min_length=1, description="In the club's language.")
    translations: Said = Field(default_factory=dict, description="Text by language code.")


class Welcome(Model):
    """How newcomers are greeted."""

    after: Duration = Field(timedelta(minutes=10), description="From joining to the greeting.")
    together: Duration = Field(
        timedelta(minutes=5),
        description="Who arrives within this time of another is greeted in one message.",
    )
    room: str = Field("", description="Alias of the room; empty: the platform's welcomeRoom.")


class Invitation(Model):
    """What becomes of an invitation that is not taken up."""

    remind_after: Duration | None = Field(
        timedelta(days=3), description="From the invitation to one reminder; null: none."
    )
    ends_after: Duration = Field(timedelta(days=14), description="From the invitation to its end.")


class Proof(Model):
    """How an applicant shows that an account is theirs."""

    code_valid: Duration = Field(timedelta(minutes=10), description="How long a code works.")
    tries: AtLeastOne = Field(5, description="Wrong codes before a new one is needed.")
    unproven_for: Duration = Field(
        timedelta(days=1), description="How long an unproven application is kept."
    )


class Limits(Model):
    """How often, an hour."""

    codes_by_address: AtLeastOne = Field(10, description="Codes asked for, by network address.")
    codes_by_target: AtLeastOne = Field(3, description="Codes sent, to one account.")
    codes_in_total: AtLeastOne = Field(100, description="Codes sent, to all.")
    forms_by_address: AtLeastOne = Field(10, description="Forms sent, by network address.")


class Comeback(Model):
    """The way back for those who were let go for silence."""

    valid_for: Duration = Field(timedelta(days=365), description="How long the link works.")
    roles: tuple[str, ...] = Field((), description="Roles that come back too; admin rights never.")


class Audit(Model):
    """How the record of decisions is witnessed."""

    head_daily: bool = Field(
        True, description="Post the record's head in the admin room daily, not only after sweeps."
    )


class ClubSpec(Model):
    """Everything of a club that is no rule."""

    language: str = Field(
        "en", pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$", description="The club's own language."
    )
    time_zone: str = Field("UTC", description="IANA name; in it times are told.")
    admins: Admins = Field(default_factory=Admins, description="Who decides.")
    platforms: Platforms = Field(default_factory=Platforms, description="Where the club lives.")
    form: Form = Field(default_factory=Form, description="The join form.")
    texts: Mapping[str, Said] = Field(
        default_factory=dict, description="Own sentences: code to language to text."
    )
    decline_reasons: tuple[DeclineReason, ...] = Field(
        (), description="What admins choose from when they decline."
    )
    welcome: Welcome = Field(default_factory=Welcome, description="How newcomers are greeted.")
    invitation: Invitation = Field(
        default_factory=Invitation, description="Invitations not taken up."
    )
    proof: Proof = Field(default_factory=Proof, description="How accounts are proven.")
    limits: Limits = Field(default_factory=Limits, description="How often, an hour.")
    comeback: Comeback = Field(default_factory=Comeback, description="The way back.")
    signals: tuple[Kind, ...] = Field(
        tuple(Kind), description="Which signs count as life; default: all of them."
    )
    audit: Audit = Field(default_factory=Audit, description="How the record is witnessed.")


class Club(Model):
    """The document `kind: Club`."""

    api_version: Literal["gatekeeper/v1"] = Field(description="gatekeeper/v1")
    kind: Literal["Club"] = Field(description="Club")
    metadata: Metadata = Field(description="What it is called.")
    spec: ClubSpec = Field(description="Everything of a club that is no rule.")

    def reason_text(self, reason: str, language: str) -> str:
        """The text of a decline reason for the applicant; the id itself where it is unknown."""
        for known in self.spec.decline_reasons:
            if known.id == reason:
                return known.translations.get(language) or known.text
        return reason


# ---- Rules -----------------------------------------------------------------------------------


class Variable(Model):
    """A named expression that later ones may use as variables.<name>."""

    name: Name = Field(description="Name in conditions: variables.<name>.")
    expression: str = Field(min_length=1, description="CEL.")


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


Params: TypeAlias = Mapping[Name, Any]


class AdmissionSpec(Model):
    """Who may join."""

    mode: Mode = Field(Mode.ENFORCE, description="audit: rules are shown, admins decide all.")
    failure_policy: Literal["review"] = Field(
        "review", description="What a rule that cannot be evaluated leads to."
    )
    params: Params = Field(
        default_factory=dict, description="Numbers, texts, lists, durations: params.<name>."
    )
    variables: tuple[Variable, ...] = Field((), description="Named expressions.")
    review: Review = Field(default_factory=Review, description="How admins decide.")
    rule: AdmissionRules = Field(description="The rules, first match wins.")


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
    on_exceed: Literal["pause-and-ask"] = Field(
        "pause-and-ask", description="Nothing is done; the plan is shown to the admins."
    )


class PruningSpec(Model):
    """Whom to ask, and whom to let go."""

    schedule: str = Field(
        "0 6 * * MON", description="Cron, 5 fields; with 6 the first one is seconds."
    )
    time_zone: str = Field("", description="IANA name for the schedule; empty: the club's.")
    mode: Mode = Field(Mode.ENFORCE, description="audit: plans are shown, nothing is done.")
    failure_policy: Literal["keep"] = Field(
        "keep", description="What a rule that cannot be evaluated leads to."
    )
    params: Params = Field(
        default_factory=dict, description="Numbers, texts, lists, durations: params.<name>."
    )
    variables: tuple[Variable, ...] = Field((), description="Named expressions.")
    grace: Duration = Field(
        timedelta(days=14), description="Time to answer, from the delivery of a notice."
    )
    exclude: tuple[Exclusion, ...] = Field((), description="Exclusions always win.")
    rule: PruningRules = Field(description="The rules, first match wins.")
    confirm: Literal["admins", "none"] = Field(
        "admins", description="Whether removals wait for an admin's word."
    )
    max_affected: MaxAffected = Field(default_factory=MaxAffected, description="The brake.")
    settle: Duration = Field(
        timedelta(days=30), description="A club watched for less than this sweeps nobody."
    )


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
