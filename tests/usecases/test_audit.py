from gatekeeper.domain.clubs import ClubState
from gatekeeper.usecases import audit, pause
from tests.journeys.club import CLUB


def heads(club):
    return [m.text for m in club.platform.posted() if "Record of decisions" in m.text]


async def test_the_head_is_shown_after_each_sweep(club):
    await club.adopt("carl")
    await club.sweep()
    [text] = heads(club)
    async with club.store.look(CLUB) as tx:
        shown = [e for e in await tx.entries() if e.code == "head-posted"][-1]
    assert f"row {shown.sequence}, {shown.mac}" in text
    assert await audit.verify(club.parts) >= shown.sequence


async def test_the_head_is_shown_daily(club):
    await club.settle()
    created = (await club.one(ClubState)).created_at
    assert not heads(club)
    for days in (1, 2):
        club.clock.advance(days=1)
        await club.settle()
        assert len(heads(club)) == days
    assert (await club.one(ClubState)).head_posted_at > created
    await club.settle()
    assert len(heads(club)) == 2


async def test_not_while_paused(club):
    await pause.pause(club.parts, "operator:root")
    club.clock.advance(days=2)
    assert await audit.due(club.parts, club.clock.now()) is None
