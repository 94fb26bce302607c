"""The story that `make demo` plays, as a test: what a newcomer sees first must not break."""

import re
from argparse import Namespace

import pytest

from tests.demo.main import play
from tests.support.parts import SYNAPSE_PYTHON, missing

pytestmark = [pytest.mark.homeserver, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.parametrize(("platform", "steps"), [("matrix", 40), ("slack", 20), ("both", 10)])
async def test_the_story_is_played_to_its_end(platform, steps, capsys):
    """Every step passes, and the last line says how many there were."""
    if not SYNAPSE_PYTHON.exists():
        missing("the environment that holds Synapse", "make it with: make environments")
    code = await play(Namespace(keep=False, platform=platform))
    told, faults = capsys.readouterr()
    print(told, faults)  # shown where the test fails
    assert code == 0
    last = re.fullmatch(r"demo: (\d+) steps passed, 0 failed", told.strip().splitlines()[-1])
    assert last is not None
    assert int(last.group(1)) >= steps
