"""What the chapters of a story share: who and where, and how to look at cards, chats and tables."""

import asyncio
import re
import sqlite3
from collections.abc import Awaitable
from contextlib import closing
from typing import Any

from mautrix.errors import MatrixRequestError

from tests.demo.stage import Browser, Stage, links_in
from tests.support.people import MatrixPerson, RoomEvent
from tests.support.synapse import SERVER_NAME
from tests.support.wait import eventually

SPACE, HALL, WORKSHOP, KEEPERS = (
    f"#{alias}:{SERVER_NAME}"
    for alias in ("lighthouse", "lighthouse-hall", "lighthouse-workshop", "lighthouse-keepers")
)
OLD_HANDS = ("carl", "dana", "eve", "finn", "zoe", "gil", "hana", "lars")
TALKER, READERS = "gil", ("hana",)
OTHERS = ("alice", "boris", "ada", "bob", "mallory", "mia", "kim", "otto")
WHY_ADA = "I repair ship clocks and would love to learn from your makers."
WHY_BOB = "I write about harbours and like to read what you talk about."
WHY_MIA = "I sew sails and want to meet your makers."
APPROVE, ASK, DECLINE, RECUSE, HERE, GO_ON = "✅", "❓", "❌", "🙈", "✋", "▶"


class Chapters:
    """One story's stage, rooms and people; each chapter leaves what the next one needs."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.step = stage, stage.program.step
        self.service, self.proxy = stage.service, stage.proxy
        self.rooms: dict[str, str] = {}
        self.cards: dict[str, str] = {}
        self.adopted_at = 0.0

    async def who(self, name: str) -> MatrixPerson:
        """One of the people."""
        return await self.stage.person(name)

    async def resolve(self, alias: str) -> str:
        def look() -> str:
            quoted = alias.replace("#", "%23").replace(":", "%3A")
            path = f"/_matrix/client/v3/directory/room/{quoted}"
            return str(self.stage.synapse.call("GET", path, token=self.stage.bot.token)["room_id"])

        return await asyncio.to_thread(look)

    def reads(self, person: MatrixPerson) -> None:
        """Someone who reads along: no word, only read receipts."""
        room = self.rooms[HALL]

        async def read() -> None:
            seen = [e for e in person.seen if e.room == room and e.type == "m.room.message"]
            if seen:
                await person.read(room, seen[-1].id)

        self.stage.keep_doing(read, 3.0)

    async def applications(self) -> int:
        """How many there are, by the service's own table."""
        return self.count("applications")

    def count(self, table: str, where: str = "1", *values: str) -> int:
        """How many rows one of the service's own tables has."""
        return int(self.look(f"SELECT count(*) FROM {table} WHERE {where}", *values)[0])

    def look(self, query: str, *values: str) -> tuple[Any, ...]:
        """The first row of a question to the service's database, read without a process."""
        path = next(self.service.folder.rglob("gatekeeper.db"))
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return tuple(database.execute(query, values).fetchone() or ())

    async def card(self, name: str) -> RoomEvent:
        alice = self.stage.people["alice"]
        card = await alice.wait_for_message(
            lambda e: e.edits is None and self.is_card(e, name.capitalize()),
            room=self.rooms[KEEPERS],
        )
        self.cards[name] = card.id
        return card

    def is_card(self, event: RoomEvent, name: str) -> bool:
        titled = re.search(rf"Application #\d+: {name}\b", event.body) is not None
        return titled and event.sender == self.stage.bot.user_id and event.edits is None

    async def no_card(self, name: str) -> bool:
        alice = self.stage.people["alice"]
        found = await alice.messages(self.rooms[KEEPERS])
        return not any(name in e.body.lower() for e in found)

    async def shows(self, card: str, text: str) -> str:
        alice = self.stage.people["alice"]

        async def look() -> str:
            now = await alice.text_of(self.rooms[KEEPERS], card)
            assert text in now, now
            return now

        return await eventually(look, 15, every=0.2, what=f"the card shows {text!r}")

    async def knock_and_open(self, person: MatrixPerson) -> Browser:
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

    async def apply_by_knock(self, name: str, why: str) -> None:
        browser = await self.knock_and_open(await self.who(name))
        await browser.send(answers("", why), "/join")

    async def has_choices(self, alice: MatrixPerson, card: str) -> bool:
        return len(await alice.reactions(self.rooms[KEEPERS], card)) == 4

    async def revive(self) -> None:
        await self.service.gone()
        await self.service.start()

    async def memberships(self, person: MatrixPerson, kind: str) -> list[RoomEvent]:
        """Every membership event of one kind that the homeserver has for a person in the space."""
        founder = self.stage.people["fay"]
        events = await founder.messages(self.rooms[SPACE], limit=500, kinds=("m.room.member",))
        return [
            e for e in events if e.state_key == person.id and e.content.get("membership") == kind
        ]

    async def state_of(self, person: MatrixPerson, state: str) -> bool:
        """Whether someone's newest membership stands so, by the service's own table."""
        query = "SELECT state FROM memberships WHERE identity = ? ORDER BY id DESC"
        return self.look(query, f"matrix:{person.id}") == (state,)

    async def member(self, person: MatrixPerson) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = await self.service.json("members", "show", person.id)
        return found


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


def local(identity: object) -> str:
    text = (
        f"{identity['platform']}:{identity['account']}"
        if isinstance(identity, dict)
        else str(identity)
    )
    return text.partition("@")[2].partition(":")[0]
