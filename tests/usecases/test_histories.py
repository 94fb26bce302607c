"""Random histories with gaps, restarts, shifted clocks and doubled events, beside a plain model.

The model keeps what really happened: every sign as it was told, and every second in which nobody
listened. Whoever is asked must have been silent, by the model, for as long as the policy says; a
grace must have passed whole and seen.
"""

import asyncio
import os
from collections import defaultdict
from datetime import datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gatekeeper.domain.activity import Kind, Sign
from gatekeeper.domain.decisions import Order, Progress, Remove, Tell
from gatekeeper.domain.memberships import STAGED, State
from gatekeeper.testing.fakes import FakeStore, ManualClock
from gatekeeper.usecases.intake import Desk
from gatekeeper.usecases.observe import Observer
from gatekeeper.usecases.perform import Performer
from tests.usecases.conftest import GRACE, Roll
from tests.usecases.test_laws_of_sweeps import NAMES, WHO, Watch

SILENCE = timedelta(seconds=15)  # params.inactive_after of the demo's policy
SECONDS = st.sampled_from([1, 4, 9, 16])
STEPS = st.one_of(
    st.tuples(st.just("wait"), SECONDS),
    st.tuples(st.just("sweep"), st.just(0)),
    st.tuples(st.sampled_from(["live", "live", "take", "here", "confirm", "name", "old"]), WHO),
    st.tuples(st.just("ahead"), WHO),
    st.tuples(st.sampled_from(["restart", "again", "lose"]), st.just(0)),
    st.tuples(st.sampled_from(["blind", "away"]), SECONDS),
)
EXAMPLES = int(os.environ.get("GATEKEEPER_TEST_HISTORIES", "30"))  # more by hand
HISTORIES = st.lists(STEPS, min_size=6, max_size=22)


class History(Watch):
    """Plays a history and holds every act of ours against the model."""

    def __init__(self) -> None:
        super().__init__()
        self.signs: dict[str, list[datetime]] = defaultdict(list)
        self.gaps: list[tuple[datetime, datetime]] = []
        self.asked: dict[str, datetime] = {}
        self.notices = 0

    # ---- what happens ----

    async def live(self, n) -> None:
        self.signs[self.them[n].account].append(self.club.clock.now())
        await super().live(n)

    async def here(self, n) -> None:
        before = await self.club.state(self.them[n])
        await super().here(n)
        if before is not State.ACTIVE and await self.club.state(self.them[n]) is State.ACTIVE:
            self.signs[self.them[n].account].append(self.club.clock.now())

    async def old(self, n) -> None:
        """A sign of long ago arrives late."""
        await self._shifted(n, timedelta(seconds=-40))

    async def ahead(self, n) -> None:
        """A sign by a clock that runs ahead: it counts for now, and not for the time to come."""
        self.signs[self.them[n].account].append(self.club.clock.now())
        await self._shifted(n, timedelta(seconds=60))

    async def _shifted(self, n, by: timedelta) -> None:
        platform = self.club.platform
        at, number = self.club.clock.now() + by, f"$odd-{len(platform.history)}"
        who = self.them[n]
        sign = Sign(who=who, kind=Kind.MESSAGE, place="lobby", at=at, event_id=number)
        platform.history.append(sign)
        await platform.deliver()

    async def again(self, _) -> None:
        """All of the past is told once more."""
        for item in list(self.club.platform.history):
            if isinstance(item, Sign):
                position = await self.club.desk.position("matrix")
                await self.club.desk.observe("matrix", [item], position)

    async def restart(self, _) -> None:
        """A new process; what was not flushed comes again from the platform."""
        club = self.club
        await club.platform.stop()
        club.observer = Observer(club.parts)
        club.desk = Desk(club.parts, club.observer)
        club.performer = Performer(club.parts)
        await club.platform.start(club.desk)

    async def away(self, seconds) -> None:
        """Nobody listens for a while; what was said meanwhile is read back."""
        await self.club.observer.flush()
        await self.club.platform.stop()
        self.club.clock.advance(seconds=seconds)
        await self.restart(0)

    async def blind(self, seconds) -> None:
        await self.club.settle()
        began = self.club.clock.now()
        self.club.clock.advance(seconds=seconds)
        position = str(len(self.club.platform.history))
        await self.club.observer.observe("matrix", [], position, after_gap=True)
        # Killed before this, a platform would find its position lost again, and tell of it again.
        await self.club.observer.flush()
        self.gaps.append((began, self.club.clock.now()))

    # ---- what is held against the model ----

    async def check(self) -> None:
        told = [(key, a) for key, a in self.club.platform.performed if isinstance(a, Tell)]
        notices = [(key, a.who) for key, a in told if "/notice/" in key]
        assert len(notices) == len({key for key, _ in notices}), "asked twice"
        for who in self.them:
            state = await self.club.state(who)
            if state in STAGED and who.account not in self.asked:
                self.asked[who.account] = self.club.clock.now()
                assert self.silent(who) >= SILENCE, f"{who} is active, and was asked"
            elif state is State.ACTIVE:
                self.asked.pop(who.account, None)
        await super().check()

    async def judge(self, who) -> None:
        await super().judge(who)
        member = await self.club.member(who)
        if member.noticed_at is None:
            return  # decided by name
        last = max(self.signs[who.account], default=member.known_since)
        assert last <= member.noticed_at, "they answered"
        grace = self.seen(member.noticed_at, self.club.clock.now())
        assert grace >= timedelta(seconds=GRACE), "put out for our blindness"

    def silent(self, who) -> timedelta:
        """Silence that could really be seen."""
        last = max([self.began, *self.signs[who.account]])
        return self.seen(last, self.club.clock.now())

    def seen(self, start: datetime, end: datetime) -> timedelta:
        """What of the time between was no gap."""
        blind = (max(min(b, end) - max(a, start), timedelta(0)) for a, b in self.gaps)
        return end - start - sum(blind, timedelta(0))

    async def play(self, steps) -> None:
        self.began = self.club.clock.now()
        await super().play(steps)


@settings(max_examples=EXAMPLES, deadline=None)
@given(HISTORIES)
@example([("blind", 18), ("sweep", 0), ("wait", 9), ("blind", 18), ("confirm", 0)])
@example([("sweep", 0), ("take", 1), ("restart", 0), ("again", 0), ("wait", 9), ("confirm", 0)])
@example([("sweep", 0), ("blind", 9), ("restart", 0), ("wait", 1), ("confirm", 0), ("wait", 1)])
@example([("wait", 1), ("ahead", 0), ("blind", 16), ("restart", 0), ("wait", 1), ("sweep", 0)])
def test_whatever_happens_nobody_active_is_asked_and_nobody_is_put_out_unheard(history):
    asyncio.run(History().play([("wait", 18), *history]))


def test_the_model_sees_what_it_should():
    """A whole story, so that the checks above are known to be reached."""
    history = History()
    steps = [
        ("wait", 18),
        ("live", 2),
        ("sweep", 0),
        ("wait", 4),
        ("blind", 9),
        ("wait", 9),
        ("wait", 1),
        ("confirm", 0),
        ("wait", 1),
    ]
    asyncio.run(history.play(steps))
    assert set(history.asked) >= {f"@{name}:fake" for name in NAMES[:2]}
    assert history.checked == 1, "Carl took his chat up and said nothing"


class Softly(History):
    """The same with a softer step: a guest first, and whole again by any sign."""

    TIME = 9
    ROOMS = frozenset({"lobby", "talk"})

    def __init__(self) -> None:
        super().__init__()
        changes = {"grace: 7s": f"grace: 7s\n  softer: {self.TIME}s"}
        self.club = Roll(FakeStore(ManualClock()), ManualClock(), **changes)
        self.soft: list[str] = []
        self.roomed = False

    async def check(self) -> None:
        people = self.club.platform.people
        if not self.roomed:
            self.roomed = True
            for who in self.them:
                people[who.account].places |= dict.fromkeys(self.ROOMS, "join")
        acts = [a for _, a in self.club.platform.performed if isinstance(a, Remove)]
        soft = [act.who for act in acts if act.stay_in]
        for who in soft[len(self.soft) :]:
            await self.judge_guest(who)
        self.soft = [who.account for who in soft]
        for who in self.them:
            rooms = self.ROOMS & set(people[who.account].places)
            state = await self.club.state(who)
            if state is State.GUEST:
                assert not rooms, "a guest is in a room"
            elif state in {State.ACTIVE, State.NOTIFYING, State.NOTICED}:
                assert rooms == self.ROOMS or await self.open_orders(who), f"{who} is not whole"
        await super().check()

    async def open_orders(self, who) -> bool:
        member = await self.club.member(who)
        found = await self.club.find(Order, subject=f"membership:{member.id}")
        return any(
            one.progress is Progress.DUE and one.purpose in {"removal", "restore"} for one in found
        )

    async def judge_guest(self, who) -> None:
        member = await self.club.member(who)
        if member.state is not State.ACTIVE:  # a sign that crossed has freed them already
            assert member.noticed_at is not None, "never asked"
            assert max(self.signs[who.account], default=member.known_since) <= member.noticed_at
            grace = self.seen(member.noticed_at, self.club.clock.now())
            assert grace >= timedelta(seconds=GRACE), "a guest too early"

    async def judge(self, who) -> None:
        await super().judge(who)
        member = await self.club.member(who)
        if member.noticed_at is not None:
            assert member.guest_at is not None, "no guest before"
            time = self.seen(member.guest_at, self.club.clock.now())
            assert time >= timedelta(seconds=self.TIME), "not their whole time"


@settings(max_examples=EXAMPLES // 6, deadline=None)
@given(HISTORIES)
@example([("lose", 0), ("confirm", 0), ("live", 0), ("wait", 9), ("wait", 9)])
@example([("confirm", 0), ("blind", 9), ("wait", 4), ("confirm", 0), ("live", 0), ("wait", 1)])
def test_whatever_happens_a_guest_is_put_out_only_unheard_and_is_whole_after_a_sign(history):
    begin = [("wait", 18), ("sweep", 0), ("wait", 9)]
    asyncio.run(Softly().play([*begin, *history]))


def test_the_model_sees_guests():
    history = Softly()
    begin = [("wait", 18), ("live", 1), ("live", 2), ("sweep", 0), ("wait", 9), ("wait", 1)]
    asyncio.run(history.play([*begin, ("confirm", 0), ("wait", 16), ("confirm", 0), ("wait", 1)]))
    assert len(history.soft) == 1
    assert history.checked == 1
