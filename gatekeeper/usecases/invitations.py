"""The invitation of an approved application: its reminder, its end, what may become of it."""

from collections.abc import Mapping
from datetime import datetime

from gatekeeper.domain.applications import OPEN, Application, Event, State, advance
from gatekeeper.domain.decisions import Decision, Lane, Order, Retract, Verdict
from gatekeeper.domain.errors import Value
from gatekeeper.ports import Tx
from gatekeeper.usecases import comeback, review
from gatekeeper.usecases.comeback import INVITING
from gatekeeper.usecases.naming import number_of, subject_of
from gatekeeper.usecases.parts import Parts, cancel, order, record, tell

AWAITED = frozenset({State.APPROVED, State.INVITED})
NOT_TAKEN_UP = "invitation-not-taken-up"  # why it ended
TAKEN_BACK = "admission-taken-back"
ENDED_BY_US = frozenset({NOT_TAKEN_UP, TAKEN_BACK})  # whoever was faster than our end is inside


async def may_still(tx: Tx, placed: Order) -> bool:
    """Whether an invitation, its reminder or its end is still meant."""
    if not placed.subject.startswith("application:"):
        return await comeback.may_still(tx, placed)
    app = await tx.get(Application, number_of(placed.subject))
    if placed.purpose == "retract":
        # Who has applied again meanwhile knocks, or is invited, for that one.
        newer = await tx.first(
            Application, person_id=app.person_id, id__gt=app.id, state__in=tuple(OPEN)
        )
        way_back = await comeback.is_open(tx, app.person_id)
        return app.state not in OPEN and newer is None and not way_back
    return app.state in AWAITED


async def on_refused(tx: Tx, parts: Parts, failed: Order, reason: str, now: datetime) -> None:
    """The platform's final no to an invitation: the admins see it, the decision stands."""
    if not failed.subject.startswith("application:"):
        await comeback.on_refused(tx, parts, failed, reason, now)
    else:
        app = await tx.get(Application, number_of(failed.subject))
        await record(
            tx,
            parts,
            Decision(Verdict.RECORD, "invitation-failed", {"why": reason}),
            now=now,
            actor="platform",
            subject=failed.subject,
            policy=app.policy,
        )
        await review.refresh(tx, parts, app, now)


async def due(parts: Parts, app: Application) -> None:
    """An invitation not taken up: reminded once, ended after the policy's days."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        app = await tx.get(Application, app.id)
        if app.state is not State.INVITED or app.due_at is None or app.due_at > now:
            return
        if app.invited_at is None:
            return
        ends_at = app.invited_at + parts.policy.club.spec.invitation.ends_after
        if now >= ends_at:
            await lapse(tx, parts, app, NOT_TAKEN_UP, "schedule", now)
            return
        await tx.change(app, reminded_at=now, due_at=ends_at)
        if app.reminded_at is None:
            values = {"club": parts.policy.title}
            await tell(
                tx,
                parts,
                app.identity,
                parts.say("invitation-reminder", values, app.language),
                key=f"{subject_of(app)}/invitation-reminder",
                purpose="invitation-reminder",
                subject=subject_of(app),
                now=now,
                lane=Lane.ADMISSION,
            )


async def lapse(
    tx: Tx,
    parts: Parts,
    app: Application,
    code: str,
    actor: str,
    now: datetime,
    values: Mapping[str, Value] | None = None,
) -> None:
    """End an application whose invitation will not be taken up, and take the invitation back.

    `values` are those of the sentence for `code`.
    """
    app = await tx.change(
        app,
        state=advance(app.state, Event.LAPSE),
        ended_at=now,
        due_at=None,
        reason=code,
        reason_text=parts.say(code, values, app.language),
    )
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, code, values or {}),
        now=now,
        actor=actor,
        subject=subject_of(app),
        policy=app.policy,
        language=app.language,
    )
    await cancel(tx, subject_of(app), (*INVITING, "approve-told"), code)
    await order(
        tx,
        Retract(who=app.identity, reason=app.reason_text),
        platform=app.identity.platform,
        key=f"{subject_of(app)}/retract",
        purpose="retract",
        subject=subject_of(app),
        lane=Lane.ADMISSION,
        now=now,
    )
    await review.refresh(tx, parts, app, now)
