"""What can be told of sweeps: who is at which stage and what comes next, and what each one did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.errors import Value
from gatekeeper.domain.memberships import (
    STAGED,
    Dispute,
    Membership,
    State,
    Sweep,
    SweepItem,
)
from gatekeeper.ports import Tx
from gatekeeper.usecases import held, letting_go, removals
from gatekeeper.usecases.naming import said_by
from gatekeeper.usecases.parts import Parts

ANSWERS: Final = frozenset({"sweep-released", "sweep-dropped"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of the way: how many stand there, and when the first of them moves on.

    Attributes:
        code: stage.notifying, stage.unreachable, stage.noticed, stage.waits-for-digest,
            stage.planned, stage.confirmed, stage.refused, stage.disputed.
        next_at: None where it waits for a person's word.
    """

    code: str
    count: int
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One member at some stage, with the evidence of the last Sweep that named them."""

    stage: str
    member: Membership
    evidence: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One Sweep as it is told later.

    Attributes:
        asked, planned, unreachable: how many it named as such; of those `removed`, and `kept`
            by an admin or a sign of life, so far.
        answer: sweep-released or sweep-dropped; "" where nothing was held, or nobody has answered.
        by: who answered.
    """

    sweep: Sweep
    looked_at: int
    asked: int
    planned: int
    unreachable: int
    removed: int
    kept: int
    answer: str = ""
    by: str = ""
    answered_at: datetime | None = None
    waits: bool = False  # held, and its card still asks


async def standings(tx: Tx, parts: Parts, now: datetime) -> list[Standing]:
    """Everyone at some stage, those who stand closest to their end first."""
    staged = await tx.find(Membership, state__in=tuple(STAGED))
    ids = tuple(one.id for one in staged)
    items = await tx.find(SweepItem, membership_id__in=ids, order="id") if ids else []
    last = {item.membership_id: item for item in items}
    confirmed = [one for one in staged if one.state is State.CONFIRMED]
    so_far = await letting_go.progress_of_all(tx, confirmed)
    found = [
        Standing(
            stage=_stage(parts, one, so_far.get(one.id), now),
            member=one,
            evidence=last[one.id].evidence if one.id in last else {},
        )
        for one in staged
    ]
    return sorted(found, key=lambda one: (ORDER.index(one.stage), one.member.id))


ORDER: Final = (
    "stage.refused",
    "stage.confirmed",
    "stage.planned",
    "stage.waits-for-digest",
    "stage.unreachable",
    "stage.guest",
    "stage.noticed",
    "stage.notifying",
)


def _stage(
    parts: Parts, member: Membership, so_far: letting_go.Progressed | None, now: datetime
) -> str:
    if so_far is not None:
        return "stage.confirmed" if so_far.open else "stage.refused"
    if member.state is State.PLANNED:
        shown = removals.shows(parts, member, now)
        return "stage.planned" if shown else "stage.waits-for-digest"
    if member.state is State.NOTICED:
        return "stage.noticed"
    if member.state is State.GUEST:
        return "stage.guest"
    since = member.unreachable_since
    beyond = since is not None and since <= now - parts.policy.pruning.grace
    return "stage.unreachable" if beyond else "stage.notifying"


async def stages(tx: Tx, parts: Parts, them: Sequence[Standing]) -> list[Stage]:
    """How many stand at each stage, with the moment at which the first of them moves on."""
    found = []
    for code in ORDER:
        there = [one.member for one in them if one.stage == code]
        if there:
            moments = [at for one in there if (at := _next(parts, code, one)) is not None]
            found.append(Stage(code=code, count=len(there), next_at=min(moments, default=None)))
    disputes = await tx.find(Dispute, ended_at=None, order="due_at")
    if disputes:
        due = disputes[0].due_at
        found.append(Stage(code="stage.disputed", count=len(disputes), next_at=due))
    return found


def _next(parts: Parts, code: str, member: Membership) -> datetime | None:
    if code in {"stage.noticed", "stage.guest"}:
        return member.grace_ends_at
    if code == "stage.waits-for-digest" and member.planned_at is not None:
        return removals.shows_from(parts, member.planned_at)
    if code == "stage.notifying" and member.unreachable_since is not None:
        return member.unreachable_since + parts.policy.pruning.grace
    return None


async def history(tx: Tx, limit: int | None = None) -> list[Told]:
    """The last Sweeps, the newest first: what each named, what became of it, who answered."""
    return [await _told(tx, one) for one in await tx.find(Sweep, order="-id", limit=limit)]


async def _told(tx: Tx, sweep: Sweep) -> Told:
    async def named(**criteria: str) -> int:
        return await tx.count(SweepItem, sweep_id=sweep.id, **criteria)

    answer, by, at = "", "", None
    if sweep.held:
        for entry in await tx.entries(subject=f"sweep:{sweep.id}"):
            if entry.code in ANSWERS:
                answer, by, at = entry.code, await said_by(tx, entry.actor), entry.at
    card = await tx.first(StandingCard, subject=held.card_subject(sweep), ended_at=None)
    return Told(
        sweep=sweep,
        looked_at=sum(sweep.counts.values()),
        asked=await named(verdict="notify"),
        planned=await named(verdict="remove"),
        unreachable=await named(verdict="keep"),
        removed=await named(outcome="removed"),
        kept=await named(outcome="kept") + await named(outcome="alive"),
        answer=answer,
        by=by,
        answered_at=at,
        waits=bool(sweep.held and not answer and card is not None),
    )
