"""The club's story in a workspace: a stand-in for Slack, the real service and its commands."""

import asyncio
import hashlib
import os
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from tests.adapters.slack.ears import Mode
from tests.demo.chapters import APPROVE, ASK, DECLINE, HERE, WHY_ADA, WHY_BOB
from tests.demo.stage import Browser, Program, Service, links_in
from tests.demo.workspace import CLUB, KEEPERS, WORKSHOP, Workspace, filled, policy_text, shown
from tests.support.slack.web_api import Call, WebApi
from tests.support.slack.world import Channel, Message
from tests.support.wait import eventually

OLD_HANDS: Final = ("carl", "dana", "eve", "finn", "lars", "hana")


class Stage(Workspace):
    """The workspace and the service; `async with Stage(...)`."""

    def __init__(self, program: Program, mode: Mode = "socket") -> None:
        super().__init__(mode)
        self.program = program
        self.folder = Path(tempfile.mkdtemp(prefix="gatekeeper-demo-"))
        self.browsers: list[Browser] = []
        self.service: Service

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        club = self.folder / "club"
        club.mkdir()
        self.service = Service(club, self.environment)
        self.slack.app_url = f"{self.service.base_url}/slack/events"
        return self

    async def __aexit__(self, *why: object) -> None:
        for browser in self.browsers:
            await browser.close()
        failed = why[0] is not None
        try:
            await self.service.stop()
        finally:
            await super().__aexit__(*why)
            if not failed and "GATEKEEPER_DEMO_KEEP_FOLDER" not in os.environ:
                shutil.rmtree(self.folder, ignore_errors=True)
            elif failed:
                print(f"  (logs: {self.folder})", flush=True)

    def browser(self) -> Browser:
        """A fresh browser."""
        self.browsers.append(Browser(self.service.base_url))
        return self.browsers[-1]

    def kill_at(self, method: str, words: str) -> asyncio.Event:
        """Kill the service when a call with such words has taken effect, and is not answered."""
        done, right = asyncio.Event(), self.slack.api.handlers[method]

        def deadly(api: WebApi, call: Call) -> Any:
            given = right(api, call)
            if not done.is_set() and words in str(call.args):
                self.service.kill()
                done.set()
            return given

        self.slack.api.handlers = {**self.slack.api.handlers, method: deadly}
        return done


class Story:
    """The chapters, in order; each leaves what the next one needs."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.step, self.service = stage, stage.program.step, stage.service
        self.file = self.service.folder / "house-rules.yaml"

    async def play(self) -> None:
        """All of it."""
        for chapter in (
            self.house,
            self.old_hands,
            self.form,
            self.review,
            self.question,
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

    # ---- looking -------------------------------------------------------------------------------

    def look(self, query: str, *values: str) -> tuple[Any, ...]:
        """The first row of a question to the service's database, read without a process."""
        path = next(self.service.folder.rglob("gatekeeper.db"))
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return tuple(database.execute(query, values).fetchone() or ())

    def state(self, name: str) -> str:
        """Of somebody's newest membership; "" for none."""
        query = "SELECT state FROM memberships WHERE identity = ? ORDER BY id DESC"
        return str((self.look(query, f"slack:{self.stage.account(name)}") or ("",))[0])

    async def card(self, name: str) -> Message:
        """The card of an application."""
        return await self.stage.message(self.keepers, "Application #", name)

    async def apply(self, name: str, why: str) -> None:
        """By the slash command and its form."""
        person = self.stage.person(name)
        await person.command("/gatekeeper", "apply")
        view = await eventually(person.open_view, 5, what="the form")
        told = await person.send_view(view, filled(why))
        assert told.status == 200 and "errors" not in str(told.answer), told

    async def revive(self) -> None:
        """Start it again after a kill."""
        await self.service.gone()
        await self.service.start()

    @property
    def keepers(self) -> Channel:
        """The admins' channel."""
        return self.stage.channel(KEEPERS)

    # ---- chapters ------------------------------------------------------------------------------

    async def house(self) -> None:
        """1. The house: channels that nobody finds by themselves"""
        admins = [self.stage.account(name) for name in ("fay", "alice")]
        line = "Socket Mode" if self.stage.mode == "socket" else "signed HTTP"
        async with self.step(f"`gatekeeper init` and `gatekeeper serve` over {line}"):
            await self.service.run("init")
            settings = self.service.folder / "gatekeeper.toml"  # the tokens are in the environment
            settings.write_text(settings.read_text("utf-8").partition("[matrix]")[0], "utf-8")
            self.file.with_name("house-rules.cases.yaml").unlink(missing_ok=True)
            self.file.write_text(policy_text(*admins), "utf-8")
            await self.service.run("policy", "check", "house-rules.yaml")
            await self.service.start()
        async with self.step("the bot has made three private channels, with the named admins in"):
            for name in (CLUB, WORKSHOP, KEEPERS):
                channel = self.stage.channel(name)
                assert channel.kind == "group", channel
                for admin in ("fay", "alice"):
                    assert self.stage.person(admin).id in channel.members, (name, admin)
        async with self.step("`gatekeeper doctor` is green"):
            await self.service.run("doctor")
        gil = self.stage.person("gil")
        self.stage.slack.world.join(self.stage.team, self.keepers, gil.id)

    async def old_hands(self) -> None:
        """2. People from before are taken in by a plan"""
        for name in OLD_HANDS:
            user = self.stage.person(name).id
            for channel in (CLUB, WORKSHOP):
                self.stage.slack.world.join(self.stage.team, self.stage.channel(channel), user)
        async with self.step("`members adopt` shows whom it would take; with --yes it does"):
            said = await self.service.run("members", "adopt")
            assert all(self.stage.person(name).id in said for name in OLD_HANDS), said
            assert self.look("SELECT count(*) FROM memberships") == (0,)
            await self.service.run("members", "adopt", "--yes")
            assert self.state("carl") == "active"
            self.adopted_at = time.monotonic()
        self.stage.keep_saying("hana", 5.0)

    async def form(self) -> None:
        """3. Ada applies with a slash command"""
        ada = self.stage.person("ada")
        async with self.step("a modal asks the policy's questions; a fault stands at its field"):
            await ada.command("/gatekeeper", "apply")
            view = await eventually(ada.open_view, 5, what="the form")
            assert "Why do you want to join?" in str(view.content)
            told = await ada.send_view(view, filled("Because."))
            assert list(told.answer["errors"]) == ["q:why"], told
        async with self.step("sent right, it is a card for the admins, and in her Home tab"):
            told = await ada.send_view(view, filled(WHY_ADA))
            assert "errors" not in str(told.answer), told
            card = await self.card("Ada")
            assert WHY_ADA in shown(card) and "0 of 2" in shown(card), shown(card)
            ada.open_home()
            await eventually(lambda: ada.user.home, 5, what="the Home tab")

    async def review(self) -> None:
        """4. The admins decide by buttons"""
        card = await self.card("Ada")
        async with self.step("Gil, who has no right, is told so in private; nothing changes"):
            await self.stage.press("gil", self.keepers, card, APPROVE)
            await self.stage.message(self.keepers, "Only this club's admins")
            assert "0 of 2" in shown(card)
        async with self.step("two approvals: Ada is in every channel, the card says who and why"):
            await self.stage.press("alice", self.keepers, card, APPROVE)
            await eventually(lambda: "1 of 2" in shown(card), 10, what="one vote")
            await self.stage.press("fay", self.keepers, card, APPROVE)
            await eventually(
                lambda: self.stage.inside("ada") == [CLUB, WORKSHOP], 15, what="Ada inside"
            )
            await eventually(lambda: self.state("ada") == "active", 15, what="Ada is a member")
            await eventually(lambda: "Approved by" in shown(card), 10, what="the card")
            assert len(self.stage.found(self.keepers, "Application #", "Ada")) == 1
        async with self.step("she is greeted in the club's channel, after the policy's delay"):
            await self.stage.message(self.stage.channel(CLUB), "Ada")

    async def question(self) -> None:
        """… Bob is asked, answers, and is declined with a reason from the policy"""
        await self.apply("bob", WHY_BOB)
        card = await self.card("Bob")
        async with self.step("Alice asks in the card's thread; Bob answers in his chat"):
            await self.stage.press("alice", self.keepers, card, ASK)
            await self.stage.message(self.keepers, "write your question")
            alice, bob = self.stage.person("alice"), self.stage.person("bob")
            alice.write(self.keepers, "Which harbour do you live at?", card.ts)
            await self.stage.told("bob", "Which harbour")
            bob.tell_app("At the old one, in the east.")
            await eventually(
                lambda: [
                    one
                    for one in self.stage.found(self.keepers, "in the east")
                    if one.thread_ts == card.ts  # the card shows it, too
                ],
                15,
                what="his answer in the card's thread",
            )
        async with self.step("declined once a reason is picked; it reaches Bob"):
            await self.stage.press("fay", self.keepers, card, DECLINE)
            reasons = await self.stage.message(self.keepers, "Your interests lie elsewhere")
            await self.stage.press("fay", self.keepers, reasons, "1️⃣".replace("\ufe0f", ""))
            await self.stage.told("bob", "Your interests lie elsewhere")
            assert not self.stage.inside("bob")

    async def kills_at_the_door(self) -> None:
        """5. Killed in the middle: a card, an invitation"""
        async with self.step("killed when the card is posted and its answer lost: one card"):
            done = self.stage.kill_at("chat.postMessage", "Kim")
            await self.apply("kim", "I build model ships and read charts.")
            await asyncio.wait_for(done.wait(), 30)
            await self.revive()
            card = await self.card("Kim")
            await asyncio.sleep(2)
            assert len(self.stage.found(self.keepers, "Application #", "Kim")) == 1
        async with self.step("killed when she is taken in and the answer lost: taken in once"):
            await self.stage.press("alice", self.keepers, card, APPROVE)
            done = self.stage.kill_at("conversations.invite", self.stage.person("kim").id)
            await self.stage.press("fay", self.keepers, card, APPROVE)
            await asyncio.wait_for(done.wait(), 30)
            await self.revive()
            await eventually(
                lambda: self.stage.inside("kim") == [CLUB, WORKSHOP], 20, what="Kim inside"
            )
            await eventually(lambda: self.state("kim") == "active", 15, what="Kim is a member")
            invited = [
                one
                for one in self.stage.slack.api.of("conversations.invite")
                if one["users"] == self.stage.person("kim").id
                and one["channel"] == self.stage.channel(CLUB).id
            ]
            assert len(invited) == 1, invited

    async def life(self) -> None:
        """6. Life: a leave, an exemption"""
        dana, finn = self.stage.person("dana"), self.stage.account("finn")
        async with self.step("Dana announces a leave in her chat; Finn is exempt for a reason"):
            until = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
            dana.tell_app(f"away until {until} at sea")
            await self.stage.told("dana", "you are away until")
            why = ("--reason", "writes our book", "--until", until)
            await self.service.run("members", "exempt", finn, *why)

    async def sweep(self) -> None:
        """7. The sweep: planned, then run by the schedule"""
        # Nobody is silent while we do not listen: the two kills do not count.
        await asyncio.sleep(max(0.0, self.adopted_at + 28 - time.monotonic()))
        async with self.step("`sweep plan` says who would be asked; on leave and exempt are not"):
            soon = datetime.now(UTC) + timedelta(seconds=5 + 2 * self.service.last_run)
            admins = [self.stage.account(name) for name in ("fay", "alice")]
            text = policy_text(*admins, settle=1, schedule=f"{soon.second} * * * * *")
            self.file.write_text(text, "utf-8")
            digest = hashlib.sha256(text.encode()).hexdigest()
            await eventually(
                lambda: self.look("SELECT policy FROM clubs") == (digest,), 15, what="in force"
            )
            said = await self.service.run("sweep", "plan")
            assert all(self.stage.person(one).id in said for one in ("carl", "eve", "lars")), said
            for name in ("dana", "finn", "hana", "alice"):
                assert self.stage.person(name).id not in said, (name, said)
        async with self.step("asked in their chats, with a button; Eve presses it and is free"):
            notice = await self.stage.told("eve", "still here", timeout=75)
            await eventually(lambda: self.state("eve") == "noticed", 15, what="Eve is noticed")
            await self.stage.press("eve", self.stage.person("eve").chat, notice, HERE)
            await eventually(lambda: self.state("eve") == "active", 15, what="Eve is active")
            self.stage.keep_saying("eve", 5.0)
            for name in ("carl", "lars"):
                await self.stage.told(name, "still here")
                assert len(self.stage.found(self.stage.person(name).chat, "still here")) == 1

    async def removal(self) -> None:
        """… grace ends, an admin confirms, they are looked at once more and removed"""
        async with self.step("the planned removals stand on a card"):
            for name in ("carl", "lars", "ada", "kim"):
                await eventually(lambda n=name: self.state(n) == "planned", 40, what=name)  # type: ignore[misc]
            card = await self.stage.message(self.keepers, "Carl", "Lars", "4 to decide", timeout=30)
            assert "Eve" not in shown(card), shown(card)
            await asyncio.sleep(1)  # a press on what is about to be shown anew does not count
        async with self.step("an admin confirms; killed while Lars is put out: out once, of all"):
            done = self.stage.kill_at("conversations.kick", self.stage.person("lars").id)
            await self.stage.press("alice", self.keepers, card, APPROVE)
            await asyncio.wait_for(done.wait(), 30)
            await self.revive()
            for name in ("carl", "lars"):
                await eventually(lambda n=name: self.state(n) == "removed", 30, what=name)  # type: ignore[misc]
                assert not self.stage.inside(name)
            kicks = [
                (one["channel"], one["user"])
                for one in self.stage.slack.api.of("conversations.kick")
            ]
            assert len(kicks) == len(set(kicks)), kicks

    async def comeback(self) -> None:
        """8. Carl comes back by the link from his goodbye"""
        async with self.step("its button takes him in, without a new application; once"):
            goodbye = await self.stage.told("carl", "If you want to come back", "/l/")
            link = links_in(goodbye.text, str(goodbye.blocks))[0].rstrip("'|>")
            browser = self.stage.browser()
            await browser.open(link)
            await browser.send({}, "/l/")
            await eventually(
                lambda: self.stage.inside("carl") == [CLUB, WORKSHOP], 15, what="Carl inside"
            )
            await eventually(lambda: self.state("carl") == "active", 15, what="Carl is back")
            await browser.open(link)
            assert browser.status in {403, 410}, browser.text

    async def pause(self) -> None:
        """9. Pause and resume"""
        async with self.step("`gatekeeper pause` stops all writing; what came is done after"):
            await self.service.run("pause")
            await self.apply("otto", "I paint lighthouses and mend their lamps.")
            await asyncio.sleep(1.5)
            assert not self.stage.found(self.keepers, "Application #", "Otto")
            await self.service.run("resume", "--yes")
            await self.card("Otto")

    async def record(self) -> None:
        """10. The record of every decision is whole"""
        async with self.step("`audit verify` finds it whole"):
            await self.service.run("audit", "verify")
