from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.domain.activity import BlindSpot, Span, seen
from gatekeeper.domain.sight import Gap, Sight, sight, together
from gatekeeper.testing.builders import CLUB, NOW

HOUR = timedelta(hours=1)
LONG_AGO = NOW - 1000 * HOUR
hours = st.integers(min_value=-400, max_value=0)
moments = hours.map(lambda each: NOW + each * HOUR)
spans = st.tuples(hours, st.integers(0, 90)).map(
    lambda both: Span(NOW + both[0] * HOUR, min(NOW, NOW + sum(both) * HOUR))
)
coverages = st.lists(spans, min_size=1, max_size=8)


def spot(span: Span, place: str = "lobby", platform: str = "matrix") -> BlindSpot:
    return BlindSpot(club=CLUB, platform=platform, place=place, start=span.start, end=span.end)


spots = st.lists(spans.map(spot), max_size=6)


def of(coverage: list[Span], blind: list[BlindSpot], platform: str = "matrix") -> Sight:
    begins = min((span.start for span in coverage), default=None)
    return sight(platform, begins, coverage, blind, NOW)


def hours_of(spans: list[Span]) -> set[datetime]:
    """Every hour that lies in some of the spans."""
    return {
        span.start + step * HOUR
        for span in spans
        for step in range((span.end - span.start) // HOUR)
    }


@given(coverages, spots, moments)
def test_seen_is_what_was_listened_to_without_the_blind_spots(coverage, blind, start):
    found = of(coverage, blind)
    lost = hours_of([Span(each.start, each.end or NOW) for each in blind])
    assert hours_of(found.spans()) == hours_of(coverage) - lost
    assert seen(found.spans(), start, NOW) + total(found.blind(start, NOW)) == NOW - start


def total(gaps: list[Gap]) -> timedelta:
    """How long they are, what overlaps once."""
    return seen([Span(gap.start, gap.end) for gap in gaps], LONG_AGO, NOW)


@given(st.lists(st.tuples(coverages, spots), min_size=1, max_size=3), moments)
def test_on_several_platforms_no_more_is_seen_than_on_any_since_all_are_there(platforms, start):
    sights = [of(*each, platform=str(number)) for number, each in enumerate(platforms)]
    both = together(sights)
    for each in sights:
        since = max(start, each.begins)
        assert seen(both.spans(), since, NOW) <= seen(each.spans(), since, NOW)
    assert both.begins == min(each.begins for each in sights)


@given(coverages, spots, spans)
def test_one_blind_spot_more_never_shows_more(coverage, blind, more):
    before, after = of(coverage, blind), of(coverage, [*blind, spot(more)])
    assert seen(after.spans(), LONG_AGO, NOW) <= seen(before.spans(), LONG_AGO, NOW)


def test_a_platform_that_came_later_hides_nothing_from_before():
    old = of([Span(NOW - 100 * HOUR, NOW)], [])
    new = of([Span(NOW - 10 * HOUR, NOW)], [], "slack")
    assert together([old, new]).spans() == old.spans()


def test_where_we_never_listened_nothing_was_seen():
    never = sight("matrix", None, [], [], NOW)
    assert never.spans() == together([never]).spans() == together([]).spans() == []
    assert never.blind(NOW - HOUR, NOW) == [Gap(NOW - HOUR, NOW, "", "")]


def test_who_has_an_account_where_we_never_listened_is_unknown():
    old = of([Span(NOW - 100 * HOUR, NOW)], [])
    never = sight("slack", None, [], [], NOW)
    assert together([old, never]).spans() == []
    assert together([old, never]).blind(NOW - HOUR, NOW) == [Gap(NOW - HOUR, NOW, "", "")]


def test_a_spot_that_is_open_lasts_till_now():
    open_one = BlindSpot(club=CLUB, platform="matrix", place="lobby", start=NOW - 2 * HOUR)
    found = of([Span(NOW - 9 * HOUR, NOW)], [open_one])
    assert found.spans() == [Span(NOW - 9 * HOUR, NOW - 2 * HOUR)]
    assert found.blind(NOW - 3 * HOUR, NOW) == [Gap(NOW - 2 * HOUR, NOW, "matrix", "lobby")]
