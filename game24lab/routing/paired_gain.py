"""What routing gains: over the convex hull of the fixed arms, as a share of what an oracle gains, with intervals.

Intervals are percentiles of a bootstrap over puzzles in which everything is made anew, hull and oracle too. This module
does not know what a router is: it compares one way to spend with others on the same problems.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from game24lab.routing.pareto import Way, find_hull

REPEATS = 1000
_EDGES = (0.025, 0.975)
_LEAST = 1e-4  # a gap between hull and oracle below this is none to have a share of


def compare_at_costs(
    way: Way, fixed: Way, oracle: Way, axis: str = "tokens", *, repeats: int = REPEATS, seed: int = 0
) -> pd.DataFrame:
    """A way at the mean cost of each fixed arm, a row an arm that is no cheaper than the way's cheapest step.

    Columns: `arm`, `cost`, `arm_accuracy`, `hull`, `accuracy` (of the way, between its steps of the nearest costs),
    `gain` (over the hull) with `gain_low` and `gain_high`, `oracle`, `share` (of the gap from hull to oracle) with
    `share_low` and `share_high`; all of the same cost. NaN where there is no gap to speak of.
    """
    samples = _Samples(way, fixed, oracle, axis, repeats, seed)
    curves, rows = _sort_curves(samples.cost, samples.chance), []
    for place in np.argsort(samples.fixed_cost[0]):
        at = samples.fixed_cost[:, place]
        if at[0] < samples.cost[0].min():
            continue
        row = {"arm": fixed.steps[place], "cost": float(at[0]), "arm_accuracy": float(samples.fixed_chance[0, place])}
        rows.append(row | samples.compare(at, _read_curves(curves, at)))
    return pd.DataFrame(rows, columns=["arm", "cost", "arm_accuracy", *_COMPARED])


def compare_at_steps(
    way: Way, fixed: Way, oracle: Way, axis: str = "tokens", *, repeats: int = REPEATS, seed: int = 0
) -> pd.DataFrame:
    """A way at each of its steps, against hull and oracle at the cost that this step has.

    Columns: `step`, `cost`, then as above, with `accuracy_low` and `accuracy_high`.
    """
    samples = _Samples(way, fixed, oracle, axis, repeats, seed)
    rows = []
    for place, step in enumerate(way.steps):
        at, accuracy = samples.cost[:, place], samples.chance[:, place]
        low, high = np.quantile(accuracy[1:], _EDGES)
        row = {"step": step, "cost": float(at[0]), "accuracy_low": float(low), "accuracy_high": float(high)}
        rows.append(row | samples.compare(at, accuracy))
    return pd.DataFrame(rows, columns=["step", "cost", "accuracy_low", "accuracy_high", *_COMPARED])


def match_best(
    way: Way, fixed: Way, axis: str = "tokens", *, repeats: int = REPEATS, seed: int = 0
) -> dict[str, float | str | None]:
    """What a way pays for the accuracy of the best fixed arm: `arm`, `arm_accuracy`, `arm_cost`, `cost` (None where it
    never gets there), `ratio` = cost / arm_cost with `low` and `high`, and `reached`, the share of samples where it
    does.

    Samples in which it does not get there count as an infinite ratio; an end of the interval that is infinite is None.
    """
    samples = _Samples(way, fixed, None, axis, repeats, seed)
    best = int(np.lexsort((samples.fixed_cost[0], -samples.fixed_chance[0]))[0])
    ratios = np.empty(len(samples.cost))
    for number, (cost, chance) in enumerate(zip(samples.cost, samples.chance, strict=True)):
        ratios[number] = _find_cost(cost, chance, samples.fixed_chance[number, best]) / samples.fixed_cost[number, best]
    low, high = np.quantile(ratios[1:], _EDGES, method="inverted_cdf")
    arm_cost, finite = float(samples.fixed_cost[0, best]), np.isfinite
    return {
        "arm": fixed.steps[best], "arm_accuracy": float(samples.fixed_chance[0, best]), "arm_cost": arm_cost,
        "cost": float(ratios[0] * arm_cost) if finite(ratios[0]) else None,
        "ratio": float(ratios[0]) if finite(ratios[0]) else None, "low": float(low) if finite(low) else None,
        "high": float(high) if finite(high) else None, "reached": float(finite(ratios[1:]).mean()),
    }  # fmt: skip


def pick_step(way: Way, fixed: Way, axis: str = "tokens") -> int:
    """The step at which a way gains most over the hull: for choosing an operating point on problems that it is not
    judged on."""
    samples = _Samples(way, fixed, None, axis, 0, 0)
    return int(np.argmax(samples.chance[0] - np.interp(samples.cost[0], *samples.hulls[0])))


def average_gain(way: Way, fixed: Way, axis: str = "tokens") -> float:
    """The mean gain over the hull at the costs of the fixed arms; 0 at those below the way's cheapest step, where one
    would do without it. One number to choose a router by, on problems that it is not judged on."""
    table = compare_at_costs(way, fixed, fixed, axis, repeats=0)
    return float(table["gain"].sum() / len(fixed.steps))


_COMPARED = ("hull", "accuracy", "gain", "gain_low", "gain_high", "oracle", "share", "share_low", "share_high")


class _Samples:
    """Means of the problems as they are (row 0) and of samples of them with replacement: shape (repeats + 1, steps)."""

    def __init__(self, way: Way, fixed: Way, oracle: Way | None, axis: str, repeats: int, seed: int) -> None:
        count = way.chance.shape[1]
        for other in (fixed, oracle):
            if other is not None and other.chance.shape[1] != count:
                raise ValueError(f"{other.name}: {other.chance.shape[1]} problems beside {count} of {way.name}; the "
                                 "same ones are accepted")  # fmt: skip
        drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), repeats) / count
        weights = np.concatenate([np.full((1, count), 1 / count), drawn])
        self.chance, self.cost = weights @ way.chance.T, weights @ way.cost(axis).T
        self.fixed_chance, self.fixed_cost = weights @ fixed.chance.T, weights @ fixed.cost(axis).T
        self.hulls = [_trace_hull(*pair) for pair in zip(self.fixed_cost, self.fixed_chance, strict=True)]
        if oracle is not None:
            # whatever weights problems have, an oracle's steps are the best for their prices: they are their own hull
            self.oracles = _sort_curves(weights @ oracle.cost(axis).T, weights @ oracle.chance.T)

    def compare(self, at: np.ndarray, accuracy: np.ndarray) -> dict[str, float]:
        """What a row says of an accuracy at a cost, both of shape (repeats + 1,)."""
        hull = _read_curves(self.hulls, at)
        oracle = np.maximum(_read_curves(self.oracles, at), hull)
        gap, gain = oracle - hull, accuracy - hull
        shares = np.where(gap > _LEAST, gain / np.where(gap > _LEAST, gap, 1.0), np.nan)
        row = {"hull": hull[0], "accuracy": accuracy[0], "gain": gain[0], "oracle": oracle[0], "share": shares[0]}
        for name, values in (("gain", gain[1:]), ("share", shares[1:])):
            known = values[~np.isnan(values)]
            ends = np.quantile(known, _EDGES) if known.size and not np.isnan(row[name]) else (np.nan, np.nan)
            row |= dict(zip((f"{name}_low", f"{name}_high"), ends, strict=True))
        return {name: float(value) for name, value in row.items()}


def _trace_hull(costs: np.ndarray, chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Costs and accuracies along the convex hull of arms, from no answer for nothing on."""
    places = find_hull(costs, chances)
    corners = places[places >= 0]
    return np.append(0.0, costs[corners]), np.append(0.0, chances[corners])


def _sort_curves(costs: np.ndarray, chances: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same of each row's steps, in the order of their costs."""
    order = np.argsort(costs, axis=1, kind="stable")
    zero = np.zeros((len(costs), 1))
    sides = (np.concatenate([zero, np.take_along_axis(side, order, axis=1)], axis=1) for side in (costs, chances))
    return list(zip(*sides, strict=True))


def _read_curves(curves: list[tuple[np.ndarray, np.ndarray]], at: np.ndarray) -> np.ndarray:
    """The height of each curve at its cost, as a random mix of the points around it has it; shape (sets,)."""
    return np.array([np.interp(cost, *curve) for cost, curve in zip(at, curves, strict=True)])


def _find_cost(cost: np.ndarray, chance: np.ndarray, wanted: float) -> float:
    """The least cost at which steps, or mixes of two neighbours in cost, have an accuracy; infinite where none has."""
    order = np.lexsort((-chance, cost))
    cost, chance = cost[order], chance[order]
    reached = np.flatnonzero(chance >= wanted - 1e-12)
    if not reached.size:
        return np.inf
    place = reached[0]
    if place == 0 or chance[place] <= chance[place - 1]:
        return float(cost[place])
    share = max(0.0, (wanted - chance[place - 1]) / (chance[place] - chance[place - 1]))
    return float(cost[place - 1] + share * (cost[place] - cost[place - 1]))


def spread_steps(way: Way, axis: str, count: int) -> Sequence[int]:
    """Some of a way's steps, evenly spread in cost, each cost once: for tables that cannot show all."""
    means = way.cost(axis).mean(axis=1)
    _, first = np.unique(means.round(9), return_index=True)
    wanted = np.linspace(0, len(first) - 1, min(count, len(first))).round().astype(int)
    return first[np.unique(wanted)].tolist()
