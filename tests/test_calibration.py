"""Calibration: a perfectly calibrated critic is found to be one, measures agree with those by hand."""

import numpy as np
import pytest

from game24lab import calibration


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
