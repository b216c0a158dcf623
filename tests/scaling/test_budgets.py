"""Splits of a budget: chosen on other problems than they are read off on, and told apart by what may help."""

import numpy as np
import pandas as pd
import pytest
from made_planes import make_plane

from game24lab.scaling.budgets import split_both, split_budget
from game24lab.scaling.plane import Plane


def test_the_best_of_many_is_not_read_off_where_it_was_chosen():
    """All points are equal but for luck: the plain maximum is far above their chance, the crossed one is not."""
    rng = np.random.default_rng(0)
    chances = (rng.random((200, 60)) < 0.5).astype(float)
    points = pd.DataFrame({"cell": [f"c{i}" for i in range(200)], "size": "s", "seed": 0, "budget": range(200),
                           "strategy": "a", "mode": "rules", "effort": 1, "training": 1e10,
                           "thinking": 1e3})  # fmt: skip
    table = split_budget(Plane(points, chances), [1], [1e12], repeats=5, over_seeds=False)
    assert chances.mean(1).max() > 0.62
    assert table["accuracy"].iloc[0] < 0.58


def test_many_problems_ask_for_more_training():
    table = split_budget(make_plane(noise=0), [1, 1e3, 1e6], [1e13], repeats=10)
    assert table["problems"].tolist() == [1, 1e3, 1e6]
    assert (table["accuracy"].diff().dropna() <= 0).all(), "the same budget for more problems"
    assert table["effort"].iloc[0] == 256
    assert table["effort"].iloc[-1] < 256
    assert (table["low"] <= table["accuracy"]).all()
    assert split_budget(make_plane(), [1], [1e5]).empty


def test_what_is_spent_is_said_and_a_tenth_of_a_point_is_not_worth_it():
    plane = make_plane(noise=0)
    row = split_budget(plane, [1], [1e16], repeats=2).iloc[0]
    assert row["spent"] < 0.05, "more than there is to buy"
    assert row["accuracy"] > 0.95
    sure = Plane(plane.points, np.clip(plane.chances + 1, 0, 1) - plane.points.index.to_numpy()[:, None] / 1e6)
    best = split_budget(sure, [1], [1e16], repeats=2).iloc[0]
    assert (best["size"], best["effort"]) == ("s0", 1), "the cheapest of equals"


def test_seeds_widen_the_interval():
    plane = make_plane(noise=2.0, seeds=3, problems=40)
    options = {"problems": [1], "totals": [3e12], "repeats": 60}
    both, one = (split_budget(plane, **options, over_seeds=over).iloc[0] for over in (True, False))
    assert both["accuracy"] == one["accuracy"]
    assert both["high"] - both["low"] > one["high"] - one["low"]
    with pytest.raises(ValueError, match="an interval over seeds needs two seeds"):
        split_budget(make_plane(seeds=1), **options)


def test_with_a_verifier_and_without():
    one, other = make_plane(strategy="samples"), make_plane(0.8, strategy="mcts", mode="rules")
    worse = Plane(other.points, other.chances * 0.5)
    points = pd.concat([one.points, worse.points], ignore_index=True)
    plane = Plane(points, np.concatenate([one.chances, worse.chances]))
    table = split_both(plane, [1, 1000], [1e13], repeats=3)
    assert table["verifier"].tolist() == [True, True, False, False]
    assert table["strategy"].tolist() == ["samples", "samples", "mcts", "mcts"]
    assert split_both(one, [1], [1e13], repeats=3)["verifier"].tolist() == [True]
