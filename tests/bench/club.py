"""The club that is measured: the demo's house rules, without what would stir in between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import yaml

from tests.demo import policy
from tests.demo.stage import Program, Stage
from tests.support.people import MatrixPerson
from tests.support.synapse import SERVER_NAME
from tests.support.wait import eventually

SPACE, HALL, KEEPERS = (
    f"#{alias}:{SERVER_NAME}" for alias in ("lighthouse", "lighthouse-hall", "lighthouse-keepers")
)


@asynccontextmanager
async def a_club() -> AsyncIterator[Stage]:
    """A homeserver without limits and a club on it, its places made, its service stopped."""
    async with Stage(Program(), limits="off") as stage:
        founder = await stage.person("fay")
        # An operator's Python keeps what it has compiled; each start would compile it all anew.
        stage.service.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        await stage.service.run("init")
        _write_policy(stage, founder.id)
        await stage.service.start(timeout=60)
        space = await founder.wait_for_invite(lambda i: i.name == "The Lighthouse")
        await founder.join(space.room)
        await founder.join(HALL)
        await eventually(lambda: _enter(founder, KEEPERS), 10, what="the keepers' room is open")
        await stage.service.stop()
        yield stage


async def _enter(person: MatrixPerson, room: str) -> str:
    return await person.join(room)


def _write_policy(stage: Stage, founder: str) -> None:
    """The demo's seconds would have the service remind and greet while it is measured."""
    file = stage.service.folder / "house-rules.yaml"
    policy.write(file, founder)
    club, admission, pruning = yaml.safe_load_all(file.read_text("utf-8"))
    del club["spec"]["welcome"], club["spec"]["invitation"]
    club["spec"]["limits"] = {"formsByAddress": 1000}
    admission["spec"]["review"] = {"approvals": 2, "declines": 1}
    file.write_text(yaml.safe_dump_all([club, admission, pruning], sort_keys=False), "utf-8")
