"""What changed between two versions, in words."""

import re
from pathlib import Path

import pytest

from gatekeeper.policy import compare as module
from gatekeeper.policy.compare import compare, words
from gatekeeper.policy.parse import load_policy
from gatekeeper.policy.texts import codes
from tests.policy.builders import POLICY, a_policy, policy_text

EXPLAINED = '        explanation: "string(application.links)"\n'
SPAM = "        condition: application.text.matches(params.pattern)\n"
NEW_RULE = "      - id: new\n        condition: application.links > 3\n"
OLD = 'label: "How old?"}'
REVIEW = "        output: {decision: review}\n"

CHANGES = [  # old, new, the codes in order, and something that is said
    (("mode: enforce", "mode: audit"), ["diff-audited"], "only shows"),
    (("{action: remove}\n", "{action: notify}\n"), ["diff-rule-output"], "{action: remove} → {"),
    (('"matrix:@ben:example.org"', '"matrix:@eve:example.org"'),
     ["diff-admin-added", "diff-admin-removed"], "matrix:@eve:example.org may decide now."),
    (("  admins:\n", "  admins:\n    powerLevel: 50\n"), ["diff-power-level"], "— → 50"),
    (("  admins:\n", "  admins:\n    userGroup: S1\n"), ["diff-user-group"], "— → S1"),
    (("      - id: spam\n", f"{NEW_RULE}{REVIEW}      - id: spam\n"), ["diff-rule-added"],
     "new rule new in place 1: when application.links > 3, then {decision: review}"),
    (("      - id: spam\n", f"{NEW_RULE}{REVIEW}        mode: audit\n      - id: spam\n"),
     ["diff-rule-added-audit"], "only shown"),
    (("        output: {action: notify}\n", "        output: {action: notify}\n"
      "      - {id: end, output: {action: keep}}\n"), ["diff-rule-added-always"], "always {action"),
    ((SPAM, SPAM + EXPLAINED), ["diff-rule-explanation"], "string(application.links)"),
    ((SPAM, SPAM + "        mode: audit\n"), ["diff-rule-audited"], "spam no longer decides"),
    (("duration('90d')", "duration('60d')"), ["diff-atom-changed"],
     "asks member.silent > duration('60d') instead of member.silent > duration('90d')"),
    (("member.grace_over\n", "member.grace_over && has(member.noticed_at)\n"),
     ["diff-atom-added", "diff-condition-joined"], "now asks has(member.noticed_at)"),
    (("condition: member.admin", "condition: member.bot"),
     ["diff-atom-added", "diff-atom-removed"], "no longer asks member.admin"),
    (("condition: member.admin}", "condition: member.admin}\n    "
      "- {id: bot, condition: member.bot}"), ["diff-exclusion-added"], "now passed over (bot)"),
    (("cooldown: 30d", "cooldown: 6w"), ["diff-param-changed-duration"], "30 days → 42 days"),
    (("cooldown: 30d", "cooldown: 3"), ["diff-param-changed"], "cooldown: 30d → 3"),
    (("cooldown: 30d", "cooldown: 30d, most: 3"), ["diff-param-added"], "new param most: 3"),
    (("cooldown: 30d", "cooldown: 30d, rest: 2d"), ["diff-param-added-duration"], "rest: 2 days"),
    (("expression: now -", "expression: now - duration('1d') -"), ["diff-variable-changed"],
     "duration('1d')"),
    (("approvals: 2", "approvals: 1"), ["diff-approvals"], "Votes that admit: 2 → 1"),
    (("approvals: 2", "approvals: 2, declines: 2"), ["diff-declines"], "1 → 2"),
    (("approvals: 2", "approvals: 2, remindAfter: 2d"), ["diff-remind-after"], "1 day → 2 days"),
    (("approvals: 2", "approvals: 2, openFor: null"), ["diff-open-for"], "14 days → —"),
    (("approvals: 2", "approvals: 2, onDeadline: wait"), ["diff-on-deadline"], "decline → wait"),
    (("approvals: 2", "approvals: 2, interview: true"), ["diff-field"],
     "review.interview: false → true"),
    (("0 6 * * MON", "0 7 * * MON"), ["diff-schedule"], "0 6 * * MON → 0 7 * * MON"),
    (("  exclude:", "  timeZone: UTC\n  exclude:"), ["diff-time-zone"], "UTC"),
    (("  exclude:", "  grace: 1w\n  exclude:"), ["diff-grace"], "14 days → 7 days"),
    (("  exclude:", "  settle: 1w\n  exclude:"), ["diff-settle"], "30 days → 7 days"),
    (("  exclude:", "  confirm: none\n  exclude:"), ["diff-confirm"], "admins → none"),
    (("  exclude:", "  maxAffected: {count: 5, percent: null}\n  exclude:"),
     ["diff-brake-count", "diff-brake-percent"], "— → 5"),
    (("  texts:", "  welcome: {after: 1h}\n  texts:"), ["diff-field-duration"],
     "welcome.after: 10 minutes → 1 hour"),
    ((OLD, f"{OLD}\n      - {{id: extra, kind: text, label: More}}"),
     ["diff-question-added"], "in place 3: More (extra)"),
    ((OLD, f"{OLD}\n      - {{id: extra, kind: text, label: More, required: true}}"),
     ["diff-question-added-required"], "needs an answer"),
    (('"Why?", required: true', '"Why you?"'), ["diff-question-changed"] * 2,
     "label: Why? → Why you?"),
    (("We do not fit.", "We differ."), ["diff-reason-changed"], "We differ., not We do not fit."),
    (("Wir passen nicht zusammen.", "Nein."), ["diff-field"], "translations.de: Wir passen"),
    (("Your own words, {club}.", "Words."), ["diff-text-changed"], "own-words (en): Words."),
    (("{alias: talk}]", "{alias: chat}]"), ["diff-room-added", "diff-room-removed"], "room chat"),
    (("{alias: talk}]", "{alias: talk, topic: All}]"), ["diff-field"], "rooms.talk.topic:"),
    (("metadata: {name: house}", "metadata: {name: home}"), ["diff-field"], "house → home"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "wanted", "said"), CHANGES, ids=[f"{c[1][0]}-{n}" for n, c in enumerate(CHANGES)]
)
def test_what_changed_is_told(change, wanted, said):
    old, new = a_policy(), a_policy(change)
    found = compare(old, new)
    assert [one.code for one in found if one.code != "diff-can-remove"] == wanted
    assert said in "\n".join(one.sentence() for one in found)
    for language in ("en", "de"):
        for line in words(old, new, language):
            assert not re.search(r"\[diff-|\{(?:old|new|document|id|name|place|path)", line), line


def test_what_was_added_is_removed_the_other_way_round():
    for change, wanted, _ in CHANGES:
        back = {one.code for one in compare(a_policy(change), a_policy())}
        for code in wanted:
            ended = code.removesuffix("-required").removesuffix("-audit")
            other = re.sub("-added(?=$|-always|-duration)", "-removed", ended)
            if code.endswith("audited"):
                other = code.replace("audited", "enforced")
            assert {other, other.replace("-removed", "-added")} & back, (change, back)


LISTS = ("params: {cooldown: 30d", "params: {words: [a, b], cooldown: 30d")


def test_lists_are_told_by_what_came_and_went():
    old = a_policy(LISTS)
    longer = a_policy((LISTS[0], LISTS[1].replace("[a, b]", "[b, c]")))
    turned = a_policy((LISTS[0], LISTS[1].replace("[a, b]", "[b, a]")))
    assert [line.split(": ", 1)[1] for line in words(old, longer)] == [
        "words has these too now: [c]",
        "words has these no longer: [a]",
    ]
    assert [one.code for one in compare(old, turned)] == ["diff-param-list-order"]


def test_a_rule_that_moved_is_told_alone():
    one, two = (f"      - {{id: {name}, condition: application.links == {n}, output: "
                "{decision: review}}\n" for n, name in enumerate(("one", "two")))  # fmt: skip
    three = one.replace("one", "three").replace("== 0", "== 9")
    here = "      - id: spam\n"
    old, new = (
        a_policy((here, one + two + three + here)),
        a_policy((here, three + one + two + here)),
    )
    assert words(old, new) == ("AdmissionPolicy: the rule three stands in place 1 now, not 3.",)


def test_what_newly_acts_is_told_first():
    old = a_policy(("  mode: enforce\n", ""), ("cooldown: 30d", "cooldown: 31d"))
    assert [one.code for one in compare(old, a_policy())] == [
        "diff-enforced",
        "diff-can-remove",
        "diff-param-changed-duration",
    ]


def test_trials_are_told_until_they_are_in_force():
    club, admission, pruning = POLICY.split("---\n")
    second = admission.replace("name: door", "name: wider").replace("spec:", "spec:\n  mode: audit")
    second = second.replace("matches(params.pattern)", "contains('forex')")
    on_trial = "---\n".join([club, admission, second, pruning])
    old, trial = a_policy(), load_policy(on_trial)
    promoted = load_policy("---\n".join([club, second.replace("mode: audit", ""), pruning]))
    assert [one.code for one in compare(old, trial)] == ["diff-trial-added"]
    assert [one.code for one in compare(trial, old)] == ["diff-trial-gone"]
    assert [one.code for one in compare(trial, promoted)][:2] == [
        "diff-trial-in-force",
        "diff-trial-gone",
    ]
    wider = load_policy(on_trial.replace("contains('forex')", "contains('coin')"))
    assert [one.values["document"] for one in compare(trial, wider)] == ["AdmissionPolicy wider"]


def test_comments_are_no_change():
    new = load_policy("# hello\n" + policy_text())
    assert compare(a_policy(), new) == ()
    assert words(a_policy(), new) == ("Nothing has changed but the wording of the file.",)


def test_every_change_has_its_sentence():
    source = Path(str(module.__file__)).read_text("utf-8")
    named = set(re.findall(r'"(diff-[a-z-]+)"', source))
    assert {code for code in named if f"{code}-added" not in codes()} <= codes()
