"""Atoms in words, and who may read them."""

from datetime import UTC, datetime, timedelta

import pytest

from gatekeeper.policy.explain import explain
from gatekeeper.policy.facts import ApplicationFacts, MemberFacts, subject_of
from gatekeeper.policy.texts import codes, languages
from gatekeeper.policy.unfold import look_into
from gatekeeper.policy.wording import LIST_ITEMS, PUBLIC, TEXT_LETTERS, Wording, is_public
from tests.policy.builders import NOW, a_member, a_policy, an_application, rule

DAYS = timedelta(days=1)
FIRST = datetime(1, 1, 1, tzinfo=UTC)


def sentences(condition, facts, language="en", decision="decline", *, admin=True):
    """The atoms of one tried rule, in words."""
    policy = a_policy(rule(condition, decision))
    look = next(e for e in look_into(policy, facts, NOW).rules if e.rule == "tried")
    wording = Wording(policy, policy.rules_for(subject_of(facts)), facts, language, admin=admin)
    if not admin:
        rules = policy.rules_for(subject_of(facts))
        return [wording.atom(seen) for seen in look.atoms if is_public(seen, rules)]
    return [wording.atom(seen) for seen in look.atoms]


def told(condition, facts, decision="decline", language="en"):
    """The same as an explanation tells them, with what is asked or allowed."""
    found = explain(a_policy(rule(condition, decision)), facts, NOW, language, tries=0)
    return [atom.sentence for atom in found.rules[0].atoms]


def test_every_fact_has_a_name_in_every_language():
    for language in languages():
        for subject, model in (("application", ApplicationFacts), ("member", MemberFacts)):
            names = {f"field.{subject}.{name}" for name in model.model_fields}
            assert names <= codes(language)


def test_what_a_person_may_read_are_facts():
    assert PUBLIC["application"] < set(ApplicationFacts.model_fields)
    assert PUBLIC["member"] < set(MemberFacts.model_fields)


FAULTS = [
    ("10 / application.links < 5", {"links": 0}, "divide by zero", "links: 0"),
    ("application.text.matches(application.reason)", {"reason": "("}, "missing )", "“(”"),
    ("now - application.account_created_at > duration('1d')", {"account_created_at": FIRST}, "",
     "0001-01-01"),
    ("application.links % (variables.known_for < duration('0s') ? 1 : 0) > 1", {}, "",
     "account first seen: 28 February 2026"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "facts", "fault", "seen"), FAULTS, ids=lambda one: str(one))
def test_a_fault_is_told_with_the_facts_it_came_from(condition, facts, fault, seen):
    guard = "has(application.account_created_at) && " if "account" in condition else ""
    said = sentences(guard + condition, an_application(**facts))[-1]
    assert "could not be evaluated" in said
    assert fault in said
    assert seen in said


SAID = [
    ("size(application.answers.why) < 80", "the answer to “Why?” has 7 letters, less than 80"),
    ("application.answers.why.size() >= 80", "the answer to “Why?” has 7 letters, less than 80"),
    ("80 > size(application.answers.why)", "the answer to “Why?” has 7 letters, less than 80"),
    ("application.vouches >= 3", "vouches: 2, less than 3"),
    ("application.vouches > 1", "vouches: 2, more than 1"),
    ("application.vouches == 2", "vouches: 2"),
    ("application.vouches != 2", "vouches: 2"),
    ("application.vouches == 5", "vouches: 2, not 5"),
    (
        "has(application.last_declined_at) && "
        "now - application.last_declined_at < params.cooldown",
        "last declined: 12 days ago, less than 30 days (params.cooldown)",
    ),
    ("variables.known_for > duration('1d')", "account first seen: 1 day ago, at most 1 day"),
    (
        "application.submitted_at - application.first_seen_at > duration('2d')",
        "sent and account first seen: 1 day apart, at most 2 days",
    ),
    ("application.proven", "account proven: yes"),
    ("!application.was_member", "was inside before: no"),
    ("has(application.account_created_at)", "account made: not there"),
    ("application.origin == 'knock'", "way in: “web”, not “knock”"),
    ("application.server in ['a.org', 'b.org']", "server of the account (“c.org”) is not among "
     "“a.org”, “b.org”"),
    ("'matrix:@bo:c.org' in application.sponsors", "“matrix:@bo:c.org” is among those who vouch "
     "(“matrix:@bo:c.org”, “matrix:@cy:c.org”)"),
    ("application.text.matches('(?i)forex')", "all that was typed (“gardens”) does not match the "
     "pattern “(?i)forex”"),
    ("application.text.contains(params.pattern)", "all that was typed (“gardens”) does not "
     "contain “(?i)casino” (params.pattern)"),
    ("application.display_name.startsWith('A')", "shown name (“Ada”) begins with “A”"),
    ("application.sponsors.exists(s, s.endsWith(':c.org'))",
     "application.sponsors.exists(s, s.endsWith(':c.org')): holds"),
]  # fmt: skip

FACTS = {
    "text": "gardens",
    "display_name": "Ada",
    "server": "c.org",
    "vouches": 2,
    "sponsors": ("matrix:@bo:c.org", "matrix:@cy:c.org"),
    "last_declined_at": NOW - 12 * DAYS,
}


@pytest.mark.parametrize(("condition", "said"), SAID, ids=[c for c, _ in SAID])
def test_an_atom_tells_what_it_saw(condition, said):
    assert sentences(condition, an_application(**FACTS))[-1] == said


ASKED = [
    ("size(application.answers.why) < 80", "decline", "the answer to “Why?” has 7 letters, "
     "80 are asked"),
    ("size(application.answers.why) >= 80", "admit", "the answer to “Why?” has 7 letters, "
     "80 are asked"),
    ("application.vouches >= 3", "admit", "2 of 3 vouches"),
    ("application.vouches > 2", "admit", "vouches: 2, more than 2 are asked"),
    ("application.vouches >= 3", "review", "vouches: 2, less than 3"),
    ("application.links > 1", "decline", "links: 4, at most 1 is allowed"),
    ("application.links >= 3", "decline", "links: 4, less than 3 are allowed"),
    ("has(application.last_declined_at) && now - application.last_declined_at < duration('30d')",
     "decline", "last declined: 12 days ago, 30 days are asked"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "decision", "said"), ASKED, ids=[a[0] for a in ASKED])
def test_what_stands_against_somebody_is_told_as_what_is_asked(condition, decision, said):
    assert told(condition, an_application(**FACTS, links=4), decision)[-1] == said


def test_the_same_in_german_with_the_question_as_it_is_asked_there():
    facts = an_application(**FACTS)
    condition = "size(application.answers.why) < 80"
    assert told(condition, facts, language="de") == [
        "die Antwort auf „Why?“ hat 7 Zeichen, 80 sind gefragt"
    ]
    assert told("application.vouches >= 3", facts, "admit", "de") == ["2 von 3 Fürsprachen"]


def test_members_with_dates_beside_a_yes():
    policy = a_policy(("condition: member.admin", "condition: member.on_leave"))
    facts = a_member(on_leave=True, on_leave_until=NOW + 31 * DAYS, seen_share=0.5)
    said = explain(policy, facts, NOW).rules[0].atoms[0].sentence
    assert said == "on leave: yes, until 1 April 2026, 14:00 GMT+02:00"
    assert Wording(policy, policy.pruning_rules, facts).value(0.5, ("member", "seen_share")) == (
        "50 %"
    )


HIDDEN = [
    "application.text.matches('(?i)forex')",
    "application.text.contains('casino')",
    "application.server in ['a.org', 'b.org']",
    "application.server == 'a.org'",
    "application.answers.why == 'gardens'",
    "'matrix:@bo:c.org' in application.sponsors",
    "application.sponsors.exists(s, s.endsWith(':c.org'))",
    "size(application.sponsors) > 1",
    "application.objections > 0",
    "application.was_removed",
]


@pytest.mark.parametrize("condition", HIDDEN)
def test_nothing_that_is_not_theirs_is_read_by_the_person(condition):
    assert sentences(condition, an_application(**FACTS), admin=False) == []


def test_params_are_named_to_admins_alone():
    facts = an_application(**FACTS)
    condition = (
        "has(application.last_declined_at) && now - application.last_declined_at < params.cooldown"
    )
    said = sentences(condition, facts, admin=False)
    assert said == ["last declined: there", "last declined: 12 days ago, less than 30 days"]


def test_long_texts_and_lists_are_cut_and_stay_on_a_line():
    facts = an_application(text="gar\ndens " * 99)
    said = sentences("application.text.contains('gar')", facts)[0]
    assert "\n" not in said
    assert len(said) < TEXT_LETTERS + 60
    many = ", ".join(f"'{number}.org'" for number in range(20))
    said = sentences(f"application.server in [{many}]", facts)[0]
    assert said.endswith(f"and {20 - LIST_ITEMS} more")


def test_faults_and_what_is_absent_are_told():
    facts = an_application()
    said = sentences("application.links / application.vouches > 1", facts)[0]
    assert said.startswith("application.links / application.vouches > 1: could not be evaluated (")
    condition = (
        "has(application.account_created_at) && "
        "now - application.account_created_at < duration('9d')"
    )
    assert sentences(condition, facts)[-1] == "account made: not there"
