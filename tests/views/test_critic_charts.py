"""Diagrams of critics hold the numbers of their tables, and are drawn without a browser."""

import math

import numpy as np
import pandas as pd
import pytest

from game24lab.views.charts import critics as diagrams
from game24lab.views.charts import svg as vector

DEPTHS = pd.DataFrame({"group": [1, 2, 3], "false_dead": [0.2, 0.1, 0.0], "false_alive": [0.1, np.nan, 0.3],
                       "auc": [0.9, np.nan, 0.99]})  # fmt: skip
SIGMAS = [0.0, 0.5, math.inf, math.nan]
NOISE = pd.DataFrame({"critic": ["truth", "truth + 0.5", "none", "trained"] * 2, "sigma": SIGMAS * 2,
                      "arm": ["mcts"] * 4 + ["_<b>"] * 4, "mode": ["rules"] * 4 + ["verified"] * 4,
                      "accuracy": [0.9, 0.8, 0.3, 0.7] * 2})  # fmt: skip
NOISE["low"], NOISE["high"] = NOISE["accuracy"] - 0.1, NOISE["accuracy"] + 0.1
WIDTHS = pd.DataFrame({"algorithm": "beam", "mode": "rules", "critic": np.repeat(["truth", "none", "trained"], 2),
                       "sigma": np.repeat([0.0, math.inf, math.nan], 2), "width": [1, 4] * 3, "low": 0.1, "high": 0.9,
                       "accuracy": [0.5, 0.8, 0.2, 0.2, 0.4, 0.7], "useful": [4, 4, 1, 1, 4, 4]})  # fmt: skip
ALL = {
    "depths": diagrams.draw_depths(DEPTHS),
    "noise": diagrams.draw_noise(NOISE, like=0.7),
    "noise alone": diagrams.draw_noise(NOISE[NOISE["critic"] != "trained"]),
    "widths": diagrams.draw_widths(WIDTHS),
}


@pytest.mark.parametrize("name", ALL)
def test_every_diagram_is_drawn_without_a_browser(name):
    svg = vector.to_svg(ALL[name])
    titles = [axis.title.text for axis in (*ALL[name].select_xaxes(), *ALL[name].select_yaxes()) if axis.title.text]
    assert all(title in svg for title in titles)


def test_noise_and_trained_critic_stand_where_they_belong():
    traces = ALL["noise"].data
    curve = next(trace for trace in traces if trace.name == "mcts, rules")
    assert (list(curve.x), list(curve.y)) == ([0.0, 0.5], [0.9, 0.8])
    none = [trace for trace in traces if trace.name == "mcts, rules"][1]
    assert (list(none.x), list(none.y)) == ([1.0], [0.3])  # beyond the last, and not joined to it
    assert list(ALL["noise"].layout.xaxis.ticktext) == ["0", "0.5", "none"]
    star = next(trace for trace in traces if trace.marker.symbol == "star")
    assert (list(star.x), list(star.y)) == ([0.7], [0.7])
    assert not [trace for trace in ALL["noise alone"].data if trace.marker.symbol == "star"]
    assert any(trace.name == "_&lt;b&gt;, verified" for trace in traces)


def test_no_two_searches_look_alike():
    arms = [f"arm {number}" for number in range(10)]  # more than there are colours
    table = pd.concat([NOISE[NOISE["arm"] == "mcts"].assign(arm=arm) for arm in arms])
    shown = [trace for trace in diagrams.draw_noise(table).data if trace.showlegend is not False]
    assert len(shown) == len({(trace.marker.symbol, trace.line.color) for trace in shown}) == 10


def test_useful_widths_stand_out():
    large = {trace.name: list(trace.x) for trace in ALL["widths"].data if trace.marker.size == 13}
    assert large == {"truth": [4], "none": [1], "trained": [4]}
    with pytest.raises(ValueError, match="must hold one algorithm and mode, got several"):
        diagrams.draw_widths(WIDTHS.assign(algorithm=["a", "b"] * 3))


def test_missing_numbers_are_left_out():
    lines = {trace.name: list(trace.x) for trace in ALL["depths"].data if trace.name}
    assert lines == {"alive, called dead": [1, 2, 3], "dead, called alive": [1, 3]}
    with pytest.raises(ValueError, match="lacks the column 'auc'"):
        diagrams.draw_depths(DEPTHS.drop(columns="auc"))
