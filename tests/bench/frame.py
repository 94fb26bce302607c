"""What a row of the bench is, how it is shown, and how it is kept."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

FILE = Path(__file__).resolve().parents[2] / "build" / "bench.json"


@dataclass(frozen=True)
class Bar:
    """What a row has to keep to: its `of` stays at or under `most` (under, if `below`; at or over,
    if `least`, for what is better the more there is of it)."""

    of: Literal["ours", "ratio"]
    most: float
    below: bool = False
    least: bool = False

    def met(self, row: "Row") -> bool:
        """Whether the row keeps to it."""
        value = row.median if self.of == "ours" else row.ratio
        if value is None:
            return False
        if self.least:
            return value >= self.most
        return value < self.most if self.below else value <= self.most

    def __str__(self) -> str:
        what = "" if self.of == "ours" else "ratio "
        sign = "≥" if self.least else "<" if self.below else "≤"
        return f"{what}{sign} {self.most:g}"


@dataclass(frozen=True)
class Row:
    """One thing measured.

    Attributes:
        name: group.what; stable, so that runs can be compared.
        unit: of `ours` and `floor`.
        ours: every run, in the order measured.
        floor: the same of the floor, measured in turn with ours; None where there is none.
        bar: what `ours` or the ratio has to keep to.
        note: what the floor is, or how it was measured.
    """

    name: str
    unit: str
    ours: Sequence[float]
    floor: Sequence[float] | None = None
    bar: Bar | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """Of ours."""
        return statistics.median(self.ours)

    @property
    def ratio(self) -> float | None:
        """Median over median; None without a floor."""
        return self.median / statistics.median(self.floor) if self.floor else None

    def kept(self) -> dict[str, Any]:
        """As it stands in bench.json."""
        return {
            "name": self.name,
            "ours": _short(self.median),
            "floor": _short(statistics.median(self.floor)) if self.floor else None,
            "unit": self.unit,
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "runs": len(self.ours),
        }


def table(rows: Sequence[Row]) -> str:
    """All rows with their spread (min / median / max) and how they stand to their bars."""
    head = ("row", "unit", "ours", "floor", "ratio", "runs", "bar", "")
    lines = [head, *(_line(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    drawn = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    notes = [f"{row.name}: {row.note}" for row in rows if row.note]
    spread = "ours and floor: min / median / max of all runs"
    return "\n".join([*drawn, "", spread, *notes])


def write(rows: Iterable[Row], file: Path = FILE) -> Path:
    """Keep this run's medians for machines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row.kept()) for row in rows]
    file.write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")
    return file


def _line(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    verdict = "" if row.bar is None else "met" if row.bar.met(row) else "NOT MET"
    floor = _spread(row.floor) if row.floor else ""
    bar = str(row.bar or "")
    return row.name, row.unit, _spread(row.ours), floor, ratio, str(len(row.ours)), bar, verdict


def _spread(values: Sequence[float]) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{_short(low):g} / {_short(middle):g} / {_short(high):g}"


def _short(value: float) -> float:
    """Three digits that count; more would only be noise."""
    return float(f"{value:.3g}") if abs(value) < 1000 else round(value)
