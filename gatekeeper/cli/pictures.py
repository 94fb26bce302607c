"""What the values of a param would do, drawn: bars for one param, a map for two.

The only module that knows matplotlib, which takes its time: import it when a picture is asked for.
"""

import warnings
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
NAMED: Final = 40  # with more, only some of the names stand beneath
WIDEST: Final = 16.0  # inches


def draw(found: "Found", say: "Say", file: Path) -> None:
    """Draw the rows of `found` into `file`, one chart for applications, one for members.

    Args:
        found: with one param or two.
        file: its ending says how: .png (150 dots an inch), .svg.
    """
    kinds = [name for name in ("AdmissionPolicy", "PruningPolicy") if name in found.about]
    wide = len(found.params[-1].values)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(min(max(8.0, 0.7 * wide + 2), WIDEST), 5.6 * len(kinds)), dpi=150)
        figure.set_layout_engine("constrained", h_pad=0.12, w_pad=0.12)
        FigureCanvasAgg(figure)
        for number, kind in enumerate(kinds, 1):
            axes = figure.add_subplot(len(kinds), 1, number)
            applications = kind == "AdmissionPolicy"
            _title(axes, found, say, applications)
            (_bars if len(found.params) == 1 else _map)(axes, found, say, applications)
        made = {} if file.suffix.lower() == ".png" else {"Date": None}
        with warnings.catch_warnings():  # of letters that the font lacks: they become boxes
            warnings.simplefilter("ignore", UserWarning)
            figure.savefig(file, metadata=made)


def _title(axes: "Axes", found: "Found", say: "Say", applications: bool) -> None:
    names = " × ".join(param.name for param in found.params)
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
    title = f"{say(f'simulate.chart.{kind}', values)}\n"
    pad = 34 if len(found.params) == 1 else 6  # room for the legend
    axes.set_title(title, loc="left", pad=pad, fontweight="bold")
    axes.annotate(
        below,
        (0, 1),
        (0, pad + 4),
        xycoords="axes fraction",
        textcoords="offset points",
        color="#555555",
    )


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
            0.7 if len(rows) <= NAMED else 1.0,
            bottom=base,
            color=COLOURS[verdict],
            edgecolor="white" if len(rows) <= NAMED else "none",
            label=say(f"simulate.chart.{LEGEND[verdict]}"),
        )
        if len(rows) <= CROWDED + CROWDED // 2:
            told = [str(height) if height > most * 0.06 else "" for height in heights]
            ink = "white" if verdict in DARK else "black"
            axes.bar_label(bars, told, label_type="center", color=ink)
        base = [low + height for low, height in zip(base, heights, strict=True)]
    axes.set_ylim(0, most * 1.06)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(_unit(say, applications))
    beneath = not applications and len(rows) <= CROWDED
    _name_values(axes, [row.values[0] for row in found.rows], rows if beneath else ())
    name = {"param": found.params[0].name}
    axes.set_xlabel(say("simulate.chart.beneath", name) if beneath else name["param"])
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e4e4")
    axes.set_axisbelow(True)
    axes.set_xlim(-0.6, len(rows) - 0.4)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        borderaxespad=0.3,
        ncols=len(shown),
        frameon=False,
        handlelength=1.2,
    )


def _unit(say: "Say", applications: bool) -> str:
    return say(f"simulate.chart.count-{'applications' if applications else 'members'}")


def _name_values(
    axes: "Axes", values: Sequence[str], rows: Sequence[Mapping[Verdict, int]]
) -> None:
    """The values beneath the bars, and with `rows` how many each of them lets be."""
    told = [value[:24] for value in values]
    if rows:
        told = [f"{value}\n{row[Verdict.KEEP]}" for value, row in zip(told, rows, strict=True)]
    every = -(-len(told) // NAMED)
    axes.set_xticks(range(0, len(told), every), told[::every])
    if len(values) > CROWDED:
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
    axes.set_xticks(range(width), [row.values[1] for row in found.rows[:width]])
    axes.set_yticks(range(len(grid)), [row.values[0] for row in found.rows[::width]])
    axes.set_xlabel(across.name)
    axes.set_ylabel(down.name)
    if width > CROWDED:
        axes.tick_params(axis="x", labelrotation=90)
    bar = axes.figure.colorbar(image, ax=axes)
    bar.set_label(say(f"simulate.chart.{'decided' if applications else 'touched'}"))
    bar.locator = MaxNLocator(integer=True)
    bar.update_ticks()
