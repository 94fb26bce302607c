"""A reason that somebody is told, as an admin or operator typed it."""

from gatekeeper.domain.errors import BadInput
from gatekeeper.policy.plain import clean_text

LETTERS = 500


def told_reason(text: str) -> str:
    """The reason without blanks around it; BadInput (reason: answer-required, answer-too-long)."""
    reason = clean_text(text).strip()
    if not reason or len(reason) > LETTERS:
        raise BadInput({"reason": "answer-too-long" if reason else "answer-required"})
    return reason
