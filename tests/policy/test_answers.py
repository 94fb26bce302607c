"""What people typed, as typed answers or as what is wrong with each."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.domain.errors import BadInput
from gatekeeper.policy.answers import validate_answers
from gatekeeper.policy.club_document import ANSWER_LETTERS, Form


def form(**question):
    options = [{"value": "a"}, {"value": "b"}] if question["kind"] in {"choice", "many"} else []
    return Form.model_validate(
        {"questions": [{"id": "it", "label": "?", "options": options, **question}]}
    )


ANSWERS = [
    ({"kind": "text"}, "  a \n b ", "a b"),
    ({"kind": "text", "maxLength": 3}, "äöü", "äöü"),
    ({"kind": "longText"}, "a\r\nb\x00", "a\nb\ufffd"),
    ({"kind": "choice"}, "a", "a"),
    ({"kind": "choice"}, ["b"], "b"),
    ({"kind": "many"}, ["b", "a", "b"], ["b", "a"]),
    ({"kind": "many"}, [], []),
    ({"kind": "number"}, "+7", 7),
    ({"kind": "number", "min": 0, "max": 10}, "10", 10),
    ({"kind": "number", "decimals": True}, "1,5", 1.5),
    ({"kind": "date"}, "2026-02-28", "2026-02-28"),
    ({"kind": "link"}, "https://a.example/x?y=1", "https://a.example/x?y=1"),
    ({"kind": "tags"}, "a, b,, a ", ["a", "b"]),
    ({"kind": "consent"}, "on", True),
    ({"kind": "consent"}, "", False),
]


@pytest.mark.parametrize(("question", "raw", "answer"), ANSWERS)
def test_answers_are_typed(question, raw, answer):
    got = validate_answers(form(**question), {"it": raw})
    assert got == {"it": answer}
    assert type(got["it"]) is type(answer)


PROBLEMS = [
    ({"kind": "text", "required": True}, " ", "answer-required"),
    ({"kind": "many", "required": True}, [], "answer-required"),
    ({"kind": "tags", "required": True}, ",", "answer-required"),
    ({"kind": "consent", "required": True}, "", "consent-required"),
    ({"kind": "text", "maxLength": 3}, "abcd", "answer-too-long"),
    ({"kind": "longText"}, "x" * (ANSWER_LETTERS + 1), "answer-too-long"),
    ({"kind": "tags", "maxLength": 1}, "a,b", "answer-too-long"),
    ({"kind": "tags", "minLength": 3}, "a,b", "answer-too-short"),
    ({"kind": "text", "minLength": 3}, "ab", "answer-too-short"),
    ({"kind": "number"}, "seven", "answer-not-a-number"),
    ({"kind": "number"}, "1.5", "answer-not-a-number"),
    ({"kind": "number"}, "9" * 30, "answer-not-a-number"),
    ({"kind": "number", "decimals": True}, "nan", "answer-not-a-number"),
    ({"kind": "number"}, "٣", "answer-not-a-number"),
    ({"kind": "number", "min": 1}, "0", "answer-out-of-range"),
    ({"kind": "number", "max": 1}, "2", "answer-out-of-range"),
    ({"kind": "date"}, "2026-02-30", "answer-not-a-date"),
    ({"kind": "date"}, "tomorrow", "answer-not-a-date"),
    ({"kind": "link"}, "javascript:alert(1)", "answer-not-a-link"),
    ({"kind": "link"}, "https://", "answer-not-a-link"),
    ({"kind": "link"}, "https://a b", "answer-not-a-link"),
    ({"kind": "choice"}, "c", "answer-unknown-option"),
    ({"kind": "many"}, ["a", "c"], "answer-unknown-option"),
    ({"kind": "text"}, ["a", "b"], "answer-not-one"),
]


@pytest.mark.parametrize(("question", "raw", "code"), PROBLEMS)
def test_problems_are_named(question, raw, code):
    with pytest.raises(BadInput) as caught:
        validate_answers(form(**question), {"it": raw})
    assert caught.value.problems == {"it": code}


def test_all_problems_are_told_at_once_and_unknown_questions_refused():
    with pytest.raises(BadInput) as caught:
        validate_answers(form(kind="text", required=True), {"nope": "x"})
    assert caught.value.problems == {"nope": "answer-unknown-question", "it": "answer-required"}


@pytest.mark.parametrize(
    "kind", ["text", "longText", "choice", "many", "number", "date", "link", "tags", "consent"]
)
@given(raw=st.one_of(st.text(st.characters(codec=None)), st.lists(st.text(), max_size=3)))
@settings(max_examples=40, deadline=None)
def test_whatever_is_typed_is_an_answer_or_bad_input(kind, raw):
    try:
        answers = validate_answers(form(kind=kind), {"it": raw})
    except BadInput:
        return
    assert "\x00" not in str(answers)
