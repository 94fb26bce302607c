"""Versions of the policy: which comes into force, who said so, and the way back.

A file that is wrong changes nothing. One that would newly apply what was only on trial, or newly
remove people, waits for an admin's word. All others come into force as soon as they are read.
Running cases keep the version that they were frozen with.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from gatekeeper.domain.clubs import ClubState, PolicyChange, PolicyVersion
from gatekeeper.domain.decisions import Decision, Lane, Post, Verdict
from gatekeeper.domain.errors import GatekeeperError, NotFound, Refused, SettingsError, Value
from gatekeeper.domain.pruning import Plan
from gatekeeper.policy import compare
from gatekeeper.policy.findings import PolicyError
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.parse import load_policy
from gatekeeper.policy.promotions import promotions
from gatekeeper.policy.texts import remedy, sentence
from gatekeeper.ports import Tx
from gatekeeper.usecases import pending
from gatekeeper.usecases.parts import Parts, club_state, order, record
from gatekeeper.usecases.readings import Reading, Step

log = structlog.get_logger(__name__)

SHORT: Final = 12  # letters of a digest that people are shown and may type
MOST: Final = 12  # changes told in the room; all of them stand in the history


def weigh(state: ClubState | None, current: Policy | None, reading: Reading) -> Step:
    """What is to become of a reading; `current` is in force, None for a club's first version."""
    if reading.policy is None:
        return Step.WRONG
    if current is None or state is None:
        return Step.LOAD
    if reading.digest == current.digest:
        return Step.SAME
    if reading.digest == state.policy_aside:
        return Step.ASIDE
    return Step.WAITS if promotions(current, reading.policy) else Step.LOAD


async def consider(parts: Parts, reading: Reading) -> Step:
    """Do what is to be done about a file that was read, in one transaction; told in the room."""
    forecast = None
    if reading.policy is not None and promotions(parts.policy, reading.policy):
        forecast = await pending.forecast(parts, reading.policy)
    with parts.shelf.swapping():
        return await _consider(parts, reading, forecast)


async def _consider(parts: Parts, reading: Reading, forecast: Plan | None) -> Step:
    async with parts.store.transaction(parts.club) as tx:
        now, state = parts.clock.now(), await club_state(tx)
        current = await _known(tx, parts, state.policy)
        step = weigh(state, current, reading)
        if step is not Step.WAITS or state.policy_pending != reading.digest:
            await pending.withdraw(tx, parts, state, "gone", now)
        if step is Step.WRONG:
            await _tell_fault(tx, parts, reading, now)
        elif step is Step.SAME and state.policy_aside:
            await tx.change(await club_state(tx), policy_aside="")
        elif step is Step.WAITS and reading.policy and state.policy_pending != reading.digest:
            await parts.shelf.keep(tx, reading.policy)
            await tx.change(await club_state(tx), policy_pending=reading.digest, policy_aside="")
            await pending.show(tx, parts, reading.policy, forecast, now)
        elif step is Step.LOAD and reading.policy:
            await _enforce(tx, parts, reading.policy, f"file:{reading.name}", "file", now)
    return step


async def _known(tx: Tx, parts: Parts, digest: str) -> Policy | None:
    """An earlier version; None for none, and for one that this release does not understand."""
    try:
        return await parts.shelf.at(tx, digest) if digest else None
    except PolicyError as error:
        log.warning("policy-version-lost", version=digest[:SHORT], detail=str(error))
        return None


async def _enforce(
    tx: Tx, parts: Parts, policy: Policy, actor: str, reason: str, now: datetime, aside: str = ""
) -> None:
    """Let a version come into force: its text, its row, the record, and a word in the room.

    It decides here with this; whoever calls has put `Shelf.swapping` around the transaction.
    """
    state = await club_state(tx)
    before = state.policy
    await parts.shelf.keep(tx, policy)
    await tx.change(state, policy=policy.digest, policy_aside=aside, policy_pending="")
    code = {"promoted": "policy-promoted", "rolled-back": "policy-rolled-back"}.get(
        reason, "policy-loaded"
    )
    values: dict[str, Value] = {"version": policy.digest[:SHORT], "before": before[:SHORT] or "-"}
    entry = await record(
        tx,
        parts,
        Decision(Verdict.RECORD, code, values),
        now=now,
        actor=actor,
        subject="club",
        policy=policy.digest,
        seen={"digest": policy.digest, "before": before, "reason": reason},
    )
    await tx.add(
        PolicyChange(
            club=tx.club,
            at=now,
            digest=policy.digest,
            before=before,
            actor=entry.actor,
            reason=reason,
        )
    )
    if before:  # a club's first version is no news to those who have just written it
        earlier = await _known(tx, parts, before)
        changes = words(earlier, policy) if earlier else ()
        lines = [parts.say(code, values), *changes[:MOST]]
        if len(changes) > MOST:
            lines.append(parts.say("policy-more-changes", {"count": len(changes) - MOST}))
        await _tell(tx, parts, lines, f"policy/change/{entry.sequence}", now)
    parts.shelf.use(policy)


def words(before: Policy, after: Policy, language: str = "") -> tuple[str, ...]:
    """What changed, a sentence each, in the club's language or another."""
    return compare.words(before, after, language or after.club.spec.language)


async def _tell_fault(tx: Tx, parts: Parts, reading: Reading, now: datetime) -> None:
    assert reading.fault is not None
    said, what_to_do, more = first_fault(reading.fault, parts.policy.club.spec.language)
    values: dict[str, Value] = {
        "name": reading.name,
        "fault": said,
        "version": parts.policy.digest[:SHORT],
        "count": more,
    }
    lines = [parts.say("policy-wrong-told", values), what_to_do]
    lines += [parts.say("policy-wrong-more", values)] if more else []
    await _tell(tx, parts, lines, f"policy/wrong/{reading.mark}", now)


def first_fault(fault: GatekeeperError, language: str = "en") -> tuple[str, str, int]:
    """The first thing that is wrong, with its place and code; what to do; how many more."""
    findings = getattr(fault, "findings", ())
    if findings:
        first = findings[0]
        place = f"{first.file}:{first.line}:{first.column}"
        said = f"{place}: {first.sentence(language)} [{first.code}]"
        return said, first.remedy(language), len(findings) - 1
    if isinstance(fault, SettingsError):
        said = f"{fault.faults[0]} [{fault.code}]"
        return said, remedy(fault.code, {}, language), len(fault.faults) - 1
    said = f"{sentence(fault.code, fault.values, language)} [{fault.code}]"
    more = int(fault.values.get("count", 1)) - 1
    return said, remedy(fault.code, fault.values, language), more


async def _tell(tx: Tx, parts: Parts, lines: Sequence[str], key: str, now: datetime) -> None:
    await order(
        tx,
        Post(place="admins", text="\n".join(line for line in lines if line)),
        platform=parts.admin_platform,
        key=key,
        purpose="policy",
        subject="club",
        lane=Lane.CARD,
        now=now,
    )


# ---- A word on a version -----------------------------------------------------------------------


async def load(parts: Parts, digest: str) -> Policy:
    """A version by its digest, compiled beside the loop; NotFound, PolicyError."""
    async with parts.store.look(parts.club) as tx:
        version = await tx.first(PolicyVersion, digest=digest)
    if version is None:
        raise NotFound(kind="policy", id=digest[:SHORT])
    if digest == parts.policy.digest:
        return parts.policy
    made = await asyncio.to_thread(load_policy, version.text, f"{digest[:SHORT]}.yaml")
    parts.shelf.know(made)
    return made


async def promote(parts: Parts, by: str, digest: str) -> Policy:
    """Put in force what waits for a word; raises Refused("policy-none-waits") where it does not.

    Args:
        by: who says so: operator:<name>.
        digest: only this version: what they were shown.
    """
    async with parts.store.look(parts.club) as tx:
        waiting = (await club_state(tx)).policy_pending
    if not waiting or waiting != digest:
        raise Refused("policy-none-waits")
    policy = await load(parts, waiting)
    with parts.shelf.swapping():
        async with parts.store.transaction(parts.club) as tx:
            await promote_in(tx, parts, policy, by)
    return policy


async def promote_in(tx: Tx, parts: Parts, policy: Policy, by: str) -> None:
    """The same inside a transaction; `Shelf.swapping` is around it."""
    now, state = parts.clock.now(), await club_state(tx)
    if state.policy_pending != policy.digest:
        raise Refused("policy-none-waits")
    await pending.withdraw(tx, parts, state, "promoted", now)
    await _enforce(tx, parts, policy, by, "promoted", now)


async def leave_in(tx: Tx, parts: Parts, by: str) -> None:
    """Leave what waits for a word out of force until the file changes; raises as `promote`."""
    now, state = parts.clock.now(), await club_state(tx)
    waiting = state.policy_pending
    if not waiting:
        raise Refused("policy-none-waits")
    await pending.withdraw(tx, parts, state, "left", now)
    await tx.change(await club_state(tx), policy_aside=waiting)
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "policy-left", {"version": waiting[:SHORT]}),
        now=now,
        actor=by,
        subject="club",
    )


async def find(parts: Parts, start: str) -> PolicyVersion:
    """The version whose digest begins so; NotFound, Refused("policy-ambiguous")."""
    async with parts.store.look(parts.club) as tx:
        every = await tx.find(PolicyVersion)
    found = [one for one in every if start and one.digest.startswith(start.lower())]
    if not found:
        raise NotFound(kind="policy", id=start)
    if len(found) > 1:
        raise Refused("policy-ambiguous", start=start, count=len(found))
    return found[0]


async def rollback(parts: Parts, digest: str, by: str, file_digest: str) -> Policy:
    """Let an earlier version be in force again; the file that says otherwise is set aside.

    Args:
        digest: of a version that was in force once.
        by: operator:<name>.
        file_digest: of the policy file's text as it lies there now, "" where it cannot be read.

    Raises:
        Refused: policy-in-force-already, policy-never-in-force.
        NotFound, PolicyError: no such version; this release does not understand it.
    """
    policy = await load(parts, digest)
    with parts.shelf.swapping():
        await _roll_back(parts, policy, by, file_digest)
    return policy


async def _roll_back(parts: Parts, policy: Policy, by: str, file_digest: str) -> None:
    digest = policy.digest
    async with parts.store.transaction(parts.club) as tx:
        now, state = parts.clock.now(), await club_state(tx)
        if state.policy == digest:
            raise Refused("policy-in-force-already", version=digest[:SHORT])
        if await tx.first(PolicyChange, digest=digest) is None:
            raise Refused("policy-never-in-force", version=digest[:SHORT])
        await pending.withdraw(tx, parts, state, "gone", now)
        aside = "" if file_digest == digest else file_digest
        await _enforce(tx, parts, policy, by, "rolled-back", now, aside)


async def release(parts: Parts, by: str) -> bool:
    """Let the file count again that was set aside; False where none was. The service reads it."""
    async with parts.store.transaction(parts.club) as tx:
        state = await club_state(tx)
        if not state.policy_aside:
            return False
        await record(
            tx,
            parts,
            Decision(Verdict.RECORD, "policy-released", {"version": state.policy_aside[:SHORT]}),
            now=parts.clock.now(),
            actor=by,
            subject="club",
        )
        await tx.change(state, policy_aside="")
    return True


async def follow(parts: Parts) -> ClubState:
    """Use here what the tables say is in force: somebody else may have changed it."""
    async with parts.store.look(parts.club) as tx:
        state = await club_state(tx)
    if state.policy and state.policy != parts.policy.digest:
        policy = await load(parts, state.policy)
        async with parts.store.transaction(parts.club) as tx:  # nobody is in the midst of deciding
            state = await club_state(tx)
            if state.policy == policy.digest:
                parts.shelf.use(policy)
    return state


# ---- History -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One version coming into force, and what it changed; `decisions` counts who named it."""

    change: PolicyChange
    words: tuple[str, ...]
    decisions: int


async def history(parts: Parts, most: int | None = None) -> list[Chapter]:
    """How the policy came to be what it is, the newest first; `most` chapters, None for all."""
    async with parts.store.look(parts.club) as tx:
        changes = await tx.find(PolicyChange, order="-id", limit=most)
        named = await _named(tx)
    chapters = []
    for change in changes:
        said: tuple[str, ...] = ()
        if change.before:
            try:
                before, after = await load(parts, change.before), await load(parts, change.digest)
                said = words(before, after)
            except GatekeeperError as error:  # an old text that this release does not understand
                said = (sentence("policy-words-lost", {"code": error.code}),)
        chapters.append(Chapter(change=change, words=said, decisions=named.get(change.digest, 0)))
    return chapters


async def _named(tx: Tx) -> dict[str, int]:
    """How many rows of the record name each version."""
    named: dict[str, int] = {}
    after = 0
    while rows := await tx.entries(after=after, limit=1000):
        for row in rows:
            named[row.policy] = named.get(row.policy, 0) + 1
        after = rows[-1].sequence
    return named
