"""Where training and thinking replace each other: surfaces of accuracy, and exchange rates.

Which points are efficient is chosen on one half of the problems, and the surface through them is fitted on the other,
both ways, and averaged. This module does not know how chances were measured, nor what a budget buys.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from game24lab.scaling.laws import bound, resample_cells
from game24lab.scaling.plane import Plane, split_halves

_RANGE = (0.02, 0.98)  # of accuracies between which a rate is quoted: outside, logits tell of a handful of problems
_LEAST = 4  # points of a line of three unknowns
_PARTS = ("cheaper", "dearer")  # of the points, by their training
_UNSURE = 0.025  # share of draws in which thinking does not help, from which a rate has no meaning


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


def keep_efficient(
    plane: Plane, seed: int = 0, names: Sequence[Any] | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:  # fmt: skip
    """Of a plane of one strategy, twice: which points are efficient, and between the accuracies of `_RANGE`, on one
    half of the problems; and the places of the other half. `names` of the problems tell which of them are the same, by
    default none."""
    for choose, read in split_halves(range(plane.chances.shape[1]) if names is None else names, seed):
        half = plane.resample(choose)
        seen = half.chances.mean(1)
        yield find_efficient(half.points, seen) & (seen > _RANGE[0]) & (seen < _RANGE[1]), read


def measure_surface(plane: Plane, seed: int = 0, names: Sequence[Any] | None = None) -> Surface:
    """The surface through the efficient points of a plane of one strategy, its seeds averaged: see `keep_efficient`.

    The mean of two, each chosen on one half of the problems and fitted on the other. ValueError as in `fit_surface`.
    """
    plane = plane.average_seeds()
    return _cross(plane, list(keep_efficient(plane, seed, names)))


def _cross(plane: Plane, halves: Sequence[tuple[np.ndarray, np.ndarray]]) -> Surface:
    found = []
    for kept, read in halves:
        other = plane.take(kept).resample(read)
        found.append(fit_surface(other.points["training"], other.points["thinking"], other.chances.mean(1)))

    def average(name: str) -> float:
        return float(np.mean([getattr(one, name) for one in found]))

    return Surface(average("constant"), average("training"), average("thinking"), average("error"),
                   min(one.count for one in found))  # fmt: skip


def map_surfaces(plane: Plane, seed: int = 0) -> dict[tuple[str, str], Surface]:
    """The surface of each strategy and mode that has one."""
    found = {}
    for strategy, mode in plane.strategies:
        try:
            found[strategy, mode] = measure_surface(plane.pick(strategy, mode), seed)
        except ValueError:
            continue  # `tabulate_rates` says why
    return found


def tabulate_rates(
    plane: Plane, *, repeats: int = 200, seed: int = 0, over_seeds: bool = True, progress: Callable = iter
) -> pd.DataFrame:
    """The exchange rate of each strategy and mode: one decade of training replaces so many decades of thinking.

    Columns: `strategy`, `mode`, `rate`, `low`, `high` (95 %, bootstrap over problems and, with `over_seeds`, seeds),
    `error` of the surface, `points` that it was fitted to, of which `sizes`, and their range (`training_low` to
    `thinking_high`, `accuracy_low`, `accuracy_high`); `cheaper` and `dearer` (each with `_low`, `_high`): the rates of
    these points up to their median training FLOPs (`middle`) and of those above, fitted on all problems, which agree
    where lines of equal accuracy are straight and parallel; and `why`: why there is no rate or interval, where there is
    none. A part of too few points, or where thinking does not measurably help, has no rate. In all draws the parts are
    of the same trainings: the middle is what some training costs, give or take its seeds. `progress` wraps the
    strategies, such as `tqdm`.
    """
    rows = []
    for strategy, mode in progress(plane.strategies):
        mine = plane.pick(strategy, mode)
        row = {"strategy": strategy, "mode": mode} | dict.fromkeys(("rate", "low", "high", "error"), np.nan)
        row |= {"points": 0} | _describe_kept(mine.average_seeds(), seed)
        try:
            found = measure_surface(mine, seed)
            row |= {"error": found.error, "points": found.count}
            row["rate"] = found.rate if found.thinking > 0 else np.nan
            cheaper = _list_cheaper(mine.average_seeds(), row["middle"])
            draws, parts = bootstrap_surfaces(mine, cheaper, repeats, seed, over_seeds)
            if not _helps(draws):
                row["rate"] = np.nan  # its denominator may be 0
                low, high = bound([one.thinking for one in draws])
                raise ValueError("more thinking does not measurably help along the efficient points: a decade of it is "
                                 f"worth {found.thinking:.2f} [{low:.2f}, {high:.2f}] in log odds")  # fmt: skip
            row["low"], row["high"] = _bound_rates(draws)
            row |= _describe_parts(mine.average_seeds(), cheaper, seed, parts)
        except ValueError as error:
            row["why"] = str(error)
        rows.append(row)
    return pd.DataFrame(rows)


def _helps(draws: Sequence[Surface | None]) -> bool:
    """Whether more thinking is worth something in all draws but a few, and so a rate has a denominator."""
    return np.mean([one is None or one.thinking <= 0 for one in draws]) <= _UNSURE


def _bound_rates(draws: Sequence[Surface | None]) -> tuple[float, float]:
    """The percentile interval of rates of which `_helps` holds: the few without one are beyond any."""
    rates = [one.rate if one is not None and one.thinking > 0 else np.inf for one in draws]
    low, high = np.quantile(rates, [_UNSURE, 1 - _UNSURE], method="lower")  # between numbers, not between one and inf
    return float(low), float(high)


def _list_cheaper(plane: Plane, middle: float) -> frozenset[tuple[str, float]]:
    """The sizes and budgets of the trainings up to some FLOPs."""
    points = plane.points[plane.points["training"] <= middle]
    return frozenset(zip(points["size"], points["budget"], strict=True))


def _describe_kept(plane: Plane, seed: int) -> dict[str, Any]:
    """The points that a surface is fitted to, of either half: their ranges, their sizes and the middle of their
    training."""
    kept = np.any([mask for mask, _ in keep_efficient(plane, seed)], axis=0)
    table = plane.take(kept).tabulate().sort_values("training")
    found: dict[str, Any] = {"sizes": ", ".join(dict.fromkeys(table["size"])), "middle": table["training"].median()}
    for name in ("training", "thinking", "accuracy"):
        found |= {f"{name}_low": table[name].min(), f"{name}_high": table[name].max()}
    return found | {f"{part}{end}": np.nan for part in _PARTS for end in ("", "_low", "_high")} | {"why": ""}


def _describe_parts(
    plane: Plane, cheaper: Collection[tuple[str, float]], seed: int, draws: Sequence[tuple[Surface | None, ...]]
) -> dict[str, float]:  # fmt: skip
    """The rates of the cheaper trainings and of the others with their intervals, of those that have one."""
    found = {}
    whole = _fit_parts(plane, list(keep_efficient(plane, seed)), cheaper)
    for name, surface, drawn in zip(_PARTS, whole, zip(*draws, strict=True), strict=True):
        if surface is not None and surface.thinking > 0 and _helps(drawn):
            low, high = _bound_rates(drawn)
            found |= {name: surface.rate, f"{name}_low": low, f"{name}_high": high}
    return found


def _fit_parts(
    plane: Plane, halves: Sequence[tuple[np.ndarray, np.ndarray]], cheaper: Collection[tuple[str, float]]
) -> tuple[Surface | None, ...]:  # fmt: skip
    """Surfaces of the efficient points of the cheaper trainings, and of the others; None for too few points."""
    table = plane.take(np.any([kept for kept, _ in halves], axis=0)).tabulate()
    cheap = np.array([one in cheaper for one in zip(table["size"], table["budget"], strict=True)], bool)
    found: list[Surface | None] = []
    for part in (table[cheap], table[~cheap]):
        try:
            found.append(fit_surface(part["training"], part["thinking"], part["accuracy"]))
        except ValueError:
            found.append(None)
    return tuple(found)


def bootstrap_surfaces(
    plane: Plane, cheaper: Collection[tuple[str, float]], repeats: int, seed: int, over_seeds: bool
) -> tuple[list[Surface], list[tuple[Surface | None, ...]]]:  # fmt: skip
    """Surfaces of resampled problems and seeds, and those of the cheaper trainings (sizes and budgets) and the others.
    ValueError where more than a tenth of the draws have none."""
    rng, found, parts, refused = np.random.default_rng(seed), [], [], ""
    for number in range(repeats):
        rows, problems = resample_cells(plane.points, plane.chances.shape[1], rng, over_seeds=over_seeds)
        drawn = plane.resample(problems, rows).average_seeds()
        halves = list(keep_efficient(drawn, seed + number, problems))
        try:
            found.append(_cross(drawn, halves))
            parts.append(_fit_parts(drawn, halves, cheaper))
        except ValueError as error:
            refused = str(error)
    if len(found) < 0.9 * repeats:
        raise ValueError(f"of {repeats} bootstrap draws {len(found)} have a rate: too few points ({refused})")
    return found, parts
