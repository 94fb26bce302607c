"""A pause stops between two acts; resuming shows first what would be done."""

from datetime import timedelta

from gatekeeper.domain.clubs import Schedule
from gatekeeper.domain.decisions import Order, Progress, Remove
from gatekeeper.domain.memberships import State
from gatekeeper.usecases import missed, pause
from tests.usecases.conftest import QUIET

ROOT = "operator:root"


async def go_on(club):
    """What would be performed, were the club not paused."""
    for order in await club.find(Order, progress=Progress.DUE):
        await club.performer.perform(order.id, order.attempt)


def removed(club):
    return [act.who for _, act in club.platform.performed if isinstance(act, Remove)]


async def test_a_pause_stops_removals_between_two_of_them(club):
    them = await club.to_planned("carl", "dora", "eve")
    await club.platform.press(club.alice, club.removals().ref, "✅")
    orders = await club.find(Order, purpose="removal", progress=Progress.DUE)
    assert len(orders) == 3
    await club.performer.perform(orders[0].id, orders[0].attempt)
    await pause.pause(club.parts, ROOT)
    for _ in range(3):
        await go_on(club)
    assert len(removed(club)) == 1
    would = await pause.would(club.parts)
    left = [who for who in them if who not in removed(club)]
    assert would.count >= len(left) == 2
    assert all(any(who.account in line for line in would.lines) for who in left)
    assert len(removed(club)) == 1, "showing does nothing"
    await pause.resume(club.parts, ROOT)
    await club.settle()
    assert sorted(removed(club)) == sorted(them)


async def test_who_gives_a_sign_in_the_pause_is_not_removed_after_it(club):
    [carl] = await club.to_planned("carl")
    await club.platform.press(club.alice, club.removals().ref, "✅")
    await pause.pause(club.parts, ROOT)
    await club.platform.live(carl)
    await club.observer.flush()
    await pause.resume(club.parts, ROOT)
    await club.settle()
    assert removed(club) == []
    assert await club.state(carl) is State.ACTIVE


async def test_it_shows_what_the_clock_would_do(club):
    await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await pause.pause(club.parts, ROOT)
    async with club.store.transaction(club.parts.club) as tx:
        await tx.add(
            Schedule(
                club=club.parts.club,
                name="sweep",
                cron="0 6 * * *",
                zone="UTC",
                done_at=club.clock.now(),
            )
        )
    club.clock.advance(days=1)
    slot = club.clock.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    assert not await missed.come(club.parts, "sweep", slot.isoformat())
    would = await pause.would(club.parts)
    assert "fell into the pause" in would.lines[0]
    assert "1 whose time to answer is over" in would.lines[1]


async def test_a_long_list_says_how_many_more(club, monkeypatch):
    monkeypatch.setattr(pause, "SHOWN", 1)
    await club.to_planned("carl", "dora", "eve")
    await pause.pause(club.parts, ROOT)
    await club.platform.press(club.alice, club.removals().ref, "✅")
    would = await pause.would(club.parts)
    assert would.count >= 3
    assert would.lines[-1] == f"And {would.count - 1} more."


async def test_what_waits_is_told_by_the_name_of_whom_it_concerns(club):
    await club.apply(club.platform.person("@eve:fake"))
    await club.settle()
    await pause.pause(club.parts, ROOT)
    await club.platform.press(club.alice, club.card_of("Eve").ref, "🙈")
    would = await pause.would(club.parts)
    assert any(": Eve" in line for line in would.lines), would.lines
    assert not any(": admins" in line for line in would.lines), would.lines
