"""The proxy lets calls through, holds answers back and goes away when told to."""

import asyncio
import time

import aiohttp
import pytest
from mautrix.errors import MatrixError

from tests.support.proxy import Call, Proxy
from tests.support.wait import eventually


@pytest.mark.homeserver
async def test_people_live_behind_it(synapse, people, proxy):
    """Long polls, ids with ! and #, and errors pass as they are."""
    ada = await people("ada", url=proxy.url)
    bob = await people("bob")
    room = await ada.make_room("Hall", alias_localpart=ada.name, invitees=[bob.id])
    await bob.join(f"#{ada.name}:gk.test")
    await bob.say(room, "hello")
    await ada.wait_for_message(lambda e: e.body == "hello")
    assert proxy.count("POST", "/createRoom$", 200) == 1
    assert proxy.count("GET", "/sync$") >= 1
    assert proxy.find("POST", "/createRoom$")[0].answered is not None


@pytest.mark.homeserver
async def test_an_answer_is_held_back_after_the_deed(people, proxy):
    """The homeserver has invited; whoever asked for it never hears of it."""
    ada = await people("ada", url=proxy.url)
    bob, carl = await people("bob"), await people("carl")
    room = await ada.make_room()
    killed: list[float] = []
    trap = proxy.arm(
        "POST", "/invite$", body_regex=bob.name, callback=lambda: killed.append(time.monotonic())
    )

    inviting = asyncio.create_task(ada.invite(room, bob))
    status, _ = await trap.wait()
    assert (await bob.wait_for_invite()).room == room
    assert (status, len(killed), inviting.done()) == (200, 1, False)
    trap.release()
    with pytest.raises(MatrixError):
        await asyncio.wait_for(inviting, 5)

    await ada.invite(room, carl)
    calls = proxy.find("POST", "/invite$")
    assert [call.invitee for call in calls] == [bob.id, carl.id]
    assert [call.answered is None for call in calls] == [True, False]


@pytest.mark.homeserver
async def test_it_is_unreachable_and_comes_back(people, proxy):
    """Down cuts even a waiting long poll; up listens where it did before."""
    ada = await people("ada", url=proxy.url)
    bob = await people("bob")
    room = await bob.make_room(invitees=[ada.id])
    await ada.wait_for_invite()
    url = proxy.url
    await proxy.down()
    with pytest.raises(OSError, match=r".+"):
        await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    await bob.invite(room, "@nobody:gk.test")
    await proxy.up()
    assert proxy.url == url
    await ada.join(room)
    await ada.wait_until_joined(room)

    proxy.answer_with = 502
    await eventually(lambda: proxy.count("GET", "/sync$", 502))
    proxy.answer_with = None
    await bob.say(room, "back again")
    await ada.wait_for_message(lambda e: e.body == "back again")


@pytest.mark.homeserver
async def test_the_homeserver_behind_it_may_be_away(unused_tcp_port):
    """A proxy before nothing answers 502."""
    async with (
        Proxy(f"http://127.0.0.1:{unused_tcp_port}") as proxy,
        aiohttp.ClientSession() as session,
        session.get(f"{proxy.url}/_matrix/client/versions") as answer,
    ):
        assert answer.status == 502


def test_a_needless_429_is_told_from_one_nobody_could_foresee():
    """Only a call after a known refusal, before its end, and on the same limiter is needless."""

    def refused(at: float, path: str = "/rooms/!a/send/m.room.message/1", who: str = "x") -> Call:
        call = Call(at, "PUT", path, who)
        call.status, call.answered, call.retry_after_ms = 429, at + 0.1, 1000
        return call

    first = refused(0.0)
    assert Proxy("http://127.0.0.1").too_early(
        [
            first,
            refused(0.05),  # was on its way before the first answer
            refused(0.5, who="y"),
            refused(0.5, path="/createRoom"),
            needless := refused(0.9),
            refused(2.5),
        ]
    ) == [needless]
