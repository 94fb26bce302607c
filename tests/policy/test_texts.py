"""The one catalogue."""

import importlib
import pkgutil
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.domain import errors
from gatekeeper.policy import judge, texts
from gatekeeper.policy.texts import (
    codes,
    fill,
    languages,
    names_in,
    placeholders,
    remedy,
    say_date,
    say_duration,
    say_time,
    sentence,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_every_language_has_every_code_with_the_same_values():
    assert {"en", "de"} <= set(languages())
    for language in languages():
        assert codes(language) == codes("en"), language
    for code in codes():
        for language in languages():
            forms = texts._catalogue(language).sentences[code]
            names = [placeholders(form) for form in forms]
            assert frozenset().union(*names) == names_in(code), (code, language)


def test_a_remedy_belongs_to_a_sentence():
    for code in codes():
        assert code.removesuffix(".remedy") in codes(), code


def test_every_error_of_the_domain_and_of_policies_has_a_sentence():
    package = importlib.import_module("gatekeeper.policy")
    for module in pkgutil.iter_modules(package.__path__, "gatekeeper.policy."):
        importlib.import_module(module.name)

    def children(kind):
        yield kind
        for child in kind.__subclasses__():
            yield from children(child)

    for error in children(errors.GatekeeperError):
        if error.__module__.startswith(("gatekeeper.domain", "gatekeeper.policy")):
            assert error.code in codes(), error


def test_every_outcome_of_a_rule_has_a_sentence():
    assert {*judge.CODES.values(), judge.FAULT, "declined", "excluded"} <= codes()


def test_the_language_falls_back_and_an_unknown_code_is_shown():
    assert sentence("kept", {}, "de_AT") == sentence("kept", {}, "de")
    assert sentence("kept", {}, "xx") == sentence("kept", {}, "en")
    assert sentence("nobody-knows", {}, "de") == "[nobody-knows]"
    assert remedy("nobody-knows") == ""
    assert remedy("service-absent", {}, "de")


def test_own_texts_come_first():
    own = {"kept": {"en": "You stay, {name}."}, "new": {"fr": "Bonjour."}}
    assert sentence("kept", {"name": "Ada"}, "en", own) == "You stay, Ada."
    assert sentence("kept", {}, "de", own) == sentence("kept", {}, "de")
    assert sentence("new", {}, "en", own) == "Bonjour."


def test_plural_forms_follow_the_count():
    one = sentence("policy", {"count": 1, "name": "x", "first": "f"})
    two = sentence("policy", {"count": 2, "name": "x", "first": "f"})
    assert "one finding" in one
    assert "2 findings" in two


FILLED = [
    ("{a} and {b}", {"a": 1, "b": 2.5}, "1 and 2.5"),
    ("{left:duration}", {"left": 5400}, "1 hour, 30 minutes"),
    ("{left:duration}", {"left": "90d"}, "90 days"),
    ("{left:duration}", {"left": "soon"}, "soon"),
    ("{at:time}", {"at": NOON.isoformat()}, "1 March 2026, 13:00 GMT+01:00"),
    ("{at:date}", {"at": NOON.isoformat()}, "1 March 2026"),
    ("{missing}", {}, "{missing}"),
    ("{a.__class__}", {"a": "x"}, "{a.__class__}"),
    ("{a[0]}", {"a": "x"}, "{a[0]}"),
    ("{a!r}", {"a": "x"}, "x"),
    ("{", {"a": "x"}, "{"),
    ("{{a}}", {"a": "x"}, "{a}"),
]


@pytest.mark.parametrize(("template", "values", "text"), FILLED)
def test_values_are_filled_in_and_nothing_else(template, values, text):
    assert fill(template, values, "en", "Europe/Berlin") == text


@given(st.text(), st.text())
def test_any_template_and_value_gives_a_text(template, value):
    assert isinstance(fill(template, {"a": value}, "en"), str)
    assert value in fill("<{a}>", {"a": value}, "en")


SPANS = [
    (timedelta(days=90), "90 days", "90 Tage"),
    (timedelta(hours=1, minutes=30), "1 hour, 30 minutes", "1 Stunde, 30 Minuten"),
    (timedelta(days=1, hours=2, minutes=3), "1 day, 2 hours", "1 Tag, 2 Stunden"),
    (timedelta(seconds=1.5), "1 second", "1 Sekunde"),
    (timedelta(seconds=0.5), "0.5 seconds", "0,5 Sekunden"),
    (timedelta(0), "0 seconds", "0 Sekunden"),
]


@pytest.mark.parametrize(("span", "english", "german"), SPANS)
def test_durations_in_words(span, english, german):
    assert say_duration(span) == english
    assert say_duration(span, "de") == german


def test_times_in_words():
    assert say_time(NOON, "de", "Europe/Berlin") == "1. März 2026, 13:00 MEZ"
    assert (
        say_date(datetime(2026, 3, 1, 23, 30, tzinfo=UTC), "de", "Europe/Berlin") == "2. März 2026"
    )
    for say in (say_time, say_date):
        with pytest.raises(ValueError, match="zone"):
            say(NOON.replace(tzinfo=None))
