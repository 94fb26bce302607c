"""Pause: all writing stops at the next action while intake goes on; resume shows first."""

from dataclasses import dataclass
from typing import Final

from gatekeeper.domain.clubs import Schedule, StandingCard
from gatekeeper.domain.decisions import Decision, Order, Progress, Verdict
from gatekeeper.domain.memberships import Membership
from gatekeeper.domain.pruning import WAITING
from gatekeeper.policy.texts import iso
from gatekeeper.ports import Tx
from gatekeeper.usecases.naming import called, name_of, read_account
from gatekeeper.usecases.parts import Parts, by_number, club_state, record

SHOWN: Final = 200  # of the acts that wait
TOLD: Final = frozenset({"sweep", "reconcile"})  # schedules whose ticks people notice


async def pause(parts: Parts, by: str) -> bool:
    """Stop writing; False where it was paused already."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        state = await club_state(tx)
        if state.paused_at is not None:
            return False
        await tx.change(state, paused_at=now, paused_by=await by_number(tx, parts, by, now))
        for card in await tx.find(StandingCard, kind="resume", ended_at=None):
            await tx.change(card, ended_at=now)  # what it lists is of an earlier pause
        await record(
            tx, parts, Decision(Verdict.RECORD, "paused"), now=now, actor=by, subject="club"
        )
    return True


@dataclass(frozen=True, slots=True)
class Would:
    """What would be done next: how many acts that wait, and sentences about them, the most urgent
    first; before them what the clock would do at once."""

    count: int
    lines: tuple[str, ...]


async def would(parts: Parts) -> Would:
    """What would be done next, were it not for the pause; nothing is."""
    async with parts.store.look(parts.club) as tx:
        count = await tx.count(Order, progress=Progress.DUE)
        waiting = await tx.find(Order, progress=Progress.DUE, order="lane", limit=SHOWN)
        clock = await _clock(tx, parts)
        lines = [await _act(tx, parts, order) for order in waiting]
    if count > len(lines):
        lines.append(parts.say("would-more", {"more": count - len(lines)}))
    return Would(count, (*clock, *lines))


async def _act(tx: Tx, parts: Parts, order: Order) -> str:
    """One act that waits, by the name of whom it concerns."""
    who = getattr(order.action, "who", None)
    if who is not None:
        whom = read_account(parts, who, await name_of(tx, who))
    else:
        whom = await called(tx, order.subject) or getattr(order.action, "place", "")
    what = parts.say(f"purpose.{order.purpose}")
    return parts.say("would", {"what": what, "whom": whom, "subject": order.subject})


async def _clock(tx: Tx, parts: Parts) -> list[str]:
    """Ticks that fell into the pause, and those whose Grace ended in it."""
    missed = await tx.find(Schedule, due_at__set=True, order="name")
    lines = [
        parts.say(f"would-{row.name}", {"at": iso(row.due_at)})
        for row in missed
        if row.due_at is not None and row.name in TOLD
    ]
    over = await tx.count(
        Membership, state__in=tuple(WAITING), grace_ends_at__lte=parts.clock.now()
    )
    if over:
        code = f"would-look-{parts.policy.pruning.confirm}"
        lines.append(parts.say(code, {"count": over}))
    return lines


async def resume(parts: Parts, by: str) -> int:
    """Go on; how many Orders are due with this. 0 where nothing was paused."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        state = await club_state(tx)
        if state.paused_at is None:
            return 0
        await tx.change(state, paused_at=None, paused_by="")
        await record(
            tx,
            parts,
            Decision(Verdict.RECORD, "resumed", {"club": parts.policy.title}),
            now=now,
            actor=by,
            subject="club",
        )
        waiting = await tx.find(Order, progress=Progress.DUE)
        for order in waiting:  # a try that came to nothing while paused is a new one
            await tx.change(order, attempt=order.attempt + 1)
        return len(waiting)
