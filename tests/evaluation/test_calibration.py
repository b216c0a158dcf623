"""Calibration: a perfectly calibrated critic is found to be one, measures agree with those by hand."""

import numpy as np
import pytest

from game24lab.evaluation import calibration


def test_calibration_of_a_perfectly_calibrated_critic():
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    truths = rng.random(20_000) < p
    table = calibration.calibrate(2 * p - 1, truths)
    assert len(table) == 10
    assert ((table["low"] - 0.01 <= table["predicted"]) & (table["predicted"] <= table["high"] + 0.01)).all()
    assert calibration.measure(2 * p - 1, truths)["brier"] == pytest.approx(1 / 6, abs=0.01)


def test_measures_by_hand():
    result = calibration.measure([0.9, 0.2, 0.2, -0.8], [True, True, False, False])
    assert result["auc"] == pytest.approx(3.5 / 4)  # one tie of four pairs
    assert result["false_dead"] == 0
    assert result["false_alive"] == 0.5
    assert calibration.measure([0.1], [True])["auc"] is None
    shares = calibration.spread([0.9, 0.9, -0.9], [True, True, False])
    assert shares.groupby("truth")["share"].sum().tolist() == [1, 1]


def test_positions_without_a_target_are_left_out():
    table = calibration.calibrate([0.9, 0.9, 0.9, -0.9], [1.0, 0.5, np.nan, np.nan])
    assert table[["n", "observed"]].to_numpy().tolist() == [[2, 0.75]]


def test_groups_by_hand():
    table = calibration.measure_groups([0.9, -0.9, -0.2, 0.4], [True, False, True, True], [1, 1, 2, 2])
    assert table["group"].tolist() == [1, 2]
    assert table["n"].tolist() == [2, 2]
    assert table["alive"].tolist() == [0.5, 1.0]
    assert table["auc"].tolist()[0] == 1
    assert np.isnan(table["auc"].tolist()[1])
    assert np.isnan(table["false_alive"].tolist()[1])
    assert table["false_dead"].tolist() == [0, 0.5]


def test_siblings_by_hand():
    """Three families: one told right, one wrong by a tie, one without a dead child, which does not count."""
    values = [0.9, 0.1, 0.1, 0.5, 0.5, 0.7, 0.0, 0.3]
    truths = [True, False, False, True, False, False, True, True]
    result = calibration.measure_siblings(values, truths, list("aaabbbcc"), widths=(1, 2, 3))
    assert (result["parents"], result["pairs"]) == (2, 4)
    assert result["auc"] == pytest.approx((1 + 0.25) / 2)
    assert result["auc_pairs"] == pytest.approx((2 + 0.5) / 4)
    assert result["pruned_1"] == pytest.approx(0.5)  # of b the dead one of 0.7 is kept
    assert result["pruned_2"] == pytest.approx(0.25)  # and beside it one of two that tie
    assert result["pruned_3"] == 0
    none = calibration.measure_siblings([0.1], [True], ["a"])
    assert (none["parents"], none["auc"], none["pruned_1"]) == (0, None, None)


def test_pruning_agrees_with_drawing_lots():
    rng = np.random.default_rng(1)
    for _ in range(20):
        values, alive = rng.integers(0, 3, 8), rng.random(8) < 0.3
        for width in (1, 2, 4, 8):
            lots = [np.lexsort((rng.random(8), -values))[:width] for _ in range(400)]
            share = np.mean([not alive[lot].any() for lot in lots])
            if alive.any():
                assert calibration._prune(values, alive, width) == pytest.approx(share, abs=0.1)
