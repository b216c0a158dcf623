"""The pricing widget and the charts of routing: sliders answer at once, names stay text, all draws as vectors."""

import json
import time

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from routed_worlds import make_grid

from game24lab.routing.pareto import measure, mix, route, sweep, take_fixed, take_oracle
from game24lab.views.charts import routing as tradeoffs
from game24lab.views.charts import svg as vector
from game24lab.views.widgets import router_prices
from game24lab.views.widgets.router_prices import Pricing

GRID = make_grid(60)
HOSTILE = "<script>alert(1)</script>"


def test_it_starts_at_its_prices_and_a_slider_routes_anew():
    view = Pricing(GRID, (1e-3, 0.0))
    assert view.prices == (1e-3, 0.0)
    assert view.choices.tolist() == [GRID.arms[place] for place in route(GRID, 1e-3)]
    before = view._view.value
    view.tokens.value = 1e-2
    assert view.choices.tolist() == [GRID.arms[place] for place in route(GRID, 1e-2)]
    assert view.result["accuracy"] == pytest.approx(sweep(GRID, [1e-2]).chance.mean())
    assert view.result["tokens"] == pytest.approx(sweep(GRID, [1e-2]).tokens.mean())
    assert view._view.value != before
    view.free["tokens"].value = True
    assert view.prices == (0.0, 0.0)
    assert view.choices.tolist() == [GRID.arms[place] for place in route(GRID, 0.0)]
    view.seconds.value = view.seconds.value * 100  # who moves a slider means it
    assert view.prices == (0.0, view.seconds.value)


def test_in_a_browser_the_picture_is_plotly_and_only_the_router_moves(monkeypatch):
    monkeypatch.setattr(router_prices, "takes_widgets", lambda: True)
    view = Pricing(GRID, (1e-3, 0.0))
    (picture,) = [child for row in view.children for child in getattr(row, "children", ())
                  if isinstance(child, go.FigureWidget)]  # fmt: skip
    before = [list(trace.y) for trace in picture.data]
    view.tokens.value = 10.0**view.tokens.max
    assert [list(trace.y) for trace in picture.data[:-1]] == before[:-1]
    assert list(picture.data[-1].x) == [view.result["tokens"]]
    assert "<svg" in view._repr_mimebundle_()["text/html"]


def test_it_answers_at_once():
    view = Pricing(make_grid(400, arms=8))
    begin = time.process_time()
    for price in np.geomspace(1e-5, 1e-1, 20):
        view.tokens.value = price
    assert (time.process_time() - begin) / 20 < 0.1


def test_it_shows_without_a_front_end_and_escapes_names():
    hostile = make_grid(20)
    object.__setattr__(hostile, "arms", (HOSTILE, *hostile.arms[1:]))
    view = Pricing(hostile)
    view.tokens.value = 10.0**view.tokens.max  # the cheapest arm for all
    bundle = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert HOSTILE not in json.dumps(bundle)
    assert "&lt;script&gt;alert(1)" in bundle["text/html"]
    assert "<svg" in bundle["text/html"]
    assert repr(view).startswith("Pricing of 20 problems and 4 arms (")


def test_seconds_that_nobody_knows_have_no_slider():
    blind = make_grid(20)
    object.__setattr__(blind, "seconds", blind.seconds * np.nan)
    view = Pricing(blind)
    assert view.seconds.disabled
    assert " s a problem" not in view._said.value
    with pytest.raises(ValueError, match=r"price per token must be .*, got -1"):
        Pricing(GRID, (-1, 0.0))


def test_charts_are_drawn_as_vectors():
    prices = [0.0, *np.geomspace(1e-4, 1e-1, 12)]
    points = pd.concat([measure(way) for way in (sweep(GRID, prices), take_fixed(GRID), take_oracle(GRID))])
    points = points.assign(low=points["accuracy"] - 0.05, high=points["accuracy"] + 0.05)
    shares = mix(GRID, prices)
    gains = pd.DataFrame({"cost": [10.0, 20.0, 30.0], "gain": [0.0, 0.1, np.nan], "share": [np.nan, 0.5, np.nan]})
    gains = gains.assign(**{f"{name}_{end}": gains[name] for name in ("gain", "share") for end in ("low", "high")})
    reliable = pd.DataFrame({"predicted": [0.1, 0.9], "observed": [0.2, 0.8], "low": [0.1, 0.7], "high": [0.3, 0.9]})
    curves = pd.DataFrame({"step": [0, 1], "loss": [0.7, 0.5], "stopping": [0.7, 0.6], "target": "probability"})
    drawn = {
        "router": tradeoffs.draw_ways(points, "tokens"),
        "hull of fixed arms": tradeoffs.draw_ways(points, "tokens", GRID.arms[:2]),
        "arm 0": tradeoffs.draw_mix(shares),
        "share of the gap": tradeoffs.draw_gains(gains),
        "boosting": tradeoffs.draw_reliability({"boosting": reliable, HOSTILE: reliable}),
        "stopping puzzles": tradeoffs.draw_learning(curves),
    }
    for text, figure in drawn.items():
        svg = vector.to_svg(figure)
        assert text in svg
        assert HOSTILE not in svg
    mixed = tradeoffs.draw_mix(shares)
    tops = np.array([trace.y[: len(prices) - 1] for trace in mixed.data])
    assert tops.max() == pytest.approx(1)


def test_a_mix_of_many_arms_gathers_the_rarest():
    wide = make_grid(80, arms=14, blur=2.0)
    shares = mix(wide, [0.0, *np.geomspace(1e-5, 1e-1, 10)])
    names = [trace.name for trace in tradeoffs.draw_mix(shares).data]
    assert len(names) <= 9


def test_prices_at_which_nothing_changes_are_not_drawn():
    """A grid of prices goes far beyond those that decide anything, from 1e-9 to 1e11 say."""
    prices = np.geomspace(1e-9, 1e11, 81)
    share = np.clip((np.log10(prices) + 5) / 3, 0, 1)  # all changes between 1e-5 and 1e-2
    shares = pd.concat([pd.DataFrame({"price": prices, "arm": arm, "share": part})
                        for arm, part in (("long", 1 - share), ("short", share))])  # fmt: skip
    drawn = np.concatenate([trace.x for trace in tradeoffs.draw_mix(shares).data])
    assert 1e-6 < drawn.min() <= 1e-5 < 1e-2 <= drawn.max() < 1e-1
    still = tradeoffs.draw_mix(shares.assign(share=1.0 * (shares["arm"] == "long")))
    assert [trace.name for trace in still.data] == ["long"]


def test_prices_are_told_as_what_an_answer_is_worth():
    view = Pricing(GRID, (1e-3, 0.0))
    assert view._said.value.startswith("A right answer is worth 1,000 tokens: ")
    view.tokens.value = 1e-2
    assert view._said.value.startswith(f"A right answer is worth {1 / view.tokens.value:,.0f} tokens: ")
    view.free["tokens"].value = True
    assert view._said.value.startswith("All is free: ")
    view.seconds.value = view.seconds.value * 2
    assert view._said.value.startswith(f"A right answer is worth {1 / view.seconds.value:,.1f} s: ")
