"""Statistics of evaluations: intervals of shares, paired differences and pass@k. It does not know what was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that k of n samples, c of them correct, hold a correct one: 1 - C(n-c, k) / C(n, k), unbiased.

    Chen et al. 2021 (arXiv 2107.03374). ValueError unless 0 <= c <= n and 1 <= k <= n.
    """
    if not 0 <= c <= n or not 1 <= k <= n:
        raise ValueError(f"pass@k: 0 <= c <= n and 1 <= k <= n must hold, got n={n}, c={c}, k={k}")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def estimate_pass_at_k(
    counts: Iterable[tuple[int, int]], ks: Sequence[int] | None = None, *, confidence: float = 0.95
) -> list[dict[str, Any]]:
    """Unbiased pass@k of problems with (samples, correct ones): a row per k with `k`, `accuracy`, `low`, `high`,
    `problems` and `samples` (the fewest of a problem).

    `ks` defaults to the powers of two. Intervals by bootstrap over problems. ValueError without problems, and for a k
    above the samples.
    """
    counts = [(int(n), int(c)) for n, c in counts]
    if not counts:
        raise ValueError("pass@k: at least one problem with answers is needed, got none")
    fewest, table = min(n for n, _ in counts), []
    for k in ks or [2**power for power in range(fewest.bit_length())]:
        chances = np.array([pass_at_k(n, c, k) for n, c in counts])
        low, high = bootstrap(chances, confidence=confidence)
        table.append({"k": k, "accuracy": chances.mean(), "low": low, "high": high, "problems": len(counts),
                      "samples": fewest})  # fmt: skip
    return table


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a proportion (1927); (0, 1) for n = 0. ValueError unless 0 <= successes <= n."""
    if not 0 <= successes <= n:
        raise ValueError(f"0 <= successes <= n must hold, got {successes} successes of {n}")
    if n == 0:
        return 0.0, 1.0
    low, high = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return float(low), float(high)


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
    means = resample(values, np.random.default_rng(seed), repeats)
    low, high = np.quantile(means, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def resample(values: np.ndarray, rng: np.random.Generator, repeats: int) -> np.ndarray:
    """Means of as many rows of values, drawn with replacement, as there are: a bootstrap, shape (repeats, ...)."""
    return values[rng.integers(0, len(values), (repeats, len(values)))].mean(axis=1)


def bootstrap_counts(
    values: np.ndarray, counts: np.ndarray, *, confidence: float = 0.95, repeats: int = 2000, seed: int = 0
) -> tuple[float, float, str]:
    """The interval that `bootstrap` gives, of values that occur `counts` times, and how it was found.

    Its time does not grow with the counts: how often each value is drawn is multinomial. Where all are 0 or 1, as with
    one attempt a problem, it is Wilson's; where all are alike too, for the bootstrap would claim certainty there.
    ValueError without values.
    """
    values, counts = np.asarray(values, dtype=float), np.asarray(counts, dtype=np.int64)
    total = int(counts.sum())
    if not total:
        raise ValueError("an interval needs at least one value")
    if set(values) <= {0.0, 1.0}:
        return *wilson(int(counts[values == 1].sum()), total, confidence=confidence), "Wilson"
    if len(set(values)) == 1:
        return *wilson(round(float(values[0]) * total), total, confidence=confidence), "Wilson"
    drawn = np.random.default_rng(seed).multinomial(total, counts / total, repeats)
    low, high = np.quantile(drawn @ values / total, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high), "bootstrap over problems"


def bound_difference(differences: np.ndarray, *, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of the mean of paired differences of shares, one for each problem, by bootstrap over problems.

    Where all are alike, Wilson's reach of that many problems stands in. ValueError without differences.
    """
    differences = np.asarray(differences, dtype=float)
    if differences.size == 0 or np.ptp(differences):
        return bootstrap(differences, confidence=confidence)
    reach = 1 - wilson(differences.size, differences.size, confidence=confidence)[0]
    return max(-1.0, float(differences[0]) - reach), min(1.0, float(differences[0]) + reach)


def bound_share(hits: pd.Series, problems: pd.Series, *, confidence: float = 0.95) -> tuple[float, float, float, str]:
    """The share of hits, each problem counting the same, with its interval and how that was found.

    "Wilson" where each problem has one attempt or all problems end alike, else "bootstrap over problems".
    """
    counts = hits.groupby(problems).agg(["sum", "count"])
    shares = (counts["sum"] / counts["count"]).to_numpy()
    if (counts["count"] == 1).all():
        return float(shares.mean()), *wilson(int(counts["sum"].sum()), len(counts), confidence=confidence), "Wilson"
    how = "bootstrap over problems" if np.ptp(shares) else "Wilson"
    return float(shares.mean()), *bootstrap(shares, confidence=confidence), how
