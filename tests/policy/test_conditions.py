"""CEL behind its guards; each trap of the binding that concerns us has its test here."""

import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.policy.binding import to_cel
from gatekeeper.policy.club_document import Form
from gatekeeper.policy.conditions import ConditionError, Conditions
from gatekeeper.policy.facts import ApplicationFacts, Type, schema_of, values_of
from gatekeeper.policy.plain import clean_text, param_type, read_param
from tests.policy.builders import NOW, an_application

FORM = Form.model_validate(
    {
        "questions": [
            {"id": "why", "kind": "longText", "label": "?", "required": True},
            {"id": "age", "kind": "number", "label": "?"},
        ]
    }
)
PARAMS = {
    "cooldown": timedelta(days=30),
    "pattern": "(?i)casino",
    "broken": "(",
    "words": ["a", "b"],
}
ENV = Conditions("application", schema_of(ApplicationFacts, FORM), PARAMS)


def run(source, **facts):
    condition = ENV.compile(source)
    scope = ENV.scope(values_of(an_application(**facts), ENV.subject_schema), {}, NOW)
    return scope.evaluate(condition)


TRUE = [
    "application.text.matches(params.pattern)",
    "application.text.lowerAscii().contains('casino')",
    "has(application.answers.age) && application.answers.age > 17",
    "!has(application.last_declined_at) || now - application.last_declined_at > params.cooldown",
    "has(application.last_declined_at) ? application.last_declined_at < now : true",
    "!(has(application.last_declined_at) && application.last_declined_at > now)",
    "duration('90d') == duration('2160h')",
    "duration('1w') > duration('6d23h')",
    "duration('-1d') < duration('0s')",
    "now.getHours('Europe/Berlin') == 13",
    "now.getHours('+02:00') == 14",
    "params.words.exists(w, w == 'a') && 'b' in params.words",
    "timestamp('2026-03-01T12:00:00Z') == now",
    "size('äöü 🌷') == 5",
]


@pytest.mark.parametrize("source", TRUE)
def test_conditions_that_hold(source):
    outcome = run(source, text="the CASINO", answers={"why": "x", "age": 18})
    assert (outcome.value, outcome.fault) == (True, "")


REFUSED = [  # condition, code, offset of the letter it points at
    ("application.nope == 1", "condition-unknown-name", 11),
    ("nope == 1", "condition-unknown-name", 0),
    ("application.answers.nope == 1", "condition-unknown-name", 19),
    ("params.nope == 1", "condition-unknown-name", 6),
    ("variables.nope == 1", "condition-unknown-name", 9),
    ("'ä🌷' == application.text && application.nope", "condition-unknown-name", 39),
    ("application.text == 3", "condition-wrong-type", 17),
    ("application.text ==", "condition-syntax", 18),
    ("(" * 40 + "true" + ")" * 40, "condition-syntax", 0),
    ("1", "condition-wrong-result", 0),
    ("null", "condition-wrong-result", 0),
    ("[true]", "condition-wrong-result", 0),
    ("application.last_declined_at == null", "condition-null", 32),
    ("application.links == 0 || null == null", "condition-null", 26),
    ("dyn(application).nope == 1", "condition-not-checkable", 4),
    ("google.protobuf.Timestamp{seconds: 1} < now", "condition-not-checkable", 0),
    ("has(application.text)", "condition-always-there", 4),
    ("now - application.last_declined_at < params.cooldown", "condition-absent", 6),
    ("application.answers.age > 1", "condition-absent", 0),
    (
        "application.answers.age > 1 || has(application.answers.age)",
        "condition-absent",
        0,
    ),
    (
        "(has(application.answers.age) || true) && application.answers.age > 1",
        "condition-absent",
        42,
    ),
    ("[1].all(x, application.answers.age > x)", "condition-absent", 11),
    ("application.text.matches('(')", "condition-bad-constant", 25),
    ("application.text.matches(params.broken)", "condition-bad-constant", 25),
    ("duration('9x') > duration('1h')", "condition-bad-constant", 9),
    ("duration('99999999999d') > duration('1h')", "condition-bad-constant", 9),
    ("now.getHours('Europe/Nowhere') > 1", "condition-bad-constant", 13),
    ("timestamp('2026-13-01T00:00:00Z') < now", "condition-bad-constant", 10),
    ("application.text == 'a\\u0000b'", "condition-bad-text", 20),
    ("application.text == 'a\x00b'", "condition-bad-text", 0),
    ("application.text == '\ud800'", "condition-bad-text", 0),
    ("true" + " || true" * 2000, "condition-too-long", 0),
]


@pytest.mark.parametrize(("source", "code", "offset"), REFUSED)
def test_what_is_refused_before_it_ever_runs(source, code, offset):
    with pytest.raises(ConditionError) as caught:
        ENV.compile(source)
    assert (code, offset) in [(p.code, p.offset) for p in caught.value.problems]


def test_all_problems_are_told_at_once():
    with pytest.raises(ConditionError) as caught:
        ENV.compile("application.nope == 1 && application.text == 3")
    codes = [problem.code for problem in caught.value.problems]
    assert codes == ["condition-unknown-name", "condition-wrong-type"]


def test_a_null_result_cannot_be_compiled_so_it_cannot_abort_the_process():
    """On CPython 3.11 some five thousand results that are null end the process."""
    for want in ("bool", "string", "any"):
        with pytest.raises(ConditionError):
            ENV.compile("null", want)
        with pytest.raises(ConditionError):
            ENV.compile("true ? null : null", want)


def test_nul_does_not_hide_what_stands_behind_it():
    """The library ends a text at NUL: "hello\\0 CASINO" would slip past the rule."""
    assert run("application.text.matches(params.pattern)", text="hello\x00 CASINO").value is True
    assert run("size(application.text) == 4", text="a\x00bc").value is True
    assert run("size(application.answers.why) == 3", answers={"why": "a\x00b"}).value is True


def test_lone_surrogates_are_replaced():
    outcome = run("application.text.contains('CASINO')", text="\ud800 CASINO")
    assert (outcome.value, outcome.fault) == (True, "")


def test_an_absent_time_is_a_fault_and_never_1970():
    """Even where the check is passed over, an unset time does not read as the epoch."""
    condition = ENV.compile("has(application.last_declined_at)")
    assert ENV.scope({"answers": {}}, {}, NOW).evaluate(condition).value is False
    loose = ENV.compile("application.submitted_at < now")  # required, yet not there
    outcome = ENV.scope({}, {}, NOW).evaluate(loose)
    assert outcome.value is None
    assert "submitted_at" in outcome.fault


def test_naive_times_are_refused_at_the_boundary():
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(ValueError, match="without a zone"):
        ENV.scope({}, {}, naive)
    with pytest.raises(ValueError, match="without a zone"):
        to_cel({"submitted_at": naive})


@pytest.mark.parametrize("value", [None, {1, 2}, b"x", object()])
def test_values_that_the_library_would_misread_are_refused(value):
    with pytest.raises(ValueError, match="no value"):
        to_cel({"x": value})


def test_error_values_are_never_truthy():
    for source in ("1 / 0 == 1", "application.answers.why.substring(99) == ''"):
        outcome = run(source)
        assert outcome.value is None
        assert outcome.fault


def test_a_value_of_another_type_than_checked_is_a_fault():
    condition = ENV.compile("application.proven")
    outcome = ENV.scope({"proven": 1}, {}, NOW).evaluate(condition)
    assert outcome.value is None
    assert outcome.fault


def test_evaluation_is_bounded_whatever_the_rule():
    hundred = str(list(range(100)))
    nested = "true"
    for name in "abcd":
        nested = f"{hundred}.all({name}, {nested})"
    assert "budget" in run(nested).fault.lower()


def test_evaluation_is_bounded_whatever_the_text():
    slow = Conditions("application", schema_of(ApplicationFacts, FORM), {"pattern": "^(a+)+$"})
    condition = slow.compile("application.text.matches(params.pattern)")
    facts = values_of(an_application(text="a" * 9000 + "!"), slow.subject_schema)
    assert slow.scope(facts, {}, NOW).evaluate(condition).value is False


def test_variables_are_typed_and_a_faulty_one_faults_its_users_alone():
    half = ENV.compile("10 / application.links", "any")
    env = ENV.with_variable("half", half.type)
    using, other = env.compile("variables.half > 1"), env.compile("application.links == 0")
    scope = env.scope({"links": 0}, {"half": half}, NOW)
    assert scope.evaluate(using).fault
    assert scope.evaluate(other).value is True
    assert env.scope({"links": 5}, {"half": half}, NOW).evaluate(using).value is True
    with pytest.raises(ConditionError):
        env.compile("variables.half == 'x'")


def test_variables_of_every_type_come_back():
    sources = ["now", "now - now", "1", "1.5", "'a'", "true", "['a']", "[1]", "[true]", "[0.5]"]
    for source in sources:
        variable = ENV.compile(source, "any")
        env = ENV.with_variable("it", variable.type)
        condition = env.compile(f"variables.it == {source}")
        outcome = env.scope({}, {"it": variable}, NOW).evaluate(condition)
        assert outcome.value is True, (source, outcome)


@given(st.text(st.characters(codec=None), max_size=60))
@settings(max_examples=200)
def test_clean_text_leaves_nothing_that_hides_or_raises(text):
    cleaned = clean_text(text)
    assert len(cleaned) == len(text)
    assert clean_text(cleaned) == cleaned
    outcome = run(f"size(application.text) == {len(text)}", text=cleaned)
    assert outcome.value is True


@given(st.text(st.characters(codec=None), max_size=40))
def test_any_source_compiles_or_is_refused(source):
    problems = ()
    try:
        ENV.compile(source)
    except ConditionError as error:
        problems = error.problems
    assert all(0 <= problem.offset <= len(source) for problem in problems)


def test_params_are_read_with_their_units():
    assert read_param("30d") == timedelta(days=30)
    assert read_param("30 days") == "30 days"
    assert read_param([1, 2.5]) == [1.0, 2.5]
    assert param_type(["a"]) == Type(str, many=True)
    assert param_type(NOW) == Type(datetime)
    for wrong in (None, [1, "a"], [[1]], {"a": 1}):
        with pytest.raises(ValueError, match=r"list of different|no value"):
            param_type(read_param(wrong))


def test_results_do_not_leak_references():
    """Ten thousand evaluations in a process of its own: it must still be there at the end."""
    code = (
        "from tests.policy.test_conditions import run\n"
        "for _ in range(10000):\n"
        "    run('has(application.last_declined_at)')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
