"""Where training and thinking replace each other: iso-accuracy lines, exchange rates, the best split of a budget.

A plane holds the points (cell, strategy, budget) with their training and thinking FLOPs, and for each the chance of
each problem. Whatever is chosen (which points are efficient, how a budget is split) is chosen on one half of the
problems and read off on the other, both ways, and averaged, and trainings that differ in their seed alone are one
point, their mean: the best of many is not as good as it looks. This module does not know how chances were measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from game24lab.runs.checks import require
from game24lab.scaling.laws import bound, resample_cells

COLUMNS = ("cell", "size", "seed", "budget", "strategy", "mode", "effort", "training", "thinking")
_TRAINED = ["size", "budget", "strategy", "mode", "effort"]  # what is the same in points that differ in their seed
_RANGE = (0.02, 0.98)  # of accuracies between which a rate is quoted: outside, logits tell of a handful of problems
_LEAST = 4  # points of a line of three unknowns


@dataclass(frozen=True, eq=False)
class Plane:
    """Points, and what each comes to on each problem.

    points: a row each, with `COLUMNS`: `budget` are the tokens that its policy was to learn from, `training` the FLOPs
    of policy, critic and data, `thinking` the mean FLOPs of a problem, `effort` the strategy's budget parameter.
    chances: (points, problems), of being solved, 0 to 1.
    flops: (points, problems), of thinking about each; by default every problem takes the mean.
    """

    points: pd.DataFrame
    chances: np.ndarray
    flops: np.ndarray = None  # type: ignore[assignment]  # filled in below

    def __post_init__(self) -> None:
        if missing := [name for name in COLUMNS if name not in self.points]:
            raise ValueError(f"points must have the column {missing[0]!r}")
        if self.chances.ndim != 2 or len(self.chances) != len(self.points):
            raise ValueError(f"chances must have a row for each of {len(self.points)} points, got "
                             f"{self.chances.shape}")  # fmt: skip
        if len(self.chances) and not ((self.chances >= 0) & (self.chances <= 1 + 1e-9)).all():
            raise ValueError("chances must be from 0 to 1; a cell that failed has no point")
        means = self.points["thinking"].to_numpy(float)
        if self.flops is None:
            object.__setattr__(self, "flops", np.repeat(means[:, None], self.chances.shape[1], axis=1))
        if self.flops.shape != self.chances.shape or not np.allclose(self.flops.mean(1), means):
            raise ValueError(f"flops must be as many as chances, {self.chances.shape}, and of a point in the mean its "
                             f"thinking, got {self.flops.shape}")  # fmt: skip

    def take(self, mask: Any) -> Plane:
        """Some of the points."""
        mask = np.asarray(mask)
        return Plane(self.points[mask].reset_index(drop=True), self.chances[mask], self.flops[mask])

    def pick(self, strategy: str, mode: str) -> Plane:
        """The points of a strategy in a mode."""
        return self.take((self.points["strategy"] == strategy) & (self.points["mode"] == mode))

    def resample(self, problems: Any, rows: Any = None) -> Plane:
        """What some of the problems say, and some of the points, by their places, which may come more than once."""
        rows = np.arange(len(self.points)) if rows is None else np.asarray(rows)
        flops = self.flops[np.ix_(rows, problems)]
        points = self.points.iloc[rows].reset_index(drop=True).assign(thinking=flops.mean(1))
        return Plane(points, self.chances[np.ix_(rows, problems)], flops)

    def average_seeds(self) -> Plane:
        """A point for all seeds of a training: the means of their FLOPs and chances, `cell` and `seed` the first's."""
        groups = self.points.groupby(_TRAINED, sort=False)
        order = groups.ngroup().to_numpy()
        means = groups[["training", "thinking"]].mean().reset_index()
        first = groups[["cell", "seed"]].first().reset_index(drop=True)

        def average(values: np.ndarray) -> np.ndarray:
            sums = np.zeros((len(means), values.shape[1]))
            np.add.at(sums, order, values)
            return sums / np.bincount(order)[:, None]

        points = pd.concat([first, means], axis=1)[list(COLUMNS)]
        return Plane(points, average(self.chances), average(self.flops))

    def tabulate(self) -> pd.DataFrame:
        """The points with the `accuracy` of each, over all problems."""
        return self.points.assign(accuracy=self.chances.mean(1))

    @property
    def strategies(self) -> list[tuple[str, str]]:
        """All strategies with their modes, in order."""
        return list(dict.fromkeys(zip(self.points["strategy"], self.points["mode"], strict=True)))


# ------------------------------------------------------------------------------------------------- iso-accuracy lines
@dataclass(frozen=True)
class Surface:
    """logit(accuracy) = constant + training * log10(training FLOPs) + thinking * log10(thinking FLOPs)."""

    constant: float
    training: float
    thinking: float
    error: float  # root mean square difference of accuracies
    count: int  # of points

    @property
    def rate(self) -> float:
        """The slope of an iso-accuracy line: decades of thinking that replace one decade of training."""
        return self.training / self.thinking

    def predict(self, training: Any, thinking: Any) -> np.ndarray:
        """Accuracy at some FLOPs."""
        at = self.constant + self.training * np.log10(training) + self.thinking * np.log10(thinking)
        return expit(at)

    def think(self, accuracy: float, training: Any) -> np.ndarray:
        """Thinking FLOPs on the line of an accuracy, at some training FLOPs."""
        target = np.log(accuracy / (1 - accuracy))
        return 10 ** ((target - self.constant - self.training * np.log10(training)) / self.thinking)


def fit_surface(training: Any, thinking: Any, accuracy: Any, weights: Any = None) -> Surface:
    """The surface of greatest binomial likelihood; accuracies may be exact chances, which count as so many successes.

    ValueError for fewer than four points, and where one of the two FLOPs does not vary.
    """
    x, y = (np.log10(np.asarray(one, float)) for one in (training, thinking))
    rates = np.clip(np.asarray(accuracy, float), 0, 1)
    if len(rates) < _LEAST:
        raise ValueError(f"an iso-accuracy line needs {_LEAST} points with an accuracy between {_RANGE[0]:.0%} and "
                         f"{_RANGE[1]:.0%}, got {len(rates)}")  # fmt: skip
    for name, values in (("training", x), ("thinking", y)):
        if np.ptp(values) < 1e-6:
            raise ValueError(f"an iso-accuracy line needs {name} FLOPs that differ, got {10 ** values[0]:.3g} alone")
    weights = np.ones_like(rates) if weights is None else np.asarray(weights, float)
    centre = np.array([x.mean(), y.mean()])
    design = np.stack([np.ones_like(x), x - centre[0], y - centre[1]], 1)

    def lose(c: np.ndarray) -> tuple[float, np.ndarray]:
        at = design @ c
        loss = -(weights * (rates * log_expit(at) + (1 - rates) * log_expit(-at))).sum() / weights.sum()
        return loss, design.T @ (weights * (expit(at) - rates)) / weights.sum()

    a, b, c = minimize(lose, np.zeros(3), jac=True, method="BFGS").x
    fitted = expit(design @ np.array([a, b, c]))
    return Surface(float(a - b * centre[0] - c * centre[1]), float(b), float(c),
                   float(np.sqrt(np.mean((fitted - rates) ** 2))), len(rates))  # fmt: skip


def find_efficient(points: pd.DataFrame, accuracy: np.ndarray) -> np.ndarray:
    """Which points no other one beats: with as little training and thinking, and a greater accuracy."""
    x, y = points["training"].to_numpy(float), points["thinking"].to_numpy(float)
    cheaper = (x[None] <= x[:, None]) & (y[None] <= y[:, None])
    better = (accuracy[None] > accuracy[:, None]) | ((accuracy[None] == accuracy[:, None])
                                                     & ((x[None] < x[:, None]) | (y[None] < y[:, None])))  # fmt: skip
    return ~(cheaper & better).any(1)


def split_halves(names: Sequence[Any], seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places of the problems in two halves, each once to choose on and once to read off.

    Problems of one name, as a bootstrap draws them, are in one half. ValueError for fewer than two names.
    """
    known, places = np.unique(np.asarray(names), return_inverse=True)
    require("problems", len(known), int, 2)
    first = np.zeros(len(known), bool)
    first[np.random.default_rng(seed).permutation(len(known))[: len(known) // 2]] = True
    halves = np.flatnonzero(first[places]), np.flatnonzero(~first[places])
    yield halves
    yield halves[::-1]


def measure_surface(plane: Plane, seed: int = 0, names: Sequence[Any] | None = None) -> list[Surface]:
    """The surface through the efficient points of a plane of one strategy: chosen on one half, fitted on the other.

    Of points that lie between the accuracies of `_RANGE` on the first half, two surfaces. `names` of the problems tell
    which of them are the same, by default none. ValueError as in `fit_surface`.
    """
    found, plane = [], plane.average_seeds()
    for choose, read in split_halves(range(plane.chances.shape[1]) if names is None else names, seed):
        half = plane.resample(choose)
        seen = half.chances.mean(1)
        kept = find_efficient(half.points, seen) & (seen > _RANGE[0]) & (seen < _RANGE[1])
        other = plane.take(kept).resample(read)
        found.append(fit_surface(other.points["training"], other.points["thinking"], other.chances.mean(1)))
    return found


def map_surfaces(plane: Plane, seed: int = 0) -> dict[tuple[str, str], Surface]:
    """Of each strategy and mode that has one, the mean of the two surfaces of `measure_surface`."""
    found = {}
    for strategy, mode in plane.strategies:
        try:
            both = measure_surface(plane.pick(strategy, mode), seed)
        except ValueError:
            continue  # `tabulate_rates` says why
        constant, training, thinking, error = (float(np.mean([getattr(one, name) for one in both]))
                                               for name in ("constant", "training", "thinking", "error"))  # fmt: skip
        found[strategy, mode] = Surface(constant, training, thinking, error, min(one.count for one in both))
    return found


def tabulate_rates(
    plane: Plane, *, repeats: int = 200, seed: int = 0, over_seeds: bool = True
) -> pd.DataFrame:
    """The exchange rate of each strategy and mode: one decade of training replaces so many decades of thinking.

    Columns: `strategy`, `mode`, `rate`, `low`, `high` (95 %, bootstrap over problems and, with `over_seeds`, seeds),
    `error` of the surface, `points`, the range it holds for (`training_low` to `thinking_high`, `accuracy_low`,
    `accuracy_high`), and `why`: why there is no rate, where there is none.
    """
    rows = []
    for strategy, mode in plane.strategies:
        mine = plane.pick(strategy, mode)
        row: dict[str, Any] = {"strategy": strategy, "mode": mode, "rate": np.nan, "low": np.nan, "high": np.nan,
                               "error": np.nan, "points": 0}  # fmt: skip
        rates = mine.chances.mean(1)
        within = mine.points[(rates > _RANGE[0]) & (rates < _RANGE[1])]
        for name in ("training", "thinking"):
            row |= {f"{name}_low": within[name].min(), f"{name}_high": within[name].max()}
        row |= {"accuracy_low": float(rates.min()), "accuracy_high": float(rates.max()), "why": ""}
        try:
            both = measure_surface(mine, seed)
            row |= {"rate": float(np.mean([one.rate for one in both])), "points": min(one.count for one in both),
                    "error": float(np.mean([one.error for one in both]))}  # fmt: skip
            draws = bootstrap_rates(mine, repeats, seed, over_seeds)
            row["low"], row["high"] = bound(draws)
        except ValueError as error:
            row["why"] = str(error)
        rows.append(row)
    return pd.DataFrame(rows)


def bootstrap_rates(plane: Plane, repeats: int, seed: int, over_seeds: bool) -> list[float]:
    """Exchange rates of resampled problems and seeds. ValueError where most draws have none."""
    rng, found, refused = np.random.default_rng(seed), [], ""
    for number in range(repeats):
        rows, problems = resample_cells(plane.points, plane.chances.shape[1], rng, over_seeds=over_seeds)
        drawn = plane.resample(problems, rows)
        try:
            found.append(float(np.mean([one.rate for one in measure_surface(drawn, seed + number, problems)])))
        except ValueError as error:
            refused = str(error)
    if len(found) < 0.9 * repeats:
        raise ValueError(f"of {repeats} bootstrap draws {len(found)} have a rate: too few points ({refused})")
    return found


# ----------------------------------------------------------------------------------------------- the split of a budget
def split_budget(
    plane: Plane, problems: Sequence[float], totals: Sequence[float], *, repeats: int = 200, seed: int = 0
) -> pd.DataFrame:
    """What to train and how long to think, for a total budget in FLOPs and so many problems to be answered.

    A point costs its training once and its thinking for each problem. Chosen on one half of the plane's problems, read
    off on the other, averaged. Columns: `problems`, `total`, `size`, `budget`, `strategy`, `mode`, `effort` (the choice
    on all problems), `share` (of what is spent that goes into thinking), `accuracy`, `low`, `high`. No row where the
    budget pays for no point.
    """
    rows, plane = [], plane.average_seeds()
    training, thinking = (plane.points[name].to_numpy(float) for name in ("training", "thinking"))
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(0, plane.chances.shape[1], plane.chances.shape[1]) for _ in range(repeats)]
    for count in problems:
        require("problems", count, float, 1)
        costs = training + count * thinking
        for total in totals:
            can = np.flatnonzero(costs <= total)
            if not len(can):
                continue
            chances = plane.chances[can]
            best = can[_pick(chances.mean(1), costs[can])]
            draws = [_cross(chances[:, some], costs[can], seed, some) for some in drawn]
            low, high = bound(draws)
            point = plane.points.iloc[best]
            rows.append({"problems": float(count), "total": float(total),
                         **{name: point[name] for name in ("size", "budget", "strategy", "mode", "effort")},
                         "share": float(count * thinking[best] / costs[best]),
                         "accuracy": _cross(chances, costs[can], seed, range(chances.shape[1])),
                         "low": low, "high": high})  # fmt: skip
    return pd.DataFrame(rows)


def list_totals(plane: Plane, problems: Sequence[float], count: int = 7) -> list[float]:
    """Total budgets, evenly spread on a logarithmic scale: from the cheapest training to the dearest use of a point."""
    training, thinking = (plane.points[name].to_numpy(float) for name in ("training", "thinking"))
    low, high = float(training.min()), float((training + max(problems) * thinking).max())
    return np.geomspace(2 * low, max(high, 4 * low), count).tolist()


def _pick(accuracy: np.ndarray, costs: np.ndarray) -> int:
    """The most accurate point, the cheaper of equals."""
    return int(np.lexsort((costs, -accuracy))[0])


def _cross(chances: np.ndarray, costs: np.ndarray, seed: int, names: Sequence[Any]) -> float:
    """The accuracy, on one half of the problems, of what is best on the other; both ways."""
    return float(np.mean([chances[_pick(chances[:, choose].mean(1), costs)][read].mean()
                          for choose, read in split_halves(names, seed)]))  # fmt: skip
