"""The design: every cell has its place, what collides is refused, and the cost is known before anything starts."""

import pandas as pd
import pytest

from game24lab.scaling.design import choose, estimate, lay_out, price_budget, trace_isoflops
from game24lab.scaling.flops import count_training, make_shape
from game24lab.scaling.laws import Law


def test_a_trunk_serves_all_its_budgets():
    trunks = lay_out(["3x48", "4x96"], [2e5, 1e5, 4e5], [0, 1], per_step=1000)
    assert [(trunk.size, trunk.seed) for trunk in trunks] == [("3x48", 0), ("3x48", 1), ("4x96", 0), ("4x96", 1)]
    trunk = trunks[0]
    assert trunk.steps == (100, 200, 400)
    assert trunk.tokens == (100_000, 200_000, 400_000)
    assert trunk.branches == {100: 80, 200: 160, 400: 320}
    assert trunk.length == 320
    assert trunk.trained == 320 + 20 + 40 + 80
    assert len({one.steps for one in trunks}) == 1


def test_seeds_by_size():
    trunks = lay_out(["3x48", "4x96"], [1e5], {"3x48": range(3), "4x96": [7]}, per_step=1000)
    assert [(trunk.size, trunk.seed) for trunk in trunks] == [("3x48", 0), ("3x48", 1), ("3x48", 2), ("4x96", 7)]


@pytest.mark.parametrize(("change", "message"), [
    ({"sizes": ["3x48", "3x48"]}, "sizes: 3x48 is listed twice, its cells would collide"),
    ({"sizes": ["4x128", "tiny"]}, "sizes: tiny and 4x128 are one size, their cells would collide"),
    ({"sizes": ["5y3"]}, "size must be one of tiny"),
    ({"sizes": []}, "sizes must have one value at least"),
    ({"tokens": [1e5, 1e5]}, "tokens: 100000.0 is listed twice"),
    ({"tokens": [100_000, 100_100]}, "tokens: 100000 and 100100 are both 100 steps of 1,000 tokens, their cells would"),
    ({"tokens": [3000]}, "tokens: 3000 are 3 steps of 1,000 tokens, 5 are needed at least"),
    ({"tokens": [-1]}, "tokens must be a number >= 1"),
    ({"seeds": [0, 0]}, "seeds of 3x48 must be different ones"),
    ({"seeds": []}, "seeds of 3x48 must be different ones, at least one"),
    ({"seeds": {"4x96": [2]}}, "seeds: '4x96' is none of the sizes 3x48"),
])  # fmt: skip
def test_bad_grids_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        lay_out(**{"sizes": ["3x48"], "tokens": [1e5, 2e5], "seeds": [0], "per_step": 1000} | change)


def test_the_cost_is_known_before():
    trunks = lay_out(["3x48", "8x224"], [1e5, 2e5], [0], per_step=1000)
    shapes = {size: make_shape(size, 800) for size in ("3x48", "8x224")}
    table = estimate(trunks, shapes, 1000, 25.0, pace={"3x48": 1000.0}, learnt=0.7)
    shape = make_shape("3x48", 800)
    one = count_training(shape, [25.0] * 40, [0.7 * 25] * 40, 1)  # of a step of 40 texts
    assert table["flops"].iloc[0] == pytest.approx(one * trunks[0].trained)
    assert table["alone"].iloc[0] == pytest.approx(one * 300)
    assert (table["flops"] < table["alone"]).all()
    assert table["cells"].tolist() == [2, 2]
    assert table["hours"].iloc[0] == pytest.approx(trunks[0].trained * 1000 / 1000 / 3600)
    assert table["hours"].isna().iloc[1], "nobody has measured that size"
    assert price_budget(shape, 1000, 25.0, 0.7, 1000) == pytest.approx(one)
    adamw = estimate(trunks, shapes, 1000, 25.0, learnt=0.7, muon=False)
    bare = count_training(shape, [25.0] * 40, [0.7 * 25] * 40)
    assert adamw["flops"].iloc[0] == pytest.approx(bare * trunks[0].trained)
    assert price_budget(shape, 1000, 25.0, 0.7) == pytest.approx(bare)


def test_a_law_chooses_among_sizes_that_need_not_be_of_the_grid():
    law = Law({"N": 40.0, "D": 900.0}, {"N": 0.38, "D": 0.52})
    shapes = {size: make_shape(size, 800) for size in ("3x48", "4x112", "6x144", "8x224")}
    poor, rich = (choose(law, budget, shapes, 25.0) for budget in (1e11, 1e15))
    assert poor["size"].iloc[0] == "3x48"
    assert rich["size"].iloc[0] == "8x224"
    assert (rich["tokens"] > 0).all()
    assert rich["low"].isna().all()
    draws = [Law({"N": 40.0, "D": factor * 900.0}, {"N": 0.38, "D": 0.52}) for factor in (0.9, 1.0, 1.1)]
    sure = choose(law, 1e15, shapes, 25.0, draws=draws).iloc[0]
    assert sure["low"] < sure["predicted"] < sure["high"]
    lucky = choose(law, 1e15, shapes, 25.0, draws=draws, errors=[-0.2, 0.0, 0.2]).iloc[0]
    assert lucky["low"] < sure["low"]
    assert lucky["high"] > sure["high"]
    dearer = choose(law, 1e15, shapes, 25.0, per_step=1000)
    assert dearer["tokens"].sum() < rich["tokens"].sum(), "Muon's steps are paid too"
    assert float(price_budget(shapes["8x224"], rich["tokens"].iloc[0], 25.0)) == pytest.approx(1e15)


def test_equal_flops_buy_a_large_model_trained_briefly_or_a_small_one_trained_long():
    law = Law({"N": 40.0, "D": 900.0}, {"N": 0.38, "D": 0.52}, error=0.02)
    shapes = {size: make_shape(size, 800) for size in ("8x224", "3x48", "3x64", "4x96", "4x112", "6x144")}
    grid = pd.DataFrame({"flops": [2e11, 5e13], "tokens": [1e5, 8e6], "parameters": [shapes["3x64"].matrices, 1e9]})
    table = trace_isoflops(law, grid, shapes, 25.0, per_step=1000)
    assert list(table["flops"].unique()) == [3e11, 1e12, 3e12, 1e13, 3e13]
    assert table["tokens"].between(2.5e4, 3.2e7).all(), "nothing far beyond what was fitted"
    assert table["inside"].tolist() == (table["tokens"].between(1e5, 8e6) & (table["size"] != "3x48")).tolist()
    for flops, rows in table.groupby("flops"):
        assert rows["parameters"].is_monotonic_increasing
        assert rows["tokens"].is_monotonic_decreasing
        again = choose(law, flops, shapes, 25.0, per_step=1000).set_index("size")
        assert rows["predicted"].tolist() == again.loc[rows["size"], "predicted"].tolist()
        best = rows[rows["best"]]
        assert len(best) == 0 or best["predicted"].item() == rows["predicted"].min()
        assert rows["near"].tolist() == (rows["predicted"] <= 1.02 * rows["predicted"].min()).tolist()
    assert table["best"].sum() >= 1
    assert not table.groupby("flops")["best"].agg(["first", "last"]).any(axis=None), "a better one may lie beyond"
    narrow = trace_isoflops(law, grid.assign(flops=[1.2e12, 2.9e12]), shapes, 25.0)
    assert list(narrow["flops"].unique()) == [2.9e12]
    assert trace_isoflops(law, grid, {}, 25.0).empty
    assert list(choose(law, 1e12, {}, 25.0)) == ["size", "parameters", "tokens", "low", "high", "predicted"]
