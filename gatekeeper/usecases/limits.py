"""How often an hour: counted in the database, so that a restart forgives nothing."""

from datetime import datetime, timedelta

from gatekeeper.domain.clubs import Tally
from gatekeeper.domain.errors import TooMany
from gatekeeper.ports import Tx

HOUR = timedelta(hours=1)
ANSWERS = 30  # to one person in private; whoever goes on asking is heard, and no longer answered


async def spend(tx: Tx, key: str, limit: int, now: datetime) -> None:
    """Count one more for `key` in this clock hour; TooMany once `limit` is used up."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    tally = await tx.first(Tally, key=key, hour=hour)
    if tally is None:
        await tx.add(Tally(club=tx.club, key=key, hour=hour, count=1))
    elif tally.count >= limit:
        raise TooMany(hour + HOUR - now)
    else:
        await tx.change(tally, count=tally.count + 1)


async def within(tx: Tx, key: str, limit: int, now: datetime) -> bool:
    """Count one more; whether that was within `limit`."""
    try:
        await spend(tx, key, limit, now)
    except TooMany:
        return False
    return True


async def forget(tx: Tx, now: datetime) -> None:
    """Drop the counts of hours that are over."""
    await tx.remove(Tally, hour__lt=now - 2 * HOUR)
