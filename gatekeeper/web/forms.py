"""Forms as a browser sends them, and as they are shown: what was typed, what is wrong."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

from starlette.requests import Request

from gatekeeper.domain.errors import BadInput, GatekeeperError, Value
from gatekeeper.domain.identity import EMAIL, Identity, as_address
from gatekeeper.policy.answers import validate_answers
from gatekeeper.policy.club_document import ANSWER_LETTERS, Form, Question, QuestionKind
from gatekeeper.policy.plain import clean_text
from gatekeeper.ports import Platform
from gatekeeper.web.security import WebSettings

# Ids of questions have no hyphen, so none of them can be taken for one of ours.
TOKEN: Final = "form-token"
ACCOUNT: Final = "your-account"
PLATFORM: Final = "your-platform"
NAME: Final = "your-name"
OURS: Final = frozenset({TOKEN, ACCOUNT, PLATFORM, NAME})
NAME_LETTERS: Final = 100
NAME_SHOWN: Final = 60  # letters of an unknown field's name
RADIOS: Final = 7  # more options than these are a list to pull down

Posted: TypeAlias = Mapping[str, list[str]]
Say: TypeAlias = Callable[..., str]


class TooLarge(GatekeeperError):
    """A body over the limit, or with too many fields."""

    code = "web.too-large"


class TooSlow(GatekeeperError):
    """A body that did not arrive in time."""

    code = "web.too-slow"


class NotAForm(GatekeeperError):
    """A body of another kind than a web form."""

    code = "web.not-a-form"


class Garbled(NotAForm):
    """Said to be a web form, but it cannot be read as one."""

    code = "web.garbled-form"


# ---- Reading -----------------------------------------------------------------------------------


async def read_form(request: Request, settings: WebSettings) -> dict[str, list[str]]:
    """Field name to what was typed, NUL and lone surrogates replaced.

    Raises:
        NotAForm, Garbled, TooLarge, TooSlow; ClientDisconnect.
    """
    kind, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    if kind.strip() != "application/x-www-form-urlencoded":
        raise NotAForm()
    charset = parameters.strip().removeprefix("charset=").strip('"')
    if charset not in {"", "utf-8", "utf8"}:
        raise NotAForm()
    try:
        async with asyncio.timeout(settings.body_seconds):
            body = await _body(request, settings.body_bytes)
    except TimeoutError:
        raise TooSlow() from None
    if body.count(b"&") >= settings.fields:
        raise TooLarge()
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Garbled() from None
    posted: dict[str, list[str]] = {}
    for name, value in pairs:
        posted.setdefault(clean_text(name), []).append(clean_text(value))
    return posted


async def _body(request: Request, limit: int) -> bytes:
    """The body; one that is too large is still read for a while, so that the answer is seen."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        elif size > 4 * limit:
            break
    if size > limit:
        raise TooLarge()
    return b"".join(chunks)


def one(posted: Posted, name: str) -> str:
    """What was typed into a field of ours, "" for nothing; the first where it came twice."""
    return posted.get(name, [""])[0]


def raw_answers(posted: Posted) -> dict[str, str | list[str]]:
    """What was typed as `validate_answers` takes it; fields that nobody knows are among it."""
    return {
        name: values[0] if len(values) == 1 else list(values)
        for name, values in posted.items()
        if name not in OURS
    }


def as_typed(answers: Mapping[str, Any] | None) -> dict[str, list[str]]:
    """Answers as they would have been typed: what the form for a change begins with."""
    typed: dict[str, list[str]] = {}
    for name, answer in (answers or {}).items():
        if isinstance(answer, bool):
            typed[name] = ["yes"] if answer else []
        elif isinstance(answer, list | tuple):
            typed[name] = [str(each) for each in answer]
        else:
            typed[name] = [f"{answer:g}" if isinstance(answer, float) else str(answer)]
    return typed


def check_answers(form: Form, posted: Posted) -> dict[str, str]:
    """Question to the code of what is wrong with its answer, {} for nothing."""
    try:
        validate_answers(form, raw_answers(posted))
    except BadInput as wrong:
        return dict(wrong.problems)
    return {}


def read_account(
    platforms: Mapping[str, Platform], posted: Posted, *, outside: bool = False
) -> tuple[Identity | None, dict[str, str]]:
    """The account that was typed, or what is wrong with it.

    `outside`: whoever has no account yet may name an e-mail address.
    """
    typed = one(posted, ACCOUNT).strip()
    named = one(posted, PLATFORM) or next(iter(platforms), "")
    if outside and named == EMAIL and typed:
        address = as_address(typed)
        return (Identity(EMAIL, address), {}) if address else (None, {ACCOUNT: "not-an-address"})
    if outside and named == EMAIL:
        return None, {ACCOUNT: "answer-required"}
    if named not in platforms:
        return None, {PLATFORM: "answer-unknown-option"}
    if not typed:
        return None, {ACCOUNT: "answer-required"}
    try:
        found = platforms[named].parse_identity(typed)
    except BadInput as wrong:
        return None, {ACCOUNT: next(iter(wrong.problems.values()), "not-an-identity")}
    if found == platforms[named].bot:  # nobody reads what we write to ourselves
        return None, {ACCOUNT: "not-an-identity"}
    return found, {}


def check_name(posted: Posted) -> dict[str, str]:
    """What is wrong with the name, {} for nothing; it may be left out."""
    return {NAME: "answer-too-long"} if len(one(posted, NAME).strip()) > NAME_LETTERS else {}


# ---- Showing -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a field."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field as a page shows it.

    Attributes:
        drawn: line, area, radios, list, boxes or tick.
        hints: one line each: its help, its limits.
        problem: the sentence of what is wrong, "" for nothing.
        language: of the label and its help.
    """

    name: str
    drawn: str
    label: str
    value: str = ""
    choices: tuple[Choice, ...] = ()
    hints: tuple[str, ...] = ()
    required: bool = False
    problem: str = ""
    code: str = ""
    type: str = "text"
    mode: str = ""
    complete: str = "off"
    language: str = ""

    @property
    def id(self) -> str:
        """The field's id in its page; where it is a group, that of its first box."""
        return f"f-{self.name}"

    @property
    def described(self) -> str:
        """What else a screen reader tells with it."""
        return " ".join(
            ([f"{self.id}-hint"] if self.hints else [])
            + ([f"{self.id}-problem"] if self.problem else [])
        )


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a form is drawn from: what was typed, what is wrong, and in whose language."""

    say: Say
    language: str
    own_language: str
    typed: Posted = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    def account(self, platforms: Collection[str], *, outside: bool = False) -> list[Field]:
        """Where somebody has their account, and which one; `outside` as `read_account` has it."""
        ways = (*platforms, EMAIL) if outside else tuple(platforms)
        which = (
            Field(
                name=PLATFORM,
                drawn="radios",
                label=self.say("web.form.platform"),
                choices=tuple(
                    Choice(name, self.say(f"platform.{name}"), one(self.typed, PLATFORM) == name)
                    for name in ways
                ),
                required=True,
                problem=self._problem(PLATFORM),
                code=self.problems.get(PLATFORM, ""),
            ),
        )
        account = Field(
            name=ACCOUNT,
            drawn="line",
            label=self.say("web.form.account"),
            value=one(self.typed, ACCOUNT),
            hints=(
                self.say("web.form.account-help"),
                *((self.say("web.form.address-help"),) if outside else ()),
            ),
            required=True,
            problem=self._problem(ACCOUNT),
            code=self.problems.get(ACCOUNT, ""),
            complete="username",
        )
        return [*(which if len(ways) > 1 else ()), account]

    def name(self) -> Field:
        """What somebody wants to be called."""
        return Field(
            name=NAME,
            drawn="line",
            label=self.say("web.form.name"),
            value=one(self.typed, NAME),
            hints=(self.say("web.form.name-help"),),
            problem=self._problem(NAME, most=NAME_LETTERS),
            code=self.problems.get(NAME, ""),
            complete="name",
        )

    def questions(self, form: Form) -> list[Field]:
        """The policy's questions in their order."""
        return [self._question(question) for question in form.questions]

    def unknown(self, form: Form) -> list[tuple[str, str, str]]:
        """Problems of fields that the form does not have: name, code, sentence."""
        known = {question.id for question in form.questions} | OURS
        return [
            (name[:NAME_SHOWN], code, self._problem(name))
            for name, code in self.problems.items()
            if name not in known
        ][:10]

    def _question(self, question: Question) -> Field:
        words = question.words(self.language)
        values = self.typed.get(question.id, [])
        limits = _limits(question)
        return Field(
            name=question.id,
            drawn=_drawn(question),
            label=words.label,
            value=", ".join(values) if question.kind is QuestionKind.TAGS else "".join(values[:1]),
            choices=tuple(
                Choice(option.value, words.options[option.value], option.value in values)
                for option in question.options
            )
            or (Choice("yes", words.label, any(values)),),
            hints=tuple(line for line in (words.help, *self._hints(question)) if line),
            required=question.required,
            problem=self._problem(question.id, **limits),
            code=self.problems.get(question.id, ""),
            type=_type(question, "".join(values[:1]), question.id in self.problems),
            mode=_mode(question),
            language=self._language_of(question),
        )

    def _language_of(self, question: Question) -> str:
        translated = self.language in question.translations or self.language == self.own_language
        return "" if translated else self.own_language

    def _problem(self, name: str, **values: Value) -> str:
        code = self.problems.get(name)
        return self.say(code, {"field": name[:NAME_SHOWN], **values}) if code else ""

    def _hints(self, question: Question) -> Iterable[str]:
        kind, say = question.kind, self.say
        low, high = question.min_length, question.max_length
        if kind is QuestionKind.TAGS:
            yield say("web.hint.tags")
            if high:
                yield say("web.hint.most-tags", {"count": high})
        elif kind in {QuestionKind.TEXT, QuestionKind.LONG_TEXT}:
            if low and high:
                yield say("web.hint.letters", {"least": low, "count": high})
            elif high:
                yield say("web.hint.most-letters", {"count": high})
            elif low:
                yield say("web.hint.least-letters", {"count": low})
        elif kind is QuestionKind.NUMBER and (question.min is not None or question.max is not None):
            yield self._range(question)
        elif kind is QuestionKind.LINK:
            yield say("web.hint.link")

    def _range(self, question: Question) -> str:
        if question.min is None:
            return self.say("web.hint.most", _limits(question))
        if question.max is None:
            return self.say("web.hint.least", _limits(question))
        return self.say("web.hint.between", _limits(question))


def _limits(question: Question) -> dict[str, Value]:
    """A question's limits as values for a sentence."""
    limits: dict[str, Value] = {
        "least": question.min_length or 0,
        "most": question.max_length or ANSWER_LETTERS,
    }
    if question.min is not None:
        limits["min"] = f"{question.min:g}"
    if question.max is not None:
        limits["max"] = f"{question.max:g}"
    return limits


def _drawn(question: Question) -> str:
    match question.kind:
        case QuestionKind.LONG_TEXT:
            return "area"
        case QuestionKind.CHOICE:
            return "radios" if len(question.options) <= RADIOS else "list"
        case QuestionKind.MANY:
            return "boxes"
        case QuestionKind.CONSENT:
            return "tick"
        case _:
            return "line"


def _type(question: Question, value: str, wrong: bool) -> str:
    """The input's type; a date that cannot be one is shown as the text that it is."""
    if question.kind is QuestionKind.DATE:
        return "text" if wrong and value else "date"
    return "text"


def _mode(question: Question) -> str:
    """Which keyboard a phone shows."""
    if question.kind is QuestionKind.NUMBER:
        # With a minus sign in reach where one may be needed.
        if question.min is None or question.min < 0:
            return "text"
        return "decimal" if question.decimals else "numeric"
    return "url" if question.kind is QuestionKind.LINK else ""
