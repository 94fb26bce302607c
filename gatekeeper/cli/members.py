"""members: who is in."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

import typer

from gatekeeper.cli import frame, lifeline, render
from gatekeeper.cli.frame import WAIT, All, Json, Wait, Yes, actor
from gatekeeper.domain.activity import Activity
from gatekeeper.domain.errors import BadInput, NotFound, Refused
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import INSIDE, Exemption, Leave, Membership
from gatekeeper.ports import Tx

if TYPE_CHECKING:
    from gatekeeper.usecases.life import Life

members = typer.Typer(help="Who is in.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(metavar="WHO", help="An account, e.g. @ada:example.org.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(members, name="members")


@members.command("adopt")
def adopt(yes: Yes = False, as_json: Json = False) -> None:
    """Take in who is there already: shows whom, and does it with --yes."""
    from gatekeeper.usecases import adopt as use

    async def work() -> tuple[tuple[Any, ...], int]:
        async with frame.club(connect=True) as club:
            found = await use.plan(club.parts)
            return found, await use.adopt(club.parts, actor()) if yes and found else 0

    found, done = frame.run(work())
    if as_json:
        render.show_json({"plan": found, "adopted": done})
        return
    if not found:
        render.say("Everyone who is there is known already.")
        return
    render.table(("who", "name", "power"), [(g.identity, g.name, g.power) for g in found])
    if yes:
        render.say(f"{done} adopted: members from before, never judged for the time before now.")
    else:
        render.say(f"{len(found)} would be adopted; do it with: gatekeeper members adopt --yes")


@members.command("list")
def list_members(every: All = False, as_json: Json = False) -> None:
    """Members, with their last sign of life."""

    async def work() -> list[Membership]:
        criteria: dict[str, Any] = {} if every else {"state__in": tuple(INSIDE)}
        async with frame.club() as club, club.parts.store.look(club.parts.club) as tx:
            return await tx.find(Membership, **criteria)

    found = frame.run(work())
    if as_json:
        render.show_json(found)
        return
    render.table(
        ("number", "state", "who", "name", "since", "last sign"),
        [(m.id, m.state, m.identity, m.name, m.since, m.last_seen_at) for m in found],
    )


@members.command("show")
def show_member(who: Who, as_json: Json = False) -> None:
    """One member: their last 90 days and our blind spots, leaves, exemptions, decisions."""
    shown = frame.run(_shown(who))
    if as_json:
        render.show_json({**shown.found, "life": lifeline.as_json(shown.life)})
        return
    render.table(("", f"member {shown.found['membership'].id}"), _rows(shown))
    render.say("\n" + "\n".join(lifeline.lines(shown.life, shown.now)))
    for text in lifeline.gap_lines(shown.life.gaps):
        render.say(f"unseen  {text}")


class _Shown(NamedTuple):
    """What is kept of one member; `names` of those who let them be away or exempt."""

    found: dict[str, Any]
    names: dict[str, str]
    zone: str
    life: "Life"
    now: datetime


async def _shown(who: str) -> _Shown:
    from gatekeeper.usecases.life import life_of
    from gatekeeper.usecases.naming import said_by

    async with frame.club(platforms=True) as club:
        identity = frame.identity(club.parts, who)
        async with club.parts.store.look(club.parts.club) as tx:
            member = await _member(tx, identity)
            if member is None:
                raise NotFound(kind="member", id=who)
            person = member.person_id
            leaves = await tx.find(Leave, person_id=person)
            exemptions = await tx.find(Exemption, person_id=person)
            found = {
                "membership": member,
                "accounts": await tx.find(Account, person_id=person),
                "leaves": leaves,
                "exemptions": exemptions,
                "activity": await tx.find(Activity, person_id=person, order="day"),
                "record": await tx.entries(subject=f"membership:{member.id}"),
            }
            actors = {each.by for each in leaves} | {each.author for each in exemptions}
            names = {one: await said_by(tx, one) for one in actors}
            now = club.parts.clock.now()
            life = await life_of(tx, club.parts, member, now)
            return _Shown(found, names, club.parts.policy.club.spec.time_zone, life, now)


def _rows(shown: _Shown) -> list[tuple[Any, Any]]:
    found, names, zone = shown.found, shown.names, shown.zone
    member = found["membership"]
    return [
        *(
            (name, getattr(member, name))
            for name in ("identity", "name", "state", "origin", "since")
        ),
        *(
            ("also" if each.identity != member.identity else "account", _account(each))
            for each in found["accounts"]
        ),
        ("last sign", member.last_seen_at),
        ("where", member.last_place or None),
        ("seen", ", ".join(_by_kind(found["activity"])) or None),
        ("guest since", member.guest_at),
        ("grace ends", member.grace_ends_at),
        *(
            ("leave until", _absence(each.until, zone, each.note, names[each.by]))
            for each in found["leaves"]
            if each.ended_at is None
        ),
        *(
            ("exempt until", _absence(each.until, zone, each.reason, names[each.author]))
            for each in found["exemptions"]
            if each.ended_at is None
        ),
        *((each.at, each.sentence) for each in found["record"]),
    ]


async def _member(tx: Tx, identity: Identity) -> Membership | None:
    """The membership of whoever is behind an account: the open one, else its newest."""
    account = await tx.first(Account, identity=identity)
    if account is not None:
        inside = await tx.first(Membership, person_id=account.person_id, state__in=tuple(INSIDE))
        if inside is not None:
            return inside
    return await tx.first(Membership, identity=identity, order="-id")


def _account(account: Account) -> str:
    return f"{account.identity} known since {account.first_seen_at:%Y-%m-%d}"


@members.command("unlink")
def unlink(who: Who, as_json: Json = False) -> None:
    """Take linked accounts apart: the account named, and what came with it, stands for itself."""
    from gatekeeper.usecases import link as use

    async def work() -> object:
        async with frame.club(platforms=True) as club:
            return await use.unlink(club.parts, frame.identity(club.parts, who), actor())

    _told(frame.run(work()), f"{who} is a person by themselves again; both are told.", as_json)


def _absence(until: datetime, zone: str, why: str, by: str) -> str:
    return f"{until.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}: {why or '—'} ({by})"


Over = Annotated[bool, typer.Option("--end", help="End it now.")]
Until = Annotated[str, typer.Option(help="Last day (2026-12-31) or moment (ISO 8601).")]


def _by_kind(days: Sequence[Activity]) -> list[str]:
    counts: Counter[str] = Counter()
    for day in days:
        counts[day.kind] += day.count
    return [f"{kind} {count}" for kind, count in counts.most_common()]


@members.command("exempt")
def exempt(
    who: Who,
    reason: Annotated[str, typer.Option(help="Shown to the admins.")] = "",
    until: Until = "",
    over: Over = False,
    as_json: Json = False,
) -> None:
    """No sweep touches them, until a date and for a reason; --end ends that."""
    from gatekeeper.usecases import exempt as use

    _wanted(over, reason=reason, until=until)

    async def work() -> object:
        async with frame.club(platforms=True) as club:
            parts = club.parts
            if over:
                return await use.end(parts, frame.identity(parts, who), actor())
            end = moment(until, parts.policy.club.spec.time_zone)
            return await use.exempt(parts, frame.identity(parts, who), reason, end, actor())

    told = f"{who} is no longer exempt." if over else f"{who} is exempt until {until}."
    _told(frame.run(work()), told, as_json)


@members.command("leave")
def take_leave(
    who: Who,
    until: Until = "",
    note: Annotated[str, typer.Option(help="For the admins.")] = "",
    over: Over = False,
    as_json: Json = False,
) -> None:
    """Announce a member's absence, which sweeps pass over; --end ends it early."""
    from gatekeeper.usecases import leave as use

    _wanted(over, until=until)

    async def work() -> object:
        async with frame.club(platforms=True) as club:
            parts = club.parts
            if over:
                return await use.end(parts, frame.identity(parts, who), actor())
            end = moment(until, parts.policy.club.spec.time_zone)
            return await use.announce(parts, frame.identity(parts, who), end, note, actor())

    told = f"{who} is back from leave." if over else f"{who} is on leave until {until}."
    _told(frame.run(work()), told, as_json)


def _wanted(over: bool, **options: str) -> None:
    """Wrong use: an option that is missing where nothing is ended."""
    missing = [f"--{name}" for name, given in options.items() if not (over or given)]
    if missing:
        raise typer.BadParameter(f"{' and '.join(missing)} must be given, or --end")


@members.command("export")
def export(who: Who, as_json: Json = False) -> None:
    """Everything that is kept about one person, as JSON."""
    from gatekeeper.usecases import export as use

    async def work() -> object:
        async with frame.club(platforms=True) as club:
            return await use.export(club.parts, frame.identity(club.parts, who))

    render.show_json(frame.run(work()))


@members.command("erase")
def erase(
    who: Who,
    yes: Yes = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take them out of the club's places as well.")
    ] = False,
    wait: Wait = WAIT,
    as_json: Json = False,
) -> None:
    """Erase a person: only the number is left, and the record stays whole. Needs --yes."""
    from gatekeeper.usecases import erase as use

    if not yes:
        raise Refused("erase-needs-yes")

    async def work() -> int:
        async with frame.club(platforms=True) as club:
            parts = club.parts
            before = await frame.last_order(parts)
            done = await use.erase(parts, frame.identity(parts, who), actor(), remove=remove)
            _told(done, f"{who} is erased; the record of decisions stays whole.", as_json)
            orders = await frame.carried_out(parts, before, "", wait) if remove else []
            return frame.outcome(orders, parts)

    frame.leave(frame.run(work()))


def _told(result: object, text: str, as_json: bool) -> None:
    if as_json:
        render.show_json(result if result is not None else {"done": True})
    else:
        render.say(text)


def moment(text: str, zone: str) -> datetime:
    """What was typed as a day (its last moment, in the club's zone) or a moment.

    Raises:
        BadInput: neither.
    """
    from gatekeeper.usecases.absences import last_moment

    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        day = None
    try:
        if day is not None:
            return last_moment(day, zone)
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadInput({"until": "not-a-date"}, value=text) from None
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))
