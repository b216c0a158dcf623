"""Charts of critics (their errors by depth, strategies against their noise, widths at each noise) and of growth.

As in `theme`, none knows where its table came from. They differ by what they show: arms of a search there, the critic
behind them here. Choices among samples are drawn by `theme.draw_pass_at_k`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from game24lab.views.charts import theme
from game24lab.views.charts.labels import label_ends
from game24lab.views.charts.palette import ALIVE, DEAD, PALETTE
from game24lab.views.charts.theme import SHARE, add_line, draw_curves, make_figure, need, plain, tick

_SHADES = ("#2166AC", "#4393C3", "#74ADD1", "#A6BDDB", "#C6DBEF")  # dark: little noise


def draw_training(log: pd.DataFrame) -> go.Figure:
    """A critic's training. Columns: `step`, `loss`; optional `error`, the squared error on held-out positions."""
    return draw_curves(log, {"loss": "training loss (nats)", "error": "held-out squared error"})


def draw_depths(table: pd.DataFrame, title: str = "moves made") -> go.Figure:
    """Shares judged wrongly, and beside them AUC, by depth. Columns: `group`, `false_dead`, `false_alive`, `auc`.

    A depth with one class only has no AUC, and no share of the other class: it is left out there.
    """
    need(table, "group", "false_dead", "false_alive", "auc")
    figure = make_figure((title, "judged wrongly"), (title, "AUC"))
    for name, column, colour, symbol, panel in (("alive, called dead", "false_dead", ALIVE, "circle", 1),
                                                ("dead, called alive", "false_alive", DEAD, "diamond-open", 1),
                                                ("", "auc", PALETTE[0], "circle", 2)):  # fmt: skip
        add_line(figure, table.dropna(subset=[column]), "group", column, colour, name, panel=panel, size=7,
                 symbol=symbol, showlegend=bool(name))  # fmt: skip
    least = np.fmin(0.5, table["auc"].min())  # none is known: 0.5
    figure.update_xaxes(tickvals=sorted(set(table["group"])))
    return figure.update_layout(yaxis={"tickformat": ".0%", "rangemode": "tozero"}, legend=theme.ABOVE,
                                yaxis2={"range": [least - 0.02, 1.02]})  # fmt: skip


def draw_noise(table: pd.DataFrame, like: float | None = None) -> go.Figure:
    """Accuracy against the noise of the critic, one line an arm and mode.

    Columns: those of `evaluation.noise_study.tabulate`.

    No critic at all stands apart at the right end: it is not the limit of noise, which misleads. A trained critic is
    drawn as a star at the noise `like` (such as that of equal AUC): above its line, the search has more of it than of
    noise of that size. Without `like` it is left out.
    """
    need(table, "sigma", "arm", "mode", "accuracy")
    figure = make_figure(("noise of the critic (standard deviation on a truth of \u00b11)", "accuracy"), height=340)
    sizes = sorted(table.loc[np.isfinite(table["sigma"]), "sigma"].unique())
    without = (sizes[-1] if sizes else 0) + max(0.5, 0.25 * (sizes[-1] if sizes else 0))
    colours, marks = theme.assign_colours(table["arm"]), theme.assign_marks(table["arm"])
    stars: list[tuple[str, pd.DataFrame]] = []
    for (arm, mode), rows in table.groupby(["arm", "mode"], sort=False):
        name = f"{arm}, {mode}"
        look = {"size": 7, "symbol": theme.find_symbol(marks[arm], mode), "dash": theme.DASHES[mode],
                "legendgroup": plain(name)}  # fmt: skip
        curve, none = rows[np.isfinite(rows["sigma"])].sort_values("sigma"), rows[np.isinf(rows["sigma"])]
        add_line(figure, curve, "sigma", "accuracy", colours[arm], name, **look)
        add_line(figure, none.assign(sigma=without), "sigma", "accuracy", colours[arm], name, mode="markers",
                 showlegend=False, **look)  # fmt: skip
        trained = rows[rows["sigma"].isna()]
        if like is not None and len(trained):
            stars.append((colours[arm], trained.assign(sigma=min(like, without))))
    for number, (colour, trained) in enumerate(stars):
        add_line(figure, trained, "sigma", "accuracy", colour, "trained critic", mode="markers", size=13, symbol="star",
                 legendgroup="trained", showlegend=not number)  # fmt: skip
    none = [without] if np.isinf(table["sigma"]).any() else []
    axis = {"tickvals": [*sizes, *none], "ticktext": [*(f"{size:g}" for size in sizes), *(["none"] if none else [])]}
    return figure.update_layout(xaxis=axis, yaxis=SHARE)


def draw_widths(table: pd.DataFrame, title: str = "width") -> go.Figure:
    """Accuracy against the width of a search (log axis), one line a critic.

    Columns: those of `evaluation.noise_study.find_widths`.

    One algorithm and mode at a time. The smallest useful width of each critic has the large marker.
    """
    need(table, "critic", "sigma", "width", "accuracy", "useful")
    if len(table[["algorithm", "mode"]].drop_duplicates()) > 1:
        raise ValueError("the table of widths to draw must hold one algorithm and mode, got several")
    figure = make_figure((title, "accuracy"), height=340)
    noisy = [critic for critic, rows in table.groupby("critic", sort=False) if np.isfinite(rows["sigma"].iloc[0])]
    shades = dict(zip(noisy, [*_SHADES, *[_SHADES[-1]] * len(noisy)], strict=False))
    for critic, rows in table.groupby("critic", sort=False):
        colour = shades.get(critic, PALETTE[1] if rows["sigma"].isna().all() else "#777777")
        rows = rows.sort_values("width")
        useful = rows["width"] == rows["useful"]
        bare = rows.drop(columns=["low", "high"], errors="ignore")
        for mode, part, size in (("lines", bare, 6), ("markers", rows[~useful], 6), ("markers", rows[useful], 13)):
            add_line(figure, part, "width", "accuracy", colour, critic, mode=mode, size=size,
                     legendgroup=plain(critic), showlegend=mode == "lines")  # fmt: skip
    return label_ends(figure.update_layout(xaxis={"type": "log", **tick(table["width"])}, yaxis=SHARE))


def draw_growth(table: pd.DataFrame) -> go.Figure:
    """Seconds and memory against puzzles x simulations, both axes logarithmic; a line for more of each."""
    need(table, "puzzles", "simulations", "seconds", "memory")
    size = "puzzles x simulations"
    figure = make_figure((size, "seconds"), (size, "memory, MB"), height=280)
    table = table.assign(**{size: table["puzzles"] * table["simulations"]})
    for (grown, fixed), colour in zip((("puzzles", "simulations"), ("simulations", "puzzles")), PALETTE, strict=False):
        usual = table[fixed].mode().iloc[0]
        rows = table[table[fixed] == usual].sort_values(grown)
        for panel, column in enumerate(("seconds", "memory"), 1):
            add_line(figure, rows, size, column, colour, f"more {grown}, {usual} {fixed}", panel=panel,
                     legendgroup=grown, showlegend=panel == 1)  # fmt: skip
    return figure.update_xaxes(type="log").update_yaxes(type="log").update_layout(legend=theme.ABOVE)
