"""The roll: life, the sweep, goodbyes and comebacks, pause, the record."""

import asyncio
import hashlib
import re
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.demo import policy
from tests.demo.chapters import (
    APPROVE,
    GO_ON,
    HALL,
    HERE,
    KEEPERS,
    SPACE,
    TALKER,
    WORKSHOP,
    Chapters,
)
from tests.demo.stage import links_in
from tests.support.people import MatrixPerson, RoomEvent, together
from tests.support.wait import eventually

CHANGES = (
    ("one changed byte", "UPDATE entries SET sentence = sentence || '.' WHERE sequence = 2"),
    (
        "a deleted newest row",
        "DELETE FROM entries WHERE sequence = (SELECT max(sequence) FROM entries)",
    ),
)


class Roll(Chapters):
    """Chapters 7 to 12."""

    # ---- 7 ----

    async def life(self) -> None:
        """7. Life: some talk, some react, some only read, some are silent"""
        alice, dana = self.stage.people["alice"], self.stage.people["dana"]
        hall = self.rooms[HALL]
        until = (datetime.now(UTC) + timedelta(days=90)).date().isoformat()
        why = ("--reason", "writes our book", "--until", until)
        finn = self.stage.people["finn"].id
        exempt = self.stage.meanwhile(self.service.run("members", "exempt", finn, *why))
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
            await exempt

    async def _both_in(self, person: MatrixPerson, room: str) -> bool:
        return self.stage.bot.user_id in await person.members(room)

    # ---- 8 ----

    async def sweep(self) -> None:
        """8. The sweep: planned, then run by the schedule"""
        carl, eve, zoe, lars = [self.stage.people[n] for n in ("carl", "eve", "zoe", "lars")]
        file = self.service.folder / "house-rules.yaml"
        await asyncio.sleep(max(0.0, self.adopted_at + 16 - time.monotonic()))
        async with self.step("the founder switches sweeping on; what runs takes that up"):
            soon = datetime.now(UTC) + timedelta(seconds=4 + 2 * self.service.last_run)
            admins = [self.stage.people[name].id for name in ("fay", "alice")]
            policy.write(file, *admins, settle=1, schedule=f"{soon.second} * * * * *")
            await self.service.run("policy", "check", "house-rules.yaml")
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            await eventually(
                lambda: self.look("SELECT policy FROM clubs") == (digest,), 15, what="in force"
            )
        async with self.step("`sweep plan` says who would be noticed and why; nothing is done"):
            said = await self.service.run("sweep", "plan")
            assert all(name in said for name in ("carl", "eve", "zoe", "lars")), said
            assert not any(name in said for name in ("dana", "finn", "gil", "alice")), said
            assert not any(i.direct for i in carl.invites()), "something was done"
        async with self.step("meanwhile: an invitation not taken up is reminded once and ends"):
            kim = self.stage.people["kim"]
            await kim.wait_until_out(self.rooms[SPACE], timeout=25)
            await self.shows(self.cards["kim"], "not taken up")
            reminders = [e for e in kim.seen if "still waiting in your client" in e.body]
            assert len(reminders) == 1, reminders
        async with self.step("the schedule runs it: Carl, Eve, Lars and Zoe are asked in a chat"):
            chats = {}
            for person in (carl, eve, zoe, lars):
                invitation = await person.wait_for_invite(lambda i: i.direct, timeout=70)
                chats[person.name] = invitation.room
        async with self.step("killed when Lars's notice is sent and its answer lost: one notice"):
            trap = self.proxy.arm(
                "PUT",
                f"{re.escape(chats['lars'])}/send/m.room.message/",
                body_regex="still here",
                callback=self.service.kill,
            )
            await lars.join(chats["lars"])
            await carl.join(chats["carl"])
            await trap.wait()
            await self.stage.people["hana"].say(self.rooms[HALL], "Said while the bot is down.")
            await self.revive()
            await lars.wait_for_message(lambda e: "still here" in e.body, room=chats["lars"])
            await eventually(lambda: self.grace_of(lars), 15, what="Lars is noticed")
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
            await eventually(lambda: self.state_of(eve, "noticed"), 15, what="Eve is noticed")
            await eve.react(chats["eve"], notice.id, HERE)
            await eventually(lambda: self.state_of(eve, "active"), 15, what="Eve is active")
            self.reads(eve)
        async with self.step("Carl's grace begins when the notice is delivered"):
            notice = await carl.wait_for_message(
                lambda e: "still here" in e.body, room=chats["carl"]
            )
            begun, ends = await eventually(lambda: self.grace_of(carl), 15, what="Carl's grace")
            assert begun.timestamp() * 1000 >= notice.at, "before it was delivered"
            assert ends - begun >= timedelta(seconds=policy.GRACE), "less than the policy gives"
            assert await self.state_of(zoe, "notifying"), "an untaken chat is no delivery"

    def grace_of(self, person: MatrixPerson) -> tuple[datetime, datetime] | None:
        """When someone's grace began and when it ends, None where they were not noticed."""
        query = "SELECT noticed_at, grace_ends_at FROM memberships WHERE identity = ?"
        begun, ends = self.look(f"{query} ORDER BY id DESC", f"matrix:{person.id}")
        return (datetime.fromisoformat(begun), datetime.fromisoformat(ends)) if begun else None

    async def _hana_was_heard(self) -> bool:
        hana = self.stage.people["hana"].id
        who = "person_id = (SELECT person_id FROM accounts WHERE identity = ?)"
        return self.count("activity", f"kind = 'message' AND {who}", f"matrix:{hana}") > 0

    async def removal(self) -> None:
        """… grace ends, an admin confirms, Carl is looked at once more and removed"""
        alice, carl, lars, zoe = [self.stage.people[n] for n in ("alice", "carl", "lars", "zoe")]
        keepers = self.rooms[KEEPERS]
        async with self.step("the planned removals stand as a card; Zoe “could not be reached”"):
            card = await alice.wait_for_message(_is_card_of_removals, room=keepers, timeout=30)
            for person in (carl, lars):  # each grace began with a delivery of its own
                await eventually(
                    lambda p=person: self.state_of(p, "planned"), 30, what=f"{person.name} planned"
                )

            async def whole() -> str:
                text = await alice.text_of(keepers, card.id)
                assert all(name in text for name in ("Carl", "Lars", "Zoe")), text
                assert "could not be reached" in text, text
                assert "Eve" not in text, text
                assert text.count("could not be reached") == 1, text
                return text

            await eventually(whole, 25, every=0.3, what="the card of removals")
            assert carl.id in await alice.members(self.rooms[SPACE])
        async with self.step("an admin confirms; killed while Lars is put out: put out once"):
            trap = self.proxy.arm("POST", "/kick$", body_regex="lars", callback=self.service.kill)
            await alice.react(keepers, card.id, APPROVE)
            await trap.wait()
            await self.revive()
        for person in (carl, lars):
            async with self.step(f"{person.name.capitalize()} is out of the space and every room"):
                for alias in (HALL, SPACE):
                    event = await person.wait_until_out(self.rooms[alias])
                    assert event is None or event.reason, event
                for alias in (SPACE, HALL, WORKSHOP):
                    inside = await alice.members(self.rooms[alias]) if alias != WORKSHOP else set()
                    assert person.id not in inside
                await eventually(lambda p=person: self.state_of(p, "removed"), 15, what="removed")  # type: ignore[misc]
                leaves = await self.memberships(person, "leave")
                assert len(leaves) == 1, leaves
        async with self.step("Zoe is not removed: she stands to be decided by name"):
            assert zoe.id in await alice.members(self.rooms[SPACE])
            assert await self.state_of(zoe, "notifying")

    # ---- 9 ----

    async def comeback(self) -> None:
        """9. Carl comes back by the link from his goodbye"""
        carl = self.stage.people["carl"]
        async with self.step("his goodbye says why, and holds a link"):
            goodbye = await carl.wait_for_message(_leads_back)
            link = next(url for url in links_in(goodbye.body, goodbye.html))
        browser = self.stage.browser()
        async with self.step("its button invites him, him alone, without a new application"):
            await browser.open(link)
            assert carl.id in browser.text, browser.text
            before = await self.applications()
            await browser.send({}, "/l/")
            await carl.wait_for_invite(lambda i: i.room == self.rooms[SPACE])
            await carl.join(self.rooms[SPACE])
            await eventually(lambda: self.state_of(carl, "active"), 15, what="Carl is back")
            assert await self.applications() == before
        async with self.step("it works once"):
            await browser.open(link)
            assert browser.status in {403, 410}, browser.text
        async with self.step("after a ban it never works"):
            lars, founder = self.stage.people["lars"], self.stage.people["fay"]
            goodbye = await lars.wait_for_message(_leads_back)
            await founder.ban(self.rooms[SPACE], lars, "sold our charts")
            await eventually(lambda: self.state_of(lars, "banned"), 15, what="Lars is banned")
            await browser.open(links_in(goodbye.body, goodbye.html)[0])
            assert browser.status in {403, 410}, browser.text

    # ---- 11 ----

    async def pause(self) -> None:
        """11. Pause and resume"""
        alice, otto = self.stage.people["alice"], self.stage.people["otto"]
        keepers = self.rooms[KEEPERS]
        async with self.step("`gatekeeper pause` stops all writing while intake goes on"):
            await self.service.run("pause")
            self.verified = self.stage.meanwhile(self.service.run("audit", "verify"))
            await otto.knock(self.rooms[SPACE], "May I?")
            otto_waits = "progress = 'due' AND action LIKE '%otto%'"
            await eventually(lambda: self.count("orders", otto_waits), 10, what="the knock")
            # Longer than the second after which whatever was missed is looked for again.
            said, _ = await together(self.service.run("resume"), asyncio.sleep(1.5))
            assert "otto" in said, said
            assert not any(i.direct for i in otto.invites()), "written while paused"
        async with self.step("`!gk resume` in the admin room shows what would happen, ▶ goes on"):
            await alice.say(keepers, "!gk resume")
            listed = await alice.wait_for_message(
                lambda e: "would be done" in e.body.lower(), room=keepers
            )
            assert "otto" in listed.body, listed.body
            assert not any(i.direct for i in otto.invites())
            await alice.react(keepers, listed.id, GO_ON)
            await otto.wait_for_invite(lambda i: i.direct)

    # ---- 12 ----

    async def record(self) -> None:
        """12. The record of every decision is whole"""
        service = self.service
        async with self.step("`audit verify` finds it whole; erasing a person leaves it so"):
            await self.verified
            await service.run("members", "erase", self.stage.people["bob"].id, "--yes")
            await service.run("audit", "verify")
        await service.stop()
        looks = {what: self.stage.meanwhile(self._verify(change)) for what, change in CHANGES}
        for what, look in looks.items():
            async with self.step(f"{what} is found"):
                said = await look
                assert "record-broken" in said, said

    async def _verify(self, change: str) -> str:
        """What `audit verify` says of a copy of the club in which one thing was changed."""
        folder = Path(tempfile.mkdtemp(prefix="copy-", dir=self.stage.folder))
        await asyncio.to_thread(shutil.copytree, self.service.folder, folder, dirs_exist_ok=True)
        with closing(sqlite3.connect(next(folder.rglob("gatekeeper.db")))) as database:
            done = database.execute(change).rowcount
            assert done == 1, f"{done} rows changed"
            database.commit()
        return await self.service.run("audit", "verify", expect=1, folder=folder)


def _is_card_of_removals(event: RoomEvent) -> bool:
    first = event.edits is None and event.thread is None
    named = "Carl" in event.body or "Lars" in event.body
    return first and named and "removal" in event.body.lower()


def _leads_back(event: RoomEvent) -> bool:
    return bool(links_in(event.body, event.html)) and "back" in event.body.lower()
