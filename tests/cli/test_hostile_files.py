"""What is no text, has no end or no sense, named on the command line: a line each, at once."""

import json
import os

import pytest

from gatekeeper.cli import main
from gatekeeper.reading import MOST
from tests.policy.builders import POLICY

FACTS = "application: {answers: {why: I like it, rules: true}}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "club.yaml").write_text(POLICY)
    (tmp_path / "facts.yaml").write_text(FACTS)
    (tmp_path / "latin.yaml").write_bytes("a: 1\nname: Süd\n".encode("latin-1"))
    (tmp_path / "huge.yaml").write_bytes(b"x" * (MOST + 1))
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)) * 10)
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "folder.cases.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "endless.yaml").symlink_to("/dev/zero")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    return tmp_path


@pytest.fixture
def told(capsys):
    def command(*words: str):
        code = main.run(list(words))
        both = capsys.readouterr()
        return code, both.out, both.err

    return command


WRONG = ["latin", "huge", "binary", "folder", "pipe", "endless", "loop", "missing"]


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize(
    "words",
    [
        ("check", "{}"),
        ("test", "{}"),
        ("test", "club.yaml", "--cases", "{}"),
        ("diff", "{}", "club.yaml"),
        ("simulate", "{}"),
        ("explain", "{}", "--facts", "facts.yaml"),
        ("explain", "club.yaml", "--facts", "{}"),
    ],
    ids=" ".join,
)
def test_what_is_no_text_is_refused_in_a_line(words, name, folder, told):
    code, out, err = told("policy", *(word.format(f"{name}.yaml") for word in words))
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert name in err


def test_where_a_text_is_not_utf8_is_told(folder, told):
    assert "in line 2" in told("policy", "check", "latin.yaml")[2]


def test_one_unreadable_file_hides_no_finding_in_another(folder, told):
    (folder / "wrong.yaml").write_text(POLICY.replace("approvals: 2", "approvals: 9"))
    code, out, _ = told("policy", "check", "--json", "pipe.yaml", "wrong.yaml", "club.yaml")
    found = {(one["file"], one["code"]) for one in json.loads(out)}
    assert code == 2
    assert {("pipe.yaml", "file-unreadable"), ("wrong.yaml", "quorum-too-large")} <= found


def test_a_folder_is_tried_although_a_file_of_it_is_gone(folder, told):
    (folder / "folder.cases.yaml").rmdir()
    case = "{case: a, application: {}, expect: {verdict: wait}}"
    for name in ("club", "gone"):
        (folder / f"{name}.cases.yaml").write_text(
            f"now: 2026-03-01T12:00:00Z\ncases:\n  - {case}\n"
        )
    code, out, err = told("policy", "test", ".")
    assert code == 1
    assert "[file-unreadable]" in err
    assert "passed  a" in out


def test_a_policy_without_cases_is_told_what_to_do(folder, told):
    code, _, err = told("policy", "test", "club.yaml")
    assert code == 2
    assert "[cases-missing]" in err
    assert "--cases" in err


ODD = {
    "no mapping": ("[1]", "facts-file"),
    "nothing": ("", "facts-file"),
    "two documents": ("a: 1\n---\nb: 2\n", "facts-file"),
    "both": ('{"application": {}, "member": {}}', "facts-both"),
    "twice": ('{"application": {}, "application": {}}', "duplicate-key"),
    "deep": ('{"application": ' + "[" * 50_000, "yaml-too-deep"),
    "many digits": ('{"member": {"messages_30d": ' + "9" * 5000 + "}}", "yaml-syntax"),
    "no day": ("application: {submitted_at: 2026-13-45}", "yaml-syntax"),
    "answers": ('{"application": {"answers": "x"}}', "facts-wrong"),
    "last hour": ('{"now": "9999-12-31T23:59:59-14:00", "member": {}}', "facts-now"),
    "first hour": ('{"now": "0001-01-01T00:00:00+14:00", "member": {}}', "facts-now"),
    "silent for ever": ('{"member": {"silent": Infinity}}', "facts-wrong"),
    "code": ("!!python/object/apply:os.system [ls]", "yaml-syntax"),
    "bomb": (
        "a0: &a0 [x]\n" + "".join(
            f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
        ) + "member: {roles: *a11}\n", "yaml-too-large",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code"), ODD.values(), ids=ODD)
def test_odd_facts_are_refused_with_a_code(text, code, folder, told):
    (folder / "odd.json").write_text(text)
    ended, out, err = told("policy", "explain", "club.yaml", "--facts", "odd.json")
    assert (ended, out) == (2, "")
    assert f"[{code}]" in err


def test_answers_to_no_question_and_questions_without_answer_are_told(folder, told):
    (folder / "slip.yaml").write_text("application: {answers: {wy: I like it}}\n")
    code, out, err = told("policy", "explain", "club.yaml", "--facts", "slip.yaml")
    assert code == 0
    assert out
    assert "[facts-no-question]" in err
    assert "[facts-no-answer]" in err


@pytest.mark.parametrize(
    "words",
    [("check", "club.yaml"), ("test", "club.yaml"), ("diff", "club.yaml", "club.yaml"),
     ("explain", "club.yaml", "--facts", "facts.yaml")],
    ids=" ".join,
)  # fmt: skip
def test_an_unknown_language_is_refused(words, folder, told):
    code, _, err = told("policy", *words, "--language", "fr")
    assert code == 2
    assert "[unknown-language]" in err
    assert "de, en" in err


def test_a_language_with_a_country_and_one_of_the_clubs_own_are_known(folder, told):
    assert told("policy", "check", "club.yaml", "--language", "de-AT")[0] == 0
    own = POLICY.replace("texts:\n", "texts:\n    in-review: {fr: Les admins regardent.}\n")
    (folder / "club.yaml").write_text(own)
    words = ("policy", "explain", "club.yaml", "--facts", "facts.yaml", "--language", "fr")
    assert told(*words)[0] == 0
