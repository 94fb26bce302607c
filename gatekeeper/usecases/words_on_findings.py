"""What admins press and reply on the card of findings: ✅; `adopt`, `remove`, `leave` by name."""

import re
from datetime import datetime

from gatekeeper.domain.clubs import Finding, Handled, StandingCard
from gatekeeper.domain.decisions import Lane, Post
from gatekeeper.domain.errors import BadInput, Refused, WrongState
from gatekeeper.domain.events import Pressed, Wrote
from gatekeeper.domain.identity import Identity
from gatekeeper.ports import Tx
from gatekeeper.usecases import finding_card, findings, removals, rights, votes
from gatekeeper.usecases.naming import name_of
from gatekeeper.usecases.parts import Parts, once, order

_WORD = re.compile(
    r"^\s*(adopt|aufnehmen|remove|entfernen|leave|lassen)\s+(\S+)\s*(.*)$", re.I | re.S
)
_ADOPT, _REMOVE = frozenset({"adopt", "aufnehmen"}), frozenset({"remove", "entfernen"})


async def pressed(parts: Parts, event: Pressed, card: StandingCard) -> None:
    """✅ puts right what the presser saw on the card and lets nobody in or out."""
    if event.symbol != finding_card.FIX:
        return
    admins = await rights.admins(parts)
    async with parts.store.look(parts.club) as tx:
        if await _known(tx, event):
            return
        why = "" if event.who in admins else "no-right-to-decide"
        if not why and card.ended_at is not None:
            why = "card-ended"
        shown = await removals.shown_at(tx, card, event.at)
    if not why:  # before the press counts as taken in: where nobody can be asked, it comes again
        done = await findings.apply(parts, str(event.who), shown, braked=False)
        why = "" if done else "findings-changed"
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if await once(tx, event, now) and why:
            await votes.refuse(tx, parts, event, removals.CLUB, Refused(why), now)


async def _known(tx: Tx, event: Pressed | Wrote) -> bool:
    told = await tx.first(Handled, platform=event.who.platform, event_id=event.event_id)
    return told is not None


async def replied(parts: Parts, event: Wrote, card: StandingCard) -> None:
    """`adopt @x`, `remove @x why`, `leave @x` beneath the card, one each."""
    match = _WORD.match(event.text)
    if match is None:
        return
    admins = await rights.admins(parts)
    async with parts.store.look(parts.club) as tx:
        if await _known(tx, event):
            return
        called = await findings.find(tx, match.group(2))
    code = "found.several" if len(called) > 1 else "found.whom"
    if len(called) == 1 and event.who in admins:
        code = await _do(parts, called[0], match.group(1).lower(), match.group(3), event.who)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        if event.who in admins:
            name = ", ".join(f"#{row.id} {row.subject}" for row in called) or match.group(2)
            await _tell(tx, parts, event, card, code, name, now)
        else:
            why = Refused("no-right-to-decide")
            await votes.refuse(tx, parts, event, removals.CLUB, why, now)


async def _do(parts: Parts, row: Finding, word: str, reason: str, who: Identity) -> str:
    """Do what was said; the code of the answer."""
    by = str(who)
    try:
        if word in _ADOPT:
            await findings.take_in(parts, row.id, by)
            return "found.taken-in"
        if word in _REMOVE:
            await findings.put_out(parts, row.id, reason, by)
            return "found.put-out"
        await findings.leave(parts, row.id, by)
    except BadInput:
        return "found.why"
    except WrongState:
        return "found.not-so"
    except Refused as refused:
        return f"refused.{refused.reason}"
    return "found.left"


async def _tell(
    tx: Tx, parts: Parts, event: Wrote, card: StandingCard, code: str, name: str, now: datetime
) -> None:
    values = {"name": name, "account": name, "by": await name_of(tx, event.who)}
    await order(
        tx,
        Post(place="admins", text=parts.say(code, values), thread=card.ref),
        platform=card.platform,
        key=f"told/{event.event_id}",
        purpose="thread",
        subject=removals.CLUB,
        lane=Lane.ANSWER,
        now=now,
    )
