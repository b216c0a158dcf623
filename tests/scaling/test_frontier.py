"""The frontier: a known exchange rate comes back, choices are made on other problems than they are read off on."""

import numpy as np
import pandas as pd
import pytest
from made_planes import RATE, make_plane
from scipy.special import expit

from game24lab.scaling import frontier
from game24lab.scaling.budgets import split_budget
from game24lab.scaling.frontier import find_efficient, fit_surface, measure_surface, tabulate_rates
from game24lab.scaling.plane import Plane, split_halves


def test_a_surface_is_found_exactly():
    plane = make_plane(problems=1, noise=0)
    found = fit_surface(plane.points["training"], plane.points["thinking"], plane.chances[:, 0])
    assert found.rate == pytest.approx(RATE, rel=1e-3)
    assert found.error < 1e-4
    line = found.think(0.5, np.array([1e12, 1e13]))
    assert found.predict(np.array([1e12, 1e13]), line) == pytest.approx([0.5, 0.5])
    assert np.log10(line[0] / line[1]) == pytest.approx(RATE, rel=1e-3)


def test_the_rate_comes_back_with_an_interval_that_holds_it():
    table = tabulate_rates(make_plane(noise=0.1), repeats=40)
    row = table.iloc[0]
    assert row["low"] < RATE < row["high"]
    assert row["high"] - row["low"] < 1.0
    assert row["points"] >= 10
    assert row["why"] == ""
    assert 1e11 <= row["training_low"] < row["training_high"] <= 1e14
    assert 0.02 < row["accuracy_low"] < row["accuracy_high"] < 0.99
    assert row["cheaper"] == pytest.approx(RATE, abs=0.3)
    assert row["dearer"] == pytest.approx(RATE, abs=0.3)


def test_the_range_is_of_the_points_that_were_fitted():
    """Half of the trainings are ten times as dear as others that are as good: they are no part of the line."""
    plane = make_plane(noise=0, seeds=2)
    dull = plane.points.assign(training=plane.points["training"] * 10, size="dull " + plane.points["size"])
    both = Plane(pd.concat([plane.points, dull], ignore_index=True), np.concatenate([plane.chances, plane.chances]))
    row, alone = (tabulate_rates(one, repeats=4).iloc[0] for one in (both, plane))
    assert row["sizes"] == alone["sizes"]
    assert "dull" not in row["sizes"]
    assert row["training_high"] == alone["training_high"]
    assert row["points"] == alone["points"]


def bend(plane):
    """The same points where training is worth the more the more there is of it."""
    level = 0.3 * (np.log10(plane.points["training"] / 1e11)) ** 2 + np.log10(plane.points["thinking"] / 1e7) - 1
    return Plane(plane.points, expit(level.to_numpy()[:, None] + np.linspace(-0.1, 0.1, plane.chances.shape[1])))


def test_lines_that_bend_have_another_rate_at_either_end():
    row = tabulate_rates(bend(make_plane(noise=0, problems=400)), repeats=4).iloc[0]
    assert row["cheaper"] < 0.7 * row["rate"]
    assert row["dearer"] > 1.2 * row["rate"]
    assert row["error"] > 0.02


def test_seeds_that_cost_a_little_more_do_not_change_sides():
    """The middle is what some training costs: drawn seeds moved all its points from one half to the other."""
    plane, rng = bend(make_plane(noise=0, problems=200, seeds=3)), np.random.default_rng(0)
    luck = {key: 1 + rng.normal(0, 1e-3) for key in zip(plane.points["size"], plane.points["seed"], strict=True)}
    uneven = [luck[key] for key in zip(plane.points["size"], plane.points["seed"], strict=True)]
    jittered = Plane(plane.points.assign(training=plane.points["training"] * uneven), plane.chances, plane.flops)
    rows = [tabulate_rates(one, repeats=30).iloc[0] for one in (plane, jittered)]
    for name in ("cheaper_low", "cheaper_high", "dearer_low", "dearer_high"):
        assert rows[1][name] == pytest.approx(rows[0][name], abs=0.1)


def test_draws_without_a_rate_are_beyond_any():
    draws = [frontier.Surface(0.0, 1.0, 1.0 / number, 0.0, 9) for number in range(1, 100)]
    lost = frontier.Surface(0.0, 1.0, -0.1, 0.0, 9)
    assert frontier._bound_rates([*draws, lost]) == (3.0, 97.0)
    assert frontier._bound_rates([*draws, None]) == (3.0, 97.0)


def test_where_thinking_does_not_help_there_is_no_rate():
    rng = np.random.default_rng(0)
    plane = make_plane(noise=0)
    level = np.log10(plane.points["training"] / 1e12).to_numpy()[:, None] + rng.normal(0, 1, (1, 80))
    flat = Plane(plane.points, (rng.random(plane.chances.shape) < expit(level)).astype(float))
    row = tabulate_rates(flat, repeats=30).iloc[0]
    assert np.isnan([row["rate"], row["low"], row["high"]]).all()
    assert "more thinking does not measurably help along the efficient points: a decade of it is worth " in row["why"]


def test_a_search_that_loses_by_thinking_has_no_rate_without_an_interval_either(monkeypatch):
    monkeypatch.setattr(frontier, "measure_surface", lambda *_: frontier.Surface(0.0, 1.0, -0.5, 0.01, 9))
    row = tabulate_rates(make_plane(seeds=1), repeats=2).iloc[0]
    assert np.isnan(row["rate"])
    assert "needs two seeds" in row["why"]


def test_strategies_have_rates_of_their_own_and_those_without_say_why():
    one, other = make_plane(0.8, noise=0.05), make_plane(2.0, noise=0.05, strategy="mcts", mode="blind")
    dull = make_plane(noise=0, strategy="greedy").take(np.arange(70) < 3)
    points = pd.concat([one.points, other.points, dull.points], ignore_index=True)
    plane = Plane(points, np.concatenate([one.chances, other.chances, dull.chances]))
    table = tabulate_rates(plane, repeats=20).set_index("strategy")
    assert table.loc["samples", "high"] < table.loc["mcts", "low"]
    assert np.isnan(table.loc["greedy", "rate"])
    assert "an iso-accuracy line needs 4 points" in table.loc["greedy", "why"]


def test_one_seed_is_no_interval_over_seeds():
    row = tabulate_rates(make_plane(seeds=1), repeats=5).iloc[0]
    assert not np.isnan(row["rate"])
    assert np.isnan(row["low"])
    assert "needs two seeds" in row["why"]
    assert not np.isnan(tabulate_rates(make_plane(seeds=1), repeats=5, over_seeds=False).iloc[0]["low"])


def test_efficient_points_are_those_that_nothing_beats():
    points = pd.DataFrame({"training": [1, 1, 2, 2, 3], "thinking": [1, 2, 1, 2, 3]})
    assert find_efficient(points, np.array([0.1, 0.2, 0.3, 0.3, 0.2])).tolist() == [True, True, True, False, False]


def test_the_luckiest_of_some_seeds_is_not_chosen():
    """Eight trainings alike but for luck that all problems share, which no half of the problems shows."""
    rng = np.random.default_rng(1)
    plane = make_plane(problems=40, seeds=8, noise=1.0, seed=3)
    one = plane.take((plane.points["size"] == "s2") & (plane.points["effort"] == 16))
    mean, best = one.chances.mean(), one.chances.mean(1).max()
    assert best > mean + 0.1
    order = rng.permutation(8)
    shuffled = Plane(one.points.iloc[order], one.chances[order])
    assert split_budget(shuffled, [1], [1e13], repeats=2)["accuracy"].iloc[0] == pytest.approx(mean)
    merged = plane.average_seeds()
    assert len(merged.points) == len(plane.points) / 8
    place = ((merged.points["size"] == "s2") & (merged.points["effort"] == 16)).to_numpy()
    assert merged.chances[place][0] == pytest.approx(one.chances.mean(0))
    assert merged.points["thinking"][place].iloc[0] == 16e6


def test_halves_share_no_problem():
    names = np.array([3, 1, 3, 2, 5, 1])
    for choose, read in split_halves(names):
        assert not set(names[choose]) & set(names[read])
        assert sorted([*choose, *read]) == list(range(6))
    with pytest.raises(ValueError, match="problems must be an integer >= 2"):
        next(split_halves([7, 7]))


def test_some_problems_cost_what_they_cost():
    """A verifier ends a search at the first right answer: what is hard costs more, and drawn twice it costs twice."""
    plane = make_plane(problems=6)
    flops = plane.flops * np.linspace(0.5, 1.5, 6)
    dear = Plane(plane.points, plane.chances, flops)
    some = dear.resample([5, 5, 0], [3, 1])
    assert some.points["thinking"].tolist() == pytest.approx(flops[[3, 1]][:, [5, 5, 0]].mean(1).tolist())
    assert some.points["training"].tolist() == plane.points["training"].iloc[[3, 1]].tolist()
    assert some.chances.tolist() == plane.chances[[3, 1]][:, [5, 5, 0]].tolist()
    merged = dear.average_seeds()
    assert merged.flops[0] == pytest.approx(1e6 * np.linspace(0.5, 1.5, 6))


def test_each_half_is_read_off_at_its_own_cost():
    """Of two halves one is twice as dear: surfaces at the mean cost would be dearer by 1.5."""
    plane = make_plane(problems=1, seeds=1, noise=0)
    plane = Plane(plane.points, np.repeat(plane.chances, 40, axis=1))
    first, _ = next(split_halves(range(40)))
    flops = plane.flops.copy()
    flops[:, first] *= 2
    dear = Plane(plane.points.assign(thinking=flops.mean(1)), plane.chances, flops)
    cheap, costly = measure_surface(plane), measure_surface(dear)
    assert costly.rate == pytest.approx(cheap.rate, rel=1e-3)
    assert costly.think(0.5, 1e12) / cheap.think(0.5, 1e12) == pytest.approx(2**0.5, rel=1e-3)


def test_bad_planes_are_refused():
    plane = make_plane(problems=3)
    with pytest.raises(ValueError, match="flops must be as many as chances, \\(70, 3\\), and of a point"):
        Plane(plane.points, plane.chances, 2 * plane.flops)
    with pytest.raises(ValueError, match="points must have the column 'thinking'"):
        Plane(plane.points.drop(columns="thinking"), plane.chances)
    with pytest.raises(ValueError, match="chances must have a row for each of 70 points"):
        Plane(plane.points, plane.chances[1:])
    with pytest.raises(ValueError, match="a cell that failed has no point"):
        Plane(plane.points, np.where(plane.chances > 0.5, np.nan, plane.chances))
    with pytest.raises(ValueError, match="needs thinking FLOPs that differ, got 1e\\+06 alone"):
        fit_surface([1e10, 1e11, 1e12, 1e13], [1e6] * 4, [0.2, 0.4, 0.6, 0.8])
