"""Charts of chains of thought: tables of judged answers and of trainings.

As in `theme`, no chart knows where its table came from. The two differ by what they show: arms of a search there,
chains and their training here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from game24lab.views.charts import theme
from game24lab.views.charts.labels import label_ends
from game24lab.views.charts.palette import ALIVE, DEAD, IDEAL, UNKNOWN
from game24lab.views.charts.theme import SHARE, add_line, draw_curves, make_figure, need, plain, split, tick

ENDINGS = {"solved": ALIVE, "wrong": DEAD, "unfinished": UNKNOWN}


def draw_lengths(table: pd.DataFrame, limits: tuple[int, ...] = (), width: int = 50) -> go.Figure:
    """How the lengths of traces are distributed, one line a style; `limits` between buckets are dashed.

    Columns: `style`, `tokens`. Heights are shares of the style's traces in steps of `width` tokens.
    """
    need(table, "style", "tokens")
    figure = make_figure(("tokens", f"share of traces in {width} tokens"))
    edges = np.arange(0, table["tokens"].max() + 2 * width, width)
    highest = 0.0
    for style, rows, colour in split(table, "style"):
        shares = np.histogram(rows["tokens"], edges)[0] / len(rows)
        highest = max(highest, shares.max())
        curve = pd.DataFrame({"tokens": (edges[1:] + edges[:-1]) / 2, "share": shares})
        add_line(figure, curve, "tokens", "share", colour, style, mode="lines", width=1.8)
    for limit in limits:
        figure.add_scatter(x=[limit, limit], y=[0, highest], mode="lines", name="limits of the buckets",
                           legendgroup="limits", showlegend=limit == limits[0], hoverinfo="skip",
                           line={"color": IDEAL, "width": 1, "dash": "dash"})  # fmt: skip
    return figure.update_layout(yaxis={"tickformat": ".0%", "rangemode": "tozero"}, legend=theme.ABOVE)


def draw_budgets(table: pd.DataFrame) -> go.Figure:
    """Accuracy against the token budget (log axis). Columns: `budget`, `accuracy`; optional `low`, `high`, `run`."""
    need(table, "budget", "accuracy")
    figure = make_figure(("token budget", "solved"))
    for run, rows, colour in split(table, "run"):
        add_line(figure, rows.sort_values("budget"), "budget", "accuracy", colour, run, showlegend=bool(run))
    return label_ends(figure.update_layout(xaxis={"type": "log", **tick(table["budget"], ",")}, yaxis=SHARE))


def draw_ends(table: pd.DataFrame) -> go.Figure:
    """How answers end at each budget, as stacked bars. Columns: `budget`; `accuracy`, `wrong`, `unfinished`: shares."""
    need(table, "budget", "accuracy", "wrong", "unfinished")
    figure = make_figure(("token budget", "answers"))
    names = [f"{budget:,}" for budget in table["budget"]]
    for (ending, colour), column in zip(ENDINGS.items(), ("accuracy", "wrong", "unfinished"), strict=True):
        figure.add_bar(x=names, y=table[column], name=ending, marker={"color": colour})
    return figure.update_layout(barmode="stack", xaxis={"type": "category"}, legend=theme.ABOVE,
                                yaxis={"tickformat": ".0%", "range": [0, 1]})  # fmt: skip


def draw_endings(rows: pd.DataFrame, column: str, title: str, *, bins: int = 24) -> go.Figure:
    """How many answers have which value of a column, stacked by how they ended. Columns: `ending` and `column`.

    Missing values are left out. Whole numbers of a small range get a bar each.
    """
    need(rows, "ending", column)
    values = rows[column].astype("float64")
    known = values.dropna()
    figure = make_figure((title, "answers"))
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    whole = (known == known.round()).all() and high - low < bins
    edges = np.arange(low, high + 2) - 0.5 if whole else np.linspace(low, high, bins + 1)
    for ending, colour in ENDINGS.items():
        if (rows["ending"] == ending).any():
            theme.add_counts(figure, values[rows["ending"] == ending], edges, ending, colour)
    return figure.update_layout(barmode="stack", legend=theme.ABOVE)


def draw_groups(table: pd.DataFrame, by: str, title: str) -> go.Figure:
    """Accuracy by the values of a column, in the table's order. `by`, `accuracy`; optional `low`, `high`, `run`.

    Runs stand side by side in each group.
    """
    need(table, by, "accuracy")
    groups = [str(group) for group in dict.fromkeys(table[by])]
    runs = list(split(table, "run"))
    figure = make_figure((title, "solved"))
    for index, (run, rows, colour) in enumerate(runs):
        shift = (index - (len(runs) - 1) / 2) * min(0.15, 0.6 / len(runs))
        rows = rows.assign(place=[groups.index(str(group)) + shift for group in rows[by]])
        add_line(figure, rows, "place", "accuracy", colour, run, mode="markers", size=7, showlegend=bool(run))
    axis = {"tickvals": list(range(len(groups))), "ticktext": [plain(group) for group in groups],
            "range": [-0.6, len(groups) - 0.4]}  # fmt: skip
    return figure.update_layout(xaxis=axis, yaxis=SHARE)


def draw_rewards(log: pd.DataFrame) -> go.Figure:
    """A training by rewards, panel by panel: the reward with its parts, then what else of the log was measured.

    Columns: `step`, `reward`; optional `reward/<part>`, `tokens`, `unfinished`, `equal_groups`, `kl`, and `accuracy`
    with `low` and `high`.
    """
    panels = {"reward": "reward", "tokens": "tokens", "unfinished": "unfinished", "equal_groups": "groups alike",
              "kl": "KL (nats)", "accuracy": "held out"}  # fmt: skip
    panels = {name: title for name, title in panels.items() if name == "reward" or any(log.get(name, pd.Series()) > 0)}
    parts = [column for column in log if str(column).startswith("reward/")]
    lines = [log.assign(run="total")]
    lines += [log[["step"]].assign(run=part.partition("/")[2], reward=log[part]) for part in parts]
    return draw_curves(pd.concat(lines), panels, shares=("unfinished", "equal_groups", "accuracy"))


def draw_preferences(log: pd.DataFrame) -> go.Figure:
    """A training by preferences, panel by panel. Columns: `step`, `loss`; optional TRL's `rewards/accuracies` and
    `rewards/margins`, and `accuracy` with `low` and `high`."""
    panels = {"loss": "loss", "rewards/accuracies": "chosen ahead", "rewards/margins": "by how much",
              "accuracy": "held-out accuracy"}  # fmt: skip
    return draw_curves(log, panels, shares=("rewards/accuracies", "accuracy"))


def draw_grid(table: pd.DataFrame, x: str, series: str, panel: str) -> go.Figure:
    """Accuracy against `x` (log axis where all are above 0), a line for each value of `series`, side by side for each
    value of `panel`. Columns: these three and `accuracy`; optional `low`, `high`."""
    need(table, x, series, panel, "accuracy")
    panels = list(table.groupby(panel, sort=False))
    figure = make_figure(*((plain(f"{x}, {name}"), "") for name, _ in panels))
    colours = theme.assign_colours(table[series])
    for number, (_, part) in enumerate(panels, 1):
        for value, rows in part.groupby(series, sort=False):
            add_line(figure, rows.sort_values(x), x, "accuracy", colours[value], f"{series} {value}", panel=number,
                     width=1.4, legendgroup=plain(value), showlegend=number == 1)  # fmt: skip
    figure.update_xaxes(**tick(table[x]), **({"type": "log"} if table[x].min() > 0 else {}))
    return figure.update_yaxes(**SHARE).update_layout(yaxis={"title": {"text": "solved"}}, legend=theme.ABOVE)
