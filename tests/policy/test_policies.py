"""The policies that are shipped: right, tried whole, and told in every language."""

from pathlib import Path

import pytest

from gatekeeper.policy.cases import run_cases
from gatekeeper.policy.parse import check_policy, load_policy
from gatekeeper.policy.texts import languages

FOLDER = Path(__file__).resolve().parents[2] / "policies"
NAMES = sorted(file.name.removesuffix(".cases.yaml") for file in FOLDER.glob("*.cases.yaml"))


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text("utf-8")


def test_every_policy_has_its_cases():
    there = {file.name.removesuffix(".yaml") for file in FOLDER.glob("*.yaml")}
    assert {name.removesuffix(".cases") for name in there} == set(NAMES)
    assert {"house-rules", "open-door", "vouched-club", "professional-guild", "dead-souls"} <= {
        *NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong_with_it(name):
    assert check_policy(text_of(name), name) == ()


@pytest.mark.parametrize("name", NAMES)
def test_its_cases_pass_fire_every_rule_and_turn_every_condition(name):
    policy = load_policy(text_of(name), name)
    report = run_cases(policy, (FOLDER / f"{name}.cases.yaml").read_text("utf-8"), name)
    assert report.passed, "\n".join(report.lines())
    assert not report.coverage.missing, "\n".join(report.lines())
    assert len(report.results) >= 20


@pytest.mark.parametrize("name", NAMES)
def test_it_speaks_every_language(name):
    club = load_policy(text_of(name), name).club.spec
    others = set(languages()) - {club.language}
    for question in club.form.questions:
        assert others <= set(question.translations), question.id
    for reason in club.decline_reasons:
        assert others <= set(reason.translations), reason.id
    for code, said in club.texts.items():
        assert {*languages()} <= set(said), code
