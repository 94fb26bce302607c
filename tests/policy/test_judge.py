"""What a policy says of applications and members."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.domain.decisions import Quorum, Verdict
from tests.policy.builders import NOW, a_member, a_policy, an_application, rule

POLICY = a_policy()


def results(ruling):
    return [(one.rule, one.matched, bool(one.fault), one.audit) for one in ruling.results]


def test_first_match_wins_and_every_result_is_kept():
    ruling = POLICY.judge_application(an_application(text="CASINO"), NOW)
    assert (ruling.verdict, ruling.rule, ruling.code) == (Verdict.DECLINE, "spam", "own-words")
    assert results(ruling) == [("spam", True, False, False), ("default", True, False, False)]
    assert ruling.policy == POLICY.digest


def test_review_gives_the_quorum():
    ruling = POLICY.judge_application(an_application(), NOW)
    assert (ruling.verdict, ruling.rule, ruling.code) == (Verdict.WAIT, "default", "in-review")
    assert ruling.quorum == Quorum(
        approvals=2,
        declines=1,
        remind_after=86_400.0,
        open_for=14 * 86_400.0,
        on_deadline=Verdict.DECLINE,
    )


def test_a_rule_may_change_the_quorum_and_name_the_involved():
    output = "{decision: review, review: {declines: 2, onDeadline: wait}, "
    output += 'involved: ["matrix:@ann:example.org"]}'
    policy = a_policy(("output: {decision: review}", f"output: {output}"))
    ruling = policy.judge_application(an_application(), NOW)
    assert ruling.quorum.approvals == 2
    assert ruling.quorum.declines == 2
    assert ruling.quorum.on_deadline is Verdict.WAIT
    assert ruling.involved == ("matrix:@ann:example.org",)


def test_a_decline_reason_is_told_in_its_own_words():
    policy = a_policy(
        ("message: own-words", "reason: not-a-fit"),
        ('    own-words: {en: "Your own words, {club}."}\n', "    kept: {en: x}\n"),
    )
    ruling = policy.judge_application(an_application(text="casino"), NOW)
    assert (ruling.code, ruling.reason) == ("declined", "not-a-fit")
    assert policy.say(ruling.code, ruling.values, "de").endswith("Wir passen nicht zusammen.")


def test_only_params_that_the_text_names_are_told():
    told = a_policy(
        ("Your own words, {club}.", "Wait {cooldown:duration}."),
    ).judge_application(an_application(text="casino"), NOW)
    assert told.values == {"cooldown": "30d"}
    assert "pattern" not in POLICY.judge_application(an_application(text="casino"), NOW).values


def test_an_explanation_is_a_value_of_the_sentence():
    policy = a_policy(rule("application.vouches == 0", explanation="application.text + '!'"))
    ruling = policy.judge_application(an_application(text="hello"), NOW)
    assert ruling.values["explanation"] == "hello!"


def test_an_explanation_of_what_cannot_be_read_changes_nothing():
    """An answer from before its question changed its kind, which no rule looks at."""
    asked = "has(application.answers.age) ? string(application.answers.age) : ''"
    variable = "    - {name: known_for, expression: now - application.first_seen_at}\n"
    policy = a_policy(
        rule("application.vouches == 0", explanation=f'"{asked}"'),
        (f"  variables:\n{variable}", ""),
    )
    facts = an_application(answers={"why": "gardens", "age": "old"})
    ruling = policy.judge_application(facts, NOW)
    assert ruling.verdict is Verdict.ADMIT
    assert "explanation" not in ruling.values
    assert not any(one.fault for one in ruling.results)


def test_a_faulty_explanation_changes_nothing():
    policy = a_policy(
        rule("application.vouches == 0", explanation="application.text.substring(99)")
    )
    ruling = policy.judge_application(an_application(), NOW)
    assert (ruling.verdict, ruling.values) == (Verdict.ADMIT, {})


FAULTS = ["1 / application.links == 1", "application.text.substring(99) == 'x'"]


@pytest.mark.parametrize("condition", FAULTS)
def test_a_fault_sends_an_application_to_the_admins(condition):
    ruling = a_policy(rule(condition)).judge_application(an_application(text="casino"), NOW)
    assert (ruling.verdict, ruling.rule, ruling.code) == (Verdict.WAIT, "", "rule-fault")
    assert results(ruling)[:2] == [("tried", None, True, False), ("spam", True, False, False)]
    assert ruling.quorum is not None


def test_a_fault_behind_the_rule_that_fired_is_shown_and_changes_nothing():
    last = "      - id: default\n        output: {decision: review}\n"
    faulty = "      - id: faulty\n        condition: 1 / application.links > 1\n"
    policy = a_policy(
        ("application.text.matches(params.pattern)", "application.vouches > 0"),
        (last, faulty + "        output: {decision: admit}\n" + last),
    )
    ruling = policy.judge_application(an_application(vouches=1), NOW)
    assert (ruling.verdict, ruling.rule) == (Verdict.DECLINE, "spam")
    assert ("faulty", None, True, False) in results(ruling)


def test_a_fault_keeps_a_member():
    policy = a_policy(("member.grace_over", "1 / member.reads_30d == 1"))
    ruling = policy.judge_member(a_member(silent=timedelta(days=400)), NOW)
    assert (ruling.verdict, ruling.rule, ruling.code) == (Verdict.KEEP, "", "rule-fault")
    assert ("quiet", True, False, False) in results(ruling)


def test_a_fault_in_an_exclusion_keeps_a_member():
    policy = a_policy(("condition: member.admin", "condition: 1 / member.reads_30d == 1"))
    ruling = policy.judge_member(a_member(grace_over=True), NOW)
    assert (ruling.verdict, ruling.code) == (Verdict.KEEP, "rule-fault")


def test_missing_required_answers_are_a_fault_and_not_a_verdict():
    """A knock has no answers yet: a rule about them decides nothing."""
    policy = a_policy(rule("size(application.answers.why) < 80", "decline"))
    ruling = policy.judge_application(an_application(answers={}), NOW)
    assert (ruling.verdict, ruling.code) == (Verdict.WAIT, "rule-fault")


@given(
    links=st.integers(0, 3),
    text=st.text(max_size=20),
    before=st.sampled_from(["admit", "decline", "review"]),
)
@settings(max_examples=60, deadline=None)
def test_a_fault_never_admits(links, text, before):
    policy = _FAULTY[before]
    ruling = policy.judge_application(an_application(links=links, text=text), NOW)
    if any(one.matched is None for one in ruling.results):
        assert ruling.verdict is Verdict.WAIT
        assert any(one.fault for one in ruling.results)


_FAULTY = {
    decision: a_policy(rule("10 / application.links > size(application.text)", decision))
    for decision in ("admit", "decline", "review")
}
_FAULTY_MEMBERS = a_policy(("member.grace_over", "10 / member.reads_30d > member.messages_30d"))


@given(reads=st.integers(0, 2), messages=st.integers(0, 20), silent=st.timedeltas(timedelta(0)))
@settings(max_examples=100, deadline=None)
def test_a_fault_never_removes(reads, messages, silent):
    facts = a_member(reads_30d=reads, messages_30d=messages, silent=silent)
    ruling = _FAULTY_MEMBERS.judge_member(facts, NOW)
    if ruling.results[1].matched is None:
        assert ruling.verdict is Verdict.KEEP


def test_the_same_facts_give_the_same_ruling():
    facts = an_application(text="casino")
    assert POLICY.judge_application(facts, NOW) == a_policy().judge_application(facts, NOW)


def test_a_rule_in_audit_is_shown_and_never_applied():
    policy = a_policy(rule("true", mode="audit"))
    ruling = policy.judge_application(an_application(), NOW)
    assert ruling.rule == "default"
    assert results(ruling)[0] == ("tried", True, False, True)


def test_a_faulty_rule_in_audit_decides_nothing():
    policy = a_policy(rule("1 / application.links == 1", mode="audit"))
    ruling = policy.judge_application(an_application(), NOW)
    assert (ruling.rule, ruling.code) == ("default", "in-review")


def test_a_policy_in_audit_leaves_all_to_people():
    policy = a_policy(("  params: {cooldown", "  mode: audit\n  params: {cooldown"),
                      ("  mode: enforce", "  mode: audit"))  # fmt: skip
    ruling = policy.judge_application(an_application(text="casino"), NOW)
    assert (ruling.verdict, ruling.rule) == (Verdict.WAIT, "")
    assert results(ruling)[0] == ("spam", True, False, True)
    member = policy.judge_member(a_member(grace_over=True), NOW)
    assert (member.verdict, member.rule, member.code) == (Verdict.KEEP, "", "kept")
    assert all(one.audit for one in member.results)


MEMBERS = [
    ({}, Verdict.KEEP, "", "kept"),
    ({"silent": timedelta(days=91)}, Verdict.NOTIFY, "quiet", "silent-notice"),
    ({"silent": timedelta(days=90)}, Verdict.KEEP, "", "kept"),
    ({"grace_over": True}, Verdict.REMOVE, "over", "silent-removal"),
    ({"grace_over": True, "admin": True}, Verdict.KEEP, "staff", "excluded"),
]


@pytest.mark.parametrize(("facts", "verdict", "rule_id", "code"), MEMBERS)
def test_members(facts, verdict, rule_id, code):
    ruling = POLICY.judge_member(a_member(**facts), NOW)
    assert (ruling.verdict, ruling.rule, ruling.code) == (verdict, rule_id, code)


def test_a_naive_now_is_refused():
    with pytest.raises(ValueError, match="without a zone"):
        POLICY.judge_application(an_application(), NOW.replace(tzinfo=None))


def test_say_speaks_the_clubs_words_and_falls_back_to_its_language():
    assert POLICY.say("own-words") == "Your own words, house."
    assert POLICY.say("own-words", {}, "de") == "Your own words, house."
    assert POLICY.say("kept", {}, "fr") == POLICY.say("kept", {}, "en")
    assert POLICY.say("kept", {}, "de") != POLICY.say("kept", {}, "en")
    assert POLICY.say("nobody-knows") == "[nobody-knows]"


# ---- answers -----------------------------------------------------------------------------------


def test_an_inspection_shows_every_rule_with_its_atoms():
    facts = an_application(answers={"why": "x"})
    policy = a_policy()
    seen = policy.look_into(facts, NOW)
    assert seen.ruling == policy.judge_application(facts, NOW)
    assert [look.rule for look in seen.rules] == [one.rule for one in seen.ruling.results]
    assert all(
        bool(look.atoms) == bool(one.condition)
        for look, one in zip(seen.rules, policy.admission_rules.match, strict=True)
    )
