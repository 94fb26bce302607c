from gatekeeper.domain.memberships import Membership, State
from gatekeeper.usecases import adopt
from tests.journeys.club import CLUB


async def test_who_is_inside_already_becomes_a_member_from_before(club):
    club.platform.person("@carl:fake", inside=True)
    club.platform.person("@robot:fake", inside=True, bot=True)
    club.platform.person("@outsider:fake")
    names = {guest.name for guest in await adopt.plan(club.parts)}
    assert names == {"Fay", "Alice", "Boris", "Carl"}
    assert not await club.find(Membership), "a plan does nothing"
    club.clock.advance(seconds=5)
    assert await adopt.adopt(club.parts, "operator:root") == 4
    for member in await club.find(Membership):
        assert member.origin == "adopted"
        assert member.known_since == club.clock.now()
        assert member.last_seen_at is None
    async with club.store.look(CLUB) as tx:
        assert [e.code for e in await tx.entries() if e.actor == "operator:root"] == ["adopted"] * 4


async def test_again_it_adopts_only_those_who_came_since(club):
    await club.adopt("carl")
    assert await adopt.adopt(club.parts, "operator:root") == 0
    dana = club.platform.person("@dana:fake", inside=True)
    assert [guest.identity for guest in await adopt.plan(club.parts)] == [dana]
    assert await adopt.adopt(club.parts, "operator:root") == 1


async def test_who_left_and_is_inside_again_has_a_new_membership(club):
    [carl] = await club.adopt("carl")
    await club.platform.leave(carl)
    club.platform.people[carl.account].places = {"space": "join"}
    assert await adopt.adopt(club.parts, "operator:root") == 1
    states = [m.state for m in await club.find(Membership, identity=carl)]
    assert states == [State.DEPARTED, State.ACTIVE]
