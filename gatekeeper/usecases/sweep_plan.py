"""The plan of a Sweep over many: only those whom it could touch are looked at, a page at a time.

Small clubs are looked at whole. In larger ones the database leaves out whom the policy in force
cannot touch (`policy.superset`), and `Membership.look_at` those whom it cannot touch before a
moment that is still to come. Some of those left out are judged all the same, each time: if a rule
would act on one of them, everyone is looked at from then on, until the policy changes.
"""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

import structlog

from gatekeeper.domain.clubs import ClubState, PolicyDifference
from gatekeeper.domain.decisions import Lane, Post, Ruling, Verdict
from gatekeeper.domain.memberships import ANY_TIME, INSIDE, STAGED, Membership, State
from gatekeeper.domain.pruning import Plan, Planner
from gatekeeper.policy.faster import BackendsDiffer, faster
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.predicates import TRUE, Predicate, holds
from gatekeeper.policy.superset import Superset, superset
from gatekeeper.ports import Tx
from gatekeeper.usecases import held, trials
from gatekeeper.usecases.member_facts import JUDGED, Look, Outlook, look_at
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts, club_state, order

WHOLE: Final = 2_000  # members of whom everyone is looked at, and counted by why they were let be
SAMPLE: Final = 50  # members drawn in each Sweep, of whom those left out are judged too;
TRIES: Final = 8  # for each so many numbers, as some are not of this club, or of nobody any more
# For so long somebody is not looked at again; the longest that is certain. What is due in five
# weeks is looked at by the database a few times more than needed, and by nobody else.
STEPS: Final = tuple(timedelta(days=2**power) for power in range(9))

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sieve:
    """Who is left out, and whether `Membership.look_at` follows from the same rules."""

    superset: Superset
    dated: bool

    def among(self, now: datetime) -> Predicate:
        """Whom to look at, of those that are due."""
        return self.superset.at(now)

    def due(self, now: datetime) -> dict[str, Any]:
        """Criteria of those that are due."""
        return {"look_at__lte": now} if self.dated else {}

    def leaves_out(self, member: Membership, now: datetime) -> bool:
        """Whether a Sweep at `now` does not look at somebody at no stage."""
        return (self.dated and member.look_at > now) or not holds(self.among(now), member)


@dataclass(slots=True)
class Planned:
    """A plan, and what a Sweep has to say besides.

    Attributes:
        differences: what trials would have decided otherwise.
        faults: subjects with rulings of rules that could not be evaluated.
        sieve: None where everyone was looked at.
    """

    plan: Plan
    differences: list[PolicyDifference] = field(default_factory=list)
    faults: list[tuple[str, Ruling]] = field(default_factory=list)
    sieve: Sieve | None = None


async def plan(
    tx: Tx, parts: Parts, outlook: Outlook, now: datetime, *, whole: bool = False
) -> Planned:
    """What a Sweep would do now; reads only. `whole`: look at everyone, whatever the policy.

    Many are judged by generated code, all anew by the library where the two once differ; whoever
    is to be removed is judged by the library once more just before.
    """
    members = (await club_state(tx)).members
    sieve = None if whole else await _sieve(tx, parts, members)
    if members <= WHOLE:
        return await _plan(tx, parts, outlook, now, members, sieve, parts.policy)
    try:
        return await _plan(tx, parts, outlook, now, members, sieve, faster(parts.policy))
    except BackendsDiffer as fault:
        log.error("backends-differ", rule=fault.values["rule"], policy=parts.policy.digest[:12])
        return await _plan(tx, parts, outlook, now, members, sieve, parts.policy)


async def _plan(
    tx: Tx,
    parts: Parts,
    outlook: Outlook,
    now: datetime,
    members: int,
    sieve: Sieve | None,
    policy: Policy,
) -> Planned:
    planner, planned = Planner(now), Planned(Plan(), sieve=sieve)
    tried = trials.pruning(parts.policy)
    async for page in _pages(tx, sieve, now):
        looks = await look_at(tx, parts, page, outlook, now, policy)
        planner.look(look.candidate for look in looks)
        planned.differences += trials.differences(parts.policy, tried, looks, now)
        planned.faults += _faults(looks)
    planned.plan = planner.plan(await held.brake(tx, parts), members)
    return planned


async def plan_safely(tx: Tx, parts: Parts, outlook: Outlook, now: datetime, slot: str) -> Planned:
    """`plan` for a Sweep that is carried out: held against a sample of those whom it left out.

    One whom a rule would act on, and everyone is looked at, now and until the policy changes.
    """
    await _bring_back(tx, now)
    planned = await plan(tx, parts, outlook, now)
    if planned.sieve is None:
        return planned
    missed = await _missed(tx, parts, outlook, planned.sieve, now, slot)
    if missed is None:
        await _put_off(tx, planned.sieve, now)
        return planned
    await _alarm(tx, parts, missed, now)
    return await plan(tx, parts, outlook, now, whole=True)


async def _bring_back(tx: Tx, now: datetime) -> None:
    """Nobody is put off for longer than the longest step, unless by a clock that ran ahead."""
    late = now + STEPS[-1]
    await tx.change_all(Membership, {"look_at": now}, state=State.ACTIVE, look_at__gt=late)


async def _sieve(tx: Tx, parts: Parts, members: int) -> Sieve | None:
    state = await club_state(tx)
    if members <= WHOLE or state.unfiltered == parts.policy.digest:
        return None
    found = superset([parts.policy, *(each.policy for each in trials.pruning(parts.policy))])
    return Sieve(found, state.looked_by == _digest(found)) if found.narrows else None


def _digest(found: Superset) -> str:
    return hashlib.sha256(repr(found.predicate).encode()).hexdigest()


async def _pages(tx: Tx, sieve: Sieve | None, now: datetime) -> AsyncIterator[list[Membership]]:
    """All whom to look at; whoever stands at a stage always is one of them."""
    for state in sorted(INSIDE):
        among: Predicate = TRUE
        due: dict[str, Any] = {}
        if sieve is not None and state not in STAGED:
            among, due = sieve.among(now), sieve.due(now)
        after = None
        while page := await tx.page(
            Membership,
            order="look_at",
            after=after,
            limit=JUDGED,
            among=among,
            state=state,
            **due,
        ):
            yield page
            if len(page) < JUDGED:
                break
            after = (page[-1].look_at, page[-1].id)


def _faults(looks: list[Look]) -> list[tuple[str, Ruling]]:
    """Those that have one: there are few, or they are a few kinds."""
    return [
        (subject_of(look.candidate.membership), look.candidate.ruling)
        for look in looks
        if any(one.fault for one in look.candidate.ruling.results)
    ]


async def _put_off(tx: Tx, sieve: Sieve, now: datetime) -> None:
    """Write when those left out have to be looked at again; other rules make all of them due."""
    if not sieve.dated:
        await tx.change_all(Membership, {"look_at": ANY_TIME}, look_at__gt=ANY_TIME)
        await tx.change(await club_state(tx), looked_by=_digest(sieve.superset))
    if not sieve.superset.lasting:
        return
    # Who is certain for the shortest is asked of all that are due; of these alone, for how long.
    first = now + STEPS[0]
    due: dict[str, Any] = {"look_at__lte": now}
    for step in (STEPS[0], *reversed(STEPS[1:])):
        moved = await tx.change_all(
            Membership,
            {"look_at": now + step},
            unless=sieve.superset.until(now, now + step),
            state=State.ACTIVE,
            **due,
        )
        if step == STEPS[0] and not moved:
            return
        due = {"look_at": first}


# ---- Held against a sample ---------------------------------------------------------------------


async def _missed(
    tx: Tx, parts: Parts, outlook: Outlook, sieve: Sieve, now: datetime, slot: str
) -> Membership | None:
    """Somebody left out on whom a rule would act; None for nobody in the sample."""
    excluded = [one for one in await _drawn(tx, Random(slot)) if sieve.leaves_out(one, now)]
    policies = [parts.policy, *(each.policy for each in trials.pruning(parts.policy))]
    for look in await look_at(tx, parts, excluded, outlook, now):
        for policy in policies:
            if policy.judge_member(look.facts, now).verdict is not Verdict.KEEP:
                return look.candidate.membership
    return None


async def _drawn(tx: Tx, random: Random) -> list[Membership]:
    """Some members at no stage, any of them, without a walk over all."""
    last = await tx.first(Membership, order="-look_at", state=State.ACTIVE)
    if last is None:
        return []
    numbers = [random.randint(1, last.id) for _ in range(SAMPLE * TRIES)]
    # By number alone: asked for the state too, SQLite walks over all that have it.
    some = await tx.find(Membership, id__in=tuple(set(numbers)))
    found = {one.id: one for one in some if one.state is State.ACTIVE}
    hits = [found[number] for number in dict.fromkeys(numbers) if number in found]
    return hits[:SAMPLE]


async def _alarm(tx: Tx, parts: Parts, missed: Membership, now: datetime) -> None:
    digest = parts.policy.digest
    log.error("sweep-unfiltered", subject=subject_of(missed), policy=digest[:12])
    state: ClubState = await club_state(tx)
    await tx.change(state, unfiltered=digest)
    text = parts.say("sweep-unfiltered", {"version": digest[:12], "member": subject_of(missed)})
    await order(
        tx,
        Post(place="admins", text=text),
        platform=parts.admin_platform,
        key=f"policy/unfiltered/{digest}",
        purpose="policy",
        subject="club",
        lane=Lane.CARD,
        now=now,
    )
