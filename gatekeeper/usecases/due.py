"""What the clock asks for: every wait is a `due_at` column, and this looks for what has come."""

from datetime import datetime, timedelta

import structlog

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.clubs import Finding, Handled
from gatekeeper.domain.errors import GatekeeperError
from gatekeeper.usecases import (
    apply,
    audit,
    comeback,
    disputes,
    drafts,
    exempt,
    invitations,
    leave,
    limits,
    observe,
    outside,
    perform,
    presses,
    review,
    sweep,
    trials,
    welcome,
)
from gatekeeper.usecases.parts import Parts

log = structlog.get_logger(__name__)

KEEP_HANDLED = timedelta(days=90)  # no platform tells an event again after that

HANDLERS = {
    State.UNPROVEN: apply.due,
    State.IN_REVIEW: review.due,
    State.APPROVED: outside.due,
    State.INVITED: invitations.due,
}
OTHERS = (
    presses.due,
    perform.due,
    sweep.due,
    disputes.due,
    comeback.due,
    welcome.due,
    leave.due,
    exempt.due,
    audit.due,
    trials.due,
)


async def due(parts: Parts) -> datetime | None:
    """Do everything whose time has come; when to call again, None for nothing in sight.

    What fails is logged with its code and tried again at the next call; it holds up nothing else.
    """
    moments = [await _applications(parts)]
    for look in OTHERS:
        try:
            moments.append(await look(parts, parts.clock.now()))
        except GatekeeperError as error:
            log.warning("due-failed", what=look.__module__, code=error.code, error=str(error))
    return min((moment for moment in moments if moment is not None), default=None)


async def _applications(parts: Parts) -> datetime | None:
    now = parts.clock.now()
    async with parts.store.look(parts.club) as tx:
        ripe = await tx.find(
            Application, due_at__lte=now, state__in=tuple(HANDLERS), order="due_at", limit=200
        )
    for app in ripe:
        try:
            await HANDLERS[app.state](parts, app)
        except GatekeeperError as error:
            log.warning("due-failed", application=app.id, code=error.code, error=str(error))
    async with parts.store.look(parts.club) as tx:
        waiting = await tx.first(Application, due_at__gt=now, order="due_at")
    return waiting.due_at if waiting else None


async def tidy(parts: Parts) -> None:
    """Forget what has no use any more: hourly counts, what was told or noted long ago; nightly."""
    now = parts.clock.now()
    async with parts.store.transaction(parts.club) as tx:
        await limits.forget(tx, now)
        await trials.forget(tx, now)
        await observe.forget(tx, now)
        await drafts.forget(tx, now)
        await tx.remove(Handled, at__lt=now - KEEP_HANDLED)
        await tx.remove(Finding, ended_at__set=True, last_at__lt=now - KEEP_HANDLED)
