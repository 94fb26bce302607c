"""Sweeps: plan one, show the plan, begin to carry it out; and look again where Grace is over."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.errors import Refused, Value
from gatekeeper.domain.events import Pressed
from gatekeeper.domain.memberships import (
    INSIDE,
    Event,
    Membership,
    State,
    Sweep,
    SweepItem,
    advance,
)
from gatekeeper.domain.pruning import WAITING, Line, Plan, judge, too_many
from gatekeeper.policy.judge import Policy
from gatekeeper.ports import PAGE, Tx
from gatekeeper.usecases import (
    audit,
    explained,
    faults,
    held,
    notices,
    removals,
    stage_ends,
    sweep_plan,
    trials,
    votes,
)
from gatekeeper.usecases.member_facts import Look, Outlook, look_at, look_out
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts, Shelf, club_state, once, record

LOOK_AGAIN = timedelta(days=1)  # at someone whose Grace is over and whom no rule removes
SOON = timedelta(seconds=1)
A_DAY = timedelta(days=1)
# What removes nobody and frees nobody: it is looked at again.
UNSURE = frozenset({"not-inside", "settling", "rule-fault", "notice-stands"})


async def preview(parts: Parts) -> Plan:
    """What a Sweep would do now; nothing is done. PlatformDown, PlatformBusy."""
    outlook = await look_out(parts)
    async with parts.store.look(parts.club) as tx:
        return (await sweep_plan.plan(tx, parts, outlook, parts.clock.now())).plan


async def would(parts: Parts) -> Plan | None:
    """What a Sweep would do if the rules decided that are in audit mode; None where they do."""
    policy = trials.enforced(parts.policy)
    return await preview(replace(parts, shelf=Shelf(policy))) if policy else None


async def run(parts: Parts, slot: str) -> Sweep:
    """One Sweep for each slot, however often it is asked for.

    A paused club and a plan over the brake are recorded and held: nobody is touched.

    Raises:
        PlatformDown, PlatformBusy: nobody could be judged; the next slot sweeps again.
    """
    async with parts.store.look(parts.club) as tx:
        done, slot = await _of_slot(tx, slot)
    if done is not None:
        return done
    outlook = await look_out(parts)
    async with parts.store.transaction(parts.club) as tx:
        done, slot = await _of_slot(tx, slot)
        if done is not None:
            return done
        now = parts.clock.now()
        planned = await sweep_plan.plan_safely(tx, parts, outlook, now, slot)
        plan = planned.plan
        sweep = await _keep(tx, parts, slot, plan, now)
        if not sweep.held:
            await _carry_out(tx, parts, sweep, [*plan.notify, *plan.remove], outlook, now)
            await removals.refresh(tx, parts, now, alone=True)
        elif sweep.held != "paused":
            await held.show(tx, parts, sweep, now)
        await audit.post_head(tx, parts, now)
        policy = parts.policy
    faults.note(policy, planned.faults)
    await trials.note_members(parts, planned.differences)
    return sweep


async def _of_slot(tx: Tx, slot: str) -> tuple[Sweep | None, str]:
    """The Sweep of a slot; what a pause has held was none, and is done under a name beside it."""
    while (found := await tx.first(Sweep, slot=slot)) is not None and found.held == "paused":
        slot += "+"
    return found, slot


def _note_faults(policy: Policy, looks: Iterable[Look]) -> None:
    judged = ((subject_of(one.candidate.membership), one.candidate.ruling) for one in looks)
    faults.note(policy, judged)


async def _keep(tx: Tx, parts: Parts, slot: str, plan: Plan, now: datetime) -> Sweep:
    """The Sweep, its items and its row in the record."""
    paused = (await club_state(tx)).paused_at is not None
    sweep = await tx.add(
        Sweep(
            club=tx.club,
            slot=slot,
            at=now,
            policy=parts.policy.digest,
            counts=dict(plan.counts),
            digest=_digest(parts, plan),
            held="paused" if paused else plan.held,
            touched=plan.touched,
        )
    )
    lines = (*plan.notify, *plan.remove, *plan.unreachable)
    await tx.add_many([await _item(tx, sweep, line) for line in lines])
    touched = len(plan.notify) + len(plan.remove) + len(plan.unreachable)
    values: dict[str, Value] = {
        "notify": len(plan.notify),
        "remove": len(plan.remove),
        "unreachable": len(plan.unreachable),
        "kept": sum(plan.counts.values()) - touched,
    }
    code = "sweep-held" if sweep.held else "sweep-done"
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, code, values),
        now=now,
        actor="schedule",
        subject=f"sweep:{sweep.id}",
        seen={"counts": dict(plan.counts), "digest": sweep.digest, "held": sweep.held},
    )
    return sweep


async def _item(tx: Tx, sweep: Sweep, line: Line) -> SweepItem:
    candidate = line.candidate
    unreachable = line.decision.verdict is Verdict.KEEP
    before = await removals.last_item(tx, candidate.membership) if unreachable else None
    told = {"until": before.evidence["until"]} if before and "until" in before.evidence else {}
    return SweepItem(
        club=tx.club,
        sweep_id=sweep.id,
        membership_id=candidate.membership.id,
        verdict=line.decision.verdict.value,
        code=line.decision.code,
        rule=candidate.ruling.rule,
        evidence={
            **removals.evidence_of(candidate.evidence, candidate.ruling.values),
            **told,
        },
        outcome="unreachable" if unreachable else "",
    )


def _digest(parts: Parts, plan: Plan) -> str:
    """Of the whole plan, so that what was shown can be held against what was done."""
    lines = [
        [line.candidate.membership.id, line.decision.verdict.value, line.decision.code]
        for line in (*plan.notify, *plan.remove, *plan.unreachable)
    ]
    whole = [parts.policy.digest, lines, sorted(plan.counts.items())]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


# ---- Carrying out ------------------------------------------------------------------------------


async def _carry_out(
    tx: Tx,
    parts: Parts,
    sweep: Sweep,
    lines: Sequence[Line],
    outlook: Outlook,
    now: datetime,
) -> None:
    """Order the notices of a plan and plan those whose Grace is over; the card comes after.

    A plan keeps no facts: they are read again, of some members at a time.
    """
    for start in range(0, len(lines), PAGE):
        some = lines[start : start + PAGE]
        members = [line.candidate.membership for line in some]
        looks = await look_at(tx, parts, members, outlook, now)
        for line, look in zip(some, looks, strict=True):
            if line.decision.verdict is Verdict.NOTIFY:
                await _notify(tx, parts, sweep, look, line.decision, now)
            elif look.candidate.membership.state in WAITING:
                await _plan_removal(tx, parts, look, line.decision, now)


async def _notify(
    tx: Tx, parts: Parts, sweep: Sweep, look: Look, decision: Decision, now: datetime
) -> None:
    member = look.candidate.membership
    member = await tx.change(
        member,
        state=advance(member.state, Event.NOTIFY),
        notice_code=decision.code,
        notice_policy=parts.policy.digest,
    )
    await _record(tx, parts, look, decision, now)
    language = await notices.language_of(tx, parts, member.person_id)
    until = now + parts.policy.pruning.grace
    why = explained.why_asked(parts, parts.policy, look.facts, now, language)
    text = notices.notice_text(
        parts, decision.code, decision.values, look.candidate.evidence, until, language, why
    )
    await notices.order_notice(tx, parts, member, text, sweep.id, language, now)


async def _plan_removal(
    tx: Tx, parts: Parts, look: Look, decision: Decision, now: datetime, asked: bool = False
) -> None:
    """Grace is over and a rule says remove: on to the admins' card; the caller refreshes it.

    `asked`: an admin is asked even where the policy asks for no word.
    """
    member = await tx.get(Membership, look.candidate.membership.id)
    member = await tx.change(member, state=advance(member.state, Event.PLAN), planned_at=now)
    await _record(tx, parts, look, decision, now)
    if parts.policy.pruning.confirm == "none" and not asked:
        await removals.confirm(tx, parts, member, "policy", now)


async def _record(tx: Tx, parts: Parts, look: Look, decision: Decision, now: datetime) -> None:
    rule = look.candidate.ruling.rule
    await record(
        tx,
        parts,
        decision,
        now=now,
        actor=f"rule:{rule}" if rule else "policy",
        subject=subject_of(look.candidate.membership),
        seen=look.seen,
    )


async def answered(parts: Parts, event: Pressed, card: StandingCard) -> None:
    """An admin's ✅ or ❌ on the card of a held Sweep.

    ✅ carries out what the card showed, each looked at again first: whoever has given a sign of
    life since, or is protected now, is let be.
    """
    if event.symbol not in {removals.CONFIRM, removals.KEEP}:
        return
    outlook = await look_out(parts)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        if (await tx.get(StandingCard, card.id)).ended_at is not None:  # another was faster
            await votes.refuse(tx, parts, event, removals.CLUB, Refused("card-ended"), now)
            return
        sweep = await tx.get(Sweep, held.sweep_id(card))
        items = await tx.find(SweepItem, sweep_id=sweep.id, outcome="")
        go_on = event.symbol == removals.CONFIRM
        code = "sweep-released" if go_on else "sweep-dropped"
        await record(
            tx,
            parts,
            Decision(Verdict.RECORD, code),
            now=now,
            actor=str(event.who),
            subject=f"sweep:{sweep.id}",
        )
        if go_on:
            members = await _still_inside(tx, [item.membership_id for item in items])
            looks = await look_at(tx, parts, members, outlook, now)
            lines = [Line(look.candidate, judge(look.candidate, now)) for look in looks]
            acted = [line for line in lines if line.decision.verdict is not Verdict.KEEP]
            await _carry_out(tx, parts, sweep, acted, outlook, now)
            await removals.refresh(tx, parts, now)
        await held.show(tx, parts, sweep, now, "go-on" if go_on else "left")


async def _still_inside(tx: Tx, ids: Sequence[int]) -> list[Membership]:
    """Those of a plan who are; asked for some at a time, as no database takes any number."""
    found: list[Membership] = []
    for start in range(0, len(ids), PAGE):
        some = tuple(ids[start : start + PAGE])
        found += await tx.find(Membership, id__in=some, state__in=tuple(INSIDE))
    return found


# ---- When Grace is over ------------------------------------------------------------------------


async def due(parts: Parts, now: datetime) -> datetime | None:
    """Look again at all whose Grace is over; when the next one ends."""
    async with parts.store.look(parts.club) as tx:
        state = await club_state(tx)
        if state.paused_at is not None:
            return None
        ripe = await _ripe(tx, now)
        behind = await removals.catch_up(tx, parts, now)
    if ripe:
        outlook = await look_out(parts)
        async with parts.store.transaction(parts.club) as tx:
            await _over(tx, parts, outlook, parts.clock.now())
    elif behind:
        async with parts.store.transaction(parts.club) as tx:
            await removals.refresh(tx, parts, parts.clock.now())
    return await _next(parts, now)


async def _ripe(tx: Tx, now: datetime) -> list[Membership]:
    """Those whose Grace, or time as a guest, is over."""
    return await tx.find(Membership, state__in=tuple(WAITING), grace_ends_at__lte=now, limit=500)


async def _next(parts: Parts, now: datetime) -> datetime | None:
    grace = parts.policy.pruning.grace
    async with parts.store.look(parts.club) as tx:
        noticed = await tx.first(
            Membership, state__in=tuple(WAITING), grace_ends_at__set=True, order="grace_ends_at"
        )
        unreached = await tx.first(
            Membership,
            state=State.NOTIFYING,
            unreachable_since__gt=now - grace,
            order="unreachable_since",
        )
        waits = await tx.first(Membership, state=State.PLANNED, page=0, order="planned_at")
    moments = [noticed.grace_ends_at] if noticed and noticed.grace_ends_at else []
    if unreached and unreached.unreachable_since:
        moments.append(unreached.unreachable_since + grace)
    if waits and waits.planned_at:
        shown_from = removals.shows_from(parts, waits.planned_at)
        moments += [shown_from] if shown_from > now else []
    return min(moments, default=None)


async def _too_many(tx: Tx, parts: Parts, count: int, now: datetime) -> bool:
    """Whether the brake holds so many graces that are over at once, with those of the last day:
    after an outage they may be those of many sweeps."""
    members = await tx.count(Membership, state__in=tuple(INSIDE))
    before = await tx.count(Membership, planned_at__gt=now - A_DAY)
    return bool(too_many(await held.brake(tx, parts), count + before, members))


async def _over(tx: Tx, parts: Parts, outlook: Outlook, now: datetime) -> None:
    ripe = await _ripe(tx, now)
    looks = await look_at(tx, parts, ripe, outlook, now)
    _note_faults(parts.policy, looks)
    decided = [(look, judge(look.candidate, now)) for look in looks]
    count = sum(decision.verdict is Verdict.REMOVE for _, decision in decided)
    asked = bool(count) and await _too_many(tx, parts, count, now)
    planned = False
    for look, decision in decided:
        if decision.verdict is Verdict.REMOVE:
            await _plan_removal(tx, parts, look, decision, now, asked)
            planned = True
        elif decision.code in {"in-grace", "as-guest"}:
            ends_at = look.candidate.membership.grace_ends_at or now
            await _put_off(tx, look, max(ends_at, now + SOON))
        elif decision.code in UNSURE:
            await _put_off(tx, look, now + LOOK_AGAIN)
        else:
            member = await tx.get(Membership, look.candidate.membership.id)
            await stage_ends.set_free(
                tx, parts, member, Event.KEEP, decision, "schedule", now, seen=look.seen
            )
    if planned:
        await removals.refresh(tx, parts, now)


async def _put_off(tx: Tx, look: Look, until: datetime) -> None:
    """Look again later: blind time stretches Grace, and what is unsure removes nobody."""
    member = await tx.get(Membership, look.candidate.membership.id)
    await tx.change(member, grace_ends_at=until)
