"""The schema of a policy."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gatekeeper.policy.base import parse_duration, write_duration
from gatekeeper.policy.club_document import Club, Question
from gatekeeper.policy.document import KINDS
from tests.policy.builders import a_policy
from tests.policy.fields import model_in

DURATIONS = [
    ("90d", timedelta(days=90)),
    ("2w", timedelta(weeks=2)),
    ("10m", timedelta(minutes=10)),
    ("1.5s", timedelta(seconds=1.5)),
    ("1h30m", timedelta(minutes=90)),
    ("500ms", timedelta(milliseconds=500)),
    ("0s", timedelta(0)),
]


@pytest.mark.parametrize(("text", "span"), DURATIONS)
def test_durations_have_units(text, span):
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "90", "d", "1x", "-1d", "1 d", "P30D", "9" * 400 + "d", 7])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match=r"duration|too long"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_written_duration_reads_back(milliseconds):
    span = timedelta(milliseconds=milliseconds)
    assert parse_duration(write_duration(span)) == span


def test_every_field_has_a_description():
    seen = set()

    def look(model):
        if model in seen:
            return
        seen.add(model)
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            inner = model_in(field.annotation)
            if inner:
                look(inner)

    for model in KINDS.values():
        look(model)


def test_unknown_fields_are_refused_and_nothing_changes_once_read():
    club = a_policy().club
    with pytest.raises(ValidationError):
        Club.model_validate({**club.model_dump(by_alias=True), "extra": 1})
    with pytest.raises(ValidationError):
        club.spec.language = "de"


def test_a_document_reads_back_from_its_dump():
    club = a_policy().club
    assert Club.model_validate(club.model_dump(by_alias=True, mode="json")) == club


def test_a_question_speaks_other_languages_and_falls_back():
    question = Question.model_validate(
        {
            "id": "way",
            "kind": "choice",
            "label": "Way?",
            "options": [{"value": "a", "label": "A"}, {"value": "b"}],
            "translations": {"de": {"label": "Weg?", "options": {"a": "Ah"}}},
        }
    )
    assert question.words("de").label == "Weg?"
    assert question.words("de").options == {"a": "Ah", "b": "b"}
    assert question.words("fr").label == "Way?"


def test_a_decline_reason_speaks_other_languages_and_falls_back():
    club = a_policy().club
    assert club.reason_text("not-a-fit", "de") == "Wir passen nicht zusammen."
    assert club.reason_text("not-a-fit", "fr") == "We do not fit."
    assert club.reason_text("gone", "en") == "gone"
