"""Diagrams of critics (their errors by depth, strategies against their noise, widths at each noise) and of growth.

As in figures, none knows where its table came from. They differ by what they show alone: arms of a search there, the
critic behind them here. Choices among samples are drawn by `views.charts.theme.draw_pass_at_k`.
"""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from game24lab.views.charts.theme import ABOVE, DASHES, MODES, PALETTE, make_error, make_figure, need, plain

_SHADES = ("#08306B", "#2171B5", "#6BAED6", "#9ECAE1", "#C6DBEF")  # dark: little noise


def draw_depths(table: pd.DataFrame, title: str = "moves made") -> go.Figure:
    """Shares judged wrongly, and beside them AUC, by depth. Columns: `group`, `false_dead`, `false_alive`, `auc`.

    A depth with one class only has no AUC, and no share of the other class: it is left out there.
    """
    need(table, "group", "false_dead", "false_alive", "auc")
    figure = make_figure(title, "judged wrongly", second=(title, "AUC, alive over dead"))
    lines = {"alive, called dead": ("false_dead", PALETTE[2], "circle"),
             "dead, called alive": ("false_alive", PALETTE[1], "diamond-open")}  # fmt: skip
    for name, (column, colour, symbol) in lines.items():
        rows = table.dropna(subset=[column])
        figure.add_scatter(x=rows["group"], y=rows[column], mode="lines+markers", name=name,
                           line={"color": colour, "width": 1.6},
                           marker={"color": colour, "size": 7, "symbol": symbol})  # fmt: skip
    rows = table.dropna(subset=["auc"])
    figure.add_scatter(x=rows["group"], y=rows["auc"], mode="lines+markers", showlegend=False, xaxis="x2", yaxis="y2",
                       line={"color": PALETTE[0], "width": 1.6}, marker={"color": PALETTE[0], "size": 7})  # fmt: skip
    depths = {"tickvals": sorted(set(table["group"]))}
    figure.update_layout(xaxis=depths, xaxis2=depths, yaxis={"tickformat": ".0%", "rangemode": "tozero"},
                         yaxis2={"range": [min(0.5, rows["auc"].min()) - 0.02, 1.02] if len(rows) else [0.48, 1.02]},
                         legend=ABOVE)  # fmt: skip
    return figure


def draw_noise(table: pd.DataFrame, like: float | None = None) -> go.Figure:
    """Accuracy against the noise of the critic, one line an arm and mode.

    Columns: those of `evaluation.noise_study.tabulate`.

    No critic at all stands apart at the right end: it is not the limit of noise, which misleads. A trained critic is
    drawn as a star at the noise `like` (such as that of equal AUC): above its line, the search has more of it than of
    noise of that size. Without `like` it is left out.
    """
    need(table, "sigma", "arm", "mode", "accuracy")
    figure = make_figure("noise of the critic (standard deviation on a truth of \u00b11)", "accuracy", height=340)
    sizes = sorted(table.loc[np.isfinite(table["sigma"]), "sigma"].unique())
    without = (sizes[-1] if sizes else 0) + max(0.5, 0.25 * (sizes[-1] if sizes else 0))
    colours = dict(zip(dict.fromkeys(table["arm"]), cycle(PALETTE), strict=False))
    stars: list[tuple[str, pd.DataFrame]] = []
    for (arm, mode), rows in table.groupby(["arm", "mode"], sort=False):
        colour, name = colours[arm], plain(f"{arm}, {mode}")
        line = {"color": colour, "width": 1.6, "dash": DASHES[mode]}
        marks = {"color": colour, "size": 7, "symbol": MODES[mode]}
        curve, none = rows[np.isfinite(rows["sigma"])].sort_values("sigma"), rows[np.isinf(rows["sigma"])]
        figure.add_scatter(x=curve["sigma"], y=curve["accuracy"], mode="lines+markers", name=name, legendgroup=name,
                           line=line, marker=marks, error_y=make_error(curve, colour))  # fmt: skip
        figure.add_scatter(x=[without] * len(none), y=none["accuracy"], mode="markers", name=name, legendgroup=name,
                           showlegend=False, marker=marks, error_y=make_error(none, colour))  # fmt: skip
        trained = rows[rows["sigma"].isna()]
        if like is not None and len(trained):
            stars.append((colour, trained))
    for number, (colour, trained) in enumerate(stars):
        figure.add_scatter(x=[min(like, without)] * len(trained), y=trained["accuracy"], mode="markers",
                           name="trained critic", legendgroup="trained", showlegend=not number,
                           error_y=make_error(trained, colour),
                           marker={"color": colour, "size": 13, "symbol": "star"})  # fmt: skip
    spots = [*sizes, without] if np.isinf(table["sigma"]).any() else sizes
    texts = [f"{size:g}" for size in sizes] + ["none"] * (len(spots) - len(sizes))
    figure.update_layout(xaxis={"tickvals": spots, "ticktext": texts}, yaxis={"tickformat": ".0%", "range": [0, 1.03]})
    return figure


def draw_widths(table: pd.DataFrame, title: str = "width") -> go.Figure:
    """Accuracy against the width of a search (log axis), one line a critic.

    Columns: those of `evaluation.noise_study.find_widths`.

    One algorithm and mode at a time. The smallest useful width of each critic has the large marker.
    """
    need(table, "critic", "sigma", "width", "accuracy", "useful")
    if len(table[["algorithm", "mode"]].drop_duplicates()) > 1:
        raise ValueError("the table of widths to draw holds several algorithms or modes; one of each is accepted")
    figure = make_figure(title, "accuracy", height=340)
    noisy = [critic for critic, rows in table.groupby("critic", sort=False) if np.isfinite(rows["sigma"].iloc[0])]
    shades = dict(zip(noisy, [*_SHADES, *[_SHADES[-1]] * len(noisy)], strict=False))
    for critic, rows in table.groupby("critic", sort=False):
        colour = shades.get(critic, PALETTE[1] if rows["sigma"].isna().all() else "#777777")
        rows = rows.sort_values("width")
        big = [13 if width == useful else 6 for width, useful in zip(rows["width"], rows["useful"], strict=True)]
        style = {"name": plain(critic), "legendgroup": plain(critic)}
        figure.add_scatter(x=rows["width"], y=rows["accuracy"], mode="lines", line={"color": colour, "width": 1.6},
                           **style)  # fmt: skip
        for size in (6, 13):
            part = rows[[one == size for one in big]]
            figure.add_scatter(x=part["width"], y=part["accuracy"], mode="markers", showlegend=False,
                               marker={"color": colour, "size": size}, error_y=make_error(part, colour),
                               **style)  # fmt: skip
    widths = sorted(set(table["width"]))
    axis = {"type": "log", "tickvals": widths, "ticktext": [str(width) for width in widths]}
    figure.update_layout(xaxis=axis, yaxis={"tickformat": ".0%", "range": [0, 1.03]})
    return figure


def draw_growth(table: pd.DataFrame) -> go.Figure:
    """Seconds and memory against puzzles x simulations, both axes logarithmic; a line for more of each."""
    need(table, "puzzles", "simulations", "seconds", "memory")
    size = "puzzles x simulations"
    figure = make_figure(size, "seconds", (size, "memory, MB"), height=280)
    usual = {name: table[name].mode().iloc[0] for name in ("puzzles", "simulations")}
    for (grown, fixed), colour in zip((("puzzles", "simulations"), ("simulations", "puzzles")), PALETTE, strict=False):
        rows = table[table[fixed] == usual[fixed]].sort_values(grown)
        style = {"mode": "lines+markers", "line": {"color": colour}, "marker": {"color": colour, "size": 6},
                 "name": f"more {grown}, {usual[fixed]} {fixed}", "legendgroup": grown}  # fmt: skip
        for column, axis in (("seconds", ""), ("memory", "2")):
            figure.add_scatter(x=rows["puzzles"] * rows["simulations"], y=rows[column], xaxis=f"x{axis}",
                               yaxis=f"y{axis}", showlegend=not axis, **style)  # fmt: skip
    axes = {f"{side}axis{number}": {"type": "log"} for side in "xy" for number in ("", "2")}
    figure.update_layout(**axes, legend=ABOVE)
    return figure
