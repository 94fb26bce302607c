"""Whatever people, clocks and platforms do in whatever order: nobody is put out by accident."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.domain.decisions import Order, Remove
from gatekeeper.domain.errors import GatekeeperError
from gatekeeper.domain.memberships import Exemption, Leave, Membership, State
from gatekeeper.testing.fakes import FakeStore, ManualClock
from gatekeeper.testing.fakes_people import DoorShut
from gatekeeper.usecases import exempt, leave
from tests.journeys.club import CLUB
from tests.usecases.conftest import GRACE, Roll

NAMES = ("carl", "dana", "eve")
WHO = st.sampled_from(range(len(NAMES)))
STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([1, 3, 8, 16])),
    st.tuples(st.just("sweep"), st.just(0)),
    st.tuples(
        st.sampled_from(["live", "leave", "exempt", "take", "here", "confirm", "keep", "name"]), WHO
    ),
    st.tuples(st.just("lose"), st.just(0)),
    st.tuples(st.just("blind"), st.sampled_from([5, 30])),
)


class Watch:
    """Does the steps, and holds every removal against the laws the moment it is done."""

    def __init__(self) -> None:
        self.club = Roll(FakeStore(ManualClock()), ManualClock())
        self.named: set[str] = set()
        self.checked = 0

    async def play(self, steps) -> None:
        await self.club.open()
        self.them = await self.club.adopt(NAMES[0])
        self.them += await self.club.adopt(*NAMES[1:], takes_chats=False)
        for what, arg in steps:
            with suppress(DoorShut, GatekeeperError):
                await getattr(self, what)(arg)
            await self.check()
        await self.club.platform.stop()

    async def wait(self, seconds):
        for _ in range(seconds):
            await self.club.pass_time(seconds=1)
            await self.check()

    async def sweep(self, _):
        await self.club.sweep()

    async def live(self, n):
        await self.club.platform.live(self.them[n])

    async def leave(self, n):
        until = self.club.clock.now() + timedelta(seconds=9)
        await leave.announce(self.club.parts, self.them[n], until, "", "x")

    async def exempt(self, n):
        until = self.club.clock.now() + timedelta(seconds=9)
        await exempt.exempt(self.club.parts, self.them[n], "why", until, "x")

    async def take(self, n):
        await self.club.platform.take_chat(self.them[n])

    async def here(self, n):
        told = [m for m in self.club.told(self.them[n]) if m.choices]
        if told:
            await self.club.platform.press(self.them[n], told[-1].ref, "✋")

    async def confirm(self, _):
        if self.club.removals() and self.club.removals().choices:
            await self.club.platform.press(self.club.alice, self.club.removals().ref, "✅")

    async def keep(self, _):
        if self.club.removals() and self.club.removals().choices:
            await self.club.platform.press(self.club.alice, self.club.removals().ref, "❌")

    async def name(self, n):
        if self.club.removals():
            who = self.them[n].account
            self.named.add(who)
            await self.club.platform.write(
                self.club.alice, f"remove {who}", place="admins", thread=self.club.removals().ref
            )

    async def lose(self, _):
        self.club.platform.lose_answers(1)

    async def blind(self, seconds):
        self.club.clock.advance(seconds=seconds)
        await self.club.observer.observe("matrix", [], "later", after_gap=True)

    async def check(self) -> None:
        acts = [a for _, a in self.club.platform.performed if isinstance(a, Remove)]
        done = [act.who for act in acts if not act.stay_in]
        assert len(done) == len(set(done)), "put out twice"
        for who in done[self.checked :]:
            await self.judge(who)
        self.checked = len(done)

    async def judge(self, who) -> None:
        member = (await self.club.find(Membership, identity=who))[-1]
        now = self.club.clock.now()
        assert member.state in {State.REMOVED, State.CONFIRMED}, member
        orders = await self.club.find(Order, purpose="removal", subject=f"membership:{member.id}")
        assert orders
        for kind in (Leave, Exemption):
            for found in await self.club.find(kind, person_id=member.person_id, ended_at=None):
                assert found.until <= now, "someone protected was put out"
        if member.noticed_at is None:
            assert who.account in self.named, "neither asked nor named"
            return
        assert now - member.noticed_at >= timedelta(seconds=GRACE), "too early"
        assert member.notice_ref in self.club.platform.messages, "never delivered"
        assert member.last_seen_at is None or member.last_seen_at <= member.noticed_at
        async with self.club.store.look(CLUB) as tx:
            entries = await tx.entries(subject=f"membership:{member.id}")
        codes = [entry.code for entry in entries]
        assert {"silent-notice", "notice-delivered", "silent-removal"} <= set(codes), codes


@settings(max_examples=30, deadline=None)
@given(st.lists(STEPS, min_size=6, max_size=25))
def test_nobody_is_put_out_by_accident(steps):
    asyncio.run(Watch().play([("wait", 16), ("sweep", 0), *steps]))


def test_the_watch_sees_removals():
    watch = Watch()
    steps = [
        ("wait", 16),
        ("sweep", 0),
        ("wait", 8),
        ("wait", 1),
        ("sweep", 0),
        ("confirm", 0),
        ("name", 1),
        ("wait", 3),
    ]
    asyncio.run(watch.play(steps))
    assert watch.checked == 2
