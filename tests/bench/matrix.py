"""What people on Matrix wait for, beside a bare bot on the same homeserver."""

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from tests.bench.bare import GUEST
from tests.bench.club import KEEPERS, SPACE, a_club
from tests.bench.frame import Bar, Row
from tests.demo.chapters import answers
from tests.demo.stage import Stage, links_in
from tests.support.people import MatrixPerson
from tests.support.proxy import Call, Proxy
from tests.support.wait import eventually

PAIRS = 12
APPROVE = "✅"
QUIET = 0.7  # seconds without a call before a press: nothing else is under way
TOP = Path(__file__).resolve().parents[2]


async def rows(say: Callable[[str], None]) -> list[Row]:
    """Approve guests in turn: one by the service, one by the bare bot."""
    ours: list[float] = []
    floor: list[float] = []
    async with a_club() as stage:
        await stage.service.start(timeout=60)
        alice, boris = [await _admin(stage, name) for name in ("alice", "boris")]
        async with _bare_bot(stage, alice, boris) as bare:
            for turn in range(PAIRS + 1):
                guest = await stage.person(f"guest{turn}")
                card = await _apply(stage, guest, alice)
                pair = (
                    await _approved(stage.proxy, boris, card, guest),
                    await _approved(stage.proxy, boris, *await bare.card(f"other{turn}")),
                )
                if turn:  # the first one warms connections and caches on both sides
                    ours.append(pair[0])
                    floor.append(pair[1])
                    say(f"pair {turn}: {pair[0]:.0f} ms, bare {pair[1]:.0f} ms")
        await stage.service.stop()
    return [
        Row(
            "matrix.press_to_invite",
            "ms",
            ours,
            floor,
            Bar("ratio", 2.5),
            note="from 200 to the last of two ✅ to 200 on /invite, both seen on the way to the "
            "homeserver; floor: a bare bot (sync, one look at the presser, invite)",
        )
    ]


class Card(NamedTuple):
    """A message that waits for a ✅."""

    room: str
    event: str


async def _approved(proxy: Proxy, admin: MatrixPerson, card: Card, guest: MatrixPerson) -> float:
    """Milliseconds from the answer to a ✅ until the guest's invitation stands."""
    await _quiet(proxy)
    await admin.react(card.room, card.event, APPROVE)
    began = time.monotonic()

    def stands() -> Call | None:
        calls = proxy.find("POST", "/invite$", 200)
        return next((c for c in calls if c.invitee == guest.id and c.answered), None)

    call = await eventually(stands, 20, every=0.02, what=f"{guest.name}'s invitation")
    assert call.answered is not None
    return 1000 * (call.answered - began)


async def _quiet(proxy: Proxy) -> None:
    """Until nobody but long polls has called for a while."""

    def over() -> bool:
        calls = [call for call in proxy.calls if not call.path.endswith("/sync")]
        return all(call.answered for call in calls[-20:]) and (
            not calls or time.monotonic() - calls[-1].at > QUIET
        )

    await eventually(over, 20, what="quiet")


# ---- ours ----


async def _admin(stage: Stage, name: str) -> MatrixPerson:
    founder, person = stage.people["fay"], await stage.person(name)
    for alias in (SPACE, KEEPERS):
        room = await founder.join(alias)  # inside already: it only tells the id
        await founder.invite(room, person)
        await person.join(room)
    await founder.set_power(room, person, 50)
    return person


async def _apply(stage: Stage, guest: MatrixPerson, first: MatrixPerson) -> Card:
    """Knock, fill in the form, and have the first of two ✅."""
    await guest.knock(SPACE, "I would like to come in.")
    chat = await guest.wait_for_invite(lambda i: i.direct)
    await guest.join(chat.room)
    told = await guest.wait_for_message(lambda e: bool(links_in(e.body, e.html)), room=chat.room)
    browser = stage.browser()
    await browser.open(links_in(told.body, told.html)[0])
    await browser.send({}, "/l/")
    await browser.send(answers("", "I mend nets and like to talk about knots."), "/join")
    named = re.compile(rf"Application #\d+: {guest.name}\b", re.IGNORECASE)
    card = await first.wait_for_message(
        lambda e: e.edits is None and named.search(e.body) is not None
    )
    keepers = card.room
    await eventually(lambda: _choices(first, card.room, card.id), 15, what="✅ ❓ ❌ are set")
    await first.react(keepers, card.id, APPROVE)
    await first.wait_for_message(lambda e: e.edits == card.id and "1 of 2" in e.body)
    return Card(keepers, card.id)


async def _choices(person: MatrixPerson, room: str, event: str) -> bool:
    return len(await person.reactions(room, event)) == 4


# ---- the floor ----


class _Bare:
    """The bare bot's own rooms, as full as ours, and its cards."""

    def __init__(self, stage: Stage, token: str, keepers: str, space: str) -> None:
        self.stage, self.token, self.keepers, self.space = stage, token, keepers, space

    async def card(self, name: str) -> tuple[Card, MatrixPerson]:
        """A card for a guest who has knocked."""
        guest = await self.stage.person(name)
        await guest.knock(self.space, "I would like to come in.")
        room = quote(self.keepers, safe="")
        path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{name}"
        body = {"msgtype": "m.text", "body": f"Let {name} in?", GUEST: guest.id}
        told = await asyncio.to_thread(self.stage.synapse.call, "PUT", path, body, self.token)
        return Card(self.keepers, told["event_id"]), guest


@asynccontextmanager
async def _bare_bot(stage: Stage, *admins: MatrixPerson) -> AsyncIterator[_Bare]:
    bot = await MatrixPerson.create(stage.synapse, "bare")
    keepers = await bot.make_room("Bare keepers")
    space = await bot.make_room("Bare", creation_content={"type": "m.space"})
    await bot.set_state(space, "m.room.join_rules", {"join_rule": "knock"})
    for person in (stage.people["fay"], *admins):
        for room in (keepers, space):
            await bot.invite(room, person)
            await person.join(room)
    await bot.close()  # a second reader of its own would slow the bare bot down
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.bare", stage.proxy.url, bot.token, keepers, space),
        cwd=TOP,
    )
    try:
        await asyncio.sleep(2)
        yield _Bare(stage, bot.token, keepers, space)
        assert process.returncode is None, "the bare bot ended"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
