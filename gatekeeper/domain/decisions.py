"""Verdict, Decision, Action, Receipt: what was decided, what it asks of a platform, what was done.

Texts inside Actions are finished sentences in the reader's language, as plain text: a platform
escapes and draws them, it never writes any of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from gatekeeper.domain.errors import Value
from gatekeeper.domain.identity import ClubId, Identity
from gatekeeper.domain.reconcile import Rule


class Verdict(StrEnum):
    """The answer in a word."""

    ADMIT = "admit"
    WAIT = "wait"
    DECLINE = "decline"
    KEEP = "keep"
    NOTIFY = "notify"
    REMOVE = "remove"
    RECORD = "record"  # an act of a person that answers nobody: a leave, an exemption, a pause


@dataclass(frozen=True, slots=True)
class Decision:
    """A Verdict with its code; the sentence is the catalogue's for `code` filled with `values`.

    `values` hold only what may be shown to the person decided about.
    """

    verdict: Verdict
    code: str
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule said: `matched` is None where its condition could not be evaluated."""

    rule: str
    matched: bool | None
    fault: str = ""
    audit: bool = False  # a shadow rule: reported, never applied


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """How many decide, and until when.

    Attributes:
        approvals, declines: how many admins' votes admit or decline.
        remind_after: seconds until a waiting application is brought up again; None for never.
        open_for: seconds until the review ends by `on_deadline`; None for no end.
        on_deadline: verdict at the end of `open_for`: decline or wait (goes on, brought up again).
        interview: nobody is admitted before they have answered a question of the admins.
    """

    approvals: int = 1
    declines: int = 1
    remind_after: float | None = None
    open_for: float | None = None
    on_deadline: Verdict = Verdict.DECLINE
    interview: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a policy's rules say of one application or member; `rule` is the one that fired.

    Raised faults never admit and never remove: the policy's failurePolicy gives `verdict` then,
    `rule` is "" and the faults stand in `results`.
    """

    verdict: Verdict  # admit, wait (= review), decline; keep, notify, remove
    rule: str
    code: str
    values: Mapping[str, Value] = field(default_factory=dict)
    results: tuple[RuleResult, ...] = ()
    quorum: Quorum | None = None
    reason: str = ""  # id of the decline reason to tell, "" for the code's own sentence
    involved: tuple[str, ...] = ()  # who has no vote in this case, as platform:account
    policy: str = ""  # digest of the policy version


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of a club's record of decisions, kept for ever, chained by `mac`.

    `input_digest` is a salted digest of the input; salt and input lie in an erasable table.
    `actor` is person:<id>, rule:<id>, policy, platform, schedule or operator:<name>.
    """

    sequence: int = 0
    club: ClubId
    at: datetime
    actor: str
    subject: str  # application:<id>, membership:<id>, sweep:<id>, person:<id>, club
    verdict: Verdict
    code: str
    sentence: str
    policy: str
    input_digest: str = ""
    mac: str = ""


# ---- Actions -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """An address of ours with the words it stands under."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Something a reader can press: a reaction on Matrix, a button on Slack."""

    id: str  # approve, decline, ask, here, confirm, reason:<id> …
    symbol: str  # ✅ …; unique within one message
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What stands in the admins' room about one subject, updated in place."""

    title: str
    status: str
    facts: tuple[tuple[str, str], ...] = ()  # (label, value): answers, how long known, …
    lines: tuple[str, ...] = ()  # rule results, votes, what is missing
    choices: tuple[Choice, ...] = ()  # none once decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    """Let `who` into the club's places. Done when the invitation stands (or they are inside).

    `rooms`: of somebody inside, into those rooms out of which a Remove with `stay_in` had put
    them, and nowhere else.
    `reopen`: the account itself was ended by an EndAccount of ours; open it again first. One that
    somebody else has closed is never opened.
    """

    who: Identity
    reason: str = ""
    rooms: bool = False
    reopen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retract:
    """Take back our open invitation, to the club and each place of it, or answer an open knock
    with no; never touches a member, nor an invitation that a person made by hand."""

    who: Identity
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Take `who` out of every place of the club, the rooms first, the space last.

    `stay_in`: alias of a room; they stay inside the club and come into or stay in that room, and
    are out of the other ones. An Admit with `rooms` undoes it.
    """

    who: Identity
    reason: str
    stay_in: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Say something to one person in a direct chat; found or made, never doubled.

    Its Receipt has `waiting` while the person has not taken up the chat: not delivered yet.
    `room`: the platform's id of the very place in which they wrote to us, to answer there and in
    clear, even where that place is encrypted; "" for the direct chat.
    `subject`: of a letter; chats have none.
    `aside`: ref of the message among others that they pressed or answered; where a platform can, it
    says this there, for their eyes only, instead of in the chat.
    """

    who: Identity
    text: str
    links: tuple[Link, ...] = ()
    choices: tuple[Choice, ...] = ()
    room: str = ""
    subject: str = ""
    aside: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Say something in a place; `thread` is the ref of the message that it answers."""

    place: str  # "admins", "welcome", or a room's alias as the club document has it
    text: str
    thread: str = ""
    choices: tuple[Choice, ...] = ()
    mentions: tuple[Identity, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowCard:
    """Put a card into a place with its choices ready to press; with `ref`, update that one."""

    place: str
    card: Card
    ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """Set one rule of a place back, so that nobody comes past the gate by it; changes nothing
    where it is so, and no other rule."""

    place: str  # as the survey names it
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Bring:
    """Have somebody invited who has no account on the platform yet, to an address that is theirs.

    Its Receipt's `ref` is the code of the way that was taken; "" where an admin has to do it. Where
    there is an account with this very address already, nobody is invited, and its Receipt has it.
    `look`: no more than look whether there is one.
    """

    who: Identity  # of the platform "email"
    name: str = ""
    look: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndAccount:
    """End the account of `who` on the platform itself, beyond the club, if the platform lets us;
    nothing happens to one that has ended, or that is not ours to end. An Admit with `reopen` opens
    it again."""

    who: Identity


Action: TypeAlias = Admit | Retract | Remove | Tell | Post | ShowCard | Mend | Bring | EndAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a platform says it did.

    Attributes:
        changed: False when it was so already.
        ref: the platform's own id of what was made (a message's event id), "" for none.
        waiting: nothing is wrong, but it reaches nobody yet (a chat not taken up).
        note: what an operator should know of a part that was left undone, "" for nothing.
        by_hand: code of a sentence for the admins of what is left to them to do, "" for nothing.
        account: whose the address is already, of a Bring.
    """

    changed: bool
    at: datetime
    ref: str = ""
    waiting: bool = False
    note: str = ""
    by_hand: str = ""
    account: Identity | None = None


class Lane(StrEnum):
    """In which order the budget of a platform is spent; interactive before bulk."""

    ANSWER = "1-answer"  # someone has just pressed or written and waits
    CARD = "2-card"
    ADMISSION = "3-admission"
    UPDATE = "4-update"  # a card that stands tells what has just been done
    NOTICE = "5-notice"
    REMOVAL = "6-removal"
    PROOF = "7-proof"


class Progress(StrEnum):
    """The life of an Order."""

    DUE = "due"
    WAITING = "waiting"  # performed as far as it goes: a chat is not taken up
    DONE = "done"
    FAILED = "failed"  # a platform's final no
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An Action in the outbox: committed with its Decision, performed at least once.

    Attributes:
        key: idempotency key, unique in the club; a platform makes its own ids from it.
        purpose: what the Receipt means to `subject`: card, invitation, notice, removal, goodbye, …
        attempt: counts tries; the engine's job is named after id and attempt.
        reason: code of the last failure, "" for none.
        begun_at: of a Remove, the first time that the platform was asked for it: it may be done.
    """

    id: int = 0
    club: ClubId
    platform: str
    action: Action
    key: str
    purpose: str
    subject: str
    lane: Lane
    progress: Progress = Progress.DUE
    due_at: datetime
    created_at: datetime
    attempt: int = 0
    receipt: Receipt | None = None
    reason: str = ""
    even_paused: bool = False  # the answer to the very word that paused us
    begun_at: datetime | None = None
