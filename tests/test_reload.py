"""What a running service does when the policy's file changes, a look at a time."""

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from gatekeeper import policy_file, reload, wire
from gatekeeper.domain.clubs import ClubState, Schedule
from gatekeeper.domain.decisions import Order
from gatekeeper.reload import PolicyWatch
from gatekeeper.service import Running, build
from gatekeeper.testing.fakes_engine import FakeEngine
from gatekeeper.usecases import versions
from gatekeeper.usecases.readings import Step
from tests.test_wire import change_policy, settings

__all__ = ["settings"]  # a fixture


@dataclass
class Served:
    """A service that looks only when it is told to."""

    service: Running
    watch: PolicyWatch
    engine: FakeEngine
    begun: list = field(default_factory=list)

    async def look(self, times: int = 2) -> str:
        """So many looks; what /readyz says of the file then."""
        for _ in range(times):
            await self.watch.look()
        await asyncio.sleep(0.05)  # what follows from it goes on beside
        return self.service.health()["policy"].code

    @property
    def policy(self):
        return self.service.parts.policy


@pytest.fixture
async def served(settings, monkeypatch):
    monkeypatch.setattr(reload, "LOOK_EVERY", 0.01)
    async with wire.opened(settings, adopt_policy=True) as opened:
        service = build([opened]).clubs[opened.parts.club]
        begun = []

        async def listen(platform):
            begun.append(platform)
            await platform.start(service.desk)

        service.engine = engine = FakeEngine()
        made = Served(service, PolicyWatch(service, listen), engine, begun)
        for platform in opened.parts.platforms.values():
            await platform.start(service.desk)
        yield made
        await made.watch.stop()


async def test_nothing_is_read_while_an_editor_still_writes(served, settings):
    before = served.policy
    await served.look()
    for letter in "abc":
        change_policy(settings, "A friendly", f"A friendly{letter}")
        await served.look(1)
        assert served.policy is before
    await served.look(1)
    assert "friendlycba" in served.policy.text


async def test_a_file_that_is_gone_changes_nothing(served, settings):
    text = settings.policy.read_text()
    await served.look()
    settings.policy.unlink()
    assert await served.look() == "policy-file-wrong"
    settings.policy.write_text(text)
    assert await served.look() == ""


async def test_another_clubs_policy_is_refused(served, settings):
    change_policy(settings, "name: house #", "name: mouse #")
    assert await served.look() == "policy-file-wrong"
    assert served.service.opened.policy_fault.code == "policy-other-club"


async def test_only_a_schedule_that_changed_is_set_anew(served, settings, monkeypatch):
    told = []
    monkeypatch.setattr(served.engine, "schedule", lambda *tick: told.append(tick[:2]))
    served.watch.schedule()
    assert [name for name, _ in told] == ["house/sweep", "house/reconcile", "house/retention"]
    told.clear()
    text = settings.policy.read_text()
    old = text.split('schedule: "')[1].split('"')[0]
    change_policy(settings, f'schedule: "{old}"', 'schedule: "5 5 * * TUE"')
    (policy_file.cases_of(settings.policy)).unlink()
    await served.look()
    assert told == [("house/sweep", "5 5 * * TUE")]
    await asyncio.gather(*served.watch._moving)
    async with served.service.parts.store.look(served.service.parts.club) as tx:
        rows = {row.name: row for row in await tx.find(Schedule)}
    assert rows["sweep"].cron == "5 5 * * TUE"
    assert rows["sweep"].due_at is None, "nothing of it was missed"


async def test_a_platform_begins_anew_only_where_its_places_change(served, settings):
    [before] = served.service.parts.platforms.values()
    change_policy(settings, "A friendly", "A very friendly")
    await served.look()
    assert list(served.service.parts.platforms.values()) == [before]
    change_policy(settings, "name: The House", "name: The Homestead")
    await served.look()
    [after] = served.service.parts.platforms.values()
    assert after is not before
    assert served.begun == [after]


async def test_a_released_file_is_weighed_again(served, settings):
    old = served.policy.digest
    await served.look()
    change_policy(settings, "A friendly", "A very friendly")
    await served.look()
    new = served.policy.digest
    await versions.rollback(served.service.parts, old, "operator:root", new)
    assert await served.look() == "policy-aside"
    assert served.policy.digest == old
    await versions.release(served.service.parts, "operator:root")
    assert await served.look(3) == ""
    assert served.policy.digest == new


async def test_what_waits_says_so_and_its_card_is_kept_fresh(served, settings, monkeypatch):
    policy_file.cases_of(settings.policy).unlink()
    enforce = settings.policy.read_text()
    settings.policy.write_text(enforce.replace("mode: enforce", "mode: audit"))
    await served.look()
    settings.policy.write_text(enforce)
    assert await served.look() == "policy-waits"
    drawn = []

    async def refresh(parts):
        drawn.append(parts)

    monkeypatch.setattr(reload.pending, "refresh", refresh)
    monkeypatch.setattr(reload, "CARD_EVERY", -reload.CARD_EVERY)
    await served.look(1)
    assert len(drawn) == 1


async def test_at_a_start_what_waits_still_waits(settings):
    policy_file.cases_of(settings.policy).unlink()
    enforce = settings.policy.read_text()
    settings.policy.write_text(enforce.replace("mode: enforce", "mode: audit"))
    async with wire.opened(settings, adopt_policy=True) as opened:
        assert opened.policy_step is Step.LOAD
    settings.policy.write_text(enforce)
    for _ in range(2):
        async with wire.opened(settings, adopt_policy=True) as opened:
            assert opened.policy_step is Step.WAITS
            assert "mode: audit" in opened.parts.policy.text
            async with opened.store.look(opened.parts.club) as tx:
                assert (await tx.first(ClubState)).policy_pending


async def test_at_a_start_failing_cases_leave_the_version_in_force(settings):
    async with wire.opened(settings, adopt_policy=True) as opened:
        before = opened.parts.policy.digest
    cases = policy_file.cases_of(settings.policy)
    cases.write_text(cases.read_text().replace("verdict: keep", "verdict: remove", 1))
    change_policy(settings, "A friendly", "A very friendly")
    async with wire.opened(settings, adopt_policy=True) as opened:
        assert opened.parts.policy.digest == before
        assert opened.policy_fault.code == "policy-cases-failed"


async def test_a_broken_invariant_leaves_the_version_in_force_and_names_who_breaks_it(
    served, settings
):
    before = served.policy.digest
    promise = """  invariants:
    - id: nobody-is-asked
      condition: verdict != "notify"
"""
    text = settings.policy.read_text()
    head, kind, rules = text.partition("kind: PruningPolicy")
    settings.policy.write_text(head + kind + rules.split("\n  invariants:")[0] + "\n" + promise)
    assert await served.look() == "policy-file-wrong"
    fault = served.service.opened.policy_fault
    assert fault.code == "policy-invariants-broken"
    assert served.policy.digest == before
    async with served.service.opened.store.look(served.service.parts.club) as tx:
        told = [one.action.text for one in await tx.find(Order, purpose="policy")]
    assert "nobody-is-asked" in told[-1]
    assert "member: {silent: 91d} would get notify, by rule" in told[-1]
    assert "policy check --invariants" in told[-1]
    settings.policy.write_text(text)
    assert await served.look() == ""


async def test_reading_holds_up_nobody(settings):
    """The loop goes on while a policy is compiled and tried; the best of some, others work too."""
    worst = []
    for _ in range(5):
        late = 0.0
        work = asyncio.create_task(
            asyncio.to_thread(
                policy_file.beside_the_loop,
                lambda: policy_file.tried(policy_file.read(settings.policy), settings.policy),
            )
        )
        while not work.done():
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            late = max(late, time.perf_counter() - before)
        assert work.result().fault is None
        worst.append(late)
    assert min(worst) < 0.05
