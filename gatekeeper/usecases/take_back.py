"""An admission is taken back while its invitation is not taken up, with a reason that is told."""

import re
from datetime import datetime

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import Lane
from gatekeeper.domain.errors import BadInput, Refused, WrongState
from gatekeeper.domain.events import Wrote
from gatekeeper.domain.identity import Account
from gatekeeper.ports import Tx
from gatekeeper.usecases import outside_card, rights, votes
from gatekeeper.usecases.invitations import AWAITED, TAKEN_BACK, lapse
from gatekeeper.usecases.naming import number_of, subject_of
from gatekeeper.usecases.parts import Parts, once, tell
from gatekeeper.usecases.reasons import told_reason

_WORD = re.compile(r"^\s*(?:take\s+back|zurücknehmen)\b[\s:,.]*(.*)$", re.I | re.S)


async def by_operator(parts: Parts, number: int, reason: str, operator: str) -> Application:
    """Take an admission back from the command line.

    Raises:
        NotFound, WrongState: no such application, or no invitation of it that is awaited.
        BadInput: no reason, or one that is too long.
        Refused: `inside-already`: whoever is in is not put out by this.
        PlatformDown, PlatformBusy: nobody could say whether they are inside.
    """
    reason = told_reason(reason)
    async with parts.store.look(parts.club) as tx:
        app = await tx.get(Application, number)
    inside = app.state in AWAITED and await _inside(parts, app)
    async with parts.store.transaction(parts.club) as tx:
        app = await tx.get(Application, number)
        if inside or app.state is State.ADMITTED:
            raise Refused("inside-already")
        if app.state not in AWAITED:
            raise WrongState(state=app.state.value, event="take-back")
        await _take(tx, parts, app, reason, f"operator:{operator}", parts.clock.now())
        return await tx.get(Application, number)


async def replied(parts: Parts, event: Wrote, card: StandingCard) -> bool:
    """`take back WHY` beneath a review card; False where the reply says no such thing, or nothing
    is decided there yet."""
    match = _WORD.match(event.text)
    if match is None:
        return False
    async with parts.store.look(parts.club) as tx:
        app = await tx.get(Application, number_of(card.subject))
    if app.state is State.IN_REVIEW:
        return False
    admins = await rights.admins(parts)
    inside = app.state in AWAITED and await _inside(parts, app)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return True
        app = await tx.get(Application, app.id)
        account = await tx.first(Account, identity=event.who)
        why = ""
        if account is not None and account.person_id == app.person_id:
            why = "own-application"
        elif event.who not in admins:
            why = "no-right-to-decide"
        elif inside or app.state is State.ADMITTED:
            why = "inside-already"
        elif app.state not in AWAITED:
            why = "nothing-to-take-back"
        try:
            reason = told_reason(match.group(1))
        except BadInput:
            why = why or "take-back-why"
        if why:
            await votes.refuse(tx, parts, event, subject_of(app), Refused(why), now)
        else:
            await _take(tx, parts, app, reason, str(event.who), now)
    return True


async def _inside(parts: Parts, app: Application) -> bool:
    """Looked up just now: their arrival may not have been told yet."""
    if outside_card.is_outside(app):
        return False
    return (await parts.platform(app.identity).standing(app.identity)).inside


async def _take(
    tx: Tx, parts: Parts, app: Application, reason: str, by: str, now: datetime
) -> None:
    """End the application and our invitation, and say why; whoever comes in at that very moment
    stays in: see `admit`."""
    values = {"club": parts.policy.title, "why": reason}
    await lapse(tx, parts, app, TAKEN_BACK, by, now, values)
    await tell(
        tx,
        parts,
        app.identity,
        parts.say("admission-taken-back-told", values, app.language),
        key=f"{subject_of(app)}/taken-back",
        purpose="decline-told",
        subject=subject_of(app),
        now=now,
        lane=Lane.ADMISSION,
    )
