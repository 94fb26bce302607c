"""policy check --invariants: try what must always hold against made-up and recorded facts."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from gatekeeper.cli import frame, render

if TYPE_CHECKING:
    from gatekeeper.policy.invariants import Broken, Recorded, Tried

TRIES = 2_000
SEED = 1  # as policy.invariants.SEED, which takes long to import


def tried(path: Path, text: str, tries: int, seed: int, recorded: bool) -> list["Tried"]:
    """Try the invariants of a policy that is sound.

    Args:
        path: for messages.
        text: the policy.
        tries: how many made-up facts for each document that states an invariant.
        seed: of the chance they are made by.
        recorded: try those of this club's record too.
    """
    from gatekeeper.policy.invariants import AROUND, try_made_up, try_recorded
    from gatekeeper.policy.parse import load_policy

    policy = load_policy(text, str(path))
    found = [try_made_up(policy, lambda: Random(seed), AROUND, tries)]
    if recorded:
        found.append(try_recorded(policy, frame.run(_records())))
    return found


async def _records() -> list["Recorded"]:
    """Everything that a rule has judged in this club and whose input is still known."""
    from gatekeeper.policy.invariants import Recorded
    from gatekeeper.usecases.past import Known, recorded

    async with frame.club() as opened:
        start = datetime(1970, 1, 1, tzinfo=UTC)
        past = recorded(opened.parts, start, Known())
        return [Recorded(one.facts, one.at, one.subject) async for one in past]


def show(found: list["Tried"], language: str = "en") -> None:
    """In words, with a case for each that is broken; recorded facts after made-up ones."""
    for each in found:
        for line in each.lines(language):
            render.say(line)


def plain(found: list["Tried"]) -> list[dict[str, Any]]:
    """For machines."""
    return [
        {**render.plain(each), "passed": each.passed, "broken": [_plain(b) for b in each.broken]}
        for each in found
    ]


def _plain(broken: "Broken") -> dict[str, Any]:
    return {**render.plain(broken), "sentence": broken.lines()[0], "case": broken.case()}
