"""The best split of a total budget: what to train, and how long to think about each of so many problems.

Chosen on one half of the problems and read off on the other, both ways, among points whose seeds are averaged. This
module does not know how chances were measured, nor what laws say of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from game24lab.runs.checks import require
from game24lab.scaling.laws import bound, resample_cells
from game24lab.scaling.plane import Plane, split_halves

_DIGITS = 3  # of accuracies that count as equal, of which the cheaper is taken: a tenth of a point
_CHOICE = ("size", "budget", "strategy", "mode", "effort")


def split_budget(
    plane: Plane, problems: Sequence[float], totals: Sequence[float], *, repeats: int = 200, seed: int = 0,
    over_seeds: bool = True, progress: Callable = iter,
) -> pd.DataFrame:  # fmt: skip
    """What to train and how long to think, for a total budget in FLOPs and so many problems to be answered.

    A point costs its training once and its thinking for each problem. Columns: `problems`, `total`, `size`, `budget`,
    `strategy`, `mode`, `effort`, `spent` (share of the total that this costs), `share` (of what is spent that goes into
    thinking): the choice on all problems; and `accuracy`, which is crossed, `low`, `high` (95 %, bootstrap over
    problems and, with `over_seeds`, seeds). No row where the budget pays for no point. `progress` wraps the numbers of
    the draws, such as `tqdm`. ValueError for fewer problems than one, and as in `laws.resample_cells`.
    """
    for count in problems:
        require("problems", count, float, 1)
    asked = [(count, total) for count in problems for total in totals]
    whole, names = plane.average_seeds(), range(plane.chances.shape[1])
    rows = [_choose(whole, count, total) for count, total in asked]
    draws: list[list[float]] = [[] for _ in asked]
    for drawn, some in _resample(plane, progress(range(repeats)), seed, over_seeds):
        for place, row in enumerate(rows):
            if row:
                draws[place].append(_cross(drawn, *asked[place], seed, some))
    for row, (count, total), found in zip(rows, asked, draws, strict=True):
        if row:
            known = [one for one in found if not np.isnan(one)]
            low, high = bound(known) if known else (np.nan, np.nan)
            row |= {"accuracy": _cross(whole, count, total, seed, names), "low": low, "high": high}
    return pd.DataFrame([row for row in rows if row])


def split_both(plane: Plane, problems: Sequence[float], totals: Sequence[float], **options: Any) -> pd.DataFrame:
    """The same twice: where an exact verifier may pick the answer (`verifier` is true), and where it may not."""
    bare = plane.take(plane.points["mode"] != "verified")
    parts = [split_budget(one, problems, totals, **options).assign(verifier=verifier)
             for verifier, one in ((True, plane), (False, bare)) if len(one.points)]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def list_totals(plane: Plane, problems: Sequence[float], count: int = 7) -> list[float]:
    """Total budgets, evenly spread on a logarithmic scale: from twice the cheapest training to the dearest use."""
    training, thinking = (plane.points[name].to_numpy(float) for name in ("training", "thinking"))
    low, high = float(training.min()), float((training + max(problems) * thinking).max())
    return np.geomspace(2 * low, max(high, 4 * low), count).tolist()


def _resample(plane: Plane, draws: Iterable[int], seed: int, over_seeds: bool) -> Iterator[tuple[Plane, np.ndarray]]:
    rng = np.random.default_rng(seed)
    for _ in draws:
        rows, problems = resample_cells(plane.points, plane.chances.shape[1], rng, over_seeds=over_seeds)
        yield plane.resample(problems, rows).average_seeds(), problems


def _choose(plane: Plane, count: float, total: float) -> dict[str, Any]:
    """The best point that a budget pays for; empty where it pays for none."""
    costs = _price(plane, count)
    can = np.flatnonzero(costs <= total)
    if not len(can):
        return {}
    best = can[_pick(plane.chances[can].mean(1), costs[can])]
    point = plane.points.iloc[best]
    return {"problems": float(count), "total": float(total), **{name: point[name] for name in _CHOICE},
            "spent": float(costs[best] / total), "share": float(count * point["thinking"] / costs[best])}


def _price(plane: Plane, count: float) -> np.ndarray:
    return plane.points["training"].to_numpy(float) + count * plane.points["thinking"].to_numpy(float)


def _pick(accuracy: np.ndarray, costs: np.ndarray) -> int:
    """The most accurate point, the cheapest of equals."""
    return int(np.lexsort((costs, -np.round(accuracy, _DIGITS)))[0])


def _cross(plane: Plane, count: float, total: float, seed: int, names: Sequence[Any] | np.ndarray) -> float:
    """The accuracy, on one half of the problems, of what is best on the other; both ways. Missing where the budget pays
    for nothing."""
    costs = _price(plane, count)
    can = np.flatnonzero(costs <= total)
    if not len(can):
        return float("nan")
    chances = plane.chances[can]
    return float(np.mean([chances[_pick(chances[:, choose].mean(1), costs[can])][read].mean()
                          for choose, read in split_halves(names, seed)]))  # fmt: skip
