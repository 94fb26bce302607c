"""The laws of the Platform port, over the fake and over a real homeserver."""

from collections.abc import AsyncIterator
from datetime import datetime

import pytest
import pytest_asyncio

from gatekeeper.domain.decisions import Action
from gatekeeper.domain.errors import PlatformDown
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.reconcile import Rule
from gatekeeper.testing.contract import PlatformContract
from gatekeeper.testing.fakes import FakePlatform, ManualClock
from gatekeeper.testing.fakes_platform import ADMINS
from gatekeeper.testing.platform_world import RecordingDesk, Seen
from tests.adapters.matrix.world import MatrixWorld
from tests.support.synapse import Synapse


class FakeWorld:
    def __init__(self) -> None:
        self.platform = FakePlatform(ManualClock())
        self.desk = RecordingDesk()
        self.people = 0

    def now(self) -> datetime:
        return self.platform.clock.now()

    async def person(self) -> Identity:
        self.people += 1
        return self.platform.person(f"@person{self.people}:gk.test")

    async def admin(self) -> Identity:
        return self.platform.person("@founder:gk.test", admin=True)

    async def knock(self, who: Identity, reason: str) -> None:
        await self.platform.knock(who, reason)

    async def enter(self, who: Identity) -> None:
        await self.platform.join(who)

    async def leave(self, who: Identity) -> None:
        await self.platform.leave(who)

    async def invite(self, who: Identity, by: Identity) -> None:
        await self.platform.invite_by_hand(who, by)

    async def ban(self, who: Identity, by: Identity) -> None:
        await self.platform.ban(who, by)

    async def open_door(self) -> str:
        self.platform.bend("talk", Rule.JOIN, "public", "restricted")
        return "talk"

    async def take_chat(self, who: Identity) -> None:
        await self.platform.take_chat(who)

    async def chats(self, who: Identity) -> int:
        return len(self.platform.people[who.account].invited_for)

    async def told(self, who: Identity) -> list[Seen]:
        return [Seen(m.ref, m.text) for m in self.platform.seen_by(who)]

    async def posted(self) -> list[Seen]:
        return [Seen(m.ref, m.text) for m in self.platform.posted()]

    async def press(self, who: Identity, ref: str, symbol: str) -> str:
        return await self.platform.press(who, ref, symbol)

    async def take_back(self, who: Identity, press_id: str) -> None:
        await self.platform.take_back_press(who, press_id)

    async def write(self, who: Identity, text: str) -> None:
        await self.platform.write(who, text)

    async def places(self, who: Identity) -> int:
        return list(self.platform.people[who.account].places.values()).count("join")

    async def lose_answer(self, action: Action) -> None:
        self.platform.lose_answers()

    async def stop(self) -> None:
        await self.platform.stop()

    async def restart(self) -> None:
        await self.platform.stop()
        await self.platform.start(self.desk)


class TestFake(PlatformContract):
    @pytest.fixture
    async def world(self) -> AsyncIterator[FakeWorld]:
        world = FakeWorld()
        await world.platform.start(world.desk)
        yield world
        await world.platform.stop()

    async def test_a_lost_place_by_order(self, world: FakeWorld) -> None:
        """Nobody's rights can be looked up, as on a real platform."""
        world.platform.lost = {ADMINS}
        for ask in (world.platform.admins, world.platform.members):
            with pytest.raises(PlatformDown):
                await ask()
        with pytest.raises(PlatformDown):
            await world.platform.standing(await world.person())
        assert world.platform.health().code == "place-missing"
        world.platform.lost.clear()
        assert world.platform.health().ok
        assert await world.platform.admins() == ()


@pytest_asyncio.fixture(scope="class", loop_scope="class")
async def matrix_world(synapse: Synapse) -> AsyncIterator[MatrixWorld]:
    """One club for all laws: making its rooms takes a second."""
    async with MatrixWorld(synapse) as world:
        yield world


@pytest.mark.homeserver
@pytest.mark.asyncio(loop_scope="class")
class TestMatrix(PlatformContract):
    @pytest.fixture
    def world(self, matrix_world: MatrixWorld) -> MatrixWorld:
        return matrix_world
