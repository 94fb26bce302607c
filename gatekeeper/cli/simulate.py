"""policy simulate: a policy on the recorded past, on the coming weeks, with other params."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice, takewhile
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from gatekeeper.cli import frame, render
from gatekeeper.cli.frame import Json
from gatekeeper.cli.meter import Meter
from gatekeeper.domain.decisions import Verdict
from gatekeeper.domain.errors import BadInput, PlatformError
from gatekeeper.reading import read_text

if TYPE_CHECKING:
    from gatekeeper.policy.forecast import Forecast, Forecaster
    from gatekeeper.policy.judge import Policy
    from gatekeeper.policy.judged import Judged
    from gatekeeper.policy.simulate import Simulation, Simulator
    from gatekeeper.policy.what_if import Param, Variant
    from gatekeeper.usecases.member_facts import Outlook
    from gatekeeper.usecases.parts import Parts
    from gatekeeper.usecases.past import Known

Say: TypeAlias = Callable[..., str]
Quick: TypeAlias = Callable[["Policy"], "Policy"]  # the same policy, judging faster

LONGEST: Final = timedelta(days=3653)  # a forecast; a past may be as long as it is
EVER: Final = timedelta(days=36_500)
SWEEPS: Final = 400  # of a forecast; a policy that sweeps more often is looked at day by day
PICTURES: Final = (".png", ".svg")

New = Annotated[str, typer.Argument(metavar="NEW", help="The policy to try.")]
Since = Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back, as in 90d.")]
Old = Annotated[
    str, typer.Option("--old", metavar="FILE|DIGEST", help="Instead of the policy in force.")
]
Ahead = Annotated[
    str,
    typer.Option("--forecast", metavar="SPAN", help="Who would be asked or removed, as in 30d."),
]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=LOW..HIGH[/STEP]", help="What each value would do."),
]
Picture = Annotated[
    str, typer.Option("--picture", metavar="FILE", help="Draw what each value does: .png, .svg.")
]


def add_to(policy: typer.Typer) -> None:
    """Add the commands of this module."""
    policy.command("simulate")(simulate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What was asked for on the command line, read and checked."""

    new: "Policy"
    old: str
    since: timedelta
    ahead: timedelta | None
    params: tuple["Param", ...]
    picture: Path | None


@dataclass(slots=True, kw_only=True)
class Row:
    """NEW with one combination of values, and how many would get each verdict."""

    policy: "Policy"
    values: tuple[str, ...]
    applications: Counter[Verdict] = field(default_factory=Counter)
    forecaster: "Forecaster | None" = None
    members: "Forecast | None" = None


@dataclass(slots=True, kw_only=True)
class Found:
    """Everything that was found; what was not asked for is None or empty."""

    old: "Policy"
    new: "Policy"
    in_force: bool
    on_trial: tuple[str, ...]
    since: datetime
    now: datetime
    until: datetime
    applications: "Simulation"
    members: "Simulation"
    trials: tuple[tuple[str, "Simulation"], ...]  # with what NEW has on trial in force as well
    known: "Known"
    params: tuple["Param", ...] = ()
    rows: tuple[Row, ...] = ()
    forecast: "Forecast | None" = None
    about: frozenset[str] = frozenset()  # the kinds of documents that the params stand in
    slower: bool = False  # the two backends differed: the library alone has judged


def simulate(
    new: New,
    since: Since = "90d",
    old: Old = "",
    forecast: Ahead = "",
    param: Params = None,
    picture: Picture = "",
    as_json: Json = False,
) -> None:
    """What NEW would have decided on the recorded past, and would do in the coming weeks."""
    from gatekeeper.cli import simulated
    from gatekeeper.policy.what_if import parse_param

    params = tuple(parse_param(text) for text in param or ())
    place = _picture(picture, len(params))
    policy = _read(new)
    tried = _tried(policy, params) if params else ()
    ask = Ask(
        new=policy,
        old=old,
        since=_span("since", since, EVER),
        ahead=_span("forecast", forecast, LONGEST) if forecast else None,
        params=params,
        picture=place,
    )
    found, say = frame.run(_found(ask, tried))
    if place is not None:
        from gatekeeper.cli import pictures

        pictures.draw(found, say, place)
    if as_json:
        render.show_json(simulated.as_json(found))
        return
    simulated.show(found, say)
    if place is not None:
        render.say(say("simulate.picture", {"file": str(place)}))


def _tried(policy: "Policy", params: Sequence["Param"]) -> tuple["Variant", ...]:
    """NEW with each combination of values, compiled; many take many seconds."""
    from gatekeeper.policy.what_if import variants

    meter, made = Meter(policy.say), list["Variant"]()
    tell, whole = meter.of("simulate.compiling"), prod(len(each.values) for each in params)
    try:
        for one in variants(policy, params):
            made.append(one)
            tell(len(made), whole)
    finally:
        meter.end()
    return tuple(made)


def file_of(named: str) -> Path | None:
    """The file of this name, if there is one."""
    path = Path(named)
    return path if path.is_file() else None


def _read(file: str) -> "Policy":
    """The policy in a file; PolicyError with all that is wrong with it."""
    from gatekeeper.policy.parse import load_policy

    return load_policy(read_text(Path(file)), file)


def _span(name: str, text: str, most: timedelta) -> timedelta:
    from gatekeeper.policy.base import parse_duration

    try:
        span = parse_duration(text)
    except ValueError:
        raise BadInput({name: "bad-duration"}, value=text) from None
    if span > most:
        if most is EVER:
            return most
        raise BadInput({name: "forecast-too-long"})
    return span


def _picture(file: str, params: int) -> Path | None:
    """Where to draw; BadInput where that cannot be."""
    if not file:
        return None
    if Path(file).suffix.lower() not in PICTURES:
        raise BadInput({"picture": "picture-bad-name"}, file=file)
    if not params:
        raise BadInput({"picture": "picture-needs-param"})
    if params > 2:
        raise BadInput({"picture": "picture-too-many-params"}, number=params)
    return Path(file)


# ---- Finding out -------------------------------------------------------------------------------


async def _found(ask: Ask, tried: Sequence["Variant"]) -> tuple[Found, Say]:
    """By generated code; all anew by the library alone where that once gave something else."""
    from gatekeeper.policy.faster import BackendsDiffer, faster

    async with frame.club(platforms=True) as club:
        try:
            found = await _work(club.parts, ask, tried, faster)
        except BackendsDiffer:
            found = await _work(club.parts, ask, tried, lambda policy: policy)
            found.slower = True
        return found, club.parts.say


async def _work(parts: "Parts", ask: Ask, tried: Sequence["Variant"], quick: Quick) -> Found:
    from gatekeeper.policy.promotions import shadows
    from gatekeeper.policy.simulate import Simulator
    from gatekeeper.usecases import past

    old = await _old(parts, ask.old)
    now = parts.clock.now()
    whole = ask.new.enforced()
    new, since = quick(whole), now - ask.since
    trials = [(one.name, one.subject, quick(one.policy)) for one in shadows(whole)]
    rows = [Row(policy=quick(one.policy.enforced()), values=one.values) for one in tried]
    known, meter = past.Known(), Meter(parts.say)
    about = _about(ask)
    simulator = Simulator(quick(old), new, trials=trials)
    async for judged in past.recorded(parts, since, known, meter.of("simulate.reading")):
        simulator.add(judged)
        if judged.kind == "application" and "AdmissionPolicy" in about:
            _count(rows, judged)
    outlook = await _outlook(parts, known, must="PruningPolicy" in about or bool(ask.ahead))
    if outlook is not None:
        await _rebuild(parts, since, outlook, known, simulator, meter)
    found = Found(
        old=old,
        new=ask.new,
        in_force=old.digest == parts.policy.digest,
        on_trial=_on_trial(ask.new),
        since=since,
        now=now,
        until=now + (ask.ahead or timedelta(0)),
        applications=simulator.result("application"),
        members=simulator.result("member"),
        trials=simulator.trials(),
        known=known,
        params=ask.params,
        rows=tuple(rows),
        about=about,
    )
    if outlook is not None and (ask.ahead or "PruningPolicy" in about):
        await _foresee(parts, new, found, outlook, meter, ahead=ask.ahead is not None)
    meter.end()
    nothing = not (found.applications.total or found.members.total)
    if nothing and ask.ahead is None and "PruningPolicy" not in about:
        raise past.NoPast(since=since.isoformat())
    return found


async def _old(parts: "Parts", named: str) -> "Policy":
    """OLD: the one in force, a file, or an earlier version by its digest."""
    from gatekeeper.usecases import past

    if not named:
        return parts.policy
    if file_of(named) is not None:
        return _read(named)
    return await past.version(parts, named)


def _about(ask: Ask) -> frozenset[str]:
    from gatekeeper.policy.what_if import places_of

    return frozenset(kind for each in ask.params for kind in places_of(ask.new, each.name))


def _on_trial(new: "Policy") -> tuple[str, ...]:
    """The documents of NEW that act on nobody as they are written."""
    from gatekeeper.policy.document import Mode

    modes = {
        "AdmissionPolicy": new.admission.mode_in_force,
        "PruningPolicy": new.pruning.mode_in_force,
    }
    return tuple(kind for kind, mode in modes.items() if mode is Mode.AUDIT)


async def _outlook(parts: "Parts", known: "Known", *, must: bool) -> "Outlook | None":
    """Who is inside, an admin, a program, as the platforms say now.

    Raises:
        PlatformError: they cannot be asked, and without (`must`) nothing could be said.
    """
    from gatekeeper.usecases.member_facts import look_out

    connected = []
    try:
        for platform in parts.platforms.values():
            connected.append(platform)
            await platform.connect()
        return await look_out(parts)
    except PlatformError as fault:
        if must:
            raise
        known.no_platform = fault.code
        return None
    finally:
        for platform in connected:
            await platform.stop()


async def _rebuild(
    parts: "Parts",
    since: datetime,
    outlook: "Outlook",
    known: "Known",
    simulator: "Simulator",
    meter: "Meter",
) -> None:
    from gatekeeper.usecases.past_members import rebuilt

    watch = meter.of("simulate.rebuilding")
    async for judged in rebuilt(parts, since, outlook, known, watch):
        simulator.add(judged)


def _count(rows: Sequence[Row], judged: "Judged") -> None:
    """One application under each combination of values."""
    from gatekeeper.policy.judged import answer

    for row in rows:
        row.applications[answer(row.policy, judged).verdict] += 1


async def _foresee(
    parts: "Parts",
    new: "Policy",
    found: Found,
    outlook: "Outlook",
    meter: "Meter",
    *,
    ahead: bool,
) -> None:
    """The coming weeks under NEW, and under each combination of values."""
    from gatekeeper.policy.forecast import Forecaster
    from gatekeeper.usecases import held
    from gatekeeper.usecases.parts import Shelf
    from gatekeeper.usecases.past_members import lives

    now, until = found.now, found.until
    moments = sweeps(new, now, until) if ahead else (now,)
    async with parts.store.look(parts.club) as tx:
        touched = await held.touched_before(tx)
    whole = Forecaster(new, moments, now, until, touched)
    each = [whole]
    for row in found.rows if "PruningPolicy" in found.about else ():
        row.forecaster = Forecaster(row.policy, moments, now, until, touched)
        each.append(row.forecaster)
    theirs = replace(parts, shelf=Shelf(new))  # who decides, and how long a club settles, is NEW's
    async for life in lives(theirs, outlook, now, meter.of("simulate.foreseeing")):
        for forecaster in each:
            forecaster.add(life)
    if ahead:
        found.forecast = whole.result()
    for row in found.rows:
        row.members = row.forecaster.result() if row.forecaster else None


def sweeps(policy: "Policy", now: datetime, until: datetime) -> tuple[datetime, ...]:
    """When Sweeps run by the schedule of a policy; day by day where that is too often."""
    from gatekeeper.engine.ticks import ticks

    zone = policy.pruning.time_zone or policy.club.spec.time_zone
    after = ticks(policy.pruning.schedule, zone, now)
    found = tuple(takewhile(lambda at: at <= until, islice(after, SWEEPS + 1)))
    if len(found) <= SWEEPS:
        return found
    step = max(timedelta(days=1), (until - now) / SWEEPS)
    return tuple(now + step * n for n in range(1, int((until - now) / step) + 1))
