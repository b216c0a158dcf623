"""Curves of searches: accuracy against any cost, with published points, and accuracy against one parameter.

As in figures, none knows where its table came from, nor which strategies there are: kinship is handed in.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from game24lab.views.charts.theme import ABOVE, DASHES, FILLS, MODES, PALETTE, make_error, make_figure, need, plain

SYMBOLS = ("circle", "square", "triangle-up", "diamond", "x")
OTHERS = "#8C8C8C"  # what is not ours
_WIDE = 8.0  # largest over smallest value, from which on an axis is logarithmic

Styles = Mapping[str, tuple[str, str]]


def style(kinds: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, str]]:
    """Colour and symbol of each kind and of each strategy, both apart among kinds, and among the strategies of a kind.

    There are more strategies than colours that eyes tell apart, so those of different kinds belong in different plots.
    """
    looks = {name: look for names in (kinds, *kinds.values())
             for name, *look in zip(names, cycle(PALETTE), cycle(SYMBOLS), strict=False)}  # fmt: skip
    return {name: (colour, symbol) for name, (colour, symbol) in looks.items()}


def draw_frontier(
    table: pd.DataFrame, cost: str, title: str, styles: Styles, published: pd.DataFrame | None = None
) -> go.Figure:
    """Accuracy against a cost (log axis), a panel for each mode that there is.

    Columns: `algorithm`, `mode`, `curve`, `accuracy` and the one that `cost` names; optional `low` and `high`. Points
    of one curve are joined; a missing cost is left out. `published` has `mode`, `source`, `accuracy` and the cost:
    stars, one grey a source, in the panel of their mode.
    """
    need(table, "algorithm", "mode", "curve", "accuracy", cost)
    panels, ends = _find_panels(table["mode"]), [table[cost]]
    figure = _make_panels(title, panels, "accuracy")
    for (algorithm, mode, _), rows in table.dropna(subset=[cost]).groupby(["algorithm", "mode", "curve"], sort=False):
        colour, symbol = styles.get(algorithm, (OTHERS, SYMBOLS[0]))
        rows = rows[rows[cost] > 0].sort_values(cost)
        figure.add_scatter(
            x=rows[cost], y=rows["accuracy"], mode="lines+markers", name=plain(algorithm), legendgroup=plain(algorithm),
            line={"color": colour, "width": 1.0}, error_y=make_error(rows, colour), **_place(panels, mode),
            marker={"color": colour, "size": 6, "symbol": symbol + FILLS[mode]},
        )  # fmt: skip
    if published is not None and cost in published:
        known = published.dropna(subset=[cost])
        ends.append(known[cost])
        for (source, mode), rows in known[known["mode"].isin(panels)].groupby(["source", "mode"], sort=False):
            sources = list(dict.fromkeys(published["source"]))
            shade = ("#000000", "#707070", "#A8A8A8")[sources.index(source) % 3]
            figure.add_scatter(x=rows[cost], y=rows["accuracy"], mode="markers", name=plain(source),
                               legendgroup=plain(source), marker={"color": shade, "size": 11, "symbol": "star"},
                               **_place(panels, mode))  # fmt: skip
    reach = np.log10(pd.concat(ends).loc[lambda costs: costs > 0].agg(["min", "max"]).astype(float))
    spare = max(0.05, 0.04 * (reach.iloc[1] - reach.iloc[0]))  # both panels alike, so that they compare
    axis = {"type": "log", "tickformat": "~s", "range": [reach.iloc[0] - spare, reach.iloc[1] + spare]}
    _finish(figure, panels, axis, _find_reach(table, *([] if published is None else [published])))
    return figure


def draw_sweeps(table: pd.DataFrame, title: str, styles: Styles) -> go.Figure:
    """Accuracy against the value of a parameter, one line a series, a panel for each of at most two `panel`s.

    Columns: `panel`, `series`, `algorithm`, `mode`, `value` (a number), `accuracy`; optional `low` and `high`. The axis
    is logarithmic where all values are above 0 and lie far apart.
    """
    need(table, "panel", "series", "algorithm", "mode", "value", "accuracy")
    panels = list(dict.fromkeys(table["panel"]))
    if len(panels) > 2:
        raise ValueError(f"the table to draw has {len(panels)} panels; two are accepted")
    figure = _make_panels(title, panels, "accuracy")
    for (panel, series), rows in table.groupby(["panel", "series"], sort=False):
        colour, symbol = styles.get(rows["algorithm"].iloc[0], (OTHERS, SYMBOLS[0]))
        mode = rows["mode"].iloc[0]
        if mode not in MODES:
            raise ValueError(f"mode {mode!r} of {series!r}: one of {', '.join(MODES)} is accepted")
        rows = rows.sort_values("value")
        figure.add_scatter(
            x=rows["value"], y=rows["accuracy"], mode="lines+markers", name=plain(series), legendgroup=plain(series),
            line={"color": colour, "width": 1.4, "dash": DASHES[mode]}, error_y=make_error(rows, colour),
            marker={"color": colour, "size": 6, "symbol": symbol + FILLS[mode]},
            **_place(panels, panel),
        )  # fmt: skip
    values = sorted(set(table["value"]))
    axis = {"tickvals": values, "ticktext": [f"{value:g}" for value in values]} if len(values) <= 8 else {}
    if values[0] > 0 and values[-1] / values[0] >= _WIDE:
        axis |= {"type": "log"}
    _finish(figure, panels, axis, _find_reach(table))
    return figure


def _find_panels(modes: pd.Series) -> list[str]:
    """The modes that there are, verified first."""
    strange = set(modes) - set(MODES)
    if strange:
        raise ValueError(f"mode {sorted(strange)[0]!r}: one of {', '.join(MODES)} is accepted")
    return [mode for mode in MODES if (modes == mode).any()]


def _make_panels(title: str, panels: Sequence[str], y: str) -> go.Figure:
    """An empty figure with one to three panels, their axes named."""
    names = [f"{title}, {panel}" if panel else title for panel in panels]
    if len(panels) > 2:  # too narrow for one line
        names = ["<br>".join(textwrap.wrap(name, 24)) for name in names]
    second, third, *_ = [*((name, y) for name in names[1:]), None, None]
    return make_figure(names[0], y, second, third=third)


def _place(panels: Sequence[str], panel: str) -> dict[str, str]:
    number = panels.index(panel) + 1
    return {"xaxis": f"x{number}", "yaxis": f"y{number}"} if number > 1 else {}


def _find_reach(*tables: pd.DataFrame) -> list[float]:
    """The ends of the axis of accuracy, in tenths: what is drawn, error bars included, fills most of the height."""
    ends = pd.concat([table[name] for table in tables for name in ("accuracy", "low", "high") if name in table])
    low, high = (ends.dropna().agg(["min", "max"]) * 10).tolist()
    bottom, top = math.floor(low - 0.2), min(math.ceil(high + 0.2), 10)
    return [max(0, min(bottom, top - 3)) / 10, 1.03 if top == 10 else max(top, 3) / 10]


def _finish(
    figure: go.Figure, panels: Sequence[str], axis: Mapping[str, object], reach: Sequence[float]
) -> None:  # fmt: skip
    """The same axes in all panels, and each name in the legend once."""
    told: set[str] = set()
    for trace in figure.data:
        trace.showlegend = trace.name not in told
        told.add(trace.name)
    for number in ("", "2", "3")[: len(panels)]:
        figure.update_layout({f"xaxis{number}": dict(axis),
                              f"yaxis{number}": {"tickformat": ".0%", "range": list(reach)}})  # fmt: skip
    figure.update_layout(legend=ABOVE, showlegend=True)
