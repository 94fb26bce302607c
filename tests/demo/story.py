"""A club's whole story on a real homeserver: from the join form to the last goodbye."""

import asyncio
import re
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import httpx
from mautrix.errors import MatrixRequestError

from tests.demo import policy
from tests.demo.stage import Browser, Stage, code_in, links_in
from tests.support.people import MatrixPerson, RoomEvent
from tests.support.synapse import SERVER_NAME
from tests.support.wait import eventually

SPACE, HALL, WORKSHOP, KEEPERS = (
    f"#{alias}:{SERVER_NAME}"
    for alias in ("lighthouse", "lighthouse-hall", "lighthouse-workshop", "lighthouse-keepers")
)
OLD_HANDS = ("carl", "dana", "eve", "finn", "zoe", "gil", "hana", "lars")
TALKER, READERS = "gil", ("hana",)
WHY_ADA = "I repair ship clocks and would love to learn from your makers."
WHY_BOB = "I write about harbours and like to read what you talk about."
APPROVE, ASK, DECLINE, HERE, GO_ON = "✅", "❓", "❌", "✋", "▶"


class Story:
    """The chapters, in order; each leaves what the next one needs."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.step = stage, stage.program.step
        self.service, self.proxy = stage.service, stage.proxy
        self.rooms: dict[str, str] = {}
        self.cards: dict[str, str] = {}
        self.adopted_at = 0.0

    async def play(self) -> None:
        """All of it."""
        for chapter in (
            self.house,
            self.old_hands,
            self.form,
            self.knocks,
            self.review,
            self.question,
            self.arrival,
            self.kills_at_the_door,
            self.life,
            self.sweep,
            self.removal,
            self.comeback,
            self.pause,
            self.record,
        ):
            self.stage.program.chapter((chapter.__doc__ or "").splitlines()[0])
            await chapter()

    async def who(self, name: str) -> MatrixPerson:
        """One of the people."""
        return await self.stage.person(name)

    # ---- 1 ----

    async def house(self) -> None:
        """1. The house: places, and every other door is shut"""
        service = self.service
        founder = await self.who("fay")
        async with self.step("`gatekeeper init` writes a policy, settings and first steps"):
            said = await service.run("init")
            assert (service.folder / "house-rules.yaml").exists(), said
            policy.write(service.folder / "house-rules.yaml", founder.id)
            await service.run("policy", "check", "house-rules.yaml")
        async with self.step("`gatekeeper serve` is ready; `doctor` says that admins are missing"):
            took = await service.start()
            assert took < 20, took
            said = await service.run("doctor", expect=1)
            assert "admin" in said, said
        async with self.step("the bot has made a space with three rooms, one of them private"):
            for alias in (SPACE, HALL, WORKSHOP, KEEPERS):
                self.rooms[alias] = await self._resolve(alias)
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
        async with self.step("the founder makes Alice and Boris admins, Gil only sits with them"):
            for name in ("alice", "boris", "gil"):
                person = await self.who(name)
                for room in (self.rooms[SPACE], self.rooms[KEEPERS]):
                    await founder.invite(room, person)
                    await person.join(room)
            for name in ("alice", "boris"):
                await founder.set_power(self.rooms[KEEPERS], self.stage.people[name], 50)
            await founder.set_power(self.rooms[SPACE], self.stage.people["alice"], 50)
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

    async def _resolve(self, alias: str) -> str:
        def look() -> str:
            quoted = alias.replace("#", "%23").replace(":", "%3A")
            path = f"/_matrix/client/v3/directory/room/{quoted}"
            return str(self.stage.synapse.call("GET", path, token=self.stage.bot.token)["room_id"])

        return await asyncio.to_thread(look)

    # ---- 2 ----

    async def old_hands(self) -> None:
        """2. People from before are taken in by a plan"""
        await asyncio.gather(*(self._bring_in(name) for name in OLD_HANDS))
        async with self.step("`members adopt` shows whom it would take, and takes nobody yet"):
            said = await self.service.run("members", "adopt")
            assert all(name in said for name in OLD_HANDS), said
            assert await self.service.json("members", "list") == []
        async with self.step("`members adopt --yes`: members from before, known from now on"):
            await self.service.run("members", "adopt", "--yes")
            members = await self.service.json("members", "list")
            assert set(OLD_HANDS) <= {_local(m["identity"]) for m in members}, members
            assert {m["origin"] for m in members} == {"adopted"}, members
            self.adopted_at = time.monotonic()
        gil = self.stage.people[TALKER]
        self.stage.keep_doing(lambda: gil.say(self.rooms[HALL], "Fair wind today."), 6.0)
        for name in READERS:
            self._reads(self.stage.people[name])

    async def _bring_in(self, name: str) -> None:
        person = await self.who(name)
        if self.rooms[SPACE] not in person.joined:
            await self.stage.people["alice"].invite(self.rooms[SPACE], person)
            await person.join(self.rooms[SPACE])
        if self.rooms[HALL] not in person.joined:
            await person.join(self.rooms[HALL])

    def _reads(self, person: MatrixPerson) -> None:
        """Someone who reads along: no word, only read receipts."""
        room = self.rooms[HALL]

        async def read() -> None:
            seen = [e for e in person.seen if e.room == room and e.type == "m.room.message"]
            if seen:
                await person.read(room, seen[-1].id)

        self.stage.keep_doing(read, 3.0)

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
            assert await self._no_card("ada")
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
            assert "0 of 2" in browser.text, browser.text
        self.ada_browser = browser

    # ---- 4 ----

    async def knocks(self) -> None:
        """4. Bob and Mallory knock"""
        for name, why, decline in (
            ("bob", WHY_BOB, False),
            ("mallory", "Best CASINO in town, join us now!", True),
        ):
            person = await self.who(name)
            async with self.step(f"{name.capitalize()} knocks with a reason and gets a link"):
                await person.knock(self.rooms[SPACE], f"{name} would like to come in")
                chat = await person.wait_for_invite(lambda i: i.direct)
                await person.join(chat.room)
                message = await person.wait_for_message(
                    lambda e: bool(links_in(e.body, e.html)), room=chat.room
                )
                link = links_in(message.body, message.html)[0]
            browser = self.stage.browser()
            async with self.step("opening the link does nothing by itself, its button does"):
                before = await self._applications()
                async with httpx.AsyncClient() as robot:
                    for _ in range(2):
                        assert (await robot.get(link)).status_code == 200
                    await robot.head(link)
                await browser.open(link)
                assert browser.status == 200 and person.id in browser.text, browser.text
                assert await self._applications() == before
                await browser.send({}, "/l/")
                assert "Why do you want to join?" in browser.text, browser.text
            async with self.step("the form needs no code: the chat has proven the account"):
                await browser.send(answers("", why), "/join")
                assert "/standing" in str(browser.page and browser.page.url), browser.text
            if decline:
                async with self.step("a rule declines Mallory at once, with that rule's sentence"):
                    told = await person.wait_for_message(
                        lambda e: "declined" in e.body, room=chat.room
                    )
                    assert "advertising" in told.body or "spam" in told.body.lower(), told.body
                    assert await self._no_card("mallory")

    async def _applications(self) -> int:
        return len(await self.service.json("applications", "list", "--all"))

    # ---- 5 ----

    async def review(self) -> None:
        """5. The admins decide on a card"""
        alice, boris = self.stage.people["alice"], self.stage.people["boris"]
        gil = self.stage.people["gil"]
        keepers = self.rooms[KEEPERS]
        async with self.step("a card stands in the admin room: answers, how long known, quorum"):
            card = await self._card("ada")
            assert WHY_ADA in card.body and "I have read" in card.body, card.body
            assert "0 of 2" in card.body and "Known to us" in card.body, card.body
            assert "Account made" not in card.body, card.body
        async with self.step("the bot has set ✅ ❓ ❌, so that a tap decides"):
            pressed = await alice.reactions(keepers, card.id)
            assert {strip(key) for key in pressed} == {APPROVE, ASK, DECLINE}, pressed
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
            await self._shows(card.id, "1 of 2")
            await alice.redact(keepers, press)
            await self._shows(card.id, "0 of 2")
            await alice.react(keepers, card.id, APPROVE)
            await self._shows(card.id, "1 of 2")
        async with self.step("Boris's ✅ is the second: approved; the card says who, when, why"):
            await boris.react(keepers, card.id, APPROVE)
            text = await self._shows(card.id, "Approved by")
            assert "Alice" in text and "Boris" in text, text
            own = [e for e in await alice.messages(keepers) if self._is_card(e, "Ada")]
            assert len(own) == 1, own

    async def question(self) -> None:
        """… Bob is asked, answers, and is declined with a reason from the policy"""
        alice, bob = self.stage.people["alice"], self.stage.people["bob"]
        keepers = self.rooms[KEEPERS]
        card = await self._card("bob")
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
            await alice.react(keepers, card.id, DECLINE)
            reasons = await alice.wait_for_message(
                lambda e: "Your interests lie elsewhere" in e.body and e.thread == card.id,
                room=keepers,
            )
            assert "Waiting" in await alice.text_of(keepers, card.id)
            await alice.react(keepers, reasons.id, "1️⃣")
            await self._shows(card.id, "Declined by")
        async with self.step("the reason reaches Bob, and his knock is answered"):
            await bob.wait_for_message(lambda e: "Your interests lie elsewhere" in e.body)
            await bob.wait_until_out(self.rooms[SPACE])

    async def _card(self, name: str) -> RoomEvent:
        alice = self.stage.people["alice"]
        card = await alice.wait_for_message(
            lambda e: e.edits is None and self._is_card(e, name.capitalize()),
            room=self.rooms[KEEPERS],
        )
        self.cards[name] = card.id
        return card

    def _is_card(self, event: RoomEvent, name: str) -> bool:
        titled = re.search(rf"Application #\d+: {name}\b", event.body) is not None
        return titled and event.sender == self.stage.bot.user_id and event.edits is None

    async def _no_card(self, name: str) -> bool:
        alice = self.stage.people["alice"]
        found = await alice.messages(self.rooms[KEEPERS])
        return not any(name in e.body.lower() for e in found)

    async def _shows(self, card: str, text: str) -> str:
        alice = self.stage.people["alice"]

        async def look() -> str:
            now = await alice.text_of(self.rooms[KEEPERS], card)
            assert text in now, now
            return now

        return await eventually(look, 15, every=0.2, what=f"the card shows {text!r}")

    # ---- 6 ----

    async def arrival(self) -> None:
        """6. Ada arrives"""
        ada, alice = self.stage.people["ada"], self.stage.people["alice"]
        async with self.step("Ada is invited; her standing page says so"):
            await ada.wait_for_invite(lambda i: i.room == self.rooms[SPACE])

            async def told() -> bool:
                return "invitation" in (await self.ada_browser.open("/standing")).lower()

            await eventually(told, 10, what="the standing page")
        async with self.step("she joins: the space opens its rooms; greeted not at once, but soon"):
            await ada.join(self.rooms[SPACE])
            await ada.join(self.rooms[HALL])
            await asyncio.sleep(1.5)
            assert not await self._greeting(alice), "greeted at once"
            greeting = await eventually(lambda: self._greeting(alice), 15, what="the greeting")
            assert "Ada" in greeting.body or ada.id in str(greeting.content), greeting.body
        async with self.step("admitted means joined"):
            members = await self.service.json("members", "list")
            assert "ada" in {_local(m["identity"]) for m in members}, members
        self._reads(ada)

    async def _greeting(self, alice: MatrixPerson) -> RoomEvent | None:
        hall = self.rooms[HALL]
        if hall not in alice.joined:
            await alice.join(hall)
        return next((e for e in await alice.messages(hall) if e.sender == self.stage.bot.user_id
                     and e.type == "m.room.message"), None)  # fmt: skip

    # ---- 10, where it belongs ----

    async def kills_at_the_door(self) -> None:
        """10a. Killed in the middle: a card, a press, an invitation"""
        alice, boris, kim = [await self.who(n) for n in ("alice", "boris", "kim")]
        keepers = self.rooms[KEEPERS]
        browser = await self._knock_and_open(kim)
        async with self.step("killed when the card is posted and its answer lost: one card"):
            trap = self.proxy.arm("PUT", "/send/m.room.message/", body_regex=r"Application #\d+: Kim",
                                  callback=self.service.kill)  # fmt: skip
            await browser.send(answers("", "I build model ships and read charts."), "/join")
            await trap.wait()
            await self._revive()
            card = await self._card("kim")
            await eventually(lambda: self._has_choices(alice, card.id), 15, what="✅ ❓ ❌")
            cards = [e for e in await alice.messages(keepers) if self._is_card(e, "Kim")]
            assert len(cards) == 1, cards
        async with self.step("killed between Alice's press and our commit: her vote is not lost"):
            trap = self.proxy.arm(
                "GET", "/(members|joined_members|state)", callback=self.service.kill
            )
            await alice.react(keepers, card.id, APPROVE)
            await trap.wait()
            await self._revive()
            await self._shows(card.id, "1 of 2")
        async with self.step(
            "killed when the invitation stands and its answer lost: one invitation"
        ):
            trap = self.proxy.arm("POST", "/invite$", body_regex="kim", callback=self.service.kill)
            await boris.react(keepers, card.id, APPROVE)
            await trap.wait()
            await self._revive()
            await self._shows(card.id, "The invitation stands")
            await kim.wait_for_invite(lambda i: i.room == self.rooms[SPACE])
            invited = await self._memberships(kim, "invite")
            assert len(invited) == 1, invited
        async with self.step("an invitation not taken up is reminded once and ends by itself"):
            await kim.wait_for_message(lambda e: "still waiting in your client" in e.body)
            await kim.wait_until_out(self.rooms[SPACE], timeout=25)
            await self._shows(card.id, "not taken up")

    async def _knock_and_open(self, person: MatrixPerson) -> Browser:
        await person.knock(self.rooms[SPACE], "Let me in, please.")
        chat = await person.wait_for_invite(lambda i: i.direct)
        await person.join(chat.room)
        message = await person.wait_for_message(
            lambda e: bool(links_in(e.body, e.html)), room=chat.room
        )
        browser = self.stage.browser()
        await browser.open(links_in(message.body, message.html)[0])
        await browser.send({}, "/l/")
        return browser

    async def _has_choices(self, alice: MatrixPerson, card: str) -> bool:
        return len(await alice.reactions(self.rooms[KEEPERS], card)) == 3

    async def _revive(self) -> None:
        await self.service.gone()
        await self.service.start()

    async def _memberships(self, person: MatrixPerson, kind: str) -> list[RoomEvent]:
        """Every membership event of one kind that the homeserver has for a person in the space."""
        founder = self.stage.people["fay"]
        events = await founder.messages(self.rooms[SPACE], limit=500, kinds=("m.room.member",))
        return [
            e for e in events if e.state_key == person.id and e.content.get("membership") == kind
        ]

    # ---- 7 ----

    async def life(self) -> None:
        """7. Life: some talk, some react, some only read, some are silent"""
        alice, dana = self.stage.people["alice"], self.stage.people["dana"]
        hall = self.rooms[HALL]
        async with self.step("Alice talks, Gil reacts, Hana and Ada only read"):
            said = await alice.say(hall, "The lamp is lit.")
            await self.stage.people[TALKER].react(hall, said, "🔥")
        async with self.step("Dana announces a leave until a date, in her chat with the bot"):
            chat = await dana.make_direct_chat(self.stage.bot.user_id)
            until = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
            await eventually(
                lambda: self._both_in(dana, chat), 15, what="the bot takes up Dana's chat"
            )
            await dana.say(chat, f"away until {until} at sea")
            await dana.wait_for_message(lambda e: "you are away until" in e.body, room=chat)
        async with self.step("Finn is exempt, with a reason and an end date"):
            finn = self.stage.people["finn"]
            until = (datetime.now(UTC) + timedelta(days=90)).date().isoformat()
            await self.service.run("members", "exempt", finn.id, "--reason", "writes our book",
                                   "--until", until)  # fmt: skip

    async def _both_in(self, person: MatrixPerson, room: str) -> bool:
        return self.stage.bot.user_id in await person.members(room)

    # ---- 8 ----

    async def sweep(self) -> None:
        """8. The sweep: planned, then run by the schedule"""
        carl, eve, zoe, lars = [self.stage.people[n] for n in ("carl", "eve", "zoe", "lars")]
        await asyncio.sleep(max(0.0, self.adopted_at + 16 - time.monotonic()))
        async with self.step("the founder switches sweeping on, and restarts the service"):
            second = (datetime.now(UTC) + timedelta(seconds=14)).second
            policy.write(self.service.folder / "house-rules.yaml", self.stage.people["fay"].id,
                         settle=1, schedule=f"{second} * * * * *")  # fmt: skip
            await self.service.run("policy", "check", "house-rules.yaml")
            await self.service.stop()
            await self.service.start()
        async with self.step("`sweep plan` says who would be noticed and why; nothing is done"):
            said = await self.service.run("sweep", "plan")
            assert all(name in said for name in ("carl", "eve", "zoe", "lars")), said
            assert not any(name in said for name in ("dana", "finn", "gil", "alice")), said
            assert not any(i.direct for i in carl.invites()), "something was done"
        async with self.step("the schedule runs it: Carl, Eve, Lars and Zoe are asked in a chat"):
            chats = {}
            for person in (carl, eve, zoe, lars):
                invitation = await person.wait_for_invite(lambda i: i.direct, timeout=30)
                chats[person.name] = invitation.room
        async with self.step("killed when Lars's notice is sent and its answer lost: one notice"):
            trap = self.proxy.arm("PUT", "/send/m.room.message/", body_regex="still here",
                                  callback=self.service.kill)  # fmt: skip
            await lars.join(chats["lars"])
            await trap.wait()
            await self.stage.people["hana"].say(self.rooms[HALL], "Said while the bot is down.")
            await self._revive()
            await lars.wait_for_message(lambda e: "still here" in e.body, room=chats["lars"])
            await eventually(lambda: self._state_of(lars, "noticed"), 15, what="Lars is noticed")
            notices = [
                e
                for e in await lars.messages(chats["lars"])
                if "still here" in e.body and not e.edits
            ]
            assert len(notices) == 1, notices
        async with self.step("what was said while it was down is not missed"):
            await eventually(self._hana_was_heard, 15, what="Hana's message")
        async with self.step("Eve takes up the chat, presses “I am still here” and is free"):
            await eve.join(chats["eve"])
            notice = await eve.wait_for_message(lambda e: "still here" in e.body, room=chats["eve"])
            await eventually(lambda: self._state_of(eve, "noticed"), 15, what="Eve is noticed")
            await eve.react(chats["eve"], notice.id, HERE)
            await eventually(lambda: self._state_of(eve, "active"), 15, what="Eve is active")
            self._reads(eve)
        async with self.step("Carl's grace begins when the notice is delivered"):
            await carl.join(chats["carl"])
            await carl.wait_for_message(lambda e: "still here" in e.body, room=chats["carl"])
            await eventually(lambda: self._state_of(carl, "noticed"), 15, what="Carl is noticed")
            assert await self._state_of(zoe, "notifying"), "an untaken chat is no delivery"

    async def _state_of(self, person: MatrixPerson, state: str) -> bool:
        """What the service's own table says, polled without a process each time."""
        path = next(self.service.folder.rglob("gatekeeper.db"))
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            row = database.execute(
                "SELECT state FROM memberships WHERE identity = ? ORDER BY id DESC",
                (f"matrix:{person.id}",),
            ).fetchone()
        return row is not None and row[0] == state

    async def _show(self, person: MatrixPerson) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = await self.service.json("members", "show", person.id)
        return found

    async def _hana_was_heard(self) -> bool:
        shown = await self._show(self.stage.people["hana"])
        return "message" in str(shown)

    async def removal(self) -> None:
        """… grace ends, an admin confirms, Carl is looked at once more and removed"""
        alice, carl, lars, zoe = [self.stage.people[n] for n in ("alice", "carl", "lars", "zoe")]
        keepers = self.rooms[KEEPERS]
        async with self.step("the planned removals stand as a card; Zoe “could not be reached”"):
            card = await alice.wait_for_message(
                lambda e: e.edits is None and "removal" in e.body.lower() and e.thread is None
                and ("Carl" in e.body or "Lars" in e.body),
                room=keepers, timeout=30,
            )  # fmt: skip

            async def whole() -> str:
                text = await alice.text_of(keepers, card.id)
                assert all(name in text for name in ("Carl", "Lars", "Zoe")), text
                assert "could not be reached" in text, text
                assert "Eve" not in text, text
                return text

            await eventually(whole, 25, every=0.3, what="the card of removals")
            assert carl.id in await alice.members(self.rooms[SPACE])
        async with self.step("an admin confirms; killed while Lars is put out: put out once"):
            trap = self.proxy.arm("POST", "/kick$", body_regex="lars", callback=self.service.kill)
            await alice.react(keepers, card.id, APPROVE)
            await trap.wait()
            await self._revive()
        for person in (carl, lars):
            async with self.step(f"{person.name.capitalize()} is out of the space and every room"):
                for alias in (HALL, SPACE):
                    event = await person.wait_until_out(self.rooms[alias])
                    assert event is None or event.reason, event
                for alias in (SPACE, HALL, WORKSHOP):
                    inside = await alice.members(self.rooms[alias]) if alias != WORKSHOP else set()
                    assert person.id not in inside
                await eventually(lambda p=person: self._state_of(p, "removed"), 15, what="removed")  # type: ignore[misc]
                leaves = await self._memberships(person, "leave")
                assert len(leaves) == 1, leaves
        async with self.step("Zoe is not removed: she stands to be decided by name"):
            assert zoe.id in await alice.members(self.rooms[SPACE])
            assert await self._state_of(zoe, "notifying")

    # ---- 9 ----

    async def comeback(self) -> None:
        """9. Carl comes back by the link from his goodbye"""
        carl = self.stage.people["carl"]
        async with self.step("his goodbye says why, and holds a link"):
            goodbye = await carl.wait_for_message(lambda e: bool(links_in(e.body, e.html))
                                                  and "back" in e.body.lower())  # fmt: skip
            link = next(url for url in links_in(goodbye.body, goodbye.html))
        browser = self.stage.browser()
        async with self.step("its button invites him, him alone, without a new application"):
            await browser.open(link)
            assert carl.id in browser.text, browser.text
            before = await self._applications()
            await browser.send({}, "/l/")
            await carl.wait_for_invite(lambda i: i.room == self.rooms[SPACE])
            await carl.join(self.rooms[SPACE])
            await eventually(lambda: self._state_of(carl, "active"), 15, what="Carl is back")
            assert await self._applications() == before
        async with self.step("it works once"):
            await browser.open(link)
            assert browser.status in {403, 410}, browser.text
        async with self.step("after a ban it never works"):
            lars, founder = self.stage.people["lars"], self.stage.people["fay"]
            goodbye = await lars.wait_for_message(lambda e: bool(links_in(e.body, e.html))
                                                  and "back" in e.body.lower())  # fmt: skip
            await founder.ban(self.rooms[SPACE], lars, "sold our charts")
            await eventually(lambda: self._state_of(lars, "banned"), 15, what="Lars is banned")
            await browser.open(links_in(goodbye.body, goodbye.html)[0])
            assert browser.status in {403, 410}, browser.text

    # ---- 11 ----

    async def pause(self) -> None:
        """11. Pause and resume"""
        alice, otto = self.stage.people["alice"], self.stage.people["otto"]
        keepers = self.rooms[KEEPERS]
        async with self.step("`gatekeeper pause` stops all writing while intake goes on"):
            await self.service.run("pause")
            await otto.knock(self.rooms[SPACE], "May I?")
            await eventually(self._otto_waits, 10, what="the knock is taken in")
            await asyncio.sleep(2.5)
            assert not any(i.direct for i in otto.invites()), "written while paused"
        async with self.step("`!gk resume` in the admin room shows what would happen, ▶ goes on"):
            await alice.say(keepers, "!gk resume")
            listed = await alice.wait_for_message(
                lambda e: "resuming" in e.body.lower(), room=keepers
            )
            assert "otto" in listed.body, listed.body
            assert not any(i.direct for i in otto.invites())
            await alice.react(keepers, listed.id, GO_ON)
            await otto.wait_for_invite(lambda i: i.direct)

    async def _otto_waits(self) -> bool:
        said = await self.service.run("resume", expect=None)
        return "otto" in said

    # ---- 12 ----

    async def record(self) -> None:
        """12. The record of every decision is whole"""
        service = self.service
        async with self.step("`audit verify` finds it whole; erasing a person leaves it so"):
            await service.run("audit", "verify")
            await service.run("members", "erase", self.stage.people["bob"].id, "--yes")
            await service.run("audit", "verify")
        await service.stop()
        for what, change in (
            ("one changed byte", "UPDATE {t} SET sentence = sentence || '.' WHERE sequence = 2"),
            ("a deleted newest row",
             "DELETE FROM {t} WHERE sequence = (SELECT max(sequence) FROM {t})"),
        ):  # fmt: skip
            async with self.step(f"{what} is found"):
                restore = self._tamper(change)
                said = await service.run("audit", "verify", expect=1)
                assert "record-broken" in said, said
                restore()
                await service.run("audit", "verify")

    def _tamper(self, change: str) -> Callable[[], None]:
        database = next(self.service.folder.rglob("gatekeeper.db"))
        before = database.with_suffix(".before")
        with sqlite3.connect(database) as source, sqlite3.connect(before) as copy:
            source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            source.backup(copy)
            tables = [
                r[0] for r in source.execute("SELECT name FROM sqlite_master WHERE type='table'")
            ]
            table = next(t for t in tables if {"sequence", "sentence", "mac"} <= {
                row[1] for row in source.execute(f"PRAGMA table_info({t})")})  # fmt: skip
            done = source.execute(change.format(t=table)).rowcount
            assert done == 1, f"{done} rows changed"
        source.close()

        def restore() -> None:
            back, copy = sqlite3.connect(database), sqlite3.connect(before)
            copy.backup(back)
            back.close()
            copy.close()

        return restore


def answers(account: str, why: str) -> dict[str, str]:
    """The demo form, filled in."""
    given = {"why": why, "craft": "maker", "rules": "yes"}
    return given | ({"your-account": account} if account else {})


async def refused(act: Awaitable[object]) -> None:
    """Asserts that the homeserver says no."""
    try:
        got = await act
    except MatrixRequestError as error:
        assert error.http_status in {403, 404}, error
        return
    raise AssertionError(f"a door stood open: {got!r}")


def strip(symbol: str) -> str:
    """Without U+FE0F."""
    return symbol.replace("️", "")


def _local(identity: object) -> str:
    text = (
        f"{identity['platform']}:{identity['account']}"
        if isinstance(identity, dict)
        else str(identity)
    )
    return text.partition("@")[2].partition(":")[0]
