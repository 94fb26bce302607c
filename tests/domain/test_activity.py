from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.domain.activity import Span, seen, seen_enough_at
from gatekeeper.testing.builders import NOW

HOUR = timedelta(hours=1)
moments = st.integers(min_value=-500, max_value=0).map(lambda hours: NOW + hours * HOUR)
coverages = st.lists(
    st.tuples(moments, st.integers(0, 100)).map(lambda s: Span(s[0], s[0] + s[1] * HOUR)),
    max_size=12,
)


def span(start: float, end: float) -> Span:
    return Span(NOW + start * HOUR, NOW + end * HOUR)


@pytest.mark.parametrize(
    ("spans", "hours"),
    [
        pytest.param([], 0, id="never listened"),
        pytest.param([span(-20, 5)], 10, id="whole time, and more"),
        pytest.param([span(-9, -7), span(-3, -1)], 4, id="a gap between"),
        pytest.param([span(-9, -5), span(-7, -4)], 5, id="what overlaps counts once"),
        pytest.param([span(-20, -11)], 0, id="before"),
        pytest.param([span(-3, -1), span(-9, -7)], 4, id="in any order"),
    ],
)
def test_seen(spans, hours):
    assert seen(spans, NOW - 10 * HOUR, NOW) == hours * HOUR


@given(coverages, moments)
def test_never_more_is_seen_than_there_was(coverage, start):
    assert timedelta(0) <= seen(coverage, start, NOW) <= NOW - start


@given(coverages, moments, st.tuples(moments, st.integers(0, 100)))
def test_listening_longer_never_shows_less(coverage, start, more):
    longer = [*coverage, Span(more[0], more[0] + more[1] * HOUR)]
    assert seen(longer, start, NOW) >= seen(coverage, start, NOW)


@given(coverages, moments, st.integers(0, 200))
def test_seen_enough_means_seen(coverage, start, hours):
    needed = hours * HOUR
    at = seen_enough_at(coverage, start, needed, NOW)
    assert at >= start + needed
    if at <= NOW:
        assert seen(coverage, start, at) == needed
    else:
        assert seen(coverage, start, NOW) + (at - NOW) == needed


def test_blind_time_stretches():
    blind_for_a_day = [span(-100, -50), span(-26, 0)]
    at = seen_enough_at(blind_for_a_day, NOW - 60 * HOUR, 30 * HOUR, NOW)
    assert at == NOW - 6 * HOUR
