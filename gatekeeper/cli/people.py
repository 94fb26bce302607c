"""applications and members: who asks to join, and who is in."""

import getpass
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from gatekeeper.cli import frame, render
from gatekeeper.cli.frame import WAIT, Json, Wait, Yes
from gatekeeper.domain.activity import Activity
from gatekeeper.domain.applications import OPEN, Application, Question, State, Vote
from gatekeeper.domain.decisions import Entry
from gatekeeper.domain.errors import BadInput, NotFound, Refused
from gatekeeper.domain.identity import Account
from gatekeeper.domain.memberships import INSIDE, Exemption, Leave, Membership

if TYPE_CHECKING:
    from gatekeeper.usecases.parts import Parts

applications = typer.Typer(help="Who asks to join.", no_args_is_help=True)
members = typer.Typer(help="Who is in.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="NUMBER", help="The application's number.")]
Who = Annotated[str, typer.Argument(metavar="WHO", help="An account, e.g. @ada:example.org.")]
All = Annotated[bool, typer.Option("--all", help="Those that have ended, too.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(applications, name="applications")
    app.add_typer(members, name="members")


def operator() -> str:
    """Who gives this command, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return frame.OPERATOR


def actor() -> str:
    """The same, as the record has it."""
    return f"operator:{operator()}"


# ---- applications ----------------------------------------------------------------------------


@applications.command("list")
def list_applications(
    every: All = False,
    state: Annotated[str, typer.Option(help="Only those in this state.")] = "",
    as_json: Json = False,
) -> None:
    """Applications that the admins have to do with, the oldest first."""

    async def work() -> list[Application]:
        criteria: dict[str, Any] = {} if every else {"state__in": tuple(OPEN - {State.UNPROVEN})}
        if state:
            if state not in list(State):
                raise BadInput({"state": "not-a-state"}, known=", ".join(State))
            criteria = {"state": State(state)}
        async with frame.club() as club, club.parts.store.look(club.parts.club) as tx:
            return await tx.find(Application, **criteria)

    found = frame.run(work())
    if as_json:
        render.show_json([_public(each) for each in found])
        return
    render.table(
        ("number", "state", "who", "name", "since"),
        [(each.id, each.state, each.identity, each.name, each.submitted_at) for each in found],
    )


@applications.command("show")
def show_application(number: Number, as_json: Json = False) -> None:
    """One application with its answers, votes, questions and record."""

    async def work() -> tuple[Application, list[Vote], list[Question], list[Entry]]:
        async with frame.club() as club, club.parts.store.look(club.parts.club) as tx:
            app = await tx.get(Application, number)
            return (
                app,
                await tx.find(Vote, application_id=number),
                await tx.find(Question, application_id=number),
                await tx.entries(subject=f"application:{number}"),
            )

    app, votes, questions, entries = frame.run(work())
    if as_json:
        render.show_json(
            {**_public(app), "votes": votes, "questions": questions, "record": entries}
        )
        return
    rows: list[tuple[str, Any]] = [
        ("who", app.identity),
        ("name", app.name),
        ("state", app.state),
        ("submitted", app.submitted_at),
        ("rule", app.rule or None),
        ("quorum", f"{app.quorum.approvals} to admit, {app.quorum.declines} to decline"),
        ("decided by", ", ".join(app.decided_by) or None),
        ("reason", app.reason_text or app.reason or None),
        *((f"answer {name}", value) for name, value in (app.answers or {}).items()),
        *((f"vote of {each.voter}", _vote(each)) for each in votes),
        *(
            (f"asked by {each.asked_by}", f"{each.text} → {each.answer or '—'}")
            for each in questions
        ),
        *((render.plain(each.at)[:19], each.sentence) for each in entries),
    ]
    render.table(("", f"application {number}"), rows)


def _vote(vote: Vote) -> str:
    text = f"{vote.choice} {vote.reason}".strip()
    return f"{text} (ended: {vote.ended_by})" if vote.ended_at else text


def _public(app: Application) -> dict[str, Any]:
    shown: dict[str, Any] = render.plain(app)
    shown.pop("browser")
    return shown


@applications.command("approve")
def approve(
    number: Number,
    reason: Annotated[str, typer.Option(help="For the record.")] = "",
    wait: Wait = WAIT,
    as_json: Json = False,
) -> None:
    """Admit an applicant, as operator."""
    _decide(number, True, reason, wait, as_json)


@applications.command("decline")
def decline(
    number: Number,
    reason: Annotated[str, typer.Option(help="One of the policy's decline reasons.")],
    wait: Wait = WAIT,
    as_json: Json = False,
) -> None:
    """Decline an applicant, as operator; the reason's text reaches them."""
    _decide(number, False, reason, wait, as_json)


def _decide(number: int, yes: bool, reason: str, wait: float, as_json: bool) -> None:
    from gatekeeper.usecases import review

    async def act(parts: "Parts") -> Application:
        return await review.decide_by_operator(parts, number, yes, reason, operator())

    frame.leave(frame.run(_on_application(number, act, wait, as_json)))


@applications.command("ask")
def ask(
    number: Number,
    text: Annotated[str, typer.Argument(help="The question.")],
    wait: Wait = WAIT,
    as_json: Json = False,
) -> None:
    """Ask an applicant something, as operator."""
    from gatekeeper.usecases import questions

    async def act(parts: "Parts") -> object:
        return await questions.ask_by_operator(parts, number, text, operator())

    frame.leave(frame.run(_on_application(number, act, wait, as_json)))


async def _on_application(number: int, act: "frame.Act[Any]", wait: float, as_json: bool) -> int:
    async with frame.club(platforms=True) as club:
        parts = club.parts
        before = await frame.last_order(parts)
        await act(parts)
        orders = await frame.carried_out(parts, before, f"application:{number}", wait)
        async with parts.store.look(parts.club) as tx:
            app = await tx.get(Application, number)
        if as_json:
            render.show_json({**_public(app), "orders": orders})
        else:
            render.say(f"application {number} of {app.name}: {app.state}")
        return frame.outcome(orders, parts)


# ---- members -----------------------------------------------------------------------------------


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
    """One member: last sign, leaves, exemptions, and what was decided about them."""

    async def work() -> dict[str, Any]:
        async with frame.club(platforms=True) as club:
            identity = frame.identity(club.parts, who)
            async with club.parts.store.look(club.parts.club) as tx:
                member = await tx.first(Membership, identity=identity, order="-id")
                if member is None:
                    raise NotFound(kind="member", id=who)
                person = member.person_id
                return {
                    "membership": member,
                    "accounts": await tx.find(Account, person_id=person),
                    "leaves": await tx.find(Leave, person_id=person),
                    "exemptions": await tx.find(Exemption, person_id=person),
                    "activity": await tx.find(Activity, person_id=person, order="day"),
                    "record": await tx.entries(subject=f"membership:{member.id}"),
                }

    found = frame.run(work())
    if as_json:
        render.show_json(found)
        return
    member = found["membership"]
    rows = [
        *(
            (name, getattr(member, name))
            for name in ("identity", "name", "state", "origin", "since")
        ),
        ("last sign", member.last_seen_at),
        ("where", member.last_place or None),
        ("seen", ", ".join(_by_kind(found["activity"])) or None),
        ("grace ends", member.grace_ends_at),
        *(("leave until", each.until) for each in found["leaves"] if each.ended_at is None),
        *(
            ("exempt until", f"{each.until:%Y-%m-%d}: {each.reason} ({each.author})")
            for each in found["exemptions"]
            if each.ended_at is None
        ),
        *((render.plain(each.at)[:19], each.sentence) for each in found["record"]),
    ]
    render.table(("", f"member {member.id}"), rows)


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
        raise typer.BadParameter(f"{' and '.join(missing)}, or --end")


@members.command("export")
def export(who: Who, as_json: Json = False) -> None:
    """Everything that is kept about one person, as JSON."""
    from gatekeeper.usecases import erase as use

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
    as_json: Json = False,
) -> None:
    """Erase a person: only the number is left, and the record stays whole. Needs --yes."""
    from gatekeeper.usecases import erase as use

    if not yes:
        raise Refused("erase-needs-yes")

    async def work() -> object:
        async with frame.club(platforms=True) as club:
            return await use.erase(
                club.parts, frame.identity(club.parts, who), actor(), remove=remove
            )

    _told(frame.run(work()), f"{who} is erased; the record of decisions stays whole.", as_json)


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
    place = ZoneInfo(zone)
    try:
        if len(text.strip()) == 10:
            return datetime.combine(date.fromisoformat(text.strip()), time.max, place)
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadInput({"until": "not-a-date"}, value=text) from None
    return found if found.tzinfo else found.replace(tzinfo=place)
