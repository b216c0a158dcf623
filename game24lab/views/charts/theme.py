"""The look that all charts share, the parts they are made of, and charts of any run: learning, calibration, accuracy.

Each function draws the columns of a table as a Plotly figure. It does not know where a table came from, how an interval
was computed, or how a figure becomes a file.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from game24lab.views.charts.labels import label_ends
from game24lab.views.charts.palette import ALIVE, DEAD, FONT, IDEAL, PALETTE, SCREEN, SCREEN_GRID
from game24lab.views.charts.svg import Chart

# Symbol, dash and name tell the modes apart, never colour alone.
MODES = {"verified": "circle", "rules": "diamond-open", "blind": "square-open-dot"}
DASHES = {"verified": "solid", "rules": "dot", "blind": "dash"}
FILLS = {"verified": "", "rules": "-open", "blind": "-open-dot"}  # of symbols that tell something else apart
_MARKS = ("", "triangle-up", "star", "x")  # of families beyond the colours, so that no two series look alike

ABOVE = {"orientation": "h", "y": 1.02, "yanchor": "bottom"}  # a legend that leaves the plot its width
SHARE = {"tickformat": ".0%", "range": [0, 1.03]}  # an axis from 0 to 100 %, with room for a marker at the top
LOG = {"type": "log", "tickformat": "~s"}
_MANY = 12  # lines that a legend names one by one
_FEW = 20  # points of a curve: so few are marked, one alone would not be seen
_AXIS = {"gridcolor": SCREEN_GRID, "zeroline": False, "linecolor": SCREEN, "showline": True, "ticks": "outside",
         "ticklen": 4, "automargin": True, "title": {"standoff": 10}}  # fmt: skip
TEMPLATE = go.layout.Template(
    layout={
        "colorway": PALETTE,
        "font": {"family": f"{FONT}, Verdana, sans-serif", "size": 12, "color": SCREEN},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "margin": {"l": 60, "r": 20, "t": 30, "b": 50},
        "barmode": "group",
    }
)


# ------------------------------------------------------------------------------------------- tables to figures
def draw_curves(log: pd.DataFrame, panels: Mapping[str, str], shares: Sequence[str] = ()) -> go.Figure:
    """Columns of a training log against `step`, one panel each, side by side.

    `panels` maps columns to titles; those in `shares` are drawn in percent. The first column must be there; of the
    others those that were measured are drawn. Optional columns: `run`, one line each, and `low` and `high`, error bars
    of the column `accuracy`. A missing value is one that was not measured at its step.
    """
    first, *others = panels
    need(log, "step", first)
    measured = [first, *(column for column in others if column in log and log[column].notna().any())]
    figure = make_figure(*(("step", plain(panels[column])) for column in measured))
    for number, column in enumerate(measured, 1):
        for run, rows, colour in split(log, "run"):
            rows = rows.dropna(subset=[column]).sort_values("step")
            marked = column == "accuracy" or len(rows) < _FEW
            add_line(figure, rows, "step", column, colour, run, panel=number, width=1.4, size=5, legendgroup=plain(run),
                     mode="lines+markers" if marked else "lines", showlegend=bool(run) and number == 1)  # fmt: skip
        axis = {"rangemode": "normal" if column == "loss" else "tozero"}  # where a loss ends says little
        axis |= {"tickformat": ".0%"} if column in shares else {}
        figure.update_layout({f"yaxis{name_axes(number)[1][1:]}": axis})
    return figure.update_layout(legend=ABOVE)


def draw_learning(log: pd.DataFrame) -> go.Figure:
    """Loss and held-out accuracy against the training step. Columns: `step`, `loss`; optional as in `draw_curves`."""
    return draw_curves(log, {"loss": "training loss (nats)", "accuracy": "held-out accuracy"}, shares=["accuracy"])


def draw_reliability(
    tables: Mapping[str, pd.DataFrame], second: tuple[str, str] | None = None, height: int = 320
) -> go.Figure:
    """Observed against predicted chances, a line a model.

    Tables have `predicted` (mean of the probabilities in a bin), `observed` (share solved), optional `low` and `high`.
    `second` names the axes of an empty panel beside it.
    """
    figure = make_figure(("predicted chance", "observed share"), second, height=height)
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="perfect",
                       line={"color": IDEAL, "width": 1.2, "dash": "dash"})  # fmt: skip
    for (name, rows), colour in zip(tables.items(), cycle(PALETTE), strict=False):
        need(rows, "predicted", "observed")
        add_line(figure, rows.sort_values("predicted"), "predicted", "observed", colour, name)
    return figure.update_layout(xaxis={"range": [0, 1]}, yaxis={"range": [0, 1]})


def draw_calibration(reliability: pd.DataFrame, values: pd.DataFrame | None = None) -> go.Figure:
    """Reliability of a critic, and beside it how its values fall on alive and dead positions.

    `reliability` as in `draw_reliability`. `values`: `value` (middle of a bin, -1 to 1), `truth` (bool: alive), `share`
    (of all positions of that truth).
    """
    two = values is not None and len(values) > 0
    figure = draw_reliability({"critic": reliability}, ("critic's value", "share") if two else None, height=300)
    if two:
        need(values, "value", "truth", "share")
        for truth, name, fill in ((True, "alive", ALIVE), (False, "dead", DEAD)):
            part = values[values["truth"] == truth].sort_values("value")
            figure.add_bar(x=part["value"], y=part["share"], name=name, marker={"color": fill}, xaxis="x2", yaxis="y2")
        figure.update_layout(yaxis2={"tickformat": ".0%"}, legend=ABOVE)  # beside it, the panels would be too narrow
    return figure


def draw_accuracy(table: pd.DataFrame) -> go.Figure:
    """Accuracy against sampled tokens per problem (log axis), one series per arm and mode.

    Columns: `arm`, `mode` (one of `MODES`), `sampled_tokens` (mean), `accuracy`; optional `low` and `high`,
    and `family`: arms of one family share a colour, and those beyond the colours a mark of their own. Points of one arm
    and mode are joined by a line. Where there are many lines the legend names families, and a pointer tells the arm.
    """
    need(table, "arm", "mode", "sampled_tokens", "accuracy")
    check_modes(table["mode"])
    figure = make_figure(("sampled tokens per problem (mean)", "accuracy"))
    family = "family" if "family" in table else "arm"
    colours, marks = assign_colours(table[family]), assign_marks(table[family])
    lines = table.dropna(subset=["accuracy", "sampled_tokens"]).groupby(["arm", "mode"], sort=False)
    many, named = lines.ngroups > _MANY, set()
    for (arm, mode), rows in lines:
        kin, rows = rows[family].iloc[0], rows.sort_values("sampled_tokens")
        look = {"width": 1.2, "dash": DASHES[mode], "size": 9, "symbol": find_symbol(marks[kin], mode)}
        look |= {"legendgroup": plain(f"{kin}, {mode}")} if many else {}
        if many and (kin, mode) not in named:
            named.add((kin, mode))
            entry = pd.DataFrame({"sampled_tokens": [math.nan], "accuracy": [math.nan]})
            add_line(figure, entry, "sampled_tokens", "accuracy", colours[kin], f"{kin}, {mode}", **look)
        add_line(figure, rows, "sampled_tokens", "accuracy", colours[kin], f"{arm}, {mode}", **look,
                 **({"showlegend": False} if many else {}))  # fmt: skip
    return figure.update_layout(xaxis=LOG, yaxis=SHARE)


def draw_pass_at_k(table: pd.DataFrame) -> go.Figure:
    """pass@k against k (log axis), its interval as a band. Columns: `k`, `accuracy`; optional `low`, `high`, `arm`.

    Arms whose curves are the same are one line, which has all their names.
    """
    need(table, "k", "accuracy")
    if "arm" in table:
        table = _join_equal(table)
    figure = make_figure(("samples per problem, k", "pass@k"))
    for arm, rows, colour in split(table, "arm", "pass@k"):
        rows = rows.sort_values("k")
        if {"low", "high"} <= set(rows):
            band = rows.dropna(subset=["low", "high"])
            add_band(figure, band["k"], band["low"], band["high"], colour, legendgroup=plain(arm))
        add_line(figure, rows.drop(columns=["low", "high"], errors="ignore"), "k", "accuracy", colour, arm,
                 legendgroup=plain(arm))  # fmt: skip
    ticks = [k for k in set(table["k"]) if math.log2(k).is_integer()] or table["k"]
    label_ends(figure.update_layout(xaxis={"type": "log", **tick(ticks)}, yaxis=SHARE, legend=ABOVE))
    alone = "arm" in table and table["arm"].nunique() == 1  # a line alone has no legend else, and no name
    return figure.update_layout(showlegend=True) if alone else figure


def _join_equal(table: pd.DataFrame) -> pd.DataFrame:
    """The table with one arm for all whose curves lie on one another, of all their names."""
    curves: dict[tuple, list[Any]] = {}
    for arm, rows in table.groupby("arm", sort=False):
        curve = zip(rows["k"], rows["accuracy"].round(3), strict=True)  # what differs less cannot be seen
        curves.setdefault(tuple(sorted(curve)), []).append(arm)
    names = {arms[0]: " = ".join(map(str, arms)) for arms in curves.values()}
    return table[table["arm"].isin(names)].assign(arm=lambda rows: rows["arm"].map(names))


def draw_difficulty(table: pd.DataFrame, *, bins: int = 20) -> go.Figure:
    """How many puzzles have which share of first moves alive, stacked by side. Columns: `alive` (0 to 1), `side`."""
    need(table, "alive", "side")
    figure = make_figure(("share of first moves after which the target is still within reach", "puzzles"))
    for side, rows, colour in split(table, "side"):
        add_counts(figure, rows["alive"], np.linspace(0, 1, bins + 1), side, colour)
    return figure.update_layout(barmode="stack", xaxis={"tickformat": ".0%", "range": [0, 1]})


def draw_chances(table: pd.DataFrame, *, bins: int = 24) -> go.Figure:
    """How many problems have which chance of being solved, on a scale of log10. Columns: `p`; optional `arm`.

    Chances of 0 are not drawn.
    """
    need(table, "p")
    figure = make_figure(("log10 of the exact chance that a sample is right", "problems"))
    logs = np.log10(table["p"].where(table["p"] > 0))
    edges = np.linspace(min(-1.0, math.floor(logs.min())) if logs.notna().any() else -1.0, 0.0, bins + 1)
    for arm, rows, colour in split(table, "arm", "problems"):
        add_counts(figure, logs[rows.index], edges, arm, colour)
    return figure.update_layout(barmode="overlay" if "arm" in table else "stack")


def draw_cost(table: pd.DataFrame, unit: str) -> go.Figure:
    """What an attempt costs, as stacked bars: one bar per row (`arm`), one piece per further column, in `unit`."""
    need(table, "arm")
    figure = make_figure((f"mean {unit} a problem", ""), height=120 + 26 * len(table))
    rows = table.iloc[::-1]
    for part, colour in assign_colours(column for column in table if column != "arm").items():
        figure.add_bar(x=rows[part], y=rows["arm"].map(plain), orientation="h", name=plain(part),
                       marker={"color": colour})  # fmt: skip
    return figure.update_layout(barmode="stack", xaxis={"tickformat": "~s"}, yaxis={"type": "category"}, legend=ABOVE)


# ------------------------------------------------------------------------------------------ what figures are made of
def make_figure(*panels: tuple[str, str] | None, height: int = 300) -> go.Figure:
    """An empty figure with panels side by side, each given by the names of its axes; None is left out.

    More than three stand in rows, for half a screen is narrow; a `height` is that of one row. It is as wide as its cell
    or page, and its ground shows through: it follows a dark theme. As vector art it is 640 pixels wide.
    """
    panels = [titles for titles in panels if titles is not None]
    columns = 2 if len(panels) == 4 else min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    layout: dict[str, Any] = {"template": TEMPLATE, "height": round(height * (0.2 + 0.8 * rows))}
    wide, high = _divide(columns, 0.17), _divide(rows, 0.24)[::-1]
    for number, titles in enumerate(panels):
        x, y = name_axes(number + 1)
        layout[f"xaxis{x[1:]}"] = {"title": {"text": titles[0]}, "anchor": y, "domain": wide[number % columns]}
        layout[f"yaxis{y[1:]}"] = {"title": {"text": titles[1]}, "anchor": x}
        if rows > 1:
            layout[f"yaxis{y[1:]}"]["domain"] = high[number // columns]
    return Chart(layout=layout)


def _divide(count: int, gap: float) -> list[list[float]]:
    """A length of 1 in equal parts with a gap between each two: where each begins and ends."""
    size = (1 - gap * (count - 1)) / count
    return [[round(place * (size + gap), 4), round(min(1.0, place * (size + gap) + size), 4)] for place in range(count)]


def name_axes(panel: int) -> tuple[str, str]:
    """Plotly's names of the axes of a panel, counted from 1: ("x", "y"), ("x2", "y2"), ..."""
    return ("x", "y") if panel == 1 else (f"x{panel}", f"y{panel}")


def add_line(
    figure: go.Figure, rows: pd.DataFrame, x: str, y: str, colour: str, name: object = "", *, panel: int = 1,
    mode: str = "lines+markers", width: float = 1.6, dash: str | None = None, size: float = 6,
    symbol: str | None = None, **more: Any,
) -> None:  # fmt: skip
    """Column `y` against column `x`; `accuracy` and `observed` have error bars where the table has `low` and `high`."""
    over, up = name_axes(panel)
    error = make_error(rows, y, colour) if y in ("accuracy", "observed") else None
    figure.add_scatter(x=rows[x], y=rows[y], mode=mode, name=plain(name), xaxis=over, yaxis=up, error_y=error,
                       line={"color": colour, "width": width, "dash": dash},
                       marker={"color": colour, "size": size, "symbol": symbol}, **more)  # fmt: skip


def add_band(
    figure: go.Figure, x: Iterable, low: Iterable, high: Iterable, colour: str, *, panel: int = 1, share: float = 0.18,
    name: object = None, **more: Any,
) -> None:  # fmt: skip
    """The area between `low` and `high`, in a `share` of the colour; without a name it is not in the legend."""
    over, up = name_axes(panel)
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    x, low, high = list(x), list(low), list(high)
    figure.add_scatter(x=[*x, *x[::-1]], y=[*high, *low[::-1]], mode="lines", fill="toself", hoverinfo="skip",
                       fillcolor=f"rgba({red},{green},{blue},{share})", line={"width": 0, "color": colour},
                       name=plain(name or ""), showlegend=name is not None, xaxis=over, yaxis=up, **more)  # fmt: skip


def add_counts(figure: go.Figure, values: pd.Series, edges: np.ndarray, name: object, colour: str) -> None:
    """How many values lie between each two edges, as bars."""
    counts, _ = np.histogram(values.dropna(), edges)
    figure.add_bar(x=(edges[1:] + edges[:-1]) / 2, y=counts, name=plain(name), marker={"color": colour})


def make_error(rows: pd.DataFrame, column: str, colour: str) -> dict | None:
    """Error bars from `low` and `high` around a column; None without them."""
    if not {"low", "high"} <= set(rows):
        return None
    up, down = (rows["high"] - rows[column]).clip(lower=0), (rows[column] - rows["low"]).clip(lower=0)
    return {"array": up, "arrayminus": down, "symmetric": False, "color": colour, "thickness": 1, "width": 3}


def split(table: pd.DataFrame, column: str, name: str = "") -> Iterator[tuple[Any, pd.DataFrame, str]]:
    """Value, rows and colour of each group of a column; all rows as `name` where there is no such column."""
    groups = table.groupby(column, sort=False) if column in table else [(name, table)]
    return ((value, rows, colour) for (value, rows), colour in zip(groups, cycle(PALETTE), strict=False))


def assign_colours(names: Iterable[Any]) -> dict[Any, str]:
    """A colour for each different name, in their order."""
    return dict(zip(dict.fromkeys(names), cycle(PALETTE), strict=False))


def assign_marks(names: Iterable[Any]) -> dict[Any, str]:
    """A mark for each different name: "", the mode's own, as long as there are colours, then others, a round each."""
    return {name: _MARKS[place // len(PALETTE) % len(_MARKS)] for place, name in enumerate(dict.fromkeys(names))}


def find_symbol(mark: str, mode: str) -> str:
    """The symbol of a mark in a mode; of no mark the mode's own."""
    return mark + FILLS[mode] if mark else MODES[mode]


def tick(values: Iterable[Any], form: str = "") -> dict[str, list]:
    """An axis with a tick at each different value, and its text as `format` writes it."""
    values = sorted(set(values))
    return {"tickvals": values, "ticktext": [format(value, form) for value in values]}


def tick_decades(values: Iterable[float], write: Callable[[float], str], steps: Sequence[int] = (1, 2, 5)) -> dict:
    """A logarithmic axis with ticks at `steps` times powers of ten, from just below the values to just above."""
    known = [value for value in values if value > 0] or [1.0]
    decades = range(math.floor(math.log10(min(known))), math.ceil(math.log10(max(known))) + 1)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    ticks = [value for value in ticks if 0.5 * min(known) <= value <= 2 * max(known)] or ticks
    return {"type": "log", "tickvals": ticks, "ticktext": [write(value) for value in ticks]}


def need(table: pd.DataFrame, *columns: str) -> None:
    """ValueError unless a table has rows and these columns."""
    missing = [column for column in columns if column not in table]
    if missing or table.empty:
        what = f"lacks the column {missing[0]!r}" if missing else "has no rows"
        raise ValueError(f"the table to draw {what}; it has the columns {', '.join(map(str, table))}")


def check_modes(modes: Iterable[str]) -> None:
    """ValueError for a mode that is none of `MODES`."""
    for mode in modes:
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")


def plain(text: object) -> str:
    """Text that Plotly shows as it is: its small markup language is escaped, control characters are replaced."""
    return html.escape("".join(c if c.isprintable() else "\ufffd" for c in str(text)), quote=False)
