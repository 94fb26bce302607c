"""A club with a past, decided again: from its record, from its tables, and foreseen."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gatekeeper.domain.decisions import Verdict
from gatekeeper.domain.errors import BadInput
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.policy.base import write_duration
from gatekeeper.policy.forecast import Forecaster
from gatekeeper.policy.parse import load_policy
from gatekeeper.policy.simulate import simulate
from gatekeeper.testing.builders import a_sign
from gatekeeper.usecases import erase, past
from gatekeeper.usecases.member_facts import look_at, look_out
from gatekeeper.usecases.past_members import lives, rebuilt
from tests.usecases.conftest import QUIET

ADMIT, WAIT, DECLINE = Verdict.ADMIT, Verdict.WAIT, Verdict.DECLINE
KEEP, NOTIFY, REMOVE = Verdict.KEEP, Verdict.NOTIFY, Verdict.REMOVE
LONG = timedelta(days=90)


async def read(club, since=LONG):
    known = past.Known()
    found = [each async for each in past.recorded(club.parts, club.clock.now() - since, known)]
    return found, known


async def again(club, since=LONG):
    known = past.Known()
    outlook = await look_out(club.parts)
    start = club.clock.now() - since
    return [each async for each in rebuilt(club.parts, start, outlook, known)], known


async def gives_a_sign(club, who):
    event_id = f"$sign-{who}-{club.clock.now().isoformat()}"
    sign = replace(a_sign(at=club.clock.now(), event_id=event_id), who=who)
    await club.observer.observe("matrix", [sign], event_id)
    await club.settle()


def theirs(made, *people):
    return [one for one in made if one.stage.membership.identity in people]


def changed(club, *changes):
    text = club.policy.text
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return load_policy(text, "new.yaml")


# ---- The record --------------------------------------------------------------------------------


async def test_applications_come_with_what_rules_and_admins_decided(club):
    await club.admit("ada")
    spam = club.platform.person("@sam:fake")
    await club.apply(spam, why="Come to my casino, there is much to win there.")
    carl = club.platform.person("@carl:fake")
    await club.apply(carl)
    await club.platform.press(club.alice, club.card_of("Carl").ref, "❌")
    await club.settle()
    reasons = [message for message in club.said_in("admins") if message.choices][-1]
    await club.platform.press(club.alice, reasons.ref, reasons.choices[0].symbol)
    await club.settle()
    dora = club.platform.person("@dora:fake")
    await club.apply(dora)

    found, known = await read(club)
    assert [(one.verdict, one.rule, one.by_hand) for one in found] == [
        (WAIT, "people-decide", ADMIT),
        (DECLINE, "spam", None),
        (WAIT, "people-decide", DECLINE),
        (WAIT, "people-decide", None),
    ]
    assert found[0].hand_at is not None
    assert found[0].hand_at >= found[0].at
    assert (known.applications, known.members, known.erased) == (4, 0, 0)

    stricter = changed(club, ("casino", "ship clocks"))
    apps, _ = simulate(found, club.policy, stricter)
    pairs = {(cell.old, cell.new): cell.count for cell in apps.cells}
    assert pairs == {(WAIT, DECLINE): 3, (DECLINE, WAIT): 1}
    assert [apps.agreement(alike) for alike in (True, False, None)] == [1, 1, 0]
    same, _ = simulate(found, club.policy, club.policy)
    assert (same.changed, same.unlike_record) == (0, 0)


async def test_what_admins_decided_on_answers_changed_since_is_not_held_against_the_old(club):
    from gatekeeper.usecases import apply

    eve = club.platform.person("@eve:fake")
    number = await club.apply(eve)
    answers = {"why": "I build lighthouses out of matches.", "craft": "maker", "rules": "yes"}
    await club.pass_time(seconds=2)
    await apply.edit(club.parts, number, f"browser of {eve}", answers)
    await club.settle()
    await club.pass_time(seconds=1)
    for admin in (club.alice, club.boris):
        await club.platform.press(admin, club.card_of("Eve").ref, "✅")
    await club.settle()
    found, _ = await read(club)
    assert [one.by_hand for one in found] == [None, ADMIT]
    assert "matches" in found[1].facts.text


async def test_the_erased_are_counted_and_not_judged(club):
    ada = await club.admit("ada")
    await erase.erase(club.parts, ada, "operator:root")
    found, known = await read(club)
    assert (found, known.erased) == ([], 1)


async def test_only_what_was_judged_since_is_read(club, monkeypatch):
    monkeypatch.setattr(past, "BATCH", 3)
    monkeypatch.setattr(past, "SKEW", timedelta(0))
    await club.apply(club.platform.person("@ada:fake"))
    await club.pass_time(seconds=5)
    start = club.clock.now()
    await club.apply(club.platform.person("@ben:fake"))
    await club.pass_time(seconds=5)
    whole, _ = await read(club)
    late, _ = await read(club, club.clock.now() - start)
    none, _ = await read(club, timedelta(seconds=1))
    assert [one.subject for one in whole] == ["application:1", "application:2"]
    assert [one.subject for one in late] == ["application:2"]
    assert none == []


async def test_reading_tells_how_far_it_is(club):
    await club.apply(club.platform.person("@ada:fake"))
    told = []
    start = club.clock.now() - LONG
    async for _ in past.recorded(
        club.parts, start, past.Known(), lambda done, of: told.append((done, of))
    ):
        pass
    assert told
    assert told[-1][0] == told[-1][1]


async def test_an_empty_record_is_read(club):
    assert (await read(club))[0] == []


async def test_notices_and_removals_come_with_their_facts_and_the_admins_word(club):
    await club.to_planned("ada", "ben")
    await club.platform.press(club.alice, club.removals().ref, "✅")
    await club.settle()
    found, known = await read(club)
    told = [(one.verdict, one.rule, one.by_hand) for one in found]
    assert told[:2] == [(NOTIFY, "silent", None)] * 2
    assert told[2:] == [(REMOVE, "grace-is-over", REMOVE)] * 2
    assert known.members == 4
    _, same = simulate(found, club.policy, club.policy)
    assert (same.changed, same.unlike_record, same.agreement(True)) == (0, 0, 2)
    grace = f"grace: {write_duration(club.policy.pruning.grace)}"
    _, longer = simulate(found, club.policy, changed(club, (grace, "grace: 60s")))
    pairs = {(cell.old, cell.new): cell.count for cell in longer.cells}
    assert pairs == {(NOTIFY, NOTIFY): 2, (REMOVE, KEEP): 2}
    assert longer.agreement(False) == 2


async def test_whom_an_admin_keeps_by_hand_is_told(club):
    await club.to_planned("ada")
    await club.platform.press(club.alice, club.removals().ref, "❌")
    await club.settle()
    found, _ = await read(club)
    assert [(one.verdict, one.by_hand) for one in found] == [(NOTIFY, None), (REMOVE, KEEP)]


# ---- Made again from the tables ----------------------------------------------------------------


async def test_whom_a_sweep_let_be_is_made_again_as_it_saw_them(club):
    """The facts made again later are those that the real look saw at that moment."""
    ada, ben = await club.adopt("ada", "ben")
    await club.pass_time(seconds=4)
    await gives_a_sign(club, ada)
    await club.pass_time(seconds=6)
    await club.observer.flush()
    outlook = await look_out(club.parts)
    async with club.store.look(club.parts.club) as tx:
        members = await tx.find(Membership)
        real = await look_at(tx, club.parts, members, outlook, club.clock.now())
    await club.sweep()
    await club.pass_time(seconds=3)
    await gives_a_sign(club, ben)
    await club.pass_time(seconds=3)
    made, known = await again(club)
    assert [one.facts for one in made] == [look.facts for look in real]
    assert [one.stage.protected for one in made] == [look.candidate.protected for look in real]
    assert (known.sweeps, known.looked_at, known.let_be, known.rebuilt) == (1, 1, 5, 5)
    assert all(one.rebuilt and one.verdict is None for one in made)
    _, found = simulate(
        made, club.policy, changed(club, ("inactive_after: 15s", "inactive_after: 8s"))
    )
    pairs = {(cell.old, cell.new): cell.count for cell in found.cells}
    assert pairs == {(KEEP, KEEP): 4, (KEEP, NOTIFY): 1}  # ben; three are admins
    assert found.rebuilt == 5


async def test_whoever_stood_at_a_stage_or_was_kept_since_is_counted_not_made(club):
    ada, ben = await club.adopt("ada", "ben")
    await club.pass_time(seconds=QUIET)
    await club.sweep("asks")
    await club.pass_time(seconds=1)
    await club.sweep("waits")
    await gives_a_sign(club, ben)
    await club.settle()
    made, known = await again(club)
    assert (theirs(made, ada, ben), known.staged, known.let_be) == ([], 2, 8)
    await club.pass_time(seconds=8)
    await club.platform.press(club.alice, club.removals().ref, "❌")
    await club.settle()
    assert await club.state(ada) is State.ACTIVE
    made, known = await again(club)
    assert (theirs(made, ada), known.staged) == ([], 2)


async def test_who_was_no_member_then_is_not_made(club):
    await club.adopt("ada")
    await club.sweep()
    await club.pass_time(seconds=2)
    await club.adopt("ben")
    made, known = await again(club)
    assert len(made) == 4
    assert known.unknown == 0


async def test_of_many_sweeps_some_are_looked_at(club, monkeypatch):
    monkeypatch.setattr("gatekeeper.usecases.past_members.MOMENTS", 2)
    await club.adopt("ada")
    for _ in range(5):
        await club.pass_time(seconds=1)
        await club.sweep()
    made, known = await again(club)
    assert (known.sweeps, known.looked_at, len(made), known.let_be) == (5, 2, 8, 20)


# ---- In the coming weeks -----------------------------------------------------------------------


async def foresee(club, seconds):
    now = club.clock.now()
    moments = [now + timedelta(seconds=n) for n in range(1, seconds + 1)]
    forecaster = Forecaster(club.policy, moments, now, moments[-1])
    async for life in lives(club.parts, await look_out(club.parts), now):
        forecaster.add(life)
    return forecaster.result(), now


async def states(club, found):
    return {await club.state(line.membership.identity) for line in found.lines}


async def test_what_is_foreseen_happens(club):
    await club.adopt("ada", "ben")
    await club.pass_time(seconds=5)
    found, _ = await foresee(club, 30)
    lines = [(one.verdict, one.membership.name, one.rule) for one in found.lines]
    assert lines == [
        (NOTIFY, "Ada", "silent"),
        (NOTIFY, "Ben", "silent"),
        (REMOVE, "Ada", "grace-is-over"),
        (REMOVE, "Ben", "grace-is-over"),
    ]
    asked, removed = found.lines[0].at, found.lines[2].at
    assert removed - asked == club.policy.pruning.grace
    while club.clock.now() < asked:
        assert await states(club, found) == {State.ACTIVE}
        await club.pass_time(seconds=1)
        await club.sweep()
    assert await states(club, found) == {State.NOTICED}
    await club.pass_time(seconds=(removed - club.clock.now()).total_seconds() + 1)
    assert await states(club, found) == {State.PLANNED}


async def test_a_grace_that_runs_is_foreseen(club):
    [ada] = await club.adopt("ada")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.pass_time(seconds=2)
    found, _ = await foresee(club, 30)
    [line] = found.lines
    member = await club.member(ada)
    assert line.verdict is REMOVE
    assert abs(line.at - member.grace_ends_at) < timedelta(seconds=1)


async def test_admins_and_those_on_leave_are_not_named(club):
    from gatekeeper.usecases import leave

    ada, ben = await club.adopt("ada", "ben")
    until = club.clock.now() + timedelta(seconds=40)
    await leave.announce(club.parts, ada, until, "", "operator:root")
    found, _ = await foresee(club, 38)
    assert {line.membership.identity for line in found.lines} == {ben}
    found, _ = await foresee(club, 80)
    first = next(line for line in found.lines if line.membership.identity == ada)
    assert first.at > until + timedelta(seconds=15)


# ---- Versions ----------------------------------------------------------------------------------


async def test_a_version_is_found_by_the_beginning_of_its_digest(club):
    found = await past.version(club.parts, club.policy.digest[:8])
    assert found.digest == club.policy.digest
    for text in ("zzzzzzzz", club.policy.digest[:3], ""):
        with pytest.raises(BadInput) as refused:
            await past.version(club.parts, text)
        assert refused.value.problems == {"old": "no-such-version"}
