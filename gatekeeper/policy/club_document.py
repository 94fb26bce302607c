"""The schema of a club that is no rule: admins, platforms, form, texts, times.

The document `kind: Club`; every field with its unit and its default, in camelCase in the file.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gatekeeper.domain.activity import Kind
from gatekeeper.policy.base import (
    Account,
    Alias,
    AtLeastOne,
    Count,
    Duration,
    Metadata,
    Model,
    Name,
    Said,
    Slug,
)

ANSWER_LETTERS = 10_000  # no answer is longer, whatever its question allows


class Admins(Model):
    """Who decides. Being in the admin room gives no right."""

    people: tuple[Account, ...] = Field((), description="Named people, as platform:account.")
    power_level: int | None = Field(
        None, description="Whoever has this Matrix power level in the admin room; none: nobody."
    )
    user_group: str | None = Field(
        None,
        description="Whoever is in the Slack user group of this id (S…) and in the admins' "
        "channel; none: nobody.",
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
    rooms: tuple[Room, ...] = Field(
        (), max_length=500, description="Rooms of the space, for members only."
    )
    admin_room: AdminRoom = Field(description="The private room in which admins decide.")
    welcome_room: Alias = Field(description="Alias of the room in which newcomers are greeted.")
    guests_room: Alias | None = Field(
        None, description="Alias of the room in which guests stay (softer); null: the welcomeRoom."
    )
    invite_to_rooms: bool = Field(
        True, description="Invite to each room as well; false: to the space alone."
    )
    encrypted: bool = Field(
        False,
        description="Whether member rooms that are made are encrypted; we write nothing into them. "
        "The admin room and the welcome room never are.",
    )


class Channel(Model):
    """One channel of the club."""

    alias: Alias = Field(description="What the policy calls it.")
    name: str = Field("", description="Its name on Slack, without '#'; empty: the alias.")
    id: str = Field(
        "",
        pattern=r"^([CG][A-Z0-9]{6,30})?$",
        description="Its id on Slack (C…); empty: the channel of that name that we are in, else a "
        "new private one.",
    )


class SlackRemoval(StrEnum):
    """How far a removal goes on Slack."""

    CHANNELS = "leaveChannels"
    ACCOUNT = "deactivateAccount"


class OutsideWay(StrEnum):
    """How somebody without an account is invited, where the workspace can."""

    WORKSPACE = "workspace"  # as a full member, by admin.users.invite or SCIM
    CONNECT = "connect"  # to the club's channel alone, which is then shared


class SlackSpec(Model):
    """The club's channels on Slack."""

    workspace: str = Field(
        "",
        pattern=r"^(T[A-Z0-9]{2,30})?$",
        description="Id of its workspace (T…); what another one installs or tells decides nothing. "
        "Empty: that of the token; for an app to be installed that of the named admins, else the "
        "first that installs it.",
    )
    channel: Channel = Field(description="The private channel that is the club.")
    channels: tuple[Channel, ...] = Field(
        (), max_length=100, description="Further private channels, for members only."
    )
    admin_channel: Channel = Field(
        description="The private channel in which admins decide; shared with nobody outside."
    )
    welcome_channel: Alias | None = Field(
        None, description="Alias of the channel in which newcomers are greeted; null: the club's."
    )
    user_group: str = Field(
        "",
        pattern=r"^(S[A-Z0-9]{2,30})?$",
        description="Id of a user group (S…; paid plans) whose list is kept that of the club's "
        "channel, guests left out: whoever is put on it by hand and is not in the club is taken "
        "off.",
    )
    removal: SlackRemoval = Field(
        SlackRemoval.CHANNELS,
        description="`deactivateAccount`: a day after a removal for silence the account in "
        "the whole workspace is deactivated, too (Business+ and Enterprise, with an "
        "administrator's token; never that of an owner, administrator, guest or bot).",
    )
    outside: tuple[OutsideWay, ...] = Field(
        (OutsideWay.WORKSPACE, OutsideWay.CONNECT),
        max_length=2,
        description="How an approved applicant without an account is invited, in this order, where "
        "the workspace can; by hand where none of it works. `connect` shares the club's channel "
        "with that person's organisation. Empty: by hand alone.",
    )


class Platforms(Model):
    """Where the club lives."""

    matrix: MatrixSpec | None = Field(None, description="The club on Matrix; none: not there.")
    slack: SlackSpec | None = Field(None, description="The club on Slack; none: not there.")


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

    questions: tuple[Question, ...] = Field(
        (), max_length=100, description="In the order they are asked."
    )


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

    valid_for: Duration = Field(
        timedelta(days=365),
        description="How long the link works: once, and again where its invitation just ended.",
    )
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
        (), max_length=100, description="What admins choose from when they decline."
    )
    welcome: Welcome = Field(default_factory=Welcome, description="How newcomers are greeted.")
    invitation: Invitation = Field(
        default_factory=Invitation, description="Invitations not taken up, to join or to come back."
    )
    proof: Proof = Field(default_factory=Proof, description="How accounts are proven.")
    limits: Limits = Field(default_factory=Limits, description="How often, an hour.")
    comeback: Comeback = Field(default_factory=Comeback, description="The way back.")
    signals: tuple[Kind, ...] = Field(
        tuple(Kind), description="Which signs count as life; default: all of them."
    )
    bridged: tuple[Account, ...] = Field(
        (),
        description="Accounts that a bridge moves, with * for any letters, as in "
        "matrix:@irc_*:example.org: that they come in is no sign of life.",
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
