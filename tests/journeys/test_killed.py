"""Killed at any moment, again and again: after each restart it goes on, nothing doubles."""

import random
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from gatekeeper.domain.decisions import Order, Progress
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.testing.clock import ManualClock
from gatekeeper.testing.fakes import FakeStore
from gatekeeper.usecases import adopt, apply, sweep
from gatekeeper.usecases.intake import Desk
from gatekeeper.usecases.observe import Observer
from gatekeeper.usecases.perform import Performer
from tests.journeys.club import ANSWERS, CLUB, Club, a_club


class Killed(BaseException):
    """SIGKILL: nobody may catch it."""


class Reaper:
    """Kills at a random moment: before or after a commit, before or after an act."""

    def __init__(self, club: Club, seed: int) -> None:
        self.club, self.dice, self.kills = club, random.Random(seed), 0
        transaction, perform = club.store.transaction, club.platform.perform

        @asynccontextmanager
        async def deadly(name):
            async with transaction(name) as tx:
                yield tx
                self.strike()
            self.strike()

        async def deadly_perform(action, key, ordered_at):
            self.strike()
            receipt = await perform(action, key, ordered_at)
            self.strike()
            return receipt

        club.store.transaction, club.platform.perform = deadly, deadly_perform
        self.armed = True

    def strike(self) -> None:
        if self.armed and self.dice.random() < 0.12:
            self.kills += 1
            raise Killed

    async def restart(self) -> None:
        """A new process: all that was only in memory is gone."""
        club, self.armed = self.club, False
        await club.platform.stop()
        club.observer = Observer(club.parts)
        club.desk = Desk(club.parts, club.observer)
        club.performer = Performer(club.parts)
        await club.platform.start(club.desk)
        self.armed = True

    async def until_done(self, work, again: bool = True):
        """Do it, however often we are killed at it; what people did stays done."""
        while True:
            try:
                return await work()
            except Killed:
                await self.restart()
                if not again:
                    return None


@pytest.mark.parametrize("seed", range(12))
async def test_nothing_doubles_however_often_it_is_killed(seed: int) -> None:
    async with a_club(FakeStore(ManualClock())) as club:
        await club.observer.flush()
        reaper = Reaper(club, seed)
        done, settle = reaper.until_done, club.settle
        person = club.platform.person
        carl = person("@carl:fake", inside=True, takes_chats=True)
        ada = person("@ada:fake", takes_chats=True)
        bob = person("@bob:fake", takes_chats=True)
        await done(lambda: adopt.adopt(club.parts, "operator:root"))
        # people act on the homeserver: once, whatever becomes of us
        await done(lambda: club.platform.knock(bob, "let me in"), again=False)
        await done(settle)
        sent = apply.Submission(identity=ada, answers=ANSWERS, browser="b", address="192.0.2.1")
        reaper.armed = False
        app = await apply.submit(club.parts, sent)
        reaper.armed = True
        await done(settle)
        reaper.armed = False
        await apply.prove(club.parts, app.id, "b", club.code(ada))
        reaper.armed = True
        await done(settle)
        await done(settle)
        ref = club.card_of("Ada").ref
        for admin in (club.alice, club.boris):
            await done(lambda admin=admin: club.platform.press(admin, ref, "✅"), again=False)
            await done(settle)
        await done(settle)
        await done(lambda: club.platform.join(ada), again=False)
        for _ in range(20):
            club.clock.advance(seconds=1)
            await done(lambda: club.platform.live(ada), again=False)
            await done(settle)
        await done(lambda: sweep.run(club.parts, "one"))
        await done(settle)
        for _ in range(9):
            club.clock.advance(seconds=1)
            await done(lambda: club.platform.live(ada), again=False)
            await done(settle)
        card = [m for m in club.cards() if m.card and "removals" in m.card.title][-1]
        await done(lambda: club.platform.press(club.alice, card.ref, "✅"), again=False)
        for _ in range(3):
            club.clock.advance(seconds=60)
            await done(settle)
        reaper.armed = False
        await settle()
        assert reaper.kills > 10
        counts = Counter(
            (type(act).__name__, getattr(act, "who", None)) for _, act in club.platform.performed
        )
        assert counts["Admit", ada] == counts["Remove", carl] == 1, counts
        assert counts["Remove", ada] == 0, counts
        keys = Counter(key for key, _ in club.platform.performed)
        assert max(keys.values()) == 1, keys
        told = Counter((m.to, m.text) for m in club.platform.messages.values() if m.to)
        assert max(told.values()) == 1, told
        assert len([m for m in club.cards() if "Ada" in m.card.title]) == 1
        assert (await club.find(Membership, identity=ada))[-1].state is State.ACTIVE
        assert (await club.find(Membership, identity=carl))[-1].state is State.REMOVED
        assert not await club.find(Order, progress=Progress.DUE)
        assert await club.store.verify(CLUB)
