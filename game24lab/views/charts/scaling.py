"""Charts of scaling: loss against compute with its law, accuracy against thinking, iso-accuracy lines, splits.

As in `theme`, none knows where its table came from, nor how a law was fitted.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from game24lab.views.charts import theme
from game24lab.views.charts.palette import GREY, IDEAL, PALETTE
from game24lab.views.charts.theme import DASHES, SHARE, add_line, assign_colours, make_figure, need, plain
from game24lab.views.tables.formats import write_float

JONES = 1.2  # decades of test compute that replace one of training, on Hex (Jones 2021, arXiv 2104.03113)
_TICKS = 5  # that have room below a panel of half a narrow page
_PANELS = 6  # that a page has room for
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star")
_SHADES = {0.0: "#D4D4D4", 0.25: "#ABABAB", 0.5: "#7C7C7C", 0.75: "#4A4A4A"}  # of points from that accuracy on


def draw_law(table: pd.DataFrame, name: str) -> go.Figure:
    """A loss against training FLOPs, a line a size, with its law; and measured against predicted.

    Columns: `size`, `flops`, `measured`, `predicted`; optional `corner` (bool: held out from `foretold`) and
    `foretold`: what the law says that was fitted without the corner.
    """
    need(table, "size", "flops", "measured", "predicted")
    figure = make_figure(("training FLOPs", name), ("predicted", "measured"))
    for (size, colour), symbol in zip(assign_colours(table["size"]).items(), _SYMBOLS * 9, strict=False):
        rows = table[table["size"] == size].sort_values("flops")
        add_line(figure, rows, "flops", "measured", colour, size, mode="markers", symbol=symbol,
                 legendgroup=plain(size))  # fmt: skip
        mean = rows.groupby("flops", as_index=False)["predicted"].mean()
        add_line(figure, mean, "flops", "predicted", colour, f"{size}, law", mode="lines", width=1.0, dash="dot",
                 legendgroup=plain(size), showlegend=False)  # fmt: skip
        add_line(figure, rows, "predicted", "measured", colour, size, mode="markers", symbol=symbol, panel=2,
                 legendgroup=plain(size), showlegend=False)  # fmt: skip
    if "corner" in table and table["corner"].any():
        rows = table[table["corner"]]
        add_line(figure, rows, "foretold", "measured", GREY, "held out, foretold", mode="markers", size=10,
                 symbol="circle-open", panel=2)  # fmt: skip
    ends = [table[["measured", "predicted"]].min().min(), table[["measured", "predicted"]].max().max()]
    figure.add_scatter(x=ends, y=ends, mode="lines", xaxis="x2", yaxis="y2", showlegend=False,
                       line={"color": IDEAL, "dash": "dash", "width": 1})  # fmt: skip
    figure.update_layout(xaxis=_decades(table["flops"]), yaxis={"type": "log"})
    figure.update_layout(xaxis2={"type": "log"}, yaxis2={"type": "log"})
    return figure.update_layout(legend=theme.ABOVE)


def draw_chances(table: pd.DataFrame) -> go.Figure:
    """Exact chances against tokens of training, a line a size, its seeds averaged: the mean of -log p of one sample,
    and the chance that one of 16 is right.

    Columns: `size`, `budget`, `minus_log_p`, `pass_16`.
    """
    need(table, "size", "budget", "minus_log_p", "pass_16")
    means = table.groupby(["size", "budget"], as_index=False, sort=False)[["minus_log_p", "pass_16"]].mean()
    figure = make_figure(("tokens of training", "-log p of one sample, nats"), ("tokens of training", "pass@16"))
    for (size, colour), symbol in zip(assign_colours(means["size"]).items(), _SYMBOLS * 9, strict=False):
        rows = means[means["size"] == size].sort_values("budget")
        for panel, column in ((1, "minus_log_p"), (2, "pass_16")):
            add_line(figure, rows, "budget", column, colour, size, symbol=symbol, panel=panel, legendgroup=plain(size),
                     showlegend=panel == 1)  # fmt: skip
    figure.update_xaxes(**_decades(means["budget"])).update_layout(yaxis2=SHARE)
    return figure.update_layout(legend=theme.ABOVE)


def draw_isoflops(table: pd.DataFrame, name: str) -> go.Figure:
    """A law of a loss at equal training FLOPs, a line a budget, against parameters and against tokens a parameter, a
    star at the best. Dotted: beyond the sizes and tokens that the law was fitted to.

    Columns: `flops`, `parameters`, `ratio`, `predicted`, `inside`, `best` (bool).
    """
    need(table, "flops", "parameters", "ratio", "predicted", "inside", "best")
    axes = {"parameters": "parameters", "ratio": "tokens a parameter"}
    figure = make_figure(*((title, name) for title in axes.values()))
    for flops, rows, colour in theme.split(table, "flops"):
        told = f"{write_float(flops)} FLOPs"
        here = rows[rows["inside"]]
        for panel, x in enumerate(axes, 1):
            look: dict[str, Any] = {"panel": panel, "legendgroup": told}
            add_line(figure, rows, x, "predicted", colour, told, mode="lines", dash="dot", width=1.2,
                     showlegend=panel == 1 and here.empty, **look)  # fmt: skip
            add_line(figure, here, x, "predicted", colour, told, size=4,
                     showlegend=panel == 1 and not here.empty, **look)  # fmt: skip
            add_line(figure, rows[rows["best"]], x, "predicted", colour, told, mode="markers", symbol="star", size=9,
                     showlegend=False, **look)  # fmt: skip
    for number, x in enumerate(axes, 1):
        figure.update_layout({f"xaxis{theme.name_axes(number)[0][1:]}": _decades(table[x])})
    return figure.update_yaxes(type="log").update_layout(legend=theme.ABOVE)


def draw_thinking(table: pd.DataFrame, panels: Sequence[str] = ()) -> go.Figure:
    """Accuracy against thinking FLOPs, a line a size, each trained for longest; a panel for each strategy, six at most.

    Columns: `strategy`, `mode`, `size`, `budget`, `thinking`, `accuracy`, the seeds of a size averaged, for the
    luckiest is none. The envelope is the best that was measured of any model, however trained, at as much thinking.
    """
    need(table, "strategy", "mode", "size", "budget", "thinking", "accuracy")
    panels = list(panels or dict.fromkeys(table["strategy"]))[:_PANELS]
    figure = make_figure(*((f"FLOPs a problem, {name}", "accuracy") for name in panels))
    colours, told = assign_colours(table["size"]), set()
    for number, name in enumerate(panels, 1):
        for mode, here in table[table["strategy"] == name].groupby("mode", sort=False):
            edge = here.sort_values("thinking")
            edge = edge.assign(accuracy=edge["accuracy"].cummax()).drop_duplicates("accuracy")
            add_line(figure, edge, "thinking", "accuracy", GREY, "envelope", mode="lines", width=3.0,
                     dash=DASHES[mode], panel=number, legendgroup="envelope",
                     showlegend="envelope" not in told)  # fmt: skip
            longest = here[here["budget"] == here.groupby("size")["budget"].transform("max")]
            for size, rows in longest.groupby("size", sort=False):
                add_line(figure, rows.sort_values("thinking"), "thinking", "accuracy", colours[size], size, width=1.2,
                         dash=DASHES[mode], size=4, panel=number, legendgroup=plain(size),
                         showlegend=size not in told)  # fmt: skip
                told.add(size)
            told.add("envelope")
        shown = _decades(table.loc[table["strategy"] == name, "thinking"])
        figure.update_layout({f"xaxis{theme.name_axes(number)[0][1:]}": shown})
    return figure.update_yaxes(**SHARE).update_layout(legend=theme.ABOVE)


def draw_plane(points: pd.DataFrame, lines: pd.DataFrame) -> go.Figure:
    """Training FLOPs against thinking FLOPs, a panel for each strategy and mode: what was measured, and lines of equal
    accuracy.

    points: `strategy`, `mode`, `training`, `thinking`, `accuracy`. lines: `strategy`, `mode`, `accuracy`, `training`,
    `thinking`, in the order to be joined. All panels have the same axes, so that slopes can be compared by eye; Jones's
    slope on Hex is drawn in grey through the middle of each.
    """
    need(points, "strategy", "mode", "training", "thinking", "accuracy")
    pairs = list(dict.fromkeys(zip(points["strategy"], points["mode"], strict=True)))
    figure = make_figure(*((f"training FLOPs<br>{plain(strategy)}, {mode}", "thinking FLOPs")
                           for strategy, mode in pairs), height=250)  # fmt: skip
    colours = dict(zip(sorted(set(lines["accuracy"])), itertools.cycle(PALETTE), strict=False))
    x = np.geomspace(points["training"].min(), points["training"].max(), 2)
    told: set[str] = set()

    def add(rows: pd.DataFrame, colour: str, name: str, panel: int, **look: Any) -> None:
        add_line(figure, rows, "training", "thinking", colour, name, panel=panel, legendgroup=name,
                 showlegend=name not in told, **look)  # fmt: skip
        told.add(name)

    for number, (strategy, mode) in enumerate(pairs, 1):
        mine = points[(points["strategy"] == strategy) & (points["mode"] == mode)].drop(columns="accuracy")
        level = points.loc[mine.index, "accuracy"].clip(0, 0.999) // 0.25 * 0.25
        for least, shade in _SHADES.items():
            if (level == least).any():
                add(mine[level == least], shade, f"{least:.0%} to {least + 0.25:.0%}", number, mode="markers", size=5)
        joined = lines[(lines["strategy"] == strategy) & (lines["mode"] == mode)]
        for accuracy, rows in joined.groupby("accuracy", sort=False):
            add(rows.drop(columns="accuracy"), colours[accuracy], f"line of {accuracy:.0%}", number, mode="lines",
                width=2.0)  # fmt: skip
        if len(joined):
            middle = np.sqrt(x[0] * x[1]), float(np.exp(np.log(joined["thinking"]).mean()))
            hex_line = pd.DataFrame({"training": x, "thinking": middle[1] * (x / middle[0]) ** -JONES})
            add(hex_line, GREY, "slope on Hex (Jones 2021)", number, mode="lines", width=1.2, dash="dash")
    across, up = (_decades(points[name]) | {"range": _span(points[name])} for name in ("training", "thinking"))
    return figure.update_xaxes(**across).update_yaxes(**up).update_layout(legend=theme.ABOVE)


def draw_split(table: pd.DataFrame) -> go.Figure:
    """The best use of a total budget: accuracy, and the share that goes into thinking, a line a number of problems.
    Dotted: without an exact verifier.

    Columns: `problems`, `total`, `verifier` (bool), `accuracy`, `share`; optional `low`, `high`.
    """
    need(table, "problems", "total", "verifier", "accuracy", "share")
    figure = make_figure(("total FLOPs", "accuracy"), ("total FLOPs", "share of thinking"))
    for problems, some, colour in theme.split(table, "problems"):
        name = f"{problems:,.0f} problem{'s' * (problems > 1)}"
        judges = sorted(set(some["verifier"]), reverse=True)
        for verifier in judges:
            rows, dash = some[some["verifier"] == verifier].sort_values("total"), "solid" if verifier else "dot"
            add_line(figure, rows, "total", "accuracy", colour, name, dash=dash, legendgroup=name,
                     showlegend=verifier == judges[0])  # fmt: skip
            add_line(figure, rows, "total", "share", colour, name, dash=dash, panel=2, legendgroup=name,
                     showlegend=False)  # fmt: skip
    figure.update_xaxes(**_decades(table["total"])).update_yaxes(**SHARE)
    return figure.update_layout(legend=theme.ABOVE)


def _decades(values: pd.Series) -> dict[str, Any]:
    """A logarithmic axis with a few ticks: at powers of ten, and between them where the values span less than two."""
    known = values[values > 0]
    steps = (1,) if known.empty or known.max() >= 100 * known.min() else (1, 2, 5)
    axis = theme.tick_decades(known, _write_power, steps)
    every = math.ceil(len(axis["tickvals"]) / _TICKS)
    return axis | {name: axis[name][::every] for name in ("tickvals", "ticktext")}


def _write_power(value: float) -> str:
    """A tick such as 3e4 or 1e-2."""
    return re.sub(r"e\+?(-?)0?", r"e\1", f"{value:.0e}")


def _span(values: pd.Series) -> list[float]:
    """A logarithmic axis' range, with some room at either end."""
    low, high = np.log10(values.min()), np.log10(values.max())
    room = 0.05 * max(high - low, 1.0)
    return [float(low - room), float(high + room)]


def list_lines(surfaces: Mapping[tuple[str, str], Any], rates: pd.DataFrame, levels: Sequence[float]) -> pd.DataFrame:
    """Lines of equal accuracy for `draw_plane`, within the range that each rate holds for.

    surfaces: by strategy and mode, with `think(accuracy, training)`. rates: `strategy`, `mode`, `rate`, `training_low`,
    `training_high`, `thinking_low`, `thinking_high`; without a rate there are no lines.
    """
    parts = []
    for row in rates.to_dict("records"):
        surface = surfaces.get((row["strategy"], row["mode"]))
        for level in levels if surface is not None and pd.notna(row["rate"]) else ():
            x = np.geomspace(row["training_low"], row["training_high"], 40)
            y = surface.think(level, x)
            within = (y >= row["thinking_low"]) & (y <= row["thinking_high"])
            if within.sum() > 1:
                parts.append(pd.DataFrame({"strategy": row["strategy"], "mode": row["mode"], "accuracy": level,
                                           "training": x[within], "thinking": y[within]}))  # fmt: skip
    columns = ["strategy", "mode", "accuracy", "training", "thinking"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
