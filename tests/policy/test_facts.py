"""What rules see."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from gatekeeper.policy.club_document import Form
from gatekeeper.policy.facts import (
    ApplicationFacts,
    MemberFacts,
    Type,
    count_links,
    schema_of,
    typed_text,
    values_of,
)
from tests.policy.builders import NOW, a_member, an_application

FORM = Form.model_validate(
    {
        "questions": [
            {"id": "why", "kind": "longText", "label": "?", "required": True},
            {"id": "age", "kind": "number", "label": "?"},
            {"id": "size", "kind": "number", "decimals": True, "label": "?", "required": True},
            {"id": "born", "kind": "date", "label": "?"},
            {"id": "tags", "kind": "tags", "label": "?"},
            {"id": "yes", "kind": "consent", "label": "?"},
            {"id": "way", "kind": "choice", "label": "?", "options": [{"value": "a"}]},
        ]
    }
)


def test_the_schema_follows_models_and_form():
    schema = schema_of(ApplicationFacts, FORM)
    assert set(schema) == set(ApplicationFacts.model_fields)
    assert schema["last_declined_at"] == Type(datetime, optional=True)
    assert schema["submitted_at"] == Type(datetime)
    assert schema["answers"] == {
        "why": Type(str),
        "age": Type(int, optional=True),
        "size": Type(float),
        "born": Type(datetime, optional=True),
        "tags": Type(str, many=True),
        "yes": Type(bool),
        "way": Type(str, optional=True),
    }
    member = schema_of(MemberFacts, Form())
    assert member["silent"] == Type(timedelta)
    assert member["roles"] == Type(str, many=True)


def test_absent_values_are_absent_and_answers_typed():
    answers = {"why": "x", "size": 3, "born": "1990-05-01", "gone": "an older form"}
    values = values_of(an_application(answers=answers), schema_of(ApplicationFacts, FORM))
    assert "last_declined_at" not in values
    assert values["answers"] == {
        "why": "x",
        "size": 3.0,
        "born": datetime(1990, 5, 1, tzinfo=UTC),
    }
    assert isinstance(values["answers"]["size"], float)


def test_naive_times_are_refused():
    with pytest.raises(ValidationError):
        an_application(submitted_at=NOW.replace(tzinfo=None))
    with pytest.raises(ValidationError):
        a_member(last_active_at=NOW.replace(tzinfo=None))


def test_typed_text_holds_what_was_typed_and_no_options():
    answers = {"why": "gardens", "tags": ["a", "b"], "way": "a", "yes": True, "age": 5}
    assert typed_text(FORM, answers, "hello") == "hello\ngardens\na, b"


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("see https://a.b and HTTP://c.d", 2), ("www.x.y", 1), ("a.b", 0)]
)
def test_links_are_counted(text, count):
    assert count_links(text) == count


def test_facts_of_rows_are_the_same_unchecked():
    values = {"known_since": NOW, "silent": timedelta(days=3), "roles": ("staff",)}
    made, checked = MemberFacts.of_rows(**values), MemberFacts(**values)
    assert made == checked
    assert made.model_dump(mode="json") == checked.model_dump(mode="json")
    for wrong in ({"known_since": NOW}, {**values, "nobody": 1}):
        with pytest.raises(TypeError, match="not the facts"):
            MemberFacts.of_rows(**wrong)
