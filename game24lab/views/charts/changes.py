"""Charts of differences: what one change after another does to accuracy, each with its interval, largest first.

As in `theme`, no chart knows where its table came from, nor what was changed.
"""

from __future__ import annotations

import math

import pandas as pd
import plotly.graph_objects as go

from game24lab.views.charts import theme
from game24lab.views.charts.palette import GREY, IDEAL, PALETTE
from game24lab.views.charts.theme import add_line, make_figure, need, plain

# Colour and mark say whether an interval lies above, below or across 0.
_SIDES = {"interval above 0": (PALETTE[0], "circle"), "interval below 0": (PALETTE[1], "diamond"),
          "interval holds 0": (GREY, "circle-open")}


def draw_changes(table: pd.DataFrame, title: str = "difference in accuracy") -> go.Figure:
    """Differences as points on a line each, with their intervals. Columns: `name`, `difference`, `low`, `high`."""
    need(table, "name", "difference", "low", "high")
    count = len(table)
    figure = make_figure((title, ""), height=70 + 17 * count)
    rows = table.assign(place=range(count - 1, -1, -1), side=[_tell(*ends) for ends in zip(table["low"], table["high"],
                                                                                        strict=True)])  # fmt: skip
    figure.add_scatter(x=[0, 0], y=[-0.6, count - 0.4], mode="lines", showlegend=False, hoverinfo="skip",
                       line={"color": IDEAL, "width": 1, "dash": "dash"})  # fmt: skip
    for side, (colour, symbol) in _SIDES.items():
        part = rows[rows["side"] == side]
        if part.empty:
            continue
        reach = pd.DataFrame({"x": [end for row in part.itertuples() for end in (row.low, row.high, math.nan)],
                              "y": [place for place in part["place"] for _ in range(3)]})  # fmt: skip
        add_line(figure, reach, "x", "y", colour, mode="lines", width=1.4, showlegend=False)
        add_line(figure, part, "difference", "place", colour, side, mode="markers", size=7, symbol=symbol)
    axis = {"tickvals": list(rows["place"]), "ticktext": [plain(name) for name in rows["name"]],
            "range": [-0.7, count - 0.3]}  # fmt: skip
    return figure.update_layout(xaxis={"tickformat": ".0%"}, yaxis=axis, legend=theme.ABOVE, showlegend=True)


def _tell(low: float, high: float) -> str:
    above, below, across = _SIDES
    return above if low > 0 else below if high < 0 else across
