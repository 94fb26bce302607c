"""A club on Matrix and in a workspace at once: people on either side, linked by a code."""

import asyncio
import hashlib
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.demo import policy, workspace
from tests.demo.chapters import APPROVE, HALL, KEEPERS, SPACE, WORKSHOP, Chapters
from tests.demo.stage import Program, Stage
from tests.demo.workspace import CLUB, Workspace, shown
from tests.support.people import MatrixPerson, together
from tests.support.wait import eventually

BOTH: Final = ("carl", "eve")  # who is on either side


class BothStage(Stage):
    """A homeserver with the service, and a workspace beside it."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.there = Workspace()

    async def __aenter__(self) -> "BothStage":
        await super().__aenter__()
        await self._stack.enter_async_context(self.there)
        self.service.environment.update(self.there.environment)
        return self


class Story(Chapters):
    """The chapters, in order; each leaves what the next one needs."""

    def __init__(self, stage: BothStage) -> None:
        super().__init__(stage)
        self.there = stage.there
        self.file = self.service.folder / "house-rules.yaml"

    async def play(self) -> None:
        """All of it."""
        for chapter in (self.house, self.roll, self.link, self.sweep, self.removal, self.record):
            self.stage.program.chapter((chapter.__doc__ or "").splitlines()[0])
            await chapter()

    def policy_text(self, **given: Any) -> str:
        """The demo's policy, for a club on both."""
        text = policy.text(self.stage.people["fay"].id, **given)
        fay = f'"slack:{self.there.account("fay")}"'
        head, rest = text.replace("people: [", f"people: [{fay}, ").split("  form:\n", 1)
        return head + workspace.PLATFORMS.removeprefix("  platforms:\n") + rest

    def write_policy(self, **given: Any) -> str:
        """Into its file; the digest of the version."""
        text = self.policy_text(**given)
        self.file.with_name("house-rules.cases.yaml").unlink(missing_ok=True)
        self.file.write_text(text, "utf-8")
        return hashlib.sha256(text.encode()).hexdigest()

    def persons(self, *accounts: str) -> set[Any]:
        """The numbers of the persons behind accounts, by the service's own table."""
        query = "SELECT person_id FROM accounts WHERE identity = ?"
        return {(self.look(query, one) or (None,))[0] for one in accounts}

    async def sides(self, name: str) -> tuple[str, str]:
        """Somebody's two accounts."""
        return f"matrix:{(await self.who(name)).id}", f"slack:{self.there.account(name)}"

    async def house(self) -> None:
        """1. One club, two houses"""
        self.stage.expect("fay", *BOTH)
        async with self.step("`gatekeeper serve` with both platforms in one policy"):
            await self.service.run("init")
            fay = await self.who("fay")
            self.write_policy()
            await self.service.run("policy", "check", "house-rules.yaml")
            await self.service.start()
        async with self.step("a space with its rooms here, private channels there; Fay in both"):
            for alias in (SPACE, HALL, WORKSHOP, KEEPERS):
                self.rooms[alias] = await self.resolve(alias)
            for alias in (SPACE, KEEPERS):
                await fay.wait_for_invite(lambda i, room=self.rooms[alias]: i.room == room)  # type: ignore[misc]
                await fay.join(self.rooms[alias])
            await fay.join(self.rooms[HALL])
            await eventually(lambda: self.there.inside("fay"), 10, what="Fay in the channels")

    async def roll(self) -> None:
        """2. Carl and Eve are members on either side: four memberships, as nobody knows better"""
        await together(*map(self._bring_in, BOTH))
        async with self.step("`members adopt` takes everyone in from both"):
            await self.service.run("members", "adopt", "--yes")
            states = [self.count("memberships", "identity = ?", s) for s in await self._all()]
            assert states == [1, 1, 1, 1], states
            self.adopted_at = time.monotonic()
        eve = await self.who("eve")
        room = self.rooms[HALL]
        self.stage.keep_doing(lambda: eve.say(room, "All quiet at the lamp."), 4.0)

    async def _all(self) -> list[str]:
        return [one for name in BOTH for one in await self.sides(name)]

    async def _bring_in(self, name: str) -> None:
        fay, person = self.stage.people["fay"], await self.who(name)
        await fay.invite(self.rooms[SPACE], person)
        await person.join(self.rooms[SPACE])
        await person.join(self.rooms[HALL])
        for channel in (CLUB, workspace.WORKSHOP):
            user = self.there.person(name).id
            self.there.slack.world.join(self.there.team, self.there.channel(channel), user)

    async def link(self) -> None:
        """3. Linked by a code: asked for there, said here"""
        for name in BOTH:
            async with self.step(f"{name.capitalize()} is one person from then on"):
                person = await self.who(name)
                code = await self._code(name)
                chat = await self._chat(person)
                await person.say(chat, f"link {code}")
                both = await self.sides(name)
                await eventually(
                    lambda both=both: len(self.persons(*both)) == 1,  # type: ignore[misc]
                    15,
                    what=f"{name} is one",
                )
                said = await self.service.run("members", "show", person.id)
                assert all(one.partition(":")[2] in said for one in both), said

    async def _code(self, name: str) -> str:
        self.there.person(name).tell_app("link")
        told = await self.there.told(name, "Write this to me")
        return shown(told).split("link ", 1)[1].split(".", 1)[0].strip(" `*")

    async def _chat(self, person: MatrixPerson) -> str:
        chat = await person.make_direct_chat(self.stage.bot.user_id)

        async def there() -> bool:
            return self.stage.bot.user_id in await person.members(chat)

        await eventually(there, 15, what="the bot takes up the chat")
        return chat

    async def sweep(self) -> None:
        """4. One sweep over both: a sign anywhere counts everywhere"""
        linked = time.monotonic()  # who was linked is judged for no time before
        await asyncio.sleep(max(0.0, linked + 17 - time.monotonic()))
        carl, eve = [await self.who(name) for name in BOTH]
        async with self.step("silent in Slack and talking on Matrix, Eve is let be"):
            soon = datetime.now(UTC) + timedelta(seconds=5 + 2 * self.service.last_run)
            digest = self.write_policy(settle=1, schedule=f"{soon.second} * * * * *")
            await eventually(
                lambda: self.look("SELECT policy FROM clubs") == (digest,), 15, what="in force"
            )
            said = await self.service.run("sweep", "plan")
            assert carl.id in said or self.there.account("carl") in said, said
            assert eve.id not in said and self.there.account("eve") not in said, said
        async with self.step("Carl, silent on both, is asked once"):
            asked = await eventually(lambda: self._asked(carl), 75, what="Carl is asked")
            assert len(asked) == 1, asked

    def _asked(self, carl: MatrixPerson) -> list[str]:
        here = [one.body for one in carl.seen if "still here" in one.body]
        chat = self.there.person("carl").chat
        return here + [one.text for one in self.there.found(chat, "still here")]

    async def removal(self) -> None:
        """… one removal on both sides, of which one fails first"""
        carl, fay = self.stage.people["carl"], self.stage.people["fay"]
        who = self.there.person("carl")
        async with self.step("confirmed once; Slack fails at first: he stays until it has worked"):
            card = await fay.wait_for_message(
                lambda e: e.edits is None and "removals" in e.body and "Carl" in e.body,
                room=self.rooms[KEEPERS],
                timeout=40,
            )
            self.there.slack.api.fail("conversations.kick", "500", times=2)
            await asyncio.sleep(1)
            await fay.react(self.rooms[KEEPERS], card.id, APPROVE)
            await carl.wait_until_out(self.rooms[SPACE], timeout=20)
        async with self.step("retried: out of the space and of every channel, each once"):
            await eventually(lambda: not self.there.inside("carl"), 40, what="Carl out of Slack")
            state = "identity IN (?, ?) AND state = 'removed'"
            both = await self.sides("carl")
            await eventually(lambda: self.count("memberships", state, *both), 15, what="removed")
            leaves = await self.memberships(carl, "leave")
            assert len(leaves) == 1, leaves
            done = [
                one["channel"]
                for one in self.there.slack.api.of("conversations.kick")
                if one["user"] == who.id
            ]
            assert len(done) - 2 == len(set(done)), done  # the two that failed, and each once
        async with self.step("Eve is inside on both sides"):
            assert self.there.inside("eve") == [CLUB, workspace.WORKSHOP]
            assert self.stage.people["eve"].id in await fay.members(self.rooms[SPACE])

    async def record(self) -> None:
        """5. The record of every decision is whole"""
        async with self.step("`audit verify` finds it whole"):
            await self.service.run("audit", "verify")
