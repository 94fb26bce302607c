"""What people typed into the join form, checked and typed."""

import re
from collections.abc import Mapping
from datetime import date

from gatekeeper.domain.errors import BadInput
from gatekeeper.policy.club_document import ANSWER_LETTERS, Form, Question, QuestionKind
from gatekeeper.policy.facts import Answer
from gatekeeper.policy.plain import clean_text

_LINK = re.compile(r"https?://[^\s/?#]+\.?[^\s]*", re.IGNORECASE)


def validate_answers(form: Form, raw: Mapping[str, str | list[str]]) -> dict[str, Answer]:
    """What people typed, checked and typed; used by the web form and by chat alike.

    Args:
        form: the club's.
        raw: question id to what was typed or chosen; a box that is ticked is any non-empty text.

    Returns:
        question id to answer, plain JSON values: texts, whole or decimal numbers, ISO dates,
        True or False for consent, lists of texts for many and tags. Unanswered ones are left out,
        but for consent (False), many and tags ([]).

    Raises:
        BadInput: `problems` maps each question to its code: answer-required, consent-required,
            answer-too-long, answer-too-short, answer-not-a-number, answer-out-of-range,
            answer-not-a-date, answer-not-a-link, answer-unknown-option, answer-unknown-question,
            answer-not-one.
    """
    known = {question.id: question for question in form.questions}
    problems = {name: "answer-unknown-question" for name in raw if name not in known}
    answers: dict[str, Answer] = {}
    for question in form.questions:
        typed = raw.get(question.id, "")
        try:
            answer = _read(question, [typed] if isinstance(typed, str) else typed)
        except _AnswerError as problem:
            problems[question.id] = str(problem)
        else:
            if answer is not None:
                answers[question.id] = answer
    if problems:
        raise BadInput(problems)
    return answers


class _AnswerError(Exception):
    """Carries the code of what is wrong with one answer."""


def _read(question: Question, typed: list[str]) -> Answer | None:
    texts = [text for one in typed if (text := clean_text(one).replace("\r\n", "\n").strip())]
    if any(len(text) > ANSWER_LETTERS for text in texts):
        raise _AnswerError("answer-too-long")
    if question.required and not texts:
        consent = question.kind is QuestionKind.CONSENT
        raise _AnswerError("consent-required" if consent else "answer-required")
    if question.kind is QuestionKind.CONSENT:
        return bool(texts)
    if question.kind in {QuestionKind.MANY, QuestionKind.TAGS}:
        return _read_list(question, texts)
    if not texts:
        return None
    if len(texts) > 1:
        raise _AnswerError("answer-not-one")
    return _read_one(question, texts[0])


def _read_list(question: Question, texts: list[str]) -> list[str]:
    if question.kind is QuestionKind.MANY:
        if not set(texts) <= {option.value for option in question.options}:
            raise _AnswerError("answer-unknown-option")
        return list(dict.fromkeys(texts))
    tags = [tag for text in texts for part in text.split(",") if (tag := part.strip())]
    tags = list(dict.fromkeys(tags))
    if question.required and not tags:
        raise _AnswerError("answer-required")
    if len(tags) > (question.max_length or ANSWER_LETTERS):
        raise _AnswerError("answer-too-long")
    if len(tags) < (question.min_length or 0):
        raise _AnswerError("answer-too-short")
    return tags


def _read_one(question: Question, text: str) -> Answer:
    match question.kind:
        case QuestionKind.CHOICE:
            if text not in {option.value for option in question.options}:
                raise _AnswerError("answer-unknown-option")
            return text
        case QuestionKind.NUMBER:
            return _read_number(question, text)
        case QuestionKind.DATE:
            try:
                return date.fromisoformat(text).isoformat()
            except ValueError:
                raise _AnswerError("answer-not-a-date") from None
        case QuestionKind.TEXT:
            text = " ".join(text.split())
        case QuestionKind.LINK:
            if not _LINK.fullmatch(text):
                raise _AnswerError("answer-not-a-link")
        case _:
            pass
    if len(text) > (question.max_length or ANSWER_LETTERS):
        raise _AnswerError("answer-too-long")
    if len(text) < (question.min_length or 0):
        raise _AnswerError("answer-too-short")
    return text


def _read_number(question: Question, text: str) -> int | float:
    whole, decimal = r"[+-]?[0-9]{1,15}", r"[+-]?[0-9]{1,15}([.,][0-9]{1,9})?"
    if not re.fullmatch(decimal if question.decimals else whole, text):
        raise _AnswerError("answer-not-a-number")
    number = float(text.replace(",", ".")) if question.decimals else int(text)
    low, high = question.min, question.max
    if (low is not None and number < low) or (high is not None and number > high):
        raise _AnswerError("answer-out-of-range")
    return number
