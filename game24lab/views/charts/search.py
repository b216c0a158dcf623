"""Charts of searches: accuracy against any cost, with published points, and accuracy against one parameter.

As in `theme`, none knows where its table came from, nor which strategies there are: kinship is handed in.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from game24lab.views.charts import theme
from game24lab.views.charts.palette import GREY, PALETTE
from game24lab.views.charts.theme import DASHES, FILLS, add_line, check_modes, make_figure, need, plain

SYMBOLS = ("circle", "square", "triangle-up", "diamond", "x")
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
    check_modes(table["mode"])
    panels, ends = [mode for mode in theme.MODES if (table["mode"] == mode).any()], [table[cost]]
    figure = _make_panels(title, panels)
    for (algorithm, mode, _), rows in table.dropna(subset=[cost]).groupby(["algorithm", "mode", "curve"], sort=False):
        colour, symbol = styles.get(algorithm, (GREY, SYMBOLS[0]))
        add_line(figure, rows[rows[cost] > 0].sort_values(cost), cost, "accuracy", colour, algorithm, width=1.0,
                 symbol=symbol + FILLS[mode], panel=panels.index(mode) + 1, legendgroup=plain(algorithm))  # fmt: skip
    if published is not None and cost in published:
        known = published.dropna(subset=[cost])
        ends.append(known[cost])
        shades = dict(zip(dict.fromkeys(published["source"]), cycle(("#6A6A6A", "#7F7F7F", "#949494")), strict=False))
        for (source, mode), rows in known[known["mode"].isin(panels)].groupby(["source", "mode"], sort=False):
            rows = rows.drop(columns=["low", "high"], errors="ignore")
            add_line(figure, rows, cost, "accuracy", shades[source], source, mode="markers", size=11, symbol="star",
                     panel=panels.index(mode) + 1, legendgroup=plain(source))  # fmt: skip
    reach = np.log10(pd.concat(ends).loc[lambda costs: costs > 0].agg(["min", "max"]).astype(float))
    spare = max(0.05, 0.04 * (reach.iloc[1] - reach.iloc[0]))  # both panels alike, so that they compare
    axis = theme.LOG | {"range": [reach.iloc[0] - spare, reach.iloc[1] + spare]}
    return _finish(figure, axis, _find_reach(table, *([] if published is None else [published])))


def draw_sweeps(table: pd.DataFrame, title: str, styles: Styles) -> go.Figure:
    """Accuracy against the value of a parameter, one line a series, a panel for each of at most two `panel`s.

    Columns: `panel`, `series`, `algorithm`, `mode`, `value` (a number), `accuracy`; optional `low` and `high`. The axis
    is logarithmic where all values are above 0 and lie far apart.
    """
    need(table, "panel", "series", "algorithm", "mode", "value", "accuracy")
    check_modes(table["mode"])
    panels = list(dict.fromkeys(table["panel"]))
    if len(panels) > 2:
        raise ValueError(f"the table to draw must have at most 2 panels, got {len(panels)}")
    figure = _make_panels(title, panels)
    for (panel, series), rows in table.groupby(["panel", "series"], sort=False):
        colour, symbol = styles.get(rows["algorithm"].iloc[0], (GREY, SYMBOLS[0]))
        mode = rows["mode"].iloc[0]
        add_line(figure, rows.sort_values("value"), "value", "accuracy", colour, series, width=1.4, dash=DASHES[mode],
                 symbol=symbol + FILLS[mode], panel=panels.index(panel) + 1, legendgroup=plain(series))  # fmt: skip
    low, high, count = table["value"].min(), table["value"].max(), table["value"].nunique()
    axis = theme.tick(table["value"], "g") if count <= 8 else {}
    return _finish(figure, axis | ({"type": "log"} if low > 0 and high / low >= _WIDE else {}), _find_reach(table))


def _make_panels(title: str, panels: Sequence[str]) -> go.Figure:
    """An empty figure with one to three panels, their axes named."""
    names = [f"{title}, {panel}" if panel else title for panel in panels]
    if len(panels) > 2:  # too narrow for one line
        names = ["<br>".join(textwrap.wrap(name, 24)) for name in names]
    return make_figure(*((name, "accuracy") for name in names))


def _find_reach(*tables: pd.DataFrame) -> list[float]:
    """The ends of the axis of accuracy, in tenths: what is drawn, error bars included, fills most of the height."""
    ends = pd.concat([table[name] for table in tables for name in ("accuracy", "low", "high") if name in table])
    low, high = (ends.dropna().agg(["min", "max"]) * 10).tolist()
    bottom, top = math.floor(low - 0.2), min(math.ceil(high + 0.2), 10)
    return [max(0, min(bottom, top - 3)) / 10, 1.03 if top == 10 else max(top, 3) / 10]


def _finish(figure: go.Figure, axis: Mapping[str, object], reach: Sequence[float]) -> go.Figure:
    """The same axes in all panels, and each name in the legend once."""
    told: set[str] = set()
    for trace in figure.data:
        trace.showlegend = trace.name not in told
        told.add(trace.name)
    figure.update_xaxes(**axis).update_yaxes(tickformat=".0%", range=list(reach))
    return figure.update_layout(legend=theme.ABOVE, showlegend=True)
