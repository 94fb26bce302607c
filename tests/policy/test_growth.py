"""What could grow without end is refused when it is loaded; what a club really writes is not."""

import time
from pathlib import Path

import pytest

from gatekeeper.policy.findings import PolicyError
from gatekeeper.policy.growth import MOST, TOTAL
from gatekeeper.policy.parse import load_policy
from tests.bench.policy_rules import TEXT
from tests.policy.builders import NOW, a_policy, an_application, rule

TOP = Path(__file__).resolve().parents[2]

VARIABLES = "    - {name: known_for, expression: now - application.first_seen_at}\n"
HEAVY = {
    "doubled": "application.text.replace('', application.text) == ''",
    "doubled again": "(application.text + application.text).replace('a', application.reason) == ''",
    "in a loop": "application.sponsors.exists(a, application.sponsors.exists(b, "
    "(application.text + a).lowerAscii() == b))",
    "gathered": "application.sponsors.map(a, application.text.lowerAscii()).join('') == ''",
    "joined": "application.text.split('').join(application.text) == ''",
    "patterns": "application.text.split(' ').exists(w, application.reason.matches(w))",
}


def doubling(times: int, first: str = "application.text") -> tuple[str, str]:
    """Variables that each put the one before together with itself."""
    lines, before = [], first
    for number in range(times):
        lines.append(f"    - {{name: v{number}, expression: {before} + {before}}}\n")
        before = f"variables.v{number}"
    return VARIABLES, "".join(lines)


@pytest.mark.parametrize("condition", HEAVY.values(), ids=HEAVY)
def test_what_makes_long_texts_of_long_texts_is_refused(condition):
    with pytest.raises(PolicyError) as refused:
        a_policy(rule(condition))
    [found] = refused.value.findings
    assert found.code == "too-heavy"
    assert str(MOST) in found.sentence()


@pytest.mark.parametrize("times", [7, 16, 30, 100])
def test_variables_that_double_one_another_are_refused_soon(times):
    began = time.process_time()
    with pytest.raises(PolicyError) as refused:
        a_policy(doubling(times), rule(f"size(variables.v{times - 1}) > 1"))
    assert {found.code for found in refused.value.findings} == {"too-heavy"}
    assert time.process_time() - began < 1


def test_numbers_do_not_grow():
    policy = a_policy(doubling(100, "application.links"), rule("variables.v99 > 1"))
    facts = an_application(links=0)
    assert policy.judge_application(facts, NOW).results[0].matched is False
    facts = an_application(links=1)
    assert policy.judge_application(facts, NOW).results[0].fault


def test_what_is_allowed_is_judged_within_a_second():
    policy = a_policy(doubling(5), rule("size(variables.v4) > 1"))
    facts = an_application(text="ä" * 100_000)
    began = time.process_time()
    assert policy.judge_application(facts, NOW).results[0].matched is True
    assert time.process_time() - began < 1


def test_a_whole_document_has_its_bound():
    heavy = "application.text.lowerAscii().contains(application.text.upperAscii())"
    with pytest.raises(PolicyError) as refused:
        a_policy(*(rule(f"{heavy} || application.links == {number}") for number in range(260)))
    assert {found.code for found in refused.value.findings} >= {"too-heavy"}
    told = [found for found in refused.value.findings if found.code == "too-heavy"]
    assert len(told) == 1
    assert str(TOTAL) in told[0].sentence()


def test_the_policies_that_we_ship_are_far_from_it():
    texts = [file.read_text("utf-8") for file in sorted((TOP / "policies").glob("*.yaml"))
             if ".cases." not in file.name]  # fmt: skip
    assert len(texts) > 4
    for text in [*texts, TEXT]:
        assert load_policy(text)
