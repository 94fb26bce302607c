"""Promises that are easily broken by a later change: each was broken once."""

import pytest

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.decisions import Entry, Order
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.identity import Account
from gatekeeper.usecases import apply, erase, links, passes
from tests.journeys.club import ANSWERS, CLUB, Club


async def record(club: Club) -> list[Entry]:
    """The whole record."""
    async with club.store.look(CLUB) as tx:
        return await tx.entries(limit=1000)


def form(club: Club, account: str, browser: str) -> apply.Submission:
    """A form that names an account."""
    return apply.Submission(
        identity=club.platform.parse_identity(account),
        answers=ANSWERS,
        browser=browser,
        address="192.0.2.1",
    )


async def test_a_stranger_who_says_stop_gets_no_more_codes(club: Club) -> None:
    vic = club.platform.person("@vic:fake", takes_chats=True)
    await apply.submit(club.parts, form(club, "@vic:fake", "a prankster's"))
    await club.settle()
    await club.platform.write(vic, "Stop!")
    with pytest.raises(Refused) as refused:
        await apply.submit(club.parts, form(club, "@vic:fake", "again"))
    assert refused.value.reason == "proof-refused"


async def test_no_review_opens_that_nobody_could_decide(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    for admin in ("@fay:fake", "@alice:fake", "@boris:fake"):
        club.platform.people[admin].places.pop("admins")
    number = await club.apply(ada)
    waiting = await club.one(Application, id=number)
    assert (waiting.state, waiting.opened_at) == (State.IN_REVIEW, None)
    for admin in ("@fay:fake", "@alice:fake", "@boris:fake"):
        club.platform.people[admin].places["admins"] = "join"
    await club.pass_time(seconds=61)
    opened = await club.one(Application, id=number)
    assert len(opened.electorate) == 3
    assert len(club.cards()) == 1


async def test_the_card_counts_as_the_decision_does(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    number = await club.apply(ada)
    ref = club.card_of("Ada").ref
    await club.platform.press(club.alice, ref, "✅")
    club.platform.people["@alice:fake"].power = 0
    await club.platform.press(club.boris, ref, "✅")
    await club.settle()
    card = club.card_of("Ada").card
    assert card is not None
    assert any("1 of 2" in line for line in card.lines), card.lines
    assert (await club.one(Application, id=number)).state is State.IN_REVIEW


async def test_what_admins_do_by_hand_to_strangers_is_recorded_as_theirs(club: Club) -> None:
    bob = club.platform.person("@bob:fake", takes_chats=True)
    await club.platform.knock(bob, "hello")
    await club.settle()
    secret = club.told(bob)[-1].links[0].url.rpartition("/")[2]
    await club.platform.put_out_by_hand(bob, club.fay, "not today")
    entry = (await record(club))[-1]
    assert (entry.code, entry.verdict) == ("turned-away-by-hand", "record")
    with pytest.raises(Refused) as refused:
        await links.inspect(club.parts, secret)
    assert refused.value.reason == "link-withdrawn"


async def test_no_secret_waits_in_the_outbox(club: Club) -> None:
    bob = club.platform.person("@bob:fake")  # never takes up a chat
    await club.platform.knock(bob, "hello")
    await apply.submit(club.parts, form(club, "@ada:fake", "b"))
    orders = await club.find(Order)
    async with club.store.look(CLUB) as tx:
        told = [await passes.reveal(tx, club.parts, one.action, one.key) for one in orders]
    secrets = [link.url.rpartition("/")[2] for one in told for link in getattr(one, "links", ())]
    codes = [w.strip(".") for one in told for w in one.text.split() if w.strip(".").isdigit()]  # type: ignore[union-attr]
    assert len(secrets) == 1
    assert any(len(code) == 6 for code in codes)
    for secret in (*secrets, *(code for code in codes if len(code) == 6)):
        assert secret not in str(orders)


async def test_an_erased_admin_stands_nowhere(club: Club) -> None:
    await club.admit("ada")
    async with club.store.look(CLUB) as tx:
        alice = await tx.first(Account, identity=club.alice)
    assert alice is not None
    await erase.erase(club.parts, club.alice, "operator:test")
    app = await club.one(Application)
    assert "alice" not in repr(await record(club)).lower()
    assert "alice" not in f"{app.electorate} {app.decided_by}".lower()
    assert await club.store.verify(CLUB) > 0


async def test_a_lost_browser_gets_back_by_a_word(club: Club) -> None:
    ada = club.platform.person("@ada:fake", takes_chats=True)
    number = await club.apply(ada)
    await club.platform.write(ada, "status")
    await club.settle()
    secret = club.told(ada)[-1].links[0].url.rpartition("/")[2]
    await links.use(club.parts, secret, "another browser")
    found = await apply.mine(club.parts, "another browser")
    assert found is not None
    assert found.id == number


async def test_a_question_nobody_has_read_yet_ends_with_the_decision(club: Club) -> None:
    ada = club.platform.person("@ada:fake")
    await club.apply(ada)
    ref = club.card_of("Ada").ref
    await club.platform.leave_chat(ada)
    await club.platform.press(club.alice, ref, "❓")
    await club.settle()
    await club.platform.write(club.alice, "Which clocks?", place="admins", thread=ref)
    await club.settle()
    for admin in (club.boris, club.fay):
        await club.platform.press(admin, ref, "✅")
    await club.settle()
    asked = await club.one(Order, purpose="question")
    assert (asked.progress.value, asked.reason) == ("cancelled", "decided")
