"""Window: what one person sees of a club and may do in a chat's own forms, ready to be shown.

A platform that has forms (Slack's modals and Home tab) draws a Window and hands back a Filled.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, TypeAlias

from gatekeeper.domain.events import Happening
from gatekeeper.domain.identity import Identity

Kind: TypeAlias = Literal[
    "text", "longText", "choice", "many", "number", "date", "link", "tags", "consent"
]
May: TypeAlias = Literal["apply", "edit", "withdraw", "away", "back", "link", "listed", "unlisted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One question, in the reader's language.

    Attributes:
        options: (value, label) for choice and many.
        typed: what was answered before, as it would be typed; () for nothing.
    """

    name: str
    kind: Kind
    label: str
    help: str = ""
    required: bool = False
    options: tuple[tuple[str, str], ...] = ()
    typed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Finished sentences about one person, and what they may do now.

    Attributes:
        fields: of the form that `apply` or `edit` fills.
        asked: open questions of the admins: (id, text).
        answers: what they have answered in their application: (label, text).
    """

    club: str
    language: str
    headline: str
    sentences: tuple[str, ...] = ()
    may: frozenset[May] = frozenset()
    fields: tuple[Field, ...] = ()
    asked: tuple[tuple[int, str], ...] = ()
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled(Happening):
    """A form was sent, or something pressed in a Window; by the account's owner, as proven by
    the platform.

    Attributes:
        act: what is asked for; "answer" is to the question `asked`, "draft" keeps what stands in
            some fields of the form to be sent later.
        answers: question id to what was typed or chosen, as the web form gives it.
        until: the last day of an absence.
        about: the applicant whom a member vouches for.
    """

    act: Literal[
        "apply",
        "edit",
        "draft",
        "withdraw",
        "away",
        "back",
        "answer",
        "link",
        "vouch",
        "listed",
        "unlisted",
    ]
    answers: Mapping[str, str | list[str]] = field(default_factory=dict)
    until: date | None = None
    text: str = ""
    asked: int = 0
    about: Identity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a Filled: a sentence; `problems` where nothing was taken in, by field
    ("until", "text", or a question's id). A draft is kept with its problems."""

    said: str
    problems: Mapping[str, str] = field(default_factory=dict)
