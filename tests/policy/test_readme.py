"""policies/README.md tells of every field, name, kind and outcome as the code has them."""

from pathlib import Path

import pytest

from gatekeeper.domain.activity import Kind
from gatekeeper.policy.club_document import QuestionKind
from gatekeeper.policy.document import KINDS
from gatekeeper.policy.facts import ApplicationFacts, MemberFacts
from tests.policy.fields import fact_rows, rows

README = (Path(__file__).parents[2] / "policies" / "README.md").read_text(encoding="utf-8")
HINT = "print the tables with: python -m tests.policy.fields"


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_its_row(kind):
    missing = [row for row in rows(KINDS[kind]) if row not in README.split(f"### {kind}\n")[1]]
    assert not missing, HINT


@pytest.mark.parametrize(
    ("facts", "subject"), [(ApplicationFacts, "application"), (MemberFacts, "member")]
)
def test_every_name_in_conditions_has_its_row(facts, subject):
    assert [row for row in fact_rows(facts, subject) if row not in README] == [], HINT


def test_every_kind_of_question_and_sign_is_named():
    for word in (*QuestionKind, *Kind):
        assert f"`{word.value}`" in README


def test_the_quorum_has_its_section():
    assert "\n## Quorum\n" in README
