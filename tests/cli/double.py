"""An adapter for tests: a FakePlatform behind the entry point `matrix`.

Each process has one of its own, with the same people; what happens on it is lost with it.
"""

import os
from pathlib import Path
from typing import Any

from gatekeeper.ports import Clock, Vault
from gatekeeper.testing.fakes import FakePlatform

PEOPLE = ("ada", "carl", "eve")


def platform(
    *, club: str, settings: Any, places: Any, vault: Vault, commons: Vault, clock: Clock
) -> FakePlatform:
    """A club with two admins and three members, and Zoe before its door."""
    made = FakePlatform(clock)
    made.down = bool(os.environ.get("DOUBLE_DOWN"))
    for name in ("ann", "ben"):
        made.person(f"@{name}:example.org", inside=True, admin=True)
    for name in PEOPLE:
        made.person(f"@{name}:example.org", inside=True, takes_chats=True)
    made.person("@zoe:example.org", takes_chats=True)
    return made


def install(folder: Path) -> Path:
    """Make a distribution in `folder` that brings this adapter; put it first on the path."""
    info = folder / "gatekeeper_double-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gatekeeper-double\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[gatekeeper.platforms]\nmatrix = tests.cli.double:platform\n"
    )
    return folder
