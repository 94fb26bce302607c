"""“This is wrong”: it stops whatever was begun, and an admin who did not decide it answers."""

import pytest

from gatekeeper.domain.clubs import Pass
from gatekeeper.domain.decisions import Entry
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import Dispute, Leave, Membership, State
from gatekeeper.testing.fakes_platform import Message
from gatekeeper.usecases import adopt, erase, links, sweep
from tests.journeys.club import CLUB, Club

QUIET, GRACE = 20, 7


class Quiet(Club):
    """A club whose members were asked."""

    async def asked(self, *names: str) -> list[Identity]:
        them = [
            self.platform.person(f"@{name}:fake", inside=True, takes_chats=True) for name in names
        ]
        await adopt.adopt(self.parts, "operator:root")
        await self.pass_time(seconds=QUIET)
        await self.sweep()
        return them

    async def sweep(self) -> None:
        await self.observer.flush()
        await sweep.run(self.parts, f"at-{self.clock.now().isoformat()}")
        await self.settle()

    async def confirmed(self, name: str, by: Identity) -> Identity:
        """Someone whose removal is confirmed, and not done yet."""
        [who] = await self.asked(name)
        await self.pass_time(seconds=GRACE + 1)
        await self.platform.press(by, self.card("removals").ref, "✅")
        return who

    async def state(self, who: Identity) -> State:
        return (await self.find(Membership, identity=who))[-1].state

    def card(self, word: str) -> Message:
        return [m for m in self.cards() if m.card and word in m.card.title][-1]

    def last(self, who: Identity) -> str:
        return self.told(who)[-1].text

    def url(self, message: Message, number: int) -> str:
        return message.links[number].url.rpartition("/")[2]

    async def record(self, who: Identity) -> list[Entry]:
        member = (await self.find(Membership, identity=who))[-1]
        async with self.store.look(CLUB) as tx:
            found: list[Entry] = await tx.entries(subject=f"membership:{member.id}")
        return found


@pytest.fixture
def club(club: Club) -> Quiet:
    club.__class__ = Quiet
    assert isinstance(club, Quiet)
    for admin in (club.alice, club.boris, club.fay):
        club.platform.people[admin.account].takes_chats = True
    return club


FOUR = ["still here", "press ✋", "away until 2027-01-31", "this is wrong"]


@pytest.mark.parametrize("words", FOUR)
async def test_a_notice_tells_its_evidence_its_date_and_four_ways_to_answer(
    club: Quiet, words: str
) -> None:
    [carl] = await club.asked("carl")
    text = club.told(carl)[-1].text
    assert words in text
    assert "by 1 March 2026, 12:00" in text
    assert "20 seconds of silence; we could see 100 %" in text


async def test_away_until_a_day_answers_a_notice(club: Quiet) -> None:
    [carl] = await club.asked("carl")
    await club.platform.write(carl, "I am away until 2026-06-30, at sea")
    await club.settle()
    assert await club.state(carl) is State.ACTIVE
    assert (await club.one(Leave)).until.date().isoformat() == "2026-06-30"
    await club.pass_time(seconds=2 * QUIET)
    assert (await sweep.preview(club.parts)).counts["on-leave"] == 1


WAYS = ["press", "word", "words", "link"]


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_to_say_so_stops_it_and_opens_one_card(club: Quiet, way: str) -> None:
    [carl] = await club.asked("carl")
    notice = club.told(carl)[-1]
    assert "Is this wrong?" in notice.text
    if way == "press":
        await club.platform.press(carl, notice.ref, "🚩")
    elif way == "word":
        await club.platform.write(carl, "This is wrong!")
    elif way == "words":
        await club.platform.write(carl, "das stimmt nicht: I wrote yesterday.")
    else:
        done = await links.use(club.parts, club.url(notice, 1), "browser")
        assert "nobody asks again" in done.sentence
    await club.settle()
    assert await club.state(carl) is State.ACTIVE
    dispute = await club.one(Dispute)
    assert (dispute.stage, dispute.outcome) == ("noticed", "")
    assert ("yesterday" in dispute.said) == (way == "words")
    assert "nobody asks again" in club.last(carl)
    assert len([m for m in club.cards() if m.card and "this is wrong" in m.card.title]) == 1
    assert "disputed" in [one.code for one in await club.record(carl)]


async def test_while_it_is_open_nobody_asks_again_and_there_is_one(club: Quiet) -> None:
    [carl] = await club.asked("carl")
    await club.platform.press(carl, club.told(carl)[-1].ref, "🚩")
    await club.platform.write(carl, "this is wrong, I was at sea")
    await club.settle()
    assert "at sea" in (await club.one(Dispute)).said
    assert "with it" in club.last(carl)
    await club.pass_time(seconds=2 * QUIET)
    await club.sweep()
    assert await club.state(carl) is State.ACTIVE
    plan = await sweep.preview(club.parts)
    assert plan.counts["disputed"] == 1


async def test_a_confirmed_removal_stops_and_another_admin_answers(club: Quiet) -> None:
    carl = await club.confirmed("carl", by=club.alice)
    await club.platform.write(carl, "this is wrong")
    await club.settle()
    assert await club.state(carl) is State.ACTIVE
    ref = club.card("this is wrong").ref
    await club.platform.press(club.alice, ref, "🤝")
    await club.settle()
    assert "another admin answers" in club.last(club.alice)
    assert (await club.one(Dispute)).ended_at is None
    await club.platform.write(club.boris, "keep You are right.", place="admins", thread=ref)
    await club.settle()
    assert (await club.one(Dispute)).outcome == "kept"
    assert "You are right." in club.last(carl)
    last = (await club.record(carl))[-1]
    assert (last.code, last.verdict) == ("dispute-kept", "keep")
    assert not club.card("this is wrong").choices


async def test_the_only_admin_answers_and_it_is_recorded_as_such(club: Quiet) -> None:
    carl = await club.confirmed("carl", by=club.alice)
    for other in (club.boris, club.fay):
        club.platform.people[other.account].places.pop("admins")
    await club.platform.write(carl, "this is wrong")
    await club.settle()
    await club.platform.press(club.alice, club.card("this is wrong").ref, "🤝")
    await club.settle()
    assert (await club.record(carl))[-1].code == "dispute-kept-alone"


async def test_a_no_needs_words_and_takes_a_new_notice_and_a_whole_grace(club: Quiet) -> None:
    [carl] = await club.asked("carl")
    await club.platform.press(carl, club.told(carl)[-1].ref, "🚩")
    await club.settle()
    ref = club.card("this is wrong").ref
    await club.platform.write(club.alice, "no", place="admins", thread=ref)
    await club.settle()
    assert "needs words" in club.last(club.alice)
    await club.platform.write(club.alice, "no you were silent", place="admins", thread=ref)
    await club.settle()
    assert "you were silent" in club.last(carl)
    assert "the whole time" in club.last(carl)
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    member = (await club.find(Membership, identity=carl))[-1]
    assert member.state is State.NOTICED
    assert member.grace_ends_at is not None
    assert (member.grace_ends_at - club.clock.now()).total_seconds() > GRACE - 2


async def test_who_was_let_go_wrongly_is_asked_back(club: Quiet) -> None:
    carl = await club.confirmed("carl", by=club.alice)
    await club.settle()
    assert await club.state(carl) is State.REMOVED
    goodbye = club.told(carl)[-1]
    await links.use(club.parts, club.url(goodbye, 1), "browser")
    await club.settle()
    assert await club.state(carl) is State.REMOVED
    await club.platform.press(club.boris, club.card("this is wrong").ref, "🤝")
    await club.settle()
    assert club.platform.people[carl.account].places["space"] == "invite"
    assert "invitation back" in " ".join(m.text for m in club.told(carl)[-2:])
    await club.platform.join(carl)
    await club.settle()
    assert await club.state(carl) is State.ACTIVE


async def test_it_is_answered_once(club: Quiet) -> None:
    carl = await club.confirmed("carl", by=club.alice)
    await club.settle()
    await club.platform.write(carl, "this is wrong")
    await club.settle()
    ref = club.card("this is wrong").ref
    await club.platform.write(club.boris, "no it was right", place="admins", thread=ref)
    await club.settle()
    await club.platform.write(carl, "this is wrong")
    await club.settle()
    assert len(await club.find(Dispute)) == 1
    assert "answered already" in club.last(carl)


async def test_only_admins_answer_and_never_their_own(club: Quiet) -> None:
    carl, dana = await club.asked("carl", "dana")
    await club.platform.press(carl, club.told(carl)[-1].ref, "🚩")
    await club.settle()
    await club.platform.press(dana, club.told(carl)[0].ref, "🚩")
    await club.settle()
    assert len(await club.find(Dispute)) == 1, "nobody objects for another"
    ref = club.card("this is wrong").ref
    them = club.platform.people
    for who, why in ((dana, "Only this club's admins"), (carl, "their own objection")):
        if who is carl:
            them[carl.account].places["admins"], them[carl.account].power = "join", 100
        await club.platform.press(who, ref, "🤝")
        await club.settle()
        assert why in club.last(who)
    assert (await club.one(Dispute)).ended_at is None


async def test_admins_are_reminded_and_a_ban_ends_it(club: Quiet) -> None:
    [carl] = await club.asked("carl")
    await club.platform.press(carl, club.told(carl)[-1].ref, "🚩")
    await club.settle()
    club.clock.advance(seconds=3 * 86400 + 1)
    await club.settle()
    assert [m for m in club.said_in("admins") if "still waits" in m.text]
    await club.platform.ban(carl, club.fay, "")
    await club.settle()
    assert (await club.one(Dispute)).outcome == "ended"
    assert not club.card("this is wrong").choices


async def test_erased_nothing_of_their_words_is_left(club: Quiet) -> None:
    [carl] = await club.asked("carl")
    await club.platform.write(carl, "this is wrong: my secret")
    await club.settle()
    await erase.erase(club.parts, carl, "operator:test")
    await club.settle()
    assert "secret" not in repr(await club.find(Dispute))
    assert "secret" not in repr(club.card("this is wrong").card)
    assert carl.account not in repr(club.card("this is wrong").card)
    assert not await club.find(Pass, act="wrong")
    with pytest.raises(Refused):
        await links.use(club.parts, "gone", "browser")
