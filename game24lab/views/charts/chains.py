"""Charts of long chains: tables of graded answers and of trainings, drawn as Plotly figures.

As in figures, no chart knows where its table came from. The two differ by what they show alone: arms of a search there,
chains and their training here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from game24lab.views.charts.theme import ABOVE, PALETTE, make_error, make_figure, need, plain

ENDINGS = {"solved": PALETTE[2], "wrong": PALETTE[1], "unfinished": "#BBBBBB"}
_GAP = 0.09  # of the width, between panels


def draw_budgets(table: pd.DataFrame) -> go.Figure:
    """Accuracy against the token budget (log axis). Columns: `budget`, `accuracy`; optional `low`, `high`, `run`."""
    need(table, "budget", "accuracy")
    figure = make_figure("token budget", "solved")
    runs = table.groupby("run", sort=False) if "run" in table else [("", table)]
    for (run, rows), colour in zip(runs, cycle(PALETTE), strict=False):
        rows = rows.sort_values("budget")
        marks = {"marker": {"color": colour, "size": 6}, "line": {"color": colour, "width": 1.6}}
        figure.add_scatter(x=rows["budget"], y=rows["accuracy"], mode="lines+markers", name=plain(run),
                           showlegend=bool(run), error_y=make_error(rows, colour), **marks)  # fmt: skip
    ticks = sorted(set(table["budget"]))
    axis = {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:,}" for tick in ticks]}
    figure.update_layout(xaxis=axis, yaxis={"tickformat": ".0%", "range": [0, 1.03]})
    return figure


def draw_ends(table: pd.DataFrame) -> go.Figure:
    """How answers end at each budget, as stacked bars. Columns: `budget`; `accuracy`, `wrong`, `unfinished`: shares."""
    need(table, "budget", "accuracy", "wrong", "unfinished")
    figure = make_figure("token budget", "answers")
    names = [f"{budget:,}" for budget in table["budget"]]
    for (ending, colour), column in zip(ENDINGS.items(), ("accuracy", "wrong", "unfinished"), strict=True):
        figure.add_bar(x=names, y=table[column], name=ending, marker={"color": colour})
    figure.update_layout(barmode="stack", xaxis={"type": "category"}, legend=ABOVE,
                         yaxis={"tickformat": ".0%", "range": [0, 1]})  # fmt: skip
    return figure


def draw_endings(rows: pd.DataFrame, column: str, title: str, *, bins: int = 24) -> go.Figure:
    """How many answers have which value of a column, stacked by how they ended. Columns: `ending` and `column`.

    Missing values are left out. Whole numbers of a small range get a bar each.
    """
    need(rows, "ending", column)
    values = rows[column].astype("float64")
    known = values.dropna()
    figure = make_figure(title, "answers")
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    if (known == known.round()).all() and high - low < bins:
        edges = np.arange(low, high + 2) - 0.5
    else:
        edges = np.linspace(low, high, bins + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    for ending, colour in ENDINGS.items():
        mine = values[rows["ending"] == ending]
        if len(mine):
            counts, _ = np.histogram(mine.dropna(), edges)
            figure.add_bar(x=middles, y=counts, name=ending, marker={"color": colour})
    figure.update_layout(barmode="stack", legend=ABOVE)
    return figure


def draw_groups(table: pd.DataFrame, by: str, title: str) -> go.Figure:
    """Accuracy by the values of a column, in the table's order. `by`, `accuracy`; optional `low`, `high`, `run`.

    Runs stand side by side in each group.
    """
    need(table, by, "accuracy")
    groups = [str(group) for group in dict.fromkeys(table[by])]
    runs = list(table.groupby("run", sort=False)) if "run" in table else [("", table)]
    figure = make_figure(title, "solved")
    for index, ((run, rows), colour) in enumerate(zip(runs, cycle(PALETTE), strict=False)):
        shift = (index - (len(runs) - 1) / 2) * min(0.15, 0.6 / len(runs))
        places = [groups.index(str(group)) + shift for group in rows[by]]
        figure.add_scatter(x=places, y=rows["accuracy"], mode="markers", name=plain(run), showlegend=bool(run),
                           marker={"color": colour, "size": 7}, error_y=make_error(rows, colour))  # fmt: skip
    axis = {"tickvals": list(range(len(groups))), "ticktext": [plain(group) for group in groups],
            "range": [-0.6, len(groups) - 0.4]}  # fmt: skip
    figure.update_layout(xaxis=axis, yaxis={"tickformat": ".0%", "range": [0, 1.03]})
    return figure


def draw_curves(log: pd.DataFrame, panels: Mapping[str, str], shares: Sequence[str] = ()) -> go.Figure:
    """Columns of a training log against `step`, one panel each, side by side.

    `panels` maps columns to titles; those in `shares` are drawn in percent. Optional columns: `run`, one line each, and
    `low` and `high`, error bars of the column `accuracy`. A missing value is one that was not measured at its step.
    """
    need(log, "step", *panels)
    figure = make_figure("step", "")
    width = (1 - _GAP * (len(panels) - 1)) / len(panels)
    runs = list(log.groupby("run", sort=False)) if "run" in log else [("", log)]
    for number, (column, title) in enumerate(panels.items()):
        x, y = (f"{side}{number + 1 if number else ''}" for side in "xy")
        start = number * (width + _GAP)
        for (run, rows), colour in zip(runs, cycle(PALETTE), strict=False):
            rows = rows.dropna(subset=[column]).sort_values("step")
            style = {"name": plain(run), "legendgroup": plain(run), "showlegend": bool(run) and not number}
            style |= {"line": {"color": colour, "width": 1.4}, "mode": "lines", "xaxis": x, "yaxis": y}
            if column == "accuracy":
                style |= {"mode": "lines+markers", "marker": {"color": colour, "size": 5}}
                style |= {"error_y": make_error(rows, colour)}
            figure.add_scatter(x=rows["step"], y=rows[column], **style)
        figure.update_layout({
            f"xaxis{x[1:]}": {"title": {"text": "step"}, "domain": [start, min(1.0, start + width)], "anchor": y},
            f"yaxis{y[1:]}": {"title": {"text": plain(title)}, "anchor": x, "rangemode": "tozero",
                              **({"tickformat": ".0%"} if column in shares else {})},
        })  # fmt: skip
    figure.update_layout(legend=ABOVE)
    return figure


def draw_rewards(log: pd.DataFrame) -> go.Figure:
    """A training by rewards, panel by panel: the reward with its parts, then what else of the log was measured.

    Columns: `step`, `reward`; optional `reward/<part>`, `tokens`, `unfinished`, `equal_groups`, `kl`, and `accuracy`
    with `low` and `high`.
    """
    panels = {"reward": "reward", "tokens": "tokens", "unfinished": "unfinished", "equal_groups": "groups alike",
              "kl": "KL", "accuracy": "held out"}  # fmt: skip
    panels = {name: title for name, title in panels.items() if name == "reward" or (name in log and any(log[name] > 0))}
    parts = [column for column in log if str(column).startswith("reward/")]
    lines = [log.assign(run="total")]
    lines += [log[["step"]].assign(run=part.partition("/")[2], reward=log[part]) for part in parts]
    return draw_curves(pd.concat(lines), panels, shares=("unfinished", "equal_groups", "accuracy"))


def draw_grid(table: pd.DataFrame, x: str, series: str, panel: str) -> go.Figure:
    """Accuracy against `x` (log axis where all are above 0), a line for each value of `series`, side by side for each
    value of `panel`. Columns: these three and `accuracy`; optional `low`, `high`."""
    need(table, x, series, panel, "accuracy")
    figure = make_figure(x, "solved")
    panels = list(table.groupby(panel, sort=False))
    colours = dict(zip(dict.fromkeys(table[series]), cycle(PALETTE), strict=False))
    width = (1 - _GAP * (len(panels) - 1)) / len(panels)
    ticks = sorted(set(table[x]))
    for number, (name, part) in enumerate(panels):
        over, up = (f"{side}{number + 1 if number else ''}" for side in "xy")
        for value, rows in part.groupby(series, sort=False):
            rows, colour = rows.sort_values(x), colours[value]
            style = {"name": plain(f"{series} {value}"), "legendgroup": plain(value), "showlegend": not number}
            style |= {"line": {"color": colour, "width": 1.4}, "marker": {"color": colour, "size": 6}}
            figure.add_scatter(x=rows[x], y=rows["accuracy"], mode="lines+markers", xaxis=over, yaxis=up,
                               error_y=make_error(rows, colour), **style)  # fmt: skip
        start = number * (width + _GAP)
        axis = {"title": {"text": plain(f"{x}, {name}")}, "domain": [start, min(1.0, start + width)], "anchor": up,
                "tickvals": ticks, "ticktext": [str(tick) for tick in ticks]}  # fmt: skip
        figure.update_layout({
            f"xaxis{over[1:]}": axis | ({"type": "log"} if ticks[0] > 0 else {}),
            f"yaxis{up[1:]}": {"title": {"text": "" if number else "solved"}, "anchor": over, "tickformat": ".0%",
                               "range": [0, 1.03]},
        })  # fmt: skip
    figure.update_layout(legend=ABOVE)
    return figure
