"""Words in the admins' room: pause, resume, status, help. Only admins are heard."""

from datetime import datetime

from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import Choice, Lane, Order, Post, Progress
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.events import Pressed, Wrote
from gatekeeper.ports import Tx
from gatekeeper.usecases import pause, rights, votes
from gatekeeper.usecases.parts import Parts, club_state, once, order

PREFIXES = ("!gatekeeper", "!gk")
GO_ON = "▶"


async def said(parts: Parts, event: Wrote) -> None:
    """A message in the admins' room that is no reply to a card: a word for us, or none."""
    first, _, rest = event.text.strip().partition(" ")
    if first.lower() not in PREFIXES:
        return
    admins = await rights.admins(parts)
    if event.who not in admins:
        async with parts.store.transaction(parts.club) as tx:
            now = parts.clock.now()
            if await once(tx, event, now):
                await votes.refuse(tx, parts, event, "club", Refused("no-right-to-decide"), now)
        return
    word = rest.strip().lower()
    if word == "pause":
        await pause.pause(parts, str(event.who))
        await _answer(parts, event, parts.say("paused-now"))
    elif word == "resume":
        lines = await pause.would(parts)
        text = "\n".join([parts.say("resume-would", {"count": len(lines)}), *lines[:50]])
        choices = (Choice("resume", GO_ON, parts.say("resume-go-on")),)
        await _answer(parts, event, text, choices, subject=f"pause:{event.event_id}")
    elif word == "status":
        await _answer(parts, event, await _status(parts))
    else:
        await _answer(parts, event, parts.say("words-help"))


async def pressed_resume(parts: Parts, event: Pressed, card: StandingCard) -> None:
    """▶ on the list of what would happen: go on."""
    admins = await rights.admins(parts)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if card.ended_at is not None or event.symbol != GO_ON or not await once(tx, event, now):
            return
        if event.who not in admins:
            await votes.refuse(tx, parts, event, "club", Refused("no-right-to-decide"), now)
            return
        await tx.change(card, ended_at=now)
    await pause.resume(parts, str(event.who))
    async with parts.store.transaction(parts.club) as tx:
        await _post(
            tx, parts, parts.say("resumed-now"), f"told/{event.event_id}", "club", parts.clock.now()
        )


async def _status(parts: Parts) -> str:
    async with parts.store.look(parts.club) as tx:
        state = await club_state(tx)
        due = await tx.count(Order, progress=Progress.DUE)
        waiting = await tx.count(Order, progress=Progress.WAITING)
        failed = await tx.count(Order, progress=Progress.FAILED)
    code = "status-paused" if state.paused_at else "status-running"
    return parts.say(code, {"due": due, "waiting": waiting, "failed": failed})


async def _answer(
    parts: Parts,
    event: Wrote,
    text: str,
    choices: tuple[Choice, ...] = (),
    subject: str = "club",
) -> None:
    """Answer the very word that was said, even while paused."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if await once(tx, event, now):
            await _post(tx, parts, text, f"told/{event.event_id}", subject, now, choices)


async def _post(
    tx: Tx,
    parts: Parts,
    text: str,
    key: str,
    subject: str,
    now: datetime,
    choices: tuple[Choice, ...] = (),
) -> None:
    await order(
        tx,
        Post(place="admins", text=text, choices=choices),
        platform=parts.admin_platform,
        key=key,
        purpose="thread",
        subject=subject,
        lane=Lane.ANSWER,
        now=now,
        even_paused=True,
    )
