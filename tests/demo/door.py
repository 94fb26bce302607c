"""The door: places, people from before, applications, reviews, arrivals."""

import time
from datetime import UTC, datetime

import httpx

from tests.demo import policy
from tests.demo.chapters import (
    APPROVE,
    ASK,
    DECLINE,
    HALL,
    KEEPERS,
    OLD_HANDS,
    OTHERS,
    READERS,
    RECUSE,
    SPACE,
    TALKER,
    WHY_ADA,
    WHY_BOB,
    WHY_MIA,
    WORKSHOP,
    Chapters,
    answers,
    local,
    refused,
    strip,
)
from tests.demo.stage import code_in, links_in
from tests.support.people import MatrixPerson, RoomEvent, together
from tests.support.wait import eventually


class Door(Chapters):
    """Chapters 1 to 6, and the kills at the door."""

    # ---- 1 ----

    async def house(self) -> None:
        """1. The house: places, and every other door is shut"""
        service = self.service
        self.stage.expect("fay", *OTHERS, *OLD_HANDS)
        async with self.step("`gatekeeper init` writes a policy, settings and first steps"):
            said = await service.run("init")
            assert (service.folder / "house-rules.yaml").exists(), said
        founder, alice = await self.who("fay"), await self.who("alice")
        policy.write(service.folder / "house-rules.yaml", founder.id, alice.id)
        async with self.step("`gatekeeper serve` is ready; `doctor` says that admins are missing"):
            _, took = await together(
                service.run("policy", "check", "house-rules.yaml"), service.start()
            )
            assert took < 20, took
            said = await service.run("doctor", expect=1)
            assert "admin" in said, said
        async with self.step("the bot has made a space with three rooms, one of them private"):
            for alias in (SPACE, HALL, WORKSHOP, KEEPERS):
                self.rooms[alias] = await self.resolve(alias)
            space = await self.stage.people["fay"].wait_for_invite(
                lambda i: i.room == self.rooms[SPACE]
            )
            assert space.inviter == self.stage.bot.user_id
            await founder.join(self.rooms[SPACE])
            for alias in (HALL, WORKSHOP, KEEPERS):
                await founder.join(self.rooms[alias])
            rule = await founder.state(self.rooms[SPACE], "m.room.join_rules")
            assert rule["join_rule"] == "knock", rule
            for alias in (HALL, WORKSHOP):
                rule = await founder.state(self.rooms[alias], "m.room.join_rules")
                assert rule["join_rule"] == "restricted", rule
            for alias in (SPACE, HALL, WORKSHOP, KEEPERS):
                power = await founder.state(self.rooms[alias], "m.room.power_levels")
                assert power["invite"] == 50, (alias, power)
                assert power["users"][founder.id] == 100, (alias, power)
                past = await founder.state(self.rooms[alias], "m.room.history_visibility")
                assert past["history_visibility"] == "joined", (alias, past)
        async with self.step("Alice is an admin by name, Boris by power; Gil only sits with them"):
            for alias in (SPACE, KEEPERS):
                await alice.wait_for_invite(lambda i, room=self.rooms[alias]: i.room == room)  # type: ignore[misc]
                await alice.join(self.rooms[alias])
            for name in ("boris", "gil"):
                person = await self.who(name)
                for room in (self.rooms[SPACE], self.rooms[KEEPERS]):
                    await founder.invite(room, person)
                    await person.join(room)
            await founder.set_power(self.rooms[KEEPERS], self.stage.people["boris"], 50)
        others = [name for name in OLD_HANDS if name != "carl"]  # he tries the doors, too
        self.come_in = self.stage.meanwhile(together(*map(self._bring_in, others)))
        async with self.step("now `gatekeeper doctor` is green"):
            await service.run("doctor")
        await self._doors()

    async def _doors(self) -> None:
        otto, carl = await self.who("otto"), await self.who("carl")
        founder = self.stage.people["fay"]
        await founder.invite(self.rooms[SPACE], carl)
        await carl.join(self.rooms[SPACE])
        await carl.join(self.rooms[HALL])
        for alias, room in self.rooms.items():
            name = alias[1:].partition(":")[0]
            async with self.step(f"an outsider cannot join {name}, nor read or enter by its alias"):
                await refused(otto.join(room))
                await refused(otto.join(alias))
                await refused(otto.messages(room))
        for alias in (SPACE, HALL, WORKSHOP):
            name = alias[1:].partition(":")[0]
            async with self.step(f"an ordinary member cannot bring an outsider into {name}"):
                await refused(carl.invite(self.rooms[alias], otto))

    # ---- 2 ----

    async def old_hands(self) -> None:
        """2. People from before are taken in by a plan"""
        await self.come_in
        async with self.step("`members adopt` shows whom it would take, and takes nobody yet"):
            said = await self.service.run("members", "adopt")
            assert all(name in said for name in OLD_HANDS), said
            assert self.count("memberships") == 0
        async with self.step("`members adopt --yes`: members from before, known from now on"):
            await self.service.run("members", "adopt", "--yes")
            members = await self.service.json("members", "list")
            assert set(OLD_HANDS) <= {local(m["identity"]) for m in members}, members
            assert {m["origin"] for m in members} == {"adopted"}, members
            self.adopted_at = time.monotonic()
        gil = self.stage.people[TALKER]
        self.stage.keep_doing(lambda: gil.say(self.rooms[HALL], "Fair wind today."), 6.0)
        for name in READERS:
            self.reads(self.stage.people[name])

    async def _bring_in(self, name: str) -> None:
        person = await self.who(name)
        if self.rooms[SPACE] not in person.joined:
            await self.stage.people["alice"].invite(self.rooms[SPACE], person)
            await person.join(self.rooms[SPACE])
        if self.rooms[HALL] not in person.joined:
            await person.join(self.rooms[HALL])

    # ---- 3 ----

    async def form(self) -> None:
        """3. Ada applies on the web"""
        ada = await self.who("ada")
        browser = self.stage.browser()
        async with self.step("the form asks the policy's questions, and checks them again"):
            text = await browser.open("/join")
            assert "Why do you want to join?" in text, text
            await browser.send(
                {"your-account": ada.id, "why": "Because.", "craft": "maker", "rules": "yes"},
                "/join",
            )
            assert browser.status == 422, browser.text
            assert "20" in browser.text or "short" in browser.text, browser.text
        async with self.step("a sent form orders a code that names the club and the hour"):
            await browser.send(answers(ada.id, WHY_ADA), "/join")
            assert "/join/code" in str(browser.page and browser.page.url), browser.text
            chat = await ada.wait_for_invite(lambda i: i.direct)
            await ada.join(chat.room)
            message = await ada.wait_for_message(lambda e: "code" in e.body, room=chat.room)
            assert "The Lighthouse" in message.body, message.body
            assert f"{datetime.now(UTC):%H}:" in message.body, message.body
        async with self.step("unproven, she stands nowhere: no card, nothing to see"):
            assert await self.no_card("ada")
        async with self.step("another browser cannot use the code; a wrong one is counted"):
            stranger = self.stage.browser()
            await stranger.open("/join/code")
            assert "Ada" not in stranger.text and WHY_ADA not in stranger.text, stranger.text
            wrong = f"{(int(code_in(message.body)) + 1) % 10**6:06d}"
            await browser.send({"code": wrong}, "/join/code")
            assert "4" in browser.text, browser.text
        async with self.step("typed into the browser that asked, it proves her; she sees where"):
            await browser.send({"code": code_in(message.body)}, "/join/code")
            assert "/standing" in str(browser.page and browser.page.url), browser.text
            assert "0 of the 2" in browser.text, browser.text
        self.ada_browser = browser

    # ---- 4 ----

    async def knocks(self) -> None:
        """4. Bob and Mallory knock"""
        knocks = {
            name: self.stage.meanwhile(self._gets_a_link(name)) for name in ("bob", "mallory")
        }
        for name, why, decline in (
            ("bob", WHY_BOB, False),
            ("mallory", "Best CASINO in town, join us now!", True),
        ):
            person = await self.who(name)
            async with self.step(f"{name.capitalize()} knocks with a reason and gets a link"):
                message = await knocks[name]
                link = links_in(message.body, message.html)[0]
            browser = self.stage.browser()
            async with self.step("opening the link does nothing by itself, its button does"):
                before = await self.applications()
                async with httpx.AsyncClient() as robot:
                    for _ in range(2):
                        assert (await robot.get(link)).status_code == 200
                    await robot.head(link)
                await browser.open(link)
                assert browser.status == 200 and person.id in browser.text, browser.text
                assert await self.applications() == before
                await browser.send({}, "/l/")
                assert "Why do you want to join?" in browser.text, browser.text
            async with self.step("the form needs no code: the chat has proven the account"):
                await browser.send(answers("", why), "/join")
                assert "/standing" in str(browser.page and browser.page.url), browser.text
            if decline:
                async with self.step("a rule declines Mallory at once, with that rule's sentence"):
                    told = await person.wait_for_message(
                        lambda e: "declined" in e.body, room=message.room
                    )
                    assert "advertising" in told.body or "spam" in told.body.lower(), told.body
                    assert await self.no_card("mallory")

    async def _gets_a_link(self, name: str) -> RoomEvent:
        """Knock; the message in which the link came."""
        person = await self.who(name)
        await person.knock(self.rooms[SPACE], f"{name} would like to come in")
        chat = await person.wait_for_invite(lambda i: i.direct)
        await person.join(chat.room)
        return await person.wait_for_message(
            lambda e: bool(links_in(e.body, e.html)), room=chat.room
        )

    # ---- 5 ----

    async def review(self) -> None:
        """5. The admins decide on a card"""
        alice, gil = self.stage.people["alice"], self.stage.people["gil"]
        keepers = self.rooms[KEEPERS]
        self.mia_applies = self.stage.meanwhile(self.apply_by_knock("mia", WHY_MIA))
        async with self.step("a card stands in the admin room: answers, how long known, quorum"):
            card = await self.card("ada")
            assert WHY_ADA in card.body and "I have read" in card.body, card.body
            assert "0 of 2" in card.body and "Known to us" in card.body, card.body
            assert "Account made" not in card.body, card.body
        async with self.step("the bot has set ✅ ❓ ❌ 🙈, so that a tap decides"):
            pressed = await alice.reactions(keepers, card.id)
            assert {strip(key) for key in pressed} == {APPROVE, ASK, DECLINE, RECUSE}, pressed
        async with self.step("Gil, who has no right, is told so in private; nothing changes"):
            await gil.react(keepers, card.id, APPROVE)
            chat = await gil.wait_for_invite(lambda i: i.direct)
            await gil.join(chat.room)
            await gil.wait_for_message(
                lambda e: "Only this club's admins" in e.body, room=chat.room
            )
            assert "0 of 2" in await alice.text_of(keepers, card.id)
        async with self.step("Alice's ✅ is counted; taken back, it is gone; given again, counted"):
            press = await alice.react(keepers, card.id, "✅️")  # with U+FE0F
            await self.shows(card.id, "1 of 2")
            await alice.redact(keepers, press)
            await self.shows(card.id, "0 of 2")
            await alice.react(keepers, card.id, APPROVE)
            await self.shows(card.id, "1 of 2")

    async def question(self) -> None:
        """… Bob is asked, answers, and is declined with a reason from the policy"""
        alice, boris, bob = [self.stage.people[n] for n in ("alice", "boris", "bob")]
        keepers = self.rooms[KEEPERS]
        card = await self.card("bob")
        async with self.step("a waiting application is brought up again"):
            await alice.wait_for_message(
                lambda e: "still waiting" in e.body and "Bob" in e.body, room=keepers
            )
        async with self.step("Alice taps ❓ and writes her question in the card's thread"):
            await alice.react(keepers, card.id, ASK)
            await alice.wait_for_message(
                lambda e: "write your question" in e.body and e.thread == card.id, room=keepers
            )
            await alice.reply_in_thread(keepers, card.id, "Which harbour do you live at?")
            asked = await bob.wait_for_message(lambda e: "Which harbour" in e.body)
        async with self.step("Bob answers in his chat; the answer stands beneath the card"):
            await bob.say(asked.room, "At the old one, in the east.")
            shown = await alice.wait_for_message(
                lambda e: "in the east" in e.body and e.thread == card.id, room=keepers
            )
            assert "Bob" in shown.body, shown.body
        async with self.step("❌ counts once a reason is picked from the policy's list"):
            await boris.react(keepers, card.id, DECLINE)
            reasons = await alice.wait_for_message(
                lambda e: "Your interests lie elsewhere" in e.body and e.thread == card.id,
                room=keepers,
            )
            assert "Waiting" in await alice.text_of(keepers, card.id)
            await boris.react(keepers, reasons.id, "1️⃣")
            await self.shows(card.id, "Declined by")
        async with self.step("the reason reaches Bob, and his knock is answered"):
            await bob.wait_for_message(lambda e: "Your interests lie elsewhere" in e.body)
            await bob.wait_until_out(self.rooms[SPACE])

    async def approval(self) -> None:
        """… Ada is approved, and so is Mia, who knocked as well"""
        alice, boris, fay = [self.stage.people[n] for n in ("alice", "boris", "fay")]
        keepers, mia = self.rooms[KEEPERS], await self.who("mia")
        async with self.step("Boris's ✅ is the second: approved; the card says who, when, why"):
            await boris.react(keepers, self.cards["ada"], APPROVE)
            text = await self.shows(self.cards["ada"], "Approved by")
            assert "Alice" in text and "Boris" in text, text
            own = [e for e in await alice.messages(keepers) if self.is_card(e, "Ada")]
            assert len(own) == 1, own
        async with self.step("Mia, who knocked as well, is approved"):
            await self.mia_applies
            card = await self.card("mia")
            for admin in (fay, boris):
                await admin.react(keepers, card.id, APPROVE)
            await mia.wait_for_invite(lambda i: i.room == self.rooms[SPACE])

    # ---- 6 ----

    async def arrival(self) -> None:
        """6. Ada arrives"""
        ada, mia, alice = [self.stage.people[n] for n in ("ada", "mia", "alice")]
        async with self.step("Ada is invited; her standing page says so"):
            await ada.wait_for_invite(lambda i: i.room == self.rooms[SPACE])

            async def told() -> bool:
                return "invitation" in (await self.ada_browser.open("/standing")).lower()

            await eventually(told, 10, what="the standing page")
        self.kim_knocks = self.stage.meanwhile(self.knock_and_open(await self.who("kim")))
        async with self.step("both join: the space opens its rooms; greeted later, and together"):
            await alice.join(self.rooms[HALL])  # who was not in it cannot read what was said
            for room in (self.rooms[SPACE], self.rooms[HALL]):
                await together(ada.join(room), mia.join(room))
            members = self.stage.meanwhile(self.service.json("members", "list"))
            greeting = await eventually(lambda: self._greeting(alice), 15, what="the greeting")
            assert all(name in greeting.body for name in ("Ada", "Mia")), greeting.body
            came = (await self.memberships(mia, "join"))[-1]
            assert greeting.at - came.at >= 3000, "greeted before the policy's delay"
        async with self.step("admitted means joined"):
            found = {local(each["identity"]) for each in await members}
            assert {"ada", "mia"} <= found, found
        self.reads(ada)
        self.reads(mia)

    async def _greeting(self, alice: MatrixPerson) -> RoomEvent | None:
        said = await alice.messages(self.rooms[HALL])
        return next((e for e in said if e.sender == self.stage.bot.user_id), None)

    # ---- 10, where it belongs ----

    async def kills_at_the_door(self) -> None:
        """10a. Killed in the middle: a card, a press, an invitation"""
        alice, boris, kim = [await self.who(n) for n in ("alice", "boris", "kim")]
        keepers = self.rooms[KEEPERS]
        browser = await self.kim_knocks
        async with self.step("killed when the card is posted and its answer lost: one card"):
            trap = self.proxy.arm(
                "PUT",
                "/send/m.room.message/",
                body_regex=r"Application #\d+: Kim",
                callback=self.service.kill,
            )
            await browser.send(answers("", "I build model ships and read charts."), "/join")
            await trap.wait()
            await self.revive()
            card = await self.card("kim")
            await eventually(lambda: self.has_choices(alice, card.id), 15, what="✅ ❓ ❌")
            cards = [e for e in await alice.messages(keepers) if self.is_card(e, "Kim")]
            assert len(cards) == 1, cards
        async with self.step("killed between Alice's press and our commit: her vote is not lost"):
            trap = self.proxy.arm(
                "GET", "/(members|joined_members|state)", callback=self.service.kill
            )
            await alice.react(keepers, card.id, APPROVE)
            await trap.wait()
            await self.revive()
            await self.shows(card.id, "1 of 2")
        async with self.step(
            "killed when the invitation stands and its answer lost: one invitation"
        ):
            trap = self.proxy.arm("POST", "/invite$", body_regex="kim", callback=self.service.kill)
            await boris.react(keepers, card.id, APPROVE)
            await trap.wait()
            await self.revive()
            await self.shows(card.id, "The invitation stands")
            await kim.wait_for_invite(lambda i: i.room == self.rooms[SPACE])
            invited = await self.memberships(kim, "invite")
            assert len(invited) == 1, invited
