"""policy check over many files, as people and editors read it."""

import json
import re

import pytest

from gatekeeper.cli import main
from tests.policy.builders import POLICY, policy_text
from tests.policy.test_parse import FINDINGS, place

CASES = """\
now: 2026-03-01T12:00:00Z
cases:
  - {case: spam, application: {text: casino}, expect: {verdict: decline, rule: spam}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "club.yaml").write_text(POLICY)
    (tmp_path / "club.cases.yaml").write_text(CASES)
    return tmp_path


@pytest.fixture
def told(capsys):
    """`code, out, err = told("policy", "check")`, in a folder that is no club's."""

    def command(*words: str):
        code = main.run(list(words))
        both = capsys.readouterr()
        return code, both.out, both.err

    return command


@pytest.mark.parametrize(
    ("change", "code", "needle", "skip"),
    FINDINGS,
    ids=[f"{f[1]}-{n}" for n, f in enumerate(FINDINGS)],
)
def test_every_finding_is_told_with_place_code_sentence_and_remedy(
    change, code, needle, skip, folder, told
):
    text = policy_text(change)
    (folder / "club.yaml").write_text(text)
    line, column = place(text, needle, skip)
    ended, out, err = told("policy", "check", "club.yaml")
    wanted = rf"(?m)^(error|warning): club\.yaml:{line}:{column}: \S.* \[{code}\] — \S"
    assert re.search(wanted, err), err
    assert ended == (1 if "error: " in err else 0)
    assert out == ""


def test_warnings_are_told_and_are_no_fault_unless_asked(folder, told):
    ended, _, err = told("policy", "check", "club.yaml")
    assert ended == 0
    assert [line.split(":")[0] for line in err.splitlines()] == ["warning", "warning"]
    assert told("policy", "check", "--strict", "club.yaml")[0] == 1


def test_many_files_and_cases_are_checked_at_once(folder, told):
    (folder / "other.yaml").write_text(policy_text(("approvals: 2", "approvals: 9")))
    (folder / "club.cases.yaml").write_text(CASES.replace("verdict", "verdikt"))
    files = ["club.yaml", "other.yaml", "club.cases.yaml"]
    ended, out, _ = told("policy", "check", "--json", *files)
    found = json.loads(out)
    assert ended == 1
    assert list(dict.fromkeys(each["file"] for each in found)) == files
    assert {each["level"] for each in found if each["file"] == "club.yaml"} == {"warning"}
    assert set(found[0]) == {
        "file", "line", "column", "code", "level", "values", "sentence", "remedy"
    }  # fmt: skip
    german = told("policy", "check", "--json", "--language", "de", "other.yaml")[1]
    assert json.loads(german)[-1]["sentence"] != found[-2]["sentence"]


def test_cases_need_a_sound_policy_beside_them(folder, told):
    assert told("policy", "check", "club.cases.yaml")[:2] == (
        0,
        "club.cases.yaml: nothing is wrong\n",
    )
    (folder / "club.yaml").write_text("kind: Club")
    assert "[cases-policy-wrong]" in told("policy", "check", "club.cases.yaml")[2]
    (folder / "club.yaml").unlink()
    assert "[cases-alone]" in told("policy", "check", "club.cases.yaml")[2]


def test_what_removes_and_names_no_mode_is_told_of(folder, told):
    (folder / "club.yaml").write_text(policy_text(("  mode: enforce\n", "")))
    ended, out, _ = told("policy", "check", "club.yaml")
    assert ended == 0
    assert "mode: enforce" in out
