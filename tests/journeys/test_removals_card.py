"""The admins' card: many names on pages, single ones kept out, the rest confirmed by one ✅."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.domain.decisions import Order, Progress, Remove
from gatekeeper.domain.errors import BadInput, Refused
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import Exemption, Membership, State
from gatekeeper.storage.store import TortoiseStore
from gatekeeper.testing.fakes import FakeStore, ManualClock
from gatekeeper.testing.fakes_platform import Message
from gatekeeper.usecases import adopt, removals, sweep, words_on_removals
from tests.journeys.club import CLUB, Club, a_club
from tests.storage.fresh import RECORD_KEY, fresh_sqlite

QUIET, GRACE = 20, 7
MANY = {"maxAffected: {count: 5, percent: null}": "maxAffected: {percent: null, timesUsual: null}"}


class Crowd(Club):
    async def planned(self, count: int) -> list[Identity]:
        """So many members whose time is over, the first one silent for the longest."""
        them = [
            self.platform.person(f"@m{n:03}:fake", inside=True, takes_chats=True)
            for n in range(count)
        ]
        await adopt.adopt(self.parts, "operator:root")
        await self.pass_time(seconds=QUIET)
        await self.sweep()
        await self.later()
        return them

    async def later(self) -> None:
        self.clock.advance(seconds=GRACE + 1)
        await self.settle()

    async def sweep(self) -> None:
        await self.observer.flush()
        await sweep.run(self.parts, f"at-{self.clock.now().isoformat()}")
        await self.settle()

    def pages(self) -> list[Message]:
        """The cards about removals, the first page first."""
        found = [m for m in self.cards() if m.card and "removals" in m.card.title]
        return sorted(
            found, key=lambda m: m.card.title if m.card and "page" in m.card.title else ""
        )

    def names(self) -> list[str]:
        return [label for m in self.pages() if m.card for label, _ in m.card.facts]

    async def settle(self) -> None:
        for _ in range(20):  # more than 50 rounds where many are told
            await self.observer.flush()
            from gatekeeper.usecases import due

            await due.due(self.parts)
            ripe = await self.find(Order, progress=Progress.DUE, due_at__lte=self.clock.now())
            if not ripe:
                return
            for order in sorted(ripe, key=lambda order: (order.lane, order.id)):
                await self.performer.perform(order.id, order.attempt)
        raise AssertionError("it never settles")

    async def states(self) -> list[State]:
        return [one.state for one in await self.find(Membership, identity__not_in=())]


@pytest.fixture
async def crowd(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Crowd]:
    changes: dict[str, Any] = MANY | getattr(request, "param", {})
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    store: Any = FakeStore(ManualClock(at))
    if os.environ.get("GATEKEEPER_TEST_ALL_STORES"):
        store = TortoiseStore(fresh_sqlite(tmp_path), RECORD_KEY, ManualClock(at))
        await store.open()
    async with a_club(store, at, **changes) as found:
        found.__class__ = Crowd
        assert isinstance(found, Crowd)
        yield found
    if isinstance(store, TortoiseStore):
        await store.close()


async def removed(crowd: Crowd) -> list[str]:
    return [one.who.account for _, one in crowd.platform.performed if isinstance(one, Remove)]


async def test_many_names_stand_on_pages_and_one_press_confirms_them(crowd: Crowd) -> None:
    them = await crowd.planned(50)
    pages = crowd.pages()
    assert len(pages) == 4
    assert len(crowd.names()) == len(set(crowd.names())) == 50
    assert [bool(page.choices) for page in pages] == [True, False, False, False]
    newest = max(pages, key=lambda page: int(page.ref.lstrip("$")))
    assert newest is pages[0], "the page that is pressed stands last, where people look"
    await crowd.platform.live(them[27])
    await crowd.settle()
    assert len(crowd.names()) == 49
    assert [page.updates for page in pages] == [1, 1, 0, 0], "only where somebody is gone"
    await crowd.platform.press(crowd.alice, pages[0].ref, "✅")
    await crowd.settle()
    gone = await removed(crowd)
    assert len(gone) == 49
    assert them[27].account not in gone
    assert crowd.names() == []
    assert all(not page.choices for page in pages)


async def test_four_hundred_names_are_shown_and_confirmed_at_once(crowd: Crowd) -> None:
    now = crowd.clock.now()
    async with crowd.store.transaction(CLUB) as tx:
        for n in range(400):
            await tx.add(
                Membership(
                    club=CLUB,
                    person_id=1000 + n,
                    identity=Identity("matrix", f"@m{n:03}:fake"),
                    name=f"Member {n}",
                    state=State.PLANNED,
                    origin="adopted",
                    since=now,
                    known_since=now,
                    noticed_at=now,
                    notice_ref="$n",
                    grace_ends_at=now,
                    planned_at=now,
                )
            )
        await removals.refresh(tx, crowd.parts, now)
    await crowd.settle()
    assert len(crowd.pages()) == 27
    assert len(set(crowd.names())) == 400
    for page in crowd.pages():
        assert len(json.dumps(asdict(page.card)).encode()) < 16_000  # type: ignore[arg-type]
    await crowd.platform.press(crowd.alice, crowd.pages()[0].ref, "✅")
    assert len(await crowd.find(Order, purpose="removal", progress=Progress.DUE)) == 400


async def test_a_press_on_another_page_means_that_page(crowd: Crowd) -> None:
    await crowd.planned(35)
    third = crowd.pages()[2]
    assert third.card is not None
    assert len(third.card.facts) == 5
    await crowd.platform.press(crowd.alice, third.ref, "✅")
    await crowd.settle()
    assert len(await removed(crowd)) == 5
    assert third.card is not None
    assert "Nobody is left" in third.card.status
    assert len(crowd.names()) == 30


async def test_one_who_came_on_a_page_after_the_press_is_not_meant(crowd: Crowd) -> None:
    await crowd.planned(15)
    assert len(crowd.pages()) == 1
    at = crowd.clock.now()
    late = crowd.platform.person("@late:fake", inside=True, takes_chats=True)
    await adopt.adopt(crowd.parts, "operator:root")
    await crowd.pass_time(seconds=QUIET)
    await crowd.sweep()
    await crowd.later()
    assert len(crowd.pages()) == 2
    async with crowd.store.look(CLUB) as tx:
        card = await removals._pages(tx)
        seen = await removals.shown_on_pages(tx, card[1], at)
        now = await removals.shown_on_pages(tx, card[1], crowd.clock.now())
    assert (len(seen), len(now)) == (15, 16)
    assert (await crowd.one(Membership, identity=late)).page == 2


async def test_beyond_the_last_page_nobody_is_confirmed_unseen(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removals, "PER_PAGE", 2)
    monkeypatch.setattr(removals, "PAGES", 2)
    monkeypatch.setattr(removals, "ROOM", 4)
    await crowd.planned(7)
    first, _ = crowd.pages()
    assert first.card is not None
    assert any("3 more" in line for line in first.card.lines)
    assert any("gatekeeper sweep status" in line for line in first.card.lines)
    await crowd.platform.press(crowd.alice, first.ref, "✅")
    await crowd.settle()
    assert len(await removed(crowd)) == 4
    assert len(crowd.names()) == 3, "the others come up as soon as there is room"


async def test_the_most_silent_goes_first(crowd: Crowd) -> None:
    one, two = (
        crowd.platform.person(f"@{name}:fake", inside=True, takes_chats=True)
        for name in ("one", "two")
    )
    await adopt.adopt(crowd.parts, "operator:root")
    crowd.clock.advance(seconds=2)
    await crowd.platform.live(one)
    await crowd.pass_time(seconds=QUIET)
    await crowd.sweep()
    await crowd.later()
    await crowd.platform.press(crowd.alice, crowd.pages()[0].ref, "✅")
    await crowd.settle()
    assert await removed(crowd) == [two.account, one.account]


WORDS = [
    pytest.param("keep {} because she keeps the lamp until 2026-12-31", True, id="english"),
    pytest.param("behalten {} weil sie die Lampe hütet bis 2026-12-31", True, id="german"),
    pytest.param("behalte {} weil sie die Lampe hütet bis 2026-12-31", True, id="told to do"),
    pytest.param("keep {} she keeps the lamp", False, id="this time"),
]


@pytest.mark.parametrize(("words", "exempt"), WORDS)
async def test_one_is_kept_out_by_a_reply(crowd: Crowd, words: str, exempt: bool) -> None:
    dana, carl = await crowd.planned(2)
    ref = crowd.pages()[0].ref
    await crowd.platform.write(crowd.alice, words.format(dana.account), place="admins", thread=ref)
    await crowd.settle()
    assert (await crowd.one(Membership, identity=dana)).state is State.ACTIVE
    assert "keep you" in crowd.told(dana)[-1].text
    kept = await crowd.find(Exemption)
    assert len(kept) == exempt
    if exempt:
        alice = f"person:{(await _person(crowd, crowd.alice))}"
        lamp = kept[0].reason
        assert lamp in {"she keeps the lamp", "sie die Lampe hütet"}
        assert (kept[0].author, kept[0].until.date().isoformat()) == (alice, "2026-12-31")
    await crowd.platform.press(crowd.alice, ref, "✅")
    await crowd.settle()
    assert await removed(crowd) == [carl.account]


async def _person(crowd: Crowd, who: Identity) -> int:
    from gatekeeper.domain.identity import Account

    return (await crowd.one(Account, identity=who)).person_id


WRONG = [
    ("keep {} until 2026-12-31", "A reason is needed"),
    ("keep {} because of the lamp until 2020-01-01", "not in the future"),
    ("keep {} because of the lamp until 2026-02-31", "date"),
]


@pytest.mark.parametrize(("words", "why"), WRONG)
async def test_what_cannot_be_taken_keeps_nobody_and_says_so(
    crowd: Crowd, words: str, why: str
) -> None:
    [dana] = await crowd.planned(1)
    ref = crowd.pages()[0].ref
    await crowd.platform.write(crowd.alice, words.format(dana.account), place="admins", thread=ref)
    await crowd.settle()
    assert (await crowd.one(Membership, identity=dana)).state is State.PLANNED
    assert why in crowd.said_in("admins")[-1].text
    assert not await crowd.find(Exemption)


async def test_one_is_kept_out_by_a_command(crowd: Crowd) -> None:
    dana, _ = await crowd.planned(2)
    until = datetime(2026, 12, 31, tzinfo=UTC)
    keep = words_on_removals.keep_by_command
    with pytest.raises(BadInput):
        await keep(crowd.parts, dana, " ", until, "operator:root")
    await keep(crowd.parts, dana, "keeps the lamp", until, "operator:root")
    await crowd.settle()
    kept = await crowd.one(Exemption)
    assert (kept.author, kept.reason, kept.until) == ("operator:root", "keeps the lamp", until)
    assert (await crowd.one(Membership, identity=dana)).state is State.ACTIVE
    with pytest.raises(Refused) as refused:
        await keep(crowd.parts, dana, "again", None, "operator:root")
    assert refused.value.reason == "nothing-to-keep"


# ---- The monthly digest ----------------------------------------------------------------------


@pytest.mark.parametrize("crowd", [{"  settle:": "  digest: monthly\n  settle:"}], indirect=True)
async def test_a_digest_brings_all_of_a_month_at_once(crowd: Crowd) -> None:
    first = await crowd.planned(2)
    assert (await crowd.one(Membership, identity=first[0])).state is State.PLANNED
    assert not crowd.pages(), "nobody is shown before the day"
    crowd.clock.advance(seconds=10 * 86400)
    late = crowd.platform.person("@late:fake", inside=True, takes_chats=True)
    await adopt.adopt(crowd.parts, "operator:root")
    await crowd.platform.live(first[1])
    await crowd.settle()
    await crowd.pass_time(seconds=QUIET)
    await crowd.sweep()
    await crowd.later()
    assert not crowd.pages()
    crowd.clock._now = datetime(2026, 4, 1, 9, 0, 1, tzinfo=UTC)
    await crowd.settle()
    [card] = crowd.pages()
    assert len(crowd.names()) == 3, "first[1] fell silent once more"
    await crowd.platform.press(crowd.alice, card.ref, "✅")
    await crowd.settle()
    assert set(await removed(crowd)) == {one.account for one in (*first, late)}
