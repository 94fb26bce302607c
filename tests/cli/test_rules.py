"""policy schema and policy diff."""

import asyncio
import json

import pytest
from jsonschema import Draft202012Validator

from gatekeeper import wire
from gatekeeper.settings import load_settings
from tests.policy.builders import POLICY, policy_text


def test_schemas_are_printed_for_editors(club, gatekeeper):
    for words in ((), ("--cases",), ("--json",)):
        code, out, _ = gatekeeper("policy", "schema", *words)
        assert code == 0
        Draft202012Validator.check_schema(json.loads(out))


@pytest.fixture
def two(club):
    (club.folder / "old.yaml").write_text(POLICY)
    (club.folder / "new.yaml").write_text(policy_text(("approvals: 2", "approvals: 1")))
    return club


def test_two_files_are_compared_in_words(two, gatekeeper):
    assert gatekeeper("policy", "diff", "old.yaml", "new.yaml") == (
        0,
        "Votes that admit: 2 → 1\n",
        "",
    )
    german = gatekeeper("policy", "diff", "old.yaml", "new.yaml", "--language", "de")[1]
    assert german == "Stimmen, die aufnehmen: 2 → 1\n"
    told = json.loads(gatekeeper("policy", "diff", "old.yaml", "new.yaml", "--json")[1])
    assert told == [
        {
            "code": "diff-approvals",
            "values": {
                "document": "AdmissionPolicy",
                "path": "review.approvals",
                "old": "2",
                "new": "1",
            },
            "sentence": "Votes that admit: 2 → 1",
        }
    ]
    assert "Nothing has changed" in gatekeeper("policy", "diff", "old.yaml", "old.yaml")[1]
    assert gatekeeper("policy", "diff", "old.yaml", "old.yaml", "--json")[1] == "[]\n"


def test_a_kept_version_is_named_by_its_digest(two, gatekeeper):
    async def keep() -> str:
        settings = load_settings(two.folder / "gatekeeper.toml")
        async with wire.opened(settings, platforms=False, adopt_policy=True) as opened:
            return opened.parts.policy.digest

    digest = asyncio.run(keep())
    rules = two.folder / "house-rules.yaml"
    rules.write_text(rules.read_text().replace("cooldown: 30d", "cooldown: 60d"))
    code, out, _ = gatekeeper("policy", "diff", digest[:8], "house-rules.yaml")
    assert (code, out) == (0, "AdmissionPolicy: cooldown: 30 days → 60 days\n")
    assert "[not-found]" in gatekeeper("policy", "diff", "0123456789", "old.yaml")[2]


def test_what_cannot_be_compared_is_told(two, gatekeeper):
    (two.folder / "new.yaml").write_text(policy_text(("approvals: 2", "approvals: 9")))
    code, out, err = gatekeeper("policy", "diff", "old.yaml", "new.yaml")
    assert (code, out) == (2, "")
    assert "[quorum-too-large]" in err
    assert gatekeeper("policy", "diff", "old.yaml", "no-such.yaml")[0] == 2
