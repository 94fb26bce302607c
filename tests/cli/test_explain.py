"""policy explain: from the record, from a platform's present, from a file."""

import json
from pathlib import Path

import pytest

POLICY = str(Path(__file__).parents[2] / "policies" / "house-rules.yaml")
NOW = "2026-03-01T12:00:00Z"
THIN = {"now": NOW, "application": {"answers": {"why": "Hi there.", "rules": True}}}
QUIET = {"now": NOW, "member": {"silent": "95d", "last_active_at": "95d"}}


def write(path, facts):
    path.write_text(json.dumps(facts), "utf-8")
    return str(path)


def test_facts_of_a_file(gatekeeper, tmp_path):
    facts = write(tmp_path / "f.json", THIN)
    code, out, err = gatekeeper("policy", "explain", POLICY, "--facts", facts)
    assert code == 0, err
    assert "Rule too-thin: fired." in out
    assert "has 9 letters, 20 (params.fewest_letters) are asked" in out
    assert "before the admins with: 11 more letters in the answer to “Why would you like" in out
    out = gatekeeper("policy", "explain", POLICY, "--facts", facts, "--language", "de")[1]
    assert "hat 9 Zeichen, 20 (params.fewest_letters) sind gefragt" in out
    assert "Warum möchtest du dazukommen?" in out


def test_facts_of_a_member_and_what_json_shows_can_be_given_back(gatekeeper, tmp_path):
    facts = write(tmp_path / "m.json", QUIET)
    out = gatekeeper("policy", "explain", POLICY, "--facts", facts)[1]
    assert "Asked, by the rule quiet" in out
    assert "They would be let be with: a sign of life." in out
    shown = gatekeeper("policy", "explain", POLICY, "--facts", facts, "--json")[1]
    whole = json.loads(shown)
    assert (whole["verdict"], whole["rule"]) == ("notify", "quiet")
    [atom] = [a for r in whole["rules"] if r["rule"] == "quiet" for a in r["atoms"]][:1]
    assert atom["source"] == "member.silent > params.quiet_after"
    assert atom["value"] is True
    again = write(tmp_path / "again.json", whole)
    assert (
        gatekeeper("policy", "explain", POLICY, "--facts", again)[1].splitlines()[1:]
        == (out.splitlines()[1:])
    )


def test_an_application_of_this_club(gatekeeper, zoe):
    code, out, err = gatekeeper("policy", "explain", "--application", str(zoe.id))
    assert code == 0, err
    assert "As it is now" in out
    assert "Declined, by the rule too-thin" in out
    out = gatekeeper("policy", "explain", POLICY, "--application", str(zoe.id))[1]
    assert "judged by another policy" in out


def test_a_member_as_they_are_now(gatekeeper):
    assert gatekeeper("members", "adopt", "--yes")[0] == 0
    by_name = gatekeeper("policy", "explain", "--member", "@carl:example.org")
    assert by_name[0] == 0, by_name
    assert "What is done about them:" in by_name[1]
    members = json.loads(gatekeeper("members", "list", "--json")[1])
    [number] = [each["id"] for each in members if "@carl" in str(each["identity"])]
    code, out, _ = gatekeeper("policy", "explain", "--member", str(number), "--json")
    assert code == 0
    assert json.loads(out)["laws"]["code"] == "settling"


WRONG = [
    ((), 2, "explain-what"),
    (("--application", "1", "--member", "1"), 2, "explain-what"),
    (("--application", "77"), 1, "not-found"),
    (("--member", "77"), 1, "not-found"),
    (("--member", "@nobody:example.org"), 1, "not-found"),
    (("--facts", "/nowhere.json"), 2, "facts-file"),
]


@pytest.mark.parametrize(("words", "code", "said"), WRONG)
def test_what_cannot_be_explained(gatekeeper, words, code, said):
    got, out, err = gatekeeper("policy", "explain", *words)
    assert (got, out) == (code, "")
    assert f"[{said}]" in err


FILES = [
    ("{", "yaml-syntax"),
    ("- 1", "facts-file"),
    ("now: yesterday\napplication: {}", "facts-now"),
    ("now: 2026-03-01T12:00:00\napplication: {}", "facts-now"),
    ("application: {vouches: many}", "facts-wrong"),
    ("application: {nobody_knows: 1}", "case-unknown-fact"),
    ("member: {silent: long}", "facts-wrong"),
]


@pytest.mark.parametrize(("text", "said"), FILES)
def test_files_that_hold_no_facts(gatekeeper, tmp_path, text, said):
    path = tmp_path / "facts.yaml"
    path.write_text(text, "utf-8")
    code, out, err = gatekeeper("policy", "explain", POLICY, "--facts", str(path))
    assert (code, out) == (2, "")
    assert f"[{said}]" in err
    assert "—" in err  # what to do about it
