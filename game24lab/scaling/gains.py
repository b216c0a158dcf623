"""What more thinking is worth to one and the same model: differences of accuracy between two efforts of a strategy.

A single slope averages a search that gains at first and loses later away; steps do not. This module does not know how
chances were measured, nor what training costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pandas as pd

from game24lab.scaling.laws import bound, resample_cells
from game24lab.scaling.plane import Plane


def tabulate_gains(
    plane: Plane, *, repeats: int = 200, seed: int = 0, over_seeds: bool = True, progress: Callable = iter
) -> pd.DataFrame:
    """The mean gain from one effort of a strategy to the next, over all trainings that have both, seeds averaged.

    Columns: `strategy`, `mode`, `before` and `after` (efforts: samples or simulations), `gain` of accuracy (-1 to 1),
    `low`, `high` (95 %, bootstrap over problems and, with `over_seeds`, seeds), `trainings` (sizes and budgets), `up`:
    how many of them gain. `progress` wraps the strategies, such as `tqdm`. ValueError as in `laws.resample_cells`.
    """
    rows = []
    for strategy, mode in progress(plane.strategies):
        mine = plane.pick(strategy, mode)
        whole = list(_pair_efforts(mine))
        rng, draws = np.random.default_rng(seed), []
        for _ in range(repeats):
            places, problems = resample_cells(mine.points, mine.chances.shape[1], rng, over_seeds=over_seeds)
            draws.append([gains.mean() for _, _, gains in _pair_efforts(mine.resample(problems, places))])
        for (before, after, gains), drawn in zip(whole, np.transpose(draws), strict=True):
            low, high = bound(drawn)
            rows.append({"strategy": strategy, "mode": mode, "before": before, "after": after,
                         "gain": float(gains.mean()), "low": low, "high": high, "trainings": len(gains),
                         "up": int((gains > 0).sum())})  # fmt: skip
    return pd.DataFrame(rows)


def _pair_efforts(plane: Plane) -> Iterator[tuple[int, int, np.ndarray]]:
    """Two efforts that follow each other, and the gains of the trainings that have both."""
    table = plane.average_seeds().tabulate().pivot(index=["size", "budget"], columns="effort", values="accuracy")
    for before, after in pairwise(sorted(table)):
        yield int(before), int(after), (table[after] - table[before]).dropna().to_numpy()
