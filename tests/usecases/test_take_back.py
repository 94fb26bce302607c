"""An admission that is taken back before the invitation is taken up, and one that cannot be."""

import pytest

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.decisions import Order, Retract
from gatekeeper.domain.errors import BadInput, PlatformDown, Refused, WrongState
from gatekeeper.domain.memberships import Membership
from gatekeeper.testing.fakes_people import ADMINS, SPACE
from gatekeeper.usecases import take_back


async def invited(club, name="carl"):
    who = club.platform.person(f"@{name}:fake")
    number = await club.apply(who)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of(name.capitalize()).ref, "✅")
    await club.settle()
    assert (await club.one(Application, id=number)).state is State.INVITED
    return who, number


async def heard(club, who):
    """The last word to an admin, who takes up the chat for it."""
    if club.platform.people[who.account].chat == "invite":
        await club.platform.take_chat(who)
        await club.settle()
    return club.told(who)[-1].text


async def test_an_operator_takes_it_back_and_they_are_told_why(club):
    who, number = await invited(club)
    app = await take_back.by_operator(club.parts, number, "  Two of you. ", "root")
    await club.settle()
    assert (app.state, app.reason) == (State.LAPSED, "admission-taken-back")
    assert "Two of you." in app.reason_text
    assert club.platform.people[who.account].places.get(SPACE) in (None, "leave")
    assert "Two of you." in club.told(who)[-1].text
    assert "Two of you." in club.card_of("Carl").card.status
    async with club.store.look(club.parts.club) as tx:
        [*_, last] = await tx.entries(subject=f"application:{number}")
    assert (last.code, last.actor) == ("admission-taken-back", "operator:root")
    again = await club.apply(who)  # a no to this invitation is none to them
    assert (await club.one(Application, id=again)).state is State.IN_REVIEW


async def test_an_admin_takes_it_back_beneath_the_card(club):
    who, number = await invited(club)
    card = club.card_of("Carl")
    assert any("take back" in line for line in card.card.lines)
    await club.platform.write(club.alice, "take back", place="admins", thread=card.ref)
    await club.settle()
    assert (await club.one(Application, id=number)).state is State.INVITED, "no reason, no act"
    assert "reason" in await heard(club, club.alice)
    text = "Take back: not the person they said"
    await club.platform.write(club.alice, text, place="admins", thread=card.ref)
    await club.settle()
    app = await club.one(Application, id=number)
    assert app.state is State.LAPSED
    assert "not the person they said" in club.told(who)[-1].text
    await club.platform.write(club.boris, text, place="admins", thread=card.ref)
    await club.settle()
    assert "ended already" in await heard(club, club.boris)
    retracts = [act for _, act in club.platform.performed if isinstance(act, Retract)]
    assert len(retracts) == 1


async def test_nobody_else_takes_it_back(club):
    who, number = await invited(club)
    card = club.card_of("Carl")
    guest = club.platform.person("@eve:fake", admin=True, power=1)
    club.platform.people[who.account].places[ADMINS] = "join"
    for other in (guest, who):
        await club.platform.write(other, "take back now", place="admins", thread=card.ref)
    await club.settle()
    assert (await club.one(Application, id=number)).state is State.INVITED
    assert "Only this club" in await heard(club, guest)


async def test_whoever_is_inside_is_not_put_out_by_it(club):
    who, number = await invited(club)
    await club.platform.join(who)  # not told to us yet
    with pytest.raises(Refused) as refused:
        await take_back.by_operator(club.parts, number, "Late", "root")
    assert refused.value.reason == "inside-already"
    await club.settle()
    with pytest.raises(Refused):
        await take_back.by_operator(club.parts, number, "Later", "root")
    assert club.platform.people[who.account].places[SPACE] == "join"


async def test_whoever_comes_in_at_that_very_moment_is_a_member(club):
    """Between our look and the end of the invitation: they are inside, and stay so."""
    who, number = await invited(club)
    await take_back.by_operator(club.parts, number, "Late", "root")
    await club.platform.join(who)
    await club.settle()
    app = await club.one(Application, id=number)
    assert (app.state, app.reason) == (State.LAPSED, "arrived-late")
    assert (await club.one(Membership, identity=who)).origin == "application"
    assert club.platform.people[who.account].places[SPACE] == "join"


async def test_what_is_not_decided_or_cannot_be_looked_up_is_not_taken_back(club):
    who = club.platform.person("@carl:fake")
    number = await club.apply(who)
    with pytest.raises(WrongState):
        await take_back.by_operator(club.parts, number, "No", "root")
    with pytest.raises(BadInput):
        await take_back.by_operator(club.parts, number, " ", "root")
    _, other = await invited(club, "dora")
    club.platform.down = True
    with pytest.raises(PlatformDown):
        await take_back.by_operator(club.parts, other, "No", "root")
    club.platform.down = False
    assert (await club.one(Application, id=other)).state is State.INVITED


async def test_a_question_that_begins_so_is_a_question(club):
    who = club.platform.person("@carl:fake")
    number = await club.apply(who)
    card = club.card_of("Carl")
    await club.platform.press(club.alice, card.ref, "❓")
    await club.settle()
    text = "Take back that word about clocks?"
    await club.platform.write(club.alice, text, place="admins", thread=card.ref)
    await club.settle()
    assert text in club.told(who)[-1].text
    assert (await club.one(Application, id=number)).state is State.IN_REVIEW
    assert not await club.find(Order, purpose="retract")
