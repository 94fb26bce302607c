"""The one catalogue: every sentence that a person reads, by code and language.

The sentences lie in gatekeeper/locale/<language>.po: msgid is the stable code, msgstr the sentence
with {named} values. A value may say how it is written: {left:duration} takes seconds or a text
like 30d, {until:time} and {until:date} take an ISO time. A sentence with plural forms chooses by
its value `count`. A club's own texts (`overrides`) come first.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from gettext import c2py
from importlib.resources import files
from string import Formatter
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.units import format_unit

from gatekeeper.domain.errors import Value
from gatekeeper.policy.base import parse_duration
from gatekeeper.policy.po import read_po

DEFAULT = "en"
NO_TEXTS: Mapping[str, Mapping[str, str]] = {}


class _Catalogue(NamedTuple):
    sentences: Mapping[str, tuple[str, ...]]  # one for each plural form
    plural: Callable[[int], int]


@cache
def languages() -> tuple[str, ...]:
    """The languages that the catalogue speaks, as codes."""
    found = (entry.name for entry in files("gatekeeper").joinpath("locale").iterdir())
    return tuple(sorted(name.removesuffix(".po") for name in found if name.endswith(".po")))


@cache
def _catalogue(language: str) -> _Catalogue:
    if language not in languages():
        return _Catalogue({}, lambda _: 0)
    read = read_po(files("gatekeeper").joinpath("locale", f"{language}.po").read_text("utf-8"))
    return _Catalogue(read.sentences, c2py(read.plural))


def codes(language: str = DEFAULT) -> frozenset[str]:
    """Every code that `language` has a sentence for."""
    return frozenset(_catalogue(language).sentences)


def sentence(
    code: str,
    values: Mapping[str, Value] | None = None,
    language: str = DEFAULT,
    overrides: Mapping[str, Mapping[str, str]] = NO_TEXTS,
    zone: str = "UTC",
) -> str:
    """The sentence of `code` in `language`, else in English; never an exception.

    Args:
        code: stable; one that nobody knows is given back in brackets.
        values: plain texts and numbers; one that is missing is shown by its name.
        language: `de`, or `de_AT`, which falls back to `de`.
        overrides: a club's own texts, code to language to text; they come first.
        zone: IANA name, for times.
    """
    filled = dict(values or {})
    for tongue in dict.fromkeys((language, language.split("_")[0], DEFAULT)):
        template = _template(code, filled, tongue, overrides)
        if template is not None:
            return fill(template, filled, tongue, zone)
    others = overrides.get(code)
    if others:
        return fill(next(iter(others.values())), filled, language, zone)
    return f"[{code}]"


def names_in(code: str, overrides: Mapping[str, Mapping[str, str]] = NO_TEXTS) -> frozenset[str]:
    """The names of all values that the sentence of `code` asks for, in any language."""
    own = overrides.get(code)
    ours = _names_in_catalogues(code)
    return ours.union(*(placeholders(template) for template in own.values())) if own else ours


@lru_cache(maxsize=4_096)
def _names_in_catalogues(code: str) -> frozenset[str]:
    templates = (
        t for language in languages() for t in _catalogue(language).sentences.get(code, ())
    )
    return frozenset[str]().union(*(placeholders(template) for template in templates))


def remedy(code: str, values: Mapping[str, Value] | None = None, language: str = DEFAULT) -> str:
    """What to do about `code`, "" where nothing is known."""
    known = f"{code}.remedy"
    return sentence(known, values, language) if known in codes() else ""


def _template(
    code: str,
    values: Mapping[str, Value],
    language: str,
    overrides: Mapping[str, Mapping[str, str]],
) -> str | None:
    own = overrides.get(code, {}).get(language)
    if own is not None:
        return own
    catalogue = _catalogue(language)
    forms = catalogue.sentences.get(code)
    if forms is None:
        return None
    count = values.get("count", 1)
    form = catalogue.plural(int(count)) if isinstance(count, int | float) else 0
    return forms[min(form, len(forms) - 1)]


class _Writer(Formatter):
    """Fills in names and nothing else: no attributes, no indexes, no conversions."""

    def __init__(self, language: str, zone: str) -> None:
        self.language, self.zone = language, zone

    def get_field(self, field_name: str, args: Any, kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        return kwargs.get(field_name, f"{{{field_name}}}"), field_name

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return value

    def format_field(self, value: Any, format_spec: str) -> str:
        try:
            if format_spec == "duration":
                span = timedelta(seconds=value) if not isinstance(value, str) else value
                return say_duration(parse_duration(span), self.language)
            if format_spec in {"time", "date"}:
                moment = datetime.fromisoformat(str(value))
                say = say_time if format_spec == "time" else say_date
                return say(moment, self.language, self.zone)
        except (ValueError, OverflowError, TypeError):
            pass
        if isinstance(value, float):
            return f"{value:g}"
        return str(value)


def fill(template: str, values: Mapping[str, Value], language: str, zone: str = "UTC") -> str:
    """`template` with its {named} values filled in; one that cannot be filled in stays as it is."""
    try:
        return _Writer(language, zone).vformat(template, (), values)
    except (ValueError, IndexError, KeyError):
        return template


@lru_cache(maxsize=4_096)
def placeholders(template: str) -> frozenset[str]:
    """The names in a template; raises ValueError where its braces do not fit."""
    return frozenset(name for _, name, _, _ in Formatter().parse(template) if name is not None)


# ---- Spans and times --------------------------------------------------------------------------

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@cache
def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language or DEFAULT)
    except (UnknownLocaleError, ValueError):
        return Locale.parse(DEFAULT)


def say_duration(span: timedelta, language: str = DEFAULT) -> str:
    """`90 days`, `1 hour, 30 minutes`: the two largest units that are not zero."""
    left = max(0.0, span.total_seconds())
    parts = []
    for unit, seconds in _UNITS:
        count = int(left // seconds)
        left -= count * seconds
        if count:
            parts.append((unit, float(count)))
    if not parts:
        parts = [("second", round(left, 1))]
    locale = _locale(language)
    return ", ".join(
        format_unit(int(count) if count == int(count) else count, unit, "long", locale=locale)
        for unit, count in parts[:2]
    )


def say_time(moment: datetime, language: str = DEFAULT, zone: str = "UTC") -> str:
    """Date and time to the minute in `zone`, which is named; naive ones raise ValueError."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    pattern = {"de": "d. MMMM y, HH:mm zzz"}.get(language.split("_")[0], "d MMMM y, HH:mm ZZZZ")
    return format_datetime(moment, pattern, ZoneInfo(zone), _locale(language))


def say_date(moment: datetime, language: str = DEFAULT, zone: str = "UTC") -> str:
    """The day of `moment` in `zone`; naive ones raise ValueError."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    pattern = {"de": "d. MMMM y"}.get(language.split("_")[0], "d MMMM y")
    return format_date(moment.astimezone(ZoneInfo(zone)), pattern, _locale(language))


def iso(moment: datetime) -> str:
    """A time as a value for {name:time}."""
    return moment.astimezone(UTC).isoformat()
