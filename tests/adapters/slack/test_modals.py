"""Forms as modals within Slack's limits, and what was sent back as the web form would give it."""

import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.domain.decisions import Card
from gatekeeper.domain.windows import Field, Window
from gatekeeper.policy.texts import languages, sentence
from gatekeeper_slack import home, modals
from tests.adapters.slack.sizes import faults_of_view, kinds, letters
from tests.adapters.slack.test_escape import HOSTILE, PINGS

KINDS = ("text", "longText", "choice", "many", "number", "date", "link", "tags", "consent")
LONG = st.one_of(HOSTILE, st.builds(lambda t, n: t * n, HOSTILE, st.integers(1, 30)))
CHOICES = (("a", "A"), ("b" * 200, "A long one"), ("#c", "Sharp"))


def say(code, values=None, language=""):
    return sentence(code, values, language or "en")


def field(kind, name="q1", **given):
    options = CHOICES if kind in {"choice", "many"} else ()
    return Field(name=name, kind=kind, label="What?", **{"options": options, **given})


def window(*fields, **given):
    told = {"club": "The Club", "language": "en", "headline": "Hello", **given}
    return Window(fields=fields, **told)


def sent(view, **states):
    """The view as Slack gives it back, with what is in its inputs."""
    values = {block: {"answer": state} for block, state in states.items()}
    named = {f"q:{name}" if name.startswith("q") else name: one for name, one in values.items()}
    return {**view, "state": {"values": named}}


def picked(value):
    return None if value is None else {"text": {"type": "plain_text", "text": "x"}, "value": value}


@st.composite
def fields(draw):
    kind = draw(st.sampled_from(KINDS))
    options = draw(st.lists(st.tuples(LONG, LONG), min_size=1, max_size=12))
    return Field(
        name=draw(st.from_regex(r"[a-z][a-z_]{0,10}", fullmatch=True)),
        kind=kind,
        label=draw(LONG),
        help=draw(LONG),
        required=draw(st.booleans()),
        options=tuple(options) if kind in {"choice", "many"} else (),
        typed=tuple(draw(st.lists(LONG, max_size=3))),
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(fields(), max_size=100, unique_by=lambda one: one.name), LONG, st.booleans())
def test_every_form_fits_and_formats_nothing(found, club, editing):
    view = modals.form(window(*found, club=club), say, editing=editing)
    assert faults_of_view(view) == []
    assert "mrkdwn" not in kinds(view["blocks"])


def test_a_hundred_questions_are_one_view():
    view = modals.form(window(*(field("text", f"q{n}") for n in range(100))), say, editing=False)
    assert faults_of_view(view) == []
    assert [one["type"] for one in view["blocks"]] == ["input"] * 100


def test_a_form_is_cut_into_as_few_steps_as_hold_it():
    several = window(*(field("text", f"q{n}") for n in range(150)))
    for step, count in enumerate((99, 51)):
        view = modals.form(several, say, editing=True, step=step)
        assert faults_of_view(view) == []
        assert [one["type"] for one in view["blocks"]] == ["context", *["input"] * count]
        assert modals.following(several, view, say) == (1 if step == 0 else None)
    assert modals.form(several, say, editing=True, step=9) == view, "fewer questions by now"


def test_a_question_that_no_view_holds_is_for_the_web():
    many = tuple((f"v{n}" * 40, f"Option {n} " * 30) for n in range(1000))
    view = modals.form(window(field("many", options=many), field("text", "q2")), say, editing=False)
    assert faults_of_view(view) == []
    assert [one["type"] for one in view["blocks"]] == ["section", "input"]


def test_a_whole_card_stays_within_a_view_and_keeps_what_we_say():
    facts = tuple((f"Question {n}", "Käse 🎉 " * 600) for n in range(60))
    view = modals.whole(Card(title="Long", status="Open: 1 of 2", facts=facts), say, "en")
    assert len(json.dumps(view)) < 250_000
    assert "Open: 1 of 2" in letters(view["blocks"])


def test_a_thousand_options_are_grouped():
    many = tuple((f"v{n}", f"Option {n}") for n in range(1000))
    one = modals.form(window(field("choice", options=many, typed=("v7",))), say, editing=True)
    element = one["blocks"][0]["element"]
    assert [len(group["options"]) for group in element["option_groups"]] == [100] * 10
    assert element["initial_option"]["value"] == "v7"


STATES = [  # kind, what Slack gives back, what the domain gets
    ("text", {"type": "plain_text_input", "value": "hello"}, "hello"),
    ("text", {"type": "plain_text_input", "value": None}, []),
    ("longText", {"type": "plain_text_input", "value": "a\nb <!here>"}, "a\nb <!here>"),
    ("date", {"type": "datepicker", "selected_date": "2027-01-31"}, "2027-01-31"),
    ("date", {"type": "datepicker", "selected_date": None}, []),
    ("choice", {"type": "radio_buttons", "selected_option": picked("a")}, "a"),
    ("choice", {"type": "radio_buttons", "selected_option": None}, []),
    ("choice", {"selected_option": picked(modals.token("b" * 200))}, "b" * 200),
    ("many", {"selected_options": [picked("a"), picked(modals.token("#c"))]}, ["a", "#c"]),
    ("many", {"selected_options": []}, []),
    ("many", {"selected_options": [picked("zzz"), None, {}]}, "zzz"),
    ("consent", {"selected_options": [picked("yes")]}, "yes"),
    ("consent", {"selected_options": []}, []),
    ("tags", {"value": "a, b"}, "a, b"),
]


@pytest.mark.parametrize(("kind", "state", "raw"), STATES)
def test_what_was_sent_is_read_as_the_web_form_gives_it(kind, state, raw):
    one = field(kind)
    view = sent(modals.form(window(one), say, editing=False), q1=state)
    assert modals.answers(view, [one]) == {"q1": raw}


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_shown_again_as_it_was_given(kind):
    typed = {"choice": ("b" * 200,), "many": ("a", "#c"), "date": ("2027-01-31",)}
    one = field(kind, typed=typed.get(kind, ("yes",)))
    (block,) = modals.form(window(one), say, editing=True)["blocks"]
    begun = {key: value for key, value in block["element"].items() if key.startswith("initial")}
    assert begun
    names = {"initial_value": "value", "initial_date": "selected_date"}
    names |= {"initial_option": "selected_option", "initial_options": "selected_options"}
    state = {names[key]: value for key, value in begun.items()}
    raw = modals.answers({"state": {"values": {block["block_id"]: {"answer": state}}}}, [one])
    expected = list(one.typed)
    assert raw == {"q1": expected if len(expected) > 1 else expected[0]}


def test_an_answer_that_slack_cannot_hold_stays_as_it_is():
    long = field("longText", typed=("x" * 5000,))
    view = modals.form(window(long, field("text", "q2")), say, editing=True)
    assert [one["type"] for one in view["blocks"]] == ["section", "input"]
    raw = modals.answers(sent(view, q2={"value": "new"}), [long, field("text", "q2")])
    assert raw == {"q1": ["x" * 5000], "q2": "new"}


def test_a_question_that_is_not_asked_any_more_comes_along():
    view = modals.form(window(field("text")), say, editing=False)
    assert modals.answers(sent(view, q1={"value": "x"}), []) == {"q1": "x"}


def test_problems_stand_at_their_fields():
    view = modals.form(window(field("text"), field("text", "q2")), say, editing=False)
    told = modals.errors(view, {"q1": "Too <long>", "gone": "No such question"})
    assert told == {"q:q1": "Too <long>"}
    assert modals.errors(modals.away(window(), say), {"until": "When?"}) == {"until": "When?"}
    assert modals.errors({}, {"q1": "x"}) == {}


ODD = [
    {},
    {"state": None},
    {"state": {"values": []}},
    {"state": {"values": {"q:q1": None, "until": [], "text": {"answer": 1}}}},
    {"state": {"values": {"q:q1": {"answer": {"selected_options": [1, None]}}}}},
    {"state": {"values": {"until": {"answer": {"selected_date": "2027-02-31"}}}}},
    {"state": {"values": {"text": {"answer": {"value": {"a": 1}}}}}, "private_metadata": "-1"},
    {"private_metadata": "9" * 5000, "blocks": [None, {"type": "input"}]},
]


@pytest.mark.parametrize("view", ODD)
def test_no_odd_view_is_an_error(view):
    assert all(raw == [] for raw in modals.answers(view, [field("many")]).values())
    assert modals.until(view) is None
    assert modals.written(view) == ""
    assert modals.asked(view) == 0


def test_an_absence_is_read_back():
    view = modals.away(window(), say)
    assert faults_of_view(view) == []
    back = sent(view, until={"selected_date": "2027-01-31"}, note={"value": "At sea"})
    assert (modals.until(back), modals.written(back)) == (date(2027, 1, 31), "At sea")


def test_a_question_of_an_admin_is_answered():
    view = modals.question(7, "Which <!here> clocks?", say, "de", "Der Club")
    assert faults_of_view(view) == []
    back = sent(view, text={"value": "Ship's"})
    assert (modals.asked(back), modals.written(back)) == (7, "Ship's")


@settings(max_examples=20, deadline=None)
@given(LONG, st.lists(st.tuples(LONG, LONG), max_size=60), st.lists(LONG, max_size=60))
def test_a_whole_card_fits(title, facts, lines):
    card = Card(title=title, status="s", facts=tuple(facts), lines=tuple(lines))
    view = modals.whole(card, say, "en")
    assert faults_of_view(view) == []
    assert "mrkdwn" not in kinds(view["blocks"])


def test_a_whole_card_has_all_that_was_answered_and_what_we_say_of_it():
    facts = tuple((f"Question {number}", f"{'x' * 2990}{number:03}.") for number in range(60))
    longer = tuple((f"Question {number}", "x" * 10_000) for number in range(60))
    told, cut = (
        letters(modals.whole(Card(title="t", status="2 of 3", facts=one), say, "en")["blocks"])
        for one in (facts, longer)
    )
    assert all(f"{number:03}." in told for number in range(60))
    assert "2 of 3" in told
    assert "2 of 3" in cut
    assert "[…]" in cut


@settings(max_examples=20, deadline=None)
@given(
    st.lists(LONG, max_size=5),
    st.lists(st.tuples(st.integers(1, 10**12), LONG), max_size=60),
    st.lists(st.tuples(LONG, LONG), max_size=60),
)
def test_every_home_tab_fits_and_formats_nothing(sentences, asked, told):
    shown = window(
        sentences=tuple(sentences),
        asked=tuple(asked),
        answers=tuple(told),
        may=frozenset({"apply", "edit", "withdraw", "away", "back"}),
        headline="".join(sentences),
    )
    view = home.view(shown, say)
    assert faults_of_view(view) == []
    assert not kinds(view["blocks"]) & {"mrkdwn", "user", "link"}


@pytest.mark.parametrize("language", languages())
def test_the_home_tab_says_what_one_may_do(language):
    shown = window(
        language=language, may=frozenset({"edit", "withdraw"}), answers=(("Why?", PINGS[0]),)
    )
    view = home.view(shown, say)
    told = letters(view["blocks"])
    assert say("slack.edit", None, language) in told
    assert say("slack.apply", None, language) not in told
    assert PINGS[0] in told
    assert "[slack." not in told
    row = next(one for one in view["blocks"] if one["type"] == "actions")
    assert [one["action_id"] for one in row["elements"]] == ["gk:do:edit", "gk:do:withdraw"]
    assert "confirm" in row["elements"][1]
