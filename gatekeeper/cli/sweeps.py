"""sweep: who has gone silent, what is done about it, and who is kept all the same."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatekeeper.cli import frame, lifeline, render
from gatekeeper.cli.frame import WAIT, Json, Wait, actor
from gatekeeper.domain.clubs import ClubState
from gatekeeper.domain.memberships import Sweep, SweepItem
from gatekeeper.domain.pruning import Line, Plan

if TYPE_CHECKING:
    from gatekeeper.usecases.parts import Parts
    from gatekeeper.usecases.sweep_report import Standing, Told

sweep = typer.Typer(help="Who has gone silent.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(sweep, name="sweep")


@sweep.command("plan")
def plan(as_json: Json = False) -> None:
    """Who would be asked or let go now, and why. Nothing is done."""
    from gatekeeper.usecases import sweep as use

    async def work() -> tuple[Plan, dict[str, str], bool]:
        async with frame.club(connect=True) as club:
            tried = await use.would(club.parts)
            found = tried or await use.preview(club.parts)
            lines = (*found.notify, *found.remove, *found.unreachable)
            texts = {
                str(line.candidate.membership.id): club.parts.say(
                    line.decision.code, line.decision.values
                )
                for line in lines
            }
            return found, texts, tried is not None

    found, texts, on_trial = frame.run(work())
    if as_json:
        render.show_json(
            {
                "on_trial": on_trial,
                "notify": [_line(each, texts) for each in found.notify],
                "remove": [_line(each, texts) for each in found.remove],
                "unreachable": [_line(each, texts) for each in found.unreachable],
                "counts": found.counts,
                "held": found.held,
            }
        )
        return
    if on_trial:
        from gatekeeper.policy.texts import sentence

        render.say(sentence("sweep-on-trial"))
    for title, lines in (
        ("Would be asked", found.notify),
        ("Would be planned for removal", found.remove),
        ("Could not be reached; to be decided by name", found.unreachable),
    ):
        if lines:
            render.say(f"{title}: {len(lines)}")
            render.table(
                ("who", "last sign", "where", "rule", "seen of the time", "not seen", "why"),
                [_row(each, texts) for each in lines],
            )
    kept = sum(found.counts.values()) - len(found.notify) - len(found.remove)
    render.say(f"Left be: {kept}. Nothing has been done.")
    if found.held:
        from gatekeeper.policy.texts import sentence

        render.say(f"It would be held, and the admins asked: {sentence(found.held)} [{found.held}]")


def _row(line: Line, texts: dict[str, str]) -> tuple[Any, ...]:
    member, evidence = line.candidate.membership, line.candidate.evidence
    return (
        member.identity,
        member.last_seen_at,
        member.last_place or None,
        line.candidate.ruling.rule,
        f"{float(evidence.get('seen_share', 0)):.0%}",
        lifeline.days_unseen(str(evidence.get("blind", ""))) or None,
        texts[str(member.id)],
    )


def _line(line: Line, texts: dict[str, str]) -> dict[str, Any]:
    member = line.candidate.membership
    return {
        "member": member.id,
        "who": member.identity,
        "name": member.name,
        "state": member.state,
        "last_seen_at": member.last_seen_at,
        "last_place": member.last_place,
        "rule": line.candidate.ruling.rule,
        "code": line.decision.code,
        "sentence": texts[str(member.id)],
        "evidence": line.candidate.evidence,
    }


@sweep.command("run")
def run(wait: Wait = WAIT, as_json: Json = False) -> None:
    """Sweep now, as the schedule would."""
    from gatekeeper.usecases import sweep as use

    async def work() -> int:
        async with frame.club(connect=True) as club:
            parts = club.parts
            before = await frame.last_order(parts)
            done = await use.run(parts, f"operator-{parts.clock.now().isoformat()}")
            orders = await frame.carried_out(parts, before, "", wait)
            if as_json:
                render.show_json({"sweep": done, "orders": orders})
            else:
                render.say("\n".join(_counts(done, parts)))
            return frame.outcome(orders, parts)

    frame.leave(frame.run(work()))


def _counts(done: Sweep, parts: "Parts") -> list[str]:
    """A heading, and a line for each thing that was decided: of how many, and what."""
    looked_at = f"{sum(done.counts.values())} looked at"
    held = f"; held: {parts.say(done.held)}" if done.held else ""
    return [
        f"Sweep {done.id}, {done.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {looked_at}{held}",
        *(
            f"{count:>5}  {parts.say(code, {'club': parts.policy.title})} [{code}]"
            for code, count in sorted(done.counts.items())
        ),
    ]


# ---- What was done, and how it stands ------------------------------------------------------------


@sweep.command("status")
def status(as_json: Json = False) -> None:
    """The last sweep, who is at which stage and what comes next, and when the next sweep is."""
    from gatekeeper.usecases import sweep_report as use

    async def work() -> tuple[dict[str, Any], list[str], list[str]]:
        async with frame.club() as club:
            parts = club.parts
            async with parts.store.look(parts.club) as tx:
                now = parts.clock.now()
                last = await tx.first(Sweep, order="-id")
                state = await tx.first(ClubState)
                them = await use.standings(tx, parts, now)
                stages = await use.stages(tx, parts, them)
                told = _counts(last, parts) if last else ["There was no sweep yet."]
                return (
                    {
                        "last": last,
                        "items": await tx.find(SweepItem, sweep_id=last.id) if last else [],
                        "stages": stages,
                        "staged": them,
                        "schedule": parts.policy.pruning.schedule,
                        "next": next_sweep(parts, now),
                        "watched_since": state.watched_since if state else None,
                        "paused": bool(state and state.paused_at),
                    },
                    [parts.say(one.code) for one in stages],
                    told,
                )

    found, names, told = frame.run(work())
    if as_json:
        render.show_json(found)
        return
    render.say("\n".join(told))
    if found["stages"]:
        rows = zip(found["stages"], names, strict=True)
        render.table(
            ("stage", "how many", "first moves on"),
            [(name, one.count, one.next_at) for one, name in rows],
        )
        said = dict(zip((one.code for one in found["stages"]), names, strict=True))
        render.table(
            ("who", "name", "stage", "last sign", "where", "asked", "time ends"),
            [_standing(one, said) for one in found["staged"]],
        )
    when = found["next"]
    after = f"; next at {when.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if when else ""
    render.say(f"Schedule: {found['schedule']}{after}" + (" (paused)" if found["paused"] else ""))


def _standing(one: "Standing", said: dict[str, str]) -> tuple[Any, ...]:
    member = one.member
    return (
        member.identity,
        member.name,
        said[one.stage],
        member.last_seen_at,
        member.last_place or None,
        member.noticed_at,
        member.grace_ends_at,
    )


def next_sweep(parts: "Parts", now: datetime) -> datetime | None:
    """When the schedule fires next; None for never."""
    from gatekeeper.engine.ticks import ticks

    spec = parts.policy.pruning
    zone = spec.time_zone or parts.policy.club.spec.time_zone
    return next(iter(ticks(spec.schedule, zone, now)), None)


@sweep.command("history")
def history(
    count: Annotated[int, typer.Option("--last", min=1, metavar="N", help="So many.")] = 20,
    as_json: Json = False,
) -> None:
    """The last sweeps: what each asked and planned, what was held, and by whom released."""
    from gatekeeper.usecases import sweep_report as use

    async def work() -> "tuple[list[Told], list[str]]":
        async with frame.club() as club, club.parts.store.look(club.parts.club) as tx:
            found = await use.history(tx, count)
            return found, [_answer(one, club.parts) for one in found]

    found, answers = frame.run(work())
    if as_json:
        render.show_json(found)
        return
    if not found:
        render.say("There was no sweep yet.")
        return
    render.table(
        ("sweep", "at", "looked at", "asked", "planned", "unreachable", "removed", "kept", "held"),
        [
            (
                one.sweep.id,
                one.sweep.at,
                one.looked_at,
                one.asked,
                one.planned,
                one.unreachable,
                one.removed,
                one.kept,
                answer or None,
            )
            for one, answer in zip(found, answers, strict=True)
        ],
    )


def _answer(one: "Told", parts: "Parts") -> str:
    """Why it was held and what was said to it; "" for one that was not held."""
    if not one.sweep.held:
        return ""
    answer = parts.say(one.answer) if one.answer else ""
    if one.answered_at is not None:
        answer += f" ({one.by}, {one.answered_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC)"
    elif one.waits:
        answer = parts.say("sweep-waits")
    return " ".join(filter(None, (parts.say(one.sweep.held), answer)))


# ---- Keeping one out -----------------------------------------------------------------------------


@sweep.command("keep")
def keep(
    who: Annotated[str, typer.Argument(metavar="WHO", help="An account, e.g. @ada:example.org.")],
    reason: Annotated[str, typer.Option("--because", metavar="REASON", help="For the record.")],
    until: Annotated[
        str, typer.Option(help="Exempt them until a day (2026-12-31) or moment (ISO 8601).")
    ] = "",
    as_json: Json = False,
) -> None:
    """Keep somebody who was asked or is planned for removal; with --until exempt them as well."""
    from gatekeeper.cli.members import moment
    from gatekeeper.usecases import words_on_removals as use

    async def work() -> None:
        async with frame.club(platforms=True) as club:
            parts = club.parts
            end = moment(until, parts.policy.club.spec.time_zone) if until else None
            identity = frame.identity(parts, who)
            await use.keep_by_command(parts, identity, reason, end, actor())

    frame.run(work())
    if as_json:
        render.show_json({"kept": who, "until": until or None})
    else:
        render.say(f"{who} stays." + (f" Exempt until {until}." if until else ""))
