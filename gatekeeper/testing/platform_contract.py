"""PlatformContract: the laws of the Platform port, for the fake and for every real adapter.

A subclass gives the fixture `world`, a PlatformWorld whose platform has been started on its desk.
"""

from contextlib import suppress

from gatekeeper.domain import events
from gatekeeper.domain.activity import Kind
from gatekeeper.domain.decisions import (
    Action,
    Admit,
    Card,
    Choice,
    Mend,
    Post,
    Receipt,
    Remove,
    Retract,
    ShowCard,
    Tell,
)
from gatekeeper.domain.errors import PlatformDown, PlatformRefused
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.reconcile import Rule
from gatekeeper.ports import Standing
from gatekeeper.testing.platform_world import (
    PlatformWorld,
    RecordingDesk,
    Seen,
    fault_of,
    refusal,
    until,
)

__all__ = ["PlatformContract", "PlatformWorld", "RecordingDesk", "Seen", "until"]

YES = Choice("approve", "✅", "Approve")
NO = Choice("decline", "❌", "Decline")


class PlatformContract:
    """Laws that every platform keeps."""

    async def do(self, world: PlatformWorld, action: Action, key: str) -> Receipt:
        """Perform, ordered just now."""
        return await world.platform.perform(action, key, world.now())

    async def admitted(self, world: PlatformWorld) -> Identity:
        """A person inside, with every room open to them."""
        who = await world.person()
        await self.do(world, Admit(who=who), f"admit {who}")
        await world.enter(who)
        await world.desk.wait_for(events.Joined, who)
        return who

    async def reached(self, world: PlatformWorld) -> Identity:
        """A person who has taken up the direct chat and was told one thing."""
        who = await world.person()
        receipt = await self.do(world, Tell(who=who, text="First."), f"first {who}")
        if receipt.waiting:
            await world.take_chat(who)
            await world.desk.wait_for(events.ChatTaken, who)
            await self.do(world, Tell(who=who, text="First."), f"first {who}")
        return who

    async def test_admitting_twice_is_like_once(self, world: PlatformWorld) -> None:
        """A sweep that died halfway repeats its last action when it starts again."""
        who = await world.person()
        receipts = [await self.do(world, Admit(who=who), f"a {who}") for _ in range(2)]
        assert [receipt.changed for receipt in receipts] == [True, False]
        assert (await world.platform.standing(who)).invited

    async def test_standing_tells_the_truth(self, world: PlatformWorld) -> None:
        """Outside, invited, inside, gone."""
        who = await world.person()
        before = await world.platform.standing(who)
        assert before == Standing()
        await self.do(world, Admit(who=who), f"a {who}")
        assert (await world.platform.standing(who)).invited
        await world.enter(who)
        assert (await world.platform.standing(who)).inside
        assert who in [guest.identity for guest in await world.platform.members()]
        await world.leave(who)
        assert not (await world.platform.standing(who)).inside
        await world.desk.wait_for(events.Departed, who)

    async def test_an_admin_has_power_and_is_listed(self, world: PlatformWorld) -> None:
        """Looked up just now, never remembered."""
        admin = await world.admin()
        standing = await world.platform.standing(admin)
        assert standing.in_admin_room
        assert standing.power >= 100
        assert admin in [guest.identity for guest in await world.platform.admins()]

    async def test_a_knock_comes_with_its_reason(self, world: PlatformWorld) -> None:
        """And an invitation answers it."""
        who = await world.person()
        await world.knock(who, "Please " + "x" * 3000)
        knock = await world.desk.wait_for(events.Knocked, who)
        assert knock.reason.startswith("Please xxx")
        assert len(knock.reason) == 2000
        assert (await world.platform.standing(who)).knocking
        assert (await self.do(world, Admit(who=who), f"a {who}")).changed
        await world.enter(who)
        assert (await world.platform.standing(who)).inside

    async def test_retracting_answers_a_knock(self, world: PlatformWorld) -> None:
        """And changes nothing the second time."""
        who = await world.person()
        await world.knock(who, "Please")
        await world.desk.wait_for(events.Knocked, who)
        receipts = [await self.do(world, Retract(who=who), f"r {who}") for _ in range(2)]
        assert [receipt.changed for receipt in receipts] == [True, False]
        assert not (await world.platform.standing(who)).knocking

    async def test_retracting_never_touches_a_member(self, world: PlatformWorld) -> None:
        """An invitation that was taken up meanwhile is no invitation any more."""
        who = await self.admitted(world)
        assert not (await self.do(world, Retract(who=who), f"r {who}")).changed
        assert (await world.platform.standing(who)).inside

    async def test_retracting_takes_back_what_we_offered(self, world: PlatformWorld) -> None:
        """Nobody comes in by a door that was opened before."""
        who = await world.person()
        await self.do(world, Admit(who=who), f"a {who}")
        receipts = [await self.do(world, Retract(who=who), f"r {who}") for _ in range(2)]
        assert [receipt.changed for receipt in receipts] == [True, False]
        assert await world.platform.standing(who) == Standing()

    async def test_retracting_leaves_a_persons_own_invitation(self, world: PlatformWorld) -> None:
        """What people do by hand is theirs, also where we then came to invite, too."""
        admin = await world.admin()
        who = await world.person()
        await world.invite(who, admin)
        assert not (await self.do(world, Retract(who=who), f"r {who}")).changed
        assert not (await self.do(world, Admit(who=who), f"a {who}")).changed
        await self.do(world, Retract(who=who), f"r2 {who}")
        assert (await world.platform.standing(who)).invited

    async def test_the_banned_are_refused(self, world: PlatformWorld) -> None:
        """A ban is a person's word; no action of ours lifts it."""
        who, admin = await self.admitted(world), await world.admin()
        await world.ban(who, admin)
        ban = await world.desk.wait_for(events.Banned, who)
        assert ban.by == admin
        assert await refusal(self.do(world, Admit(who=who), f"again {who}")) == "banned"
        assert (await world.platform.standing(who)).banned

    async def test_removal_is_from_everywhere(self, world: PlatformWorld) -> None:
        """From the space and every room; told as done by ourselves; twice like once."""
        who = await self.admitted(world)
        assert await world.places(who) > 1
        action = Remove(who=who, reason="Silent for long.")
        receipts = [await self.do(world, action, f"r {who}") for _ in range(2)]
        assert [receipt.changed for receipt in receipts] == [True, False]
        assert await world.places(who) == 0
        out = await world.desk.wait_for(events.PutOut, who)
        assert out.reason == "Silent for long."
        assert not (await world.platform.standing(who)).banned
        assert (await self.do(world, Admit(who=who), f"back {who}")).changed

    async def test_who_is_to_stay_in_a_room_stays_inside(self, world: PlatformWorld) -> None:
        """Also where there is no such room: that is refused, and puts nobody out of the club."""
        who = await self.admitted(world)
        action = Remove(who=who, reason="Silent.", stay_in="no-such-room-here")
        with suppress(PlatformRefused):
            await self.do(world, action, f"r {who}")
        assert (await world.platform.standing(who)).inside
        await self.do(world, Admit(who=who, rooms=True), f"back {who}")
        assert (await world.platform.standing(who)).inside

    async def test_removal_takes_back_an_open_invitation(self, world: PlatformWorld) -> None:
        """Nobody comes in by a door that was opened before."""
        who = await world.person()
        await self.do(world, Admit(who=who), f"a {who}")
        assert (await self.do(world, Remove(who=who, reason="No."), f"r {who}")).changed
        assert not (await world.platform.standing(who)).invited

    async def test_a_survey_tells_who_is_where(self, world: PlatformWorld) -> None:
        """As the other looks tell it, and who could let others in."""
        who, admin = await self.admitted(world), await world.admin()
        survey = await world.platform.survey()
        assert who in [guest.identity for guest in survey.members]
        assert admin in {holder.identity for holder in survey.holders}
        assert who not in {holder.identity for holder in survey.holders}
        assert not survey.unseen
        await world.leave(who)
        survey = await world.platform.survey()
        assert who not in [guest.identity for guest in survey.members]
        assert who not in [one.identity for one in survey.only]

    async def test_a_door_that_was_opened_is_seen_and_shut(self, world: PlatformWorld) -> None:
        """Once, and nothing else is changed by it."""
        assert (await world.platform.survey()).rules == ()
        place = await world.open_door()
        (rule,) = (await world.platform.survey()).rules
        assert (rule.place, rule.rule, rule.mendable) == (place, Rule.JOIN, True)
        assert "public" in rule.found
        mend = Mend(place=place, rule=Rule.JOIN)
        receipts = [await self.do(world, mend, f"mend {place}") for _ in range(2)]
        assert [receipt.changed for receipt in receipts] == [True, False]
        assert (await world.platform.survey()).rules == ()

    async def test_a_message_waits_until_the_chat_is_taken(self, world: PlatformWorld) -> None:
        """An untaken invitation is no delivery, and is not repeated."""
        who = await world.person()
        tell = Tell(who=who, text="Are you still here?")
        for _ in range(2):
            receipt = await self.do(world, tell, f"t {who}")
            assert receipt.waiting
            assert not receipt.ref
        await world.take_chat(who)
        await world.desk.wait_for(events.ChatTaken, who)
        receipt = await self.do(world, tell, f"t {who}")
        assert not receipt.waiting
        assert await world.chats(who) == 1
        assert [seen.ref for seen in await world.told(who)] == [receipt.ref]

    async def test_telling_twice_shows_one_message(self, world: PlatformWorld) -> None:
        """Under one key; another key is another message."""
        who = await self.reached(world)
        refs = [
            (await self.do(world, Tell(who=who, text="Hello."), key)).ref
            for key in (f"b {who}", f"b {who}", f"c {who}")
        ]
        assert refs[0] == refs[1] != refs[2]
        assert [seen.ref for seen in await world.told(who)][1:] == refs[1:]

    async def test_a_card_is_updated_in_place(self, world: PlatformWorld) -> None:
        """One card, with its choices while it is open."""
        card = Card(title="Ada", status="waits", choices=(YES, NO))
        before = len(await world.posted())
        refs = {
            (await self.do(world, ShowCard(place="admins", card=card), "card")).ref
            for _ in range(2)
        }
        (ref,) = refs
        done = Card(title="Ada, approved", status="done")
        for _ in range(2):
            update = ShowCard(place="admins", card=done, ref=ref)
            assert (await self.do(world, update, "card 2")).ref == ref
        posted = await world.posted()
        assert len(posted) == before + 1
        assert posted[-1].ref == ref
        assert "Ada, approved" in posted[-1].text

    async def test_a_press_names_its_message(self, world: PlatformWorld) -> None:
        """Whatever the look of the symbol; taken back it is told by the press's id."""
        admin = await world.admin()
        card = Card(title="Bob", status="waits", choices=(YES, NO))
        ref = (await self.do(world, ShowCard(place="admins", card=card), "pressed")).ref
        press_id = await world.press(admin, ref, "✅\ufe0f")
        pressed = await world.desk.wait_for(events.Pressed, admin)
        assert (pressed.ref, pressed.symbol, pressed.place) == (ref, "✅", "admins")
        assert pressed.event_id == press_id
        await world.take_back(admin, press_id)
        gone = await world.desk.wait_for(events.PressTakenBack, admin)
        assert gone.press_id == press_id

    async def test_what_people_write_to_us_comes_in(self, world: PlatformWorld) -> None:
        """From their direct chat."""
        who = await self.reached(world)
        await world.write(who, "I am <b>still</b> here")
        wrote = await world.desk.wait_for(events.Wrote, who)
        assert (wrote.place, wrote.text) == ("direct", "I am <b>still</b> here")

    async def test_a_lost_answer_converges(self, world: PlatformWorld) -> None:
        """What took effect unknown to us is not done again."""
        who = await world.person()
        tell = Tell(who=who, text="Hello.")
        await self.lose(world, tell, f"t {who}")
        if (await self.do(world, tell, f"t {who}")).waiting:
            await world.take_chat(who)
            await world.desk.wait_for(events.ChatTaken, who)
        await self.lose(world, tell, f"t {who}")
        await self.do(world, tell, f"t {who}")
        assert await world.chats(who) == 1
        assert len(await world.told(who)) == 1
        await self.lose(world, Admit(who=who), f"a {who}")
        assert not (await self.do(world, Admit(who=who), f"a {who}")).changed
        await world.enter(who)
        remove = Remove(who=who, reason="Silent.")
        await self.lose(world, remove, f"r {who}")
        await self.do(world, remove, f"r {who}")
        assert await world.places(who) == 0
        await world.desk.wait_for(events.PutOut, who)

    async def test_a_lost_card_is_one_card(self, world: PlatformWorld) -> None:
        """The admins see it once."""
        before = len(await world.posted())
        show = ShowCard(place="admins", card=Card(title="Eve", status="waits", choices=(YES,)))
        await self.lose(world, show, "lost card")
        receipt = await self.do(world, show, "lost card")
        assert [seen.ref for seen in (await world.posted())[before:]] == [receipt.ref]

    async def lose(self, world: PlatformWorld, action: Action, key: str) -> None:
        """Perform without getting the answer, unless the adapter's own second try gets it."""
        await world.lose_answer(action)
        with suppress(PlatformDown):
            await self.do(world, action, key)

    async def test_what_happens_meanwhile_is_told_later(self, world: PlatformWorld) -> None:
        """And what was told but not committed comes again under the same id."""
        one, two = await world.person(), await world.person()
        position = world.desk.place
        await world.knock(one, "before")
        first = await world.desk.wait_for(events.Knocked, one)
        await world.stop()
        world.desk.place = position  # the flush that would have kept it did not happen
        await world.knock(two, "meanwhile")
        await world.restart()
        await world.desk.wait_for(events.Knocked, two)
        again = world.desk.of(events.Knocked, one)
        assert {event.event_id for event in again} == {first.event_id}
        assert len(again) >= 2
        assert world.desk.gaps <= 1

    async def test_what_is_not_seen_is_told_at_each_start(self, world: PlatformWorld) -> None:
        """Also that it is nothing: before, it may have been otherwise."""
        await until(lambda: world.desk.blind_now == {}, "all is seen")
        await world.stop()
        world.desk.blind_now = None
        await world.restart()
        await until(lambda: world.desk.blind_now == {}, "all is seen")

    async def test_life_is_seen(self, world: PlatformWorld) -> None:
        """Coming in is a sign; our own doings are none."""
        who = await self.admitted(world)
        await until(
            lambda: any(s.who == who and s.kind is Kind.JOIN for s in world.desk.signs), "join"
        )
        accounts = {sign.who.account for sign in world.desk.signs}
        assert not any("gatekeeper" in account for account in accounts)

    async def test_what_is_said_to_us_and_pressed_is_life(self, world: PlatformWorld) -> None:
        """Each with its kind, whatever it decides besides."""
        who, admin = await self.reached(world), await world.admin()
        await world.write(who, "still here")
        card = Card(title="Eve", status="waits", choices=(YES,))
        ref = (await self.do(world, ShowCard(place="admins", card=card), "lively")).ref
        await world.press(admin, ref, "✅")
        wanted = {(who, Kind.COMMAND), (admin, Kind.PRESS)}
        await until(lambda: wanted <= {(s.who, s.kind) for s in world.desk.signs}, "signs")

    async def test_a_place_that_is_not_there(self, world: PlatformWorld) -> None:
        """Is a final no, with its reason."""
        post = Post(place="nowhere", text="Hello?")
        assert await refusal(self.do(world, post, "nowhere")) == "no-such-room"

    async def test_identities_are_parsed_and_nonsense_is_not(self, world: PlatformWorld) -> None:
        """What is no account is told as such."""
        for text in ("", "ada", "@ada", "@:gk.test", "ada:gk.test", "@a:" + "b" * 255, "@a b:c d"):
            assert fault_of(world.platform, text) == "not-an-identity", text

    async def test_limiters_are_named(self, world: PlatformWorld) -> None:
        """Every action draws on at least one."""
        who = await world.person()
        assert world.platform.limiters(Admit(who=who))
        assert world.platform.limiters(Tell(who=who, text="Hello."))
        assert world.platform.limiters(Post(place="admins", text="Hello."))
