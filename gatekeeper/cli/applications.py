"""applications: who asks to join."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatekeeper.cli import frame, render
from gatekeeper.cli.frame import WAIT, All, Json, Wait
from gatekeeper.domain.applications import OPEN, Application, Question, State, Vote, Vouch
from gatekeeper.domain.decisions import Entry
from gatekeeper.domain.errors import BadInput

if TYPE_CHECKING:
    from gatekeeper.usecases.parts import Parts

applications = typer.Typer(help="Who asks to join.", no_args_is_help=True)

Number = Annotated[
    int,
    typer.Argument(metavar="NUMBER", help="The application's number.", min=1, max=2**63 - 1),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(applications, name="applications")


@applications.command("list")
def list_applications(
    every: All = False,
    state: Annotated[str, typer.Option(help=f"Only those in one state: {', '.join(State)}.")] = "",
    as_json: Json = False,
) -> None:
    """Open applications, the oldest first; --all and --state show others."""

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

    from gatekeeper.usecases.naming import said_by

    async def work() -> tuple[
        Application, list[Vote], list[Vouch], list[Question], list[Entry], list[str]
    ]:
        async with frame.club() as club, club.parts.store.look(club.parts.club) as tx:
            app = await tx.get(Application, number)
            return (
                app,
                await tx.find(Vote, application_id=number),
                await tx.find(Vouch, application_id=number),
                await tx.find(Question, application_id=number),
                await tx.entries(subject=f"application:{number}"),
                [await said_by(tx, one) for one in app.decided_by],
            )

    app, votes, vouches, questions, entries, by = frame.run(work())
    if as_json:
        render.show_json(
            {
                **_public(app),
                "votes": votes,
                "vouches": vouches,
                "questions": questions,
                "record": entries,
            }
        )
        return
    rows: list[tuple[Any, Any]] = [
        ("who", app.identity),
        ("name", app.name),
        ("state", app.state),
        ("submitted", app.submitted_at),
        ("ended", app.ended_at),
        ("rule", app.rule or None),
        ("quorum", f"{app.quorum.approvals} to admit, {app.quorum.declines} to decline"),
        ("decided by", ", ".join(by) or None),
        ("reason", app.reason_text or app.reason or None),
        *((f"answer {name}", value) for name, value in (app.answers or {}).items()),
        *((f"vote of {each.voter}", _vote(each)) for each in votes),
        *(
            (f"vouch of {each.voucher}", f"(ended: {each.ended_by})" if each.ended_at else each.at)
            for each in vouches
        ),
        *(
            (
                f"asked by {each.asked_by}",
                f"{each.asked_at:%Y-%m-%d %H:%M %Z} {each.text} → {each.answer or '—'}",
            )
            for each in questions
        ),
        *((each.at, each.sentence) for each in entries),
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
    from gatekeeper.usecases import by_operator

    async def act(parts: "Parts") -> Application:
        return await by_operator.decide_by_operator(parts, number, yes, reason, frame.operator())

    frame.leave(frame.run(_on_application(number, act, wait, as_json)))


@applications.command("ask")
def ask(
    number: Number,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The question.")],
    wait: Wait = WAIT,
    as_json: Json = False,
) -> None:
    """Ask an applicant something, as operator."""
    from gatekeeper.usecases import questions

    async def act(parts: "Parts") -> object:
        return await questions.ask_by_operator(parts, number, text, frame.operator())

    frame.leave(frame.run(_on_application(number, act, wait, as_json)))


@applications.command("take-back")
def take_back(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why; it is told to them.")],
    wait: Wait = WAIT,
    as_json: Json = False,
) -> None:
    """Take back an admission while its invitation is not taken up."""
    from gatekeeper.usecases import take_back as use
    from gatekeeper.usecases.reasons import told_reason

    told_reason(reason)

    async def act(parts: "Parts") -> Application:
        return await use.by_operator(parts, number, reason, frame.operator())

    frame.leave(frame.run(_on_application(number, act, wait, as_json, connect=True)))


async def _on_application(
    number: int, act: "frame.Act[Any]", wait: float, as_json: bool, connect: bool = False
) -> int:
    async with frame.club(platforms=True, connect=connect) as club:
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
