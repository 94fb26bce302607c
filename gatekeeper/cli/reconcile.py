"""reconcile: who is inside and which doors stand open, held against the record and the rules."""

from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatekeeper.cli import frame, render
from gatekeeper.cli.frame import WAIT, Json, Wait, actor
from gatekeeper.domain.clubs import Finding
from gatekeeper.domain.decisions import Order
from gatekeeper.domain.errors import BadInput, NotFound
from gatekeeper.usecases.reasons import told_reason

if TYPE_CHECKING:
    from gatekeeper.usecases.parts import Parts
    from gatekeeper.usecases.reconcile import Report


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("reconcile")(reconcile)


def reconcile(
    apply: Annotated[
        bool, typer.Option("--apply", help="Put right what lets nobody in or out.")
    ] = False,
    adopt: Annotated[
        str, typer.Option(metavar="WHO", help="Make someone inside a member, by name.")
    ] = "",
    remove: Annotated[
        str, typer.Option(metavar="WHO", help="Put out someone who is no member, by name.")
    ] = "",
    reason: Annotated[str, typer.Option(help="For --remove: why; it is told to them.")] = "",
    leave: Annotated[
        str, typer.Option(metavar="WHO", help="Let be what is found, by name or as #3.")
    ] = "",
    wait: Wait = WAIT,
    as_json: Json = False,
) -> None:
    """Find who is inside or outside against the record, and doors that stand open."""
    if sum(map(bool, (apply, adopt, remove, leave))) > 1:
        raise BadInput({"option": "one-act-at-a-time"})
    if remove:
        told_reason(reason)  # before anybody is asked for anything
    elif reason:
        raise BadInput({"reason": "only-for-remove"})

    async def work() -> int:
        from gatekeeper.usecases import findings
        from gatekeeper.usecases import reconcile as use

        async with frame.club(connect=True) as club:
            parts = club.parts
            report = await use.run(parts, actor())
            before, done = await frame.last_order(parts), 0
            if apply:
                done = await findings.apply(parts, actor())
            elif adopt:
                await findings.take_in(parts, await _called(parts, adopt), actor())
            elif remove:
                await findings.put_out(parts, await _called(parts, remove), reason, actor())
            elif leave:
                await findings.leave(parts, await _called(parts, leave), actor())
            async with parts.store.look(parts.club) as tx:
                rows = await tx.find(Finding, ended_at=None)
            _show(parts, report, rows, done if apply else None, as_json)
            if apply or remove:
                ordered = await _ordered(parts, before, wait)
                if ordered:
                    return ordered
            return 1 if any(not row.answer for row in rows) else 0

    frame.leave(frame.run(work()))


async def _called(parts: "Parts", name: str) -> int:
    from gatekeeper.usecases import findings

    async with parts.store.look(parts.club) as tx:
        called = await findings.find(tx, name)
    if not called:
        raise NotFound(kind="finding", id=name)
    if len(called) > 1:
        raise BadInput({"name": "several-meant"}, names=", ".join(row.subject for row in called))
    return called[0].id


async def _ordered(parts: "Parts", before: int, wait: float) -> int:
    """Wait for what was ordered about findings; 1 where a platform said no."""
    from gatekeeper.usecases.findings import PREFIX

    async with parts.store.look(parts.club) as tx:
        placed = await tx.find(Order, id__gt=before)
    code = 0
    for subject in {one.subject for one in placed if one.subject.startswith(PREFIX)}:
        orders = await frame.carried_out(parts, before, subject, wait)
        code = max(code, frame.outcome(orders, parts))
    return code


def _show(
    parts: "Parts", report: "Report", rows: list[Finding], done: int | None, as_json: bool
) -> None:
    from gatekeeper.usecases.finding_card import proposed, said

    if as_json:
        told: list[dict[str, Any]] = [
            {**render.plain(row), "sentence": said(parts, row), "proposed": proposed(parts, row)}
            for row in rows
        ]
        whole = {"findings": told, "left": report.left, "unseen": report.unseen, "done": done}
        render.show_json(whole)
        return
    for row in rows:
        since = f"{row.first_at.astimezone(UTC):%Y-%m-%d}"
        render.say(f"#{row.id} {since} {said(parts, row)} {proposed(parts, row)}")
    for place, why in report.unseen.items():
        render.say(parts.say("found.unseen", {"place": place, "why": why}))
    if done is not None:
        render.say(parts.say("found.done", {"count": done}))
    if report.left:
        render.say(parts.say("found.let-be", {"count": len(report.left)}))
    if not rows:
        render.say(parts.say("found.none"))
