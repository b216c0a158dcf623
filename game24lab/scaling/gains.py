"""What more thinking is worth to one and the same model: differences of accuracy between two efforts of a strategy.

A single slope averages away a search that gains at first and loses later; steps do not. This module does not know how
chances were measured, nor what training costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        efforts = sorted(mine.points["effort"].unique())
        whole, rng, draws = _list_steps(mine, efforts), np.random.default_rng(seed), []
        for _ in range(repeats):
            places, problems = resample_cells(mine.points, mine.chances.shape[1], rng, over_seeds=over_seeds)
            draws.append(_list_steps(mine.resample(problems, places), efforts).mean())
        for before, after in pairwise(efforts):
            low, high = bound([one[after] for one in draws])
            rows.append({"strategy": strategy, "mode": mode, "before": int(before), "after": int(after),
                         "gain": whole[after].mean(), "low": low, "high": high,
                         "trainings": int(whole[after].count()), "up": int((whole[after] > 0).sum())})  # fmt: skip
    return pd.DataFrame(rows, columns=["strategy", "mode", "before", "after", "gain", "low", "high", "trainings", "up"])


def _list_steps(plane: Plane, efforts: Sequence[int]) -> pd.DataFrame:
    """A row a size and budget: the gain of accuracy from the effort before to each; missing where one of them is."""
    table = plane.average_seeds().tabulate().pivot(index=["size", "budget"], columns="effort", values="accuracy")
    return table.reindex(columns=efforts).diff(axis=1)
