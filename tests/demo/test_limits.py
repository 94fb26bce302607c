"""The bot under the homeserver's default limits: all of it right, only slower.

Nobody has lifted its limits, so after ten messages it may send one in five seconds. What counts:
nothing is lost or done twice, and nothing is asked for before the homeserver said it may be.
"""

import asyncio
import re

import pytest
import yaml

from tests.demo import policy
from tests.demo.chapters import answers, strip
from tests.demo.stage import Browser, Program, Stage, code_in, links_in
from tests.support.parts import SYNAPSE_PYTHON, missing
from tests.support.people import MatrixPerson, RoomEvent, together
from tests.support.proxy import Proxy
from tests.support.synapse import SERVER_NAME
from tests.support.wait import eventually

pytestmark = [pytest.mark.homeserver, pytest.mark.slow, pytest.mark.timeout(600)]

SPACE, HALL, KEEPERS = (
    f"#{alias}:{SERVER_NAME}" for alias in ("lighthouse", "lighthouse-hall", "lighthouse-keepers")
)
GUESTS = ("ada", "ben", "cleo")
SILENT = ("carl", "eve")
PATIENCE = 240.0  # seconds for anything that may have to wait for several others
WHY = "I repair ship clocks and would love to learn from your makers."


async def test_slower_but_right():
    """Cards, admissions and one Sweep, each once, and no call that was known to be too early."""
    if not SYNAPSE_PYTHON.exists():
        missing("the environment that holds Synapse", "make it with: make environments")
    async with Stage(Program(), freed=False) as stage:
        try:
            await _a_whole_season(await _a_club(stage))
        finally:
            _tell(stage.proxy)
        assert stage.proxy.find(status=429), "its limits were never met: this has tested nothing"
        assert stage.proxy.too_early() == []


async def _a_whole_season(club: "_Club") -> None:
    await club.adopt()
    await together(*(club.apply(name) for name in GUESTS))
    cards = {name: await club.card(name) for name in GUESTS}
    for name in GUESTS:
        await club.approve(cards[name])
    await together(*(club.arrive(name) for name in GUESTS))

    await club.sweep()
    await club.ask_carl_and_eve()
    await club.let_carl_go()

    for name in GUESTS:
        assert len(await club.own_messages(rf"Application #\d+: {name}\b")) == 1
        assert len(await club.memberships(name, "invite")) == 1, name
    assert len(await club.memberships("carl", "leave")) == 1


def _tell(proxy: Proxy) -> None:
    """What the homeserver put off; shown where the test fails."""
    first = proxy.calls[0].at if proxy.calls else 0.0
    for call in proxy.calls:
        if call.method != "GET":
            wait = "" if call.retry_after_ms is None else f"{call.retry_after_ms} ms"
            print(f"{call.at - first:6.1f} {call.status} {call.method} {call.path} {wait}")


class _Club:
    """What its people do."""

    def __init__(self, stage: Stage, rooms: dict[str, str]) -> None:
        self.stage, self.rooms, self.service = stage, rooms, stage.service
        self.people = stage.people

    async def adopt(self) -> None:
        """Carl and Eve were there before."""
        for name in SILENT:
            person = await self.stage.person(name)
            await self.people["fay"].invite(self.rooms[SPACE], person)
            await person.join(self.rooms[SPACE])
            await person.join(HALL)
        await self.service.run("members", "adopt", "--yes")

    async def apply(self, name: str) -> Browser:
        """Fill in the form and type the code from the chat, which takes its time."""
        guest, browser = await self.stage.person(name), self.stage.browser()
        await browser.open("/join")
        await browser.send(answers(guest.id, WHY), "/join")
        chat = await guest.wait_for_invite(lambda i: i.direct, PATIENCE)
        await guest.join(chat.room)
        told = await guest.wait_for_message(lambda e: "code" in e.body, PATIENCE, chat.room)
        await browser.send({"code": code_in(told.body)}, "/join/code")
        assert "/standing" in str(browser.page and browser.page.url), browser.text
        return browser

    async def card(self, name: str) -> RoomEvent:
        """The guest's card with all that can be tapped."""
        alice, keepers = self.people["alice"], self.rooms[KEEPERS]
        titled = re.compile(rf"Application #\d+: {name}\b", re.IGNORECASE)
        card = await alice.wait_for_message(
            lambda e: e.edits is None and titled.search(e.body) is not None, PATIENCE, keepers
        )

        async def set_out() -> bool:
            pressed = await alice.reactions(keepers, card.id)
            return {strip(key) for key in pressed} == {"✅", "❓", "❌", "🙈"}

        await eventually(set_out, PATIENCE, every=1, what=f"{name}'s ✅ ❓ ❌ 🙈")
        return card

    async def approve(self, card: RoomEvent) -> None:
        """Two of two."""
        for name in ("alice", "boris"):
            await self.people[name].react(card.room, card.id, "✅")

    async def arrive(self, name: str) -> None:
        """Take up the invitation, and say a word."""
        guest = self.people[name]
        await guest.wait_for_invite(lambda i: i.room == self.rooms[SPACE], PATIENCE)
        await guest.join(self.rooms[SPACE])
        await eventually(
            lambda: self._is(guest, "active"), PATIENCE, every=1, what=f"{name} is a member"
        )

    async def sweep(self) -> None:
        """Only now the policy finds somebody silent; its schedule is far away."""
        await self.service.stop()
        _write_policy(self.stage, inactive_after="20s")
        await self.service.start(timeout=PATIENCE)
        await asyncio.sleep(21)
        for name in GUESTS:
            await self.people[name].join(HALL)
            await self.people[name].say(self.rooms[HALL], "Good morning!")
        await asyncio.sleep(3)  # what intake has heard is kept every two seconds
        said = await self.service.run("sweep", "run", expect=None, timeout=PATIENCE)
        assert "Traceback" not in said, said

    async def ask_carl_and_eve(self) -> None:
        """One notice for each, and Eve answers hers."""

        async def take_up(name: str) -> RoomEvent:
            person = self.people[name]
            chat = await person.wait_for_invite(lambda i: i.direct, PATIENCE)
            await person.join(chat.room)
            notice = await person.wait_for_message(
                lambda e: "still here" in e.body, PATIENCE, chat.room
            )
            await eventually(
                lambda: self._is(person, "noticed"), PATIENCE, every=1, what=f"{name} is noticed"
            )
            return notice

        notices = dict(zip(SILENT, await together(*map(take_up, SILENT)), strict=True))
        eve = self.people["eve"]
        await eve.react(notices["eve"].room, notices["eve"].id, "✋")
        await eventually(lambda: self._is(eve, "active"), PATIENCE, every=1, what="Eve is free")
        for name, notice in notices.items():
            told = await self.people[name].messages(notice.room)
            asked = [e for e in told if "still here" in e.body and e.edits is None]
            assert len(asked) == 1, asked

    async def let_carl_go(self) -> None:
        """His grace ends, an admin confirms, he is out of everything and told how to return."""
        alice, carl, keepers = self.people["alice"], self.people["carl"], self.rooms[KEEPERS]
        card = await alice.wait_for_message(
            lambda e: (
                e.edits is None
                and e.thread is None
                and "removal" in e.body.lower()
                and "Carl" in e.body
            ),
            PATIENCE,
            keepers,
        )
        assert "Eve" not in await alice.text_of(keepers, card.id)
        await alice.react(keepers, card.id, "✅")
        for alias in (HALL, SPACE):
            event = await carl.wait_until_out(self.rooms[alias], PATIENCE)
            assert event is None or event.reason, event
        await eventually(lambda: self._is(carl, "removed"), PATIENCE, every=1, what="removed")
        await carl.wait_for_message(
            lambda e: bool(links_in(e.body, e.html)) and "back" in e.body.lower(), PATIENCE
        )
        for name in (*GUESTS, "eve"):
            assert self.people[name].id in await alice.members(self.rooms[SPACE]), name

    async def own_messages(self, pattern: str) -> list[RoomEvent]:
        """What the bot has said in the admin room, edits left out."""
        found = await self.people["alice"].messages(self.rooms[KEEPERS], limit=500)
        said = re.compile(pattern, re.IGNORECASE)
        return [
            e
            for e in found
            if e.sender == self.stage.bot.user_id and e.edits is None and said.search(e.body)
        ]

    async def memberships(self, name: str, kind: str) -> list[RoomEvent]:
        """Every such membership event that the space has of somebody."""
        kinds = ("m.room.member",)
        events = await self.people["fay"].messages(self.rooms[SPACE], limit=500, kinds=kinds)
        who = self.people[name].id
        return [e for e in events if e.state_key == who and e.content.get("membership") == kind]

    async def _is(self, person: MatrixPerson, state: str) -> bool:
        members = await self.service.json("members", "list", "--all")
        return any(
            person.id in str(each["identity"]) and each["state"] == state for each in members
        )


async def _a_club(stage: Stage) -> _Club:
    """The house, its founder, and two admins."""
    founder = await stage.person("fay")
    await stage.service.run("init")
    _write_policy(stage, inactive_after="1d")
    await stage.service.start(timeout=PATIENCE)
    invitation = await founder.wait_for_invite(lambda i: i.name == "The Lighthouse", PATIENCE)
    rooms = {SPACE: await founder.join(invitation.room)}
    for alias in (HALL, KEEPERS):
        rooms[alias] = await founder.join(alias)
    for name in ("alice", "boris"):
        person = await stage.person(name)
        for alias in (SPACE, KEEPERS):
            await founder.invite(rooms[alias], person)
            await person.join(rooms[alias])
        await founder.set_power(rooms[KEEPERS], person, 50)
    return _Club(stage, rooms)


def _write_policy(stage: Stage, inactive_after: str) -> None:
    """The demo's rules with time enough for a bot that may send once in five seconds."""
    file = stage.service.folder / "house-rules.yaml"
    policy.write(file, stage.people["fay"].id, settle=1)
    club, admission, pruning = yaml.safe_load_all(file.read_text("utf-8"))
    del club["spec"]["invitation"]
    admission["spec"]["review"] = {"approvals": 2, "declines": 1}
    pruning["spec"] |= {"grace": "30s", "params": {"inactive_after": inactive_after}}
    pruning["spec"]["schedule"] = "0 0 6 1 1 *"
    file.write_text(yaml.safe_dump_all([club, admission, pruning], sort_keys=False), "utf-8")
