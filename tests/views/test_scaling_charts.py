"""Charts of scaling: their logarithmic axes have a few ticks that can be read, however far the values span."""

import pandas as pd
import pytest

from game24lab.views.charts import scaling


def draw_thinking(least: float, most: float):
    table = pd.DataFrame({"strategy": ["repeated sampling", "mcts"] * 2, "mode": "verified", "cell": "2x32-0-6",
                          "size": "2x32", "thinking": [least, least, most, most],
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


def test_the_titles_of_two_panels_stand_beside_each_other():
    layout = draw_thinking(1e7, 5e9)
    assert layout.xaxis.title.text == "FLOPs a problem, repeated sampling"  # 43 letters ran into the panel beside it
    assert layout.xaxis2.title.text == "FLOPs a problem, mcts"
