"""Curves hold the numbers of their tables: panels apart, published points where they belong, legends that find room."""

from itertools import pairwise

import pandas as pd
import pytest

from game24lab.views.charts import search as curves
from game24lab.views.charts import svg as vector

STYLES = curves.style({"samples": ("greedy", "best_of_n"), "trees": ("mcts", "rap")})
ARMS = pd.DataFrame(
    [("greedy", "rules", "a", 30, 0.3, 0.2, 0.4), ("mcts", "rules", "b", 900, 0.8, 0.7, 0.9),
     ("mcts", "rules", "b", 100, 0.5, 0.4, 0.6), ("mcts", "verified", "b", 90, 0.9, 0.8, 1.0)],
    columns=["algorithm", "mode", "curve", "sampled_tokens", "accuracy", "low", "high"],
)  # fmt: skip
PUBLISHED = pd.DataFrame({"mode": ["rules", "rules", "verified"], "source": ["A", "B", "A"],
                          "accuracy": [0.867, 0.5, 0.74], "sampled_tokens": [1297, None, 5500]})  # fmt: skip
SWEEP = pd.DataFrame({"panel": ["x", "x", "y", "y"], "series": "mcts, verified", "algorithm": "mcts",
                      "mode": "verified", "value": [1, 16, 16, 1], "accuracy": [0.1, 0.4, 0.6, 0.2]})  # fmt: skip


def list_points(figure, name, panel=""):
    return [point for trace in figure.data if trace.name == name and (trace.xaxis or "x") == f"x{panel}"
            for point in zip(trace.x, trace.y, strict=True)]  # fmt: skip


def test_ways_to_end_have_a_panel_each():
    figure = curves.draw_frontier(ARMS, "sampled_tokens", "tokens", STYLES, PUBLISHED)
    assert list_points(figure, "mcts") == [(90, 0.9)]
    assert list_points(figure, "mcts", "2") == [(100, 0.5), (900, 0.8)]  # one curve, by rising cost
    assert list_points(figure, "greedy", "2") == [(30, 0.3)]
    assert list_points(figure, "A") == [(5500, 0.74)]
    assert list_points(figure, "A", "2") == [(1297, 0.867)]
    assert list_points(figure, "B", "2") == []  # its cost is not known
    assert figure.layout.xaxis.range == figure.layout.xaxis2.range
    assert 10 ** figure.layout.xaxis.range[0] < 30 < 5500 < 10 ** figure.layout.xaxis.range[1]
    assert {trace.marker.symbol for trace in figure.data if trace.name == "mcts"} == {"circle", "circle-open"}
    assert sum(trace.showlegend for trace in figure.data) == 3  # each name once
    assert "rules" in vector.to_svg(figure)


def test_three_modes_have_three_panels_and_the_published_stand_in_their_own():
    blind = ARMS[ARMS["mode"] == "rules"].assign(mode="blind", accuracy=0.25)
    points = PUBLISHED.assign(mode=["blind", "blind", "verified"])
    figure = curves.draw_frontier(pd.concat([ARMS, blind]), "sampled_tokens", "tokens", STYLES, points)
    assert list_points(figure, "mcts", "3") == [(100, 0.25), (900, 0.25)]
    assert list_points(figure, "A", "3") == [(1297, 0.867)]
    assert list_points(figure, "A", "2") == []
    assert {trace.marker.symbol for trace in figure.data if trace.name == "mcts"} == {
        "circle", "circle-open", "circle-open-dot",
    }  # fmt: skip
    domains = [figure.layout[f"xaxis{number}"].domain for number in ("", "2", "3")]
    assert all(one[1] < other[0] for one, other in pairwise(domains))
    assert domains[2][1] == 1
    svg = vector.to_svg(figure)
    assert all(svg.count(f", {mode}<") == 1 for mode in ("verified", "rules", "blind"))


def test_one_way_to_end_has_the_whole_width():
    figure = curves.draw_frontier(ARMS[ARMS["mode"] == "verified"], "sampled_tokens", "tokens", STYLES, PUBLISHED)
    assert {trace.xaxis for trace in figure.data} == {"x"}
    assert vector.to_svg(figure)


def test_a_parameter_is_drawn_by_its_values():
    figure = curves.draw_sweeps(SWEEP, "width", STYLES)
    assert list_points(figure, "mcts, verified", "2") == [(1, 0.2), (16, 0.6)]
    assert figure.layout.xaxis.type == "log"
    assert vector.to_svg(figure)
    assert curves.draw_sweeps(SWEEP.assign(value=[0, 1, 1, 0]), "width", STYLES).layout.xaxis.type is None


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(ValueError, match="lacks the column 'flops'"):
        curves.draw_frontier(ARMS, "flops", "FLOPs", STYLES)
    with pytest.raises(ValueError, match="got 'both'"):
        curves.draw_frontier(ARMS.assign(mode="both"), "sampled_tokens", "tokens", STYLES)
    with pytest.raises(ValueError, match="at most 2 panels, got 3"):
        curves.draw_sweeps(pd.concat([SWEEP, SWEEP[:1].assign(panel="z")]), "width", STYLES)


@pytest.mark.parametrize(
    ("names", "width", "columns"),
    [(["a", "b"], 640, 2), (["a" * 30, "b" * 30, "c" * 30], 640, 2), (["a" * 200, "b"], 640, 1), ([], 640, 1),
     (["a" * 10] * 20, 640, 5)],
)  # fmt: skip
def test_legends_above_a_plot_take_as_many_lines_as_they_need(names, width, columns):
    assert vector._count_columns(names, width) == columns


@pytest.mark.parametrize("group", [("greedy", "best_of_n"), ("mcts", "rap"), ("samples", "trees")])
def test_what_stands_in_one_plot_differs_by_colour_and_by_symbol(group):
    for place in range(2):
        assert len({STYLES[name][place] for name in group}) == len(group)


@pytest.mark.parametrize(("low", "high", "reach"), [
    (0.92, 0.99, [0.7, 1.03]), (0.4, 0.55, [0.3, 0.6]), (0.0, 1.0, [0.0, 1.03]), (0.01, 0.02, [0.0, 0.3]),
    (0.72, 0.9, [0.6, 1.03]),
])  # fmt: skip
def test_the_axis_of_accuracy_shows_what_there_is(low, high, reach):
    """A flat line on 0 to 100 % shows nothing; error bars are within, and at least 30 points."""
    table = SWEEP.assign(accuracy=(low + high) / 2, low=low, high=high)
    for figure in (curves.draw_sweeps(table, "width", STYLES),
                   curves.draw_frontier(ARMS.assign(accuracy=low, low=low, high=high), "sampled_tokens", "t", STYLES)):
        assert list(figure.layout.yaxis.range) == list(figure.layout.yaxis2.range) == pytest.approx(reach)
