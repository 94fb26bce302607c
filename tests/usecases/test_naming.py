"""Who did something is kept by number, and shown by the name they go by now."""

from datetime import timedelta

import pytest

from gatekeeper.domain.applications import Application
from gatekeeper.domain.clubs import ClubState
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import Exemption, Leave, Membership
from gatekeeper.usecases import erase, exempt, leave, naming, pause
from gatekeeper.usecases.naming import said_by
from gatekeeper.usecases.parts import account_of
from tests.journeys.club import CLUB


async def number(club, who) -> int:
    return (await club.one(Account, identity=who)).person_id


async def name(club, actor: str) -> str:
    async with club.store.look(CLUB) as tx:
        return await said_by(tx, actor)


async def test_two_admins_of_one_name_stay_two(club):
    """Erasing the one leaves the other's decisions and name alone."""
    await club.admit("ada")
    alice, boris = await number(club, club.alice), await number(club, club.boris)
    app = await club.one(Application)
    assert app.decided_by == (f"person:{alice}", f"person:{boris}")
    async with club.store.transaction(CLUB) as tx:
        await account_of(tx, club.alice, "Boris", club.clock.now())
    await erase.erase(club.parts, club.boris, "operator:root")
    app = await club.one(Application)
    assert [await name(club, one) for one in app.decided_by] == ["Boris", f"#{boris}"]


async def test_a_card_shows_names_as_they_are_now(club):
    ada = club.platform.person("@ada:fake")
    await club.apply(ada)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of("Ada").ref, "✅")
    await club.settle()
    assert "Alice, Boris" in club.card_of("Ada").card.status
    async with club.store.transaction(CLUB) as tx:
        await account_of(tx, club.alice, "Alicia", club.clock.now())
    await erase.erase(club.parts, club.boris, "operator:root")
    await club.platform.join(ada)
    await club.settle()
    shown = repr(club.card_of("Ada").card)
    assert "Alicia" in shown
    assert "Boris" not in shown


async def test_a_late_press_is_told_by_whom_it_was_decided(club):
    carl = club.platform.person("@carl:fake", admin=True, power=50, takes_chats=True)
    await club.apply(club.platform.person("@ada:fake"))
    ref = club.card_of("Ada").ref
    for admin in (club.alice, club.boris, carl):
        await club.platform.press(admin, ref, "✅")
    await club.settle()
    assert "Alice, Boris" in club.told(carl)[-1].text


async def test_every_act_is_kept_by_number(club):
    [dana, carl] = await club.to_planned("dana", "carl")
    until = club.clock.now() + timedelta(days=1)
    await leave.announce(club.parts, dana, until, "", str(dana))
    await exempt.exempt(club.parts, dana, "why", until, str(club.alice))
    await pause.pause(club.parts, str(club.alice))
    await pause.resume(club.parts, str(club.alice))
    await pause.pause(club.parts, str(club.boris))
    await club.platform.press(club.alice, club.removals().ref, "✅")
    alice, boris = await number(club, club.alice), await number(club, club.boris)
    assert (await club.one(Leave)).by == f"person:{await number(club, dana)}"
    assert (await club.one(Exemption)).author == f"person:{alice}"
    assert (await club.one(ClubState)).paused_by == f"person:{boris}"
    assert (await club.one(Membership, identity=carl)).confirmed_by == f"person:{alice}"


async def test_an_admin_who_lets_somebody_in_by_hand_is_kept_by_number(club):
    ada = club.platform.person("@ada:fake")
    await club.apply(ada)
    await club.platform.invite_by_hand(ada, club.alice)
    await club.platform.join(ada, by=club.alice)
    await club.settle()
    app = await club.one(Application)
    assert app.decided_by == (f"person:{await number(club, club.alice)}",)
    assert "Alice" in club.card_of("Ada").card.status


async def test_what_is_no_person_is_said_as_it_is(club):
    for actor in ("operator:root", "policy", "rule:quiet", "schedule", "person:x", ""):
        assert await name(club, actor) == actor
    assert await name(club, "person:999") == "#999"


@pytest.mark.parametrize(
    ("who", "read"),
    [
        (Identity("matrix", "@zoe:club.example"), "@zoe:club.example"),
        (Identity("email", "zoe@post.example"), "zoe@post.example"),
        (Identity("slack", "T0CLUB:U0ZOE"), "Zoe on Slack"),
    ],
)
async def test_an_account_reads_as_people_write_it(club, who, read):
    assert naming.read_account(club.parts, who, "Zoe") == read
