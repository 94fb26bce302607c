"""A whole club in memory for journeys: FakePlatform, a real store, our use cases, time by hand."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from gatekeeper.domain.decisions import Order, Progress
from gatekeeper.domain.identity import ClubId, Identity
from gatekeeper.policy.parse import load_policy
from gatekeeper.ports import Store
from gatekeeper.testing.fakes import FakePlatform, ManualClock
from gatekeeper.testing.fakes_platform import Message
from gatekeeper.usecases import apply, due
from gatekeeper.usecases.intake import Desk
from gatekeeper.usecases.observe import Observer
from gatekeeper.usecases.parts import Parts, Shelf
from gatekeeper.usecases.perform import Performer
from tests.demo import policy

T = TypeVar("T")
CLUB = ClubId("lighthouse")
WHY = "I repair ship clocks and would love to learn from your makers."
ANSWERS: Mapping[str, str] = {"why": WHY, "craft": "maker", "rules": "yes"}

# The demo has no time to lose; here time is passed by hand, and tests count on these seconds.
SECONDS = {
    "welcome: {after: 3s, together: 3s}": "welcome: {after: 4s, together: 4s}",
    "remindAfter: 4s, openFor: 7d": "remindAfter: 6s, openFor: 7d",
    "grace: 4s": "grace: 7s",
}


class Club:
    """The demo's club with the founder Fay and the admins Alice and Boris.

    Nothing happens by itself: `settle` performs what is due at the clock's time.
    """

    def __init__(self, store: Store, clock: ManualClock, **changes: str) -> None:
        text = policy.text("@fay:fake", settle=float(changes.pop("settle", "0")))
        for old, new in {**SECONDS, **changes}.items():
            assert old in text, old
            text = text.replace(old, new)
        self.clock, self.store = clock, store
        self.platform = FakePlatform(clock)
        self.policy = load_policy(text, "lighthouse.yaml")
        self.parts = Parts(
            club=CLUB,
            store=store,
            platforms={"matrix": self.platform},
            shelf=Shelf(self.policy),
            clock=clock,
            base_url="http://club.test",
            secret=b"a secret of sixteen bytes or more",
        )
        self.observer = Observer(self.parts)
        self.desk = Desk(self.parts, self.observer)
        self.performer = Performer(self.parts)
        person = self.platform.person
        self.fay = person("@fay:fake", admin=True)
        self.alice = person("@alice:fake", admin=True, power=50)
        self.boris = person("@boris:fake", admin=True, power=50)

    async def open(self) -> None:
        """Put the policy in force and listen."""
        async with self.store.transaction(CLUB) as tx:
            await self.parts.shelf.put(tx, self.policy)
        await self.platform.start(self.desk)

    async def settle(self) -> None:
        """Do what is due and perform what is ordered, until nothing more is due now."""
        for _ in range(50):
            await self.observer.flush()
            await due.due(self.parts)
            ripe = await self.find(Order, progress=Progress.DUE, due_at__lte=self.clock.now())
            if not ripe:
                return
            for order in sorted(ripe, key=lambda order: (order.lane, order.id)):
                await self.performer.perform(order.id, order.attempt)
        raise AssertionError(f"it never settles: {[(o.purpose, o.attempt) for o in ripe]}")

    async def pass_time(self, **span: float) -> None:
        """Let time pass, a second at a time, and do what falls due."""
        until = self.clock.now() + timedelta(**span)
        while self.clock.now() < until:
            self.clock.advance(seconds=min(1.0, (until - self.clock.now()).total_seconds()))
            await self.settle()

    async def find(self, kind: type[T], **criteria: Any) -> list[T]:
        """Look into the store."""
        async with self.store.look(CLUB) as tx:
            return await tx.find(kind, **criteria)

    async def one(self, kind: type[T], **criteria: Any) -> T:
        """The only value that meets the criteria."""
        found = await self.find(kind, **criteria)
        assert len(found) == 1, found
        return found[0]

    # ---- what people see ----

    def told(self, who: Identity) -> list[Message]:
        """What stands in someone's direct chat."""
        return [m for m in self.platform.messages.values() if m.to == who.account]

    def said_in(self, place: str) -> list[Message]:
        """What we said in a place."""
        return [m for m in self.platform.messages.values() if m.place == place]

    def code(self, who: Identity) -> str:
        """The newest code that someone was told."""
        found = re.search(r"\b(\d{6})\b", self.told(who)[-1].text)
        assert found, self.told(who)
        return found.group(1)

    def cards(self) -> list[Message]:
        """The cards in the admins' room."""
        return [m for m in self.platform.messages.values() if m.card is not None]

    def card_of(self, name: str) -> Message:
        """The one card of an applicant."""
        found = [m for m in self.cards() if m.card is not None and name in m.card.title]
        assert len(found) == 1, found
        return found[0]

    async def apply(self, who: Identity, browser: str = "", **answers: str) -> int:
        """Apply on the web and prove it by the code; the application's id."""
        browser = browser or f"browser of {who}"
        sent = apply.Submission(
            identity=who,
            name="",
            answers=dict(ANSWERS) | answers,
            browser=browser,
            address="192.0.2.1",
        )
        app = await apply.submit(self.parts, sent)
        await self.settle()
        if self.platform.people[who.account].chat == "invite":
            await self.platform.take_chat(who)
            await self.settle()
        app = await apply.prove(self.parts, app.id, browser, self.code(who))
        await self.settle()
        return app.id

    async def admit(self, name: str) -> Identity:
        """Someone applies, is approved by both admins, and joins."""
        who = self.platform.person(f"@{name}:fake")
        await self.apply(who)
        ref = self.card_of(name.capitalize()).ref
        for admin in (self.alice, self.boris):
            await self.platform.press(admin, ref, "✅")
        await self.settle()
        await self.platform.join(who)
        await self.settle()
        return who


@asynccontextmanager
async def a_club(store: Store, at: datetime | None = None, **changes: str) -> AsyncIterator[Club]:
    """An open club on `store`; `changes` replace parts of the demo's policy text."""
    clock = ManualClock(at) if at else ManualClock()
    club = Club(store, clock, **changes)
    await club.open()
    try:
        yield club
    finally:
        await club.platform.stop()
