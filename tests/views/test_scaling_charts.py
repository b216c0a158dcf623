"""Charts of scaling: their logarithmic axes have a few ticks that can be read, however far the values span."""

import numpy as np
import pandas as pd
import pytest

from game24lab.views.charts import scaling


def draw_thinking(least: float, most: float):
    table = pd.DataFrame({"strategy": ["repeated sampling", "mcts"] * 2, "mode": "verified", "size": "2x32",
                          "budget": 1e6, "thinking": [least, least, most, most],
                          "accuracy": [0.1, 0.2, 0.3, 0.4]})  # fmt: skip
    return scaling.draw_thinking(table, ["repeated sampling", "mcts"]).layout


@pytest.mark.parametrize(("least", "most", "told"), [
    (1e7, 5e9, ["1e7", "1e8", "1e9", "1e10"]),
    (1e10, 1e16, ["1e10", "1e12", "1e14", "1e16"]),  # seven would be turned, or lie on each other
    (2.5e9, 4.5e10, ["2e9", "5e9", "1e10", "2e10", "5e10"]),  # one power of ten alone is no axis
    (3e7, 3e7, ["2e7", "5e7"]),
])  # fmt: skip
def test_an_axis_of_flops_has_a_few_ticks(least, most, told):
    layout = draw_thinking(least, most)
    assert list(layout.xaxis.ticktext) == told
    assert list(layout.xaxis2.ticktext) == told
    assert layout.xaxis2.tickvals == layout.xaxis.tickvals == tuple(map(float, told))


def test_a_size_is_a_line_of_those_trained_for_longest_and_the_envelope_is_the_best_of_all():
    table = pd.DataFrame(
        [("mcts", "rules", size, budget, thinking * effort, accuracy + 0.1 * (effort > 1))
         for size, budget, thinking, accuracy in [("1x16", 3e6, 1e6, 0.1), ("1x16", 4e6, 1e6, 0.4),
                                                  ("2x32", 3e6, 4e6, 0.5), ("2x32", 4e6, 4e6, 0.6)]
         for effort in (1, 8)],
        columns=["strategy", "mode", "size", "budget", "thinking", "accuracy"])  # fmt: skip
    drawn = {trace.name: trace for trace in scaling.draw_thinking(table, ["mcts"]).data}
    assert list(drawn) == ["envelope", "1x16", "2x32"]
    assert drawn["1x16"].y == pytest.approx((0.4, 0.5)), "without the shorter training"
    assert drawn["2x32"].x == pytest.approx((4e6, 32e6))
    assert list(zip(drawn["envelope"].x, drawn["envelope"].y, strict=True))[-3:] == [
        (1e6, 0.4), (4e6, 0.6), (32e6, pytest.approx(0.7))]  # fmt: skip


def test_each_strategy_has_a_panel_of_the_plane_and_all_have_the_same_axes():
    points = pd.DataFrame({"strategy": ["mcts", "mcts", "best of n"], "mode": ["rules", "blind", "blind"],
                           "training": [1e11, 1e12, 1e13], "thinking": [1e6, 1e7, 1e8], "accuracy": [0.1, 0.6, 1.0]})
    lines = pd.DataFrame({"strategy": "mcts", "mode": "rules", "accuracy": [0.25, 0.25, 0.5, 0.5],
                          "training": [1e11, 1e12] * 2, "thinking": [1e7, 1e6, 1e8, 1e7]})  # fmt: skip
    figure = scaling.draw_plane(points, lines)
    titles = [axis.title.text for axis in figure.select_xaxes()]
    assert titles == [f"training FLOPs<br>{name}" for name in ("mcts, rules", "mcts, blind", "best of n, blind")]
    assert len({axis.tickvals for axis in figure.select_xaxes()}) == 1
    named = [trace.name for trace in figure.data if trace.showlegend]
    assert named == ["0% to 25%", "line of 25%", "line of 50%", "slope on Hex (Jones 2021)", "50% to 75%",
                     "75% to 100%"]  # fmt: skip
    assert {trace.xaxis for trace in figure.data if trace.name.startswith("line")} == {"x"}
    drawn = next(trace for trace in figure.data if "Hex" in trace.name)
    assert np.log10(drawn.y[0] / drawn.y[1]) == pytest.approx(1.2 * 2), "Jones's slope over two decades"
    scaling.draw_plane(points, lines.iloc[:0])  # where no strategy has a rate


def test_the_titles_of_two_panels_stand_beside_each_other():
    layout = draw_thinking(1e7, 5e9)
    assert layout.xaxis.title.text == "FLOPs a problem, repeated sampling"  # 43 letters ran into the panel beside it
    assert layout.xaxis2.title.text == "FLOPs a problem, mcts"


def test_chances_are_lines_of_sizes_with_their_seeds_averaged():
    rows = [(size, budget, seed, factor / budget * 1e6 + seed, 0.1 * seed + 0.2)
            for size, factor in (("3x48", 4.0), ("4x96", 2.0)) for budget in (2e6, 1e6)
            for seed in (0, 1)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["size", "budget", "seed", "minus_log_p", "pass_16"])
    figure = scaling.draw_chances(table)
    small, _, large, _ = figure.data
    assert (small.name, list(small.x), list(small.y)) == ("3x48", [1e6, 2e6], [4.5, 2.5])
    assert list(large.y) == [2.5, 1.5]
    assert list(figure.data[1].y) == pytest.approx([0.25, 0.25])
    assert figure.layout.xaxis.type == figure.layout.xaxis2.type == "log"


def test_lines_of_equal_flops_are_dotted_beyond_what_the_law_was_fitted_to():
    rows = [(flops, size, flops / size / 1e6, loss, size < 4e5, loss == 2) for flops, best in ((1e9, 1e5), (3e12, 2e5))
            for size in (1e5, 2e5, 4e5) for loss in [2 + abs(np.log(size / best))]]  # fmt: skip
    table = pd.DataFrame(rows, columns=["flops", "parameters", "ratio", "predicted", "inside", "best"])
    figure = scaling.draw_isoflops(table, "L - E")
    assert [trace.name for trace in figure.data if trace.showlegend] == ["1e9 FLOPs", "3e12 FLOPs"]
    dotted, solid, best = figure.data[6], figure.data[7], figure.data[8]
    assert (list(dotted.x), list(solid.x), list(best.x)) == ([1e5, 2e5, 4e5], [1e5, 2e5], [2e5])
    assert dotted.line.dash == "dot"
    assert list(figure.data[11].x) == [3e12 / 2e5 / 1e6], "the other panel is of tokens a parameter"
