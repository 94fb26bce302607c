"""What platforms ask of the front desk."""

from gatekeeper.domain.decisions import Order, Progress
from gatekeeper.domain.memberships import State
from gatekeeper.usecases import pause
from gatekeeper.usecases.intake import Desk
from tests.usecases.conftest import QUIET


async def test_a_platform_is_told_whether_the_club_is_paused(club):
    desk = Desk(club.parts, club.observer)
    assert not await desk.paused()
    await pause.pause(club.parts, "operator:root")
    assert await desk.paused()
    await pause.resume(club.parts, "operator:root")
    assert not await desk.paused()


async def test_what_cannot_be_read_is_said_once_in_the_very_room(club):
    """In the reader's language, with what to do instead."""
    dana = club.platform.person("@dana:fake", takes_chats=True)
    for _ in range(2):
        await club.platform.write(dana, "", unreadable=True)
        await club.platform.write(club.alice, "", place="admins", unreadable=True)
        await club.settle()
    [told] = club.said_in("!direct-@dana:fake")
    assert "cannot read encrypted messages" in told.text
    assert f"{club.parts.base_url}/join" in told.text
    [warned] = club.said_in("!admins")
    assert "gatekeeper doctor" in warned.text
    assert club.told(dana) == club.told(club.alice) == []


async def test_a_member_who_answers_encrypted_is_alive(club):
    """We cannot read what they say; that they say something is enough."""
    [carl] = await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    assert await club.state(carl) is State.NOTICED
    await club.platform.write(carl, "", unreadable=True)
    await club.settle()
    assert await club.state(carl) is State.ACTIVE


async def test_whom_it_could_not_be_told_bothers_no_admin(club):
    """Whoever opens a chat, writes and puts us out of it is a stranger at play."""
    mallory = club.platform.person("@mallory:fake")
    club.platform.refuse(mallory, "no-such-room")
    await club.platform.write(mallory, "", unreadable=True)
    await club.settle()
    assert (await club.one(Order, purpose="cannot-read")).progress is Progress.FAILED
    assert not club.said_in("admins")
