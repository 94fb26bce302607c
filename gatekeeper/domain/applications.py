"""Application, Vote, Vouch, Question; the table of an application's life."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from gatekeeper.domain.decisions import Quorum, RuleResult
from gatekeeper.domain.errors import WrongState
from gatekeeper.domain.identity import ClubId, Identity


class State(StrEnum):
    """Where an application stands."""

    UNPROVEN = "unproven"  # nobody has shown yet that the identity is theirs
    IN_REVIEW = "in-review"
    APPROVED = "approved"  # decided, not yet invited
    INVITED = "invited"  # the invitation stands
    ADMITTED = "admitted"  # inside
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"  # never proven
    LAPSED = "lapsed"  # invitation not taken up, or its end by a ban


class Event(StrEnum):
    """What happens to an application."""

    PROVE = "prove"
    APPROVE = "approve"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    INVITED = "invited"
    JOINED = "joined"
    LAPSE = "lapse"
    EXPIRE = "expire"


OPEN: Final = frozenset({State.UNPROVEN, State.IN_REVIEW, State.APPROVED, State.INVITED})

# The whole life of an application; policies/README.md draws its diagram from here.
NEXT: Final[Mapping[tuple[State, Event], State]] = {
    (State.UNPROVEN, Event.PROVE): State.IN_REVIEW,
    (State.UNPROVEN, Event.WITHDRAW): State.WITHDRAWN,
    (State.UNPROVEN, Event.EXPIRE): State.EXPIRED,
    (State.IN_REVIEW, Event.APPROVE): State.APPROVED,
    (State.IN_REVIEW, Event.DECLINE): State.DECLINED,
    (State.IN_REVIEW, Event.WITHDRAW): State.WITHDRAWN,
    (State.IN_REVIEW, Event.JOINED): State.ADMITTED,  # an admin let them in by hand
    (State.APPROVED, Event.INVITED): State.INVITED,
    (State.APPROVED, Event.JOINED): State.ADMITTED,
    (State.APPROVED, Event.WITHDRAW): State.WITHDRAWN,
    (State.APPROVED, Event.LAPSE): State.LAPSED,
    (State.INVITED, Event.JOINED): State.ADMITTED,
    (State.INVITED, Event.WITHDRAW): State.WITHDRAWN,
    (State.INVITED, Event.LAPSE): State.LAPSED,
}


def advance(state: State, event: Event) -> State:
    """The state after `event`; raises WrongState where the table has no row."""
    if (state, event) not in NEXT:
        raise WrongState(state=state, event=event)
    return NEXT[state, event]


class Choice(StrEnum):
    """What a vote says."""

    APPROVE = "approve"
    DECLINE = "decline"
    RECUSE = "recuse"  # keeps out of it: no vote at all, until they cast another


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One request to join and where it stands.

    Attributes:
        origin: "web" or "knock".
        answers: question id to answer, as `validate_answers` gave them; None once erased.
        policy: digest of the policy version frozen when the review opened.
        interviewed_at: when the first question of the admins was answered; None for not yet.
        electorate: the admins at that moment; a vote counts only from one of them.
        involved: identities that have no vote in this case (besides the applicant).
        rule, results: the rule that fired, "" for none, and what each of them said.
        previous_answers: those voted on before an edit, shown on the card as old.
        reason: code of the decline or of the end; `reason_text` the sentence the person was told.
        decided_by: the admins whose votes decided, as person:<id>, or operator:<name>; empty for a
            rule.
        due_at: the next moment at which time alone changes something; None for never.
        browser: digest of the browser session that sent an unproven form.
    """

    id: int = 0
    club: ClubId
    person_id: int
    identity: Identity
    name: str
    origin: str
    state: State
    language: str = "en"
    answers: Mapping[str, Any] | None = None
    knock_reason: str = ""
    submitted_at: datetime
    opened_at: datetime | None = None
    interviewed_at: datetime | None = None
    decided_at: datetime | None = None
    invited_at: datetime | None = None
    ended_at: datetime | None = None
    reminded_at: datetime | None = None
    due_at: datetime | None = None
    edited_at: datetime | None = None
    previous_answers: Mapping[str, Any] | None = None
    policy: str = ""
    rule: str = ""
    results: tuple[RuleResult, ...] = ()
    quorum: Quorum = field(default_factory=Quorum)
    electorate: tuple[Identity, ...] = ()
    involved: tuple[Identity, ...] = ()
    reason: str = ""
    reason_text: str = ""
    decided_by: tuple[str, ...] = ()
    browser: str = ""


OWN_WORDS: Final = "own-words"  # reason of a decline that is none of the policy's


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One admin's word on one application; `ended_at` when it was taken back or cleared.

    A decline without `reason` is not counted yet: the voter has been asked for one. With OWN_WORDS
    it is in `told`, as the applicant reads it.
    """

    id: int = 0
    club: ClubId
    application_id: int
    person_id: int
    voter: Identity
    choice: Choice
    reason: str = ""
    told: str = ""
    event_id: str
    at: datetime
    ended_at: datetime | None = None
    ended_by: str = ""  # taken-back, edited, right-lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouch:
    """A member's word for one applicant; `ended_at` when it was taken back.

    `voucher`: the account by which they gave it.
    """

    id: int = 0
    club: ClubId
    application_id: int
    person_id: int
    voucher: Identity
    at: datetime
    ended_at: datetime | None = None
    ended_by: str = ""  # taken-back, linked


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an admin asks an applicant; `text` is "" until the admin has written it.

    `ended_at`: the application was decided or withdrawn, so that no answer is awaited any more.
    """

    id: int = 0
    club: ClubId
    application_id: int
    asked_by: Identity
    asked_at: datetime
    text: str = ""
    answer: str = ""
    answered_at: datetime | None = None
    ended_at: datetime | None = None
