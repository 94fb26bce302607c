"""Facts made up at random, around the values at which a policy's conditions turn.

They are facts that people could have: a grace is over only after a notice, nobody was declined
more often than they applied, what follows from other facts follows from them. Chance is handed in,
so that the same seed makes the same facts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from gatekeeper.domain.activity import SPOKEN, Kind
from gatekeeper.policy.boundaries import Constant, Constants
from gatekeeper.policy.case_facts import KINDS, Given, written
from gatekeeper.policy.club_document import Form, Question, QuestionKind
from gatekeeper.policy.facts import Subject, Type
from gatekeeper.policy.patterns import texts_for

T = TypeVar("T")

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
_SPANS = tuple(DAY * days for days in (0, 1, 10, 45, 100, 400, 2000))
_TEXTS = ("", "x", "I like gardens and old maps.", "LOUD", "12345", "see https://a.example")
_TYPED = {QuestionKind.TEXT, QuestionKind.LONG_TEXT, QuestionKind.LINK, QuestionKind.TAGS}
_ALWAYS = {QuestionKind.CONSENT, QuestionKind.MANY, QuestionKind.TAGS}  # no, or none, without
_CHOICES = {
    "origin": ("web", "knock"),
    "last_kind": tuple(kind.value for kind in Kind),
    "platform": ("matrix", "slack"),
    "server": ("example.org", "other.example"),
    "identity": ("matrix:@ada:example.org", "matrix:@bob:other.example"),
}
_SIGNS = "()[]|^$*+?\\"  # of a pattern
_ACCOUNTS = tuple(f"matrix:@{name}:example.org" for name in ("eve", "kim", "lou", "max"))
_ABSENCES = {"exempt": "exempt_until", "on_leave": "on_leave_until"}
LASTS = ("last_spoke_at", *(f"last_{kind}_at" for kind in Kind))
LASTS_SPOKEN = ("last_spoke_at", *(f"last_{kind}_at" for kind in Kind if kind in SPOKEN))
# Facts that follow from others, and are not made up by themselves.
_FOLLOWING = {"text", "links", "exempt", "on_leave"}


class Chance(Protocol):
    """What is used of random.Random; whoever calls brings one with its seed."""

    def randrange(self, stop: int, /) -> int:
        """A whole number from 0 to `stop` - 1."""
        ...


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes facts of one subject, as a case gives them.

    Attributes:
        form: the club's, for answers.
        constants: what the conditions compare each fact with.
    """

    subject: Subject
    form: Form
    constants: Constants

    def make(self, chance: Chance, now: datetime) -> dict[str, Any]:
        """Somebody who could be: about half of what the conditions look at is unusual in them."""
        values: dict[str, Any] = {}
        for name, kind in KINDS[self.subject].items():
            if name in _FOLLOWING or not isinstance(kind, Type):
                continue
            known = self.known(name)
            if chance.randrange(20) < (10 if known is not None else 3):
                value = _one(chance, kind, known or (), now, name)
                # Absences end in days to come.
                ends = name in _ABSENCES.values() and value is not None and value < now
                values[name] = now + (now - value) if ends else value
        if self.subject == "application":
            answers = self._answers(chance, now)
            if answers:
                values["answers"] = answers
            texts = self._texts()
            if texts and chance.randrange(4) == 0:
                values["reason"] = _one(chance, Type(str), texts, now)
        return possible(self.subject, {k: v for k, v in values.items() if v is not None}, now)

    def known(self, name: str) -> tuple[Constant, ...] | None:
        """What the conditions compare a fact with; None where they do not look at it."""
        found = self.constants.get((self.subject, name))
        if name not in _ABSENCES.values():
            return found
        whether = next(first for first, until in _ABSENCES.items() if until == name)
        seen = found is not None or (self.subject, whether) in self.constants
        return (*(found or ()), DAY) if seen else None

    def _texts(self) -> tuple[Constant, ...]:
        """What conditions look for in all that somebody typed."""
        links = self.constants.get(("application", "links"), ())
        texts = self.constants.get(("application", "text"), ())
        return (*texts, *(_links(n) for n in links if isinstance(n, int)))

    def _answers(self, chance: Chance, now: datetime) -> dict[str, Any]:
        """Every question that has to be answered, and some others."""
        typed = [question.id for question in self.form.questions if question.kind in _TYPED]
        chosen = typed[chance.randrange(len(typed))] if typed else ""
        answers: dict[str, Any] = {}
        for question in self.form.questions:
            known = self.constants.get(("application", "answers", question.id), ())
            if question.id == chosen:  # the text of all is made of the texts of each
                known = (*known, *self._texts())
            if question.required or question.kind in _ALWAYS or chance.randrange(2):
                answers[question.id] = _answer(chance, question, known, now)
        return {name: answer for name, answer in answers.items() if answer is not None}


def _links(count: int) -> str:
    return " ".join(["https://a.example"] * (count + 1))


def _pick(chance: Chance, values: Sequence[T]) -> T:
    return values[chance.randrange(len(values))]


def _answer(chance: Chance, question: Question, known: Sequence[Any], now: datetime) -> Any:
    options = [option.value for option in question.options]
    match question.kind:
        case QuestionKind.CONSENT:
            return question.required or bool(chance.randrange(2))
        case QuestionKind.CHOICE:
            return _pick(chance, options)
        case QuestionKind.MANY:
            return [option for option in options if chance.randrange(2)]
        case QuestionKind.TAGS:
            return _one(chance, Type(str, many=True), known, now)
        case QuestionKind.NUMBER:
            number = _one(chance, Type(float if question.decimals else int), known, now)
            low = number if question.min is None else max(number, question.min)
            within = low if question.max is None else min(low, question.max)
            return float(within) if question.decimals else int(within)
        case QuestionKind.DATE:
            day: datetime = _one(chance, Type(datetime), known, now)
            return day.date().isoformat()
        case _:
            text: str = _one(chance, Type(str), known, now)
            text = text[: question.max_length or len(text)]
            if question.required and not text.strip():
                text = "x"
            return text.ljust(question.min_length or 0, "x") or None


def _one(chance: Chance, kind: Type, known: Sequence[Any], now: datetime, name: str = "") -> Any:
    """One value of a type, mostly one beside a constant; None for absent."""
    if kind.optional and chance.randrange(3) == 0:
        return None
    if kind.many:
        texts = [one for one in known if isinstance(one, str)]
        texts += _ACCOUNTS if name == "sponsors" else ("other",)
        sizes = [size for one in known if type(one) is int for size in (one - 1, one, one + 1)]
        count = _pick(chance, [0, 1, 2, *sizes])
        picked = [_pick(chance, texts) for _ in range(max(0, min(count, 50)))]
        return list(dict.fromkeys(picked)) if name == "sponsors" else picked
    near, usual = _MAKERS[kind.scalar](known, now)
    if name in _CHOICES:
        usual = [*_CHOICES[name]]
        near = [one for one in near if one in usual] if name == "origin" else near
    return _pick(chance, near if near and chance.randrange(4) else usual)


def _times(known: Sequence[Any], now: datetime) -> tuple[list[Any], list[Any]]:
    spans = [one for one in known if isinstance(one, timedelta)]
    near = [now - span - step for span in spans for step in (-SECOND, timedelta(0), SECOND)]
    days = [one for one in known if isinstance(one, datetime)]
    near += [day + step for day in days for step in (-SECOND, timedelta(0), SECOND)]
    return near, [now - span for span in _SPANS]


def _spans(known: Sequence[Any], now: datetime) -> tuple[list[Any], list[Any]]:
    spans = [one for one in known if isinstance(one, timedelta)]
    near = [span + step for span in spans for step in (-SECOND, timedelta(0), SECOND)]
    return [span for span in near if span >= timedelta(0)], [*_SPANS]


def _ints(known: Sequence[Any], now: datetime) -> tuple[list[Any], list[Any]]:
    near = [one + step for one in known if type(one) is int for step in (-1, 0, 1)]
    return [one for one in near if one >= 0], [0, 1, 2, 5, 30]


def _floats(known: Sequence[Any], now: datetime) -> tuple[list[Any], list[Any]]:
    numbers = [one for one in known if isinstance(one, int | float) and type(one) is not bool]
    near = [round(float(one) + step, 6) for one in numbers for step in (-0.01, 0.0, 0.01)]
    return [one for one in near if one >= 0], [0.0, 0.5, 1.0]


def _texts(known: Sequence[Any], now: datetime) -> tuple[list[Any], list[Any]]:
    texts = [one for one in known if isinstance(one, str)]
    near = [*texts, *(f"{one} more" for one in texts), *(f"some {one}" for one in texts)]
    near += [text for one in texts if any(c in one for c in _SIGNS) for text in texts_for(one)]
    sizes = [one for one in known if type(one) is int and 0 < one <= 5_000]
    near += ["x" * (size + step) for size in sizes for step in (-1, 0, 1)]
    return near, [*_TEXTS]


def _bools(known: Sequence[Any], now: datetime) -> tuple[list[Any], list[Any]]:
    return [], [False, True]


_MAKERS: Mapping[type, Callable[[Sequence[Any], datetime], tuple[list[Any], list[Any]]]] = {
    bool: _bools,
    int: _ints,
    float: _floats,
    str: _texts,
    datetime: _times,
    timedelta: _spans,
}


# ---- What could be -----------------------------------------------------------------------------


def possible(subject: Subject, values: Given, now: datetime) -> dict[str, Any]:
    """`values` changed so that somebody could have them; what is left out is as usual."""
    made = dict(values)
    if subject == "application":
        _possible_application(made, now)
    else:
        _possible_member(made, now)
    return made


def _possible_application(made: dict[str, Any], now: datetime) -> None:
    _not_after(made, "submitted_at", now)
    submitted = made.get("submitted_at", now)
    for name in ("first_seen_at", "account_created_at", "last_declined_at"):
        _not_after(made, name, submitted)
    if "submitted_at" in made and "first_seen_at" not in made:
        made["first_seen_at"] = submitted - DAY
    if made.get("account_created_at"):
        _not_after(made, "account_created_at", made.get("first_seen_at", submitted - DAY))
    if made.get("last_declined_at"):
        made["earlier_declines"] = max(made.get("earlier_declines", 0), 1)
    elif made.get("earlier_declines"):
        made["last_declined_at"] = submitted - DAY * 100
    if made.get("earlier_declines", 0) > made.get("earlier_applications", 0):
        made["earlier_applications"] = made["earlier_declines"]
    if made.get("reason"):
        made["origin"] = "knock"
    if len(made.get("sponsors", ())) > made.get("vouches", 0):
        made["vouches"] = len(made["sponsors"])
    if made.get("was_removed"):
        made["was_member"] = True


def _possible_member(made: dict[str, Any], now: datetime) -> None:
    for name in ("known_since", "joined_at", "last_active_at", "noticed_at", *LASTS):
        _not_after(made, name, now)
    spoken = [made[name] for name in LASTS_SPOKEN if made.get(name)]
    if spoken:
        made["last_spoke_at"] = max(spoken)
    signs = [made[name] for name in LASTS if made.get(name)]
    if signs and made.get("last_active_at"):
        made["last_active_at"] = max(made["last_active_at"], *signs)
    for name, ending in _ABSENCES.items():
        until = made.get(ending)
        if until is not None and until > now:
            made[name] = True
        elif made.get(name):
            made[ending] = now + DAY
        else:
            made.pop(ending, None)
    if made.get("grace_over") and made.get("noticed_at", now) > now - DAY:
        made["noticed_at"] = now - DAY * 30
    silent = made.get("silent", timedelta(0))
    if silent > now - made.get("known_since", now - DAY * 365):
        made["known_since"] = now - silent
    if "seen_share" in made:
        made["seen_share"] = min(made["seen_share"], 1.0)


def _not_after(made: dict[str, Any], name: str, latest: datetime) -> None:
    if made.get(name) and made[name] > latest:
        made[name] = latest


def as_given(values: Given, now: datetime) -> dict[str, Any]:
    """Made-up values in the words of a case."""
    return {name: written(value, now) for name, value in values.items()}
