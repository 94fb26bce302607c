"""All rules as one program: the same as one by one, or rule by rule it is."""

import pytest

from gatekeeper.domain.decisions import Verdict
from gatekeeper.policy.evaluation import find
from gatekeeper.policy.faster import faster
from gatekeeper.policy.findings import PolicyError
from tests.policy.builders import NOW, a_policy, an_application, rule

FORM = (
    '      - {id: age, kind: number, label: "How old?"}\n',
    '      - {id: age, kind: number, label: "How old?"}\n'
    "      - {id: born, kind: date, label: Born}\n"
    "      - {id: tags, kind: tags, label: Topics}\n",
)
CONDITIONS = [
    "application.text.matches('(?i)casino')",
    "application.text.matches(params.pattern) || application.links > 1",
    "application.server in ['example.org', 'example.net']",
    "!(application.server in ['a', 'b']) && application.proven",
    "has(application.answers.age) && application.answers.age >= 18",
    "!has(application.answers.born) || application.answers.born < now",
    "has(application.answers.tags) || size(application.answers.tags) == 0",
    "application.answers.tags.exists(t, t.startsWith('g') && t in application.sponsors)",
    "variables.known_for > params.cooldown",
    "application.sponsors.filter(s, s.contains(':')).size() > 1",
    "now.getHours('Europe/Berlin') > 11 && application.answers.why.lowerAscii() == 'gardens'",
    "application.submitted_at - application.first_seen_at < duration('2d')",
]
FACTS = [
    {},
    {"text": "CASINO ölig", "links": 2, "server": "example.org", "proven": False},
    {"answers": {"why": "Gardens", "age": 18, "born": "1999-01-01", "tags": ["g", "x"]},
     "sponsors": ("g", "matrix:@a:b", "matrix:@b:b")},
    {"answers": {"why": "gardens", "tags": []}, "first_seen_at": "2020-01-01T00:00:00+02:00"},
]  # fmt: skip


def compiled():
    """As many policies' rules in one as there are conditions."""
    changes = [FORM]
    for condition in CONDITIONS:
        try:
            a_policy(FORM, rule(condition))
        except PolicyError:
            continue  # a has() that is not needed
        changes.append(rule(condition, "review"))
    text = [
        (old, new.replace("id: tried", f"id: tried-{at}")) for at, (old, new) in enumerate(changes)
    ]
    return a_policy(*text)


@pytest.mark.parametrize("facts", FACTS)
def test_all_at_once_is_the_same_as_one_by_one(facts):
    policy = compiled()
    rules = policy.admission_rules
    assert len(rules.all) >= len(CONDITIONS)
    subject = an_application(**facts)
    scope = rules.scope(subject, NOW)
    bits = scope.bits()
    alone = rules.conditions.scope(subject, rules.variables, NOW)
    outcomes = [alone.evaluate(one.condition) for one in rules.all if one.condition]
    faulty = any(one.fault for one in outcomes)
    assert faulty is (facts is not FACTS[2] and facts is not FACTS[3])  # no topics: a fault
    assert bits == (None if faulty else [one.value for one in outcomes])
    assert faster(policy, sample=1).judge_application(subject, NOW) == policy.judge_application(
        subject, NOW
    )


def test_one_fault_leaves_the_others_their_results():
    policy = a_policy(rule("10 / application.links > 1"))
    ruling = policy.judge_application(an_application(text="casino"), NOW)
    assert [(one.matched, bool(one.fault)) for one in ruling.results] == [
        (None, True),
        (True, False),
        (True, False),
    ]
    assert ruling.verdict is Verdict.WAIT


@pytest.mark.parametrize(
    "condition",
    [
        "[{'text': 'CASINO'}].exists(application, application.text.matches('casino'))",
        "[{'pattern': 'x'}].exists(params, 'casino'.matches(params.pattern))",
        "['x'].exists(variables, variables == 'y')",
    ],
)
def test_a_loop_may_call_its_elements_as_we_do(condition):
    """Then its name hides ours, and what was worked out for ours is not meant."""
    try:
        policy = a_policy(rule(condition))
    except PolicyError:
        return  # not even checked
    facts = an_application(text="casino")
    for judge in (policy, faster(policy, sample=1)):
        assert find(judge.admission_rules, facts, NOW).bits[0] is False
