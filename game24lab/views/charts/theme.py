"""Tables to figures: each function draws the columns of a table as a Plotly figure.

It does not know where a table came from, how an interval was computed, or how a figure becomes a file.
"""

from __future__ import annotations

import html
import math
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

FONT = "DejaVu Sans"
# Okabe & Ito 2008, told apart by nearly all eyes; the yellow is left out, too pale for lines on paper.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
INK, GRID = "#333333", "#E3E3E3"
# Symbol, dash and name tell the modes apart, never colour alone.
MODES = {"verified": "circle", "rules": "diamond-open", "blind": "square-open-dot"}
DASHES = {"verified": "solid", "rules": "dot", "blind": "dash"}
FILLS = {"verified": "", "rules": "-open", "blind": "-open-dot"}  # of symbols that tell something else apart

ABOVE = {"orientation": "h", "y": 1.02, "yanchor": "bottom"}  # a legend that leaves the plot its width
_AXIS = {"gridcolor": GRID, "zeroline": False, "linecolor": INK, "showline": True, "ticks": "outside", "ticklen": 4}
TEMPLATE = go.layout.Template(
    layout={
        "colorway": PALETTE,
        "font": {"family": f"{FONT}, Verdana, sans-serif", "size": 12, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "margin": {"l": 60, "r": 20, "t": 30, "b": 50},
        "barmode": "group",
    }
)


# ------------------------------------------------------------------------------------------- tables to figures
def draw_learning(log: pd.DataFrame) -> go.Figure:
    """Loss, and beside it the held-out accuracy, against the training step.

    Columns: `step`, `loss`; optional `accuracy` with `low` and `high`, and `run` to draw several runs. A row may hold
    only one of loss and accuracy (NaN: not measured at this step).
    """
    need(log, "step", "loss")
    runs = log.groupby("run", sort=False) if "run" in log else [("", log)]
    two = "accuracy" in log and log["accuracy"].notna().any()
    figure = make_figure("step", "training loss", second=("step", "held-out accuracy") if two else None)
    for (run, rows), colour in zip(runs, cycle(PALETTE), strict=False):
        loss = rows.dropna(subset=["loss"]).sort_values("step")
        style = {"name": plain(run), "legendgroup": plain(run), "line": {"color": colour, "width": 1.6}}
        figure.add_scatter(x=loss["step"], y=loss["loss"], mode="lines", showlegend=bool(run), **style)
        held_out = rows.dropna(subset=["accuracy"]).sort_values("step") if two else rows[:0]
        if len(held_out):
            marks = {"marker": {"color": colour, "size": 6}, "error_y": make_error(held_out, colour)}
            on = {"mode": "lines+markers", "showlegend": False, "xaxis": "x2", "yaxis": "y2"}
            figure.add_scatter(x=held_out["step"], y=held_out["accuracy"], **on, **marks, **style)
    if two:
        figure.update_layout(yaxis2={"tickformat": ".0%", "rangemode": "tozero"})
    return figure


def draw_calibration(reliability: pd.DataFrame, values: pd.DataFrame | None = None) -> go.Figure:
    """Reliability of a critic, and beside it how its values fall on alive and dead positions.

    `reliability`: `predicted` (mean of the critic's probabilities in a bin), `observed` (share solved), optional `low`
    and `high`. `values`: `value` (middle of a bin, -1 to 1), `truth` (bool: alive), `share` (of all positions of that
    truth).
    """
    need(reliability, "predicted", "observed")
    two = values is not None and len(values) > 0
    figure = make_figure("predicted chance", "observed share", second=("critic's value", "share") if two else None)
    ideal = {"color": "#999999", "width": 1.2, "dash": "dash"}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="perfect", line=ideal)
    rows, colour = reliability.sort_values("predicted"), PALETTE[0]
    marks = {"marker": {"color": colour, "size": 7}, "line": {"color": colour, "width": 1.6}}
    figure.add_scatter(x=rows["predicted"], y=rows["observed"], mode="lines+markers", name="critic",
                       error_y=make_error(rows, colour), **marks)
    figure.update_layout(xaxis={"range": [0, 1]}, yaxis={"range": [0, 1]})
    if two:
        need(values, "value", "truth", "share")
        for truth, name, fill in ((True, "alive", PALETTE[2]), (False, "dead", PALETTE[1])):
            part = values[values["truth"] == truth].sort_values("value")
            figure.add_bar(x=part["value"], y=part["share"], name=name, marker={"color": fill}, xaxis="x2", yaxis="y2")
        figure.update_layout(yaxis2={"tickformat": ".0%"})
    return figure


def draw_accuracy(table: pd.DataFrame) -> go.Figure:
    """Accuracy against sampled tokens per problem (log axis), one series per arm and mode.

    Columns: `arm`, `mode` (one of `MODES`), `sampled_tokens` (mean), `accuracy`; optional `low` and `high`,
    and `family`: arms of one family share a colour. Points of one arm and mode are joined by a line.
    """
    need(table, "arm", "mode", "sampled_tokens", "accuracy")
    figure = make_figure("sampled tokens per problem (mean)", "accuracy")
    family = "family" if "family" in table else "arm"
    colours = dict(zip(dict.fromkeys(table[family]), cycle(PALETTE), strict=False))
    for (arm, mode), rows in table.dropna(subset=["accuracy", "sampled_tokens"]).groupby(["arm", "mode"], sort=False):
        if mode not in MODES:
            raise ValueError(f"mode {mode!r} of arm {arm!r}: one of {', '.join(MODES)} is accepted")
        rows, colour = rows.sort_values("sampled_tokens"), colours[rows[family].iloc[0]]
        line = {"color": colour, "width": 1.2, "dash": DASHES[mode]}
        marker = {"color": colour, "size": 9, "symbol": MODES[mode]}
        figure.add_scatter(x=rows["sampled_tokens"], y=rows["accuracy"], mode="lines+markers",
                           name=plain(f"{arm}, {mode}"), line=line, marker=marker, error_y=make_error(rows, colour))
    figure.update_layout(xaxis={"type": "log", "tickformat": "~s"}, yaxis={"tickformat": ".0%", "range": [0, 1.03]})
    return figure


def draw_pass_at_k(table: pd.DataFrame) -> go.Figure:
    """pass@k against k (log axis), its interval as a band. Columns: `k`, `accuracy`; optional `low`, `high`, `arm`."""
    need(table, "k", "accuracy")
    figure = make_figure("samples per problem, k", "pass@k")
    arms = table.groupby("arm", sort=False) if "arm" in table else [("pass@k", table)]
    for (arm, rows), colour in zip(arms, cycle(PALETTE), strict=False):
        rows = rows.sort_values("k")
        group = {"name": plain(arm), "legendgroup": plain(arm)}
        if {"low", "high"} <= set(rows):
            band = rows.dropna(subset=["low", "high"])
            around = {"x": [*band["k"], *band["k"][::-1]], "y": [*band["high"], *band["low"][::-1]]}
            figure.add_scatter(**around, mode="lines", fill="toself", fillcolor=_faint(colour), showlegend=False,
                               line={"width": 0, "color": colour}, hoverinfo="skip", **group)
        figure.add_scatter(x=rows["k"], y=rows["accuracy"], mode="lines+markers", **group,
                           line={"color": colour, "width": 1.6}, marker={"color": colour, "size": 6})
    ticks = sorted(set(table["k"]))
    ticks = [k for k in ticks if math.log2(k).is_integer()] or ticks
    axis = {"type": "log", "tickvals": ticks, "ticktext": [str(k) for k in ticks]}
    figure.update_layout(xaxis=axis, yaxis={"tickformat": ".0%", "range": [0, 1.03]}, legend=ABOVE)
    return figure


def draw_difficulty(table: pd.DataFrame, *, bins: int = 20) -> go.Figure:
    """How many puzzles have which share of first moves alive, stacked by side. Columns: `alive` (0 to 1), `side`."""
    need(table, "alive", "side")
    figure = make_figure("share of first moves after which the target is still within reach", "puzzles")
    edges = np.linspace(0, 1, bins + 1)
    for (side, rows), colour in zip(table.groupby("side", sort=False), cycle(PALETTE), strict=False):
        counts, _ = np.histogram(rows["alive"], edges)
        middles = (edges[1:] + edges[:-1]) / 2
        figure.add_bar(x=middles, y=counts, name=plain(side), marker={"color": colour})
    figure.update_layout(barmode="stack", xaxis={"tickformat": ".0%", "range": [0, 1]})
    return figure


def draw_cost(table: pd.DataFrame, unit: str) -> go.Figure:
    """What an attempt costs, as stacked bars: one bar per row (`arm`), one piece per further column, in `unit`."""
    need(table, "arm")
    parts = [column for column in table if column != "arm"]
    figure = make_figure(f"mean {unit} a problem", "", height=120 + 26 * len(table))
    for part, colour in zip(parts, cycle(PALETTE), strict=False):
        arms = [plain(arm) for arm in table["arm"]][::-1]
        figure.add_bar(x=table[part][::-1], y=arms, orientation="h", name=plain(part), marker={"color": colour})
    figure.update_layout(barmode="stack", xaxis={"tickformat": "~s"}, yaxis={"type": "category"}, legend=ABOVE)
    return figure


def make_figure(
    x: str, y: str, second: tuple[str, str] | None = None, height: int = 300, *, third: tuple[str, str] | None = None
) -> go.Figure:
    """An empty figure with its axes named; `second` and `third` name those of further panels at the right."""
    layout: dict[str, Any] = {"template": TEMPLATE, "width": 640, "height": height}
    layout |= {"xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}}}
    panels = [(x, y), *filter(None, (second, third))]
    width = {1: 1.0, 2: 0.43, 3: 0.26}[len(panels)]
    for number, titles in enumerate(panels[1:], 2):
        begin = (1 - width) * (number - 1) / (len(panels) - 1)
        layout["xaxis"]["domain"] = [0, width]
        layout[f"xaxis{number}"] = {"title": {"text": titles[0]}, "anchor": f"y{number}",
                                    "domain": [round(begin, 4), round(begin + width, 4)]}  # fmt: skip
        layout[f"yaxis{number}"] = {"title": {"text": titles[1]}, "anchor": f"x{number}"}
    return go.Figure(layout=layout)


def need(table: pd.DataFrame, *columns: str) -> None:
    """ValueError unless a table has rows and these columns."""
    missing = [column for column in columns if column not in table]
    if missing or table.empty:
        what = f"lacks the column {missing[0]!r}" if missing else "has no rows"
        raise ValueError(f"the table to draw {what}; it has the columns {', '.join(map(str, table))}")


def plain(text: object) -> str:
    """Text that Plotly shows as it is: its small markup language is escaped, control characters are replaced."""
    return html.escape("".join(c if c.isprintable() else "\ufffd" for c in str(text)), quote=False)


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def make_error(rows: pd.DataFrame, colour: str) -> dict | None:
    """Error bars from `low` and `high` around `accuracy` or `observed`; None without them."""
    if not {"low", "high"} <= set(rows):
        return None
    middle = rows["accuracy"] if "accuracy" in rows else rows["observed"]
    up, down = (rows["high"] - middle).clip(lower=0), (middle - rows["low"]).clip(lower=0)
    return {"array": up, "arrayminus": down, "symmetric": False, "color": colour, "thickness": 1, "width": 3}
