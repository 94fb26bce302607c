"""Messages and cards within Slack's limits, and presses read back."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.domain.decisions import Card, Choice, Link, Post, ShowCard, Tell
from gatekeeper.domain.identity import Identity
from gatekeeper_slack.cards import chosen, render, symbol_of
from tests.adapters.slack.sizes import faults_of_message, kinds, letters
from tests.adapters.slack.test_escape import HOSTILE, PINGS

ADA = Identity("slack", "T0G4:U0ADA")
YES = Choice("approve", "✅", "Approve")
NO = Choice("decline", "❌", "Decline")
CARD = Card(
    title="Ada wants to join",
    status="2 of 3",
    facts=(("Why", "I like gates"),),
    lines=("✅ Bob",),
    choices=(YES, NO),
)
LONG = st.one_of(HOSTILE, st.builds(lambda t, n: t * n, HOSTILE, st.integers(1, 40)))
PAIRS = st.lists(st.tuples(LONG, LONG), max_size=30).map(tuple)


def buttons(message):
    rows = [one for one in message["blocks"] if one["type"] == "actions"]
    return [one for row in rows for one in row["elements"]]


def test_a_card_shows_everything_and_has_its_buttons():
    message = render(ShowCard(place="admins", card=CARD), "application:1/card/0")
    assert faults_of_message(message) == []
    shown = letters(message["blocks"])
    for word in ("Ada wants to join", "Why: ", "I like gates", "✅ Bob", "2 of 3", "✅ Approve"):
        assert word in shown
    assert [symbol_of(one) for one in buttons(message)] == ["✅", "❌"]
    assert chosen(buttons(message)[0]).option == "approve"
    assert chosen(buttons(message)[0]).key == "application:1/card/0"
    assert message["text"].startswith("Ada wants to join")


def test_a_card_that_is_decided_has_no_buttons():
    assert not buttons(render(ShowCard(place="admins", card=Card(title="a", status=""))))


def test_what_cannot_be_undone_is_asked_once_more():
    card = Card(title="Who goes", status="", choices=(Choice("confirm", "✅", "Remove all"),))
    (button,) = buttons(render(ShowCard(place="admins", card=card)))
    assert button["confirm"]["title"]["text"] == "Who goes"
    assert button["style"] == "danger"


@settings(max_examples=25, deadline=None)
@given(LONG, LONG, PAIRS, st.lists(LONG, max_size=30).map(tuple), st.integers(0, 9))
def test_every_card_fits_and_calls_nobody(title, status, facts, lines, count):
    choices = tuple(Choice(f"reason:{n}", f"{n}⃣", title) for n in range(count))
    card = Card(title=title, status=status, facts=facts, lines=lines, choices=choices)
    message = render(ShowCard(place="admins", card=card), title)
    assert faults_of_message(message) == []
    assert not kinds(message["blocks"]) & {"user", "link", "mrkdwn", "broadcast", "usergroup"}
    assert "<" not in message["text"]
    assert len([one for one in buttons(message) if symbol_of(one)]) == count


def test_what_had_to_be_cut_can_be_opened():
    long = Card(title="t", status="", facts=(("Why", "x" * 9000),), choices=(YES,))
    message = render(ShowCard(place="admins", card=long))
    assert [one["action_id"] for one in buttons(message)] == ["choice:approve", "gk:open"]


def test_what_we_say_of_it_is_not_cut_for_what_was_answered():
    line = f"{'w' * 150}."
    facts = tuple((f"Question {number}", "x" * 3000) for number in range(60))
    message = render(ShowCard(place="admins", card=replace(CARD, facts=facts, lines=(line,))))
    assert faults_of_message(message) == []
    assert line in letters(message["blocks"])


def test_whoever_is_not_shown_cannot_be_decided_about():
    """A page of removals always fits; should one not, nobody is let go by it unseen."""
    choices = (Choice("confirm", "✅", "Remove"), Choice("keep", "❌", "Keep"))
    page = tuple((f"#{n} {'N' * 40} · @{'a' * 250}", "\u202e" * 2000) for n in range(15))
    card = Card(title="t", status="s" * 500, facts=page, lines=("l" * 400,) * 4, choices=choices)
    message = render(ShowCard(place="admins", card=card))
    assert faults_of_message(message) == []
    assert all(f"#{n} N" in letters(message["blocks"]) for n in range(15))
    assert [symbol_of(one) for one in buttons(message)][:2] == ["✅", "❌"]
    more = replace(card, facts=page * 20)
    message = render(ShowCard(place="admins", card=more))
    assert faults_of_message(message) == []
    assert [one["action_id"] for one in buttons(message)] == ["choice:keep", "gk:open"]


@settings(max_examples=25, deadline=None)
@given(LONG, LONG)
def test_every_text_fits_and_pings_only_those_meant(text, label):
    link = Link(label, "https://example.org/a?b=1&c=2")
    message = render(Tell(who=ADA, text=text, links=(link,), choices=(YES,)))
    assert faults_of_message(message) == []
    assert "user" not in kinds(message["blocks"])
    assert "mrkdwn" not in kinds(message["blocks"])
    message = render(Post(place="admins", text=text, mentions=(ADA,)))
    assert faults_of_message(message) == []
    assert "user" in kinds(message["blocks"])
    assert message["text"].count("<") == 1


@pytest.mark.parametrize("ping", PINGS)
def test_a_ping_is_shown_as_it_was_typed(ping):
    message = render(Post(place="admins", text=f"Ada says {ping}"))
    assert ping in letters(message["blocks"])
    assert ping not in message["text"]


def test_those_mentioned_stand_where_the_text_names_them():
    message = render(Post(place="admins", text=f"Now {ADA.account}, say why", mentions=(ADA,)))
    (section,) = message["blocks"][0]["elements"]
    assert [one.get("user_id") for one in section["elements"]] == [None, "U0ADA", None]


def test_a_text_that_lists_its_choices_tells_them_once():
    text = f"Why?\n{YES.symbol} {YES.label}"
    assert render(Post(place="admins", text=text, choices=(YES,)))["text"] == text
    assert YES.label in render(Post(place="admins", text="Why?", choices=(YES,)))["text"]


def test_a_link_is_one_and_no_other_scheme_is():
    links = (Link("Open | it", "https://x.org/?a&b"), Link("Bad", "javascript:alert(1)"))
    message = render(Tell(who=ADA, text="Hello", links=links))
    assert message["text"] == "Hello\n<https://x.org/?a&amp;b|Open / it>"
    assert "Bad" not in letters(message["blocks"])


def test_the_address_of_a_link_is_not_escaped_in_rich_text():
    message = render(Tell(who=ADA, text="Hello", links=(Link("Open", "https://x.org/?a&b"),)))
    (section,) = message["blocks"][0]["elements"]
    assert section["elements"][-1]["url"] == "https://x.org/?a&b"


OLD = [
    ({"action_id": "choice:approve", "value": "✅"}, "✅"),
    ({"action_id": "choice:approve", "value": '{"v":9,"s":"✅","new":[1]}'}, "✅"),
    ({"action_id": "choice:approve", "value": '{"s":["✅"]}'}, ""),
    ({"action_id": "choice:approve", "value": "{" * 500}, ""),
    ({"action_id": "choice:approve", "value": "x" * 41}, ""),
    ({"action_id": "choice:approve", "value": None}, ""),
    ({"action_id": "gk:apply", "value": "✅"}, ""),
    ({}, ""),
]


@pytest.mark.parametrize(("action", "symbol"), OLD)
def test_an_earlier_or_later_form_is_read_as_far_as_it_goes(action, symbol):
    assert symbol_of(action) == symbol


@given(st.recursive(st.none() | st.text(), lambda t: st.dictionaries(st.text(), t), max_leaves=5))
def test_no_press_is_an_error(told):
    chosen({"action_id": "choice:x", "value": json.dumps(told)})
