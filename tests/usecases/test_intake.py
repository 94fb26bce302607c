"""What platforms ask of the front desk."""

from gatekeeper.usecases import pause
from gatekeeper.usecases.intake import Desk


async def test_a_platform_is_told_whether_the_club_is_paused(club):
    desk = Desk(club.parts, club.observer)
    assert not await desk.paused()
    await pause.pause(club.parts, "operator:root")
    assert await desk.paused()
    await pause.resume(club.parts, "operator:root")
    assert not await desk.paused()
