"""Statistics of evaluations: intervals and pass@k. It does not know what was measured."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pandas as pd


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that k of n samples, c of them correct, hold a correct one: 1 - C(n-c, k) / C(n, k), unbiased.

    Chen et al. 2021 (arXiv 2107.03374). ValueError unless 0 <= c <= n and 1 <= k <= n.
    """
    if not 0 <= c <= n or not 1 <= k <= n:
        raise ValueError(f"pass@k with n={n}, c={c}, k={k}: 0 <= c <= n and 1 <= k <= n are accepted")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a proportion (1927); (0, 1) for n = 0. ValueError unless 0 <= successes <= n."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: 0 <= successes <= n is accepted")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / n
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = (middle - spread) / scale if successes else 0.0  # exactly: rounding would leave a trace
    return low, (middle + spread) / scale if successes < n else 1.0


def bootstrap(
    values: np.ndarray, *, confidence: float = 0.95, repeats: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean of values, one for each problem, by drawing problems with replacement.

    Where all values are alike the bootstrap would claim certainty; Wilson's interval for that many problems stands in.
    ValueError without values.
    """
    values = np.asarray(values, dtype=float)
    if values.size == 0:
        raise ValueError("an interval needs at least one value")
    if np.ptp(values) == 0:
        share = float(values[0])
        if share in (0.0, 1.0):
            return wilson(round(share * values.size), values.size, confidence=confidence)
        return share, share
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, values.size, (repeats, values.size))].mean(axis=1)
    low, high = np.quantile(means, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def _bound(counts: pd.DataFrame, confidence: float) -> tuple[float, float, str]:
    """Interval of an accuracy from successes (`sum`) and attempts (`count`) of each problem."""
    if (counts["count"] == 1).all():
        return *wilson(int(counts["sum"].sum()), len(counts), confidence=confidence), "Wilson"
    shares = (counts["sum"] / counts["count"]).to_numpy()
    how = "bootstrap over problems" if np.ptp(shares) else "Wilson"
    return *bootstrap(shares, confidence=confidence), how
