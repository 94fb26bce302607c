"""Who is inside, who should be, which doors stand open: found, told, and put right by a word."""

from types import SimpleNamespace

import pytest

from gatekeeper.domain import events
from gatekeeper.domain.clubs import Finding, StandingCard
from gatekeeper.domain.decisions import Mend, Order, Remove
from gatekeeper.domain.errors import BadInput, PlatformDown, PlatformRefused, Refused, WrongState
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.domain.reconcile import Rule
from gatekeeper.testing.fakes_people import ADMINS, SPACE
from gatekeeper.usecases import adopt, due, erase, findings
from gatekeeper.usecases.reconcile import run

BY = "operator:root"


async def look(club):
    """One look, as the schedule has it, and what it orders."""
    report = await run(club.parts, "schedule")
    await club.settle()
    return report


def card(club):
    """The newest card of findings."""
    return [m for m in club.cards() if m.card and "does not fit" in m.card.title][-1]


async def reply(club, text, who=None):
    ref = card(club).ref
    await club.platform.write(who or club.alice, text, place=ADMINS, thread=ref)
    await club.settle()
    return [m.text for m in club.platform.messages.values() if m.thread == ref][-1:]


async def stranger(club, name="eve"):
    """Somebody whom an admin let in by hand."""
    await club.adopt("quiet")
    return club.platform.person(f"@{name}:fake", inside=True)


async def test_a_club_in_order_has_no_card(club):
    await club.adopt("carl")
    assert (await look(club)).findings == ()
    assert not [m for m in club.cards() if "fit" in m.card.title]


async def test_whoever_is_unknown_is_named_and_left_alone(club):
    eve = await stranger(club)
    [finding] = (await look(club)).findings
    assert (finding.code, finding.subject) == ("inside-unknown", eve.account)
    assert "@eve:fake" in str(card(club).card.facts)
    assert not card(club).choices, "nothing about people without a word on their name"
    for _ in range(3):
        await club.pass_time(seconds=5)
        assert await findings.apply(club.parts, BY) == 0
        await look(club)
    assert club.platform.people[eve.account].places[SPACE] == "join"
    assert not await club.find(Order, purpose="put-out")
    shown = [m for m in club.cards() if "fit" in m.card.title]
    assert len(shown) == 1
    assert shown[0].updates == 0, "the same again is no news"


async def test_adopted_by_name(club):
    eve = await stranger(club)
    await look(club)
    assert "member from now on" in (await reply(club, "adopt @eve"))[0]
    member = await club.member(eve)
    assert (member.state, member.origin) == (State.ACTIVE, "adopted")
    assert (await club.one(Finding)).ended_at is not None
    assert "Nothing is left" in card(club).card.status
    assert (await look(club)).findings == ()


async def test_put_out_by_name_and_for_a_reason(club):
    eve = await stranger(club)
    dora = club.platform.person("@dora:fake", inside=True)
    await look(club)
    assert "reason" in (await reply(club, "remove @eve"))[0]
    assert club.platform.people[eve.account].places.get(SPACE) == "join"
    assert "being put out" in (await reply(club, "remove @eve came by a link"))[0]
    removed = [act for _, act in club.platform.performed if isinstance(act, Remove)]
    assert removed == [Remove(who=eve, reason="came by a link")]
    assert club.platform.people[dora.account].places[SPACE] == "join"
    again = (await look(club)).findings
    assert [one.subject for one in again] == [dora.account]
    async with club.store.look(club.parts.club) as tx:
        row = await tx.first(Finding, subject=eve.account)
        told = await tx.entries(subject=f"finding:{row.id}")
    assert [entry.code for entry in told] == ["unknown-put-out"]


async def test_put_out_once_though_it_is_said_twice(club):
    eve = await stranger(club)
    [finding] = (await run(club.parts, BY)).findings
    await findings.put_out(club.parts, finding.id, "No.", BY)
    with pytest.raises(WrongState):
        await findings.put_out(club.parts, finding.id, "No.", BY)
    with pytest.raises(WrongState):
        await findings.take_in(club.parts, finding.id, BY)
    await club.settle()
    assert len([act for _, act in club.platform.performed if isinstance(act, Remove)]) == 1
    assert club.platform.people[eve.account].places.get(SPACE) is None


async def test_whoever_became_a_member_or_admin_meanwhile_is_not_put_out(club):
    eve = await stranger(club)
    dora = club.platform.person("@dora:fake", inside=True)
    first, second = (await run(club.parts, BY)).findings
    for finding in (first, second):
        await findings.put_out(club.parts, finding.id, "No.", BY)

    club.platform.people[dora.account].places[ADMINS] = "join"
    club.platform.people[dora.account].power = 100
    await adopt.adopt(club.parts, BY)
    await club.settle()
    for who in (eve, dora):
        assert club.platform.people[who.account].places[SPACE] == "join"
    assert {order.progress.value for order in await club.find(Order, purpose="put-out")} == {
        "cancelled"
    }


async def test_an_admin_or_member_cannot_be_put_out_by_it(club):
    eve = await stranger(club)
    [finding] = (await run(club.parts, BY)).findings
    club.platform.people[eve.account].places[ADMINS] = "join"
    club.platform.people[eve.account].power = 100
    with pytest.raises(Refused) as refused:
        await findings.put_out(club.parts, finding.id, "No.", BY)
    assert refused.value.reason == "is-admin"
    with pytest.raises(BadInput):
        await findings.put_out(club.parts, finding.id, " ", BY)


async def test_let_be_is_remembered_until_it_ends(club):
    eve = await stranger(club)
    await look(club)
    assert "let be" in (await reply(club, "leave #1"))[0]
    report = await look(club)
    assert (report.findings, len(report.left)) == ((), 1)
    await club.platform.leave(eve)
    await look(club)
    club.platform.people[eve.account].places |= {SPACE: "join"}
    assert [one.subject for one in (await look(club)).findings] == [eve.account]


async def test_a_member_who_is_outside_is_recorded_by_a_press(club):
    carl, dora = await club.adopt("carl", "dora")
    club.platform.people[carl.account].places.clear()  # and nobody told us
    [finding] = (await look(club)).findings
    assert finding.code == "member-outside"
    assert await club.state(carl) is State.ACTIVE, "looking changes nothing"
    await club.platform.press(club.alice, card(club).ref, "✅")
    await club.settle()
    member = await club.member(carl)
    assert (member.state, member.cause) == (State.DEPARTED, "departed")
    assert await club.state(dora) is State.ACTIVE
    assert "Nothing is left" in card(club).card.status
    await club.platform.press(club.boris, card(club).ref, "✅")
    await club.settle()


async def test_whoever_is_back_inside_at_the_press_stays_a_member(club):
    [carl] = await club.adopt("carl")
    club.platform.people[carl.account].places.clear()
    await look(club)
    club.platform.people[carl.account].places[SPACE] = "join"
    await club.platform.press(club.alice, card(club).ref, "✅")
    await club.settle()
    assert await club.state(carl) is State.ACTIVE
    assert (await club.one(Finding)).ended_at is not None


async def test_a_banned_member_is_recorded_as_banned(club):
    [carl] = await club.adopt("carl")
    club.platform.people[carl.account].places = {SPACE: "ban"}
    await run(club.parts, BY)
    assert await findings.apply(club.parts, BY) == 1
    assert await club.state(carl) is State.BANNED


async def test_many_outside_at_once_wait_for_a_press(club):
    """A homeserver that forgets half of a room must not empty the roll by itself."""
    them = await club.adopt(*(f"m{number}" for number in range(7)))
    for who in them:
        club.platform.people[who.account].places.clear()
    await look(club)
    assert await findings.apply(club.parts, BY) == 0
    assert {await club.state(who) for who in them} == {State.ACTIVE}
    await club.platform.press(club.alice, card(club).ref, "✅")
    await club.settle()
    assert {await club.state(who) for who in them} == {State.DEPARTED}


async def test_an_empty_answer_says_of_nobody_that_they_are_outside(club, monkeypatch):
    await club.adopt("carl")
    survey = await club.platform.survey()

    async def empty():
        return type(survey)(rules=survey.rules)

    monkeypatch.setattr(club.platform, "survey", empty)
    assert (await run(club.parts, BY)).findings == ()


async def test_a_door_that_was_opened_is_shut_by_a_press(club):
    await club.adopt("carl")
    club.platform.bend("talk", Rule.JOIN, "public", "restricted")
    club.platform.bend("lobby", Rule.INVITE, "0", "50", mendable=False)
    found = (await look(club)).findings
    assert [one.code for one in found] == ["rule-invite", "rule-join"]
    assert "admin has to" in str(card(club).card.facts)
    await club.platform.press(club.alice, card(club).ref, "✅")
    await club.settle()
    mended = [act for _, act in club.platform.performed if isinstance(act, Mend)]
    assert mended == [Mend(place="talk", rule=Rule.JOIN)]
    assert [one.code for one in (await look(club)).findings] == ["rule-invite"]


async def test_a_door_bent_otherwise_is_another_finding(club):
    await club.adopt("carl")
    club.platform.bend("talk", Rule.JOIN, "public", "restricted")
    await look(club)
    await reply(club, "leave #1")
    club.platform.bend("talk", Rule.JOIN, "restricted !other", "restricted")
    [finding] = (await look(club)).findings
    assert finding.values["found"] == "restricted !other"


async def test_a_mend_that_is_refused_is_open_again(club, monkeypatch):

    await club.adopt("carl")
    club.platform.bend("talk", Rule.JOIN, "public", "restricted")
    await run(club.parts, BY)
    act = club.platform._act

    async def refuse(action, key):
        if isinstance(action, Mend):
            raise PlatformRefused("matrix", "no-power")
        return await act(action, key)

    monkeypatch.setattr(club.platform, "_act", refuse)
    assert await findings.apply(club.parts, BY) == 1
    await club.settle()
    finding = await club.one(Finding)
    assert (finding.answer, finding.ended_at) == ("", None)
    assert any("setting a rule" in m.text for m in club.said_in(ADMINS))


async def test_what_could_not_be_looked_at_is_not_over(club):
    await club.adopt("carl")
    club.platform.bend("talk", Rule.JOIN, "public", "restricted")
    await look(club)
    bent = dict(club.platform.rules)
    club.platform.rules.clear()
    club.platform.unseen["talk"] = "gone"
    report = await look(club)
    assert report.unseen == {"matrix: talk": "gone"}
    assert [one.code for one in report.findings] == ["rule-join"]
    club.platform.rules |= bent


async def test_power_without_a_right_and_a_right_without_power(club):
    await club.adopt("carl")
    carl = club.platform.people["@carl:fake"]
    carl.power = 60
    club.platform.people[club.fay.account].places.pop(ADMINS)
    found = {one.code: one for one in (await look(club)).findings}
    assert set(found) == {"role-unexpected", "admin-missing"}
    assert found["role-unexpected"].subject == "@carl:fake"
    assert found["admin-missing"].subject == club.fay.account
    assert await findings.apply(club.parts, BY) == 0, "what is done about it is done by hand"


async def test_who_is_in_a_room_only_is_not_adopted(club):
    await club.adopt("carl")
    eve = club.platform.person("@eve:fake")
    club.platform.people[eve.account].places["talk"] = "join"
    [finding] = (await look(club)).findings
    assert (finding.code, finding.values["place"]) == ("room-unknown", "talk")
    with pytest.raises(Refused):
        await findings.take_in(club.parts, finding.id, BY)
    assert not await club.find(Membership, identity=eve)


async def test_invited_people_and_accounts_of_members_are_no_strangers(club):
    await club.adopt("carl")
    who = club.platform.person("@dora:fake")
    await club.apply(who)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of("Dora").ref, "✅")
    await club.settle()
    club.platform.people[who.account].places[SPACE] = "join"  # told to us in a moment
    assert (await run(club.parts, BY)).findings == ()


async def test_nobody_else_decides(club):
    await stranger(club)
    carl = club.platform.people["@quiet:fake"]
    carl.places[ADMINS] = "join"
    carl.power = 0
    await look(club)

    quiet = Identity("matrix", "@quiet:fake")
    for text in ("adopt @eve", "remove @eve now", "leave @eve"):
        await reply(club, text, quiet)
    [finding] = await club.find(Finding, code="inside-unknown")
    assert (finding.answer, finding.ended_at) == ("", None)


async def test_nobody_can_be_asked(club):
    await stranger(club)
    club.platform.down = True
    with pytest.raises(PlatformDown):
        await run(club.parts, BY)
    assert not await club.find(Finding)


async def test_a_press_that_could_not_look_is_told_again(club):
    [carl] = await club.adopt("carl")
    club.platform.people[carl.account].places.clear()
    await look(club)
    event = events.Pressed(
        who=club.alice,
        at=club.clock.now(),
        event_id="$late",
        ref=card(club).ref,
        symbol="✅",
        place=ADMINS,
    )
    club.platform.down = True
    with pytest.raises(PlatformDown):
        await club.desk.handle(event)
    club.platform.down = False
    await club.desk.handle(event)
    assert await club.state(carl) is State.DEPARTED


async def test_a_press_on_what_was_not_shown_yet_does_nothing_about_it(club):
    carl, dora = await club.adopt("carl", "dora")
    club.platform.people[carl.account].places.clear()
    await look(club)
    pressed_at = club.clock.now()
    club.clock.advance(seconds=5)
    club.platform.people[dora.account].places.clear()
    await run(club.parts, BY)
    await club.desk.handle(
        events.Pressed(
            who=club.alice,
            at=pressed_at,
            event_id="$early",
            ref=card(club).ref,
            symbol="✅",
            place=ADMINS,
        )
    )
    assert await club.state(carl) is State.DEPARTED
    assert await club.state(dora) is State.ACTIVE
    assert (await club.find(StandingCard, subject="reconcile:club"))[0].ended_at is None


async def test_what_ended_long_ago_is_forgotten_and_what_is_let_be_is_not(club):
    eve = await stranger(club)
    dora = club.platform.person("@dora:fake", inside=True)
    await look(club)
    await reply(club, "adopt @dora")
    await reply(club, "leave @eve")
    club.clock.advance(days=100)
    await run(club.parts, BY)
    await due.tidy(club.parts)
    assert [row.subject for row in await club.find(Finding)] == [eve.account]
    assert await club.state(dora) is State.ACTIVE


async def test_erasing_somebody_forgets_what_was_found_about_them(club):
    eve = await stranger(club)
    await look(club)
    await reply(club, "adopt @eve")
    await erase.erase(club.parts, eve, BY)
    assert not await club.find(Finding, subject=eve.account)


async def test_a_press_that_changes_nothing_is_told_so(club):
    [carl] = await club.adopt("carl")
    club.platform.people[carl.account].places.clear()
    await look(club)
    ref = card(club).ref
    club.platform.people[carl.account].places[SPACE] = "join"
    await club.platform.press(club.alice, ref, "✅")
    await club.settle()
    await club.platform.take_chat(club.alice)
    await club.settle()
    assert "left to put right" in club.told(club.alice)[-1].text


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("slack:T1:U1", ["T1:U1"]),
        ("T1:U1", ["T1:U1"]),
        ("<@U1>", ["T1:U1"]),
        ("@u2,", ["T1:U2"]),
        ("T1", []),
        ("matrix:@ann:example.org", ["@ann:example.org"]),
        ("@ann", ["@ann:example.org"]),
        ("@", []),
        ("house", ["house"]),
    ],
)
async def test_who_is_meant_by_a_name_on_either_platform(name, meant):
    """As lists show accounts, as people write them, and as Slack tells a mention."""

    class Rows:
        async def find(self, kind, **wanted):
            subjects = ("T1:U1", "T1:U2", "@ann:example.org", "house")
            return [SimpleNamespace(id=i, subject=one) for i, one in enumerate(subjects, 1)]

    assert [row.subject for row in await findings.find(Rows(), name)] == meant
