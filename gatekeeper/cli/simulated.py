"""What `policy simulate` found: as tables and sentences for people, as JSON for machines."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from gatekeeper.cli import render
from gatekeeper.domain.decisions import Verdict
from gatekeeper.policy.judged import UNFIT

if TYPE_CHECKING:
    from gatekeeper.cli.simulate import Found, Row, Say
    from gatekeeper.policy.forecast import Forecast
    from gatekeeper.policy.judge import Policy
    from gatekeeper.policy.simulate import Case, Simulation

NAMES: Final = 50  # of a forecast shown on a terminal
APPLICATIONS: Final = (Verdict.ADMIT, Verdict.WAIT, Verdict.DECLINE)
MEMBERS: Final = (Verdict.NOTIFY, Verdict.REMOVE, Verdict.KEEP)


# ---- For people --------------------------------------------------------------------------------


def show(found: "Found", say: "Say") -> None:
    """Everything, in the order in which it was asked for."""
    when = {"since": found.since.isoformat(), "until": found.now.isoformat()}
    old = say("simulate.in-force", {"digest": _name(found.old)}) if found.in_force else ""
    names = {"new": _name(found.new), "old": old or _name(found.old)}
    render.say(say("simulate.title", {**names, **when}))
    if found.slower:
        render.say(say("simulate.slower"))
    for kind in found.on_trial:
        render.say(say("simulate.on-trial", {"name": kind}))
    _show_kind(found.applications, APPLICATIONS, say)
    _show_kind(found.members, MEMBERS, say)
    _show_trials(found, say)
    _show_known(found, say)
    if found.forecast is not None:
        _show_forecast(found, found.forecast, say)
    if found.params:
        _show_params(found, say)


def _name(policy: "Policy") -> str:
    return f"{policy.name} {policy.digest[:12]}"


def _show_kind(simulation: "Simulation", verdicts: Sequence[Verdict], say: "Say") -> None:
    if not simulation.total:
        return
    render.say("")
    values = {"count": simulation.total, "rebuilt": simulation.rebuilt}
    render.say(say(f"simulate.{simulation.kind}s", values))
    counts = {(cell.old, cell.new): cell.count for cell in simulation.cells}
    render.table(
        (say("simulate.head.old"), *(_word(say, verdict) for verdict in verdicts)),
        [
            (_word(say, old), *(counts.get((old, new), 0) for new in verdicts))
            for old in verdicts
            if any(counts.get((old, new)) for new in verdicts)
        ],
    )
    told = say("simulate.changed", {"count": simulation.changed})
    render.say(told if simulation.changed else say("simulate.same"))
    _show_changed(simulation, say)
    if simulation.unlike_record:
        render.say(say("simulate.unlike-record", {"count": simulation.unlike_record}))
    _show_agreement(simulation, say)
    _show_rules(simulation, say)


def _show_trials(found: "Found", say: "Say") -> None:
    """What would change besides if what NEW has on trial were in force, too."""
    for name, simulation in found.trials:
        what, _, label = name.partition(":")
        values = {"trial": say(f"trial.{what}", {"name": label}), "count": simulation.changed}
        render.say("")
        render.say(say("simulate.trial" if simulation.changed else "simulate.trial-none", values))
        _show_changed(simulation, say)
    if found.trials and (found.forecast is not None or found.rows):
        render.say(say("simulate.trials-past-only"))


def _show_changed(simulation: "Simulation", say: "Say") -> None:
    for cell in simulation.cells:
        if cell.old is not cell.new:
            pair = {"old": _word(say, cell.old), "new": _word(say, cell.new)}
            render.say(say("simulate.cell", {**pair, "number": cell.count}))
            _show_cases(cell.cases, say)


def _word(say: "Say", verdict: Verdict) -> str:
    return say(f"simulate.{verdict.value}")


def _show_cases(cases: Iterable["Case"], say: "Say") -> None:
    heads = ("about", "when", "was", "is")
    render.table(
        ("", *(say(f"simulate.head.{head}") for head in heads), ""),
        [
            (
                "",
                case.subject,
                case.at,
                case.old_rule or None,
                case.new_rule or None,
                say("simulate.again") if case.rebuilt else "",
            )
            for case in cases
        ],
    )


def _show_agreement(simulation: "Simulation", say: "Say") -> None:
    if not simulation.hands:
        if simulation.kind == "application":
            render.say(say("simulate.no-hand"))
        return
    values = {
        "alike": simulation.agreement(True),
        "otherwise": simulation.agreement(False),
        "review": simulation.agreement(None),
    }
    members = simulation.kind == "member"
    render.say(say("simulate.agreement-members" if members else "simulate.agreement", values))
    for hand in simulation.hands:
        if hand.alike is False:
            pair = {"hand": _word(say, hand.by_hand), "new": _word(say, hand.new)}
            render.say(say("simulate.otherwise", {**pair, "number": hand.count}))
            _show_cases(hand.cases, say)


def _show_rules(simulation: "Simulation", say: "Say") -> None:
    heads = ("rule", "decided", "behind", "faults", "mode")
    render.say("")
    render.table(
        [say(f"simulate.head.{head}") for head in heads],
        [
            (hit.rule, hit.fired, hit.later, hit.faults, "audit" if hit.audit else "")
            for hit in simulation.hits
        ],
    )
    never = ", ".join(hit.rule for hit in simulation.hits if hit.never)
    if never:
        render.say(say("simulate.never", {"rules": never}))
    for fault in simulation.faults:
        if fault.fault == UNFIT and not fault.rule:
            render.say(say("simulate.unfit", {"number": fault.count}))
        else:
            values = {"rule": fault.rule, "fault": fault.fault, "number": fault.count}
            render.say(say("simulate.fault", values))
        _show_cases(fault.cases, say)


def _show_known(found: "Found", say: "Say") -> None:
    """What is not known of the past, once for all."""
    known = found.known
    told = []
    if known.sweeps:
        names = ("let_be", "looked_at", "rebuilt", "staged", "unknown")
        values = {name: getattr(known, name) for name in names}
        told.append(say("simulate.let-be", {"count": known.sweeps, **values}))
    if known.rebuilt:
        told.append(say("simulate.as-today"))
    if known.no_platform:
        told.append(say("simulate.no-platform", {"code": known.no_platform}))
    if known.erased:
        told.append(say("simulate.erased", {"count": known.erased}))
    if known.unreadable:
        told.append(say("simulate.unreadable", {"count": known.unreadable}))
    if told:
        render.say("")
    for line in told:
        render.say(line)


def _show_forecast(found: "Found", forecast: "Forecast", say: "Say") -> None:
    counts = forecast.counts
    values = {
        "until": found.until.isoformat(),
        "members": sum(counts.values()),
        "noticed": len({one.membership.id for one in forecast.lines if _asks(one.verdict)}),
        "removed": counts[Verdict.REMOVE],
        "kept": counts[Verdict.KEEP],
    }
    render.say("")
    render.say(say("simulate.forecast", values))
    if forecast.lines:
        heads = ("when", "who", "account", "what", "rule")
        render.table(
            [say(f"simulate.head.{head}") for head in heads],
            [
                (
                    line.at,
                    line.membership.name,
                    line.membership.identity,
                    _word(say, line.verdict),
                    line.rule or None,
                )
                for line in forecast.lines[:NAMES]
            ],
        )
    if len(forecast.lines) > NAMES:
        render.say(say("simulate.more", {"number": len(forecast.lines) - NAMES}))
    if counts[Verdict.REMOVE] and found.new.pruning.confirm == "admins":
        render.say(say("simulate.confirm"))
    if forecast.unreachable:
        render.say(say("simulate.unreachable", {"count": forecast.unreachable}))
    for brake in forecast.braked:
        numbers = {"touched": brake.touched, "members": brake.members}
        render.say(say("simulate.braked", {"at": brake.at.isoformat(), **numbers}))


def _asks(verdict: Verdict) -> bool:
    return verdict is Verdict.NOTIFY


def _show_params(found: "Found", say: "Say") -> None:
    names = [param.name for param in found.params]
    if "AdmissionPolicy" in found.about:
        render.say("")
        render.say(say("simulate.param-applications"))
        _show_rows(found.rows, names, APPLICATIONS, say, applications=True)
    if "PruningPolicy" in found.about:
        ahead = found.forecast is not None
        render.say("")
        code = "simulate.param-members" if ahead else "simulate.param-now"
        render.say(say(code, {"until": found.until.isoformat()}))
        _show_rows(found.rows, names, MEMBERS, say, applications=False)


def _show_rows(
    rows: Sequence["Row"],
    names: Sequence[str],
    verdicts: Sequence[Verdict],
    say: "Say",
    *,
    applications: bool,
) -> None:
    render.table(
        (*names, *(_word(say, verdict) for verdict in verdicts)),
        [
            (*row.values, *(counts_of(row, applications)[verdict] for verdict in verdicts))
            for row in rows
        ],
    )


def counts_of(row: "Row", applications: bool) -> dict[Verdict, int]:
    """How many would get each verdict with one combination of values."""
    if applications:
        return {verdict: row.applications[verdict] for verdict in APPLICATIONS}
    counts = row.members.counts if row.members else {}
    return {verdict: counts.get(verdict, 0) for verdict in MEMBERS}


# ---- For machines ------------------------------------------------------------------------------


def as_json(found: "Found") -> dict[str, Any]:
    """Everything; the words are those of verdicts and rules, the times ISO."""
    return {
        "old": _version(found.old),
        "new": {**_version(found.new), "on_trial": found.on_trial},
        "since": found.since,
        "until": found.now,
        "applications": _simulation(found.applications),
        "members": _simulation(found.members),
        "trials": [{"trial": name, **_simulation(one)} for name, one in found.trials],
        "known": found.known,
        "slower": found.slower,
        "forecast": _forecast(found.forecast, found.until) if found.forecast else None,
        "params": [_row(found, row) for row in found.rows],
    }


def _version(policy: "Policy") -> dict[str, Any]:
    return {"name": policy.name, "digest": policy.digest}


def _simulation(simulation: "Simulation") -> dict[str, Any]:
    told: dict[str, Any] = render.plain(simulation)
    for hit, shown in zip(simulation.hits, told["hits"], strict=True):
        shown["never"] = hit.never
    for hand, shown in zip(simulation.hands, told["hands"], strict=True):
        shown["alike"] = hand.alike
    agreement = {
        "alike": simulation.agreement(True),
        "otherwise": simulation.agreement(False),
        "left_to_admins": simulation.agreement(None),
    }
    return {**told, "changed": simulation.changed, "agreement": agreement}


def _forecast(forecast: "Forecast", until: datetime) -> dict[str, Any]:
    return {
        "until": until,
        "counts": forecast.counts,
        "unreachable": forecast.unreachable,
        "braked": forecast.braked,
        "lines": [
            {
                "member": line.membership.id,
                "name": line.membership.name,
                "who": line.membership.identity,
                "at": line.at,
                "verdict": line.verdict,
                "rule": line.rule,
                "code": line.code,
            }
            for line in forecast.lines
        ],
    }


def _row(found: "Found", row: "Row") -> dict[str, Any]:
    names = [param.name for param in found.params]
    told: dict[str, Any] = {"values": dict(zip(names, row.values, strict=True))}
    if "AdmissionPolicy" in found.about:
        told["applications"] = counts_of(row, applications=True)
    if "PruningPolicy" in found.about:
        told["members"] = counts_of(row, applications=False)
    return told
