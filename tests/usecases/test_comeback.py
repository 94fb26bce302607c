import pytest

from gatekeeper.domain.clubs import Pass
from gatekeeper.domain.decisions import Order, Progress
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.identity import Account
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.usecases import comeback, due, erase, links, stage_ends
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
    return await comeback.joined(tx, club.parts, who, club.alice, club.clock.now())


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


# ---- An invitation that nobody takes up ----------------------------------------------------------


async def invited_back(club):
    """Carl, whose invitation to come back stands, and the secret of his link."""
    carl, secret = await removed(club)
    await links.use(club.parts, secret, "browser")
    await club.settle()
    assert (await club.platform.standing(carl)).invited
    return carl, secret


def ends_after(club) -> float:
    return club.policy.club.spec.invitation.ends_after.total_seconds()


async def test_it_is_brought_up_once_and_ends_and_its_link_works_again(club):
    carl, secret = await invited_back(club)
    before = len(club.told(carl))
    await club.pass_time(seconds=ends_after(club) + 1)
    reminder, end = (message.text for message in club.told(carl)[before:])
    assert "still waiting in your client" in reminder
    assert "Your link works again until" in end
    assert club.told(carl)[-1].links[0].url.endswith(secret)
    assert not (await club.platform.standing(carl)).invited
    assert await club.state(carl) is State.REMOVED
    async with club.store.look(CLUB) as tx:
        codes = [entry.code for entry in await tx.entries(limit=1000)]
    assert codes.count("comeback-not-taken-up") == 1

    await links.use(club.parts, secret, "browser")
    await club.settle()
    assert (await club.platform.standing(carl)).invited
    await club.platform.join(carl)
    await club.settle()
    assert await club.state(carl) is State.ACTIVE
    await club.pass_time(seconds=2 * ends_after(club))
    assert (await club.platform.standing(carl)).inside, "what is taken up has no end"


async def test_it_ends_as_often_as_it_is_begun(club):
    carl, secret = await invited_back(club)
    for _ in range(2):
        await club.pass_time(seconds=ends_after(club) + 1)
        assert not (await club.platform.standing(carl)).invited
        await links.use(club.parts, secret, "browser")
        await club.settle()
        assert (await club.platform.standing(carl)).invited
    reminders = [m for m in club.told(carl) if "still waiting" in m.text]
    assert len(reminders) == 2


async def test_past_its_date_the_link_stays_used(club):
    carl, secret = await invited_back(club)
    club.clock.advance(days=31)
    await club.settle()
    assert "You can apply again" in club.told(carl)[-1].text
    assert not club.told(carl)[-1].links
    with pytest.raises(Refused, match="link-used"):
        await links.use(club.parts, secret, "browser")


async def test_whoever_says_no_keeps_the_link_and_hears_no_more(club):
    carl, secret = await invited_back(club)
    before = len(club.told(carl))
    await club.platform.leave(carl)
    await club.pass_time(seconds=ends_after(club) + 1)
    assert len(club.told(carl)) == before
    await links.use(club.parts, secret, "browser")
    await club.settle()
    assert (await club.platform.standing(carl)).invited


async def test_an_admins_hand_ends_invitation_and_link(club):
    carl, secret = await invited_back(club)
    await club.platform.put_out_by_hand(carl, club.alice)
    await club.pass_time(seconds=ends_after(club) + 1)
    with pytest.raises(Refused, match="link-"):
        await links.use(club.parts, secret, "browser")
    async with club.store.look(CLUB) as tx:
        [entry] = [e for e in await tx.entries(limit=1000) if e.code == "comeback-taken-back"]
    assert entry.actor.startswith("person:")


async def test_a_ban_ends_it_too(club):
    carl, _ = await invited_back(club)
    before = len(club.told(carl))
    await club.platform.ban(carl, club.alice)
    await club.pass_time(seconds=ends_after(club) + 1)
    assert len(club.told(carl)) == before
    assert (await club.member(carl)).back_due_at is None


async def test_whoever_takes_it_up_as_it_ends_is_back(club):
    """Looked at before they came, taken back after: they are asked in again at once."""
    carl, _ = await invited_back(club)
    club.clock.advance(seconds=ends_after(club) + 1)
    for _ in range(2):
        await due.due(club.parts)
    assert (await club.member(carl)).back_invited_at is None
    desk, club.platform._desk = club.platform._desk, None
    await club.platform.join(carl)
    club.platform._put_out(carl, "not taken up")
    club.platform.people[carl.account].places.clear()
    await club.platform.start(desk)
    await club.settle()
    assert "at the very moment" in club.told(carl)[-1].text
    assert (await club.platform.standing(carl)).invited
    await club.platform.join(carl)
    await club.settle()
    assert await club.state(carl) is State.ACTIVE
    assert len(await club.find(Membership, identity=carl)) == 1


async def test_an_admins_own_invitation_after_its_end_is_no_comeback(club):
    carl, _ = await invited_back(club)
    await club.pass_time(seconds=ends_after(club) + 1)
    await club.platform.invite_by_hand(carl, club.alice)
    await club.platform.join(carl, by=club.alice)
    await club.settle()
    assert await club.state(carl) is State.REMOVED, "left to the admins, who may adopt them"
    assert (await club.platform.standing(carl)).inside


async def test_a_final_no_of_the_platform_uses_up_no_link(club):
    carl, secret = await removed(club)
    club.platform.people[carl.account].places["space"] = "ban"
    async with club.store.transaction(CLUB) as tx:
        [link] = await tx.find(Pass, act="comeback")
        await tx.change(link, used_at=club.clock.now())
        await comeback.open_door(tx, club.parts, await club_member(tx, carl), club.clock.now())
    await club.settle()
    assert (await club.one(Order, purpose="invitation")).progress is Progress.FAILED
    club.platform.people[carl.account].places.clear()
    await links.use(club.parts, secret, "browser")
    await club.settle()
    assert (await club.platform.standing(carl)).invited


async def test_a_new_application_is_not_undone_by_the_end_of_the_old_way(club):
    """Its own invitation stands in the end, whatever was ordered for the comeback."""
    carl, _ = await invited_back(club)
    club.clock.advance(seconds=ends_after(club) - 1)
    await club.apply(carl)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of("#1").ref, "✅")
    await club.pass_time(seconds=3)
    assert (await club.platform.standing(carl)).invited
    assert (await club.one(Order, purpose="retract")).progress is Progress.CANCELLED


@pytest.mark.parametrize("how", ["comeback", "application"])
async def test_erasing_takes_an_open_invitation_back(club, how):
    if how == "comeback":
        who, _ = await invited_back(club)
    else:
        who = club.platform.person("@ada:fake", takes_chats=True)
        await club.apply(who)
        for admin in (club.alice, club.boris):
            await club.platform.press(admin, club.card_of("Ada").ref, "✅")
        await club.settle()
    assert (await club.platform.standing(who)).invited
    await erase.erase(club.parts, who, "operator:root")
    await club.settle()
    assert not (await club.platform.standing(who)).invited
    assert who.account not in repr(await club.find(Order))


async def club_member(tx, who):
    return await tx.first(Membership, identity=who, order="-id")
