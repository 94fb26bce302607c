"""Values of params to try, and a policy with one of them."""

from datetime import timedelta

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from gatekeeper.domain.errors import BadInput
from gatekeeper.policy.findings import PolicyError
from gatekeeper.policy.what_if import (
    MOST,
    Param,
    parse_param,
    places_of,
    variants,
    with_param,
    write_value,
)
from tests.policy.builders import a_policy, policy_text

VALUES = [
    ("quiet=60d..180d/30d", ["60d", "90d", "120d", "150d", "180d"]),
    ("quiet=60d..180d", ["60d", "90d", "120d", "150d", "180d"]),
    ("quiet=1w..2w/1w", ["7d", "14d"]),
    ("quiet=1d..10d/4d", ["1d", "5d", "9d", "10d"]),
    ("quiet=5s..15s/5s", ["5s", "10s", "15s"]),
    ("least=0.5..1.0/0.25", ["0.5", "0.75", "1.0"]),
    ("least=0..1/0.5", ["0.0", "0.5", "1.0"]),
    ("letters=0..80", ["0", "20", "40", "60", "80"]),
    ("letters=1..3", ["1", "2", "3"]),
    ("letters=7..7", ["7"]),
    ("letters=5, 9, 5", ["5", "9"]),
    ("strict=true,false", ["true", "false"]),
    ("greeting=short", ["short"]),
]


@pytest.mark.parametrize(("text", "values"), VALUES)
def test_values_are_read(text, values):
    assert [write_value(value) for value in parse_param(text).values] == values


WRONG = [
    ("quiet", "param-not-a-range"),
    ("quiet=", "param-not-a-range"),
    ("=1..2", "param-not-a-range"),
    ("quiet=90d..60d", "param-not-a-range"),
    ("quiet=60d..90", "param-not-a-range"),
    ("quiet=60d..90d/5", "param-not-a-range"),
    ("quiet=60d..90d/0d", "param-not-a-range"),
    ("quiet=a..b", "param-not-a-range"),
    ("quiet=99999999999999999d", "param-not-a-range"),
    ("quiet=0..1000/1", "param-too-many"),
    ("quiet=0.0..1.0/0.000000000000000000001", "param-too-many"),
]


@pytest.mark.parametrize(("text", "code"), WRONG)
def test_what_names_no_values_is_refused(text, code):
    with pytest.raises(BadInput) as refused:
        parse_param(text)
    assert refused.value.problems == {"param": code}


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 100))
def test_a_range_holds_both_ends_in_order(low, more, step):
    assume(more / step < MOST)
    found = parse_param(f"quiet={low}d..{low + more}d/{step}d").values
    assert (found[0], found[-1]) == (timedelta(days=low), timedelta(days=low + more))
    assert list(found) == sorted(set(found))


# ---- In a policy -------------------------------------------------------------------------------


def test_only_the_value_changes():
    text = policy_text()
    changed = with_param(text, "cooldown", timedelta(days=7))
    assert changed == text.replace("cooldown: 30d", "cooldown: 7d")
    quoted = with_param(text, "pattern", 'a "$b" # c')
    [door] = [d for d in yaml.safe_load_all(quoted) if d["kind"] == "AdmissionPolicy"]
    assert door["spec"]["params"] == {"cooldown": "30d", "pattern": 'a "$b" # c'}


def test_a_whole_number_stands_for_a_decimal_one():
    text = policy_text(("cooldown: 30d,", "share: 0.5,"))
    assert "share: 1.0" in with_param(text, "share", 1)


@pytest.mark.parametrize("value", [5, "soon", True, 0.5])
def test_a_value_of_another_kind_is_refused(value):
    with pytest.raises(BadInput) as refused:
        with_param(policy_text(), "cooldown", value)
    assert refused.value.problems == {"param": "param-wrong-type"}


def test_a_list_is_refused():
    with pytest.raises(BadInput):
        with_param(policy_text(("cooldown: 30d,", "words: [a, b],")), "words", "c")


BOTH = ("  exclude:\n", "  params: {cooldown: 5d}\n  exclude:\n")


def test_a_param_of_both_documents_changes_in_both():
    text = with_param(policy_text(BOTH), "cooldown", timedelta(days=1))
    assert text.count("cooldown: 1d") == 2
    assert places_of(a_policy(BOTH), "cooldown") == ("AdmissionPolicy", "PruningPolicy")
    assert places_of(a_policy(), "cooldown") == ("AdmissionPolicy",)


def test_every_combination_is_tried_the_last_param_turning_fastest():
    params = [parse_param("cooldown=1d,2d"), parse_param("pattern=a,b")]
    found = list(variants(a_policy(), params))
    assert [each.values for each in found] == [
        ("1d", "a"),
        ("1d", "b"),
        ("2d", "a"),
        ("2d", "b"),
    ]
    assert found[2].policy.admission_rules.params == {
        "cooldown": timedelta(days=2),
        "pattern": "a",
    }


REFUSED = [
    (["nothing=1..2"], "param-unknown"),
    (["cooldown=1d", "cooldown=2d"], "param-twice"),
    (["cooldown=1d..20d/1d", "pattern=a,b,c,d,e,f"], "param-too-many"),
    (["cooldown=1..2"], "param-wrong-type"),
]


@pytest.mark.parametrize(("texts", "code"), REFUSED)
def test_what_cannot_be_tried_is_refused(texts, code):
    with pytest.raises(BadInput) as refused:
        list(variants(a_policy(), [parse_param(text) for text in texts]))
    assert refused.value.problems == {"param": code}
    if code == "param-unknown":
        assert refused.value.values["known"] == "cooldown, pattern"


def test_a_value_that_makes_the_policy_unsound_is_told_with_its_place():
    with pytest.raises(PolicyError):
        list(variants(a_policy(), [Param("pattern", ("(",))]))
