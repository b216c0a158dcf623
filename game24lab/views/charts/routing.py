"""Charts of routing: accuracy against cost for all ways to spend, the mix of arms by price, gains, training.

As in `theme`, no chart knows where its table came from, nor what a router is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from game24lab.views.charts import theme
from game24lab.views.charts.palette import GREY, PALETTE, RULE
from game24lab.views.charts.theme import SHARE, add_band, add_line, draw_curves, make_figure, need

draw_reliability = theme.draw_reliability
AXES = {"tokens": "sampled tokens per problem (mean)", "seconds": "seconds per problem (mean)"}
LINES = {  # how each way is drawn: colour, dash, width; a way of one step is a mark
    "router": (PALETTE[1], "solid", 2.4),
    "oracle": (PALETTE[2], "solid", 1.4),
    "hull of fixed arms": (RULE, "dash", 1.4),
    "difficulty alone": (PALETTE[0], "dot", 1.6),
    "cascade, verified": (PALETTE[3], "dot", 1.6),
    "router's mix at random": (PALETTE[4], "dash", 1.2),
    "any arm at random": (PALETTE[5], "solid", 1.2),
}
_CHANGE = 0.002  # of a share of problems: less than half a pixel
_WORST = 1.0  # share of the gap, down to which it is drawn


def draw_ways(
    points: pd.DataFrame, axis: str = "tokens", hull: Sequence[str] = (), *, shown: Sequence[str] = tuple(LINES)
) -> go.Figure:
    """Accuracy against mean cost (log axis): fixed arms as dots with error bars, other ways as lines.

    Columns: `way`, `step`, `accuracy`, `tokens` or `seconds`; optional `low` and `high`. `hull` names the fixed arms on
    their convex hull, from which a line begins at no answer for nothing. Between two steps lies what mixing them at
    random comes to.
    """
    need(points, "way", "step", "accuracy", axis)
    figure = make_figure((AXES[axis], "accuracy"), height=340)
    points = points[points[axis] > 0]
    fixed = points[points["way"] == "fixed arm"].sort_values(axis)
    corners = fixed[fixed["step"].isin(list(hull))]
    curves = [(way, points[points["way"] == way].drop_duplicates(axis).sort_values(axis)) for way in shown]
    if len(corners):
        nothing = pd.DataFrame({axis: [0.0], "accuracy": [0.0]})
        curves.insert(0, ("hull of fixed arms", pd.concat([nothing, corners])))
    for way, rows in curves:
        if len(rows):
            colour, dash, width = LINES[way]
            mixed = _mix(rows, axis, points[axis].min())
            add_line(figure, mixed, axis, "accuracy", colour, way, mode="lines" if len(mixed) > 1 else "markers",
                     width=width, dash=dash, size=9, symbol="diamond")  # fmt: skip
    add_line(figure, fixed, axis, "accuracy", GREY, "fixed arm", mode="markers")
    return figure.update_layout(xaxis=_scale(axis, points[axis]), yaxis=SHARE)


def _scale(axis: str, costs: pd.Series) -> dict:
    """The logarithmic axis of a cost: tokens by thousands (2k), seconds as they are (0.02: "20m" would be minutes)."""
    return theme.LOG if axis == "tokens" else theme.tick_decades(costs, "{:g}".format)


def _mix(rows: pd.DataFrame, axis: str, least: float) -> pd.DataFrame:
    """Points along straight lines between some, so close that they are right on a logarithmic axis, from `least` on."""
    costs = rows[axis].to_numpy(float)
    least = max(least, costs[0])
    known = costs[costs >= least]
    if len(costs) < 2 or not len(known):
        return rows[[axis, "accuracy"]]
    fine = np.unique(np.concatenate([np.geomspace(least, costs[-1], 80), known]))
    return pd.DataFrame({axis: fine, "accuracy": np.interp(fine, costs, rows["accuracy"].to_numpy(float))})


def draw_mix(shares: pd.DataFrame, unit: str = "token") -> go.Figure:
    """Which share of problems gets which arm, stacked, against the price of a unit (log axis; price 0 is left out).

    Prices from which on, or below which, nothing changes any more are left out but for one at either end.

    Columns: `price`, `arm`, `share`. Arms that never get a problem have no colour; of many, the rarest are one.
    """
    need(shares, "price", "arm", "share")
    figure = make_figure((f"price of a {unit}, in answers", "share of problems"), height=320)
    shares = shares[shares["price"] > 0]
    table = shares.pivot(index="price", columns="arm", values="share")[list(dict.fromkeys(shares["arm"]))].sort_index()
    table = _trim(table.loc[:, table.max() > 0])
    if table.shape[1] > 9:
        kept = table.mean().nlargest(8).index
        others = table.drop(columns=kept).sum(axis=1)
        table = table.loc[:, [arm for arm in table if arm in kept]].assign(others=others)
    tops = table.cumsum(axis=1)
    for arm, colour in zip(table, cycle((*PALETTE, "#A6761D", "#BBBBBB")), strict=False):
        add_band(figure, table.index, tops[arm] - table[arm], tops[arm], colour, share=1, name=arm)
    prices = theme.tick_decades(table.index, lambda price: f"1/{1 / price:,.0f}" if price < 1 else f"{price:g}", (1,))
    return figure.update_layout(xaxis=prices, yaxis={"tickformat": ".0%", "range": [0, 1]})


def _trim(shares: pd.DataFrame) -> pd.DataFrame:
    """The rows between which shares change, with one at either end; all where nothing does."""
    changes = np.flatnonzero(shares.diff().abs().max(axis=1).to_numpy() > _CHANGE)
    return shares.iloc[changes[0] - 1 : changes[-1] + 2] if len(changes) else shares


def draw_gains(table: pd.DataFrame, axis: str = "tokens") -> go.Figure:
    """The gain over the hull of fixed arms against cost, its interval as a band, and beside it the share of the gap to
    the oracle, cut off at -100 % and 100 %. Columns: `cost`; `gain`, `share`, each with `_low` and `_high`; missing
    ones are left out."""
    need(table, "cost", "gain", "gain_low", "gain_high", "share")
    figure = make_figure((AXES[axis], "gain over the hull"), (AXES[axis], "share of the gap"))
    for panel, name in enumerate(("gain", "share"), 1):
        rows = table.dropna(subset=[name, f"{name}_low", f"{name}_high"]).drop_duplicates("cost").sort_values("cost")
        look = {"panel": panel, "showlegend": False, "mode": "lines"}
        if name == "share":  # of a gap of nothing it is anything
            rows = rows.assign(**{end: rows[end].clip(-1, 1) for end in (name, f"{name}_low", f"{name}_high")})
        add_band(figure, rows["cost"], rows[f"{name}_low"], rows[f"{name}_high"], LINES["router"][0], panel=panel)
        add_line(figure, rows, "cost", name, LINES["router"][0], width=1.8, **look)
        add_line(figure, rows.iloc[[0, -1] if len(rows) else []].assign(none=0), "cost", "none", RULE, width=1.0,
                 dash="dash", **look)  # fmt: skip
    low = table["share"].min()
    if low < -_WORST:  # one far off would flatten all others
        figure.update_layout(yaxis2={"range": [-_WORST, 1.05], "title": {"text": "share of the gap (cut at −100 %)"}})
    return figure.update_xaxes(**_scale(axis, table["cost"])).update_yaxes(tickformat=".0%")


def draw_learning(curves: pd.DataFrame) -> go.Figure:
    """Losses of a router's training, on its own rows and on those that stop it. Columns: `step`, `loss`, `stopping`,
    `target`; drawn is the target "probability"."""
    need(curves, "step", "loss", "stopping", "target")
    rows = curves[curves["target"] == "probability"]
    both = [rows.assign(run="training puzzles"), rows.assign(run="stopping puzzles", loss=rows["stopping"])]
    return draw_curves(pd.concat(both), {"loss": "loss (nats)"})
