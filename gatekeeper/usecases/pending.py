"""A version that waits for an admin's word: its card shows what it would newly apply.

▶ puts it in force, ❌ leaves it; `gatekeeper policy promote` does the first from a terminal.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from gatekeeper.domain.clubs import ClubState, PolicyVersion, StandingCard
from gatekeeper.domain.decisions import Card, Choice
from gatekeeper.domain.errors import PlatformBusy, PlatformDown, Value
from gatekeeper.domain.pruning import Line, Plan
from gatekeeper.policy import compare
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.promotions import PRUNING, Promotion, promotions
from gatekeeper.ports import Tx
from gatekeeper.usecases import cards, sweep, trials
from gatekeeper.usecases.parts import Parts, Shelf, cancel, club_state

PREFIX: Final = "policy:"
GO_ON, LEAVE = "▶", "❌"
SHORT: Final = 12
NAMES: Final = 10
LOOK_BACK: Final = trials.KEPT


def subject_of(digest: str) -> str:
    """How orders and presses name the card of a version."""
    return f"{PREFIX}{digest}"


async def forecast(parts: Parts, policy: Policy) -> Plan | None:
    """What a Sweep would do now under a version; None where the platforms cannot be asked."""
    found = promotions(parts.policy, policy)
    if not parts.platforms or not any(
        one.code == "promotion.removes" or one.values["kind"] == PRUNING for one in found
    ):
        return None
    try:
        return await sweep.preview(replace(parts, shelf=Shelf(policy)))
    except (PlatformDown, PlatformBusy):
        return None


async def show(
    tx: Tx, parts: Parts, policy: Policy, plan: Plan | None, now: datetime, end: str = ""
) -> None:
    """Let the card stand; with `end` (promoted, left, gone) it has had its day."""
    state = await club_state(tx)
    before = await parts.shelf.at(tx, state.policy)
    found = promotions(before, policy)
    lines = await describe(tx, parts, found, now - LOOK_BACK)
    values: dict[str, Value] = {"version": policy.digest[:SHORT], "before": before.digest[:SHORT]}
    changes = compare.words(before, policy, policy.club.spec.language)[:NAMES]
    card = Card(
        title=parts.say("policy.card-title", values),
        status=parts.say(f"policy.card-{end or 'waits'}", values),
        facts=tuple((parts.say("policy.card-new"), parts.say(p.code, p.values)) for p in found),
        lines=(*changes, *lines, *(forecast_lines(parts, plan) if plan else ())),
        choices=() if end else choices(parts),
    )
    await cards.show(tx, parts, subject_of(policy.digest), card, now)


async def describe(
    tx: Tx, parts: Parts, found: Sequence[Promotion], since: datetime, language: str = ""
) -> tuple[str, ...]:
    """The differences that were gathered for what becomes enforced, in words.

    Those of earlier versions count too: an edit elsewhere in the file begins a new one.
    """
    tried = {one.trial for one in found if one.trial}
    kept = await trials.gathered(tx, since=since)
    lines = trials.sentences(parts, [one for one in kept if one.trial in tried], language)
    return lines or ((parts.say("policy.card-no-differences", {}, language),) if tried else ())


def forecast_lines(parts: Parts, plan: Plan, language: str = "") -> tuple[str, ...]:
    """What a Sweep would do now, in words."""
    values: dict[str, Value] = {
        "notify": len(plan.notify),
        "remove": len(plan.remove),
        "names": names(plan.notify),
        "others": names(plan.remove),
    }
    return (parts.say("policy.card-forecast", values, language),)


def names(lines: Sequence[Line]) -> str:
    """The names of some, a dash for nobody."""
    some = [line.candidate.membership.name for line in lines[:NAMES]]
    return (", ".join(some) + (" …" if len(lines) > NAMES else "")) or "–"


def choices(parts: Parts) -> tuple[Choice, ...]:
    """What admins can press."""
    return (
        Choice("promote", GO_ON, parts.say("policy.card-go-on")),
        Choice("leave", LEAVE, parts.say("policy.card-leave")),
    )


async def withdraw(tx: Tx, parts: Parts, state: ClubState, end: str, now: datetime) -> None:
    """Nothing waits any more: the card says how it ended (promoted, left, gone)."""
    if not state.policy_pending:
        return
    digest = state.policy_pending
    subject = subject_of(digest)
    await cancel(tx, subject, (cards.CARD,), "no-longer-meant")
    if await cards.current(tx, subject) is not None:
        version = await tx.first(PolicyVersion, digest=digest)
        assert version is not None
        await show(tx, parts, await parts.shelf.at(tx, digest), None, now, end)
        await cards.end(tx, subject, now)
    await tx.change(state, policy_pending="")


async def refresh(parts: Parts) -> None:
    """Let the card of what waits show what was gathered by now."""
    async with parts.store.look(parts.club) as tx:
        waiting = (await club_state(tx)).policy_pending
        policy = await parts.shelf.at(tx, waiting) if waiting else None
    if policy is None:
        return
    plan = await forecast(parts, policy)
    async with parts.store.transaction(parts.club) as tx:
        if (await club_state(tx)).policy_pending == waiting:
            await show(tx, parts, policy, plan, parts.clock.now())


async def is_current(tx: Tx, card: StandingCard) -> bool:
    """Whether what this card asks is still open."""
    waiting = (await club_state(tx)).policy_pending
    return card.ended_at is None and subject_of(waiting) == card.subject
