import pytest

from gatekeeper.domain.decisions import Order
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.identity import Account
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.usecases import links, stage_ends
from tests.journeys.club import CLUB


async def removed(club, name="carl"):
    """Someone let go for silence, and the secret of the link in their goodbye."""
    [who] = await club.to_planned(name)
    await club.platform.press(club.alice, club.removals().ref, "✅")
    await club.settle()
    return who, club.told(who)[-1].links[0].url.rpartition("/")[2]


async def test_the_way_back_without_a_new_application(club):
    carl, secret = await removed(club)
    async with club.store.transaction(CLUB) as tx:
        account = await tx.first(Account, identity=carl)
        await tx.change(account, roles=("founder", "baker"))
    await links.inspect(club.parts, secret)
    await club.settle()
    assert not (await club.platform.standing(carl)).invited, "a look does nothing"
    result = await links.use(club.parts, secret, "browser")
    assert "invitation" in result.sentence
    await club.settle()
    assert await club.state(carl) is State.REMOVED, "back means joined"
    await club.platform.join(carl)
    await club.settle()
    member = await club.one(Membership, identity=carl)
    assert (member.state, member.origin, member.cause) == (State.ACTIVE, "comeback", "")
    assert member.known_since == club.clock.now()
    assert member.noticed_at is None
    assert (await club.one(Account, identity=carl)).roles == (), "none that the policy lists"
    assert len(await club.find(Membership, identity=carl)) == 1


async def test_once(club):
    _, secret = await removed(club)
    await links.use(club.parts, secret, "browser")
    with pytest.raises(Refused, match="link-used"):
        await links.use(club.parts, secret, "browser")
    assert len(await club.find(Order, purpose="invitation")) == 1


async def test_not_after_its_date(club):
    _, secret = await removed(club)
    club.clock.advance(days=366)
    with pytest.raises(Refused, match="link-expired"):
        await links.use(club.parts, secret, "browser")


async def test_not_after_a_ban_that_only_the_platform_knows_of(club):
    carl, secret = await removed(club)
    club.platform.people[carl.account].places["space"] = "ban"
    with pytest.raises(Refused, match="comeback-banned"):
        await links.use(club.parts, secret, "browser")


async def test_not_after_a_removal_for_cause(club):
    carl, secret = await removed(club)
    await links.use(club.parts, secret, "browser")
    await club.settle()
    await club.platform.join(carl)
    await club.platform.put_out_by_hand(carl, club.alice, "conduct")
    await club.settle()
    member = await club.member(carl)
    assert member.cause == "cause"
    async with club.store.transaction(CLUB) as tx:
        assert not await club_joined(tx, club, carl)
        assert await stage_ends.departed(tx, club.parts, carl, club.clock.now()) is None


async def club_joined(tx, club, who):
    from gatekeeper.usecases import comeback

    return await comeback.joined(tx, club.parts, who, club.clock.now())


async def test_nobody_else_profits_from_the_link(club):
    carl, secret = await removed(club)
    eve = club.platform.person("@eve:fake")
    await links.use(club.parts, secret, "the browser of eve")
    await club.settle()
    assert (await club.platform.standing(carl)).invited
    assert not (await club.platform.standing(eve)).invited


async def test_an_invitation_by_an_admins_hand_is_no_comeback(club):
    carl, _ = await removed(club)
    async with club.store.transaction(CLUB) as tx:
        assert not await club_joined(tx, club, carl)
