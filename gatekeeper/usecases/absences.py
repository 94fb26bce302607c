"""What leaves and exemptions share: whose they are, until when, and how they end."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.errors import BadInput, Refused
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import INSIDE, Exemption, Leave, Membership
from gatekeeper.ports import Tx
from gatekeeper.usecases.parts import Parts, record

Absence = TypeVar("Absence", Leave, Exemption)

OVER: Final[Mapping[type[Leave | Exemption], Decision]] = {
    Leave: Decision(Verdict.RECORD, "leave-over"),
    Exemption: Decision(Verdict.RECORD, "exemption-over"),
}
LETTERS = 500  # of a note or a reason


async def member_of(tx: Tx, identity: Identity) -> Membership:
    """The open membership of whoever is behind an identity; Refused("not-a-member")."""
    account = await tx.first(Account, identity=identity)
    if account is not None:
        member = await tx.first(Membership, person_id=account.person_id, state__in=tuple(INSIDE))
        if member is not None:
            return member
    raise Refused("not-a-member")


def last_moment(day: date, zone: str) -> datetime:
    """The last moment of a day in a time zone, in UTC; it still shows that day.

    Raises:
        ValueError: the calendar ends before it.
    """
    try:
        next_day = datetime.combine(day + timedelta(days=1), time.min, ZoneInfo(zone))
        return next_day.astimezone(UTC) - timedelta.resolution
    except OverflowError as over:
        raise ValueError(f"no such day: {day}") from over


def check_until(until: datetime, now: datetime, longest: timedelta) -> None:
    """BadInput (until: date-not-in-future, date-too-far) for a date that cannot be taken."""
    if until <= now:
        raise BadInput({"until": "date-not-in-future"})
    if until > now + longest:
        raise BadInput({"until": "date-too-far"}, days=longest.days)


async def make_room(tx: Tx, kind: type[Absence], member: Membership, now: datetime) -> None:
    """End the open one that a new one takes the place of; the new one's record tells of it."""
    for old in await tx.find(kind, person_id=member.person_id, ended_at=None):
        await tx.change(old, ended_at=min(now, old.until))


async def end_early(
    parts: Parts, kind: type[Absence], identity: Identity, by: str, none: Refused
) -> Absence:
    """End the open one before its date. Refused: not-a-member; `none` where there is none."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        member = await member_of(tx, identity)
        kept = await tx.first(kind, person_id=member.person_id, ended_at=None)
        if kept is None:
            raise none
        return await _end(tx, parts, kept, min(now, kept.until), by, now)


async def end_ripe(parts: Parts, kind: type[Absence], now: datetime) -> datetime | None:
    """End all whose date has come; when the next one ends."""
    async with parts.store.look(parts.club) as tx:
        first = await tx.first(kind, ended_at=None, order="until")
    if first is None or first.until > now:
        return first.until if first else None
    async with parts.store.transaction(parts.club) as tx:
        for kept in await tx.find(kind, ended_at=None, until__lte=now):
            await _end(tx, parts, kept, kept.until, "schedule", now)
        first = await tx.first(kind, ended_at=None, order="until")
    return first.until if first else None


async def _end(
    tx: Tx, parts: Parts, kept: Absence, ended_at: datetime, by: str, now: datetime
) -> Absence:
    kept = await tx.change(kept, ended_at=ended_at)
    subject = f"person:{kept.person_id}"
    await record(tx, parts, OVER[type(kept)], now=now, actor=by, subject=subject)
    return kept
