"""When schedules fire, also on the two days a year on which clocks jump."""

from datetime import UTC, datetime
from itertools import islice

import pytest

from gatekeeper.domain.errors import BadInput
from gatekeeper.engine.ticks import newest_tick, ticks

CASES = [  # cron, zone, after (UTC), the next ticks (UTC)
    pytest.param(
        "0 9 * * 1",
        "Europe/Berlin",
        "2026-03-25T00:00",
        ["2026-03-30T07:00", "2026-04-06T07:00"],
        id="five fields, after the jump",
    ),
    pytest.param(
        "*/30 * * * * *",
        "UTC",
        "2026-01-01T00:00",
        ["2026-01-01T00:00:30", "2026-01-01T00:01"],
        id="six fields, seconds first",
    ),
    pytest.param(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-03-28T12:00",
        ["2026-03-29T01:00", "2026-03-30T00:30"],
        id="the hour is left out: at the end of the gap",
    ),
    pytest.param(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-24T12:00",
        ["2026-10-25T00:30", "2026-10-26T01:30"],
        id="the hour comes twice: once",
    ),
    pytest.param(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-25T00:45",
        ["2026-10-26T01:30"],
        id="the hour comes twice, restarted between both: not again",
    ),
    pytest.param(
        "0 * * * *",
        "Europe/Berlin",
        "2026-10-24T23:30",
        ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00"],
        id="hourly, through the hour that comes twice",
    ),
]


@pytest.mark.parametrize(("cron", "zone", "after", "expected"), CASES)
def test_ticks(cron: str, zone: str, after: str, expected: list[str]) -> None:
    start = datetime.fromisoformat(after).replace(tzinfo=UTC)
    found = list(islice(ticks(cron, zone, start), len(expected)))
    assert found == [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in expected]


@pytest.mark.parametrize("cron", ["", "x", "61 * * * *", "0 0 30 2 *", "@daily", "* * * * * * *"])
def test_what_never_fires_is_refused(cron: str) -> None:
    with pytest.raises(BadInput) as refused:
        ticks(cron, "UTC", datetime(2026, 1, 1, tzinfo=UTC))
    assert refused.value.problems == {"cron": "not-a-cron"}


@pytest.mark.parametrize("zone", ["", "Nowhere/Land", "../x", "Europe"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(BadInput) as refused:
        ticks("0 0 * * *", zone, datetime(2026, 1, 1, tzinfo=UTC))
    assert refused.value.problems == {"zone": "not-a-zone"}


@pytest.mark.parametrize(
    ("cron", "zone", "after", "until", "expected"),
    [
        pytest.param(
            "0 6 * * MON", "UTC", "2026-01-01", "2026-03-04", "2026-03-02T06:00", id="of many"
        ),
        pytest.param("0 6 * * MON", "UTC", "2026-03-02T06:00", "2026-03-04", None, id="done"),
        pytest.param(
            "* * * * * *", "UTC", "2020-01-01", "2026-01-01", "2026-01-01", id="every second, years"
        ),
        pytest.param(
            "0 0 29 2 *", "UTC", "2026-01-01", "2032-01-01", "2028-02-29", id="once in four years"
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00",
            "2026-03-29T05:00",
            "2026-03-29T01:00",
            id="its hour was left out: the end of the gap",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-25T00:30",
            "2026-10-25T09:00",
            None,
            id="its hour came twice, and it was done in the first",
        ),
    ],
)
def test_the_newest_that_was_missed(
    cron: str, zone: str, after: str, until: str, expected: str | None
) -> None:
    times = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (after, until)]
    wanted = datetime.fromisoformat(expected).replace(tzinfo=UTC) if expected else None
    assert newest_tick(cron, zone, *times) == wanted
