"""Present members at other moments: at past Sweeps, and in the coming weeks.

What our tables know of a past moment: joining, announced leaves, exemptions, when we listened, and
signs of life by day and kind. What they do not know any more, and what is therefore taken as it is
today or left out: roles, who is an admin or a program, who was outside for a while; signs that are
no activity (a press on a notice); the hour of a sign on a day that has later ones (an earlier sign
is taken then); signs from before what is read back. Whoever stood at a stage at that moment, has
left since, or was kept by an admin since (their silence is measured from there) is not made again,
and counted.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar

from gatekeeper.domain.activity import Activity, seen
from gatekeeper.domain.decisions import Verdict
from gatekeeper.domain.errors import NotFound
from gatekeeper.domain.identity import Account
from gatekeeper.domain.memberships import (
    INSIDE,
    STAGED,
    Exemption,
    Leave,
    Membership,
    Sweep,
    SweepItem,
)
from gatekeeper.policy.facts import MemberFacts
from gatekeeper.policy.findings import PolicyError
from gatekeeper.policy.forecast import STAGELESS, Life, thin
from gatekeeper.policy.judged import Judged, Stage
from gatekeeper.ports import Tx
from gatekeeper.usecases.member_facts import (
    MONTH,
    Book,
    Outlook,
    deciding,
    facts_from,
    roles_of,
    stretched,
)
from gatekeeper.usecases.parts import Parts, club_state
from gatekeeper.usecases.past import Known, Progress, silently
from gatekeeper.usecases.sights import View, views_of

T = TypeVar("T")

BATCH: Final = 200  # members read at once
MOMENTS: Final = 26  # Sweeps at which members are made again: one a week for half a year
REACH: Final = timedelta(days=400)  # so far before the first of them signs are looked for
TOUCHED: Final = (Verdict.NOTIFY.value, Verdict.REMOVE.value)
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """What the tables hold on one batch of members."""

    members: Sequence[Membership]
    leaves: Mapping[int, Sequence[Leave]]
    exemptions: Mapping[int, Sequence[Exemption]]
    activity: Mapping[int, Sequence[Activity]]  # by time
    roles: Mapping[int, tuple[str, ...]]
    admins: frozenset[int]
    sights: Mapping[int, View]
    watched_since: datetime | None

    def book(self, person: int, at: datetime) -> Book:
        """As it was, or will be, at a moment: a leave ends by itself with its last one."""
        days = self.activity.get(person, ())
        until = bisect_right(days, at, key=lambda day: day.last_at)
        since = (at - MONTH).date()
        return Book(
            sights=self.sights,
            leaves={
                person: [_as_of(one, at) for one in self.leaves.get(person, ()) if one.since <= at]
            },
            exemptions={
                person: [
                    one
                    for one in self.exemptions.get(person, ())
                    if one.since <= at and (one.ended_at is None or one.ended_at > at)
                ]
            },
            activity={person: [day for day in days[:until] if day.day >= since]},
            last={person: {day.kind: day.last_at for day in days[:until]}},
            roles=self.roles,
            admins=self.admins,
            watched_since=self.watched_since,
        )


def _as_of(leave: Leave, at: datetime) -> Leave:
    if leave.ended_at is not None:
        return leave if leave.ended_at <= at else replace(leave, ended_at=None)
    return replace(leave, ended_at=leave.until) if leave.until <= at else leave


_Work: TypeAlias = Callable[[Tx, _Rows], Awaitable[list[T]]]


async def _each(
    parts: Parts, outlook: Outlook, since: datetime, progress: Progress, work: "_Work[T]"
) -> AsyncIterator[T]:
    """What `work` makes of the present members, a batch at a time.

    `since` is how far back their signs are read. No transaction is open while somebody waits.
    """
    after = done = 0
    async with parts.store.look(parts.club) as tx:
        whole = await tx.count(Membership, state__in=tuple(INSIDE))
    while True:
        async with parts.store.look(parts.club) as tx:
            members = await tx.find(Membership, state__in=tuple(INSIDE), id__gt=after, limit=BATCH)
            if not members:
                return
            made = await work(tx, await _rows(tx, parts, members, outlook, since))
        for one in made:
            yield one
        after, done = members[-1].id, done + len(members)
        progress(done, whole)


async def _rows(
    tx: Tx, parts: Parts, members: Sequence[Membership], outlook: Outlook, since: datetime
) -> _Rows:
    them: dict[str, Any] = {"person_id__in": tuple(member.person_id for member in members)}
    leaves, exemptions = defaultdict(list), defaultdict(list)
    for leave in await tx.find(Leave, **them):
        leaves[leave.person_id].append(leave)
    for exemption in await tx.find(Exemption, **them):
        exemptions[exemption.person_id].append(exemption)
    activity = defaultdict(list)
    for day in await tx.find(Activity, order="last_at", day__gte=since.date(), **them):
        activity[day.person_id].append(day)
    accounts = await tx.find(Account, **them)
    return _Rows(
        members=members,
        leaves=leaves,
        exemptions=exemptions,
        activity=activity,
        roles=roles_of(accounts),
        admins=deciding(parts, members, accounts, outlook),
        sights=await views_of(tx, parts, members, accounts, BEGINNING),
        watched_since=(await club_state(tx)).watched_since,
    )


# ---- At past Sweeps ----------------------------------------------------------------------------


async def rebuilt(
    parts: Parts,
    since: datetime,
    outlook: Outlook,
    known: Known,
    progress: Progress = silently,
) -> AsyncIterator[Judged]:
    """Those whom the Sweeps since `since` let be, as far as they can be made again.

    Of very many Sweeps only some are looked at, evenly taken; `known` tells how many.
    """
    async with parts.store.look(parts.club) as tx:
        sweeps = await tx.find(Sweep, order="at", at__gte=since)
        for sweep in sweeps:
            touched = await tx.count(SweepItem, sweep_id=sweep.id, verdict__in=TOUCHED)
            known.let_be += sum(sweep.counts.values()) - touched
    known.sweeps = len(sweeps)
    taken = set(thin([sweep.at for sweep in sweeps], MOMENTS))
    chosen = [sweep for sweep in sweeps if sweep.at in taken]
    known.looked_at = len(chosen)
    if not chosen:
        return
    held = frozenset(sweep.id for sweep in sweeps if sweep.held)
    maker = _Maker(parts, outlook, chosen, held, chosen[0].at - REACH, known)
    async for judged in _each(parts, outlook, maker.reach, progress, maker.batch):
        yield judged


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes members again as some Sweeps saw them; `reach` is the oldest sign that was read."""

    parts: Parts
    outlook: Outlook
    sweeps: Sequence[Sweep]
    held: frozenset[int]
    reach: datetime
    known: Known

    async def batch(self, tx: Tx, rows: _Rows) -> list[Judged]:
        """All of one batch, at all the Sweeps that let them be."""
        numbers = tuple(member.id for member in rows.members)
        touched = defaultdict(set)
        for item in await tx.find(SweepItem, membership_id__in=numbers):
            if item.verdict in TOUCHED and item.sweep_id not in self.held:
                touched[item.membership_id].add(item.sweep_id)
        made = []
        for member in rows.members:
            stages = await _stages(tx, member) if touched[member.id] else []
            for sweep in self.sweeps:
                if sweep.id in touched[member.id] or member.since > sweep.at:
                    continue  # in the record itself, or no member then
                judged = self.then(rows, member, stages, sweep)
                if judged is not None:
                    made.append(judged)
        self.known.rebuilt += len(made)
        return made

    def then(
        self,
        rows: _Rows,
        member: Membership,
        stages: Sequence[tuple[datetime, datetime | None]],
        sweep: Sweep,
    ) -> Judged | None:
        """One member as a Sweep saw them; None, and counted, where that is not known."""
        at = sweep.at
        if any(start <= at and (end is None or at <= end) for start, end in stages):
            self.known.staged += 1
            return None
        last = _last_sign(rows.activity.get(member.person_id, ()), member, at, self.reach)
        if member.known_since > at or last is None:
            self.known.unknown += 1
            return None
        then: Membership = replace(member, **STAGELESS, **last)
        book = rows.book(member.person_id, at)
        facts, protected = facts_from(self.parts, then, book, self.outlook, at)
        stage = Stage(
            membership=then,
            protected=protected,
            grace=self.parts.policy.pruning.grace,
            watched_since=rows.watched_since,
        )
        return Judged(
            subject=f"membership:{member.id}",
            at=at,
            facts=facts,
            stage=stage,
            policy=sweep.policy,
            rebuilt=True,
        )


async def _stages(tx: Tx, member: Membership) -> list[tuple[datetime, datetime | None]]:
    """From when to when a member stood at a stage, by the record; None for until now."""
    stages: list[tuple[datetime, datetime | None]] = []
    for entry in await tx.entries(subject=f"membership:{member.id}", limit=1000):
        open_one = bool(stages) and stages[-1][1] is None
        if entry.verdict is Verdict.NOTIFY and not open_one:
            stages.append((entry.at, None))
        elif entry.verdict is Verdict.KEEP and open_one:
            stages[-1] = (stages[-1][0], entry.at)
    return stages


def _last_sign(
    days: Sequence[Activity], member: Membership, at: datetime, reach: datetime
) -> dict[str, Any] | None:
    """The last sign before a moment, as fields of a Membership; None where it is not known."""
    if member.last_seen_at is None or member.last_seen_at <= at:
        return {}
    before = bisect_right(days, at, key=lambda day: day.last_at)
    if before:
        day = days[before - 1]
        return {
            "last_seen_at": day.last_at,
            "last_kind": day.kind.value,
            "last_place": day.last_place,
        }
    if member.known_since < reach:
        return None  # there may be an older one
    return {"last_seen_at": None, "last_kind": "", "last_place": ""}


# ---- In the coming weeks -----------------------------------------------------------------------


async def lives(
    parts: Parts, outlook: Outlook, now: datetime, progress: Progress = silently
) -> AsyncIterator[Life]:
    """The present members, with the facts of all later moments if they give no sign any more.

    Silence grows by the share of the last 30 days in which we listened. Of a member at a stage,
    Grace is as long as the blind time up to now makes it.
    """

    async def batch(tx: Tx, rows: _Rows) -> list[Life]:
        made = []
        for member in rows.members:
            going = _Going(parts, outlook, rows, now, _pace(rows, member, now))
            if member.state in STAGED:
                member = await _with_grace(tx, parts, rows, member, now)
            made.append(Life(membership=member, facts=going.facts, pace=going.pace))
        return made

    async for life in _each(parts, outlook, now - MONTH, progress, batch):
        yield life


async def _with_grace(
    tx: Tx, parts: Parts, rows: _Rows, member: Membership, now: datetime
) -> Membership:
    """With its Grace stretched; as it stands where its version cannot be read any more."""
    try:
        return await stretched(tx, parts, member, rows.sights[member.person_id].spans, now)
    except (NotFound, PolicyError):
        return member


def _pace(rows: _Rows, member: Membership, now: datetime) -> float:
    """The share of the last 30 days, or since we watch, in which we listened."""
    start = max(now - MONTH, rows.watched_since or now)
    return (
        seen(rows.sights[member.person_id].spans, start, now) / (now - start)
        if start < now
        else 1.0
    )


@dataclass(frozen=True, slots=True)
class _Going:
    """How the facts of a member go on without a sign."""

    parts: Parts
    outlook: Outlook
    rows: _Rows
    now: datetime
    pace: float

    def facts(self, member: Membership, at: datetime) -> tuple[MemberFacts, str]:
        """The facts at a moment that is not before now, and what protects the member then."""
        book = self.rows.book(member.person_id, at)
        back = [one.ended_at for one in book.leaves[member.person_id] if one.ended_at]
        silent_from = max([self.now, *(moment for moment in back if moment <= at)])
        more = max(at - silent_from, timedelta(0)) * self.pace
        return facts_from(self.parts, member, book, self.outlook, at, more)
