"""A page of the removals card as a Matrix event: a ✅ confirms all on it, so it names them all."""

import json

import pytest

from gatekeeper.domain.decisions import Card
from gatekeeper.usecases import removals
from gatekeeper_matrix.html import card_content, edit_of

PLAIN = (
    "Last sign on 3 March 2026, 14:05 in lobby (message): 100 days of silence; we could see all."
)
LONG = "ü" * 700
ROWS = [
    pytest.param("Ada Lovelace", "@ada:example.org", PLAIN * 3, True, id="as usual"),
    pytest.param("🦊" * removals.NAME, f"@{'a' * 200}:example.org", LONG, False, id="the longest"),
    pytest.param("<&\"'>" * 8, f"@{'a' * 200}:example.org", LONG, False, id="to be escaped"),
    pytest.param("\u202e" * removals.NAME, "@room:example.org", LONG, False, id="hidden letters"),
]


@pytest.mark.parametrize(("name", "account", "evidence", "whole"), ROWS)
def test_a_full_page_shows_every_name(name: str, account: str, evidence: str, whole: bool) -> None:
    numbers = range(123_000, 123_000 + removals.PER_PAGE)
    facts = tuple((f"#{n} {name} · {account}", evidence) for n in numbers)
    card = Card(title="Planned removals", status="Page 2 of 20", facts=facts, lines=(LONG, LONG))
    content = card_content(card)
    for n in numbers:
        assert f"#{n} " in content["body"]
        assert f"#{n} " in content["formatted_body"]
    assert (evidence in content["body"]) == whole
    edited = edit_of("$card", content)
    assert len(json.dumps(edited, ensure_ascii=False).encode()) < 60_000
