"""Words in the admins' room: pause, resume, status, explain, help. Only admins are heard."""

from datetime import datetime

from gatekeeper.domain.applications import Application
from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import Choice, Lane, Order, Post, Progress
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.events import Pressed, Wrote
from gatekeeper.ports import Tx
from gatekeeper.usecases import explained, pause, rights, votes
from gatekeeper.usecases.parts import Parts, club_state, once, order

PREFIXES = ("!gatekeeper", "!gk")
GO_ON = "▶"
LINES = 60  # of an explanation in one message
DIGITS = 19  # of a number that a database takes


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
    word, _, about = rest.strip().lower().partition(" ")
    if word == "explain":
        await _answer(parts, event, await _explained(parts, about.strip().removeprefix("#")))
    elif about:
        await _answer(parts, event, parts.say("words-help"))
    elif word == "pause":
        await pause.pause(parts, str(event.who))
        await _answer(parts, event, parts.say("paused-now"))
    elif word == "resume":
        would = await pause.would(parts)
        text = "\n".join([parts.say("resume-would", {"count": would.count}), *would.lines[:50]])
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


async def _explained(parts: Parts, number: str) -> str:
    """Everything about the rules' verdict on one application, as many lines as a message bears."""
    known = number.isascii() and number.isdigit() and len(number) < DIGITS
    async with parts.store.look(parts.club) as tx:
        app = await tx.first(Application, id=int(number)) if known else None
        if app is None:
            return parts.say("explain-whom")
        seen = await explained.of_application(tx, parts, app)
    if seen is None:
        return parts.say("explain-nothing", {"number": app.id})
    lines = explained.told(seen, parts.policy.club.spec.language).lines()
    more = len(lines) - LINES
    if more > 0:  # the last ones say what would turn it
        cut = parts.say("explain.more", {"count": more})
        lines = (*lines[: LINES - 2], cut, *lines[-2:])
    return "\n".join([parts.say("explain.of", {"number": app.id, "name": app.name}), *lines])


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
