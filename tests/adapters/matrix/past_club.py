"""A club whose months pass in a test: its clock stands in the past and is moved by hand.

The homeserver's own clock is real, and events that people have sent "then" are dated back by an
application service. Our clock never runs ahead of the homeserver's: an event that nobody has dated
back lies in the future for us, and is taken as of now whenever it is told.
"""

import asyncio
import itertools
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from gatekeeper.domain.activity import Activity, Sign
from gatekeeper.domain.decisions import Entry, Order, Progress
from gatekeeper.domain.identity import Account, ClubId, Identity
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.policy.parse import load_policy
from gatekeeper.storage.store import TortoiseStore
from gatekeeper.testing.clock import ManualClock
from gatekeeper.testing.platform_contract import Seen, until
from gatekeeper.usecases import adopt, due, sweep
from gatekeeper.usecases.intake import Desk
from gatekeeper.usecases.observe import Observer
from gatekeeper.usecases.parts import Parts, Shelf
from gatekeeper.usecases.perform import Performer
from tests.adapters.matrix.world import MatrixWorld
from tests.demo import policy
from tests.storage.fresh import RECORD_KEY, fresh_sqlite
from tests.support.people import together
from tests.support.synapse import Synapse

T = TypeVar("T")
_NUMBERS = itertools.count(1)
CLUB = ClubId("lighthouse")
BACK = timedelta(days=300)  # where our clock begins: more than any story passes
SILENT, GRACE = timedelta(days=90), timedelta(days=14)

# The demo has seconds where a club has months.
DAYS = {
    "{inactive_after: 15s}": "{inactive_after: 90d}",
    "grace: 4s": "grace: 14d",
}


class _Hearing(Desk):
    """The desk, which remembers the signs that it was told."""

    def __init__(self, parts: Parts, observer: Observer) -> None:
        super().__init__(parts, observer)
        self.signs: list[Sign] = []

    async def observe(
        self, platform: str, signs: Sequence[Sign], position: str, *, after_gap: bool = False
    ) -> None:
        await super().observe(platform, signs, position, after_gap=after_gap)
        self.signs += signs


class PastClub(MatrixWorld):
    """Our service on a real homeserver: SQLite, adapter, use cases; nothing happens by itself.

    Args:
        folder: for the database.
        settle: days in which a club that is watched since then touches nobody.
        brake: how many a sweep may touch.
        rooms: the club's rooms.
    """

    def __init__(
        self,
        synapse: Synapse,
        folder: Path,
        *,
        settle: int = 0,
        brake: int = 5,
        rooms: Sequence[str] = ("lobby", "talk"),
    ) -> None:
        self.moment = ManualClock(datetime.now(UTC).replace(microsecond=0) - BACK)
        super().__init__(synapse, clock=self.moment)
        self.changes = {"rooms": [{"alias": f"{self.slug}-{name}"} for name in rooms]}
        self._settle, self._brake = settle * 86_400.0, brake
        self.store = TortoiseStore(fresh_sqlite(folder), RECORD_KEY, self.moment)
        self._platforms: dict[str, Any] = {}

    async def __aenter__(self) -> "PastClub":
        await self.store.open()
        await super().__aenter__()
        await self.heard()
        return self

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        await self.store.close()

    async def listen(self) -> None:
        """Begin as a process does: nothing of an earlier one is remembered."""
        text = policy.text(self.founder.account, settle=self._settle)
        brake = {"maxAffected: {count: 5": f"maxAffected: {{count: {self._brake}"}
        for old, new in (DAYS | brake).items():
            assert old in text, old
            text = text.replace(old, new)
        rules = load_policy(text, "lighthouse.yaml")
        self._platforms["matrix"] = self.platform
        self.parts = Parts(
            club=CLUB,
            store=self.store,
            platforms=self._platforms,
            shelf=Shelf(rules),
            clock=self.moment,
            base_url="http://club.test",
            secret=b"a secret of sixteen bytes or more",
        )
        async with self.store.transaction(CLUB) as tx:
            await self.parts.shelf.put(tx, rules)
        self.observer = Observer(self.parts)
        self.performer = Performer(self.parts)
        self.desk = _Hearing(self.parts, self.observer)
        await super().listen()

    # ---- people ----

    async def from_before(self, *names: str) -> list[Identity]:
        """People who were inside before we came, known from now on."""
        them = await together(*(self._add(name) for name in names))
        founder = self.hands(self.founder)

        async def enter(who: Identity) -> None:
            await founder.invite(self.scene.space, who.account)
            await self.enter(who)

        for who in them:
            await enter(who)
        await self.heard()
        await adopt.adopt(self.parts, "operator:root")
        return them

    async def enter(self, who: Identity) -> None:
        """Into the space and every room, at our now: a room that we come back to tells it again."""
        for room in (self.scene.space, *self.scene.rooms):
            await asyncio.to_thread(self.synapse.join_at, self.now(), who.account, room)

    async def dated(
        self,
        who: Identity,
        room: str,
        at: datetime | None = None,
        kind: str = "m.room.message",
        **content: Any,
    ) -> str:
        """Someone sends an event that is dated `at`, our now by default; its id."""
        # two of one moment with the same words would be one event to the homeserver
        words = {"msgtype": "m.text", "body": f"hello {next(_NUMBERS)}"}
        told: Mapping[str, Any] = content or words
        account = who.account
        return await asyncio.to_thread(
            self.synapse.send_at, at or self.moment.now(), account, room, told, kind
        )

    # ---- time ----

    async def heard(self) -> None:
        """Until all that was sent so far is taken in and kept."""
        mark = await self.hands(self.founder).say(self.scene.admins, "so far")
        await until(lambda: mark in {sign.event_id for sign in self.desk.signs}, "the mark", 30.0)
        await self.observer.flush()

    async def pass_days(self, days: float) -> None:
        """Let days pass in which we listen, and do at their end what is due."""
        self.moment.advance(days=days)
        assert self.moment.now() < datetime.now(UTC), "our clock stays behind the homeserver's"
        await self.settle()

    async def settle(self) -> None:
        """Take in, decide and perform, until nothing more is due now."""
        for _ in range(30):
            await self.heard()
            again = await due.due(self.parts)
            ripe = await self.find(Order, progress=Progress.DUE, due_at__lte=self.moment.now())
            if not ripe and (again is None or again > self.moment.now()):
                return  # else a look that failed is tried again, as the service does
            for order in sorted(ripe, key=lambda order: (order.lane, order.id)):
                await self.performer.perform(order.id, order.attempt)
        raise AssertionError(f"it never settles: {[(o.purpose, o.attempt) for o in ripe]}")

    async def sweep(self) -> None:
        """Sweep at this moment, and perform what it orders."""
        await self.heard()
        await sweep.run(self.parts, f"at-{self.moment.now().isoformat()}")
        await self.settle()

    # ---- what is so ----

    async def find(self, kind: type[T], **criteria: Any) -> list[T]:
        """Look into the store."""
        async with self.store.look(CLUB) as tx:
            return await tx.find(kind, **criteria)

    async def member(self, who: Identity) -> Membership:
        """The newest membership of an identity."""
        return (await self.find(Membership, identity=who))[-1]

    async def state(self, who: Identity) -> State:
        """Where a membership stands."""
        return (await self.member(who)).state

    async def counts(self, who: Identity) -> dict[str, int]:
        """How many signs of each kind are kept of someone."""
        [account] = await self.find(Account, identity=who)
        found: dict[str, int] = {}
        for row in await self.find(Activity, person_id=account.person_id):
            found[row.kind] = found.get(row.kind, 0) + row.count
        return found

    async def codes(self, who: Identity) -> list[str]:
        """The record of a membership."""
        member = await self.member(who)
        async with self.store.look(CLUB) as tx:
            found: list[Entry] = await tx.entries(subject=f"membership:{member.id}")
        return [one.code for one in found]

    async def card(self, part: str) -> Seen:
        """The newest message for the admins with `part` in it."""
        return [seen for seen in await self.posted() if part in seen.text][-1]

    async def press_card(self, part: str, symbol: str) -> None:
        """The founder presses a choice of that card; what follows is done."""
        await self.press(self.founder, (await self.card(part)).ref, symbol)
        await self.settle()

    async def notice(self, who: Identity) -> Seen:
        """The only notice in someone's chat."""
        [seen] = [seen for seen in await self.told(who) if "still here" in seen.text]
        return seen

    async def way_back(self, who: Identity) -> str:
        """The secret of the newest link back that someone was told."""
        [*_, said] = [seen.text for seen in await self.told(who) if "Come back: " in seen.text]
        found = re.search(r"Come back: http://club\.test/l/(\S+)", said)
        assert found, said
        return found.group(1)
