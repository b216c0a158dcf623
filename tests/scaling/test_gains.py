"""Gains by thinking: of one and the same training, step by step, with an interval over problems and seeds."""

from itertools import pairwise

import numpy as np
import pytest
from made_planes import make_plane

from game24lab.scaling.gains import tabulate_gains
from game24lab.scaling.plane import Plane


def test_a_search_that_gains_and_then_loses_is_told_step_by_step():
    plane = make_plane(noise=0, seeds=2)
    efforts = sorted(plane.points["effort"].unique())
    levels = dict(zip(efforts, np.where(np.arange(len(efforts)) % 2, 0.5, 0.2), strict=True))
    rng = np.random.default_rng(0)
    chances = plane.points["effort"].map(levels).to_numpy()[:, None] + rng.uniform(-0.1, 0.1, plane.chances.shape)
    table = tabulate_gains(Plane(plane.points, chances), repeats=40)
    assert list(zip(table["before"], table["after"], strict=True)) == list(pairwise(efforts))
    assert table["gain"].to_numpy() == pytest.approx(np.resize([0.3, -0.3], len(table)), abs=0.02)
    assert (table["low"] < table["gain"]).all()
    assert (table["gain"] < table["high"]).all()
    assert (table["high"] - table["low"] < 0.1).all()
    trainings = plane.points.groupby(["size", "budget"]).ngroups
    assert (table["trainings"] == trainings).all()
    assert table["up"].tolist() == np.resize([trainings, 0], len(table)).tolist()


def test_one_seed_is_no_interval_over_seeds():
    with pytest.raises(ValueError, match="needs two seeds"):
        tabulate_gains(make_plane(seeds=1), repeats=2)
    assert len(tabulate_gains(make_plane(seeds=1), repeats=2, over_seeds=False))


def test_a_step_is_of_the_trainings_that_have_both_ends():
    plane = make_plane(noise=0, seeds=2)
    efforts = sorted(plane.points["effort"].unique())
    whole = tabulate_gains(plane, repeats=3)
    lost = (plane.points["effort"] == efforts[0]) & (plane.points["size"] == "s0")
    table = tabulate_gains(plane.take(~lost), repeats=3)
    assert table["trainings"].tolist() == [whole["trainings"][0] - 1, *whole["trainings"][1:]]
    assert table.loc[1:, "gain"].tolist() == whole.loc[1:, "gain"].tolist()
    alone = tabulate_gains(plane.take(plane.points["effort"] == efforts[0]), repeats=3)
    assert alone.empty
    assert "gain" in alone
