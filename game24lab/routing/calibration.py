"""Calibration of a router: the map from scores to chances is fitted to soft labels, by Platt or by isotonic steps.

It does not know what was predicted, nor by what.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from game24lab.routing.predictors import Calibration


def calibrate(kind: str, scores: np.ndarray, targets: np.ndarray) -> Calibration:
    """The map from scores to chances that fits the soft targets best; ValueError where they are all 0 or all 1."""
    if kind == "none":
        return Calibration()
    if targets.sum() in (0, len(targets)):
        raise ValueError(f"calibration needs labels of both classes, got {len(targets)} that are all {targets[0]:g}")
    if kind == "platt":
        model = LogisticRegression(C=1e6).fit(*split_labels(scores[:, None], targets))
        arrays = {"slope": model.coef_[0, 0], "shift": model.intercept_[0]}
    else:
        model = IsotonicRegression(out_of_bounds="clip").fit(expit(scores), targets)
        arrays = {"before": model.X_thresholds_, "after": model.y_thresholds_}
    return Calibration(kind, {name: np.asarray(value, float) for name, value in arrays.items()})


def split_labels(x: Any, y: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
    """Soft labels as scikit-learn takes them: inputs, classes and weights, every row as a success of weight y and as a
    failure of weight 1 - y; `x` is an array or a sparse one."""
    kept = np.concatenate([y > 0, y < 1])  # rows of weight 0 would count for leaves that must hold enough
    labels, rows = np.repeat([1, 0], len(y)), np.tile(np.arange(len(y)), 2)
    return x[rows[kept]], labels[kept], np.concatenate([y, 1 - y])[kept]
