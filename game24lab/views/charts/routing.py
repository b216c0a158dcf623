"""Charts of routing: accuracy against cost for all ways to spend, the mix of arms by price, gains, reliability.

As in figures, no chart knows where its table came from, nor what a router is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from game24lab.views.charts.theme import PALETTE, make_error, make_figure, need, plain

AXES = {"tokens": "sampled tokens per problem (mean)", "seconds": "seconds per problem (mean)"}
LINES = {  # how each way is drawn: colour, dash, width; a way of one step is a mark
    "router": (PALETTE[1], "solid", 2.4),
    "oracle": (PALETTE[2], "solid", 1.4),
    "hull of fixed arms": ("#333333", "dash", 1.4),
    "difficulty alone": (PALETTE[0], "dot", 1.6),
    "cascade, verified": (PALETTE[3], "dot", 1.6),
    "router's mix at random": (PALETTE[4], "dash", 1.2),
    "any arm at random": (PALETTE[5], "solid", 1.2),
}
_CHANGE = 0.002  # of a share of problems: less than half a pixel
_DOT = {"color": "#8C8C8C", "size": 6}


def draw_ways(
    points: pd.DataFrame, axis: str = "tokens", hull: Sequence[str] = (), *, shown: Sequence[str] = tuple(LINES)
) -> go.Figure:
    """Accuracy against mean cost (log axis): fixed arms as dots with error bars, other ways as lines.

    Columns: `way`, `step`, `accuracy`, `tokens` or `seconds`; optional `low` and `high`. `hull` names the fixed arms on
    their convex hull, from which a line begins at no answer for nothing. Between two steps lies what mixing them at
    random comes to.
    """
    need(points, "way", "step", "accuracy", axis)
    figure = make_figure(AXES[axis], "accuracy", height=340)
    points = points[points[axis] > 0]
    fixed = points[points["way"] == "fixed arm"].sort_values(axis)
    corners = fixed[fixed["step"].isin(list(hull))]
    if len(corners):
        x, y = np.append(0.0, corners[axis]), np.append(0.0, corners["accuracy"])
        _draw_line(figure, "hull of fixed arms", *_mix(x, y, points[axis].min()))
    for way in shown:
        rows = points[points["way"] == way].drop_duplicates(axis).sort_values(axis)
        if len(rows):
            x, y = rows[axis].to_numpy(float), rows["accuracy"].to_numpy(float)
            _draw_line(figure, way, *_mix(x, y, x[0]))
    figure.add_scatter(x=fixed[axis], y=fixed["accuracy"], mode="markers", name="fixed arm", marker=dict(_DOT),
                       line={"color": _DOT["color"]}, error_y=make_error(fixed, _DOT["color"]))  # fmt: skip
    figure.update_layout(xaxis={"type": "log", "tickformat": "~s"}, yaxis={"tickformat": ".0%", "range": [0, 1.03]})
    return figure


def _draw_line(figure: go.Figure, way: str, x: np.ndarray, y: np.ndarray) -> None:
    colour, dash, width = LINES[way]
    style = {"line": {"color": colour, "dash": dash, "width": width}}
    if len(x) < 2:
        style["marker"] = {"color": colour, "size": 9, "symbol": "diamond"}
    figure.add_scatter(x=x.tolist(), y=y.tolist(), mode="lines" if len(x) > 1 else "markers", name=plain(way), **style)


def _mix(costs: np.ndarray, accuracies: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Points along straight lines between some, so close that they are right on a logarithmic axis, from `least` on."""
    known = costs[costs >= least]
    if len(costs) < 2 or not len(known):
        return costs, accuracies
    fine = np.unique(np.concatenate([np.geomspace(least, costs[-1], 80), known]))
    return fine, np.interp(fine, costs, accuracies)


def draw_mix(shares: pd.DataFrame, unit: str = "token") -> go.Figure:
    """Which share of problems gets which arm, stacked, against the price of a unit (log axis; price 0 is left out).

    Prices from which on, or below which, nothing changes any more are left out but for one at either end.

    Columns: `price`, `arm`, `share`. Arms that never get a problem have no colour; of many, the rarest are one.
    """
    need(shares, "price", "arm", "share")
    figure = make_figure(f"price of a {unit}, in answers", "share of problems", height=320)
    shares = shares[shares["price"] > 0]
    table = shares.pivot(index="price", columns="arm", values="share")[list(dict.fromkeys(shares["arm"]))].sort_index()
    table = _trim(table.loc[:, table.max() > 0])
    if table.shape[1] > 9:
        kept = table.mean().nlargest(8).index
        others = table.drop(columns=kept).sum(axis=1)
        table = table.loc[:, [arm for arm in table if arm in kept]].assign(others=others)
    ground = np.zeros(len(table))
    for arm, colour in zip(table, cycle((*PALETTE, "#A6761D", "#BBBBBB")), strict=False):
        top = ground + table[arm].to_numpy(float)
        around = {"x": [*table.index, *table.index[::-1]], "y": [*top, *ground[::-1]]}
        figure.add_scatter(**around, mode="lines", fill="toself", fillcolor=colour, name=plain(arm), hoverinfo="skip",
                           line={"width": 0, "color": colour})  # fmt: skip
        ground = top
    figure.update_layout(xaxis={"type": "log"}, yaxis={"tickformat": ".0%", "range": [0, 1]})
    return figure


def _trim(shares: pd.DataFrame) -> pd.DataFrame:
    """The rows between which shares change, with one at either end; all where nothing does."""
    changes = np.flatnonzero(shares.diff().abs().max(axis=1).to_numpy() > _CHANGE)
    return shares.iloc[changes[0] - 1 : changes[-1] + 2] if len(changes) else shares


def draw_gains(table: pd.DataFrame, axis: str = "tokens") -> go.Figure:
    """The gain over the hull of fixed arms against cost, its interval as a band, and beside it the share of the gap to
    the oracle. Columns: `cost`; `gain`, `share`, each with `_low` and `_high`; missing ones are left out."""
    need(table, "cost", "gain", "gain_low", "gain_high", "share")
    figure = make_figure(AXES[axis], "gain over the hull", second=(AXES[axis], "share of the gap"))
    for name, place in (("gain", {}), ("share", {"xaxis": "x2", "yaxis": "y2"})):
        rows = table.dropna(subset=[name, f"{name}_low", f"{name}_high"]).drop_duplicates("cost").sort_values("cost")
        x, colour = rows["cost"].tolist(), LINES["router"][0]
        if not x:
            continue
        band = {"x": [*x, *x[::-1]], "y": [*rows[f"{name}_high"], *rows[f"{name}_low"][::-1]]}
        figure.add_scatter(**band, mode="lines", fill="toself", fillcolor="rgba(213, 94, 0, 0.18)", showlegend=False,
                           line={"width": 0, "color": colour}, hoverinfo="skip", **place)  # fmt: skip
        figure.add_scatter(x=x, y=rows[name], mode="lines", showlegend=False, line={"color": colour, "width": 1.8},
                           **place)  # fmt: skip
        figure.add_scatter(x=[x[0], x[-1]], y=[0, 0], mode="lines", showlegend=False, **place,
                           line={"color": "#333333", "width": 1.0, "dash": "dash"})  # fmt: skip
    axes = {"type": "log", "tickformat": "~s"}
    figure.update_layout(xaxis=axes, xaxis2=axes, yaxis={"tickformat": ".0%"}, yaxis2={"tickformat": ".0%"})
    return figure


def draw_reliability(tables: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Observed against predicted chances, a line a model. Tables have `predicted`, `observed`, `low`, `high`."""
    figure = make_figure("predicted chance", "observed share", height=320)
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="perfect",
                       line={"color": "#999999", "width": 1.2, "dash": "dash"})  # fmt: skip
    for (name, rows), colour in zip(tables.items(), cycle(PALETTE), strict=False):
        need(rows, "predicted", "observed")
        rows = rows.sort_values("predicted")
        figure.add_scatter(x=rows["predicted"], y=rows["observed"], mode="lines+markers", name=plain(name),
                           marker={"color": colour, "size": 6}, line={"color": colour, "width": 1.4},
                           error_y=make_error(rows, colour))  # fmt: skip
    figure.update_layout(xaxis={"range": [0, 1]}, yaxis={"range": [0, 1]})
    return figure


def draw_learning(curves: pd.DataFrame) -> go.Figure:
    """Losses of a training against its step, on its own rows and on those that stop it. Columns: `step`, `loss`,
    `stopping`, `target`; drawn is the target "probability"."""
    need(curves, "step", "loss", "stopping", "target")
    rows = curves[curves["target"] == "probability"]
    figure = make_figure("step", "loss (nats)")
    for column, name, colour in (("loss", "training", PALETTE[0]), ("stopping", "stopping", PALETTE[1])):
        line = {"color": colour, "width": 1.6}
        figure.add_scatter(x=rows["step"], y=rows[column], mode="lines", name=f"{name} puzzles", line=line)
    return figure
