"""What rules said, as sentences."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.domain.decisions import RuleResult
from gatekeeper.policy.atoms import Atom, AtomValue, Operand, Shape
from gatekeeper.policy.decisive import decisive, enough, truth
from gatekeeper.policy.explain import because, explain, explain_results
from tests.policy.builders import NOW, a_member, a_policy, an_application, rule

RESULTS = (
    RuleResult("first", False),
    RuleResult("shadow", True, "", True),
    RuleResult("second", True),
    RuleResult("third", True),
    RuleResult("broken", None, "divide by zero"),
)


def test_each_rule_is_told_and_the_one_that_decided_named():
    assert explain_results(RESULTS) == (
        "Rule first: does not match.",
        "Rule shadow: would match; it is only on trial.",
        "Rule second: fired.",
        "Rule third: matches, an earlier one decided.",
        "Rule broken: could not be evaluated (divide by zero).",
    )
    assert explain_results(RESULTS, "de")[2] == "Regel second: hat entschieden."


def test_a_fault_before_a_match_is_what_decided():
    results = (RuleResult("broken", None, "x"), RuleResult("late", True))
    assert "earlier" in explain_results(results)[1]


def explained(condition, facts=None, decision="admit", variables="", language="en"):
    """The first rule of an explanation."""
    change = ("    - {name: known_for,", f"{variables}    - {{name: known_for,")
    policy = a_policy(rule(condition, decision), change)
    return explain(policy, facts or an_application(vouches=1), NOW, language)


ENOUGH = (
    "    - {name: enough, expression: application.vouches >= 2}\n"
    "    - {name: fine, expression: variables.enough && !application.was_member}\n"
)


def test_variables_that_are_true_or_false_are_taken_apart():
    told = explained("variables.fine || application.objections > 3", variables=ENOUGH)
    atoms = [atom.sentence for atom in told.rules[0].atoms]
    assert atoms == ["1 of 2 vouches", "was inside before: no", "objections: 0, more than 3 are "
                     "asked"]  # fmt: skip
    assert told.turns[0].sentence == "It would be admitted with: one more vouch."


DECISIVE = [
    ("application.vouches >= 2 && application.proven", [True, False]),
    ("application.vouches >= 1 || application.proven", [True, True]),
    ("application.vouches >= 2 || application.proven", [False, True]),
    ("!(application.vouches >= 1 && application.was_member)", [False, True]),
    ("application.proven ? application.vouches >= 1 : application.was_member", [True, True, False]),
    ("application.vouches >= 2 && (application.was_member || application.was_removed)",
     [True, True, True]),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "decisive"), DECISIVE, ids=[c for c, _ in DECISIVE])
def test_which_atoms_made_a_rule_what_it_is(condition, decisive):
    assert [atom.decisive for atom in explained(condition).rules[0].atoms] == decisive


def test_all_that_fired_is_told_with_faults_and_trials():
    policy = a_policy(
        rule("application.links / application.vouches > 1", "admit"),
        (
            "      - id: spam\n",
            "      - id: shadow\n        condition: application.proven\n        mode: audit\n"
            "        output: {decision: admit}\n      - id: spam\n",
        ),
    )
    told = explain(policy, an_application(), NOW)
    assert (told.verdict.value, told.rule, told.code) == ("wait", "", "rule-fault")
    assert told.headline.startswith("Before the admins: A rule could not be evaluated")
    said = told.brief()
    assert "Rule shadow: would match; it is only on trial." in said
    assert sum("could not be evaluated" in line for line in said) == 2
    german = explain(policy, an_application(), NOW, "de").lines()
    assert any("ließ sich nicht auswerten" in line for line in german)


ENOUGH_FOR_THE_PERSON = [
    ("size(application.answers.why) < 9 && application.links == 0", 2),
    ("size(application.answers.why) < 9 && application.server == ''", 0),
    ("application.server == '' || size(application.answers.why) < 9", 1),
    ("application.server == ''", 0),
    ("has(application.last_declined_at) && now - application.last_declined_at < params.cooldown",
     1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "count"), ENOUGH_FOR_THE_PERSON, ids=[c for c, _ in ENOUGH_FOR_THE_PERSON]
)
def test_the_person_reads_a_whole_reason_or_none(condition, count):
    policy = a_policy(rule(condition, "decline"))
    facts = an_application(last_declined_at=NOW - timedelta(days=3))
    assert policy.judge_application(facts, NOW).rule == "tried"
    assert len(because(policy, facts, NOW, "en")) == count


@given(st.lists(st.sampled_from(["T", "F", "&&", "||", "!", "(", ")", "?"]), max_size=40))
def test_what_is_decisive_alone_makes_the_condition_what_it_is(choices):
    """Whatever the other atoms were, the condition stays what it is."""
    shape, atoms = made(iter(choices))
    whole = truth(shape, atoms)
    needed = enough(shape, atoms, lambda _: True)
    if whole is None:
        assert needed is None
        return
    assert set(needed) <= set(decisive(shape, atoms))
    for other in (True, False):
        turned = [
            atom if number in needed else replace(atom, value=other)
            for number, atom in enumerate(atoms)
        ]
        assert truth(shape, turned) is whole


def made(choices, depth=0, atoms=None):
    """A shape and its atoms, as the choices say."""
    atoms = [] if atoms is None else atoms
    kind = {"&&": "and", "||": "or", "!": "not", "?": "if"}.get(next(choices, "T"))
    if kind is None or depth > 3:
        value = {"T": True, "F": False}.get(next(choices, "T"))
        operand = Operand("application.proven", ("application", "proven"))
        atom = Atom("application.proven", 0, "", (operand,), None, ())
        atoms.append(AtomValue(atom, value, "", (value,)))
        return Shape("atom", len(atoms) - 1), atoms
    count = {"not": 1, "if": 3}.get(kind, 2)
    parts = tuple(made(choices, depth + 1, atoms)[0] for _ in range(count))
    return Shape(kind, parts=parts), atoms


def test_a_document_on_trial_is_told_as_if_it_counted_and_says_so():
    """Nobody would try a policy that shows nothing before it counts."""
    policy = a_policy(("mode: enforce", "mode: audit"))
    facts = a_member(silent=timedelta(days=100))
    told = explain(policy, facts, NOW)
    assert (told.verdict.value, told.rule) == ("keep", "")
    assert told.lines()[1].startswith("These rules are on trial: nothing of it is applied.")
    assert "Asked, by the rule quiet" in told.trial
    assert [rule.rule for rule in told.rules if rule.fired] == ["quiet"]
    assert told.turns[0].sentence == "They would be let be with: a sign of life."
    assert because(policy, facts, NOW, "en") == ()
