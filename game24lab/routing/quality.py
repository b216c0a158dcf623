"""How good predictions are: loss beside the least that soft labels allow, AUC, reliability, and how well costs are met.

Rows of one puzzle are not independent, so intervals draw puzzles, not rows. This module does not know who predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import xlogy

REPEATS = 1000
_EDGES = (0.025, 0.975)
_SURE = 1e-12


def measure_chances(predicted: Sequence[float], labels: Sequence[float]) -> dict[str, float | None]:
    """Binary cross-entropy of soft labels with the bound it cannot get below, and what lies between.

    `entropy` is the mean entropy of the labels, the loss of one who knows them; `excess` = `loss` - `entropy` is the
    mean divergence of predictions from labels (in nats, at least 0). `brier` and `auc` follow; AUC counts a label of y
    as a success of weight y and a failure of weight 1 - y, and `auc_bound` is that of the labels themselves. None where
    all labels are of one class.
    """
    p, y = np.asarray(predicted, float), np.asarray(labels, float)
    entropy = float(-(xlogy(y, y) + xlogy(1 - y, 1 - y)).mean())
    loss = measure_entropy(p, y)
    mixed = 0 < y.sum() < len(y)
    return {
        "n": len(y), "loss": loss, "entropy": entropy, "excess": loss - entropy, "brier": float(np.mean((p - y) ** 2)),
        "auc": find_auc(p, y) if mixed else None, "auc_bound": find_auc(y, y) if mixed else None,
    }  # fmt: skip


def measure_entropy(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Mean binary cross-entropy in nats; a prediction that rules out what happens costs much, not infinitely much."""
    p = np.clip(predicted, _SURE, 1 - _SURE)
    return float(-(labels * np.log(p) + (1 - labels) * np.log1p(-p)).mean())


def find_auc(predicted: np.ndarray, labels: np.ndarray) -> float:
    """AUC of soft labels: the chance that a success, drawn by its weight, is predicted above a failure (ties half)."""
    from sklearn.metrics import roc_auc_score  # here: who only reads what was judged does without it

    truth = np.repeat([1, 0], len(labels))
    weights = np.concatenate([labels, 1 - labels])
    kept = weights > 0
    return float(roc_auc_score(truth[kept], np.tile(predicted, 2)[kept], sample_weight=weights[kept]))


def measure_costs(predicted: Sequence[float], paid: Sequence[float]) -> dict[str, float | None]:
    """How well costs are met: `ratio` of the predicted sum to the real one, mean absolute error as a share of the mean
    (`error`), and the share of the logarithm's variance that is explained (`explained`, None where there is none)."""
    p, y = np.asarray(predicted, float), np.asarray(paid, float)
    logs, guessed = np.log1p(y), np.log1p(p)
    spread = float(((logs - logs.mean()) ** 2).sum())
    return {
        "ratio": float(p.sum() / y.sum()) if y.sum() else None,
        "error": float(np.abs(p - y).mean() / y.mean()) if y.sum() else None,
        "explained": 1 - float(((logs - guessed) ** 2).sum()) / spread if spread > 0 else None,
    }


def tabulate_reliability(
    predicted: Sequence[float], labels: Sequence[float], problems: Sequence[Any], *, bins: int = 10, seed: int = 0
) -> pd.DataFrame:
    """Predicted against observed chances, a row a bin that is not empty: `n`, `predicted`, `observed`, `low`, `high`.

    The interval is a bootstrap over problems, whose rows stay together.
    """
    p, y = np.asarray(predicted, float), np.asarray(labels, float)
    place = np.minimum((p * bins).astype(int), bins - 1)
    owner = pd.factorize(pd.Series(list(problems)))[0]
    count = owner.max(initial=-1) + 1
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), REPEATS) if count else None
    rows = []
    for index in range(bins):
        inside = place == index
        if not inside.any():
            continue
        sums, sizes = (np.bincount(owner[inside], some, minlength=count) for some in (y[inside], np.ones(inside.sum())))
        drawn, drawn_sizes = weights @ sums, weights @ sizes
        shares = drawn[drawn_sizes > 0] / drawn_sizes[drawn_sizes > 0]
        low, high = np.quantile(shares, _EDGES)
        rows.append({"n": int(inside.sum()), "predicted": float(p[inside].mean()), "observed": float(y[inside].mean()),
                     "low": float(low), "high": float(high)})  # fmt: skip
    return pd.DataFrame(rows, columns=["n", "predicted", "observed", "low", "high"])
