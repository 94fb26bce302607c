"""audit, db: the record of what was done, and where all of it is kept."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gatekeeper.cli import frame, render
from gatekeeper.cli.frame import Json
from gatekeeper.domain.errors import Refused, StorageError
from gatekeeper.settings import Settings

# Beside the databases while they are open; an online backup needs none of it.
PASSING: Final = (".lock", ".upgrade", "-wal", "-shm", "-journal")

audit = typer.Typer(help="The record of all decisions.", no_args_is_help=True)
db = typer.Typer(help="The database: its tables, and a backup of everything.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for name, part in (("audit", audit), ("db", db)):
        app.add_typer(part, name=name)


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

    settings = frame.all_settings()[0]
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

    settings = frame.all_settings()[0]
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
    """Copy data folder, keys and policies, also while the service runs."""
    clubs = frame.all_settings()
    settings = clubs[0]
    target = Path(folder)
    if target.exists():
        raise Refused("backup-exists", folder=str(target))
    if not settings.database.startswith("sqlite"):
        raise Refused("backup-postgres")
    target.mkdir(mode=0o700, parents=True)
    kept = frame.run(copy_home(settings, [one.policy for one in clubs], target))
    if as_json:
        render.show_json({"folder": str(target), "files": kept})
    else:
        render.say(f"{len(kept)} files are in {target}; keep them as secret as the keys in them.")
        render.say("The settings and the bot's token are not among them: copy those yourself.")


async def copy_home(settings: Settings, policies: Sequence[Path], target: Path) -> list[str]:
    """Copy what a service's clubs consist of; databases by SQLite's online backup, all 0600."""
    from gatekeeper.storage import backup as backup_of

    kept = []
    files = {path: path.relative_to(settings.home) for path in sorted(settings.home.rglob("*"))}
    files |= {path: Path("keys") / path.name for path in sorted(settings.keys.glob("*.key"))}
    for path in policies:  # two clubs' may have one name
        place = Path(path.name)
        files[path] = place if place not in files.values() else Path(path.parent.name) / place
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
