"""Pause: all writing stops at the next action while intake goes on; resume shows first."""

from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import Decision, Order, Progress, Verdict
from gatekeeper.usecases.parts import Parts, by_number, club_state, record


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


async def would(parts: Parts) -> tuple[str, ...]:
    """What would be done next, a sentence each, the most urgent first."""
    async with parts.store.look(parts.club) as tx:
        waiting = await tx.find(Order, progress=Progress.DUE, order="lane", limit=200)
    lines = []
    for order in waiting:
        who = getattr(order.action, "who", None)
        whom = who.account if who else getattr(order.action, "place", "")
        what = parts.say(f"purpose.{order.purpose}")
        lines.append(parts.say("would", {"what": what, "whom": whom, "subject": order.subject}))
    return tuple(lines)


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
