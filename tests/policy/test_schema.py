"""The JSON Schema for editors: shipped files hold, broken ones fail where they are wrong."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from gatekeeper.policy.base import parse_duration
from gatekeeper.policy.document import KINDS
from gatekeeper.policy.schema import cases_schema, policy_schema
from tests.policy.builders import POLICY, policy_text
from tests.policy.fields import model_in

POLICIES = Path(__file__).parents[2] / "policies"
FILES = sorted(each for each in POLICIES.glob("*.yaml") if ".cases." not in each.name)
CASES = sorted(POLICIES.glob("*.cases.yaml"))
POLICY_SCHEMA = Draft202012Validator(policy_schema())
CASES_SCHEMA = Draft202012Validator(cases_schema())


def faults(schema: Draft202012Validator, text: str) -> set[tuple[str, str]]:
    """Path and keyword of everything that is wrong, in all documents; times as JSON has them."""
    documents = json.loads(json.dumps(list(yaml.safe_load_all(text)), default=str))
    return {
        ("/".join(map(str, one.absolute_path)), str(one.validator))
        for document in documents
        for one in schema.iter_errors(document)
    }


def test_both_are_sound_schemas():
    Draft202012Validator.check_schema(policy_schema())
    Draft202012Validator.check_schema(cases_schema())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_shipped_policy_holds(path):
    assert faults(POLICY_SCHEMA, path.read_text("utf-8")) == set()
    assert faults(POLICY_SCHEMA, POLICY) == set()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_every_shipped_file_of_cases_holds(path):
    assert faults(CASES_SCHEMA, path.read_text("utf-8")) == set()


BROKEN = [
    (("kind: Club", "kind: Klub"), "kind", "enum"),
    (("apiVersion: gatekeeper/v1\n", ""), "", "required"),
    (("gatekeeper/v1", "gatekeeper/v2"), "apiVersion", "const"),
    (("timeZone: Eu", "timezone: Eu"), "spec", "additionalProperties"),
    (("cooldown: 30d", "Cooldown: 30d"), "spec/params", "additionalProperties"),
    (("approvals: 2", "approvals: two"), "spec/review/approvals", "type"),
    (("approvals: 2", "approvals: 0"), "spec/review/approvals", "minimum"),
    (("approvals: 2", "approvals: 2, remindAfter: 3 days"), "spec/review/remindAfter", "anyOf"),
    (('"matrix:@ann:example.org"', "ann"), "spec/admins/people/0", "pattern"),
    (("kind: longText", "kind: choice"), "spec/form/questions/0", "required"),
    (("kind: longText", "kind: essay"), "spec/form/questions/0/kind", "enum"),
    (("{decision: review}", "{decision: maybe}"), "spec/rule/match/1/output/decision", "enum"),
    (("{action: remove}", "{}"), "spec/rule/match/0/output", "required"),
    (("  exclude:", "  confirm: nobody\n  exclude:"), "spec/confirm", "enum"),
    (("  exclude:", "  maxAffected: {percent: 101}\n  exclude:"), "spec/maxAffected/percent",
     "anyOf"),
    (("id: spam\n", "id: Spam\n"), "spec/rule/match/0/id", "pattern"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "path", "keyword"), BROKEN, ids=[f"{b[1]}-{b[2]}" for b in BROKEN]
)
def test_a_broken_policy_fails_at_the_right_field(change, path, keyword):
    assert (path, keyword) in faults(POLICY_SCHEMA, policy_text(change))


CASE = "now: 2026-03-01T12:00:00Z\ncases:\n  - {case: a, member: {silent: 1d}, expect: {rule: x}}\n"
BROKEN_CASES = [
    (("silent", "silence"), "cases/0/member", "anyOf"),
    (("case: a, ", ""), "cases/0", "required"),
    (("rule: x", "verdict: maybe"), "cases/0/expect", "anyOf"),
    (("now: 2026-03-01T12:00:00Z\n", ""), "", "required"),
    (("cases:", "case:"), "", "additionalProperties"),
]


@pytest.mark.parametrize(("change", "path", "keyword"), BROKEN_CASES)
def test_broken_cases_fail_at_the_right_field(change, path, keyword):
    assert faults(CASES_SCHEMA, CASE) == set()
    assert (path, keyword) in faults(CASES_SCHEMA, CASE.replace(*change))


def test_every_field_says_what_it_holds_and_its_default():
    parts = policy_schema()["$defs"]
    seen = set()

    def look(model):
        if model in seen:
            return
        seen.add(model)
        for name, info in model.model_fields.items():
            field = parts[model.__name__]["properties"][info.alias or name]
            told = field if "description" in field else parts[field["$ref"].rpartition("/")[2]]
            assert told["description"] == info.description
            if isinstance(info.default, timedelta):
                assert parse_duration(field["default"]) == info.default
                assert "unit" in json.dumps(field)
            inner = model_in(info.annotation)
            if inner:
                look(inner)

    for model in KINDS.values():
        look(model)
