"""One person with accounts on two platforms, linked by a code."""

import re
from dataclasses import replace

import pytest

from gatekeeper.domain.activity import Activity, Kind, Sign
from gatekeeper.domain.applications import Application, Choice, State, Vote, Vouch
from gatekeeper.domain.decisions import Order, Progress
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.identity import Account, Identity, LinkCode, Linked, Person
from gatekeeper.domain.memberships import INSIDE, Dispute, Exemption, Membership
from gatekeeper.domain.memberships import State as Stage
from gatekeeper.testing.fakes import FakePlatform
from gatekeeper.usecases import adopt, erase, exempt, letting_go, link, sweep, vouch
from gatekeeper.usecases.facts import application_facts
from gatekeeper.usecases.intake import Desk
from gatekeeper.usecases.observe import Observer
from gatekeeper.usecases.perform import Performer
from tests.journeys.club import CLUB
from tests.usecases.stores import KINDS, a_club_on

QUIET = 20  # seconds; longer than the policy's silence


@pytest.fixture(params=KINDS)
async def club(request, tmp_path):
    """The club on two platforms; Dana is a member on either, as two persons so far."""
    async with a_club_on(request.param, tmp_path) as found:
        await found.platform.stop()
        found.also = FakePlatform(found.clock, "slack")
        platforms = {"matrix": found.platform, "slack": found.also}
        found.parts = replace(found.parts, platforms=platforms)
        found.observer = Observer(found.parts)
        found.desk = Desk(found.parts, found.observer)
        found.performer = Performer(found.parts)
        await found.platform.start(found.desk)
        await found.also.start(found.desk)
        found.dana = found.platform.person("@dana:fake", inside=True, takes_chats=True)
        found.there = found.also.person("@dana:there", inside=True, takes_chats=True)
        await adopt.adopt(found.parts, "operator:root")
        await found.settle()
        yield found
        await found.also.stop()


def heard(club, who):
    """What the newest message in somebody's chat says."""
    platform = club.platform if who.platform == "matrix" else club.also
    told = [m for m in platform.messages.values() if m.to == who.account]
    return told[-1].text if told else ""


async def says(club, who, text):
    platform = club.platform if who.platform == "matrix" else club.also
    await platform.write(who, text)
    await club.settle()
    return heard(club, who)


async def a_code(club, who):
    found = re.search(r"link (\S{4}-\S{4})\.", await says(club, who, "link"))
    assert found
    return found.group(1)


async def person_of(club, who):
    return (await club.one(Account, identity=who)).person_id


async def codes(club, subject):
    async with club.store.look(CLUB) as tx:
        return [one.code for one in await tx.entries(subject=subject)]


async def linked(club, first=None, other=None):
    code = await a_code(club, first or club.dana)
    return await says(club, other or club.there, f"link {code}")


async def test_a_code_said_elsewhere_makes_one_person_of_two(club):
    assert "@dana:fake (matrix) are one person" in await linked(club)
    assert "@dana:there (slack)" in heard(club, club.dana)
    person = await person_of(club, club.dana)
    assert await person_of(club, club.there) == person
    members = await club.find(Membership, person_id=person)
    assert sorted(one.state.value for one in members) == ["active", "departed"]
    assert await codes(club, f"person:{person}") == ["linked"]
    ended = next(one for one in members if one.state is Stage.DEPARTED)
    assert (ended.cause, ended.identity) == ("linked", club.there)
    assert "membership-joined" in await codes(club, f"membership:{ended.id}")


async def test_the_code_itself_is_kept_nowhere_and_works_once(club):
    code = await a_code(club, club.dana)
    kept = [*await club.find(LinkCode), *await club.find(Order), *await club.find(Account)]
    assert code not in repr(kept)
    assert "one person" in await says(club, club.there, f"Link {code.lower().replace('-', ' ')}")
    stranger = club.also.person("@eve:there", inside=True, takes_chats=True)
    assert "used or is too old" in await says(club, stranger, f"link {code}")
    assert await person_of(club, club.there) == await person_of(club, club.dana)
    assert not await club.find(Account, identity=stranger)


async def test_a_code_ends_after_ten_minutes_and_by_a_newer_one(club):
    old, new = await a_code(club, club.dana), await a_code(club, club.dana)
    assert "know no such code" in await says(club, club.there, f"link {old}")
    club.clock.advance(minutes=10)
    assert "too old" in await says(club, club.there, f"link {new}")
    assert not await club.find(Linked)


async def test_few_tries_and_none_of_them_counts_against_others(club):
    code = await a_code(club, club.dana)
    for _ in range(link.TRIES_AN_HOUR):
        assert "no such code" in await says(club, club.there, "link BBBB-BBBB")
    assert "often for one hour" in await says(club, club.there, f"link {code}")
    assert not await club.find(Linked)


async def test_both_sides_are_on_different_platforms_and_the_first_is_a_member(club):
    code = await a_code(club, club.dana)
    emil = club.platform.person("@emil:fake", inside=True, takes_chats=True)
    assert "one platform" in await says(club, emil, f"link {code}")
    stranger = club.also.person("@eve:there", takes_chats=True)
    assert await says(club, stranger, "link") == ""
    with pytest.raises(Refused, match="not-a-member"):
        async with club.store.transaction(CLUB) as tx:
            await link.ask(tx, club.parts, stranger, club.clock.now())
    assert "one person" in await says(club, club.there, f"link {code}"), "a wrong place spends none"
    assert "linked already" in await linked(club)


async def test_whoever_was_put_out_meanwhile_links_nobody(club):
    code = await a_code(club, club.dana)
    await club.platform.leave(club.dana)
    await club.settle()
    assert "too old" in await says(club, club.there, f"link {code}")


async def test_a_sign_on_either_platform_counts_and_nothing_counts_twice(club):
    day = club.clock.now()
    one, other = await person_of(club, club.dana), await person_of(club, club.there)
    async with club.store.transaction(CLUB) as tx:
        for person, who in ((one, club.dana), (other, club.there)):
            sign = Sign(who=who, kind=Kind.MESSAGE, place="x", at=day, event_id=f"e{person}")
            await tx.merge_activity({person: [sign]})
    before = sum(each.count for each in await club.find(Activity))
    await linked(club)
    assert not await club.find(Activity, person_id=other)
    counted = [row for row in await club.find(Activity) if row.kind is Kind.MESSAGE]
    assert [(row.person_id, row.count) for row in counted] == [(one, 2)]
    assert sum(each.count for each in await club.find(Activity)) >= before
    await club.pass_time(seconds=QUIET)
    await club.also.live(club.there)
    await club.observer.flush()
    await sweep.run(club.parts, "once")
    await club.settle()
    member = await club.one(Membership, person_id=one, state__in=tuple(INSIDE))
    assert member.state is Stage.ACTIVE, "silent on the one, alive on the other"


async def test_a_stage_ends_and_the_time_before_is_not_judged(club):
    await club.pass_time(seconds=QUIET)
    await sweep.run(club.parts, "once")
    await club.settle()
    assert (await club.one(Membership, identity=club.there)).state is Stage.NOTICED
    await linked(club)
    [member] = await club.find(
        Membership, person_id=await person_of(club, club.dana), state__in=tuple(INSIDE)
    )
    assert (member.state, member.known_since) == (Stage.ACTIVE, club.clock.now())
    assert not await club.find(Order, purpose="notice", progress=Progress.DUE)


async def test_one_vote_for_each_person(club):
    alice = club.also.person("@alice:there", inside=True, takes_chats=True, admin=True, power=50)
    await adopt.adopt(club.parts, "operator:root")
    number = await club.apply(club.platform.person("@zoe:fake"))
    async with club.store.transaction(CLUB) as tx:
        assert alice in (await tx.get(Application, number)).electorate
        await tx.add(
            Vote(
                club=CLUB,
                application_id=number,
                person_id=await person(tx, alice),
                voter=alice,
                choice=Choice.APPROVE,
                event_id="$1",
                at=club.clock.now(),
            )
        )
    await linked(club, alice, club.alice)
    await club.platform.press(club.alice, club.card_of("Zoe").ref, "✅")
    await club.settle()
    assert (await club.one(Application, id=number)).state is State.IN_REVIEW
    await club.platform.press(club.boris, club.card_of("Zoe").ref, "✅")
    await club.settle()
    assert (await club.one(Application, id=number)).state is State.INVITED


async def test_who_keeps_out_of_a_case_does_so_by_both_accounts(club):
    number = await club.apply(club.platform.person("@zoe:fake"))
    async with club.store.transaction(CLUB) as tx:
        await tx.change(await tx.get(Application, number), involved=(club.there,))
    await linked(club)
    assert club.dana in (await club.one(Application, id=number)).involved


async def person(tx, who):
    return (await tx.first(Account, identity=who)).person_id


async def test_vouches_of_one_person_count_once_and_none_for_oneself(club):
    number = await club.apply(club.platform.person("@zoe:fake"))
    for who in (club.dana, club.there):
        await vouch.give(club.parts, who, number)
    assert len(await club.find(Vouch, ended_at=None)) == 2
    await linked(club)
    assert [one.ended_by for one in await club.find(Vouch)].count("linked") == 1
    async with club.store.look(CLUB) as tx:
        app = await tx.get(Application, number)
        facts = await application_facts(tx, club.policy, app)
    assert facts.vouches == 1
    assert "🤝 Members who vouch: Dana" in club.card_of("Zoe").card.lines


async def test_a_ban_comes_along_and_is_told_to_the_admins(club):
    await club.also.ban(club.there, by=Identity("slack", "@root:there"))
    await club.settle()
    await linked(club)
    said = [m.text for m in club.said_in("admins")]
    assert any("@dana:there is theirs, too" in text for text in said)
    assert (await club.one(Linked)).barred
    async with club.store.transaction(CLUB) as tx:
        app = Application(
            club=CLUB,
            person_id=await person(tx, club.dana),
            identity=club.dana,
            name="x",
            origin="web",
            state=State.IN_REVIEW,
            submitted_at=club.clock.now(),
        )
        facts = await application_facts(tx, club.policy, await tx.add(app))
        assert facts.was_removed
        assert await link.barred(tx, club.there)
        assert not await link.barred(tx, club.dana)


@pytest.mark.parametrize("what", ["application", "dispute", "removal"])
async def test_what_is_under_way_is_waited_for(club, what):
    other = club.there
    if what == "application":
        other = club.also.person("@zoe:there")
        async with club.store.transaction(CLUB) as tx:
            zoe = await tx.add(Person(club=CLUB, name="Zoe"))
            await tx.add(
                Account(
                    club=CLUB,
                    person_id=zoe.id,
                    identity=other,
                    name="Zoe",
                    first_seen_at=club.clock.now(),
                )
            )
            await tx.add(
                Application(
                    club=CLUB,
                    person_id=zoe.id,
                    identity=other,
                    name="Zoe",
                    origin="web",
                    state=State.INVITED,
                    submitted_at=club.clock.now(),
                )
            )
    code = await a_code(club, club.dana)
    member = await club.one(Membership, identity=club.there)
    async with club.store.transaction(CLUB) as tx:
        if what == "dispute":
            await tx.add(
                Dispute(
                    club=CLUB,
                    person_id=member.person_id,
                    membership_id=member.id,
                    stage="noticed",
                    opened_at=club.clock.now(),
                )
            )
        if what == "removal":
            await tx.change(member, state=Stage.CONFIRMED, planned_at=club.clock.now())
            await letting_go.order_everywhere(tx, club.parts, member, club.clock.now())
    with pytest.raises(Refused, match=r"link-(open-application|dispute|later)"):
        await link.use(club.parts, other, code)
    assert not await club.find(Linked)


async def test_the_longer_exemption_goes_on(club):
    now = club.clock.now()
    for who, days in ((club.dana, 3), (club.there, 9)):
        await exempt.exempt(club.parts, who, "why", now.replace(year=now.year + 1, day=days), "x:y")
    await linked(club)
    [kept] = await club.find(Exemption, ended_at=None)
    assert (kept.until.day, kept.person_id) == (9, await person_of(club, club.dana))


async def test_an_admin_can_undo_it_and_both_are_members_again(club):
    number = await club.apply(club.platform.person("@zoe:fake"))
    await vouch.give(club.parts, club.there, number)
    was = await person_of(club, club.there)
    await linked(club)
    await link.unlink(club.parts, club.there, "operator:root")
    await club.settle()
    assert "taken your linked accounts apart" in heard(club, club.there)
    assert "taken your linked accounts apart" in heard(club, club.dana)
    assert await person_of(club, club.there) == was
    assert (await club.one(Vouch)).person_id == was
    for who in (club.dana, club.there):
        person = await person_of(club, who)
        [member] = await club.find(Membership, person_id=person, state__in=tuple(INSIDE))
        assert (member.identity, member.state) == (who, Stage.ACTIVE)
        assert (await codes(club, f"person:{person}"))[-1] == "unlinked"
    with pytest.raises(Refused, match="not-linked"):
        await link.unlink(club.parts, club.there, "operator:root")
    assert "one person" in await linked(club), "and may be linked anew"


async def test_no_membership_comes_back_when_the_first_has_ended(club):
    await linked(club)
    await club.platform.leave(club.dana)
    await club.also.leave(club.there)
    await club.settle()
    await link.unlink(club.parts, club.there, "operator:root")
    assert not [
        one
        for one in await club.find(Membership, state__in=tuple(INSIDE))
        if one.identity in (club.dana, club.there)
    ]


async def test_erasing_takes_what_both_were(club):
    was = await person_of(club, club.there)
    await linked(club)
    await erase.erase(club.parts, club.there, "operator:root")
    assert (await club.one(Person, id=was)).erased_at is not None
    kept = [
        *await club.find(Linked),
        *await club.find(LinkCode),
        *await club.find(Account),
        *await club.find(Person),
        *await club.find(Membership),
    ]
    assert "dana" not in repr(kept).lower()
