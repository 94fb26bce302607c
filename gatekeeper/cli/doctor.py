"""What `gatekeeper doctor` looks at; each look stands by itself, so that all faults are told."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from gatekeeper import policy_file, wire
from gatekeeper.domain.clubs import ClubState
from gatekeeper.domain.decisions import Order, Progress
from gatekeeper.domain.errors import GatekeeperError, RecordBroken, SettingsError, Value
from gatekeeper.keys import key_faults
from gatekeeper.policy.findings import PolicyError
from gatekeeper.policy.judge import Policy
from gatekeeper.ports import Check, Platform
from gatekeeper.settings import club_names, find_place, load_all, load_settings
from gatekeeper.usecases import rights
from gatekeeper.usecases.naming import said_by
from gatekeeper.usecases.parts import Parts

CLOCK_MAY_DIFFER: Final = timedelta(seconds=5)


def good(code: str, **values: Value) -> Check:
    """A line that says ✔."""
    return Check(True, f"doctor.{code}", values)


def bad(code: str, **values: Value) -> Check:
    """A line that says ✘."""
    return Check(False, f"doctor.{code}", values)


def of_error(error: GatekeeperError) -> Check:
    """A line for something that was refused with a code of its own."""
    return Check(False, error.code, error.values)


async def examine(file: str | None, club: str = "") -> AsyncIterator[Check]:
    """Every line, as soon as it is known; of all clubs of a service, where none is named."""
    names = club_names(file)
    if club or not names:
        async for check in _examine(file, club):
            yield check
        return
    try:
        load_all(file)
    except SettingsError as wrong:
        for fault in wrong.faults:
            yield bad("settings-wrong", fault=fault)
        return
    for name in names:
        yield good("club", club=name)
        async for check in _examine(file, name):
            yield check


async def _examine(file: str | None, club: str) -> AsyncIterator[Check]:
    try:
        settings = load_settings(file, club=club)
    except SettingsError as wrong:
        settings = None
        for fault in wrong.faults:
            yield bad("settings-wrong", fault=fault)
    else:
        yield good("settings")
    keys = find_place("keys", file, club)
    faults = key_faults(keys)
    for fault in faults:
        yield bad("key-wrong", fault=fault)
    if not faults:
        yield good("keys", folder=str(keys))
    for check in _policy_file(find_place("policy", file, club)):
        yield check
    if faults or settings is None:
        return
    async with AsyncExitStack() as stack:
        try:
            opened = await stack.enter_async_context(wire.opened(settings, platforms=False))
        except SettingsError as wrong:
            for fault in wrong.faults:
                yield bad("settings-wrong", fault=fault)
            return
        except PolicyError:
            return  # told by its file
        except GatekeeperError as wrong:
            yield of_error(wrong)
            return
        yield good("database", kind=settings.database.partition(":")[0])
        async for check in _club(opened):
            yield check
        mailer = wire.make_mailer(settings, opened.parts.policy, opened.parts.clock)
        if mailer is not None:
            yield await mailer.examine()
        async for check in _platforms(opened):
            yield check


def _policy_file(file: Path) -> list[Check]:
    try:
        policy = policy_file.read_policy(file)
    except PolicyError as wrong:
        return [bad("policy-wrong", fault=str(found)) for found in wrong.findings]
    except SettingsError as wrong:
        return [bad("settings-wrong", fault=fault) for fault in wrong.faults]
    return [good("policy", file=str(file), club=policy.club_id)]


async def _club(opened: wire.Opened) -> AsyncIterator[Check]:
    parts = opened.parts
    async with parts.store.look(parts.club) as tx:
        state = await tx.first(ClubState)
        failed = await tx.count(Order, progress=Progress.FAILED)
        paused_by = await said_by(tx, state.paused_by) if state else ""
    yield await _record(parts)
    now = parts.clock.now()
    if state is not None and state.served_at and state.served_at > now + CLOCK_MAY_DIFFER:
        yield bad("clock-back", seconds=round((state.served_at - now).total_seconds()))
    else:
        yield good("clock")
    if state is not None and wire.is_served(state, parts.clock):
        yield good("service", by=state.served_by)
    else:
        yield bad("no-service")
    if state is not None and state.policy:
        for check in _policy_in_force(opened.settings.policy, state):
            yield check
    if state is not None and state.paused_at:
        yield bad("paused", by=paused_by)
    if failed:
        yield bad("failed-orders", count=failed)


async def _record(parts: Parts) -> Check:
    """Whether the key is the one that sealed the newest row; `audit verify` looks at all."""
    try:
        rows, _ = await parts.store.head(parts.club)
    except RecordBroken as broken:
        return bad("record-key", **broken.values)
    return good("record", count=rows)


def _policy_in_force(file: Path, state: ClubState) -> list[Check]:
    """Why the file that lies there is not in force; nothing where it is, or is told as wrong."""
    if state.policy_pending:
        return [bad("policy-waits", version=state.policy_pending[:12])]
    found = policy_file.read(file)
    if found.digest == state.policy:
        return []
    if found.digest and found.digest == state.policy_aside:
        return [bad("policy-set-aside", file=str(file), version=state.policy[:12])]
    tried = policy_file.tried(policy_file.of_club(found, state.club), file)
    if tried.fault is not None and found.fault is None:
        return [of_error(tried.fault)]
    return [] if found.fault else [bad("policy-not-in-force", file=str(file))]


async def _platforms(opened: wire.Opened) -> AsyncIterator[Check]:
    """Each platform's own lines, then what needs to know who is there."""
    try:
        platforms = wire.make_platforms(
            opened.settings, opened.parts.policy, opened.vault, opened.commons
        )
    except SettingsError as wrong:
        for fault in wrong.faults:
            yield bad("settings-wrong", fault=fault)
        return
    whole = True
    try:
        for platform in platforms.values():
            for check in await _examined(platform):
                whole = whole and check.ok
                yield check
        for check in await _admins(replace(opened.parts, platforms=platforms), whole):
            yield check
    finally:
        for platform in platforms.values():
            await platform.stop()


async def _examined(platform: Platform) -> tuple[Check, ...]:
    """What a platform says of itself; one whose look fails is told like any other fault."""
    try:
        return await platform.examine()
    except GatekeeperError as wrong:
        return (of_error(wrong),)
    except Exception as wrong:
        return (bad("look-failed", what=platform.name, detail=repr(wrong)[:200]),)


async def _admins(parts: Parts, whole: bool) -> list[Check]:
    """Who may decide now, against what is asked of them; `whole`: nothing was wrong so far."""
    try:
        for platform in parts.platforms.values():
            await platform.connect()
        found = await rights.admins(parts)
    except GatekeeperError as wrong:
        return [of_error(wrong)] if whole else []  # else its cause stands above already
    if not found:
        return [bad("no-admins")]
    checks = [good("admins", count=len(found), names=", ".join(sorted(found.values())))]
    for rule, needed in quorums(parts.policy):
        if needed > len(found):
            checks.append(bad("quorum-too-large", rule=rule, needed=needed, count=len(found)))
    return checks


def quorums(policy: Policy) -> list[tuple[str, int]]:
    """How many votes each way of deciding needs at most: the policy's own, then each rule's."""
    review = policy.admission.review
    changes = [(rule.id, rule.output.review) for rule in policy.admission.rule.match]
    return [
        ("review", max(review.approvals, review.declines)),
        *(
            (rule, max(change.approvals or 1, change.declines or 1))
            for rule, change in changes
            if change is not None
        ),
    ]
