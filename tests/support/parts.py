"""Parts that a test needs and a machine may lack: skip on a desk, fail in CI."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

TOP = Path(__file__).resolve().parents[2]
SYNAPSE_PYTHON = Path(
    os.environ.get("GATEKEEPER_TEST_SYNAPSE_PYTHON", TOP / ".venv-synapse/bin/python")
)


def all_required() -> bool:
    """Whether a missing part is a failure, as it is in CI."""
    return os.environ.get("GATEKEEPER_TESTS_REQUIRE") == "all"


def missing(what: str, remedy: str) -> NoReturn:
    """End the test: skipped, or failed where every part must be there (see conftest.py)."""
    pytest.skip(f"missing: {what}; {remedy}")


def chromium() -> str:
    """The path of a Chromium to drive; skips the test where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    missing("Chromium", "install it with: apt-get install chromium")
