"""Evaluation of a router on test puzzles: quality of its predictions, its frontier, and its paired gain over baselines.

The gain is over the convex hull of the fixed arms, also as a share of an oracle's gain. Intervals are percentiles of a
bootstrap over puzzles, whose rows stay together, in which everything is computed anew, hull and oracle too. Everything
comes from rows of problem and arm with predictions, so that a report needs no model. This module does not know how a
router is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import xlogy

from game24lab.evaluation.statistics import bootstrap
from game24lab.routing import pareto
from game24lab.routing.pareto import Grid, Way, find_hull, measure, sweep
from game24lab.runs.checks import require_one_of

KNOWN = ("calibration", "stopping")  # parts on which is chosen what the test evaluates, such as an operating point
STEPS = 60  # prices of a sweep
REPEATS = 1000
_EDGES = (0.025, 0.975)
_SURE = 1e-12  # a prediction that rules out what happens has a large loss, not an infinite one
_LEAST = 1e-4  # a smaller gap between hull and oracle is none to have a share of
_COMPARED = ("hull", "accuracy", "gain", "gain_low", "gain_high", "oracle", "share", "share_low", "share_high")


# -------------------------------------------------------------------------------------------- quality of predictions
def measure_chances(predicted: Sequence[float], labels: Sequence[float]) -> dict[str, float | None]:
    """Binary cross-entropy of soft labels in nats (`loss`) and its lower bound, the mean `entropy` of the labels.

    `excess` = `loss` - `entropy` is the mean divergence of predictions from labels. `brier` and `auc` follow, with
    `auc_bound`, the AUC of the labels themselves: None where all labels are of one class.
    """
    p, y = np.asarray(predicted, float), np.asarray(labels, float)
    entropy = float(-(xlogy(y, y) + xlogy(1 - y, 1 - y)).mean())
    sure = np.clip(p, _SURE, 1 - _SURE)
    loss = float(-(y * np.log(sure) + (1 - y) * np.log1p(-sure)).mean())
    mixed = 0 < y.sum() < len(y)
    return {
        "n": len(y), "loss": loss, "entropy": entropy, "excess": loss - entropy, "brier": float(np.mean((p - y) ** 2)),
        "auc": find_auc(p, y) if mixed else None, "auc_bound": find_auc(y, y) if mixed else None,
    }  # fmt: skip


def find_auc(predicted: np.ndarray, labels: np.ndarray) -> float:
    """AUC of soft labels: a label of y is a success of weight y and a failure of weight 1 - y."""
    from sklearn.metrics import roc_auc_score  # here: who only reads what was evaluated does without it

    weights = np.concatenate([labels, 1 - labels])
    kept = weights > 0
    return float(roc_auc_score(np.repeat([1, 0], len(labels))[kept], np.tile(predicted, 2)[kept],
                               sample_weight=weights[kept]))  # fmt: skip


def measure_costs(predicted: Sequence[float], paid: Sequence[float]) -> dict[str, float | None]:
    """`ratio` of the predicted sum of costs to the real one, mean absolute `error` as a share of the mean, and the
    share of the logarithm's variance that is `explained`; None where it is not defined."""
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
    """Predicted against observed chances, a row for each bin: `n`, `predicted`, `observed`, `low`, `high`."""
    p, y = np.asarray(predicted, float), np.asarray(labels, float)
    place, owner = np.minimum((p * bins).astype(int), bins - 1), pd.factorize(pd.Series(list(problems)))[0]
    count = owner.max(initial=-1) + 1
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), REPEATS) if count else None
    rows = []
    for index in np.unique(place):
        inside = place == index
        sums, sizes = (np.bincount(owner[inside], some, minlength=count) for some in (y[inside], np.ones(inside.sum())))
        drawn, drawn_sizes = weights @ sums, weights @ sizes
        low, high = np.quantile(drawn[drawn_sizes > 0] / drawn_sizes[drawn_sizes > 0], _EDGES)
        rows.append({"n": int(inside.sum()), "predicted": float(p[inside].mean()), "observed": float(y[inside].mean()),
                     "low": float(low), "high": float(high)})  # fmt: skip
    return pd.DataFrame(rows, columns=["n", "predicted", "observed", "low", "high"])


# ------------------------------------------------------------------------------------------------------- paired gain
def compare_at_costs(
    way: Way, fixed: Way, oracle: Way, axis: str = "tokens", *, repeats: int = REPEATS, seed: int = 0
) -> pd.DataFrame:
    """A way at the mean cost of each fixed arm, a row an arm that is no cheaper than the way's cheapest step.

    Columns: `arm`, `cost`, `arm_accuracy`, `hull`, `accuracy` (interpolated between the way's steps), `gain` (over the
    hull) with `gain_low` and `gain_high`, `oracle`, `share` (of the gap from hull to oracle) with `share_low` and
    `share_high`, all at that cost. NaN where there is no gap.
    """
    samples = _Samples(way, fixed, oracle, axis, repeats, seed)
    curves, rows = _sort_curves(samples.cost, samples.chance), []
    for place in np.argsort(samples.fixed_cost[0]):
        at = samples.fixed_cost[:, place]
        if at[0] >= samples.cost[0].min():
            known = {"arm": fixed.steps[place], "cost": float(at[0]),
                     "arm_accuracy": float(samples.fixed_chance[0, place])}  # fmt: skip
            rows.append(known | samples.compare(at, _interpolate(curves, at)))
    return pd.DataFrame(rows, columns=["arm", "cost", "arm_accuracy", *_COMPARED])


def compare_at_steps(
    way: Way, fixed: Way, oracle: Way, axis: str = "tokens", *, repeats: int = REPEATS, seed: int = 0
) -> pd.DataFrame:
    """A way at each of its steps, against hull and oracle at the cost of that step.

    Columns: `step`, `cost`, then as above, with `accuracy_low` and `accuracy_high`.
    """
    samples = _Samples(way, fixed, oracle, axis, repeats, seed)
    rows = []
    for step, at, accuracy in zip(way.steps, samples.cost.T, samples.chance.T, strict=True):
        low, high = np.quantile(accuracy[1:], _EDGES)
        row = {"step": step, "cost": float(at[0]), "accuracy_low": float(low), "accuracy_high": float(high)}
        rows.append(row | samples.compare(at, accuracy))
    return pd.DataFrame(rows, columns=["step", "cost", "accuracy_low", "accuracy_high", *_COMPARED])


def match_best(
    way: Way, fixed: Way, axis: str = "tokens", *, repeats: int = REPEATS, seed: int = 0
) -> dict[str, float | str | None]:
    """The cost at which a way has the accuracy of the best fixed arm: `arm`, `arm_accuracy`, `arm_cost`, `cost` (None
    where it never gets there), `ratio` = cost / arm_cost with `low` and `high`, and `reached`, the share of samples in
    which it gets there; in the others the ratio is infinite, and an infinite end of the interval is None.
    """
    samples = _Samples(way, fixed, None, axis, repeats, seed)
    best = int(np.lexsort((samples.fixed_cost[0], -samples.fixed_chance[0]))[0])
    costs = [_find_cost(*row) for row in zip(samples.cost, samples.chance, samples.fixed_chance[:, best], strict=True)]
    ratios, arm_cost = costs / samples.fixed_cost[:, best], float(samples.fixed_cost[0, best])
    low, high = np.quantile(ratios[1:], _EDGES, method="inverted_cdf")
    told = {"cost": ratios[0] * arm_cost, "ratio": ratios[0], "low": low, "high": high}
    return {
        "arm": fixed.steps[best], "arm_accuracy": float(samples.fixed_chance[0, best]), "arm_cost": arm_cost,
        **{name: float(value) if np.isfinite(value) else None for name, value in told.items()},
        "reached": float(np.isfinite(ratios[1:]).mean()),
    }  # fmt: skip


def pick_step(way: Way, fixed: Way, axis: str = "tokens") -> int:
    """The step of the largest gain over the hull: for choosing an operating point on known problems."""
    samples = _Samples(way, fixed, None, axis, 0, 0)
    return int(np.argmax(samples.chance[0] - np.interp(samples.cost[0], *samples.hulls[0])))


def average_gain(way: Way, fixed: Way, axis: str = "tokens") -> float:
    """The mean gain over the hull at the costs of the fixed arms, for choosing a router on known problems; 0 at those
    below the way's cheapest step, where one would do without it."""
    return float(compare_at_costs(way, fixed, fixed, axis, repeats=0)["gain"].sum() / len(fixed.steps))


class _Samples:
    """Means of the problems as they are (row 0) and of samples of them with replacement: shape (repeats + 1, steps)."""

    def __init__(self, way: Way, fixed: Way, oracle: Way | None, axis: str, repeats: int, seed: int) -> None:
        count = way.chance.shape[1]
        for other in (fixed, oracle or fixed):
            if other.chance.shape[1] != count:
                raise ValueError(f"{other.name} must have the {count} problems of {way.name}, got "
                                 f"{other.chance.shape[1]}")  # fmt: skip
        drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), repeats) / count
        weights = np.concatenate([np.full((1, count), 1 / count), drawn])
        self.chance, self.cost = weights @ way.chance.T, weights @ way.cost(axis).T
        self.fixed_chance, self.fixed_cost = weights @ fixed.chance.T, weights @ fixed.cost(axis).T
        self.hulls = [_trace_hull(*pair) for pair in zip(self.fixed_cost, self.fixed_chance, strict=True)]
        if oracle is not None:
            # whatever weights problems have, an oracle's steps are the best for their prices: they are their own hull
            self.oracles = _sort_curves(weights @ oracle.cost(axis).T, weights @ oracle.chance.T)

    def compare(self, at: np.ndarray, accuracy: np.ndarray) -> dict[str, float]:
        """The `_COMPARED` of an accuracy at a cost, both of shape (repeats + 1,)."""
        hull = _interpolate(self.hulls, at)
        oracle = np.maximum(_interpolate(self.oracles, at), hull)
        gap, gain = oracle - hull, accuracy - hull
        share = np.where(gap > _LEAST, gain / np.where(gap > _LEAST, gap, 1.0), np.nan)
        row = {"hull": hull[0], "accuracy": accuracy[0], "oracle": oracle[0]}
        for name, values in (("gain", gain), ("share", share)):
            known = values[1:][~np.isnan(values[1:])]
            ends = np.quantile(known, _EDGES) if known.size and not np.isnan(values[0]) else (np.nan, np.nan)
            row |= {name: values[0], f"{name}_low": ends[0], f"{name}_high": ends[1]}
        return {name: float(value) for name, value in row.items()}


def _trace_hull(costs: np.ndarray, chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Costs and accuracies along the convex hull of arms, from no answer for no cost on."""
    corners = find_hull(costs, chances)
    return np.append(0.0, costs[corners]), np.append(0.0, chances[corners])


def _sort_curves(costs: np.ndarray, chances: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same of each row's steps, in the order of their costs."""
    order, zero = np.argsort(costs, axis=1, kind="stable"), np.zeros((len(costs), 1))
    sides = (np.concatenate([zero, np.take_along_axis(side, order, axis=1)], axis=1) for side in (costs, chances))
    return list(zip(*sides, strict=True))


def _interpolate(curves: list[tuple[np.ndarray, np.ndarray]], at: np.ndarray) -> np.ndarray:
    """The height of each curve at its cost, shape (curves,): a random mix of the points around it has it."""
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


# -------------------------------------------------------------------------------------------------------- evaluation
@dataclass(frozen=True)
class RouterEvaluation:
    """A router beside all baselines along one axis of cost, "tokens" or "seconds"."""

    axis: str
    grid: Grid = field(repr=False)  # of the test puzzles
    ways: Mapping[str, Way] = field(repr=False)  # by name: router, fixed arm, oracle and other baselines
    points: pd.DataFrame = field(repr=False)  # as `pareto.measure`, all ways; fixed arms with `low` and `high`
    hull: tuple[str, ...]  # the arms on the convex hull, the cheapest first
    at_costs: pd.DataFrame = field(repr=False)  # the router at the cost of each fixed arm
    at_prices: pd.DataFrame = field(repr=False)  # the router at each of its prices
    price: float  # the operating point, chosen on known puzzles
    best: Mapping[str, Any]  # `match_best` of the router
    known_gain: float  # `average_gain` on known puzzles, to choose among routers by
    shares: pd.DataFrame = field(repr=False)  # of problems by arm and price, as `pareto.mix`
    schedule: pd.DataFrame = field(repr=False)  # by `price`: the `arm` of all, "" where it probes; known `cost`

    @property
    def point(self) -> dict[str, Any]:
        """The row of `at_prices` at the operating point."""
        return self.at_prices[self.at_prices["step"] == self.price].iloc[0].to_dict()


def evaluate_router(
    rows: pd.DataFrame, axis: str = "tokens", *, steps: int = STEPS, repeats: int = REPEATS, seed: int = 0
) -> RouterEvaluation:
    """Compare a router with its baselines; `rows` as `pareto.join_rows` leaves them, with `part`.

    ValueError where test or known puzzles are missing, for another axis, or seconds that nobody knows.
    """
    require_one_of("axis", axis, pareto.AXES)
    grid, known = (_take(rows, parts) for parts in (("test",), KNOWN))
    if axis == "seconds" and not grid.timed:
        raise ValueError("axis must be 'tokens' where the seconds of some arm are not known, got 'seconds'")
    settings = {"axis": axis, "repeats": repeats, "seed": seed}
    prices = pareto.list_prices(known.predicted_chance, known.expect(axis), steps)
    known_fixed = pareto.take_fixed(known)
    skips = pareto.skip_probe(sweep(known, prices, axis), known_fixed, axis)
    learnt, router = (sweep(one, prices, axis, skips=skips) for one in (known, grid))
    fixed, oracle = pareto.take_fixed(grid), pareto.take_oracle(grid, axis)
    ways = [router, fixed, oracle, pareto.mix_like(grid, prices, axis, skips), pareto.mix_evenly(grid),
            pareto.route_by_difficulty(known, grid, prices, axis), pareto.run_cascades(known, grid, axis)]  # fmt: skip
    points = pd.concat([measure(way) for way in ways], ignore_index=True).assign(low=np.nan, high=np.nan)
    bounds = [bootstrap(chance, repeats=repeats, seed=seed) for chance in fixed.chance]
    points.loc[points["way"] == fixed.name, ["low", "high"]] = bounds
    schedule = {"price": learnt.steps, "arm": ["" if arm < 0 else known.arms[arm] for arm in skips],
                "cost": learnt.cost(axis).mean(axis=1)}  # fmt: skip
    return RouterEvaluation(
        axis, grid, {way.name: way for way in ways}, points,
        tuple(grid.arms[corner] for corner in find_hull(fixed.cost(axis).mean(axis=1), fixed.chance.mean(axis=1))),
        compare_at_costs(router, fixed, oracle, **settings), compare_at_steps(router, fixed, oracle, **settings),
        prices[pick_step(learnt, known_fixed, axis)], match_best(router, fixed, **settings),
        average_gain(learnt, known_fixed, axis), pareto.mix(grid, prices, axis, skips), pd.DataFrame(schedule),
    )  # fmt: skip


def _take(rows: pd.DataFrame, parts: Sequence[str]) -> Grid:
    if "part" not in rows:
        raise ValueError("rows must have the column 'part', which says what puzzles are evaluated, got none")
    mine = rows[rows["part"].isin(parts)]
    if mine.empty:
        raise ValueError(f"rows: no puzzles of the part {' or '.join(parts)}; at least one is needed")
    return pareto.read_grid(mine)


def compare_ways(evaluation: RouterEvaluation, cost: float) -> pd.DataFrame:
    """Every way at one mean cost, interpolated between its steps: `way`, `cheapest` (its least cost), `accuracy`, NaN
    below that. Of the fixed arms it is their hull, of a way of one step that step, whatever it costs."""
    rows = []
    for name, points in evaluation.points.groupby("way", sort=False):
        x, y = points[evaluation.axis].to_numpy(float), points["accuracy"].to_numpy(float)
        order = np.argsort(x, kind="stable")
        height = np.interp(cost, x[order], y[order], left=np.nan) if len(x) > 1 else y[0]
        if name == "fixed arm":
            name, height = "hull of fixed arms", np.interp(cost, *_trace_hull(x, y))
        rows.append({"way": name, "cheapest": float(x.min()), "accuracy": float(height)})
    return pd.DataFrame(rows)
