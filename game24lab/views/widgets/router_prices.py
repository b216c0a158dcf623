"""What the prices of tokens and seconds do to a router: two sliders, and which arms the test puzzles get at once.

All is read off a cached grid of problems and arms, no model is asked. Where no front end takes the widget, its output
is the same picture, as it stood. It does not know how anything was predicted or measured.
"""

from __future__ import annotations

import html
import math
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd

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

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 520, 300, 46, 12, 10, 34  # of the picture, in pixels
_INK, _ROUTER, _ORACLE, _GREY = "#333333", "#D55E00", "#009E73", "#8C8C8C"
_STYLE = """<style>
.game24lab-pricing {font: 13px/1.45 system-ui, sans-serif; display: flex; flex-wrap: wrap;
  gap: 24px; align-items: flex-start}
.game24lab-pricing table {border-collapse: collapse}
.game24lab-pricing th, .game24lab-pricing td {padding: 2px 9px; text-align: right; white-space: nowrap}
.game24lab-pricing th:first-child, .game24lab-pricing td:first-child {text-align: left}
.game24lab-pricing tr {border-bottom: 1px solid rgba(128, 128, 128, .3)}
.game24lab-pricing .bar {display: inline-block; height: 9px; background: #0072B2; vertical-align: middle}
.game24lab-pricing svg text {font: 11px system-ui, sans-serif; fill: currentColor}
</style>"""


class Pricing(widgets.VBox):
    """`Pricing(grid)`: sliders for both lambdas above the frontier, the mix of arms and what it comes to.

    `prices` say where the sliders begin: answers a token and answers a second. They can be set from Python too, by
    `tokens.value` and `seconds.value`; `free["tokens"].value` is a price of 0, until the slider is moved. `result` is
    what the moment's prices come to, `choices` the arm of each problem. ValueError for a negative price.
    """

    def __init__(self, grid: Grid, prices: tuple[float, float] = (0.0, 0.0), *, steps: int = 60) -> None:
        self.grid = grid
        turns = list_prices(grid.predicted_chance, grid.expect("tokens"), steps)
        fixed = take_fixed(grid)
        self._fixed, self._hull = measure(fixed), find_hull(fixed.tokens.mean(axis=1), fixed.chance.mean(axis=1))
        self._curves = {_ROUTER: measure(sweep(grid, turns)), _ORACLE: measure(take_oracle(grid, count=steps))}
        self.tokens = self._make_slider("per token", turns, prices[0])
        seconds = list_prices(grid.predicted_chance, grid.expect("seconds"), steps) if grid.timed else [0.0]
        self.seconds = self._make_slider("per second", seconds, prices[1])
        self.free = {name: widgets.Checkbox(value=price == 0, description="free", indent=False,
                                            layout={"width": "70px"})
                     for name, price in zip(("tokens", "seconds"), prices, strict=True)}  # fmt: skip
        self.seconds.disabled = self.free["seconds"].disabled = not grid.timed
        self._said, self._view = widgets.Label(), widgets.HTML()
        for slider, free in ((self.tokens, self.free["tokens"]), (self.seconds, self.free["seconds"])):
            slider.observe(lambda _, free=free: setattr(free, "value", False), "value")  # who moves it means it
            slider.observe(self._show, "value")
            free.observe(self._show, "value")
        super().__init__([widgets.HBox([self.tokens, self.free["tokens"], self.seconds, self.free["seconds"]],
                                       layout={"flex_flow": "row wrap"}), self._said, self._view])  # fmt: skip
        self._show()

    @staticmethod
    def _make_slider(name: str, turns: list[float], price: float) -> widgets.FloatLogSlider:
        if not 0 <= price < math.inf:
            raise ValueError(f"price {name} {price!r}: a number of at least 0 is accepted")
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
        self._said.value = f"{said}; the best fixed arm, {fixed}"
        self._view.value = (f'<div class="game24lab-pricing">{_STYLE}{self._draw()}'
                            f"{_tabulate(self.choices, way)}</div>")  # fmt: skip

    def _draw(self) -> str:
        """The frontier as a small picture: tokens on a logarithmic axis, accuracy upwards."""
        tables = [self._fixed, *self._curves.values()]
        least = max(min(table["tokens"].min() for table in tables), 1e-9)
        ends = math.log10(least), math.log10(max(table["tokens"].max() for table in tables) * 1.05)

        def place(tokens: float, accuracy: float) -> str:
            across = (math.log10(max(tokens, least)) - ends[0]) / max(ends[1] - ends[0], 1e-9)
            x = _LEFT + across * (_WIDTH - _LEFT - _RIGHT)
            return f"{x:.1f},{_TOP + (1 - accuracy) * (_HEIGHT - _TOP - _BOTTOM):.1f}"

        parts = []
        for share in (0, 0.25, 0.5, 0.75, 1):
            begin, end = (place(10**end, share).split(",") for end in ends)
            parts.append(
                f'<path d="M{",".join(begin)}L{",".join(end)}" stroke="{_GREY}" stroke-opacity=".25"/>'
                f'<text x="{_LEFT - 6}" y="{float(begin[1]) + 4:.1f}" text-anchor="end">{share:.0%}</text>'
            )
        for power in range(math.ceil(ends[0]), math.floor(ends[1]) + 1):
            x = place(10.0**power, 0).split(",")[0]
            parts.append(f'<text x="{x}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{10**power:,g}</text>')
        parts.append(f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 4}" text-anchor="middle">sampled tokens</text>')
        corners = self._fixed.iloc[self._hull]
        curves = [(corners, _INK, "4 3", 1.2), *((rows, colour, "", 1.8) for colour, rows in self._curves.items())]
        for rows, colour, dash, width in curves:
            known = rows.drop_duplicates("tokens").sort_values("tokens")[["tokens", "accuracy"]].to_numpy(float).T
            if not known.size:
                continue
            fine = np.geomspace(known[0, 0], known[0, -1], 60)  # mixes of two points are straight in tokens
            line = " ".join(place(*pair) for pair in zip(fine, np.interp(fine, *known), strict=True))
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="{width}" '
                         f'stroke-dasharray="{dash}"/>')  # fmt: skip
        for row in self._fixed.to_dict("records"):
            parts.append(_dot(place(row["tokens"], row["accuracy"]), 3, _GREY, row["step"]))
        parts.append(_dot(place(self.result["tokens"], self.result["accuracy"]), 6, _ROUTER, "the router now"))
        return (f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="accuracy against tokens: fixed arms '
                f'grey, their hull dashed, router orange, oracle green">{"".join(parts)}</svg>')  # fmt: skip

    def __repr__(self) -> str:
        return f"Pricing of {len(self.grid.problems)} problems and {len(self.grid.arms)} arms ({self._said.value})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**kwargs)
        return {**bundle, "text/html": f"<p>{html.escape(self._said.value)}</p>{self._view.value}"}


def _dot(place: str, size: int, colour: str, title: str) -> str:
    x, y = place.split(",")
    return f'<circle cx="{x}" cy="{y}" r="{size}" fill="{colour}"><title>{html.escape(str(title))}</title></circle>'


def _tabulate(choices: pd.Series, way: Way) -> str:
    """The mix of the moment: how many problems each arm got, how many of them it solves, what they cost."""
    rows = pd.DataFrame({"arm": choices.to_numpy(), "chance": way.chance[0], "tokens": way.tokens[0]})
    found = rows.groupby("arm").agg(count=("chance", "size"), chance=("chance", "mean"), tokens=("tokens", "mean"))
    body = "".join(
        f'<tr><td>{html.escape(str(arm))}</td><td>{row["count"]:.0f} <span class="bar" style="width: '
        f'{np.ceil(90 * row["count"] / len(rows)):.0f}px"></span></td><td>{row["chance"]:.0%}</td>'
        f"<td>{row['tokens']:,.0f}</td></tr>"
        for arm, row in found.sort_values("tokens").iterrows()
    )
    heads = "".join(f"<th>{name}</th>" for name in ("arm", "problems", "right", "tokens"))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
