"""The frame of the bench: medians, ratios, bars, and the file that machines read."""

import json

import pytest

from tests.bench import frame
from tests.bench.frame import Bar, Row

PAIRED = Row("matrix.some", "ms", [30, 20, 10], [10, 8, 12], Bar("ratio", 2.5))
ALONE = Row("app.some", "s", [1.0, 3.0], bar=Bar("ours", 2, below=True))


def test_a_ratio_is_median_over_median():
    assert (PAIRED.median, PAIRED.ratio) == (20, 2.0)
    assert ALONE.ratio is None


@pytest.mark.parametrize(
    ("most", "below", "met"), [(2.0, False, True), (2.0, True, False), (1.9, False, False)]
)
def test_a_bar_is_met_or_not(most, below, met):
    assert Bar("ratio", most, below).met(PAIRED) is met


@pytest.mark.parametrize(("bar", "met"), [(2.0, True), (2.1, False)])
def test_a_bar_can_be_the_least(bar, met):
    assert Bar("ratio", bar, least=True).met(PAIRED) is met
    assert str(Bar("ratio", bar, least=True)) == f"ratio ≥ {bar:g}"


def test_a_ratio_without_a_floor_is_not_met():
    assert Bar("ratio", 5).met(ALONE) is False


def test_the_table_shows_spread_and_bars():
    told = frame.table([PAIRED, ALONE])
    paired, alone = (" ".join(line.split()) for line in told.splitlines()[1:3])
    assert paired == "matrix.some ms 10 / 20 / 30 8 / 10 / 12 2.00 3 ratio ≤ 2.5 met"
    assert alone == "app.some s 1 / 2 / 3 2 < 2 NOT MET"


def test_the_file_is_the_list_that_was_promised(tmp_path):
    kept = json.loads(frame.write([PAIRED, ALONE], tmp_path / "build/bench.json").read_text())
    assert kept == [
        {"name": "matrix.some", "ours": 20, "floor": 10, "unit": "ms", "ratio": 2.0, "runs": 3},
        {"name": "app.some", "ours": 2, "floor": None, "unit": "s", "ratio": None, "runs": 2},
    ]
