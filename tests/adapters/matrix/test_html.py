"""Nothing that a person typed can ping, format or hide."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.domain.decisions import Card, Choice, Link
from gatekeeper.domain.identity import Identity
from gatekeeper_matrix.html import card_content, edit_of, marked, text_content

ADA = Identity("matrix", "@ada:gk.test")


def test_html_is_escaped() -> None:
    content = text_content("<b>bold</b> & <a href='https://evil'>here</a>")
    assert "<b>" not in content["formatted_body"]
    assert "<a" not in content["formatted_body"]
    assert content["body"] == "<b>bold</b> & <a href='https://evil'>here</a>"


@pytest.mark.parametrize(
    "text", ["@room", "hello @ROOM!", "@ada:gk.test", "https://matrix.to/#/@ada:gk.test"]
)
def test_nobody_is_pinged(text: str) -> None:
    content = text_content(text)
    for part in (content["body"], content["formatted_body"]):
        assert "@room" not in part.lower()
        assert "@ada:gk.test" not in part
        assert "matrix.to" not in part
    assert content["m.mentions"] == {}


def test_only_those_mentioned_are() -> None:
    content = text_content("Welcome @ada:gk.test and @bob:gk.test", mentions=(ADA,))
    assert content["m.mentions"] == {"user_ids": ["@ada:gk.test"]}
    assert '<a href="https://matrix.to/#/@ada:gk.test">' in content["formatted_body"]
    assert "@bob:gk.test" not in content["body"]
    assert text_content("Welcome", mentions=(ADA,))["body"] == "@ada:gk.test: Welcome"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("a\x00b\x1bc", "a⟨U+0000⟩b⟨U+001B⟩c"),
        ("a\r\nb\tc", "a\nb c"),
        ("\ud800", "⟨U+D800⟩"),
        ("👩‍👩‍👧 ✅\ufe0f", "👩‍👩‍👧 ✅\ufe0f"),
    ],
)
def test_what_hides_is_shown_as_marks(text: str, shown: str) -> None:
    assert marked(text) == shown


def test_links_are_ours_alone() -> None:
    content = text_content("Open:", (Link('Your "form"', "https://gk.test/l/a?b=1&c=2"),))
    assert content["body"].endswith('Your "form": https://gk.test/l/a?b=1&c=2')
    assert '<a href="https://gk.test/l/a?b=1&amp;c=2">' in content["formatted_body"]


def test_choices_are_explained() -> None:
    content = text_content("Still here?", choices=(Choice("here", "✅", "I am still here"),))
    assert content["body"].splitlines()[-1] == "✅ I am still here"


CARDS = st.builds(
    Card,
    title=st.text(),
    status=st.text(),
    facts=st.lists(st.tuples(st.text(), st.text()), max_size=8).map(tuple),
    lines=st.lists(st.text(), max_size=8).map(tuple),
)


@given(CARDS)
def test_every_card_can_be_sent(card: Card) -> None:
    content = edit_of("$card", card_content(card))
    assert len(json.dumps(content, ensure_ascii=False).encode()) < 60_000
    assert content["m.new_content"]["m.mentions"] == {}


@pytest.mark.parametrize("letter", ["x", '"', "💚", "@room ", "\u202e", "<"])
def test_what_is_too_long_is_cut_with_a_mark(letter: str) -> None:
    card = Card(title=letter * 9, status="s", facts=tuple([(letter, letter * 20_000)] * 30))
    content = edit_of("$card", card_content(card))
    assert len(json.dumps(content, ensure_ascii=False).encode()) < 60_000
    assert "[…]" in content["body"]
    assert "[…]" in text_content(letter * 70_000)["body"]
