"""What must always hold, tried against made-up and recorded facts."""

import json
import re
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper import policy_file
from gatekeeper.cli import invariants as command
from gatekeeper.domain.activity import Kind
from gatekeeper.policy import invariants
from gatekeeper.policy.boundaries import constants
from gatekeeper.policy.case_facts import MODELS, facts_of
from gatekeeper.policy.case_reader import check_cases
from gatekeeper.policy.cases import run_cases
from gatekeeper.policy.invariants import Recorded, try_made_up, try_recorded
from gatekeeper.policy.made_up import Maker, as_given
from gatekeeper.policy.parse import check_policy, load_policy
from gatekeeper.policy.patterns import texts_for
from tests.policy.builders import NOW, a_member, a_policy, an_application, policy_text, rule

POLICIES = sorted(
    path
    for path in (Path(__file__).parents[2] / "policies").glob("*.yaml")
    if not path.name.endswith(".cases.yaml")
)
ADMISSION = "      - id: default\n        output: {decision: review}\n"
PRUNING = "      - id: quiet\n        condition: member.silent > duration('90d')\n"


def stating(where: str, *conditions: str, description: str = "") -> tuple[str, str]:
    """A change of POLICY: invariants i0, i1, … of the document in which `where` stands."""
    stated = "  invariants:\n" + "".join(
        f"    - {{id: i{number}, condition: {json.dumps(one)}, description: '{description}'}}\n"
        for number, one in enumerate(conditions)
    )
    before = "  rule:\n    match:\n"
    if where is PRUNING:
        before += "      - id: over\n"
    else:
        before += "      - id: spam\n"
    return before, stated + before


def tried(policy, tries=400, seed=1):
    return try_made_up(policy, lambda: Random(seed), NOW, tries)


HOLDS = [
    stating(PRUNING, '!(verdict == "remove" && member.admin)'),
    stating(
        PRUNING, 'verdict != "remove" || member.grace_over', 'rule != "quiet" || !member.admin'
    ),
    stating(ADMISSION, '!(verdict == "admit" && application.objections > 0)'),
    stating(ADMISSION, 'rule != "spam" || application.text.matches("(?i)casino")'),
]


@pytest.mark.parametrize("change", HOLDS)
def test_what_the_rules_keep_holds(change):
    found = tried(a_policy(change))
    assert found.passed
    assert found.tries == 400
    assert found.lines()[0].startswith("All invariants hold")


BROKEN = [
    (PRUNING, '!(verdict == "notify" && size(member.roles) > 1)', ["roles", "silent"]),
    (PRUNING, 'verdict != "remove"', ["grace_over", "noticed_at"]),
    (PRUNING, '!(rule == "quiet" && member.on_leave)', ["on_leave", "on_leave_until", "silent"]),
    (PRUNING, 'verdict != "notify" || has(member.joined_at)', ["silent"]),
    (ADMISSION, 'verdict != "decline"', ["answers"]),
    (ADMISSION, '!(rule == "spam" && application.vouches >= 3)', ["answers", "vouches"]),
    (ADMISSION, "application.first_seen_at > now - duration('30d')", ["first_seen_at"]),
]


@pytest.mark.parametrize(("where", "condition", "names"), BROKEN)
def test_what_breaks_one_is_as_small_as_can_be(where, condition, names):
    policy = a_policy(stating(where, condition, description="So it was promised."))
    found = tried(policy)
    assert not found.passed
    (broken,) = found.broken
    knocked = {name for name in broken.given if name not in {"origin", "reason"}} | {"answers"}
    assert sorted(broken.given) == names or sorted(knocked) == names
    assert broken.fault == ""
    assert "i0" in broken.lines()[0]


def test_thresholds_are_met_to_the_second():
    """Without facts at its edge, no chance would ever hit this."""
    edge = "      - {id: edge, condition: member.silent == duration('61d')"
    change = ("      - id: over\n", edge + ", output: {action: notify}}\n      - id: over\n")
    found = tried(a_policy(stating(PRUNING, 'rule != "edge"'), change))
    assert found.broken[0].given == {"silent": "61d"}


def test_what_may_be_absent_is_absent_at_times_and_there_at_others():
    for condition in ("has(member.joined_at)", "!has(member.joined_at)"):
        found = tried(a_policy(stating(PRUNING, condition)))
        assert not found.passed, condition


def test_the_case_can_be_pasted_and_fails_until_the_rules_are_right():
    policy = a_policy(
        stating(PRUNING, 'verdict != "notify"', description="Nobody is asked: never.")
    )
    (broken,) = tried(policy).broken
    text = f"now: 2020-01-01T00:00:00Z\ncases:\n{broken.case()}"
    assert check_cases(text, policy) == ()
    report = run_cases(policy, text)
    assert not report.passed
    assert "expected keep, got notify" in report.lines()[1]
    right = a_policy(("duration('90d')", "duration('9000d')"))
    assert run_cases(right, text).passed


def test_the_same_seed_finds_the_same_and_another_may_not():
    policy = a_policy(stating(ADMISSION, 'rule != "spam"', "application.vouches < 5"))
    assert tried(policy, seed=3) == tried(policy, seed=3)


def test_what_cannot_be_evaluated_is_broken_too():
    (broken,) = tried(a_policy(stating(PRUNING, "1 / member.messages_30d < 5"))).broken
    assert "divide by zero" in broken.fault
    assert "cannot be evaluated" in broken.lines()[0]


def test_rules_on_trial_are_tried_as_if_in_force():
    audit = ('  schedule: "0 6 * * MON"\n', '  schedule: "0 6 * * MON"\n  mode: audit\n')
    text = policy_text(stating(PRUNING, 'verdict != "remove"'))
    policy = load_policy(text.replace("  mode: enforce\n", "").replace(*audit))
    assert policy.judge_member(a_member(grace_over=True), NOW).verdict == "keep"
    assert not tried(policy).passed


def test_a_document_on_trial_states_its_own():
    trial = (
        "---\napiVersion: gatekeeper/v1\nkind: PruningPolicy\nmetadata: {name: next-roll}\nspec:\n"
        "  mode: audit\n  rule:\n    match: [{id: all, output: {action: notify}}]\n"
        "  invariants: [{id: quiet-only, condition: 'verdict != \"notify\"'}]\n"
    )
    text = policy_text()
    if "mode: enforce" not in text:
        text = text.replace("  schedule:", "  mode: enforce\n  schedule:")
    (broken,) = tried(load_policy(text + trial)).broken
    assert broken.trial == "next-roll"
    assert any("next-roll" in line for line in broken.lines())


def test_rules_that_no_facts_reach_are_named():
    never = rule("application.display_name == 'a' && application.display_name == 'b'")
    found = tried(a_policy(stating(ADMISSION, "true == true"), never))
    assert found.never_fired == ("tried",)
    assert any("tried" in line for line in found.lines())


def test_no_invariants_are_said_to_be_none():
    found = tried(a_policy())
    assert found.passed
    assert found.tries == 0
    assert found.lines() == ("No invariants are stated, so none can be broken.",)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_every_policy_that_is_shipped_states_something_and_keeps_it(path):
    policy = load_policy(path.read_text("utf-8"), path.name)
    found = tried(policy, tries=600)
    assert found.passed, "\n".join(found.lines())
    for subject in MODELS:
        assert policy.rules_for(subject).invariants


# ---- Recorded facts ------------------------------------------------------------------------------


def test_recorded_facts_are_tried_at_their_own_moment():
    policy = a_policy(
        stating(PRUNING, 'verdict != "notify"'),
    )
    then = NOW - timedelta(days=200)
    records = [
        Recorded(a_member(silent=timedelta(days=3)), then, "membership:1"),
        Recorded(
            a_member(silent=timedelta(days=99), last_place="#talk", messages_30d=3),
            then,
            "membership:2",
        ),
        Recorded(an_application(), then, "application:3"),
    ]
    found = try_recorded(policy, records)
    assert found.tries == 2  # no invariant is stated about applications
    (broken,) = found.broken
    assert (broken.label, broken.now) == ("membership:2", then)
    assert broken.given == {"silent": "91d"}
    assert any("membership:2" in line for line in broken.lines("de"))


# ---- What facts are made of ----------------------------------------------------------------------


def test_constants_are_found_through_params_lists_sizes_and_variables():
    policy = a_policy(
        rule(
            "variables.known_for < params.cooldown && size(application.answers.why) < 80 && "
            "application.server in ['a.example', 'b.example'] && application.vouches >= 2"
        )
    )
    found = constants(policy.admission_rules)
    assert timedelta(days=30) in found["application", "first_seen_at"]
    assert 80 in found["application", "answers", "why"]
    assert {"a.example", "b.example"} <= set(found["application", "server"])
    assert found["application", "vouches"] == (2,)
    assert ("application", "objections") not in found


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(?i)casino", "casino"),
        (r"\b(free money|win)\b", "win"),
        ("^buy [a-z]+$", "buy a"),
        (r"^https?://(bit\.ly|t\.co)(/|$)", "https://t.co/"),
        (r"(?P<n>\d{3,})-?(?:[^0-9]*|\w+?)", "111-a"),
        (r"[\]x]a|b{x", "]a"),
        ("a.c", "aac"),
    ],
)
def test_texts_that_a_pattern_finds_are_read_from_it(pattern, text):
    found = texts_for(pattern)
    assert text in found
    assert all(re.search(pattern, one) for one in found)


@given(st.text("ab()[]{}|^$*+?\\-,1:P<>.", max_size=12))
def test_no_pattern_is_too_much(pattern):
    assert len(texts_for(pattern)) <= 40


def test_brackets_in_brackets_without_end_give_nothing():
    assert texts_for("(" * 5_000) == ()


@pytest.mark.parametrize("subject", sorted(MODELS))
def test_made_up_facts_are_facts_that_somebody_could_have(subject):
    policy = a_policy()
    rules = policy.rules_for(subject)
    maker, chance = Maker(subject, policy.form, constants(rules)), Random(7)
    for _ in range(300):
        given = as_given(maker.make(chance, NOW), NOW)
        facts = facts_of(policy, subject, given, NOW)
        if subject == "member":
            assert facts.exempt == (facts.exempt_until is not None)
            assert facts.on_leave == (facts.on_leave_until is not None)
            assert not facts.grace_over or facts.noticed_at
            assert facts.known_since + facts.silent <= NOW
        else:
            assert facts.earlier_declines <= facts.earlier_applications
            assert (facts.last_declined_at is not None) == (facts.earlier_declines > 0)
            assert facts.first_seen_at <= facts.submitted_at <= NOW
            assert facts.was_member or not facts.was_removed


FACTS = {
    "submitted_at": "application.submitted_at > now - duration('5d')",
    "origin": "application.origin == 'web'",
    "platform": "application.platform != 'slack'",
    "identity": "application.identity != 'slack:U1'",
    "server": "application.server != 'bad.example'",
    "proven": "application.proven",
    "first_seen_at": "application.first_seen_at > now - duration('5d')",
    "account_created_at": "!has(application.account_created_at)",
    "display_name": "application.display_name != 'zz'",
    "reason": "!application.reason.contains('zz')",
    "answers": "!application.answers.why.startsWith('zz')",
    "text": "!application.text.matches('zz|yy')",
    "links": "application.links <= 4",
    "earlier_applications": "application.earlier_applications != 7",
    "earlier_declines": "application.earlier_declines < 3",
    "last_declined_at": "!has(application.last_declined_at)",
    "was_member": "!application.was_member",
    "was_removed": "!application.was_removed",
    "vouches": "application.vouches < 4",
    "objections": "application.objections < 4",
    "sponsors": "!('matrix:@bob:example.org' in application.sponsors)",
    "roles": "!member.roles.exists(role, role == 'zz')",
    "admin": "!member.admin",
    "bot": "!member.bot",
    "exempt": "!member.exempt",
    "exempt_until": "!has(member.exempt_until) || member.exempt_until < now + duration('7d')",
    "on_leave": "!member.on_leave",
    "on_leave_until": "!has(member.on_leave_until)",
    "known_since": "now - member.known_since < duration('500d')",
    "joined_at": "!has(member.joined_at) || now - member.joined_at > duration('3d')",
    "last_active_at": "!has(member.last_active_at)",
    "last_kind": "member.last_kind != 'reaction'",
    "last_place": "member.last_place != '#attic'",
    "silent": "member.silent < duration('33d')",
    "seen_share": "member.seen_share >= 0.35",
    "noticed_at": "!has(member.noticed_at) || now - member.noticed_at < duration('50d')",
    "grace_over": "!member.grace_over",
    "messages_30d": "member.messages_30d < 12",
    **{
        name: f"member.{name} != 3"
        for name in [
            "replies_30d",
            "threads_30d",
            "files_30d",
            "commands_30d",
            "presses_30d",
            "vouches_30d",
            "joins_30d",
            "events_30d",
        ]
    },
    **{
        f"last_{kind}_at": f"!has(member.last_{kind}_at)"
        f" || now - member.last_{kind}_at < duration('44d')"
        for kind in ("spoke", *Kind)
    },
    "reactions_30d": "member.reactions_30d != 3",
    "reads_30d": "member.reads_30d != 9",
    "active_days_30d": "member.active_days_30d != 4",
}


def test_every_fact_is_in_the_table():
    assert set(FACTS) == {name for model in MODELS.values() for name in model.model_fields}


@pytest.mark.parametrize("name", FACTS)
def test_every_fact_is_varied_to_where_a_condition_turns(name):
    where = PRUNING if "member." in FACTS[name] else ADMISSION
    found = tried(a_policy(stating(where, FACTS[name])), tries=200)
    assert not found.passed
    assert found.broken[0].fault == ""


def test_a_knock_is_tried_where_the_form_asks_for_no_text():
    form = a_policy().text
    change = (form[form.index("    questions:\n") : form.index("  texts:")], "    questions: []\n")
    found = tried(a_policy(change, stating(ADMISSION, "application.links < 3")))
    assert sorted(found.broken[0].given) == ["origin", "reason"]


GUARD = "has(member.noticed_at) && member.grace_over\n"
WEAKENED = [  # what house rules say, what a well-meant edit makes of it, what that breaks
    ("member.admin || 'staff' in member.roles,", "member.bot,", "admins-stay"),
    ("condition: member.on_leave,", "condition: member.bot,", "away-is-no-silence"),
    (GUARD, "member.silent > params.quiet_after\n", "asked-first"),
    ("output: {decision: review}\n\n", "output: {decision: admit}\n\n", "people-let-in"),
]


@pytest.mark.parametrize(("old", "new", "stated"), WEAKENED)
def test_a_shipped_policy_that_is_weakened_is_caught(old, new, stated):
    text = next(path for path in POLICIES if path.stem == "house-rules").read_text("utf-8")
    assert text.count(old) == 1
    found = tried(load_policy(text.replace(old, new)), tries=policy_file.TRIES)
    assert stated in {one.invariant for one in found.broken}


# ---- The document --------------------------------------------------------------------------------

WRONG = [
    ('verdikt == "admit"', "condition-unknown-name"),
    ("verdict == 1", "condition-wrong-type"),
    ("verdict", "condition-wrong-result"),
    ("application.vouches > 'x'", "condition-wrong-type"),
    ("member.admin", "condition-unknown-name"),
    ("now - application.last_declined_at > duration('1d')", "condition-absent"),
]


@pytest.mark.parametrize(("condition", "code"), WRONG)
def test_invariants_are_checked_like_every_condition(condition, code):
    text = policy_text(stating(ADMISSION, condition))
    found = [one for one in check_policy(text, "policy.yaml") if one.code == code]
    assert found
    assert "i0" in text.splitlines()[found[0].line - 1]


def test_rules_do_not_know_the_verdict():
    text = policy_text(rule('verdict == "admit"'))
    assert "condition-unknown-name" in {one.code for one in check_policy(text)}


def test_ids_are_told_apart():
    text = policy_text(stating(ADMISSION, "true == true", "true == true")).replace(
        "id: i1", "id: i0"
    )
    assert "duplicate-id" in {one.code for one in check_policy(text)}


def test_the_place_of_what_is_broken_is_told():
    text = policy_text(stating(PRUNING, 'verdict == "keep"'))
    (broken,) = tried(load_policy(text, "mine.yaml")).broken
    assert 'verdict == \\"keep\\"' in text.splitlines()[broken.line - 1][broken.column - 1 :]
    assert broken.lines()[0].startswith(f"mine.yaml:{broken.line}:{broken.column}: ")
    assert broken.facts() == "member: {silent: 91d}"


def test_few_tries_are_the_first_ones_of_many():
    policy = a_policy(stating(ADMISSION, 'rule != "spam"'), stating(PRUNING, 'verdict == "keep"'))
    few, many = tried(policy, 60), tried(policy, 120)
    assert few.broken
    assert few.broken == many.broken[: len(few.broken)]
    assert (few.tries, many.tries) == (120, 240)


def test_time_bounds_the_tries_and_what_they_have_shown_is_kept():
    policy = a_policy(stating(PRUNING, 'verdict == "keep"'))
    looks = count()
    found = try_made_up(policy, lambda: Random(1), NOW, 1_000_000, lambda: next(looks) > 100)
    assert found.broken
    assert found.tries <= 101
    assert not try_made_up(policy, lambda: Random(1), NOW, 1_000, lambda: True).broken


def test_the_command_begins_where_the_service_does():
    assert command.SEED == invariants.SEED
    assert command.TRIES >= policy_file.TRIES
