"""A missing part skips on a desk and fails in CI."""

import pytest

from tests.support.wait import eventually

pytest_plugins = ["pytester"]

SKIPPING = """
import pytest
from tests.support.parts import missing

def test_needs_more():
    missing("a part", "install it")
"""


@pytest.mark.parametrize(
    ("required", "outcome"), [("", {"skipped": 1}), ("all", {"failed": 1})], ids=["desk", "CI"]
)
def test_missing(pytester, monkeypatch, request, required, outcome):
    """GATEKEEPER_TESTS_REQUIRE=all turns the skip into a failure that says why."""
    monkeypatch.setenv("GATEKEEPER_TESTS_REQUIRE", required)
    monkeypatch.syspath_prepend(request.config.rootpath)
    pytester.makeconftest(
        "from tests.conftest import pytest_make_collect_report, pytest_runtest_makereport"
    )
    pytester.makepyfile(SKIPPING)
    result = pytester.runpytest("-p", "no:cacheprovider", "-p", "no:asyncio")
    result.assert_outcomes(**outcome)
    if required:
        result.stdout.fnmatch_lines(["*missing: a part; install it*"])


async def test_eventually_waits_and_gives_up_in_time():
    """It returns what the check returned; what it saw last stands in the error."""
    values = iter([None, 0, "there"])
    assert await eventually(lambda: next(values), every=0.001) == "there"
    with pytest.raises(TimeoutError, match="last seen: 0"):
        await eventually(lambda: 0, timeout=0.01, every=0.001)
