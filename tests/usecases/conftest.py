"""A club over a store in memory, as the journeys have it."""

import os
from collections.abc import AsyncIterator

import pytest

from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.storage.store import TortoiseStore
from gatekeeper.testing.fakes import FakeStore, ManualClock
from gatekeeper.usecases import adopt, sweep
from tests.journeys.club import Club, a_club
from tests.storage.fresh import RECORD_KEY, fresh_postgres, fresh_sqlite

# Every test in memory; with GATEKEEPER_TEST_ALL_STORES=1 each on SQLite and PostgreSQL too.
STORES = [
    "memory",
    *(["sqlite", "postgres"] if os.environ.get("GATEKEEPER_TEST_ALL_STORES") else []),
]
QUIET, GRACE = 20, 7  # seconds: longer than the policy's silence; its grace


class Roll(Club):
    """A club with members from before; what the tests of sweeps ask of it."""

    async def adopt(self, *names: str, takes_chats: bool = True) -> list[Identity]:
        """People who are inside already become members."""
        found = [
            self.platform.person(f"@{name}:fake", inside=True, takes_chats=takes_chats)
            for name in names
        ]
        await adopt.adopt(self.parts, "operator:root")
        await self.settle()
        return found

    async def member(self, who: Identity) -> Membership:
        """The newest membership of an identity."""
        return (await self.find(Membership, identity=who))[-1]

    async def state(self, who: Identity) -> State:
        """Where a membership stands."""
        return (await self.member(who)).state

    async def sweep(self, slot: str = "") -> None:
        """Sweep, and perform what it orders."""
        await self.observer.flush()
        await sweep.run(self.parts, slot or f"at-{self.clock.now().isoformat()}")
        await self.settle()

    async def to_planned(self, *names: str) -> list[Identity]:
        """Members who have been silent, were asked, and did not answer."""
        them = await self.adopt(*names)
        await self.pass_time(seconds=QUIET)
        await self.sweep()
        await self.pass_time(seconds=GRACE + 1)
        return them

    def removals(self):
        """The newest card about removals."""
        found = [m for m in self.cards() if m.card and "removals" in m.card.title]
        return found[-1] if found else None

    def held(self):
        """The newest card about a held sweep."""
        return [m for m in self.cards() if m.card and "held" in m.card.title][-1]


@pytest.fixture(params=STORES)
async def club(request, monkeypatch, tmp_path) -> AsyncIterator[Roll]:
    """An open club with a founder and two admins."""
    monkeypatch.setattr("tests.journeys.club.Club", Roll)
    if request.param == "memory":
        async with a_club(FakeStore(ManualClock())) as found:
            yield found
        return
    if request.param == "sqlite":
        url = fresh_sqlite(tmp_path)
    else:
        url = fresh_postgres(request.getfixturevalue("postgres"))
    store = TortoiseStore(url, RECORD_KEY, ManualClock())
    await store.open()
    async with a_club(store) as found:
        yield found
    await store.close()
