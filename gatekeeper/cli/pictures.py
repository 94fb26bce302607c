"""What the values of a param would do, drawn: bars for one param, a map for two.

The only module that knows matplotlib, which takes its time: import it when a picture is asked for.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gatekeeper.cli.simulated import APPLICATIONS, counts_of
from gatekeeper.domain.decisions import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from gatekeeper.cli.simulate import Found, Say

# Told apart in grey too, and by those who see red and green alike; what acts on people is darker.
COLOURS: Final[Mapping[Verdict, str]] = {
    Verdict.ADMIT: "#2a7f9e",
    Verdict.WAIT: "#d8d8d8",
    Verdict.DECLINE: "#8c2d04",
    Verdict.NOTIFY: "#f2b04a",
    Verdict.REMOVE: "#8c2d04",
    Verdict.KEEP: "#d8d8d8",
}
LEGEND: Final[Mapping[Verdict, str]] = {
    Verdict.ADMIT: "admitted",
    Verdict.WAIT: "reviewed",
    Verdict.DECLINE: "declined",
    Verdict.NOTIFY: "asked",
    Verdict.REMOVE: "removed",
    Verdict.KEEP: "kept",
}
DARK: Final = frozenset({Verdict.ADMIT, Verdict.DECLINE, Verdict.REMOVE})  # white numbers on these
STYLE: Final[dict[Any, Any]] = {
    "font.size": 12,
    "axes.titlesize": 15,
    "axes.labelsize": 12,
    "svg.fonttype": "path",  # the same everywhere, whatever fonts are installed
    "svg.hashsalt": "gatekeeper",  # and the same for the same numbers
    "text.parse_math": False,  # a value may hold a dollar
}
CROWDED: Final = 12  # values beside one another; with more their names are turned


def draw(found: "Found", say: "Say", file: Path) -> None:
    """Draw the rows of `found` into `file`, one chart for applications, one for members.

    Args:
        found: with one param or two.
        file: its ending says how: .png (150 dots an inch), .svg.
    """
    kinds = [name for name in ("AdmissionPolicy", "PruningPolicy") if name in found.about]
    wide = len(found.params[-1].values)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(8.0, 0.75 * wide + 2.5), 5.4 * len(kinds)), dpi=150)
        figure.set_layout_engine("constrained", h_pad=0.12, w_pad=0.12)
        FigureCanvasAgg(figure)
        for number, kind in enumerate(kinds, 1):
            axes = figure.add_subplot(len(kinds), 1, number)
            applications = kind == "AdmissionPolicy"
            _title(axes, found, say, applications)
            (_bars if len(found.params) == 1 else _map)(axes, found, say, applications)
        made = {} if file.suffix.lower() == ".png" else {"Date": None}
        figure.savefig(file, metadata=made)


def _title(axes: "Axes", found: "Found", say: "Say", applications: bool) -> None:
    names = ", ".join(param.name for param in found.params)
    counts = counts_of(found.rows[0], applications)
    values = {"params": names, "count": sum(counts.values())}
    kind = "applications" if applications else "members"
    ahead = "until" if found.forecast is not None else "now"
    below = say(
        f"simulate.chart.{'since' if applications else ahead}",
        {
            "since": found.since.isoformat(),
            "until": (found.now if applications else found.until).isoformat(),
        },
    )
    axes.set_title(say(f"simulate.chart.{kind}", values), loc="left", pad=30, fontweight="bold")
    axes.text(0, 1.03, below, transform=axes.transAxes, color="#555555")


def _bars(axes: "Axes", found: "Found", say: "Say", applications: bool) -> None:
    """A bar for each value: all applications, but of the members only whom it would touch."""
    shown = APPLICATIONS if applications else (Verdict.REMOVE, Verdict.NOTIFY)
    rows = [counts_of(row, applications) for row in found.rows]
    places = range(len(rows))
    base = [0] * len(rows)
    most = max(1, *(sum(row[verdict] for verdict in shown) for row in rows))
    for verdict in shown:
        heights = [row[verdict] for row in rows]
        bars = axes.bar(
            places,
            heights,
            0.7,
            bottom=base,
            color=COLOURS[verdict],
            edgecolor="white",
            label=say(f"simulate.chart.{LEGEND[verdict]}"),
        )
        if len(rows) <= 2 * CROWDED:
            told = [str(height) if height > most * 0.04 else "" for height in heights]
            ink = "white" if verdict in DARK else "black"
            axes.bar_label(bars, told, label_type="center", color=ink)
        base = [low + height for low, height in zip(base, heights, strict=True)]
    axes.set_ylim(0, most * 1.06)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(_unit(say, applications))
    axes.set_xlabel(found.params[0].name)
    _name_values(axes, [row.variant.values[0] for row in found.rows], rows, say, applications)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e4e4")
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _unit(say: "Say", applications: bool) -> str:
    return say(f"simulate.chart.count-{'applications' if applications else 'members'}")


def _name_values(
    axes: "Axes",
    values: Sequence[str],
    rows: Sequence[Mapping[Verdict, int]],
    say: "Say",
    applications: bool,
) -> None:
    """The values beneath the bars; with members, how many each of them lets be."""
    crowded = len(values) > CROWDED
    told = [value[:24] for value in values]
    if not applications and not crowded:
        kept = say("simulate.chart.kept")
        told = [
            f"{value}\n{kept}: {row[Verdict.KEEP]}" for value, row in zip(told, rows, strict=True)
        ]
    axes.set_xticks(range(len(values)), told)
    if crowded:
        axes.tick_params(axis="x", labelrotation=90)


def _map(axes: "Axes", found: "Found", say: "Say", applications: bool) -> None:
    """A field for each pair of values: how many are decided without an admin, or touched."""
    down, across = found.params
    acts = (Verdict.ADMIT, Verdict.DECLINE) if applications else (Verdict.NOTIFY, Verdict.REMOVE)
    counts = [counts_of(row, applications) for row in found.rows]
    numbers = [sum(each[verdict] for verdict in acts) for each in counts]
    width = len(across.values)
    grid = [numbers[start : start + width] for start in range(0, len(numbers), width)]
    most = max(1, *numbers)
    image = axes.imshow(grid, cmap="YlOrBr", vmin=0, vmax=most, aspect="auto")
    for y, line in enumerate(grid):
        for x, number in enumerate(line):
            ink = "white" if number > most * 0.6 else "black"
            axes.text(x, y, str(number), ha="center", va="center", color=ink)
    axes.set_xticks(range(width), [row.variant.values[1] for row in found.rows[:width]])
    axes.set_yticks(range(len(grid)), [row.variant.values[0] for row in found.rows[::width]])
    axes.set_xlabel(across.name)
    axes.set_ylabel(down.name)
    if width > CROWDED:
        axes.tick_params(axis="x", labelrotation=90)
    bar = axes.figure.colorbar(image, ax=axes)
    bar.set_label(say(f"simulate.chart.{'decided' if applications else 'touched'}"))
    bar.locator = MaxNLocator(integer=True)
    bar.update_ticks()
