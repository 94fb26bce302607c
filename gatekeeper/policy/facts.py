"""What rules see: one model for an application, one for a member.

The names and types that conditions are checked against, and the values they run on, both come
from here; `answers` comes from the club's form. A value that may be absent is None here and
absent in a condition, which has to ask with has() first.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Self, TypeAlias, Union, get_args, get_origin

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from gatekeeper.policy.club_document import Form, Question, QuestionKind

Subject: TypeAlias = Literal["application", "member"]
Answer: TypeAlias = str | bool | int | float | list[str]
URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("not in the years 1 to 9999 of UTC") from None


Moment: TypeAlias = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Whole: TypeAlias = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]  # as conditions count


class Facts(BaseModel):
    """Plain values, all times in UTC: spans between two of another zone would skip its changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ApplicationFacts(Facts):
    """An application as its rules see it: `application` in conditions."""

    submitted_at: Moment = Field(description="When it was sent.")
    origin: Literal["web", "knock"] = Field("web", description="Where it came from.")
    platform: str = Field(
        "matrix", description="Platform of the account; `email`: it has none yet, but an address."
    )
    identity: str = Field(description="The account, as platform:account.")
    server: str = Field("", description="The account's server or workspace.")
    proven: bool = Field(True, description="Whether they have shown that the account is theirs.")
    first_seen_at: Moment = Field(description="When we first saw the account.")
    account_created_at: Moment | None = Field(
        None, description="When the account was made, where the platform tells."
    )
    display_name: str = Field("", description="The name they show.")
    reason: str = Field("", description="What they wrote with a knock.")
    answers: Mapping[str, Answer] = Field(
        default_factory=dict, description="What they answered, by question: answers.<id>."
    )
    text: str = Field("", description="All that they typed, joined.")
    links: Whole = Field(0, description="How many addresses of web pages are in `text`.")
    earlier_applications: Whole = Field(0, description="Applications before this one.")
    earlier_declines: Whole = Field(0, description="How many of these were declined.")
    last_declined_at: Moment | None = Field(None, description="When they were last declined.")
    was_member: bool = Field(False, description="Whether they were inside before.")
    was_removed: bool = Field(False, description="Whether they were removed for a cause.")
    vouches: Whole = Field(0, description="Members who vouch for them.")
    objections: Whole = Field(0, description="Members who object.")
    sponsors: tuple[str, ...] = Field((), description="Who vouches, each as platform:account.")


class MemberFacts(Facts):
    """A member as the rules of pruning see them: `member` in conditions."""

    roles: tuple[str, ...] = Field((), description="Their roles.")
    admin: bool = Field(False, description="Whether they may decide.")
    bot: bool = Field(False, description="Whether the account is a program.")
    exempt: bool = Field(False, description="Whether they are exempt now.")
    exempt_until: Moment | None = Field(None, description="Until when.")
    on_leave: bool = Field(False, description="Whether they are on leave now.")
    on_leave_until: Moment | None = Field(None, description="Until when.")
    known_since: Moment = Field(description="From when on we can say anything of them.")
    joined_at: Moment | None = Field(None, description="When they joined, where we know.")
    last_active_at: Moment | None = Field(None, description="The last sign of life.")
    last_kind: str = Field("", description="Its kind: message, reaction, read …")
    last_place: str = Field("", description="Where it was.")
    silent: timedelta = Field(description="Silence that we could really see.")
    seen_share: float = Field(1.0, description="Share of that time we could see, 0.0 to 1.0.")
    noticed_at: Moment | None = Field(None, description="When the standing notice was delivered.")
    grace_over: bool = Field(False, description="Whether its whole grace has passed.")
    messages_30d: Whole = Field(
        0, description="Messages in the last 30 days, replies and those in threads among them."
    )
    replies_30d: Whole = Field(0, description="Replies in the last 30 days.")
    threads_30d: Whole = Field(0, description="Messages in threads in the last 30 days.")
    files_30d: Whole = Field(0, description="Files and pictures in the last 30 days.")
    reactions_30d: Whole = Field(0, description="Reactions in the last 30 days.")
    reads_30d: Whole = Field(0, description="Days with read receipts in the last 30 days.")
    commands_30d: Whole = Field(0, description="What they wrote to us in the last 30 days.")
    presses_30d: Whole = Field(0, description="Presses on our messages in the last 30 days.")
    vouches_30d: Whole = Field(0, description="Vouches in the last 30 days.")
    joins_30d: Whole = Field(0, description="Rooms entered in the last 30 days.")
    events_30d: Whole = Field(0, description="Events attended in the last 30 days.")
    active_days_30d: Whole = Field(0, description="Days with any sign of life in the last 30.")
    last_spoke_at: Moment | None = Field(None, description="The last message, reply or file.")
    last_message_at: Moment | None = Field(None, description="The last plain message.")
    last_reply_at: Moment | None = Field(None, description="The last reply.")
    last_thread_at: Moment | None = Field(None, description="The last message in a thread.")
    last_file_at: Moment | None = Field(None, description="The last file or picture.")
    last_reaction_at: Moment | None = Field(None, description="The last reaction.")
    last_read_at: Moment | None = Field(None, description="The last read receipt.")
    last_command_at: Moment | None = Field(None, description="The last word to us.")
    last_press_at: Moment | None = Field(None, description="The last press on a message of ours.")
    last_vouch_at: Moment | None = Field(None, description="The last vouch.")
    last_join_at: Moment | None = Field(None, description="The last room entered.")
    last_event_at: Moment | None = Field(None, description="The last event attended.")

    @classmethod
    def of_rows(cls, **values: Any) -> Self:
        """Of values as the store gives them, times in UTC: of these types, so they are not looked
        at again, which took a tenth of a sweep. TypeError for a name too many or too few."""
        wanted, required = _member_defaults()
        whole = {**wanted, **values}
        if len(whole) != len(wanted) or not required <= values.keys():
            raise TypeError("not the facts of a member")
        made = cls.__new__(cls)
        object.__setattr__(made, "__dict__", whole)
        object.__setattr__(made, "__pydantic_fields_set__", set(values))
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_private__", None)
        return made


@cache
def _member_defaults() -> tuple[Mapping[str, Any], frozenset[str]]:
    fields = MemberFacts.model_fields.items()
    required = frozenset(name for name, field in fields if field.is_required())
    return {name: field.default for name, field in fields}, required


def subject_of(facts: Facts) -> Subject:
    """Whom these facts are about."""
    return "application" if isinstance(facts, ApplicationFacts) else "member"


# ---- Names and types -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Type:
    """The type of one name: `scalar` or a list of it; `optional` values may be absent."""

    scalar: type[str | bool | int | float | datetime | timedelta]
    many: bool = False
    optional: bool = False


Schema: TypeAlias = Mapping[str, "Type | Schema"]


def schema_of(model: type[Facts], form: Form) -> dict[str, Any]:
    """Names and types of `model` as a Schema, `answers` as `form` asks for them."""
    schema: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if name == "answers":
            schema[name] = {question.id: answer_type(question) for question in form.questions}
        else:
            schema[name] = _type(field.annotation)
    return schema


def _type(annotation: Any) -> Type:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        inner = _type(next(arg for arg in args if arg is not NoneType))
        return Type(inner.scalar, inner.many, NoneType in args)
    if origin is tuple:
        return Type(args[0], many=True)
    if origin is Literal:
        return Type(str)
    if annotation is AwareDatetime or origin is not None:
        return Type(datetime)
    return Type(annotation)


def answer_type(question: Question) -> Type:
    """What an answer is in a condition; only an unanswered single value is absent."""
    match question.kind:
        case QuestionKind.CONSENT:
            return Type(bool)
        case QuestionKind.MANY | QuestionKind.TAGS:
            return Type(str, many=True)
        case QuestionKind.NUMBER:
            return Type(float if question.decimals else int, optional=not question.required)
        case QuestionKind.DATE:
            return Type(datetime, optional=not question.required)
        case _:
            return Type(str, optional=not question.required)


def values_of(facts: Facts, schema: Schema) -> dict[str, Any]:
    """The values of `facts` by name; what is absent is left out, dates become midnights UTC."""
    values = {
        name: value
        for name in type(facts).model_fields
        if name != "answers"
        if (value := getattr(facts, name)) is not None
    }
    known = schema.get("answers")
    if isinstance(facts, ApplicationFacts) and isinstance(known, Mapping):
        values["answers"] = {
            name: typed_answer(answer, known[name])
            for name, answer in facts.answers.items()
            if name in known
        }
    return values


def typed_answer(answer: Answer, kind: "Type | Schema") -> object:
    """An answer as conditions see it: dates become midnights UTC, decimals stay decimals."""
    if isinstance(kind, Type) and kind.scalar is datetime and isinstance(answer, str):
        day = date.fromisoformat(answer)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    if isinstance(kind, Type) and kind.scalar is float and isinstance(answer, int):
        return float(answer)
    return answer


# ---- Helpers for those who fill facts in ------------------------------------------------------


def typed_text(form: Form, answers: Mapping[str, Answer], reason: str = "") -> str:
    """All that an applicant typed, a line each: `reason`, texts, links and tags, no options."""
    typed = {QuestionKind.TEXT, QuestionKind.LONG_TEXT, QuestionKind.LINK, QuestionKind.TAGS}
    lines = [reason] if reason else []
    for question in form.questions:
        answer = answers.get(question.id)
        if question.kind in typed and answer:
            lines.append(", ".join(answer) if isinstance(answer, list) else str(answer))
    return "\n".join(lines)


def count_links(text: str) -> int:
    """How many addresses of web pages are in `text`."""
    return len(URL.findall(text))
