"""When a cron expression fires: 5 fields, or 6 with seconds first, in a time zone.

croniter computes; what it leaves open at the end of daylight saving is settled here, as Vixie cron
does: a job at a fixed hour runs once on the day whose hour comes twice, a job of every so many
minutes runs in both.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gatekeeper.domain.errors import BadInput

croniter: Any = import_module("croniter").croniter  # it carries no types


def ticks(cron: str, zone: str, after: datetime) -> Iterator[datetime]:
    """The moments after `after` (aware) at which `cron` fires, in UTC, without end.

    A time that daylight saving leaves out fires at the end of the gap.

    Raises:
        BadInput: `cron` is no expression that ever fires, or `zone` is unknown.
    """
    fields = cron.split()
    if len(fields) not in (5, 6):
        raise BadInput({"cron": "not-a-cron"}, cron=cron)
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInput({"zone": "not-a-zone"}, zone=zone) from error
    try:
        moments = croniter(cron, after.astimezone(place), second_at_beginning=True)
        first: datetime = moments.get_next(datetime)
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput({"cron": "not-a-cron"}, cron=cron) from error
    return _once_a_day(fields[-4], place, first, moments)


def newest_tick(cron: str, zone: str, after: datetime, until: datetime) -> datetime | None:
    """The last moment after `after` and up to `until` at which `cron` fires; None for none.

    Looked for from the end, in ever longer stretches: a schedule of every second, over months, is
    not walked through.
    """
    stretch = timedelta(minutes=1)
    while True:
        begin = max(after, until - stretch)
        newest = None
        for moment in ticks(cron, zone, begin):
            if moment > until:
                break
            newest = moment
        if newest is not None or begin == after:
            return newest
        stretch *= 30


def _once_a_day(hours: str, place: ZoneInfo, first: datetime, moments: Any) -> Iterator[datetime]:
    """All ticks, without the second of two that show the same time when the hour is a fixed one."""
    moment = first
    while True:
        local = moment.astimezone(UTC).astimezone(place)
        if hours.startswith("*") or local.fold == 0:
            yield local.astimezone(UTC)
        moment = moments.get_next(datetime)
