"""Applicants without an account: an address stands for it, until one arrives with that address."""

import re
from dataclasses import replace

import pytest

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.decisions import Order, Progress
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.events import Arrived
from gatekeeper.domain.identity import EMAIL, Account, Address, Identity
from gatekeeper.domain.memberships import Membership
from gatekeeper.testing.fakes_mail import FakeMail
from gatekeeper.usecases import (
    apply,
    audit,
    erase,
    links,
    outside_card,
    questions,
    reconcile,
    take_back,
)
from gatekeeper.usecases.apply import Submission
from gatekeeper.usecases.intake import Desk
from gatekeeper.usecases.newcomer_card import STANDS
from gatekeeper.usecases.observe import Observer
from gatekeeper.usecases.perform import Performer
from tests.journeys.club import ANSWERS, CLUB
from tests.usecases.stores import KINDS, a_club_on

ADDRESS = "zoe.q@post.example"
BOTH = pytest.mark.parametrize("club", KINDS, indirect=True)


@pytest.fixture(params=["memory"])
async def club(request, tmp_path):
    """The club on a platform into which people are invited by hand, with a mail server."""
    async with a_club_on(request.param, tmp_path) as found:
        await found.platform.stop()
        found.platform.by_hand = lambda: "outside.slack"
        found.mail = FakeMail(found.clock)
        found.parts = replace(found.parts, mailer=found.mail)
        found.observer = Observer(found.parts)
        found.desk = Desk(found.parts, found.observer)
        found.performer = Performer(found.parts)
        await found.platform.start(found.desk)
        yield found


def newest(club):
    return club.mail.to(ADDRESS)[-1]


async def applied(club, browser="hers", name="Zoe"):
    sent = Submission(
        identity=Identity(EMAIL, ADDRESS),
        name=name,
        answers=ANSWERS,
        browser=browser,
        address="192.0.2.1",
    )
    app = await apply.submit(club.parts, sent)
    await club.settle()
    code = re.search(r"\b(\d{6})\b", newest(club).text)[1]
    app = await apply.prove(club.parts, app.id, browser, code)
    await club.settle()
    return app.id


async def approved(club, name="Zoe"):
    number = await applied(club, name=name)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of(f"#{number}").ref, "✅")
    await club.settle()
    return number


async def arrive(club, who, email=ADDRESS, name="Zoe"):
    event = Arrived(
        who=who,
        at=club.clock.now(),
        event_id=f"arrived:{who.account}",
        name=name,
        email=email,
    )
    await club.desk.handle(event)
    await club.settle()


async def application(club, number):
    return await club.one(Application, id=number)


def step(club):
    """The newest card of somebody who is to come."""
    found = [m.card for m in club.cards() if "is to come to" in m.card.title]
    return found[-1] if found else None


async def told(club):
    """What was last said to somebody for their eyes alone."""
    return (await club.find(Order, purpose="told"))[-1].action.text


def newcomers(club):
    """The cards that ask who somebody is."""
    return [m for m in club.cards() if m.card.title.startswith("Who is")]


# ---- The straight way --------------------------------------------------------------------------


@BOTH
async def test_from_the_form_over_a_guided_step_into_the_club(club):
    number = await approved(club)
    app = await application(club, number)
    assert (app.state, app.identity) == (State.APPROVED, Identity(EMAIL, ADDRESS))
    card = step(club)
    assert ADDRESS in repr(card.facts)
    assert "Invite people to" in repr(card.facts)
    assert not card.choices
    assert "this very address" in newest(club).text
    assert newest(club).links, "from any browser to the standing page"
    assert not await club.find(Order, purpose="invitation")
    zoe = club.platform.person("@zoe:fake", takes_chats=True)
    await arrive(club, zoe, "Zoe.Q@POST.example")
    app = await application(club, number)
    assert (app.state, app.identity) == (State.INVITED, zoe)
    assert "✔" in step(club).status
    assert ADDRESS not in repr(step(club))
    await club.platform.join(zoe)
    await club.settle()
    member = await club.one(Membership, identity=zoe)
    assert member.person_id == app.person_id
    assert (await application(club, number)).state is State.ADMITTED
    accounts = await club.find(Account, person_id=app.person_id)
    assert [one.identity for one in accounts] == [zoe]
    kept = await club.one(Address, person_id=app.person_id)
    assert kept.confirmed_at is not None, "letters may go there where no chat reaches them"
    await arrive(club, zoe)
    assert len(await club.find(Order, purpose="invitation")) == 1
    assert not await club.find(Order, progress=Progress.FAILED)


async def test_where_the_platform_invites_no_admin_has_to(club):
    club.platform.brings = "outside.by-invitation"
    number = await approved(club)
    assert "Nothing is to be done" in step(club).status
    assert "Slack has sent an invitation" in repr(step(club).facts)
    zoe = club.platform.person("@zoe:fake", takes_chats=True)
    await arrive(club, zoe)
    assert (await application(club, number)).state is State.INVITED
    assert "✔" in step(club).status


async def test_an_account_that_is_there_already_is_let_in_and_nobody_invited(club):
    zoe = club.platform.person("@zoe:fake", takes_chats=True)
    club.platform.addresses[ADDRESS] = zoe
    number = await approved(club)
    app = await application(club, number)
    assert (app.state, app.identity) == (State.INVITED, zoe)
    assert not [one for one in club.cards() if "by hand" in one.card.status]


async def test_an_invitation_that_is_refused_is_asked_of_the_admins(club):
    club.platform.refuse(Identity(EMAIL, ADDRESS), "no-such-address")
    number = await approved(club)
    assert (await application(club, number)).state is State.APPROVED
    assert "by hand" in step(club).status
    assert "invite by hand, as the card says" in club.platform.posted()[-1].text


async def test_whoever_came_unseen_is_found_by_the_daily_look(club):
    number = await approved(club)
    zoe = club.platform.person("@zoe:fake", takes_chats=True)
    club.platform.addresses[ADDRESS] = zoe
    for _ in range(2):
        await reconcile.run(club.parts, "schedule")
        await club.settle()
    app = await application(club, number)
    assert (app.state, app.identity) == (State.INVITED, zoe)
    assert len(await club.find(Order, purpose=outside_card.BRING)) == 2


async def test_whoever_came_unseen_is_found_by_the_last_look(club):
    number = await approved(club)
    club.platform.addresses[ADDRESS] = zoe = club.platform.person("@zoe:fake", takes_chats=True)
    await club.pass_time(seconds=9)
    app = await application(club, number)
    assert (app.state, app.identity) == (State.INVITED, zoe)


async def test_an_invitation_that_is_not_meant_any_more_is_not_made(club):
    number = await applied(club)
    await club.platform.press(club.alice, club.card_of(f"#{number}").ref, "✅")
    club.platform.brings = "outside.by-invitation"
    club.platform.busy(2, times=20)
    await club.platform.press(club.boris, club.card_of(f"#{number}").ref, "✅")
    await club.settle()
    await take_back.by_operator(club.parts, number, "We are full.", "root")
    club.platform._busy.clear()
    await club.pass_time(seconds=5)
    [bring] = await club.find(Order, purpose=outside_card.BRING)
    assert bring.progress is Progress.CANCELLED


async def test_an_account_that_comes_straight_into_the_club_is_known_too(club):
    number = await approved(club)
    zoe = club.platform.person("@zoe:fake")
    joined = replace(_joined(club, zoe), email=ADDRESS)
    await club.desk.handle(joined)
    await club.settle()
    assert (await application(club, number)).state is State.ADMITTED
    assert await club.one(Membership, identity=zoe)


def _joined(club, who):
    from gatekeeper.domain.events import Joined

    return Joined(who=who, at=club.clock.now(), event_id="j", name="Zoe")


async def test_an_address_is_no_name(club):
    number = await approved(club, name="")
    zoe = club.platform.person("@zoe:fake")
    await arrive(club, zoe)
    await club.platform.join(zoe)
    await club.settle()
    assert (await application(club, number)).name == "Zoe"
    assert ADDRESS not in repr(await club.find(Membership))


async def test_whoever_comes_during_the_review_is_told_by_chat_from_then_on(club):
    number = await applied(club)
    zoe = club.platform.person("@zoe:fake", takes_chats=True)
    await arrive(club, zoe)
    app = await application(club, number)
    assert (app.state, app.identity) == (State.IN_REVIEW, zoe)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of(f"#{number}").ref, "✅")
    await club.settle()
    assert (await application(club, number)).state is State.INVITED
    assert step(club) is None


# ---- Nobody by a name, nobody twice ------------------------------------------------------------


@pytest.mark.parametrize(
    "email",
    ["", "zoe@post.example", "zoe.q@post.example.evil.example", "zoe.q+x@post.example", "Zoe"],
)
async def test_another_address_lets_nobody_in_and_goes_to_the_admins(club, email):
    number = await approved(club)
    other = club.platform.person("@zoe:fake")
    await arrive(club, other, email)
    app = await application(club, number)
    assert (app.state, app.identity) == (State.APPROVED, Identity(EMAIL, ADDRESS))
    assert not await club.find(Order, purpose="invitation")
    [asked] = newcomers(club)
    assert f"#{number}" in repr(asked.card.facts)
    seen = "none of those that we wait for" in asked.card.status  # only where we were told theirs
    assert seen == ("@" in email)
    await arrive(club, other, email)
    assert len(newcomers(club)) == 1


async def test_a_second_account_with_the_address_is_nobodys(club):
    number = await approved(club)
    zoe, second = club.platform.person("@zoe:fake"), club.platform.person("@zoe2:fake")
    await arrive(club, zoe)
    await arrive(club, second)
    assert (await application(club, number)).identity == zoe
    assert [one.action.who for one in await club.find(Order, purpose="invitation")] == [zoe]


async def test_an_account_that_is_somebody_elses_already_takes_nobodys_place(club):
    bert = await club.admit("bert")
    number = await approved(club)
    await arrive(club, bert)
    app = await application(club, number)
    assert (app.state, app.identity.platform) == (State.APPROVED, EMAIL)
    [asked] = newcomers(club)
    await club.platform.press(club.alice, asked.ref, "🟢")
    await club.settle()
    assert (await application(club, number)).identity.platform == EMAIL
    assert "somebody whom we know already" in await told(club)


async def stranger(club):
    """Somebody with another address, and the card that asks who they are."""
    other = club.platform.person("@zoe:elsewhere", takes_chats=True)
    await arrive(club, other, "zoe@elsewhere.example")
    [asked] = newcomers(club)
    return other, asked


async def test_an_admins_word_stands_in_for_the_address(club):
    number = await approved(club)
    other, asked = await stranger(club)
    await club.platform.press(other, asked.ref, "🟢")
    await club.settle()
    assert (await application(club, number)).identity.platform == EMAIL, "not their own"
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, asked.ref, "🟢")
    await club.settle()
    app = await application(club, number)
    assert (app.state, app.identity) == (State.INVITED, other)
    assert len(await club.find(Order, purpose="invitation")) == 1
    assert "it is Zoe" in newcomers(club)[0].card.status
    assert not newcomers(club)[0].card.choices
    await club.platform.join(other)
    await club.settle()
    member = await club.one(Membership, identity=other)
    assert member.person_id == app.person_id
    async with club.store.look(CLUB) as tx:
        [entry] = [
            one
            for one in await tx.entries(subject=f"application:{number}")
            if one.code == "outside-is"
        ]
    assert entry.actor.startswith("person:")


async def test_whoever_is_inside_already_is_a_member_by_that_word(club):
    """As by Slack Connect, which lets people into the channel before anybody is asked."""
    number = await approved(club)
    other = club.platform.person("@zoe:elsewhere", takes_chats=True)
    await club.platform.invite_by_hand(other, club.platform.bot)
    await club.platform.join(other)
    await club.settle()
    assert not await club.find(Membership, identity=other)
    [asked] = newcomers(club)
    await club.platform.press(club.alice, asked.ref, "🟢")
    await club.settle()
    assert (await application(club, number)).state is State.ADMITTED
    assert await club.one(Membership, identity=other)


async def test_none_of_them_lets_nobody_in(club):
    number = await approved(club)
    other, asked = await stranger(club)
    await club.platform.press(club.alice, asked.ref, "🚫")
    await club.platform.press(club.boris, asked.ref, "🟢")
    await club.settle()
    assert (await application(club, number)).identity.platform == EMAIL
    assert "none of those who are awaited" in newcomers(club)[0].card.status
    assert not await club.find(Order, purpose="invitation")
    await arrive(club, other, "zoe@elsewhere.example")
    assert len(newcomers(club)) == 1, "asked once"


async def test_a_word_that_comes_too_late_changes_nothing(club):
    number = await approved(club)
    _, asked = await stranger(club)
    zoe = club.platform.person("@zoe:fake", takes_chats=True)
    await arrive(club, zoe)
    await club.platform.press(club.alice, asked.ref, "🟢")
    await club.settle()
    assert (await application(club, number)).identity == zoe
    assert "not awaited any more" in await told(club)


@pytest.mark.parametrize("days", [1, 91])
async def test_an_invitation_that_outlives_its_application_lets_nobody_in_unseen(club, days):
    """Slack Connect's cannot be called back: who takes it up is inside before anybody is asked."""
    club.platform.brings = "outside.by-connect"
    number = await approved(club)
    await apply.withdraw(club.parts, number, f"{EMAIL}:{ADDRESS}")
    await club.settle()
    club.clock.advance(days=days)
    await club.settle()
    other = club.platform.person("@zoe:elsewhere")
    await arrive(club, other, "zoe@elsewhere.example")
    assert not newcomers(club), "in the workspace, and nowhere of the club's"
    await club.platform.invite_by_hand(other, club.platform.bot)
    await club.platform.join(other)
    await club.settle()
    assert not await club.find(Membership, identity=other)
    cards = [one.card for one in newcomers(club)]
    if days > STANDS.days:
        assert not cards
    else:
        [asked] = cards
        assert (f"#{number}", "Zoe") == (asked.facts[0][0], asked.facts[0][1][:3])
        assert [one.symbol for one in asked.choices] == ["🚫"], "the application has ended"
    assert (await application(club, number)).state is State.WITHDRAWN


async def test_whoever_was_never_invited_there_leaves_no_invitation_behind(club):
    number = await approved(club)  # an admin was asked to do it by hand
    await apply.withdraw(club.parts, number, f"{EMAIL}:{ADDRESS}")
    await club.settle()
    other = club.platform.person("@zoe:elsewhere")
    await club.platform.invite_by_hand(other, club.platform.bot)
    await club.platform.join(other)
    await club.settle()
    assert not newcomers(club)


async def test_newcomers_are_nobodys_business_while_nobody_is_awaited(club):
    before = len(club.said_in("admins"))
    await arrive(club, club.platform.person("@zoe:fake"))
    assert len(club.said_in("admins")) == before
    assert not await club.find(Account, identity=Identity("matrix", "@zoe:fake"))


async def test_whoever_did_not_ask_for_a_code_ends_that(club):
    await applied(club)
    first = club.mail.letters[0]
    assert "did not ask" in first.links[0].label
    await links.use(club.parts, first.links[0].url.rpartition("/")[2], "any browser")
    with pytest.raises(Refused) as refusal:
        await applied(club, "another browser")
    assert refusal.value.reason == "proof-refused"


# ---- Ends --------------------------------------------------------------------------------------


async def test_nobody_comes_and_it_ends(club):
    number = await approved(club)
    await club.pass_time(seconds=9)
    app = await application(club, number)
    assert (app.state, app.reason) == (State.LAPSED, "invitation-not-taken-up")
    assert "Not meant any more" in step(club).status
    assert "has ended" in newest(club).text
    await arrive(club, club.platform.person("@zoe:fake"))
    assert (await application(club, number)).state is State.LAPSED
    assert not await club.find(Order, purpose="invitation")
    assert not await club.find(Order, progress=Progress.FAILED)


async def test_withdrawn_declined_and_taken_back(club):
    number = await approved(club)
    await take_back.by_operator(club.parts, number, "We are full.", "root")
    await club.settle()
    assert (await application(club, number)).state is State.LAPSED
    assert "We are full." in newest(club).text
    number = await applied(club, "another browser")
    await apply.withdraw(club.parts, number, f"{EMAIL}:{ADDRESS}", "another browser")
    await club.settle()
    assert (await application(club, number)).state is State.WITHDRAWN
    assert not await club.find(Order, progress=Progress.FAILED)
    async with club.store.look(CLUB) as tx:
        told = [*await tx.entries(subject=f"application:{number}")]
    assert told
    assert ADDRESS not in repr(told), "the record names people by number"


async def test_a_question_comes_by_letter_and_is_answered_from_any_browser(club):
    number = await applied(club)
    await questions.ask_by_operator(club.parts, number, "Which clocks?", "root")
    await club.settle()
    assert "Which clocks?" in newest(club).text
    await links.use(club.parts, newest(club).links[0].url.rpartition("/")[2], "elsewhere")
    assert (await apply.mine(club.parts, "elsewhere")).id == number


@BOTH
async def test_erasing_leaves_no_address(club):
    number = await approved(club)
    await erase.erase(club.parts, Identity(EMAIL, ADDRESS), "operator:root")
    await club.settle()
    kept = [
        *await club.find(Account),
        *await club.find(Address),
        *await club.find(Application),
        *await club.find(Order),
    ]
    assert "zoe.q" not in repr(kept).lower()
    assert "Zoe" not in repr([one.card for one in club.cards()])
    assert (await application(club, number)).state is State.WITHDRAWN
    await audit.verify(club.parts)


async def test_who_was_here_before_is_known_by_the_address(club):
    zoe = club.platform.person("@zoe:fake", takes_chats=True)
    number = await approved(club)
    await arrive(club, zoe)
    await club.platform.join(zoe)
    await club.settle()
    again = await applied(club, "another browser")
    assert (await application(club, again)).reason == "already-member"
    person = (await application(club, number)).person_id
    await club.platform.ban(zoe, club.alice, "spam")
    await club.settle()
    third = await application(club, await applied(club, "a third browser"))
    assert third.person_id == person
    assert (third.state, third.reason) == (State.DECLINED, "banned")


async def test_without_a_mail_server_or_such_a_platform_nobody_applies_from_outside(club):
    assert outside_card.platform(club.parts) == "matrix"
    assert outside_card.platform(replace(club.parts, mailer=None)) is None
    del club.platform.by_hand
    assert outside_card.platform(club.parts) is None
