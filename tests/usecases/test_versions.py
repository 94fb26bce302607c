"""Versions of the policy: what comes into force by itself, what waits for a word, the way back."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from gatekeeper.domain.applications import Application
from gatekeeper.domain.clubs import ClubState, PolicyChange, PolicyDifference, PolicyVersion
from gatekeeper.domain.decisions import Order
from gatekeeper.domain.errors import NotFound, Refused, SettingsError
from gatekeeper.domain.memberships import Membership
from gatekeeper.policy.findings import PolicyError
from gatekeeper.policy.parse import load_policy
from gatekeeper.usecases import due, sweep, trials, versions
from gatekeeper.usecases.readings import Reading, Step
from tests.journeys.club import CLUB

AUDIT = "  settle: 0.0s\n  mode: audit\n"


def reading(text: str) -> Reading:
    """A file with this text, as it is read."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    try:
        policy = load_policy(text, "rules.yaml")
    except PolicyError as fault:
        return Reading(name="rules.yaml", digest=digest, mark=digest, fault=fault)
    return Reading(name="rules.yaml", digest=digest, mark=digest, policy=policy)


def changed(club, old: str, new: str, text: str = "") -> str:
    """The club's text with one thing changed."""
    text = text or club.parts.policy.text
    assert old in text, old
    return text.replace(old, new, 1)


async def weigh(club, text: str) -> Step:
    """Let the service find this in its file."""
    step = await versions.consider(club.parts, reading(text))
    await club.settle()
    return step


async def state(club) -> ClubState:
    return await club.one(ClubState)


def admins_were_told(club) -> list[str]:
    return [m.text for m in club.said_in("admins") if m.text and not m.card]


def card(club):
    """The newest card about a version that waits."""
    found = [m for m in club.cards() if "waits for a word" in m.card.title]
    return found[-1] if found else None


async def in_audit(club) -> str:
    """The club's pruning rules go into audit mode; their text."""
    text = club.parts.policy.text.replace("  mode: enforce\n", "")
    text = changed(club, "  grace: 7s\n", "  grace: 7s\n  mode: audit\n", text)
    assert await weigh(club, text) is Step.LOAD
    return text


# ---- What comes into force by itself ---------------------------------------------------------


async def test_an_edit_comes_into_force_and_is_told_and_recorded(club):
    before = club.parts.policy
    text = changed(club, "approvals: 2", "approvals: 1")
    assert await weigh(club, text) is Step.LOAD
    after = club.parts.policy
    assert after.digest != before.digest
    assert after.admission.review.approvals == 1
    assert (await state(club)).policy == after.digest
    change = (await club.find(PolicyChange))[-1]
    assert (change.before, change.digest) == (before.digest, after.digest)
    assert (change.actor, change.reason) == ("file:rules.yaml", "file")
    head, change_told = admins_were_told(club)[-1].split("\n")
    assert after.digest[:12] in head
    assert "2" in change_told
    assert "1" in change_told
    async with club.store.look(CLUB) as tx:
        entry = (await tx.entries())[-1]
    assert (entry.code, entry.policy) == ("policy-loaded", after.digest)


async def test_the_same_again_changes_nothing(club):
    text = changed(club, "approvals: 2", "approvals: 1")
    await weigh(club, text)
    said, rows = admins_were_told(club), await club.find(PolicyChange)
    assert await weigh(club, text) is Step.SAME
    assert (admins_were_told(club), await club.find(PolicyChange)) == (said, rows)


async def test_a_wrong_file_is_told_once_and_changes_nothing(club):
    before = club.parts.policy
    text = changed(club, "approvals: 2", "aprovals: 2").replace("validFor", "validfor")
    for _ in range(2):
        assert await weigh(club, text) is Step.WRONG
    assert club.parts.policy is before
    told = [text for text in admins_were_told(club) if "not in force" in text]
    assert len(told) == 1
    assert "rules.yaml:" in told[0]
    assert "[field-unknown]" in told[0]
    assert "One more thing" in told[0]
    assert before.digest[:12] in told[0]


async def test_a_file_that_cannot_be_read_is_told(club):
    gone = Reading(name="r", digest="", mark="m", fault=SettingsError(("policy: r: gone",)))
    assert await versions.consider(club.parts, gone) is Step.WRONG
    await club.settle()
    assert "policy: r: gone" in admins_were_told(club)[-1]


async def test_what_is_not_committed_decides_nothing(club, monkeypatch):
    before = club.parts.policy

    async def broken(*_args, **_more):
        raise OSError("the disk is full")

    monkeypatch.setattr(versions, "_tell", broken)
    with pytest.raises(OSError, match="full"):
        await versions.consider(club.parts, reading(changed(club, "approvals: 2", "approvals: 1")))
    assert club.parts.policy is before
    assert (await state(club)).policy == before.digest
    assert await club.find(PolicyChange) == []


async def test_a_running_case_keeps_its_version_and_a_new_one_takes_the_new(club):
    ada = club.platform.person("@ada:fake")
    first = await club.apply(ada)
    old = club.parts.policy.digest
    await weigh(club, changed(club, "approvals: 2", "approvals: 1"))
    bob = club.platform.person("@bob:fake")
    second = await club.apply(bob)
    async with club.store.look(CLUB) as tx:
        one, other = await tx.get(Application, first), await tx.get(Application, second)
    assert (one.policy, one.quorum.approvals) == (old, 2)
    assert (other.policy, other.quorum.approvals) == (club.parts.policy.digest, 1)


async def test_a_sweep_names_the_version_in_force(club):
    await club.adopt("kim")
    await weigh(club, changed(club, "inactive_after: 15s", "inactive_after: 60s"))
    await club.pass_time(seconds=20)
    done = await sweep.run(club.parts, "slot")
    assert done.policy == club.parts.policy.digest
    assert "silent-notice" not in done.counts


# ---- What waits for a word -------------------------------------------------------------------


async def test_leaving_audit_mode_waits_for_an_admin(club):
    text = await in_audit(club)
    in_force = club.parts.policy
    await club.adopt("kim", "lou")
    await club.pass_time(seconds=20)
    await club.sweep()
    assert {str(await club.state(who)) for who in await members(club)} == {"active"}
    assert len(await club.find(PolicyDifference)) == 2
    enforce = changed(club, "mode: audit", "mode: enforce", text)
    assert await weigh(club, enforce) is Step.WAITS
    assert club.parts.policy is in_force
    shown = card(club)
    told = " ".join([shown.card.status, *shown.card.lines, *(v for _, v in shown.card.facts)])
    for word in ("dead-souls", "remove people", "2 × asked, not let be", "Kim", "would ask 2"):
        assert word in told, (word, told)
    assert [choice.symbol for choice in shown.choices] == ["▶", "❌"]
    assert await weigh(club, enforce) is Step.WAITS
    assert len([m for m in club.cards() if "waits for a word" in m.card.title]) == 1


async def members(club):
    return [member.identity for member in await club.find(Membership)]


async def waiting(club) -> str:
    """A version that waits; its digest."""
    text = await in_audit(club)
    enforce = changed(club, "mode: audit", "mode: enforce", text)
    assert await weigh(club, enforce) is Step.WAITS
    return (await state(club)).policy_pending


async def test_an_admins_press_puts_it_in_force(club):
    digest = await waiting(club)
    mia = club.platform.person("@mia:fake", inside=True, takes_chats=True)
    await club.platform.press(mia, card(club).ref, "▶")
    await club.settle()
    assert club.parts.policy.digest != digest
    assert "Only this club's admins" in club.told(mia)[-1].text
    await club.platform.press(club.alice, card(club).ref, "▶")
    await club.settle()
    assert club.parts.policy.digest == digest
    found = await state(club)
    assert (found.policy, found.policy_pending) == (digest, "")
    change = (await club.find(PolicyChange))[-1]
    assert change.reason == "promoted"
    assert change.actor.startswith("person:")
    assert "is in force" in card(club).card.status
    assert card(club).choices == ()
    await club.platform.press(club.boris, card(club).ref, "❌")
    await club.settle()
    assert club.parts.policy.digest == digest


async def test_left_out_it_stays_out_until_the_file_changes(club):
    digest = await waiting(club)
    text = (await club.one(PolicyVersion, digest=digest)).text
    await club.platform.press(club.alice, card(club).ref, "❌")
    await club.settle()
    assert (await state(club)).policy_aside == digest
    assert await weigh(club, text) is Step.ASIDE
    assert club.parts.policy.digest != digest
    assert await weigh(club, text + "# again\n") is Step.WAITS


async def test_a_file_changed_again_is_no_longer_asked_about(club):
    await waiting(club)
    old = card(club)
    assert await weigh(club, club.parts.policy.text) is Step.SAME
    assert (await state(club)).policy_pending == ""
    assert "No longer asked" in card(club).card.status
    before = club.parts.policy
    await club.platform.press(club.alice, old.ref, "▶")
    await club.settle()
    assert club.parts.policy is before
    await club.platform.take_chat(club.alice)
    await club.settle()
    assert "no longer current" in club.told(club.alice)[-1].text


async def test_a_wrong_file_ends_the_question_too(club):
    digest = await waiting(club)
    assert await weigh(club, "kind: nonsense") is Step.WRONG
    with pytest.raises(Refused, match="policy-none-waits"):
        await versions.promote(club.parts, "operator:root", digest)


async def test_a_terminal_can_say_the_word(club):
    digest = await waiting(club)
    with pytest.raises(Refused):
        await versions.promote(club.parts, "operator:root", "another")
    made = await versions.promote(club.parts, "operator:root", digest)
    assert made.digest == club.parts.policy.digest == digest
    with pytest.raises(Refused, match="policy-none-waits"):
        await versions.promote(club.parts, "operator:root", digest)


async def test_a_clubs_first_version_is_simply_loaded(club):
    async with club.store.transaction(CLUB) as tx:
        await tx.change(await tx.first(ClubState), policy="")
    assert await weigh(club, club.policy.text) is Step.LOAD
    assert (await club.find(PolicyChange))[-1].before == ""
    assert not [text for text in admins_were_told(club) if "in force" in text]


# ---- The way back ----------------------------------------------------------------------------


async def test_rolled_back_it_stays_so_while_the_file_stays(club):
    old = club.parts.policy.digest
    text = changed(club, "approvals: 2", "approvals: 1")
    await weigh(club, text)
    async with club.store.transaction(CLUB) as tx:  # the fixture put it without a row
        await tx.add(
            PolicyChange(club=CLUB, at=club.clock.now(), digest=old, actor="file:x", reason="file")
        )
    found = await versions.find(club.parts, old[:8])
    file = reading(text).digest
    await versions.rollback(club.parts, found.digest, "operator:root", file)
    assert club.parts.policy.digest == old
    assert await weigh(club, text) is Step.ASIDE
    assert club.parts.policy.digest == old
    with pytest.raises(Refused, match="policy-in-force-already"):
        await versions.rollback(club.parts, old, "operator:root", file)
    assert await versions.release(club.parts, "operator:root")
    assert not await versions.release(club.parts, "operator:root")
    assert await weigh(club, text) is Step.LOAD
    chapters = await versions.history(club.parts)
    assert [each.change.reason for each in chapters] == ["file", "rolled-back", "file", "file"]
    assert sum(each.decisions for each in chapters) >= 3


async def test_no_way_back_to_what_never_was(club):
    digest = await waiting(club)
    with pytest.raises(Refused, match="policy-never-in-force"):
        await versions.rollback(club.parts, digest, "operator:root", "")
    with pytest.raises(NotFound):
        await versions.find(club.parts, "ffffffffffff")


async def test_another_process_is_followed(club):
    """What the command line wrote is used here within a look."""
    text = changed(club, "approvals: 2", "approvals: 1")
    elsewhere = replace(club.parts, shelf=type(club.parts.shelf)(club.parts.policy))
    await versions.consider(elsewhere, reading(text))
    assert club.parts.policy.admission.review.approvals == 2
    told = []
    club.parts.shelf.changed = told.append
    await versions.follow(club.parts)
    assert club.parts.policy.admission.review.approvals == 1
    assert [policy.digest for policy in told] == [club.parts.policy.digest]


# ---- Trials ----------------------------------------------------------------------------------

BESIDE = """---
apiVersion: gatekeeper/v1
kind: PruningPolicy
metadata: {name: stricter}
spec:
  mode: audit
  rule:
    match:
      - {id: at-once, condition: 'member.silent > duration("5s")', output: {action: notify}}
"""


async def test_a_document_beside_the_one_in_force_is_tried_on_every_sweep(club):
    await weigh(club, club.parts.policy.text + BESIDE)
    await club.adopt("kim", "lou")
    await club.pass_time(seconds=10)
    await club.sweep()
    await club.sweep("again")
    rows = [row for row in await club.find(PolicyDifference) if row.trial == "document:stricter"]
    assert len(rows) == 2  # once a day for each of them
    assert {(row.verdict, row.trial_verdict, row.trial_rule) for row in rows} == {
        ("keep", "notify", "at-once")
    }
    assert await club.find(Order, purpose="notice") == []
    told = [text for text in admins_were_told(club) if "On trial" in text]
    assert len(told) == 1  # and once a week in the room
    async with club.store.look(CLUB) as tx:
        [one] = await trials.gathered(tx)
    assert (one.count, len(one.names)) == (2, 2)


async def test_a_rule_on_trial_is_tried_on_every_application(club):
    rule = """      - id: spam
"""
    tried = """      - id: makers
        condition: application.answers.craft == "maker"
        mode: audit
        output: {decision: admit}
      - id: spam
"""
    await weigh(club, changed(club, rule, tried))
    ada = club.platform.person("@ada:fake")
    number = await club.apply(ada)
    [row] = await club.find(PolicyDifference)
    assert (row.subject, row.trial) == (f"application:{number}", "rule:makers")
    assert (row.verdict, row.trial_verdict) == ("wait", "admit")
    text = changed(club, "        mode: audit\n", "")
    assert await weigh(club, text) is Step.WAITS
    facts = " ".join(v for _, v in card(club).card.facts)
    assert "makers" in facts
    assert any("1 × admitted" in line for line in card(club).card.lines)


async def test_a_club_that_never_sweeps_hears_of_its_trials_too(club):
    rule = "      - id: spam\n"
    tried = f"""      - id: makers
        condition: application.answers.craft == "maker"
        mode: audit
        output: {{decision: admit}}
{rule}"""
    await weigh(club, changed(club, rule, tried))

    async def told(**later):
        club.clock.advance(seconds=timedelta(**later).total_seconds())
        await due.due(club.parts)
        await club.settle()
        return [text for text in admins_were_told(club) if "On trial" in text]

    await club.apply(club.platform.person("@ada:fake"))
    assert await told(hours=23) == []
    assert len(await told(hours=2)) == 1
    assert len(await told(seconds=1)) == 1
    await club.apply(club.platform.person("@bob:fake"))
    assert len(await told(days=6)) == 1  # once a week at most
    _, second = await told(days=2)
    assert "1 × admitted" in second  # Bob alone: Ada was told of
    assert len(await told(days=20)) == 2


async def test_what_audit_mode_would_do_is_planned_but_not_done(club):
    await in_audit(club)
    await club.adopt("kim")
    await club.pass_time(seconds=20)
    assert (await sweep.preview(club.parts)).notify == ()
    would = await sweep.would(club.parts)
    assert [line.candidate.membership.name for line in would.notify] == ["Kim"]
    assert await club.find(Order, purpose="notice") == []


async def test_what_was_noted_long_ago_is_forgotten(club):
    await in_audit(club)
    await club.adopt("kim")
    await club.pass_time(seconds=20)
    await club.sweep()
    assert await club.find(PolicyDifference)
    club.clock.advance(seconds=trials.KEPT.total_seconds() + 1)
    await due.tidy(club.parts)
    assert await club.find(PolicyDifference) == []


async def test_a_version_that_this_release_does_not_understand_is_no_hindrance(club):
    """After an upgrade: the file, put right for it, comes into force."""
    digest = club.parts.policy.digest
    async with club.store.transaction(CLUB) as tx:
        await tx.change(await tx.first(PolicyVersion, digest=digest), text="kind: Long gone")
    later = load_policy(changed(club, "approvals: 2", "approvals: 1"), "rules.yaml")
    parts = replace(club.parts, shelf=type(club.parts.shelf)(later))
    assert await versions.consider(parts, reading(later.text)) is Step.LOAD
    [chapter] = await versions.history(replace(parts, shelf=type(parts.shelf)(later)))
    assert "no longer" in chapter.words[0]


async def test_the_card_says_what_else_the_file_changes(club):
    text = await in_audit(club)
    text = changed(club, "mode: audit", "mode: enforce", text)
    assert await weigh(club, changed(club, "grace: 7s", "grace: 9s", text)) is Step.WAITS
    assert any("9" in line for line in card(club).card.lines), card(club).card.lines
