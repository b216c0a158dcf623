"""The plane of a study: points (cell, strategy, budget) with their training and thinking FLOPs, and what each comes to
on each problem.

Trainings that differ in their seed alone can be made one point, their mean, for the best of many is not as good as it
looks; and problems can be split in halves, to choose on one and read off on the other. This module does not know how
chances were measured, nor what is fitted to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from game24lab.runs.checks import require

COLUMNS = ("cell", "size", "seed", "budget", "strategy", "mode", "effort", "training", "thinking")
_TRAINED = ["size", "budget", "strategy", "mode", "effort"]  # what is the same in points that differ in their seed


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
