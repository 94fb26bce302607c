"""E-mail addresses, and the letter as the last way to ask somebody whom no chat reaches."""

import json
import re
from dataclasses import replace

import pytest

from gatekeeper.domain.applications import Application
from gatekeeper.domain.clubs import Pass, Tally
from gatekeeper.domain.decisions import Order, Progress
from gatekeeper.domain.errors import BadInput, PlatformDown, Refused, TooMany
from gatekeeper.domain.identity import Account, Address, Person, as_address
from gatekeeper.domain.memberships import Dispute, Membership, State
from gatekeeper.testing.fakes_mail import FakeMail
from gatekeeper.usecases import adopt, email, erase, export, links, merging, sweep
from gatekeeper.usecases.intake import Desk
from gatekeeper.usecases.observe import Observer
from gatekeeper.usecases.perform import Performer
from tests.journeys.club import CLUB
from tests.usecases.stores import KINDS, a_club_on

QUIET, GRACE = 20, 7  # seconds
ADDRESS = "ada.l@post.example"


BOTH = pytest.mark.parametrize("club", KINDS, indirect=True)


@pytest.fixture(params=["memory"])
async def club(request, tmp_path):
    """The club with a mail server; Ada is a member and applied in the browser `hers`."""
    async with a_club_on(request.param, tmp_path) as found:
        await found.platform.stop()
        found.mail = FakeMail(found.clock)
        found.parts = replace(found.parts, mailer=found.mail)
        found.observer = Observer(found.parts)
        found.desk = Desk(found.parts, found.observer)
        found.performer = Performer(found.parts)
        await found.platform.start(found.desk)
        found.ada = await found.admit("ada")
        found.hers = f"browser of {found.ada}"
        person = (await found.one(Account, identity=found.ada)).person_id
        [app] = await found.find(Application, person_id=person)
        found.app = app.id
        yield found


async def name(club, typed=ADDRESS, browser="", client="192.0.2.1"):
    made = await email.name(club.parts, club.app, browser or club.hers, typed, client)
    await club.settle()
    return made


def code_in(letter):
    return re.search(r"\b(\d{6})\b", letter.text)[1]


async def confirmed(club, typed=ADDRESS):
    await name(club, typed)
    await email.confirm(club.parts, club.app, club.hers, code_in(club.mail.letters[-1]))


async def now_there(club):
    return await email.of_browser(club.parts, club.app, club.hers)


async def asked(club, address=ADDRESS):
    """Ada is silent and no chat reaches her; what the newest letter to her says."""
    club.platform.refuse(club.ada, "no-such-person")
    await club.pass_time(seconds=QUIET)
    await club.observer.flush()
    await sweep.run(club.parts, f"at-{club.clock.now().isoformat()}")
    await club.settle()
    found = [one for one in club.mail.to(address) if "are you still there?" in one.subject]
    return found[-1] if found else None


def secret(letter, number):
    return letter.links[number].url.rpartition("/")[2]


async def state(club):
    return (await club.find(Membership, identity=club.ada))[-1].state


# ---- An address --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ada",
        "ada@",
        "@post.example",
        "ada@post",
        "a b@post.example",
        "ada@post.example\nBcc: eve@evil.example",
        "ada@post.example, eve@evil.example",
        "<ada@post.example>",
        '"a b"@post.example',
        "ada..l@post.example",
        "ada@-post.example",
        "ada@[127.0.0.1]",
        "ädä@post.example",
        f"{'a' * 65}@post.example",
        f"a@{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 63}.example",
    ],
)
def test_what_is_no_address(typed):
    assert as_address(typed) is None
    with pytest.raises(BadInput) as wrong:
        email.parse(typed)
    assert wrong.value.problems == {"address": "not-an-address"}


def test_the_domain_is_written_small_and_the_rest_as_it_was_typed():
    assert as_address(" Ada.L+club@Post.EXAMPLE ") == "ada.l+club@post.example"


@BOTH
async def test_a_code_confirms_an_address_in_the_browser_that_asked(club):
    made = await name(club)
    [letter] = club.mail.letters
    assert letter.who.account == ADDRESS
    assert "Lighthouse" in letter.subject
    assert made.confirmed_at is None
    [order] = await club.find(Order, purpose=email.CODE)
    assert order.progress is Progress.DONE
    assert code_in(letter) not in repr(order), "the outbox holds no code"
    with pytest.raises(Refused) as refusal:
        await email.confirm(club.parts, club.app, "another browser", code_in(letter))
    assert refusal.value.reason == "code-other-browser"
    await email.confirm(club.parts, club.app, club.hers, f" {code_in(letter)} ")
    assert (await now_there(club)).confirmed_at is not None
    await email.confirm(club.parts, club.app, club.hers, "again, and nothing is lost by it")


async def test_few_tries_and_a_time_for_each_code(club):
    await name(club)
    right = code_in(club.mail.letters[-1])
    wrong = f"{(int(right) + 1) % 10**6:06d}"
    tries = club.policy.club.spec.proof.tries
    for left in reversed(range(tries)):
        with pytest.raises(Refused) as refusal:
            await email.confirm(club.parts, club.app, club.hers, wrong)
        assert (refusal.value.reason, refusal.value.values["left"]) == ("code-wrong", left)
    with pytest.raises(Refused) as refusal:
        await email.confirm(club.parts, club.app, club.hers, right)
    assert refusal.value.reason == "code-too-many-tries"
    await name(club)
    club.clock.advance(seconds=club.policy.club.spec.proof.code_valid.total_seconds() + 1)
    with pytest.raises(Refused) as refusal:
        await email.confirm(club.parts, club.app, club.hers, code_in(club.mail.letters[-1]))
    assert refusal.value.reason == "code-expired"
    assert (await now_there(club)).confirmed_at is None


@BOTH
async def test_a_newer_address_takes_over_only_when_it_is_confirmed(club):
    await confirmed(club)
    await name(club, "other@post.example")
    async with club.store.look(CLUB) as tx:
        person = (await tx.first(Account, identity=club.ada)).person_id
        assert (await email.confirmed(tx, person)).address == ADDRESS
    await email.confirm(club.parts, club.app, club.hers, code_in(club.mail.letters[-1]))
    open_ones = await club.find(Address, ended_at=None)
    assert [one.address for one in open_ones] == ["other@post.example"]
    await email.forget(club.parts, club.app, club.hers)
    assert await now_there(club) is None


async def test_codes_to_one_address_are_limited(club):
    most = club.policy.club.spec.limits.codes_by_target
    for number in range(most):
        await name(club, client=f"192.0.2.{number}")
    with pytest.raises(TooMany):
        await name(club, client="192.0.2.99")
    assert len(club.mail.letters) == most


async def test_without_a_mail_server_no_address_is_taken(club):
    club.parts = replace(club.parts, mailer=None)
    with pytest.raises(Refused) as refusal:
        await name(club)
    assert refusal.value.reason == "no-mail"
    assert not await club.find(Address)


async def test_a_code_that_cannot_be_sent_bothers_no_admin(club):
    said = len(club.said_in("admins"))
    club.mail.refused.add(ADDRESS)
    await name(club)
    [order] = await club.find(Order, purpose=email.CODE)
    assert (order.progress, order.reason) == (Progress.FAILED, "mail-refused")
    assert len(club.said_in("admins")) == said


async def test_a_code_whose_time_is_over_is_not_sent_any_more(club):
    club.mail.faults = [PlatformDown("email", "away")]
    await name(club)
    club.clock.advance(hours=2)
    await club.settle()
    assert not club.mail.letters


async def test_whoever_did_not_ask_can_end_it(club):
    await confirmed(club)
    await links.use(club.parts, secret(club.mail.letters[-1], 0), "any browser")
    assert await now_there(club) is None
    with pytest.raises(Refused) as refusal:
        await name(club)
    assert refusal.value.reason == "proof-refused"
    assert "ada.l" not in repr(await club.find(Address, person_id=0)).lower()
    await name(club, "other@post.example")
    club.clock.advance(days=181)
    await name(club)


# ---- The letter --------------------------------------------------------------------------------


@BOTH
async def test_whom_no_chat_reaches_is_asked_by_letter_and_answers_by_its_link(club):
    await confirmed(club)
    letter = await asked(club)
    assert await state(club) is State.NOTICED
    assert not letter.choices
    assert [one.label for one in letter.links] == ["I am still here", "This is wrong"]
    assert "✋" not in letter.text
    assert "first link" in letter.text
    await links.inspect(club.parts, secret(letter, 0))
    assert await state(club) is State.NOTICED, "a look at a link changes nothing"
    done = await links.use(club.parts, secret(letter, 0), "any browser")
    assert done.act == "here"
    assert await state(club) is State.ACTIVE
    with pytest.raises(Refused):
        await links.use(club.parts, secret(letter, 0), "any browser")


async def test_a_letter_can_say_that_it_is_wrong(club):
    await confirmed(club)
    letter = await asked(club)
    await links.use(club.parts, secret(letter, 1), "any browser")
    assert await state(club) is State.ACTIVE
    dispute = await club.one(Dispute)
    assert dispute.ended_at is None
    assert ADDRESS not in repr([one.card for one in club.cards()]), "nobody is shown the address"


async def test_an_address_that_is_not_confirmed_gets_no_letter(club):
    await name(club)
    assert await asked(club) is None
    assert await state(club) is State.NOTIFYING


async def test_a_letter_that_is_refused_leaves_it_to_the_admins(club):
    await confirmed(club)
    club.mail.refused.add(ADDRESS)
    assert await asked(club) is None
    assert await state(club) is State.NOTIFYING
    await club.pass_time(seconds=4 * GRACE)
    await sweep.run(club.parts, "another")
    await club.settle()
    card = [m for m in club.cards() if m.card and "removals" in m.card.title][-1]
    shown = repr(card.card)
    assert "e-mail" in shown
    assert ADDRESS not in shown
    assert not await club.find(Order, purpose="removal")


async def test_a_mail_server_that_is_away_begins_no_grace(club):
    await confirmed(club)
    club.mail.faults = [PlatformDown("email", "away") for _ in range(3)]
    assert await asked(club) is None
    assert await state(club) is State.NOTIFYING
    while club.mail.faults:
        await club.pass_time(seconds=1)
        assert (await state(club) is State.NOTIFYING) or not club.mail.faults
    await club.pass_time(seconds=5)
    assert await state(club) is State.NOTICED
    member = (await club.find(Membership, identity=club.ada))[-1]
    [letter] = [one for one in club.mail.letters if "still there" in one.subject]
    assert member.grace_ends_at > member.noticed_at
    assert str(member.grace_ends_at.year) in letter.text


async def test_the_card_says_that_nobody_knows_whether_a_letter_was_read(club):
    await confirmed(club)
    await asked(club)
    await club.pass_time(seconds=GRACE + 1)
    card = [m for m in club.cards() if m.card and "removals" in m.card.title][-1]
    assert "nobody knows" in repr(card.card)


async def test_links_of_a_letter_end_when_life_is_seen_elsewhere(club):
    await confirmed(club)
    letter = await asked(club)
    await club.platform.live(club.ada)
    await club.settle()
    assert await state(club) is State.ACTIVE
    with pytest.raises(Refused) as refusal:
        await links.use(club.parts, secret(letter, 0), "any browser")
    assert refusal.value.reason == "link-withdrawn"


# ---- Elsewhere ---------------------------------------------------------------------------------


@BOTH
async def test_erasing_forgets_the_address(club):
    await confirmed(club)
    await asked(club)
    assert ADDRESS in json.dumps(await export.export(club.parts, club.ada))
    await erase.erase(club.parts, club.ada, "operator:root")
    kept = [
        *await club.find(Address),
        *await club.find(Order),
        *await club.find(Pass),
        *await club.find(Tally),
        *await club.find(Person),
    ]
    assert "ada.l" not in repr(kept).lower()


@BOTH
async def test_an_address_comes_along_when_two_persons_are_one(club):
    await confirmed(club)
    zoe = club.platform.person("@zoe:fake", inside=True, takes_chats=True)
    await adopt.adopt(club.parts, "operator:root")
    async with club.store.transaction(CLUB) as tx:
        into = await tx.first(Account, identity=zoe)
        other = await tx.first(Account, identity=club.ada)
        now = club.clock.now()
        merged = await merging.merge(tx, club.parts, into, other, now, barred=False)
        assert (await email.confirmed(tx, into.person_id)).address == ADDRESS
        assert merged.moved["addresses"]
