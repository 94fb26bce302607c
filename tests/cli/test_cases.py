"""policy test, and the cases beside a policy as policy check sees them."""

import json
import shutil

import pytest


@pytest.fixture
def cases(club):
    """The file of cases beside the club's policy."""
    return club.folder / "house-rules.cases.yaml"


def test_coverage_is_told_and_asked_for(cases, gatekeeper):
    code, out, _ = gatekeeper("policy", "test", "--coverage", "100")
    assert code == 0
    assert "covered: 100 %" in out
    text = cases.read_text()
    first, _, rest = text.partition("  - case: a word is too little\n")
    cases.write_text(first + "\n".join(rest.split("\n")[2:]))
    code, out, _ = gatekeeper("policy", "test")
    assert code == 0
    assert "rule too-thin: no case matches it" in out
    code, out, _ = gatekeeper("policy", "test", "--coverage", "100")
    assert code == 1
    assert "100 % are asked for" in out
    assert gatekeeper("policy", "test", "--coverage", "50")[0] == 0


def test_coverage_for_machines(cases, gatekeeper):
    code, out, _ = gatekeeper("policy", "test", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["passed"]
    assert told["coverage"]["percent"] == 100
    assert told["coverage"]["missing"] == []
    assert all(one["passed"] for one in told["results"])


def test_why_a_case_fails_is_told(cases, gatekeeper):
    text = cases.read_text().replace("member: {silent: 89d}", "member: {silent: 95d}")
    cases.write_text(text)
    code, out, _ = gatekeeper("policy", "test")
    assert code == 1
    assert "FAILED  not before" in out
    assert "verdict: expected keep, got notify" in out
    assert "decided by rule quiet" in out
    assert "quiet: true: member.silent > params.quiet_after (member.silent = 95d" in out
    line = next(n for n, one in enumerate(text.split("\n"), 1) if one.endswith("case: not before"))
    assert f"house-rules.cases.yaml:{line})" in out


def test_a_file_of_cases_may_be_named_itself(cases, gatekeeper):
    code, out, _ = gatekeeper("policy", "test", str(cases))
    assert code == 0
    assert "passed" in out


def test_a_folder_is_tried_whole_even_where_one_file_is_wrong(club, cases, gatekeeper):
    shutil.copy(club.folder / "house-rules.yaml", club.folder / "other.yaml")
    wrong = cases.read_text().replace("rule: quiet", "rule: quite")
    (club.folder / "other.cases.yaml").write_text(wrong)
    code, out, err = gatekeeper("policy", "test", str(club.folder))
    assert code == 1
    assert "house-rules.yaml:" in out
    assert "covered: 100 %" in out
    assert "other.cases.yaml:" in err
    assert "[case-unknown-rule]" in err
    code, out, _ = gatekeeper("policy", "test", str(club.folder), "--json")
    told = json.loads(out)
    assert code == 1
    assert told["house-rules.yaml"]["passed"]
    assert not told["other.yaml"]["passed"]
    assert told["other.yaml"]["findings"][0]["code"] == "case-unknown-rule"


def test_check_finds_what_is_wrong_with_cases(cases, gatekeeper):
    assert gatekeeper("policy", "check", str(cases))[0] == 0
    cases.write_text(cases.read_text().replace("member: {silent: 1d}", "member: {silnt: 1d}"))
    code, _, err = gatekeeper("policy", "check", str(cases))
    assert code == 1
    assert "[case-unknown-fact]" in err
    assert "silent" in err


def test_no_cases_are_said_to_be_missing(club, cases, gatekeeper):
    cases.unlink()
    code, _, err = gatekeeper("policy", "test")
    assert code != 0
    assert "house-rules.cases.yaml" in err


def test_cases_are_told_in_another_language(cases, gatekeeper):
    code, out, _ = gatekeeper("policy", "test", "--language", "de")
    assert code == 0
    assert "abgedeckt: 100 %" in out
    cases.write_text(cases.read_text().replace("rule: quiet", "rule: quite"))
    code, _, err = gatekeeper("policy", "test", "--language", "de")
    assert code == 1
    assert "Es gibt keine Regel quite." in err
