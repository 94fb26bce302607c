"""Newcomers are greeted a while after they came, together with those who came near them."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from gatekeeper.domain.decisions import Lane, Post
from gatekeeper.domain.memberships import INSIDE, Membership
from gatekeeper.ports import Tx
from gatekeeper.usecases.parts import Parts, club_state, order


async def schedule(tx: Tx, parts: Parts, member: Membership, now: datetime) -> Membership:
    """Let a newcomer be greeted after the policy's delay."""
    return await tx.change(member, welcome_due_at=now + parts.policy.club.spec.welcome.after)


async def due(parts: Parts, now: datetime) -> datetime | None:
    """Greet those whose time has come, with all who came near them; when the next one is due."""
    async with parts.store.look(parts.club) as tx:
        first = await _first(tx)
        paused = (await club_state(tx)).paused_at is not None
    if first is None or paused:
        return None
    if first > now:
        return first
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        waiting = await _waiting(tx)
        for batch in batches(waiting, parts.policy.club.spec.welcome.together):
            if batch[0].welcome_due_at is not None and batch[0].welcome_due_at <= now:
                await _greet(tx, parts, batch, now)
        return await _first(tx)


async def _first(tx: Tx) -> datetime | None:
    member = await tx.first(
        Membership, state__in=tuple(INSIDE), welcome_due_at__set=True, order="welcome_due_at"
    )
    return member.welcome_due_at if member else None


async def _waiting(tx: Tx) -> list[Membership]:
    return await tx.find(
        Membership, state__in=tuple(INSIDE), welcome_due_at__set=True, order="welcome_due_at"
    )


def batches(waiting: Sequence[Membership], together: timedelta) -> list[list[Membership]]:
    """Who is greeted in one message: each came within `together` of the one before, by platform."""
    found: defaultdict[str, list[list[Membership]]] = defaultdict(list)
    for member in waiting:
        if member.welcome_due_at is None:
            continue
        groups = found[member.identity.platform]
        last = groups[-1][-1].welcome_due_at if groups else None
        if last is not None and member.welcome_due_at - last <= together:
            groups[-1].append(member)
        else:
            groups.append([member])
    return [group for groups in found.values() for group in groups]


async def _greet(tx: Tx, parts: Parts, batch: Sequence[Membership], now: datetime) -> None:
    named = "/".join(f"{member.id}@{member.welcome_due_at}" for member in batch)
    names = ", ".join(member.name for member in batch)
    await order(
        tx,
        Post(
            place=parts.policy.club.spec.welcome.room or "welcome",
            text=parts.say("welcome", {"names": names, "count": len(batch)}),
            mentions=tuple(member.identity for member in batch),
        ),
        platform=batch[0].identity.platform,
        key=f"welcome/{hashlib.sha256(named.encode()).hexdigest()[:24]}",
        purpose="welcome",
        subject="club",
        lane=Lane.ADMISSION,
        now=now,
    )
    for member in batch:
        await tx.change(member, welcome_due_at=None)
