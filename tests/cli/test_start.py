"""What a command brings in: nobody should wait for libraries that it does not use."""

import subprocess
import sys

import pytest

# Each takes between 50 and 500 ms.
NOTHING_TO_DECIDE = ("cel_expr_python", "google.protobuf", "re2", "tortoise", "structlog", "babel")
FOR_THE_SERVICE = ("dbos", "sqlalchemy", "starlette", "uvicorn", "prometheus_client", "aiohttp")
FOR_SOME = ("rich", "asyncpg", "matplotlib", "numpy")

LOOK = """
import sys
from gatekeeper.cli.main import run
code = run(sys.argv[1:])
print(code, *sorted(sys.modules), file=sys.stderr)
"""


def brought_in(*words: str, folder=None) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    code, *modules = done.stderr.splitlines()[-1].split()
    assert code == "0", done.stderr
    return set(modules)


def test_a_command_without_a_club(tmp_path):
    there = brought_in("version", folder=tmp_path)
    assert there.isdisjoint((*NOTHING_TO_DECIDE, *FOR_THE_SERVICE, *FOR_SOME))


@pytest.mark.parametrize("words", [("members", "list"), ("pause",), ("audit", "export")])
def test_a_command_on_a_club(club, words, monkeypatch):
    for name, value in club.environment.items():
        monkeypatch.setenv(name, value)
    there = brought_in(*words, folder=club.folder)
    assert there.isdisjoint((*FOR_THE_SERVICE, *FOR_SOME))
