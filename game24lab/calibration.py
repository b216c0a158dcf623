"""How far a critic's values can be trusted: reliability, spread, Brier score, AUC.

Values lie in [-1, 1] and mean 2 P - 1. They are held against the truth (is the position alive?) or against what really
happened (the share of rollouts solved from there). It does not know where values or truths come from, nor any model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from game24lab.evaluation import wilson


def calibrate(values: Sequence[float], targets: Sequence[float], *, bins: int = 10) -> pd.DataFrame:
    """Reliability, a row a bin that is not empty: `n`, `predicted` (mean P), `observed` (mean target), `low`, `high`.

    `targets` are truths or shares from 0 to 1; a position whose target is NaN is left out. The interval is Wilson's at
    95 % with one observation a position, however many rollouts its share comes from.
    """
    p, targets = (np.asarray(values, float) + 1) / 2, np.asarray(targets, float)
    place, rows = np.minimum((p * bins).astype(int), bins - 1), []
    for index in range(bins):
        inside = (place == index) & ~np.isnan(targets)
        if n := int(inside.sum()):
            observed = float(targets[inside].mean())
            low, high = wilson(round(observed * n), n)
            rows.append({"n": n, "predicted": float(p[inside].mean()), "observed": observed, "low": low, "high": high})
    return pd.DataFrame(rows, columns=["n", "predicted", "observed", "low", "high"])


def spread(values: Sequence[float], truths: Sequence[bool], *, bins: int = 20) -> pd.DataFrame:
    """How values fall on alive and dead positions: columns `value` (middle of a bin), `truth`, `share` of its truth."""
    edges = np.linspace(-1, 1, bins + 1)
    values, truths, tables = np.asarray(values, float), np.asarray(truths, bool), []
    for truth in (True, False):
        counts, _ = np.histogram(values[truths == truth], edges)
        shares = counts / max(1, counts.sum())
        tables.append(pd.DataFrame({"value": (edges[1:] + edges[:-1]) / 2, "truth": truth, "share": shares}))
    return pd.concat(tables, ignore_index=True)


def measure(values: Sequence[float], truths: Sequence[bool]) -> dict[str, float | None]:
    """Brier score, AUC (ties count half) and the shares judged wrongly at P = 1/2; None where a class is missing."""
    p, alive = (np.asarray(values, float) + 1) / 2, np.asarray(truths, bool)
    positives, negatives = int(alive.sum()), int((~alive).sum())
    auc = None
    if positives and negatives:  # Mann-Whitney
        auc = float((rankdata(p)[alive].sum() - positives * (positives + 1) / 2) / (positives * negatives))
    return {
        "n": len(p),
        "brier": float(np.mean((p - alive) ** 2)),
        "auc": auc,
        "false_dead": float(np.mean(p[alive] < 0.5)) if positives else None,
        "false_alive": float(np.mean(p[~alive] >= 0.5)) if negatives else None,
    }
