"""The smallest change: what is said is true, and the smallest of its kind."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.domain.decisions import Verdict
from gatekeeper.policy.counterfactual import find_turns
from gatekeeper.policy.explain import advise, explain
from gatekeeper.policy.otherwise import State, applied_again, apply
from tests.policy.builders import NOW, a_member, a_policy, an_application, rule

DAYS = timedelta(days=1)
ADMIT, WAIT, DECLINE = Verdict.ADMIT, Verdict.WAIT, Verdict.DECLINE
ALL = (ADMIT, WAIT, DECLINE, Verdict.KEEP, Verdict.NOTIFY, Verdict.REMOVE)


def turns(policy, facts, language="en"):
    return [turn.sentence for turn in explain(policy, facts, NOW, language).turns]


def written(length, **more):
    """An application whose answer has so many letters, with the text that follows from it."""
    answer = ("a garden " * 200)[:length].strip().ljust(length, "s")
    return an_application(answers={"why": answer}, text=answer, **more)


TURNS = [
    ("size(application.answers.why) < 80", "decline", written(42), "It would come before the "
     "admins with: 38 more letters in the answer to “Why?”."),
    ("size(application.answers.why) > 80", "decline", written(82), "It would come before the "
     "admins with: 2 letters less in the answer to “Why?”."),
    ("size(application.text) < 80", "decline", written(42), "It would come before the admins "
     "with: 38 more letters in the answer to “Why?”."),
    ("application.vouches >= 3", "admit", written(42, vouches=2), "It would be admitted with: "
     "one more vouch."),
    ("application.objections > 0", "decline", written(42, objections=2), "It would come before "
     "the admins with: 2 objections less."),
    ("has(application.last_declined_at) && now - application.last_declined_at < duration('30d')",
     "decline", written(42, last_declined_at=NOW - 12 * DAYS), "It would come before the admins "
     "with: waiting until 19 March 2026, 13:00 GMT+01:00 (18 days)."),
    ("!application.proven", "decline", written(42, proven=False), "It would come before the "
     "admins with: account proven: yes instead of no."),
    ("has(application.answers.age) && application.answers.age < 18", "decline",
     an_application(answers={"why": "x", "age": 16}, text="x"), "It would come before the admins "
     "with: the answer to “How old?”: 18 instead of 16."),
    ("application.vouches >= 3 && size(application.answers.why) >= 80", "admit",
     written(42, vouches=2), "It would be admitted with: 38 more letters in the answer to “Why?”; "
     "one more vouch."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "decision", "facts", "said"), TURNS, ids=[each[0] for each in TURNS]
)
def test_a_small_change_is_found(condition, decision, facts, said):
    assert said in turns(a_policy(rule(condition, decision)), facts)


def test_nothing_is_said_where_nothing_honest_is_found():
    policy = a_policy(rule("application.server == 'spam.example'", "decline"))
    facts = an_application(server="spam.example")
    assert turns(policy, facts) == []
    assert "No small change" in explain(policy, facts, NOW).lines()[-1]


def test_links_fall_with_the_letters_around_them_left_alone():
    answer = "see https://a.example and https://b.example"
    policy = a_policy(rule("application.links > 1", "decline"))
    facts = an_application(answers={"why": answer}, text=answer, links=2)
    said = "It would come before the admins with: one link less."
    assert turns(policy, facts)[0] == said


def test_an_answer_grows_only_as_far_as_its_question_takes_it():
    change = ('label: "Why?", required: true', 'label: "Why?", required: true, maxLength: 60')
    policy = a_policy(rule("size(application.answers.why) < 80", "decline"), change)
    assert turns(policy, written(42)) == []


def test_facts_that_do_not_fit_together_are_not_played_with():
    policy = a_policy(rule("size(application.answers.why) < 80", "decline"))
    facts = an_application(answers={"why": "short"}, text="something else")
    assert turns(policy, facts) == []


MEMBERS = [
    (a_member(silent=100 * DAYS), "They would be let be with: a sign of life."),
    (a_member(silent=80 * DAYS), "They would be asked with: silence until 11 March 2026, 13:01 "
     "GMT+01:00 (11 days)."),
    (a_member(silent=100 * DAYS, noticed_at=NOW - 5 * DAYS), "The rules would say remove with: "
     "silence until 10 March 2026, 13:00 GMT+01:00 (9 days)."),
    (a_member(silent=110 * DAYS, noticed_at=NOW - 15 * DAYS, grace_over=True), "They would be let "
     "be with: a sign of life."),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "said"), MEMBERS, ids=["quiet", "soon", "noticed", "over"])
def test_members(facts, said):
    assert said in turns(a_policy(), facts)


def test_a_wait_is_not_foretold_where_it_hangs_on_what_others_do():
    policy = a_policy(
        ("member.silent > duration('90d')", "member.silent > duration('90d') && "
         "member.messages_30d > 3")
    )  # fmt: skip
    facts = a_member(silent=80 * DAYS, messages_30d=4)
    assert not any("silence" in said for said in turns(policy, facts))


@settings(max_examples=60, deadline=None)
@given(
    letters=st.integers(1, 150),
    vouches=st.integers(0, 4),
    declined=st.none() | st.integers(0, 40),
    asked=st.integers(1, 120),
    wanted=st.integers(1, 4),
)
def test_whatever_is_found_is_true(letters, vouches, declined, asked, wanted):
    """Each change is applied anew, and the policy says what was promised."""
    policy = a_policy(
        rule(
            "has(application.last_declined_at) && "
            "now - application.last_declined_at < params.cooldown || "
            f"size(application.answers.why) < {asked}",
            "decline",
        ),
        (
            "      - id: spam\n",
            f"      - id: vouched\n        condition: application.vouches >= {wanted}\n"
            "        output: {decision: admit}\n      - id: spam\n",
        ),
    )
    at = None if declined is None else NOW - declined * DAYS
    facts = written(letters, vouches=vouches, last_declined_at=at)
    have = policy.judge_application(facts, NOW).verdict
    others = tuple(verdict for verdict in ALL if verdict is not have)
    for turn in find_turns(policy, facts, NOW, others):
        state = State(facts, NOW)
        for change in turn.changes:
            state = apply(policy, state, change)
        assert policy.judge_application(state.facts, state.now).verdict is turn.verdict
        assert 1 <= len(turn.changes) <= 2


class Counting:
    """A policy that counts how often it judges."""

    def __init__(self, policy):
        self.policy, self.count = policy, 0

    def __getattr__(self, name):
        return getattr(self.policy, name)

    def judge(self, facts, now):
        self.count += 1
        return self.policy.judge(facts, now)


def test_tries_are_bounded():
    many = " || ".join(f"size(application.answers.why) == {n}" for n in range(1, 50))
    policy = Counting(a_policy(rule(many, "decline")))
    find_turns(policy, written(9), NOW, (ADMIT,), tries=30)
    assert policy.count == 30
    long = "".join(
        f"      - id: r-{n}\n        condition: application.links > {n + 9} && "
        f"application.vouches > {n}\n        output: {{decision: decline}}\n"
        for n in range(120)
    )
    policy = Counting(a_policy(("      - id: spam\n", long + "      - id: spam\n")))
    find_turns(policy, written(9), NOW, (ADMIT,))
    assert 20 < policy.count < 60


# ---- Applying again -----------------------------------------------------------------------------

COOLDOWN = rule(
    "has(application.last_declined_at) && now - application.last_declined_at < params.cooldown",
    "decline",
)
THIN = (
    "      - id: spam\n",
    "      - id: thin\n        condition: size(application.answers.why) < 80\n"
    "        output: {decision: decline}\n      - id: spam\n",
)


def test_a_new_application_counts_the_decline_of_this_one():
    facts = written(42, last_declined_at=NOW - 12 * DAYS, vouches=2)
    again = applied_again(facts, NOW, NOW)
    assert (again.earlier_applications, again.earlier_declines, again.vouches) == (1, 1, 0)
    said = advise(a_policy(COOLDOWN), facts, NOW, "en", declined_at=NOW)
    assert said == (
        "From 31 March 2026, 14:00 GMT+02:00 on, the rules would not decline a new application."
    )


def test_advice_takes_all_that_stands_in_the_way():
    said = advise(a_policy(COOLDOWN, THIN), written(42), NOW, "en", declined_at=NOW)
    assert "38 more letters in the answer to “Why?”; waiting until 31 March" in said
    later = NOW + 31 * DAYS
    said = advise(a_policy(COOLDOWN, THIN), written(42), later, "en", declined_at=NOW)
    assert said.endswith("come before the admins with: 38 more letters in the answer to “Why?”.")
    said = advise(a_policy(COOLDOWN), written(42), later, "en", declined_at=NOW)
    assert said == "The rules would not decline a new application now."


def test_advice_never_helps_past_what_is_hidden():
    policy = a_policy(rule("application.server == 'x.org'", "decline"))
    assert advise(policy, written(42, server="x.org"), NOW, "en", declined_at=NOW) == ""
