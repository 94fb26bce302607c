"""sweep, audit, db: what was done about silence, the record of it, and where it is kept."""

import json
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gatekeeper.cli import frame, render
from gatekeeper.cli.frame import WAIT, Json, Wait
from gatekeeper.domain.clubs import ClubState
from gatekeeper.domain.errors import Refused, StorageError
from gatekeeper.domain.memberships import STAGED, Membership, Sweep, SweepItem
from gatekeeper.domain.pruning import Line, Plan
from gatekeeper.settings import Settings

if TYPE_CHECKING:
    from gatekeeper.usecases.parts import Parts

# Beside the databases while they are open; an online backup needs none of it.
PASSING: Final = (".lock", ".upgrade", "-wal", "-shm", "-journal")

sweep = typer.Typer(help="Who has gone silent.", no_args_is_help=True)
audit = typer.Typer(help="The record of all decisions.", no_args_is_help=True)
db = typer.Typer(help="The database: its tables, and a backup of everything.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for name, part in (("sweep", sweep), ("audit", audit), ("db", db)):
        app.add_typer(part, name=name)


# ---- sweep -------------------------------------------------------------------------------------


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
                ("who", "last sign", "where", "rule", "seen of the time", "why"),
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
                render.say("\n".join(_told(done, parts)))
            return frame.outcome(orders, parts)

    frame.leave(frame.run(work()))


def _told(done: Sweep, parts: "Parts") -> list[str]:
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


@sweep.command("status")
def status(as_json: Json = False) -> None:
    """The last sweep, who is at which stage, and when the next one is."""

    async def work() -> tuple[dict[str, Any], list[str]]:
        async with frame.club() as club:
            parts = club.parts
            async with parts.store.look(parts.club) as tx:
                last = await tx.first(Sweep, order="-id")
                state = await tx.first(ClubState)
                told = _told(last, parts) if last else ["There was no sweep yet."]
                return {
                    "last": last,
                    "items": await tx.find(SweepItem, sweep_id=last.id) if last else [],
                    "staged": await tx.find(Membership, state__in=tuple(STAGED)),
                    "schedule": parts.policy.pruning.schedule,
                    "watched_since": state.watched_since if state else None,
                    "paused": bool(state and state.paused_at),
                }, told

    found, told = frame.run(work())
    if as_json:
        render.show_json(found)
        return
    render.say("\n".join(told))
    if found["staged"]:
        render.table(
            ("who", "state", "last sign", "asked", "time ends"),
            [
                (m.identity, m.state, m.last_seen_at, m.noticed_at, m.grace_ends_at)
                for m in found["staged"]
            ],
        )
    render.say(f"Schedule: {found['schedule']}" + (" (paused)" if found["paused"] else ""))


# ---- audit -------------------------------------------------------------------------------------


@audit.command("verify")
def verify(as_json: Json = False) -> None:
    """Whether the record of decisions is whole; exit 1 at the first row that does not fit."""
    from gatekeeper.usecases import audit as use

    async def work() -> tuple[Any, int, str]:
        async with frame.club() as club:
            found = await use.verify(club.parts)
            return found, *await club.parts.store.head(club.parts.club)

    found, sequence, mac = frame.run(work())
    if as_json:
        render.show_json({"whole": True, "rows": found, "head": sequence, "mac": mac})
    elif not sequence:
        render.say("The record is empty: nothing has been decided, or this is not your database.")
    else:
        render.say(f"The record is whole: its head is row {sequence}, {mac[:16]}.")


@audit.command("export")
def export(as_json: Json = False) -> None:
    """The record of decisions, one JSON document a line, the oldest first."""

    async def work() -> None:
        async with frame.club() as club, club.parts.store.look(club.parts.club) as tx:
            after = 0
            while rows := await tx.entries(after=after, limit=500):
                for row in rows:
                    print(json.dumps(render.plain(row), ensure_ascii=False))
                after = rows[-1].sequence

    frame.run(work())


# ---- db ----------------------------------------------------------------------------------------


@db.command("upgrade")
def upgrade(as_json: Json = False) -> None:
    """Bring the tables to this release."""
    from gatekeeper.storage import migrate

    async def work() -> list[str]:
        await migrate.need_tables(settings.database)
        return await migrate.upgrade(settings.database)

    settings = frame.settings()
    done = frame.run(work())
    if as_json:
        render.show_json({"upgraded": done})
    else:
        render.say(f"{len(done)} steps were needed: the tables are now those of this release.")


@db.command("check")
def check(as_json: Json = False) -> None:
    """Whether the tables are those of this release; exit 1 when not."""
    from gatekeeper.storage import migrate

    async def work() -> list[str]:
        await migrate.need_tables(settings.database)
        return await migrate.check(settings.database)

    settings = frame.settings()
    pending = frame.run(work())
    if as_json:
        render.show_json({"ok": not pending, "pending": pending})
    elif pending:
        raise StorageError(detail=f"upgrade pending: {', '.join(pending)}")
    else:
        render.say("The tables are those of this release.")
    frame.leave(1 if pending else 0)


@db.command("backup")
def backup(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="A folder to make; it must not exist.")
    ],
    as_json: Json = False,
) -> None:
    """Copy data folder, keys and policy, also while the service runs."""
    settings = frame.settings()
    target = Path(folder)
    if target.exists():
        raise Refused("backup-exists", folder=str(target))
    if not settings.database.startswith("sqlite"):
        raise Refused("backup-postgres")
    target.mkdir(mode=0o700, parents=True)
    kept = frame.run(copy_home(settings, target))
    if as_json:
        render.show_json({"folder": str(target), "files": kept})
    else:
        render.say(f"{len(kept)} files are in {target}; keep them as secret as the keys in them.")
        render.say("The settings and the bot's token are not among them: copy those yourself.")


async def copy_home(settings: Settings, target: Path) -> list[str]:
    """Copy what a club consists of; databases by SQLite's own online backup, all 0600."""
    from gatekeeper.storage import backup as backup_of

    kept = []
    files = {path: path.relative_to(settings.home) for path in sorted(settings.home.rglob("*"))}
    files |= {path: Path("keys") / path.name for path in sorted(settings.keys.glob("*.key"))}
    files[settings.policy] = Path(settings.policy.name)
    for source, place in files.items():
        if not source.is_file() or source.name.endswith(PASSING):
            continue
        copy = target / place
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if source.suffix == ".db":
            await backup_of.backup(f"sqlite://{source}", copy)
        else:
            copy.touch(mode=0o600)
            copy.write_bytes(source.read_bytes())
        kept.append(str(place))
    return kept
