"""Text to Policy, or everything that is wrong with it in its place."""

import hashlib
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.policy.findings import WARNINGS, PolicyError, errors_in
from gatekeeper.policy.parse import check_policy, load_policy
from gatekeeper.policy.places import LETTERS, is_plain, position
from gatekeeper.policy.texts import codes
from tests.policy.builders import (
    NOW,
    POLICY,
    a_member,
    a_policy,
    an_application,
    policy_text,
    rule,
)

POLICIES = Path(__file__).parents[2] / "policies"
SPAM = "        condition: application.text.matches(params.pattern)\n"


def place(text: str, needle: str, skip: int = 0) -> tuple[int, int]:
    """Line and column, from 1, of the `needle` in `text`; `skip` letters into it."""
    index = text.index(needle) + skip
    return text.count("\n", 0, index) + 1, index - (text.rfind("\n", 0, index) + 1) + 1


def errors(text: str, name: str = "policy.yaml"):
    """What keeps a policy from being used, without the warnings."""
    return errors_in(check_policy(text, name))


RULE = "      - id: spam\n"
LINKS = "condition: application.links > 2"
MANY_VARIABLES = ", ".join(f"{{name: v{n}, expression: '1'}}" for n in range(101))


def first(*lines: str) -> tuple[str, str]:
    """A change of POLICY: admission rules before its own, each `id: …, condition: …`."""
    made = "".join(
        f"      - {{{line}, output: {{decision: review}}}}\n".replace(
            "declining, output: {decision: review}", "output: {decision: decline}"
        )
        for line in lines
    )
    return RULE, made + RULE


BOMB = "[&a [x, x], " + ", ".join(
    f"&{other} [{', '.join([f'*{one}'] * 9)}]" for one, other in pairwise("abcdefgh")
) + "]"  # fmt: skip

# What is exchanged in the sound policy; the code; where it is found: at this text, so far into it.
FINDINGS = [
    (("  timeZone: Europe/Berlin\n", "  timeZone: [\n"), "yaml-syntax", ': ["matrix', 0),
    (("  timeZone: Europe/Berlin\n", "  a: 1\n  a: 2\n"), "duplicate-key", "a: 2", 0),
    (("cooldown: 30d", "cooldown: 2026-13-45"), "yaml-syntax", "2026-13", 0),
    (("cooldown: 30d", "cooldown: !!int ''"), "yaml-syntax", "!!int", 0),
    (("cooldown: 30d", "cooldown: " + "[" * 100 + "]" * 100), "yaml-too-deep", "{cooldown", 0),
    (("cooldown: 30d", "cooldown: &me [*me]"), "yaml-circle", "&me", 0),
    (("cooldown: 30d", f"cooldown: {BOMB}"), "yaml-too-large", "apiVersion: gatekeeper/v1\nkind: A",
     0),
    (("kind: Club", "kind: Klub"), "kind-unknown", "Klub", 0),
    (("apiVersion: gatekeeper/v1\n", ""), "field-missing", "kind: Club", 0),
    (("gatekeeper/v1", "gatekeeper/v2"), "value-unknown", "gatekeeper/v2", 0),
    (("timeZone: Eu", "timezone: Eu"), "field-unknown", "timezone: Eu", 0),
    (("cooldown: 30d", "cooldown: null"), "bad-param", "null", 0),
    (("cooldown: 30d", "cooldown: [1, a]"), "bad-param", "[1, a]", 0),
    (("cooldown: 30d", "while: 30d"), "reserved-name", "while", 0),
    (("cooldown: 30d", "Cooldown: 30d"), "value-wrong", "Cooldown", 0),
    (("{id: age,", "{id: for,"), "reserved-name", "for,", 0),
    (("{name: known_for,", "{name: in,"), "reserved-name", "in, ", 0),
    (("approvals: 2", "approvals: 2, remindAfter: 3 days"), "bad-duration", "3 days", 0),
    (("approvals: 2", "approvals: two"), "value-wrong", "two", 0),
    (("approvals: 2", "approvals: 3"), "quorum-too-large", "3}", 0),
    (("approvals: 2", "declines: 3"), "quorum-too-large", "3}", 0),
    (("{decision: review}", "{decision: review, review: {approvals: 4}}"), "quorum-too-large",
     "4}", 0),
    (('"matrix:@ann:example.org"', "ann"), "bad-identity", "ann,", 0),
    (("kind: longText", "kind: choice"), "bad-options", "{id: why", 0),
    (("timeZone: Europe/Berlin", "timeZone: Europe/Nowhere"), "bad-zone", "Europe/Nowhere", 0),
    (('schedule: "0 6 * * MON"', "schedule: daily"), "bad-schedule", "daily", 0),
    (('schedule: "0 6 * * MON"', "timeZone: Mars"), "bad-zone", "Mars", 0),
    (("own words, {club}.", "own words, {club."), "bad-template", '"Your own', 0),
    (("texts:\n", "texts:\n    not-used: {en: x}\n"), "text-unused", "not-used", 0),
    (("message: own-words", "message: no-words"), "unknown-text", "no-words", 0),
    (("condition: member.admin", "condition: member.admin, message: gone"), "unknown-text",
     "gone}", 0),
    (("message: own-words", "reason: no-reason"), "unknown-reason", "no-reason", 0),
    (("message: own-words", "reason: not-a-fit"), "text-unused", "own-words", 0),
    (("id: default\n", "id: spam\n"), "duplicate-id", "id: spam\n        output", 4),
    (("id: quiet", "id: staff"), "duplicate-id", "staff\n", 0),
    (("{id: age,", "{id: why,"), "duplicate-id", 'why, kind: number', 0),
    (("alias: talk", "alias: lobby"), "duplicate-id", "lobby}]", 0),
    (("welcomeRoom: lobby", "welcomeRoom: hall"), "unknown-room", "hall", 0),
    (("welcomeRoom: lobby", "welcomeRoom: lobby\n      guestsRoom: den"), "unknown-room", "den", 0),
    (("  texts:", "  welcome: {room: hall}\n  texts:"), "unknown-room", "hall", 0),
    (('people: ["matrix:@ann:example.org", "matrix:@ben:example.org"]', "people: []"),
     "no-admins", "people: []", 0),
    (("      - id: default\n        output: {decision: review}\n", ""), "default-missing",
     "- id: spam", 0),
    ((SPAM, ""), "rule-unreachable", "default\n", 0),
    ((SPAM, '        condition: "true"\n'), "rule-unreachable", "default\n", 0),
    (("label: \"How old?\"}", "label: a, translations: {de: {options: {x: y}}}}"),
     "unknown-option", "x: y", 0),
    (("expression: now -", "expression: noww -"), "condition-unknown-name", "noww", 0),
    (("condition: member.admin", "condition: member.roles"), "condition-wrong-result",
     "member.roles", 0),
    (("duration('90d')", "duration('90x')"), "condition-bad-constant", "'90x'", 0),
    (("member.grace_over", "member.noticed_at < now"), "condition-absent", "member.noticed", 0),
    (("member.grace_over", "has(member.grace_over)"), "condition-always-there", "(member.g", 1),
    (("member.grace_over", "has(member.joined_at) && member.joined_at == null"),
     "condition-null", "null", 0),
    (("member.grace_over", "dyn(member).x == 1"), "condition-not-checkable", "(member)", 1),
    (("member.grace_over", "member.last_kind == '\\u0000'"), "condition-bad-text", "'\\u0000'", 0),
    (("member.grace_over", "member.silent > 90"), "condition-wrong-type", " > 90", 1),
    (("member.grace_over", "(member.grace_over"), "condition-syntax", "(member.grace_over", 17),
    (("member.grace_over", " || ".join(["true"] * 1500)), "condition-too-long", "true ||", 0),
    ((SPAM, SPAM + "        explanation: application.links\n"), "condition-wrong-result",
     "application.links", 0),
    (('schedule: "0 6 * * MON"', 'schedule: "0 6 30 2 *"'), "schedule-never", '"0 6 30 2', 0),
    (('schedule: "0 6 * * MON"', 'schedule: "*/5 6 * * *"'), "schedule-often", '"*/5', 0),
    (("params: {cooldown", "params: {cooldown"), "param-unused", "cooldown", 0),
    (("name: known_for", "name: known_for"), "variable-unused", "known_for", 0),
    (("member.grace_over", "member.silent > duration('2d') && member.silent < duration('1d')"),
     "condition-never", "member.silent > duration('2d", 0),
    (("member.grace_over", "member.messages_30d > 3 || member.messages_30d < 7"),
     "condition-always", "member.messages_30d >", 0),
    (first(f"id: one, {LINKS}", f"id: two, {LINKS}"), "rule-twice", "two,", 0),
    (first(f"id: one, {LINKS}", f"id: two, {LINKS}, declining"), "rule-contradicts", "two,", 0),
    (first(f"id: one, {LINKS}",
           "id: two, condition: application.proven && 5 < application.links"),
     "rule-shadowed", "two,", 0),
    (first(f"id: one, {LINKS} && application.proven", f"id: two, {LINKS} && !application.proven",
           f"id: three, {LINKS} && application.vouches > 1"),
     "rule-covered", "three,", 0),
    (first(*(f"id: n{n}, condition: application.links == {n}" for n in range(300))),
     "too-many-rules", "match:", 0),
    (("  exclude:", f"  variables: [{MANY_VARIABLES}]\n  exclude:"), "too-many-variables",
     "variables: [", 0),
    (("member.grace_over", " || ".join(["member.bot"] * 600)), "condition-too-large",
     "member.bot ||", 0),
    (("member.grace_over", f"member.messages_30d in {[*range(201)]}"), "list-too-long", "[0, 1", 0),
    (("cooldown: 30d", f"cooldown: {[*range(10_001)]}"), "list-too-long", "cooldown", 0),
    (("member.grace_over", f"member.last_kind.matches('{'a' * 4001}')"), "pattern-too-long",
     "'aaa", 0),
    (('"(?i)casino"', "a" * 4001), "pattern-too-long", "params.pattern", 0),
    (("member.grace_over", "member.roles.exists(a, member.roles.exists(b, member.roles.exists(c, "
      "a == b && b == c)))"), "loops-too-deep", "member.roles.exists(a", 0),
    (("member.grace_over", "member.last_kind.replace('', member.last_kind) == ''"), "too-heavy",
     "member.last_kind.replace", 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code", "needle", "skip"),
    FINDINGS,
    ids=[f"{f[1]}-{n}" for n, f in enumerate(FINDINGS)],
)
def test_every_finding_has_its_line_and_column(change, code, needle, skip):
    text = policy_text(change)
    found = {(one.code, one.line, one.column) for one in check_policy(text, "club.yaml")}
    assert (code, *place(text, needle, skip)) in found, found


def test_every_kind_of_finding_is_tried_and_has_sentence_and_remedy():
    tried = {code for _, code, _, _ in FINDINGS}
    tried |= {"kind-twice", "too-many-findings", "kind-missing", "policy-too-long", "trial-unclear"}
    named = {
        code.removesuffix(".remedy")
        for code in codes()
        if code.startswith(("condition-", "bad-", "kind-", "yaml-", "field-", "unknown-", "rule-u"))
    }
    assert named - {"bad-input", "unknown-language", "unknown-put-out"} <= tried
    assert tried >= WARNINGS
    for code in tried:
        assert f"{code}.remedy" in codes(), code
        assert f"{code}.remedy" in codes("de"), code


def test_what_may_be_chosen_is_listed_without_words_of_another_language():
    [finding] = errors(policy_text(("kind: longText", "kind: shortText")))
    assert finding.remedy("de").startswith("Wähle eins von: 'text', 'longText',")
    assert " or " not in finding.remedy("de")


def test_a_misspelt_kind_leads_to_no_untrue_findings():
    """Without the club nobody knows its questions, so nothing is said of answers."""
    found = {one.code for one in check_policy(policy_text(("kind: Club", "kind: Klub")))}
    assert found - WARNINGS == {"kind-unknown", "kind-missing"}


def test_a_sound_policy_has_no_findings_and_a_digest():
    policy = load_policy(POLICY, "club.yaml")
    assert errors(POLICY) == ()
    assert policy.digest == hashlib.sha256(POLICY.encode()).hexdigest()
    assert (policy.name, policy.club_id) == ("club.yaml", "house")


def test_all_findings_are_told_at_once_in_the_order_of_the_file():
    text = policy_text(
        ("timeZone: Eu", "timezone: Eu"),
        ("matches(params.pattern)", "matches(params.nope)"),
        ("approvals: 2", "approvals: 9"),
        ("member.grace_over", "member.nope"),
        ('schedule: "0 6 * * MON"', "schedule: never"),
    )
    found = errors(text)
    assert [one.code for one in found] == [
        "field-unknown",
        "quorum-too-large",
        "condition-unknown-name",
        "bad-schedule",
        "condition-unknown-name",
    ]
    with pytest.raises(PolicyError) as caught:
        load_policy(text, "club.yaml")
    assert len(caught.value.findings) == 5
    assert caught.value.values["count"] == 5
    first = caught.value.findings[0]
    assert str(first).startswith(f"club.yaml:{first.line}:{first.column}: field-unknown: ")
    assert "timeZone" in first.remedy()
    assert first.sentence("de") != first.sentence("en")


def test_a_missing_and_a_second_document_are_found():
    club, admission, pruning = POLICY.split("---\n")
    assert [one.code for one in errors(f"{club}---\n{admission}")] == ["kind-missing"]
    twice = errors("---\n".join([club, admission, pruning, club]))
    assert [(one.code, one.line) for one in twice] == [("kind-twice", POLICY.count("\n") + 2)]
    assert {one.code for one in errors("")} == {"kind-missing"}
    assert "kind-unknown" in {one.code for one in errors("just words")}


def test_a_faulty_variable_is_told_once_and_not_at_its_users():
    text = policy_text(
        ("now - application.first_seen_at", "nope"),
        ("application.text.matches(params.pattern)", "variables.known_for > duration('1h')"),
    )
    assert [one.code for one in errors(text)] == ["condition-unknown-name"]


def test_texts_are_not_missed_where_the_club_itself_cannot_be_read():
    text = policy_text(("kind: longText", "kind: choice"))
    assert [one.code for one in errors(text)] == ["bad-options"]


def test_a_power_level_lifts_the_bar_of_named_admins():
    text = policy_text(
        ("approvals: 2", "approvals: 9"), ("  admins:\n", "  admins:\n    powerLevel: 50\n")
    )
    assert errors(text) == ()


SHAPES = [  # how a condition may be written in YAML; the letter to find again
    ("condition: member.nope", "nope"),
    ('condition: "member.nope"', "nope"),
    ("condition: 'member.nope == ''x'''", "nope"),
    ("condition: |\n          member.admin &&\n          member.nope", "nope"),
    ("condition: >-\n          member.admin &&\n          member.nope", "nope"),
    ("condition: member.admin &&\n          member.nope", "nope"),
    ('condition: "member.admin && \\"a\\" == member.nope"', "nope"),
]


@pytest.mark.parametrize(("shape", "needle"), SHAPES)
def test_columns_inside_conditions_are_true_however_they_are_written(shape, needle):
    text = policy_text(("condition: member.grace_over", shape))
    line, column = place(text, needle, -1)  # the checker points at the dot
    found = errors(text)
    assert [(one.code, one.line, one.column) for one in found] == [
        ("condition-unknown-name", line, column)
    ]


def test_a_letter_that_cannot_be_found_again_gives_the_start():
    text = 'a: "\\u0041 == nope"'
    node = yaml.compose(text).value[0][1]
    assert position(text, node, 5) == (1, 4)


@pytest.mark.parametrize("hidden", ["\x00", "\ud800", "\x07"])
def test_characters_that_yaml_refuses_are_found_in_their_place(hidden):
    text = policy_text(("Why?", f"W{hidden}hy?"))
    found = errors(text)
    assert [(one.code, one.line, one.column) for one in found] == [
        ("yaml-syntax", *place(text, hidden))
    ]


def test_hostile_files_give_findings_and_never_an_exception():
    bombs = [
        "a: &a [x]\n" + "b: &b [*a, *a]\n" * 50,
        "[" * 5000,
        "- " * 3000,
        "? ? ? a",
        "!!python/x y",
    ]
    bombs += ["kind: Club\nspec: 2026-13-45", "x" * (LETTERS + 1), "kind: [Club]", "{[1]: 2}"]
    for text in bombs:
        assert errors(text)


@given(st.text(max_size=80))
@settings(max_examples=150)
def test_any_text_gives_findings_and_never_an_exception(text):
    assert errors(text)


@given(st.integers(0, len(POLICY) - 1), st.sampled_from([":", "{", "}", '"', "-", "x", "\n", " "]))
@settings(max_examples=150, deadline=None)
def test_a_slip_of_the_pen_is_found_or_harmless(index, letter):
    text = POLICY[:index] + letter + POLICY[index + 1 :]
    if not errors(text):
        load_policy(text)


def test_a_rule_in_a_block_is_checked():
    assert errors(policy_text(rule("application.vouches > 1"))) == ()


def test_aliases_of_aliases_take_no_time() -> None:
    lines = ["a: &a [x, x]"]
    for one, other in pairwise("abcdefghijklmnopqrstuvwxyz"):
        lines.append(f"{other}: &{other} [{', '.join([f'*{one}'] * 9)}]")
    with pytest.raises(PolicyError):
        load_policy("\n".join(lines), "bomb.yaml")


def on_trial(mode: str) -> str:
    """POLICY with a second AdmissionPolicy, of this mode."""
    club, admission, pruning = POLICY.split("---\n")
    second = admission.replace("name: door", "name: wider-door").replace("spec:", f"spec:\n{mode}")
    return "---\n".join([club, second.replace("casino", "forex"), admission, pruning])


def test_a_second_document_in_audit_is_on_trial_and_decides_nothing():
    text = on_trial("  mode: audit").replace("message: own-words", "message: spam-words", 1)
    text = text.replace("  texts:", "  texts:\n    spam-words: {en: No.}")
    policy = load_policy(text)
    assert [(trial.kind, trial.name) for trial in policy.trials] == [
        ("AdmissionPolicy", "wider-door")
    ]
    facts = an_application(text="forex")
    assert policy.judge_application(facts, NOW).rule == "default"
    promoted = policy.promoted(policy.trials[0])
    assert promoted.judge_application(facts, NOW).rule == "spam"
    assert promoted.pruning == policy.pruning


@pytest.mark.parametrize("mode", ["", "  mode: enforce"])
def test_two_documents_in_force_are_refused(mode):
    text = on_trial(mode)
    second = [i for i, line in enumerate(text.split("\n"), 1) if line == "kind: AdmissionPolicy"][1]
    found = [(one.code, one.line) for one in errors(text)]
    assert found == [("trial-unclear", second - 1)]


def test_two_documents_in_audit_and_a_third_one_are_refused():
    head = "metadata: {name: door}\nspec:\n"
    text = on_trial("  mode: audit").replace(head, f"{head}  mode: audit\n")
    assert [one.code for one in errors(text)] == ["trial-unclear"]
    third = on_trial("  mode: audit") + "---\n" + POLICY.split("---\n")[1]
    assert [one.code for one in errors(third)] == ["kind-twice"]


def test_what_removes_is_in_audit_until_an_admin_writes_otherwise():
    unwritten = a_policy(("  mode: enforce\n", ""))
    assert unwritten.pruning.mode_in_force == "audit"
    assert unwritten.judge_member(a_member(grace_over=True), NOW).verdict == "keep"
    harmless = a_policy(("  mode: enforce\n", ""), ("action: remove", "action: notify"))
    assert harmless.pruning.mode_in_force == "enforce"
    assert a_policy().judge_member(a_member(grace_over=True), NOW).verdict == "remove"


def nodes_of(node: yaml.Node) -> list[object]:
    mark, end = node.start_mark, node.end_mark
    inside = node.value if isinstance(node.value, list) else []
    parts = [part for each in inside for part in (each if isinstance(each, tuple) else (each,))]
    scalar = (node.style or None, node.value) if isinstance(node, yaml.ScalarNode) else None
    places = (mark.index, mark.line, mark.column, end.index)
    return [(node.tag, *places, scalar), *(one for part in parts for one in nodes_of(part))]


@pytest.mark.parametrize("path", sorted(POLICIES.glob("*.yaml")), ids=lambda path: path.name)
def test_both_readers_find_the_same_places(path):
    text = path.read_text("utf-8")
    assert is_plain(text)
    both = (
        [nodes_of(node) for node in yaml.compose_all(text, Loader=loader)]
        for loader in (yaml.SafeLoader, yaml.CSafeLoader)
    )
    assert next(both) == next(both)


DEEP = ["[" * 5000, "{" * 100_000, "- " * 3000, "\ufeffa: 1", "a: [", "a: \x00", "a: \ud800"]


@pytest.mark.parametrize("text", DEEP, ids=range(len(DEEP)))
def test_what_the_fast_reader_would_fall_over_is_left_to_the_other(text):
    assert not is_plain(text)
