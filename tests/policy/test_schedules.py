"""Which texts are cron."""

import pytest

from gatekeeper.policy.schedules import is_cron

GOOD = [
    "0 6 * * MON", "*/5 * * * * *", "0 0 1,15 * *", "30 4 1 jan-jun 1-5", "0 0 * * 7",
    "10-50/10 * * * *", "0 */2 * * *", "5/15 * * * *",
]  # fmt: skip
BAD = [
    "", "daily", "* * * *", "* * * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *",
    "* * 32 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *", "*/0 * * * *", "1,,2 * * * *",
    "* * * FOO *", "-1 * * * *", "@daily", "1.5 * * * *", "MON 6 * * *",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_cron(text):
    assert is_cron(text)


@pytest.mark.parametrize("text", BAD)
def test_no_cron(text):
    assert not is_cron(text)
