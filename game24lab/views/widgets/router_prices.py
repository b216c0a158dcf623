"""What the prices of tokens and seconds do to a router: two sliders, and which arms the test puzzles get at once.

All is read off a cached grid of problems and arms, no model is asked. It does not know how anything was predicted or
measured.
"""

from __future__ import annotations

import math
from typing import Any

import ipywidgets as widgets
import pandas as pd
import plotly.graph_objects as go

from game24lab.routing.pareto import (
    Grid,
    Way,
    collect,
    find_hull,
    list_prices,
    measure,
    route,
    sweep,
    take_fixed,
    take_oracle,
)
from game24lab.runs.checks import require
from game24lab.views.charts.routing import LINES, draw_ways
from game24lab.views.charts.svg import to_svg
from game24lab.views.widgets.html import Panel, escape, make_sentence, make_table, takes_widgets, wrap

_WIDTH = 540  # pixels of the figure: a cell of a window of 1,000 pixels holds it


class Pricing(Panel):
    """`Pricing(grid)`: sliders for both lambdas above the frontier, the mix of arms and what it comes to.

    `prices` say where the sliders begin: answers a token and answers a second. They can be set from Python too, by
    `tokens.value` and `seconds.value`; `free["tokens"].value` is a price of 0, until the slider is moved. `result` is
    what the moment's prices come to, `choices` the arm of each problem. ValueError for a negative price.
    """

    def __init__(self, grid: Grid, prices: tuple[float, float] = (0.0, 0.0), *, steps: int = 60) -> None:
        self.grid = grid
        turns = list_prices(grid.predicted_chance, grid.expect("tokens"), steps)
        fixed = take_fixed(grid)
        self._fixed, hull = measure(fixed), find_hull(fixed.tokens.mean(axis=1), fixed.chance.mean(axis=1))
        ways = pd.concat([self._fixed, measure(sweep(grid, turns)), measure(take_oracle(grid, count=steps))])
        self._figure = draw_ways(ways, hull=self._fixed["step"].iloc[hull])
        self._figure.add_scatter(x=[1], y=[0], mode="markers", name="the router now",
                                 marker={"size": 13, "color": LINES["router"][0]})  # fmt: skip
        if takes_widgets():  # of a width of its own, as it does not follow its cell's
            self._figure = go.FigureWidget(self._figure.update_layout(width=_WIDTH))
        self.tokens = self._make_slider("per token", turns, prices[0])
        seconds = list_prices(grid.predicted_chance, grid.expect("seconds"), steps) if grid.timed else [0.0]
        self.seconds = self._make_slider("per second", seconds, prices[1])
        self.free = {name: widgets.Checkbox(value=price == 0, description="free", indent=False,
                                            layout={"width": "70px"})
                     for name, price in zip(("tokens", "seconds"), prices, strict=True)}  # fmt: skip
        self.seconds.disabled = self.free["seconds"].disabled = not grid.timed
        self._said, self._view = make_sentence(), widgets.HTML()
        for slider, free in ((self.tokens, self.free["tokens"]), (self.seconds, self.free["seconds"])):
            slider.observe(lambda _, free=free: setattr(free, "value", False), "value")  # who moves it means it
            slider.observe(self._show, "value")
            free.observe(self._show, "value")
        super().__init__([widgets.HBox([self.tokens, self.free["tokens"], self.seconds, self.free["seconds"]],
                                       layout={"flex_flow": "row wrap"}), self._said,
                          widgets.HBox([*([self._figure] if takes_widgets() else []), self._view],
                                       layout={"flex_flow": "row wrap"})])  # fmt: skip
        self._show()

    @staticmethod
    def _make_slider(name: str, turns: list[float], price: float) -> widgets.FloatLogSlider:
        require(f"price {name}", price, float, 0, below=True)
        known = [turn for turn in (*turns, price) if turn > 0] or [1.0]
        low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
        return widgets.FloatLogSlider(value=price or 10.0**low, min=low, max=max(high, low + 1), step=0.05,
                                      description=f"price {name}", readout_format=".2e", layout={"width": "340px"},
                                      style={"description_width": "110px"})  # fmt: skip

    @property
    def prices(self) -> tuple[float, float]:
        """Where the sliders stand: answers a token and answers a second."""
        pairs = ((self.tokens, self.free["tokens"]), (self.seconds, self.free["seconds"]))
        return tuple(0.0 if free.value else slider.value for slider, free in pairs)

    def _show(self, _: Any = None) -> None:
        chosen = route(self.grid, *self.prices)
        taken = [self.grid.arms[place] for place in chosen]
        self.choices = pd.Series(taken, index=list(self.grid.problems), name="arm")
        way = collect(self.grid, "router", ("now",), [chosen], fees=True)
        self.result = measure(way).iloc[0].to_dict()
        best = self._fixed.sort_values(["accuracy", "tokens"], ascending=[False, True]).iloc[0]
        took = f", {self.result['seconds']:.3g} s" if self.grid.timed else ""
        said = f"{self.result['accuracy']:.1%} at {self.result['tokens']:,.0f} tokens{took} a problem"
        fixed = f"{best['step']}: {best['accuracy']:.1%} at {best['tokens']:,.0f}"
        self._said.value = f"{_tell_worth(*self.prices)}: {said}; the best fixed arm, {fixed}"
        self._figure.data[-1].update(x=[self.result["tokens"]], y=[self.result["accuracy"]])
        self._view.value = _tabulate(self.choices, way)

    def __repr__(self) -> str:
        return f"Pricing of {len(self.grid.problems)} problems and {len(self.grid.arms)} arms ({self._said.value})"

    def _tell(self) -> str:
        return self._said.value

    def _draw_still(self) -> str:
        picture = to_svg(go.Figure(self._figure))
        return picture[picture.index("<svg") :] + self._view.value


def _tell_worth(token: float, second: float) -> str:
    """The prices the other way round: how many tokens or seconds a right answer is worth."""
    prices = (token, 0, "tokens"), (second, 1, "s")
    worth = [f"{1 / price:,.{digits}f} {unit}" for price, digits, unit in prices if price]
    return f"A right answer is worth {' or '.join(worth)}" if worth else "All is free"


def _tabulate(choices: pd.Series, way: Way) -> str:
    """The mix of the moment: how many problems each arm got, how many of them it solves, what they cost."""
    rows = pd.DataFrame({"arm": choices.to_numpy(), "chance": way.chance[0], "tokens": way.tokens[0]})
    found = rows.groupby("arm").agg(count=("chance", "size"), chance=("chance", "mean"), tokens=("tokens", "mean"))
    body = (
        f'<tr><td class="text">{escape(arm)}</td><td>{row["count"]:.0f}<span class="bar"><i style="width: '
        f'{100 * row["count"] / len(rows):.1f}%"></i></span></td><td>{row["chance"]:.0%}</td>'
        f"<td>{row['tokens']:,.0f}</td></tr>"
        for arm, row in found.sort_values("tokens").iterrows()
    )
    heads = ('<th class="text">arm</th>', *(f"<th>{name}</th>" for name in ("problems", "right", "tokens")))
    return wrap("numbers", make_table(heads, body))
