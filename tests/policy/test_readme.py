"""policies/README.md tells of everything as the code has it, and all its examples work."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
import yaml

from gatekeeper.cli import main
from gatekeeper.domain.activity import Kind
from gatekeeper.policy import budget, conditions, growth, places
from gatekeeper.policy.case_reader import ROWS
from gatekeeper.policy.cases import run_cases
from gatekeeper.policy.club_document import ANSWER_LETTERS, QuestionKind
from gatekeeper.policy.conditions import ConditionError
from gatekeeper.policy.document import (
    AdmissionOutput,
    MaxAffected,
    Mode,
    PruningOutput,
    PruningSpec,
    Review,
)
from gatekeeper.policy.evaluation import VERDICTS
from gatekeeper.policy.facts import ApplicationFacts
from gatekeeper.policy.findings import WARNINGS
from gatekeeper.policy.parse import check_policy, load_policy
from tests import docs_support as support
from tests.policy import fields
from tests.policy.builders import an_application
from tests.policy.test_parse import FINDINGS

TOP = support.TOP
README = support.POLICIES.read_text("utf-8")
HOUSE = (TOP / "policies" / "house-rules.yaml").read_text("utf-8")
HOUSE_POLICY = load_policy(HOUSE)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BLOCKS = re.findall(r"(?ms)^```(\w+) ?(\w*)\n(.*?)^```$", README)


def blocks(language: str, about: str = "") -> list[str]:
    """What stands in the code blocks of this language (and about this)."""
    return [text for kind, what, text in BLOCKS if kind == language and about in {"", what}]


# ---- What is made from the code ------------------------------------------------------------------


@pytest.mark.parametrize("name", support.makers())
def test_what_is_made_from_the_code_stands_as_it_is_made(name):
    assert support.written().get(name) == support.made()[name], (
        "renew it with: .venv/bin/python -m tests.docs_support"
    )


def test_nothing_else_is_made():
    assert set(support.written()) == set(support.makers())


def test_every_code_that_a_finding_may_have_stands_in_a_table():
    known = fields.codes_in(fields.FINDS)
    assert {code for _, code, _, _ in FINDINGS} | WARNINGS <= known
    for file in sorted((TOP / "gatekeeper" / "policy").glob("*.py")):
        if f"policy/{file.name}" not in (*fields.FINDS, *fields.REFUSERS, "policy/findings.py"):
            assert not fields.codes_in([f"policy/{file.name}"]), file


def test_every_word_of_an_outcome_is_named():
    words = {verdict.value for verdict in VERDICTS.values()} | {mode.value for mode in Mode}
    for model, name in (
        (AdmissionOutput, "decision"),
        (PruningOutput, "action"),
        (Review, "on_deadline"),
        (MaxAffected, "on_exceed"),
        (PruningSpec, "confirm"),
        (ApplicationFacts, "origin"),
    ):
        words |= set(get_args(model.model_fields[name].annotation))
    told = set(re.findall(r"[a-z]+(?:-[a-z]+)*", " ".join(re.findall(r"`([^`\n]+)`", README))))
    assert words - told == set()


def test_every_kind_of_question_and_sign_is_named():
    for word in (*QuestionKind, *Kind):
        assert f"`{word.value}`" in README


def test_every_ready_policy_is_introduced_and_no_other():
    table = README.split("### Choose one")[1].split("\n### ")[0]
    told = set(re.findall(r"(?m)^\| `([a-z-]+)` \|", table))
    here = {path.stem for path in (TOP / "policies").glob("*.yaml") if "cases" not in path.name}
    assert told == here


def test_what_is_to_be_turned_first_is_there_to_be_turned():
    table = README.split("### Choose one")[1].split("\n### ")[0]
    for name, turned in re.findall(r"(?m)^\| `([a-z-]+)` \|.*\| ([^|]+) \|$", table):
        text = (TOP / "policies" / f"{name}.yaml").read_text("utf-8")
        for word in re.findall(r"`(\w+)`", turned):
            assert re.search(rf"\b{word}:", text), f"{name}: {word}"


def test_bounds_are_as_told():
    told = " ".join(README.split("### Bounds")[1].split("\n## ")[0].split())
    for number, what in (
        (budget.RULES, "rules"),
        (budget.VARIABLES, "variables"),
        (conditions.LETTERS, "letters"),
        (budget.NODES, "parts"),
        (budget.PATTERN, "letters"),
        (budget.PARAM_LIST, "entries"),
        (places.LETTERS, "letters of a file"),
        (growth.MOST, "letters at most"),
        (growth.TOTAL, "in a whole document"),
    ):
        assert f"{number} {what}" in told
    assert f"lists of {budget.LIST}" in told
    assert budget.LOOPS == 2
    assert "two loops" in told
    assert f"more than {ANSWER_LETTERS} letters" in README
    assert f"at most {ROWS}" in " ".join(README.split())


# ---- Functions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "example"), [row[:2] for row in fields.FUNCTIONS])
def test_every_function_does_what_is_told(name, example):
    rules = HOUSE_POLICY.admission_rules
    compiled = rules.conditions.compile(example)
    assert rules.conditions.scope(an_application(), {}, NOON).evaluate(compiled).value is True
    assert name in example


# What other dialects of the language have. One that can be used belongs into the table.
OTHERS = """
    application.sponsors.existsOne(s, s == 'a') | application.sponsors.exists(i, s, s == 'a')
    application.sponsors.transformList(i, s, s) == [] | cel.bind(x, 1, x == 1)
    math.greatest(1, 2) == 2 | math.least(1, 2) == 1 | math.abs(1) == 1 | math.ceil(1.2) == 2.0
    sets.contains([1], [1]) | lists.range(3) == [0, 1, 2] | [1, 2].slice(0, 1) == [1]
    [1, 2].sum() == 3 | [2, 1].sort() == [1, 2] | [[1]].flatten() == [1] | [1].distinct() == [1]
    [1].first() == 1 | [1].last() == 1 | [1].min() == 1 | [1].max() == 1 | min(1, 2) == 1
    optional.none() == optional.none() | base64.encode(b'a') == 'YQ==' | regex.extract('a', 'a') == 'a'
    regex.replace('a', 'a', 'b') == 'b' | ip('::1').family() == 6 | url('x').getHost() == 'x'
    'a'.find('a') == 'a' | 'a'.format('a') | 'a'.strip() == 'a' | 'a'.lower() == 'a'
    'a'.toLower() == 'a' | 'a'.title() == 'A' | 'a'.count('a') == 1 | 'a'.isEmpty() | len('a') == 1
    abs(1) == 1 | round(1.2) == 1 | floor(1.2) == 1 | now() == now | date('2026-03-01') == now
    now.getYear() == 2026 | now.getWeek() == 9 | duration('1d').getDays() == 1 | dyn(1) == 1
"""  # noqa: E501


@pytest.mark.parametrize(
    "other", [each.strip() for each in re.split(r"[|\n]", OTHERS) if each.strip()]
)
def test_no_other_function_can_be_used(other):
    with pytest.raises(ConditionError):
        HOUSE_POLICY.admission_rules.conditions.compile(other)


# ---- Examples ------------------------------------------------------------------------------------


def whole(spec: dict[str, object], about: str) -> str:
    """A policy with a part of one document, all else as in house-rules; texts of the document."""
    club, admission, pruning = yaml.safe_load_all(HOUSE)
    for text in blocks("yaml", "club"):
        part = yaml.safe_load(text)
        club["spec"]["texts"] |= part["texts"]
    place = {"club": club, "admission": admission, "pruning": pruning}[about]
    if about == "club":
        place["spec"] |= spec
    else:
        place["spec"] = spec
    return yaml.safe_dump_all([club, admission, pruning], allow_unicode=True, sort_keys=False)


@pytest.mark.parametrize(
    ("about", "text"),
    [
        (what, text)
        for kind, what, text in BLOCKS
        if kind == "yaml" and what not in {"cases", "facts"}
    ],
    ids=lambda one: one.split("\n")[0],
)
def test_every_example_of_rules_is_sound(about, text):
    found = check_policy(whole(yaml.safe_load(text), about))
    assert [str(one) for one in found if one.code != "text-unused"] == []


@pytest.mark.parametrize("text", blocks("yaml", "cases"))
def test_every_example_of_cases_passes(text):
    report = run_cases(HOUSE_POLICY, text)
    assert [line for line in report.lines() if "FAILED" in line] == []


@pytest.mark.parametrize(
    ("about", "condition"),
    [
        (what, line)
        for kind, what, text in BLOCKS
        if kind == "cel"
        for line in text.strip().splitlines()
    ],
)
def test_every_example_of_a_condition_is_understood(about, condition):
    policy = HOUSE_POLICY
    rules = policy.admission_rules if about == "application" else policy.pruning_rules
    rules.conditions.compile(condition)


def test_no_block_is_left_untried():
    kinds = {(kind, what) for kind, what, _ in BLOCKS}
    assert kinds == {
        *((("yaml", what)) for what in ("admission", "pruning", "club", "cases", "facts")),
        ("cel", "application"),
        ("cel", "member"),
        ("console", ""),
        ("text", ""),  # from a club that runs; the journeys of tests/cli see the like
        ("mermaid", ""),
    }


@pytest.fixture
def folder(initialised: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the document has it: made by init, with a changed and a wrong policy."""
    shutil.copytree(initialised, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    text = Path("house-rules.yaml").read_text("utf-8")
    Path("new.yaml").write_text(text.replace("quiet_after: 90d", "quiet_after: 80d"), "utf-8")
    wrong = text.replace("has(application.last_declined_at) &&", "")
    wrong = wrong.replace("openFor: 30d, onDeadline", "openfor: 30d, onDeadline")
    Path("wrong.yaml").write_text(wrong, "utf-8")
    Path("zoe.yaml").write_text(blocks("yaml", "facts")[0], "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "told",
    [each for text in blocks("console") for each in re.split(r"(?m)^\$ gatekeeper ", text) if each],
    ids=lambda told: told.split("\n")[0],
)
def test_commands_answer_as_told(folder, capsys, told):
    command, _, answer = told.partition("\n")
    main.run(command.split())
    said = capsys.readouterr()
    # "…" stands for what is left out, within a line or for whole lines.
    wanted = re.escape(answer.strip()).replace("…", r"(?s:.*)")
    assert re.fullmatch(wanted, f"{said.out}{said.err}".strip()), said.out + said.err
