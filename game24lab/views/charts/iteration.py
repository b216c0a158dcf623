"""Charts of expert iteration: meters over rounds, and how the exact chances of problems moved.

As in `theme`, none knows where its table came from.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from game24lab.views.charts.palette import PALETTE
from game24lab.views.charts.theme import ABOVE, add_line, draw_curves, make_figure, need, plain, split, tick

PANELS = {"solved_ever": "training problems solved", "held_out_log_p": "held out, mean log p",
          "held_out_pass_1": "held out, exact pass@1"}  # fmt: skip


def draw_rounds(table: pd.DataFrame) -> go.Figure:
    """Meters against rounds, a line each. Columns: `round`, `solved_ever`; optional the others of `PANELS`, `line`."""
    need(table, "round", "solved_ever")
    shown = [name for name in ("round", "line", *PANELS) if name in table]  # it may have a column `run` of its own
    log = table[shown].rename(columns={"round": "step", "line": "run"})
    figure = draw_curves(log, PANELS, shares=("solved_ever", "held_out_pass_1"))
    every = max(1, math.ceil(table["round"].max() / 8))
    return figure.update_xaxes(title_text="round", **tick(range(0, int(table["round"].max()) + 1, every)))


def draw_densities(table: pd.DataFrame, *, bins: int = 16) -> go.Figure:
    """How the exact chances of problems fall on a scale of log10 in some rounds, a panel a side.

    Columns: `side`, `round`, `p`; optional `line`. Rounds are drawn as steps, the share of problems below as lines
    would hide where they came from. Chances of 0 stand in the lowest bin.
    """
    need(table, "side", "round", "p")
    sides = list(dict.fromkeys(table["side"]))
    figure = make_figure(*((f"log10 p, {plain(side)}", "" if number else "share of problems")
                           for number, side in enumerate(sides)), height=320)  # fmt: skip
    logs = np.log10(np.maximum(table["p"].to_numpy(float), 1e-12))
    edges = np.linspace(math.floor(min(-6.0, logs.min())), 0.0, bins + 1)
    for number, side in enumerate(sides, 1):
        part = table.assign(log=logs)[table["side"] == side]
        key = "line" if "line" in part and part["line"].nunique() > 1 else "round"
        for (name, rows, _), colour in zip(split(part, key), PALETTE * 9, strict=False):
            counts, _ = np.histogram(rows["log"], edges)
            drawn = pd.DataFrame({"log": (edges[1:] + edges[:-1]) / 2, "share": counts / max(1, len(rows))})
            label = f"round {name}" if key == "round" else name
            add_line(figure, drawn, "log", "share", colour, label, panel=number, legendgroup=plain(label),
                     showlegend=number == 1, mode="lines+markers", size=4)  # fmt: skip
        figure.update_layout({"yaxis" if number == 1 else f"yaxis{number}": {"tickformat": ".0%"}})
    return figure.update_layout(legend=ABOVE)
