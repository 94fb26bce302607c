"""The coming weeks if nobody gives a sign of life: who would be noticed, who removed, and when.

Pure: members come in one by one, each with a function that tells the facts of a later moment.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.domain.pruning import (
    SWEEPS_COMPARED,
    WAITING,
    Brake,
    Candidate,
    judge,
    too_many,
    usual,
)
from gatekeeper.policy.facts import MemberFacts
from gatekeeper.policy.judge import Policy

LOOK_AGAIN: Final = timedelta(days=1)  # at someone whose Grace is over and whom no rule removes
# What removes nobody and frees nobody: it is looked at again.
UNSURE: Final = frozenset({"not-inside", "settling", "rule-fault", "notice-stands"})
STAGELESS: Final[Mapping[str, Any]] = {
    "state": State.ACTIVE,
    "noticed_at": None,
    "notice_ref": "",
    "unreachable_since": None,
    "grace_ends_at": None,
    "guest_at": None,
}

# The facts of a member, whose stage is as given, at a moment; and what protects them then.
Facts: TypeAlias = Callable[[Membership, datetime], tuple[MemberFacts, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A present member and how their facts go on.

    Attributes:
        membership: as it stands now.
        facts: tells them for any later moment, silence growing by `pace`.
        pace: the share of the coming time that we count on seeing, 0.0 to 1.0.
    """

    membership: Membership
    facts: Facts
    pace: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """One thing that would happen: a Notice, or being planned for removal."""

    membership: Membership
    at: datetime
    verdict: Verdict
    rule: str
    code: str


@dataclass(frozen=True, slots=True)
class Braked:
    """A Sweep that would be held, because it touches more than the policy allows at once."""

    at: datetime
    touched: int
    members: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What would happen to the present members.

    Attributes:
        lines: by time; somebody may be noticed and later removed.
        counts: members by the last thing that happens to them: REMOVE, NOTIFY or KEEP; the
            counts sum up to the members.
        unreachable: of those kept, how many have a notice that does not reach them.
        braked: Sweeps that would be held; the forecast goes on as if the admins let them go on.
    """

    lines: tuple[Foreseen, ...] = ()
    counts: Mapping[Verdict, int]
    unreachable: int = 0
    braked: tuple[Braked, ...] = ()


class Forecaster:
    """Takes members in one by one; `result` tells what was foreseen so far.

    A Notice counts as delivered at the Sweep that sends it. Grace ends after as much time as the
    pace needs for it, and then we look at once, as the service does; a removal that is planned
    stays planned, because what the admins say to it is theirs.

    Args:
        policy: judges, and gives Grace and brake.
        moments: when Sweeps run, the first one not before `now`, in order.
        now, until: the time that is looked at, both included.
        touched: how many the last Sweeps touched, those that touched anybody, the newest first.
    """

    def __init__(
        self,
        policy: Policy,
        moments: Sequence[datetime],
        now: datetime,
        until: datetime,
        touched: Sequence[int] = (),
    ) -> None:
        self._policy = policy
        self._moments, self._now, self._until = moments, now, until
        self._lines: list[Foreseen] = []
        self._counts: Counter[Verdict] = Counter()
        self._unreachable = 0
        self._touched: Counter[datetime] = Counter()
        self._before = tuple(touched)

    def add(self, life: Life) -> None:
        """Foresee one member."""
        lines = list(self._foresee(life))
        self._lines += lines
        self._counts[lines[-1].verdict if lines else Verdict.KEEP] += 1
        self._unreachable += not lines and life.membership.unreachable_since is not None
        # The brake is a Sweep's: whose Grace is over is planned by the look at its end.
        self._touched.update(line.at for line in lines if line.verdict is Verdict.NOTIFY)

    def result(self) -> Forecast:
        """What was foreseen."""
        members = sum(self._counts.values())
        limit, last, braked = self._policy.pruning.max_affected, [*self._before], []
        for at, touched in sorted(self._touched.items()):
            usually = usual(last[:SWEEPS_COMPARED])
            brake = Brake(limit.count, limit.percent, limit.times_usual, usually)
            if too_many(brake, touched, members):
                braked.append(Braked(at, touched, members))
            else:  # what was held is not what is usual
                last.insert(0, touched)
        return Forecast(
            lines=tuple(sorted(self._lines, key=lambda line: (line.at, line.membership.id))),
            counts={
                each: self._counts[each] for each in (Verdict.NOTIFY, Verdict.REMOVE, Verdict.KEEP)
            },
            unreachable=self._unreachable,
            braked=tuple(braked),
        )

    # ---- one member ----

    def _foresee(self, life: Life) -> Iterator[Foreseen]:
        """What happens to one member, in order; it ends with their removal."""
        member = life.membership
        if member.state in (State.PLANNED, State.CONFIRMED):
            decision, rule = self._look(life, member, self._now)
            if decision.verdict is not Verdict.REMOVE:
                return
            if not self._is_soft(member):
                yield _line(member, self._now, decision, rule)
                return
            member = self._as_guest(life, member, self._now)
        elif member.state is State.NOTIFYING and member.unreachable_since is None:
            member = self._delivered(life, member, self._now)
        elif member.grace_ends_at is not None and member.grace_ends_at > self._now:
            left = member.grace_ends_at - self._now
            member = replace(member, grace_ends_at=_later(self._now, left, life.pace))
        at, moments = self._now, iter(self._moments)
        sweep = next(moments, None)
        while True:
            ends = _grace_end(member, at)
            if ends is not None and (sweep is None or ends <= sweep):
                if ends > self._until:
                    return
                at = ends
                decision, rule = self._look(life, member, at)
                if decision.verdict is Verdict.REMOVE and self._is_soft(member):
                    member = self._as_guest(life, member, at)
                    continue
                if decision.verdict is Verdict.REMOVE:
                    yield _line(member, at, decision, rule)
                    return
                member = _after_grace(member, decision, at)
            elif sweep is None or sweep > self._until:
                return
            else:
                at, sweep = sweep, next(moments, None)
                decision, rule = self._look(life, member, at)
                if decision.verdict is Verdict.NOTIFY:
                    yield _line(member, at, decision, rule)
                    member = self._delivered(life, member, at)
                elif decision.verdict is Verdict.REMOVE:
                    yield _line(member, at, decision, rule)
                    return

    def _look(self, life: Life, member: Membership, at: datetime) -> tuple[Decision, str]:
        facts, protected = life.facts(member, at)
        ruling = self._policy.judge_member(facts, at)
        decided = judge(Candidate(membership=member, ruling=ruling, protected=protected), at)
        return decided, ruling.rule

    def _delivered(self, life: Life, member: Membership, at: datetime) -> Membership:
        """With a Notice that reaches them at `at`, and the Grace that follows."""
        return replace(
            member,
            state=State.NOTICED,
            noticed_at=at,
            notice_ref=member.notice_ref or "foreseen",
            grace_ends_at=_later(at, self._policy.pruning.grace, life.pace),
        )

    def _is_soft(self, member: Membership) -> bool:
        softer = self._policy.pruning.softer
        return softer is not None and member.guest_at is None and member.noticed_at is not None

    def _as_guest(self, life: Life, member: Membership, at: datetime) -> Membership:
        """Put back for as long as the policy says; their removal comes up when that is over."""
        softer = self._policy.pruning.softer or timedelta(0)
        ends_at = _later(at, softer, life.pace)
        return replace(member, state=State.GUEST, guest_at=at, grace_ends_at=ends_at)


def _grace_end(member: Membership, after: datetime) -> datetime | None:
    """When we look at a noticed member again because their Grace is over; None for never."""
    if member.state not in WAITING or member.grace_ends_at is None:
        return None
    return max(member.grace_ends_at, after)


def _after_grace(member: Membership, decision: Decision, at: datetime) -> Membership:
    """Whom no rule removes after all: looked at again where that is unsure, else free."""
    if decision.code in UNSURE or decision.code in {"in-grace", "as-guest"}:
        return replace(member, grace_ends_at=at + LOOK_AGAIN)
    return replace(member, **STAGELESS)


def _later(start: datetime, needed: timedelta, pace: float) -> datetime:
    """When `needed` has been seen from `start` on; the end of time where we see nothing."""
    end = datetime.max.replace(tzinfo=start.tzinfo)
    if not needed:
        return start
    try:
        return start + needed / pace
    except (OverflowError, ZeroDivisionError):
        return end


def _line(member: Membership, at: datetime, decision: Decision, rule: str) -> Foreseen:
    return Foreseen(
        membership=member, at=at, verdict=decision.verdict, rule=rule, code=decision.code
    )


def thin(moments: Sequence[datetime], most: int) -> tuple[datetime, ...]:
    """At most `most` of the moments, evenly taken, the last one always among them."""
    if len(moments) <= most:
        return tuple(moments)
    step = len(moments) / most
    return tuple(moments[min(len(moments) - 1, int((n + 1) * step) - 1)] for n in range(most))
