"""Membership, Leave, Exemption, Sweep; the table of a membership's life."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from gatekeeper.domain.errors import Value, WrongState
from gatekeeper.domain.identity import ClubId, Identity


class State(StrEnum):
    """Where a membership stands."""

    ACTIVE = "active"
    NOTIFYING = "notifying"  # a notice is on its way; nothing counts until it is delivered
    NOTICED = "noticed"  # delivered: Grace runs
    PLANNED = "planned"  # Grace is over; stands on the admins' card
    CONFIRMED = "confirmed"  # an admin has said yes; the removal is due
    GUEST = "guest"  # the softer step: inside, but in the guests' room alone
    REMOVED = "removed"
    DEPARTED = "departed"
    BANNED = "banned"


class Event(StrEnum):
    """What happens to a membership."""

    NOTIFY = "notify"
    DELIVERED = "delivered"
    ALIVE = "alive"  # any sign of life, a leave or an exemption
    PLAN = "plan"
    CONFIRM = "confirm"
    SOFTENED = "softened"  # out of the rooms on every platform, instead of a removal
    KEEP = "keep"  # an admin keeps this one
    REMOVED = "removed"
    DEPART = "depart"
    BAN = "ban"
    RETURN = "return"


ANY_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)  # a moment that has come

INSIDE: Final = frozenset(
    {
        State.ACTIVE,
        State.NOTIFYING,
        State.NOTICED,
        State.PLANNED,
        State.CONFIRMED,
        State.GUEST,
    }
)
STAGED: Final = INSIDE - {State.ACTIVE}

# The whole life of a membership; policies/README.md draws its diagram from here.
NEXT: Final[Mapping[tuple[State, Event], State]] = {
    (State.ACTIVE, Event.NOTIFY): State.NOTIFYING,
    (State.NOTIFYING, Event.DELIVERED): State.NOTICED,
    (State.NOTICED, Event.PLAN): State.PLANNED,
    # could not be reached: an admin decides by name
    (State.NOTIFYING, Event.CONFIRM): State.CONFIRMED,
    (State.PLANNED, Event.CONFIRM): State.CONFIRMED,
    (State.CONFIRMED, Event.REMOVED): State.REMOVED,
    (State.CONFIRMED, Event.SOFTENED): State.GUEST,
    (State.GUEST, Event.PLAN): State.PLANNED,
    **{(state, Event.ALIVE): State.ACTIVE for state in STAGED},
    **{(state, Event.KEEP): State.ACTIVE for state in STAGED},
    **{(state, Event.DEPART): State.DEPARTED for state in INSIDE},
    **{(state, Event.BAN): State.BANNED for state in INSIDE},
    # removed by an admin's own hand in their client
    **{(state, Event.REMOVED): State.REMOVED for state in INSIDE},
    (State.REMOVED, Event.RETURN): State.ACTIVE,
    (State.REMOVED, Event.BAN): State.BANNED,
    (State.DEPARTED, Event.BAN): State.BANNED,
}


def advance(state: State, event: Event) -> State:
    """The state after `event`; raises WrongState where the table has no row."""
    if (state, event) not in NEXT:
        raise WrongState(state=state, event=event)
    return NEXT[state, event]


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A Person's time in the club, from admission to end.

    Attributes:
        origin: "application", "adopted" (from before), "comeback", "by-hand".
        known_since: from when on we can say anything of them; never judged for before.
        last_seen_at, last_kind, last_place: the last sign of life, None where there was none.
        notice_ref: the platform's id of the delivered notice; noticed_at is its delivery.
        grace_ends_at: only ever set with noticed_at; of a guest when their time as one ends.
        guest_at: since when they are a guest, or were one before they were planned again.
        unreachable_since: a notice is on its way, but its chat is not taken up.
        confirmed_by: person:<id>, operator:<name> or policy.
        page: of the admins' card on which they stand, from 1; 0 for none.
        cause: code of the end: silence, by-hand, cause, departed, banned, erased.
        welcome_due_at: when the greeting is due; None once greeted or not to be greeted.
        back_invited_at: an invitation to come back stands since then; None for none.
        back_due_at: when it is brought up again, or ends.
        look_at: before it no Sweep has to look at them while they stand at no stage; see
            `ClubState.looked_by`.
    """

    id: int = 0
    club: ClubId
    person_id: int
    identity: Identity
    name: str
    state: State = State.ACTIVE
    origin: str
    since: datetime
    known_since: datetime
    last_seen_at: datetime | None = None
    last_kind: str = ""
    last_place: str = ""
    noticed_at: datetime | None = None
    notice_ref: str = ""
    notice_code: str = ""
    notice_policy: str = ""
    unreachable_since: datetime | None = None
    grace_ends_at: datetime | None = None
    guest_at: datetime | None = None
    planned_at: datetime | None = None
    confirmed_by: str = ""
    page: int = 0
    ended_at: datetime | None = None
    cause: str = ""
    welcome_due_at: datetime | None = None
    back_invited_at: datetime | None = None
    back_due_at: datetime | None = None
    look_at: datetime = ANY_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """An announced absence that Sweeps pass over; `until` is its last moment.

    `by`: who announced it, person:<id> or operator:<name>.
    """

    id: int = 0
    club: ClubId
    person_id: int
    since: datetime
    until: datetime
    note: str = ""
    by: str = ""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """Someone a Sweep never touches, with who said so, why and until when.

    `author`: person:<id> or operator:<name>.
    """

    id: int = 0
    club: ClubId
    person_id: int
    reason: str
    author: str
    since: datetime
    until: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """Someone says that it was wrong to ask them, or to let them go; one open for each person.

    As long as it is open no Sweep touches them.

    Attributes:
        stage: the state of the membership when they said so.
        said: in their words, "" for none.
        confirmed_by: who had confirmed the removal then, "" for nobody; another admin answers.
        outcome: kept, upheld, ended (by another's hand, a ban, an erasure); "" while it is open.
        reason: what they were answered.
        by: person:<id> who answered.
        due_at: when the admins are reminded of it.
    """

    id: int = 0
    club: ClubId
    person_id: int
    membership_id: int
    stage: str
    said: str = ""
    confirmed_by: str = ""
    opened_at: datetime
    due_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str = ""
    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One pass over all Memberships; `slot` names the scheduled moment, once for all workers.

    `held` says why it stopped and asks ("" for not): brake-count, brake-percent, brake-usual;
    or that the club was paused.
    """

    id: int = 0
    club: ClubId
    slot: str
    at: datetime
    policy: str
    counts: Mapping[str, int] = field(default_factory=dict)  # by code
    digest: str = ""  # of the whole plan
    held: str = ""
    touched: int = 0  # how many the plan newly asked or planned for removal: what the brake counts


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepItem:
    """One member whom a Sweep would not let be, with the evidence it saw."""

    id: int = 0
    club: ClubId
    sweep_id: int
    membership_id: int
    verdict: str
    code: str
    rule: str
    evidence: Mapping[str, Value] = field(default_factory=dict)
    outcome: str = ""  # "", kept, removed, unreachable, alive


def headcount(value: object) -> int:
    """1 for a membership that is inside, 0 for whatever else."""
    return int(isinstance(value, Membership) and value.state in INSIDE)
