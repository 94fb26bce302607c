"""Reconciling a club on a real homeserver: people who came past the gate, and the gate itself."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from gatekeeper.domain import events
from gatekeeper.domain.clubs import Finding
from gatekeeper.domain.decisions import Order, Progress
from gatekeeper.domain.identity import ClubId
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.policy.parse import load_policy
from gatekeeper.testing.fakes import FakeStore
from gatekeeper.usecases import adopt, findings, reconcile
from gatekeeper.usecases.intake import Desk
from gatekeeper.usecases.observe import Observer
from gatekeeper.usecases.parts import Parts, Shelf
from gatekeeper.usecases.perform import Performer
from tests.adapters.matrix.world import MatrixWorld, Now
from tests.demo import policy
from tests.support.synapse import Synapse

pytestmark = pytest.mark.homeserver
BY = "operator:root"


class Real:
    """A club's use cases over a store in memory and a real homeserver."""

    def __init__(self, world: MatrixWorld) -> None:
        text = policy.text(world.founder.account, settle=0.0)
        self.world, rules = world, load_policy(text, "lighthouse.yaml")
        self.parts = Parts(
            club=ClubId("lighthouse"),
            store=FakeStore(Now()),
            platforms={"matrix": world.platform},
            shelf=Shelf(rules),
            clock=Now(),
            base_url="http://club.test",
            secret=b"a secret of sixteen bytes or more",
        )
        self.performer = Performer(self.parts)
        self.desk = Desk(self.parts, Observer(self.parts))

    async def look(self) -> dict[str, Finding]:
        report = await reconcile.run(self.parts, "schedule")
        assert report.unseen == {}
        await self.perform()
        return {row.subject: row for row in report.findings}

    async def perform(self) -> None:
        for _ in range(5):
            async with self.parts.store.look(self.parts.club) as tx:
                due = await tx.find(Order, progress=Progress.DUE)
            for order in due:
                await self.performer.perform(order.id, order.attempt)


@pytest.fixture
async def club(synapse: Synapse) -> AsyncIterator[Real]:
    async with MatrixWorld(synapse) as world:
        made = Real(world)
        async with made.parts.store.transaction(made.parts.club) as tx:
            await made.parts.shelf.put(tx, made.parts.policy)
        yield made


async def test_back_doors_are_found_and_shut_and_people_decided_by_name(club: Real) -> None:
    world, founder = club.world, club.world.hands(club.world.founder)
    invited, walker, member = [await world.person() for _ in range(3)]
    await founder.invite(world.scene.space, member.account)
    await world.enter(member)
    assert await adopt.adopt(club.parts, BY) == 2  # the founder and the member
    assert await club.look() == {}
    # past the gate: by the founder's hand, and by a door that the founder opened
    await founder.invite(world.scene.space, invited.account)
    await world.enter(invited)
    alias = await world.open_door()
    await world.hands(walker).join(world.scene.room(alias))
    await world.leave(member)  # and the desk of this test never heard of it
    found = await club.look()
    assert {subject: row.code for subject, row in found.items()} == {
        alias: "rule-join",
        invited.account: "inside-unknown",
        walker.account: "room-unknown",
        member.account: "member-outside",
    }
    posted = await world.posted()
    cards = [seen for seen in posted if "does not fit" in seen.text]
    assert len(cards) == 1
    assert invited.account.removeprefix("@") in cards[0].text  # nobody is pinged by it
    # one press puts right what lets nobody in or out
    press = events.Pressed(
        who=world.founder,
        at=datetime.now(UTC),
        event_id="$press",
        ref=cards[0].ref,
        symbol="✅",
        place="admins",
    )
    await club.desk.handle(press)
    await club.perform()
    left = await club.look()
    assert set(left) == {invited.account, walker.account}
    assert (await world.platform.survey()).rules == ()
    async with club.parts.store.look(club.parts.club) as tx:
        [gone] = await tx.find(Membership, identity=member)
    assert gone.state is State.DEPARTED
    assert await world.places(invited) > 0
    # and people by name
    await findings.take_in(club.parts, left[invited.account].id, BY)
    await findings.put_out(club.parts, left[walker.account].id, "Please apply first.", BY)
    await club.perform()
    assert await world.places(walker) == 0
    assert await world.places(invited) > 0
    assert await club.look() == {}
    posted = await world.posted()
    assert len([seen for seen in posted if "does not fit" in seen.text]) == 1
    assert "Nothing is left" in str([seen.text for seen in posted])
