"""One person on two platforms: asked where they can be reached, let go everywhere or nowhere."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gatekeeper.domain.decisions import (
    Action,
    Admit,
    Entry,
    Order,
    Progress,
    Receipt,
    Remove,
)
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.policy.parse import load_policy
from gatekeeper.testing.fakes import FakePlatform, FakeStore, ManualClock
from gatekeeper.usecases import adopt, erase, findings, letting_go, links, reconcile, sweep
from gatekeeper.usecases.intake import Desk
from gatekeeper.usecases.observe import Observer
from gatekeeper.usecases.perform import Performer
from tests.journeys.club import CLUB, Club, a_club
from tests.journeys.test_killed import Reaper

QUIET, GRACE = 20, 7  # seconds


class Both(Club):
    """The club on two platforms; `also` is the second one."""

    also: FakePlatform

    async def begin(self) -> None:
        """Listen on the second platform, too."""
        await self.platform.stop()
        self.also = FakePlatform(self.clock, "slack")
        platforms = {"matrix": self.platform, "slack": self.also}
        self.parts = replace(self.parts, platforms=platforms)
        self.observer = Observer(self.parts)
        self.desk = Desk(self.parts, self.observer)
        self.performer = Performer(self.parts)
        await self.platform.start(self.desk)
        await self.also.start(self.desk)

    async def a_member(self, name: str, takes_chats: bool = True) -> tuple[Identity, Identity]:
        """A member from before with an account on each platform."""
        here = self.platform.person(f"@{name}:fake", inside=True, takes_chats=takes_chats)
        await adopt.adopt(self.parts, "operator:root")
        there = self.also.person(f"@{name}:there", inside=True, takes_chats=True)
        member = await self.one(Membership, identity=here)
        async with self.store.transaction(CLUB) as tx:
            account = await tx.first(Account, identity=here)
            assert account is not None
            await tx.add(replace(account, id=0, identity=there, roles=()))
        assert member.state is State.ACTIVE
        return here, there

    async def sweep(self) -> None:
        await self.observer.flush()
        await sweep.run(self.parts, f"at-{self.clock.now().isoformat()}")
        await self.settle()

    async def state(self, who: Identity) -> State:
        return (await self.find(Membership, identity=who))[-1].state

    async def confirm(self, by: Identity | None = None) -> None:
        card = [m for m in self.cards() if m.card and "removals" in m.card.title][-1]
        await self.platform.press(by or self.alice, card.ref, "✅")

    def line(self) -> str:
        """What the card says of the only one on it."""
        card = [m for m in self.cards() if m.card and "removals" in m.card.title][-1].card
        assert card is not None
        return card.facts[0][1]

    async def codes(self, who: Identity) -> list[str]:
        """The record of a membership."""
        member = (await self.find(Membership, identity=who))[-1]
        async with self.store.look(CLUB) as tx:
            found: list[Entry] = await tx.entries(subject=f"membership:{member.id}")
        return [one.code for one in found]

    def inside(self, who: Identity) -> bool:
        people = self.platform.people if who.platform == "matrix" else self.also.people
        return people[who.account].places.get("space") == "join"


@pytest.fixture
async def club(club: Club) -> AsyncIterator[Both]:
    club.__class__ = Both
    assert isinstance(club, Both)
    await club.begin()
    yield club
    await club.also.stop()


async def to_planned(club: Both, name: str) -> tuple[Identity, Identity]:
    both = await club.a_member(name)
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.pass_time(seconds=GRACE + 1)
    assert await club.state(both[0]) is State.PLANNED
    return both


# ---- Asked where they can be reached ---------------------------------------------------------


async def test_a_sign_on_the_other_platform_counts(club: Both) -> None:
    here, there = await club.a_member("carl")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    assert await club.state(here) is State.NOTICED
    await club.also.live(there)
    await club.settle()
    assert await club.state(here) is State.ACTIVE


async def test_a_refused_notice_goes_to_the_next_account(club: Both) -> None:
    here, there = await club.a_member("carl")
    club.platform.refuse(here, "no-such-person")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    assert await club.state(here) is State.NOTICED
    [asked] = [m for m in club.also.messages.values() if m.to == there.account]
    assert "still here" in asked.text
    assert {"notice-failed", "notice-elsewhere", "notice-delivered"} <= set(await club.codes(here))
    await club.also.press(there, asked.ref, "✋")
    await club.settle()
    assert await club.state(here) is State.ACTIVE


async def test_a_chat_not_taken_up_leads_to_the_next_account_after_a_while(club: Both) -> None:
    here, _ = await club.a_member("carl", takes_chats=False)
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    assert await club.state(here) is State.NOTIFYING
    assert not club.also.messages, "a chat may be taken up a moment later"
    await club.pass_time(seconds=GRACE)
    member = await club.one(Membership, identity=here)
    assert member.state is State.NOTICED
    assert member.grace_ends_at is not None
    assert member.noticed_at is not None
    assert member.grace_ends_at >= member.noticed_at + timedelta(seconds=GRACE)
    await club.platform.take_chat(here)
    await club.settle()
    assert len(await club.find(Order, purpose="notice", progress=Progress.DONE)) == 1, "asked once"


async def test_nobody_reached_is_shown_by_name_and_never_removed_by_itself(club: Both) -> None:
    here, there = await club.a_member("carl")
    for platform, who in ((club.platform, here), (club.also, there)):
        platform.refuse(who, "no-such-person")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.pass_time(seconds=4 * GRACE)
    await club.sweep()
    assert await club.state(here) is State.NOTIFYING
    assert str(here) in club.line()
    assert str(there) in club.line()
    assert "Not by e-mail" in club.line()
    assert (await club.codes(here)).count("notice-nowhere") == 1
    assert not await club.find(Order, purpose="removal")


# ---- Let go everywhere, or nowhere -----------------------------------------------------------


async def test_removed_on_every_platform_and_back_on_every_one(club: Both) -> None:
    here, there = await to_planned(club, "carl")
    await club.confirm()
    await club.settle()
    assert await club.state(here) is State.REMOVED
    assert not club.inside(here)
    assert not club.inside(there)
    assert (await club.codes(here)).count("removed-for-silence") == 1
    [goodbye] = await club.find(Order, purpose="goodbye")
    assert goodbye.progress is Progress.DONE
    secret = club.told(here)[-1].links[0].url.rpartition("/")[2]
    await links.use(club.parts, secret, "browser")
    await club.settle()
    await club.platform.join(here)
    await club.settle()
    assert await club.state(here) is State.ACTIVE
    assert club.also.people[there.account].places.get("space") == "invite"


async def test_one_platform_refuses_the_other_is_kept_and_a_word_tries_again(club: Both) -> None:
    here, there = await to_planned(club, "carl")
    club.also.refuse(there, "no-power")
    await club.confirm()
    await club.settle()
    assert await club.state(here) is State.CONFIRMED, "not out as long as one of them stands"
    assert f"Done: {here}" in club.line()
    assert f"Not done: {there}" in club.line()
    assert "by hand" in club.line()
    club.also.refuse(there, "")
    await club.confirm(club.boris)
    await club.settle()
    assert await club.state(here) is State.REMOVED
    acts = [one for _, one in club.platform.performed if isinstance(one, Remove)]
    assert len(acts) == 1, "what was done is not done again"


async def test_taken_out_there_by_hand_is_seen_at_the_next_word(club: Both) -> None:
    here, there = await to_planned(club, "carl")
    club.also.refuse(there, "no-power")
    await club.confirm()
    await club.settle()
    boss = club.also.person("@fay:there", admin=True)
    club.also.refuse(there, "")
    await club.also.put_out_by_hand(there, boss, "")
    await club.settle()
    assert await club.state(here) is State.REMOVED


async def test_a_platform_that_is_down_is_tried_until_it_is_back(club: Both) -> None:
    here, there = await to_planned(club, "carl")
    await club.confirm()
    club.also.down = True
    await club.settle()
    await club.pass_time(seconds=5)
    assert await club.state(here) is State.CONFIRMED
    assert club.inside(there)
    club.also.down = False
    await club.pass_time(seconds=90)
    assert await club.state(here) is State.REMOVED


async def test_a_sign_between_the_two_brings_the_first_one_back(club: Both) -> None:
    here, there = await to_planned(club, "carl")
    club.also.refuse(there, "no-power")
    await club.confirm()
    await club.settle()
    assert not club.inside(here)
    club.also.refuse(there, "")
    await club.also.live(there)
    await club.settle()
    assert await club.state(here) is State.ACTIVE
    assert club.inside(there)
    assert club.platform.people[here.account].places.get("space") == "invite"
    await club.platform.join(here)
    await club.settle()
    assert await club.state(here) is State.ACTIVE


async def test_killed_between_the_two(club: Both) -> None:
    here, _ = await to_planned(club, "carl")
    await club.confirm()
    first, _ = await club.find(Order, purpose="removal")
    await club.performer.perform(first.id, first.attempt)
    club.performer = Performer(club.parts)  # a new process
    assert await club.state(here) is State.CONFIRMED
    await club.settle()
    assert await club.state(here) is State.REMOVED
    for platform in (club.platform, club.also):
        assert len([one for _, one in platform.performed if isinstance(one, Remove)]) == 1


async def test_a_lost_answer_and_a_sign_bring_back_what_was_put_out(club: Both) -> None:
    here, there = await to_planned(club, "carl")
    await club.confirm()
    _, second = await club.find(Order, purpose="removal")
    club.also.lose_answers()
    await club.performer.perform(second.id, second.attempt)
    assert not club.inside(there)
    await club.platform.live(here)
    await club.pass_time(seconds=90)
    assert await club.state(here) is State.ACTIVE
    assert club.inside(here)
    assert club.also.people[there.account].places.get("space") == "invite"


async def test_an_account_that_was_never_inside_is_not_asked_in(club: Both) -> None:
    here, there = await to_planned(club, "carl")
    club.also.people[there.account].places.clear()
    await club.confirm()
    await club.observer.flush()
    await club.platform.live(here)
    await club.settle()
    assert await club.state(here) is State.ACTIVE
    assert not [one for _, one in club.also.performed if isinstance(one, Admit)]


@pytest.mark.parametrize("seed", range(10))
async def test_however_often_it_is_killed_everyone_is_out_everywhere_once(
    club: Both, seed: int
) -> None:
    here, _ = await to_planned(club, "carl")
    other, _ = await club.a_member("dana")  # came in just now: nobody asks them
    reaper = Reaper(club, seed)
    answer = club.also.perform

    async def deadly(action: Action, key: str, ordered_at: datetime) -> Receipt:
        reaper.strike()
        receipt = await answer(action, key, ordered_at)
        reaper.strike()
        return receipt

    club.also.perform = deadly  # type: ignore[method-assign]
    await reaper.until_done(club.confirm, again=False)
    for _ in range(4):
        await reaper.until_done(club.settle)
        club.clock.advance(seconds=40)
    reaper.armed = False
    await club.settle()
    assert await club.state(here) is State.REMOVED
    for platform in (club.platform, club.also):
        assert len([one for _, one in platform.performed if isinstance(one, Remove)]) == 1
    codes = await club.codes(here)
    assert codes.count("removal-confirmed") == codes.count("removed-for-silence") == 1
    assert len([m for m in club.told(here) if m.links and m.links[0].label == "Come back"]) == 1
    assert club.inside(other)
    assert await club.store.verify(CLUB) > 0


async def test_erased_and_taken_out_they_are_out_everywhere(club: Both) -> None:
    here, there = await club.a_member("carl")
    await erase.erase(club.parts, here, "operator:test", remove=True)
    await club.settle()
    assert not club.inside(here)
    assert not club.inside(there)


async def test_an_admin_of_the_other_platform_is_not_put_out_of_this_one(club: Both) -> None:
    here, there = await to_planned(club, "carl")
    await club.confirm()
    carl = club.also.people[there.account]
    carl.places["admins"], carl.power = "join", 100
    await club.settle()
    assert await club.state(here) is State.ACTIVE
    assert club.inside(here)
    assert club.inside(there)


async def test_whoever_is_inside_by_another_account_is_not_said_to_be_outside(club: Both) -> None:
    here, there = await club.a_member("carl")
    club.platform.people[here.account].places.clear()
    found = (await reconcile.run(club.parts, "operator:root")).findings
    await findings.apply(club.parts, "operator:root", braked=False)
    assert club.inside(there)
    assert await club.state(here) is State.ACTIVE, [one.code for one in found]


# ---- Leaving one of two ------------------------------------------------------------------------


async def test_who_leaves_one_platform_stays_a_member_on_the_other(club: Both) -> None:
    here, there = await club.a_member("carl")
    await club.platform.leave(here)
    await club.settle()
    assert await club.state(there) is State.ACTIVE
    assert await club.codes(there) == ["adopted", "stays-elsewhere"]
    await club.also.leave(there)
    await club.settle()
    assert await club.state(there) is State.DEPARTED


# ---- Accounts that end with it -----------------------------------------------------------------

ENDS = {
    "inviteToRooms: false": "inviteToRooms: false\n    slack: {channel: {alias: hall}, "
    "adminChannel: {alias: desk}, removal: deactivateAccount}"
}


@pytest.fixture
async def ending() -> AsyncIterator[Both]:
    """The club, with a policy by which accounts on Slack end with a removal."""
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    async with a_club(FakeStore(ManualClock(at)), at, **ENDS) as club:
        club.__class__ = Both
        assert isinstance(club, Both)
        await club.begin()
        yield club
        await club.also.stop()


async def let_go(club: Both, name: str) -> tuple[Identity, Identity]:
    here, there = await to_planned(club, name)
    await club.confirm()
    await club.settle()
    assert await club.state(here) is State.REMOVED
    return here, there


async def test_an_account_ends_a_day_after_the_goodbye_and_that_is_said(ending: Both) -> None:
    here, there = await let_go(ending, "ada")
    notice, *_, goodbye = [m.text for m in ending.told(here)]
    assert "loses the account in the Slack workspace" in notice
    assert "your account in the Slack workspace ends as well" in goodbye
    await ending.pass_time(seconds=60)
    assert not ending.also.ended
    ending.clock.advance(hours=24)
    await ending.settle()
    assert ending.also.ended == {there.account}
    assert not ending.platform.ended


@pytest.mark.parametrize("how", ["back", "anew", "erased", "policy"])
async def test_an_account_does_not_end_that_is_not_to_any_more(ending: Both, how: str) -> None:
    here, _ = await let_go(ending, "ada")
    if how == "back":
        link = ending.told(here)[-1].links[0].url.rpartition("/")[2]
        await links.use(ending.parts, link, "a browser")
    elif how == "anew":
        await ending.apply(here)
    elif how == "erased":
        await erase.erase(ending.parts, here, "operator:root")
    else:
        text = ending.parts.policy.text.replace("deactivateAccount", "leaveChannels")
        async with ending.store.transaction(CLUB) as tx:
            await ending.parts.shelf.put(tx, load_policy(text, "house-rules.yaml"))
    ending.clock.advance(hours=25)
    await ending.settle()
    assert not ending.also.ended


async def test_by_name_and_by_oneself_nobodys_account_ends(ending: Both) -> None:
    here, there = await ending.a_member("ada")
    await ending.platform.put_out_by_hand(here, ending.alice, "conduct")
    await ending.also.leave(there)
    ending.clock.advance(hours=25)
    await ending.settle()
    assert not ending.also.ended


async def come_back(club: Both, here: Identity) -> None:
    """By the link of the goodbye, and up to the invitation on every platform."""
    link = club.told(here)[-1].links[0].url.rpartition("/")[2]
    await links.use(club.parts, link, "a browser")
    await club.settle()
    await club.platform.join(here)
    await club.settle()


async def test_whoever_comes_back_has_the_account_again_that_we_had_ended(ending: Both) -> None:
    here, there = await let_go(ending, "ada")
    ending.clock.advance(hours=25)
    await ending.settle()
    assert ending.also.ended == {there.account}
    await come_back(ending, here)
    assert await ending.state(here) is State.ACTIVE
    assert not ending.also.ended
    await ending.also.join(there)
    ending.also.ended.add(there.account)  # by an admin of the workspace, of their own accord
    async with ending.store.look(CLUB) as tx:
        [account] = await tx.find(Account, identity=there)
        assert not await letting_go.is_account_ended(tx, account.person_id, there)


async def test_an_account_that_somebody_else_has_closed_stays_closed(ending: Both) -> None:
    here, there = await let_go(ending, "ada")
    ending.also.ended.add(there.account)
    ending.clock.advance(hours=25)
    await ending.settle()  # nothing is left for us to end
    await come_back(ending, here)
    assert await ending.state(here) is State.ACTIVE
    assert ending.also.ended == {there.account}
