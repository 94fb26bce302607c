"""plan_sweep: whom to notify, whose Grace is over, whom to leave be.

The rules of a policy say what they would do; the laws here stand above them: nobody exempt, on
leave or with a right to decide is touched, nobody is planned for removal without a notice that was
delivered and a full Grace after it, and never more than the brake allows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from statistics import median
from typing import Final
from zoneinfo import ZoneInfo

from gatekeeper.domain.decisions import Decision, Ruling, Verdict
from gatekeeper.domain.errors import Value
from gatekeeper.domain.memberships import INSIDE, Membership, State

UNREACHABLE: Final = "could-not-be-reached"
FEW: Final = 5  # so many at once are nothing unusual, however few it was before
DIGEST_HOUR: Final = time(9)  # when people read
WAITING: Final = frozenset({State.NOTICED, State.GUEST})  # until `grace_ends_at`
SWEEPS_TO_COMPARE: Final = 3  # that touched anybody, before anything is usual
SWEEPS_COMPARED: Final = 10  # the last ones, of which the median is what is usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One membership with what bears on it at the moment of the look.

    `protected` is the code of what protects them (admin, exempt, on-leave, disputed, bot), "" for
    nothing.
    `evidence` is shown to the admins and the member: last sign, where, share of time seen.
    """

    membership: Membership
    ruling: Ruling
    protected: str = ""
    evidence: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Brake:
    """How many a single Sweep may notify or plan.

    Attributes:
        count: so many.
        percent: such a share of all.
        times: so many times as many as usual; `FEW` are never too many by that.
        usual: see `usual`; None where nothing is usual yet.
    """

    count: int | None = None
    percent: float | None = None
    times: float | None = None
    usual: float | None = None


def usual(touched: Sequence[int]) -> float | None:
    """How many a Sweep touches as a rule: the median of the last ones that touched anybody.

    None for fewer than `SWEEPS_TO_COMPARE`: of a first Sweep nothing is usual, so that the count,
    the share and the club's `settle` hold it, not this.
    """
    return median(touched) if len(touched) >= SWEEPS_TO_COMPARE else None


@dataclass(frozen=True, slots=True)
class Line:
    """One candidate and what the Sweep would do."""

    candidate: Candidate
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one Sweep would do; `held` names the brake that stops it, "" for none.

    `unreachable` are those whose notice could not be delivered: shown by name, never removed
    without an admin's word on that name.
    """

    notify: tuple[Line, ...] = ()
    remove: tuple[Line, ...] = ()
    unreachable: tuple[Line, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    held: str = ""
    touched: int = 0  # what the brake counted


def judge(candidate: Candidate, now: datetime) -> Decision:
    """What is to be done with one membership: KEEP, NOTIFY or REMOVE, laws before rules.

    REMOVE only where a rule says remove after a delivered notice and a whole Grace; a rule that
    says it earlier leads to a notice first.
    """
    member, ruling = candidate.membership, candidate.ruling
    if candidate.protected:
        return Decision(Verdict.KEEP, candidate.protected)
    if member.state not in INSIDE:
        return Decision(Verdict.KEEP, "not-a-member")
    if ruling.verdict not in (Verdict.NOTIFY, Verdict.REMOVE):
        return Decision(Verdict.KEEP, ruling.code, ruling.values)
    if member.state is State.ACTIVE:
        code = ruling.code if ruling.verdict is Verdict.NOTIFY else "silent-notice"
        return Decision(Verdict.NOTIFY, code, ruling.values)
    if member.noticed_at is None:
        waits = member.unreachable_since is None
        return Decision(Verdict.KEEP, "notice-on-its-way" if waits else UNREACHABLE)
    if not grace_over(member, now):
        return Decision(Verdict.KEEP, "as-guest" if member.state is State.GUEST else "in-grace")
    if ruling.verdict is not Verdict.REMOVE:
        return Decision(Verdict.KEEP, "notice-stands")
    return Decision(Verdict.REMOVE, ruling.code, ruling.values)


def grace_over(member: Membership, now: datetime) -> bool:
    """Whether a notice was delivered and its whole Grace has passed without a sign of life."""
    if member.noticed_at is None or member.grace_ends_at is None or not member.notice_ref:
        return False
    if member.last_seen_at is not None and member.last_seen_at > member.noticed_at:
        return False
    return now >= member.grace_ends_at


def why_not_removed(candidate: Candidate, now: datetime) -> str:
    """What speaks against a confirmed removal at the last look; "" for nothing.

    Someone who could not be reached is removed on an admin's word on that very name, so that no
    Grace is asked for; all that protects the others protects them too.
    """
    member, ruling = candidate.membership, candidate.ruling
    if member.state is not State.CONFIRMED:
        return "not-confirmed"
    if candidate.protected:
        return candidate.protected
    by_name = member.noticed_at is None and member.unreachable_since is not None
    if by_name:
        return ruling.code if ruling.verdict is Verdict.KEEP else ""
    decision = judge(candidate, now)
    return "" if decision.verdict is Verdict.REMOVE else decision.code


def digest_at(begun: datetime, zone: str) -> datetime:
    """The first of a month, nine o'clock in `zone`, at or after `begun` (aware); in UTC."""
    there = begun.astimezone(ZoneInfo(zone))
    first = datetime.combine(there.date().replace(day=1), DIGEST_HOUR, ZoneInfo(zone))
    if first < there:
        later = (there.date().replace(day=1) + timedelta(days=31)).replace(day=1)
        first = datetime.combine(later, DIGEST_HOUR, ZoneInfo(zone))
    return first.astimezone(UTC)


def plan_sweep(candidates: Iterable[Candidate], brake: Brake, now: datetime) -> Plan:
    """One pass over all memberships; pure, and the order is the most silent first.

    A plan over the brake is returned whole with `held` set: nothing of it may be carried out.
    Those who stand on the removals card already are in `remove`, but do not count again.
    """
    planner = Planner(now)
    planner.look(candidates)
    return planner.plan(brake)


class Planner:
    """`plan_sweep` by and by: of those let be only their number is kept."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._counts: Counter[str] = Counter()
        self._touched: list[Line] = []

    def look(self, candidates: Iterable[Candidate]) -> None:
        """Judge some more."""
        for candidate in candidates:
            decision = judge(candidate, self._now)
            self._counts[decision.code] += 1
            if decision.verdict is not Verdict.KEEP or decision.code == UNREACHABLE:
                self._touched.append(Line(candidate, decision))

    def plan(self, brake: Brake, members: int = 0) -> Plan:
        """The plan; of `members` in all, those who were not looked at count as "not-due"."""
        counts = self._counts.copy()
        unseen = members - counts.total()
        if unseen > 0:
            counts["not-due"] = unseen
        lines = sorted(self._touched, key=lambda line: silence(line.candidate.membership))
        notify = [line for line in lines if line.decision.verdict is Verdict.NOTIFY]
        remove = [line for line in lines if line.decision.verdict is Verdict.REMOVE]
        fresh = [line for line in remove if line.candidate.membership.state in WAITING]
        touched = len(notify) + len(fresh)
        return Plan(
            notify=tuple(notify),
            remove=tuple(remove),
            unreachable=tuple(line for line in lines if line.decision.code == UNREACHABLE),
            counts=counts,
            held=too_many(brake, touched, counts.total()),
            touched=touched,
        )


def too_many(brake: Brake, touched: int, total: int) -> str:
    """Which brake holds so many of `total` members, "" for none."""
    if brake.count is not None and touched > brake.count:
        return "brake-count"
    if brake.percent is not None and touched > total * brake.percent / 100:
        return "brake-percent"
    if brake.times is None or brake.usual is None or touched <= FEW:
        return ""
    if touched > brake.times * brake.usual:
        return "brake-usual"
    return ""


def silence(member: Membership) -> tuple[datetime, int]:
    """What to sort by for the most silent first."""
    return (member.last_seen_at or member.known_since, member.id)
