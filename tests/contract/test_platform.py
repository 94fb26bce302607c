"""The laws of the Platform port, over the fake and over a real homeserver."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Literal

import pytest
import pytest_asyncio

from gatekeeper.domain import events
from gatekeeper.domain.activity import Kind
from gatekeeper.domain.decisions import Action, Admit, Card, Remove, Retract, ShowCard, Tell
from gatekeeper.domain.errors import PlatformDown
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.reconcile import Rule
from gatekeeper.ports import Standing
from gatekeeper.testing.contract import PlatformContract
from gatekeeper.testing.fakes import FakePlatform, ManualClock
from gatekeeper.testing.fakes_platform import ADMINS
from gatekeeper.testing.platform_contract import NO, YES
from gatekeeper.testing.platform_world import RecordingDesk, Seen, fault_of, refusal, until
from tests.adapters.matrix.world import MatrixWorld
from tests.adapters.slack.world import SlackWorld
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


@pytest.mark.parametrize("mode", ["socket", "http"])
class TestSlack(PlatformContract):
    """Where Slack knows no door to knock at, no ban and no open invitation, its own laws stand."""

    @pytest.fixture
    async def world(self, mode: Literal["socket", "http"]) -> AsyncIterator[SlackWorld]:
        async with SlackWorld(mode) as world:
            yield world

    async def test_admitting_twice_is_like_once(self, world: SlackWorld) -> None:
        """On Slack they are inside at once, in every channel."""
        who = await world.person()
        receipts = [await self.do(world, Admit(who=who), f"a {who}") for _ in range(2)]
        assert [receipt.changed for receipt in receipts] == [True, False]
        assert (await world.platform.standing(who)).inside
        assert await world.places(who) == 2

    async def test_standing_tells_the_truth(self, world: SlackWorld) -> None:
        """Outside, inside, gone."""
        who = await world.person()
        assert await world.platform.standing(who) == Standing()
        await self.do(world, Admit(who=who), f"a {who}")
        await world.desk.wait_for(events.Joined, who)
        assert (await world.platform.standing(who)).inside
        assert who in [guest.identity for guest in await world.platform.members()]
        await world.leave(who)
        assert await world.platform.standing(who) == Standing()
        await world.desk.wait_for(events.Departed, who)

    async def test_a_guest_stays_in_the_clubs_own_channel(self, world: SlackWorld) -> None:
        """Out of the others, and back in them by one Action."""
        who = await self.admitted(world)
        soft = Remove(who=who, reason="Silent.", stay_in="club")
        changed = [(await self.do(world, soft, f"r {who}")).changed for _ in range(2)]
        assert changed == [True, False]
        assert (await world.platform.standing(who)).inside
        assert await world.places(who) == 1
        assert (await self.do(world, Admit(who=who, rooms=True), f"b {who}")).changed
        assert await world.places(who) == 2

    async def test_a_knock_comes_with_its_reason(self, world: SlackWorld) -> None:
        """Nobody can knock: they write to us instead."""
        who = await world.person()
        await world.write(who, "apply")
        assert (await world.desk.wait_for(events.Wrote, who)).text == "apply"
        assert not (await world.platform.standing(who)).knocking

    async def test_retracting_answers_a_knock(self, world: SlackWorld) -> None:
        """There is nothing to take back, and nothing happens."""
        who = await world.person()
        assert not (await self.do(world, Retract(who=who), f"r {who}")).changed

    async def test_retracting_takes_back_what_we_offered(self, world: SlackWorld) -> None:
        """Whoever was invited is a member: a Retract puts nobody out."""
        who = await self.admitted(world)
        assert not (await self.do(world, Retract(who=who), f"r {who}")).changed
        assert (await world.platform.standing(who)).inside

    async def test_retracting_leaves_a_persons_own_invitation(self, world: SlackWorld) -> None:
        """What people do by hand is theirs."""
        admin, who = await world.admin(), await world.person()
        await world.invite(who, admin)
        assert not (await self.do(world, Retract(who=who), f"r {who}")).changed
        assert (await world.platform.standing(who)).inside

    async def test_the_banned_are_refused(self, world: SlackWorld) -> None:
        """Channels know no ban; nobody gets in who has no account of this workspace."""
        stranger = Identity("slack", "T0OTHER:U0OTHER")
        refused = await refusal(self.do(world, Admit(who=stranger), "a stranger"))
        assert refused == "no-such-person"
        gone = await world.person(deleted=True)
        assert await refusal(self.do(world, Admit(who=gone), "a gone")) == "no-such-person"

    async def test_removal_is_from_everywhere(self, world: SlackWorld) -> None:
        """From every channel; told as done by ourselves; twice like once."""
        who = await self.admitted(world)
        assert await world.places(who) > 1
        action = Remove(who=who, reason="Silent for long.")
        receipts = [await self.do(world, action, f"r {who}") for _ in range(2)]
        assert [receipt.changed for receipt in receipts] == [True, False]
        assert await world.places(who) == 0
        out = await world.desk.wait_for(events.PutOut, who)
        assert out.by == world.platform.bot
        assert (await self.do(world, Admit(who=who), f"back {who}")).changed

    async def test_removal_takes_back_an_open_invitation(self, world: SlackWorld) -> None:
        """Of somebody outside there is nothing to remove."""
        who = await world.person()
        assert not (await self.do(world, Remove(who=who, reason="No."), f"r {who}")).changed

    async def test_a_door_that_was_opened_is_seen_and_shut(self, world: SlackWorld) -> None:
        """Seen; what Slack lets no app set back is shown with what to do by hand."""
        assert (await world.platform.survey()).rules == ()
        place = await world.open_door()
        (rule,) = (await world.platform.survey()).rules
        assert (rule.place, rule.rule, rule.mendable) == (place, Rule.JOIN, False)
        assert rule.found == "shared"

    async def test_a_message_waits_until_the_chat_is_taken(self, world: SlackWorld) -> None:
        """A chat needs no consent; to an account that nobody can use nothing is delivered."""
        who = await world.person()
        tell = Tell(who=who, text="Are you still here?")
        receipts = [await self.do(world, tell, f"t {who}") for _ in range(2)]
        assert not any(receipt.waiting for receipt in receipts)
        assert await world.chats(who) == 1
        assert [seen.ref for seen in await world.told(who)] == [receipts[0].ref]
        gone = await world.person(deleted=True)
        assert await refusal(self.do(world, Tell(who=gone, text="?"), "t")) == "no-such-person"

    async def test_a_press_names_its_message(self, world: SlackWorld) -> None:
        """By its button; there is no taking back."""
        admin = await world.admin()
        card = Card(title="Bob", status="waits", choices=(YES, NO))
        ref = (await self.do(world, ShowCard(place="admins", card=card), "pressed")).ref
        press_id = await world.press(admin, ref, "✅")
        pressed = await world.desk.wait_for(events.Pressed, admin)
        assert (pressed.ref, pressed.symbol, pressed.place) == (ref, "✅", "admins")
        assert pressed.event_id == press_id

    async def test_what_happens_meanwhile_is_told_later(self, world: SlackWorld) -> None:
        """What Slack does not tell again is a gap."""
        position, gaps = world.desk.place, world.desk.gaps
        assert position
        await world.stop()
        await world.restart()
        assert world.desk.gaps == gaps + 1

    async def test_identities_are_parsed_and_nonsense_is_not(self, world: SlackWorld) -> None:
        """An id of this workspace, a mention of it, or one with its workspace."""
        for text in ("", "ada", "@ada", "U", "T0A:", "slack:T0A:X0A", "<@U0T0000009", "u0t0000009"):
            assert fault_of(world.platform, text) == "not-an-identity", text
        who = await world.person()
        team, _, user = who.account.partition(":")
        for text in (user, f"<@{user}>", f"{team}:{user}", f"slack:{team}:{user}", f" @{user} "):
            assert world.platform.parse_identity(text) == who, text

    async def test_life_is_seen(self, world: SlackWorld) -> None:
        """Being taken in by us is no sign; speaking is. Our own doings are none."""
        who = await self.admitted(world)
        world.hands(who).write(world.channel("club"), "Hello!")
        await until(lambda: bool(world.desk.signs), "the word")
        assert {(sign.who, sign.kind) for sign in world.desk.signs} == {(who, Kind.MESSAGE)}
