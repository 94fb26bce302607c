"""What a club keeps besides its people: its state, policy versions, cards, budgets, checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from gatekeeper.domain.errors import Value
from gatekeeper.domain.identity import ClubId, Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class ClubState:
    """One row for each club; whoever changes anything in the club holds it for a moment.

    Attributes:
        watched_since: when we first listened: nobody is judged for the time before.
        paused_by: person:<id> or operator:<name>.
        policy: digest of the version in force.
        policy_aside: digest of a file's content that people decided against; it stays out of
            force, over restarts too, until the file changes or it is released.
        policy_pending: digest of a version that waits for an admin's word; "" for none.
        looked_by: digest of the rules that the `look_at` of its members follows from.
        unfiltered: digest of a version of the policy for which Sweeps look at everyone, since
            somebody was found who would have been left out.
        members: how many memberships are inside; the store keeps it as they begin and end, since
            to count millions takes seconds.
    """

    id: int = 0
    club: ClubId
    created_at: datetime
    watched_since: datetime | None = None
    paused_at: datetime | None = None
    paused_by: str = ""
    policy: str = ""
    policy_aside: str = ""
    policy_pending: str = ""
    looked_by: str = ""
    unfiltered: str = ""
    members: int = 0
    head_posted_at: datetime | None = None
    trials_told_at: datetime | None = None  # what differed up to then was told
    served_at: datetime | None = None  # heartbeat of the running service
    served_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """The text of a policy that came into force or waits for it, by the digest of its content."""

    id: int = 0
    club: ClubId
    digest: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """One version of the policy coming into force.

    Attributes:
        before: digest of the version until then; "" for the club's first.
        actor: file:<name>, operator:<name> or person:<id>.
        reason: file, promoted, rolled-back, released.
    """

    id: int = 0
    club: ClubId
    at: datetime
    digest: str
    before: str = ""
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDifference:
    """What a rule or document on trial would have decided otherwise than was decided.

    Attributes:
        day: `at` in UTC; a subject is kept once a day for each trial, as it was seen last.
        kind: application or member.
        trial: document:<name> or rule:<id>.
        verdict, rule: what was decided, and by which rule.
        trial_verdict, trial_rule: what the trial would have decided.
        digest: of the version in which the trial stands.
    """

    id: int = 0
    club: ClubId
    at: datetime
    day: date
    kind: str
    subject: str
    trial: str
    verdict: str
    rule: str
    trial_verdict: str
    trial_rule: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingCard:
    """One of our messages whose choices can be pressed, and what a press there is about.

    Attributes:
        kind: review, reasons, removals, notice, resume, policy, reconcile.
        subject: application:<id>, vote:<id>, membership:<id>, pause:<event id>, club (all planned
            removals), club:sweep-<id> (a held Sweep), policy:<digest> (a version that waits),
            reconcile:club (what does not fit).
        ref: the platform's id of the message.
        ended_at: no longer current; presses on it change nothing.
        shown: digest of what it shows, so that an update that changes nothing is not sent.
    """

    id: int = 0
    club: ClubId
    platform: str
    kind: str
    subject: str
    place: str
    ref: str
    shown: str = ""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One limiter of a platform that has asked us to wait until `blocked_until`."""

    id: int = 0
    club: ClubId
    platform: str
    limiter: str
    blocked_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Up to where a platform's intake has been taken in (Matrix: the sync token)."""

    id: int = 0
    club: ClubId
    platform: str
    position: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """An event of a platform that was taken in and committed: telling it again changes nothing."""

    id: int = 0
    club: ClubId
    platform: str
    event_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyPress:
    """A press on a message of ours whose id we do not know yet: its Receipt is still to come."""

    id: int = 0
    club: ClubId
    platform: str
    ref: str
    who: Identity
    symbol: str
    place: str
    event_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A form that somebody has begun in a chat and not sent yet, as it was typed.

    `form`: apply or edit.
    """

    id: int = 0
    club: ClubId
    who: Identity
    form: str
    answers: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A personal link: random, for one Identity and one act, kept only as a digest.

    `act`: form, comeback, here, wrong, status. It ends with use, date or withdrawal.
    """

    id: int = 0
    club: ClubId
    act: str
    digest: str
    identity: Identity
    subject: str
    created_at: datetime
    expires_at: datetime
    note: str = ""  # what the act needs besides: a knock's reason
    used_at: datetime | None = None
    void_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A code sent to an Identity, to be typed into the browser that asked for it."""

    id: int = 0
    club: ClubId
    application_id: int
    identity: Identity
    browser: str
    created_at: datetime
    expires_at: datetime
    tries: int = 0
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How far one schedule of the clock has come.

    Attributes:
        name: sweep, reconcile, retention.
        cron, zone: what it ran by; another expression has missed nothing under this one.
        done_at: no tick up to here is to be done any more.
        due_at: the newest tick that came and is not done; None for none.
        tried_at, tries: of `due_at`.
    """

    id: int = 0
    club: ClubId
    name: str
    cron: str
    zone: str
    done_at: datetime
    due_at: datetime | None = None
    tried_at: datetime | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something at a club's door or in its roll that is not as the record says, until it is.

    Attributes:
        key: what it is, where and about whom; one row each, reopened when it is found again.
        code: what it is: see `domain.reconcile`.
        subject: the account or the place that it is about.
        values: what its sentence names.
        answer: what was said to it: adopt, remove, leave, fix; "" for nothing yet.
            While it is open an answer is being carried out.
        by: person:<id> or operator:<name> who said so.
        ended_at: it is so no longer, or was answered.
    """

    id: int = 0
    club: ClubId
    key: str
    code: str
    platform: str
    subject: str
    values: Mapping[str, Value] = field(default_factory=dict)
    first_at: datetime
    last_at: datetime
    ended_at: datetime | None = None
    answer: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How often something limited happened in one hour: `key` is form:<address>, code:<id>, …"""

    id: int = 0
    club: ClubId
    key: str
    hour: datetime
    count: int
