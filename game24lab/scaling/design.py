"""The design of a study: a rectangular grid of sizes, token budgets and seeds, and its cost before it starts.

Tokens and sizes vary apart from each other: budgets of a fixed number of tokens a parameter would leave the law
ill-conditioned. One training of a size and seed, the trunk, serves all its budgets; each has a branch that cools down
(`training.schedules`). This module does not know how cells are trained or measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from game24lab.models.sizes import read_size
from game24lab.runs.checks import require
from game24lab.scaling.flops import Shape, count_training
from game24lab.scaling.laws import Law, foretell
from game24lab.training.schedules import find_cooldown

_BEYOND = 4  # times the tokens of a grid, as far as its law is still told

@dataclass(frozen=True)
class Trunk:
    """All cells of a size and a seed: the steps of each budget, and of the trunk that they branch off."""

    size: str
    seed: int
    steps: tuple[int, ...]  # of each budget, rising
    tokens: tuple[int, ...]  # the budgets asked for

    @property
    def branches(self) -> dict[int, int]:
        """The step at which each budget's branch begins, by its steps."""
        return {steps: find_cooldown(steps) for steps in self.steps}

    @property
    def length(self) -> int:
        """Steps of the trunk itself: to where the longest branch begins."""
        return max(self.branches.values())

    @property
    def trained(self) -> int:
        """Steps of the trunk and all branches together."""
        return self.length + sum(steps - begin for steps, begin in self.branches.items())


def is_checkpoint(size: str) -> bool:
    """Whether a size stands for a checkpoint to start from, a folder or a hub id, and not for a model from scratch."""
    return isinstance(size, str) and "/" in size


def lay_out(
    sizes: Sequence[str], tokens: Sequence[float], seeds: Sequence[int] | Mapping[str, Sequence[int]],
    per_step: float,
) -> list[Trunk]:  # fmt: skip
    """The grid: a trunk for each size and seed. A size may be a checkpoint, which has a slash in it.

    tokens: the budgets. seeds: those of every size, or of each by its name. per_step: tokens of an optimiser step.

    ValueError for a size that does not exist, for what is listed twice or comes to the same steps, and for a budget of
    too few steps.
    """
    for name, values in (("sizes", sizes), ("tokens", tokens)):
        if not values:
            raise ValueError(f"{name} must have one value at least, got none")
        if len(set(values)) < len(values):
            twice = next(one for place, one in enumerate(values) if one in values[:place])
            raise ValueError(f"{name}: {twice} is listed twice, its cells would collide")
    alike: dict[tuple, str] = {}
    for size in sizes:
        shape = (size,) if is_checkpoint(size) else tuple(sorted(read_size(size).items()))
        if shape in alike:
            raise ValueError(f"sizes: {size} and {alike[shape]} are one size, their cells would collide")
        alike[shape] = size
    budgets = sorted(tokens)
    for budget in budgets:
        require("tokens", budget, float, 1)
    steps = [round(budget / per_step) for budget in budgets]
    if steps[0] < 5:
        raise ValueError(f"tokens: {budgets[0]:g} are {steps[0]} steps of {per_step:,.0f} tokens, 5 are needed at "
                         "least")  # fmt: skip
    for place in range(1, len(steps)):
        if steps[place] == steps[place - 1]:
            raise ValueError(f"tokens: {budgets[place - 1]:g} and {budgets[place]:g} are both {steps[place]} steps of "
                             f"{per_step:,.0f} tokens, their cells would collide")  # fmt: skip
    if isinstance(seeds, Mapping):
        if strange := next((name for name in seeds if name not in sizes), None):
            raise ValueError(f"seeds: {strange!r} is none of the sizes {', '.join(sizes)}")
        chosen = {size: tuple(seeds.get(size, ())) for size in sizes}
    else:
        chosen = dict.fromkeys(sizes, tuple(seeds))
    for size, some in chosen.items():
        if not some or len(set(some)) < len(some):
            raise ValueError(f"seeds of {size} must be different ones, at least one, got {list(some)}")
    return [Trunk(size, seed, tuple(steps), tuple(round(one) for one in budgets))
            for size in sizes for seed in chosen[size]]  # fmt: skip


def estimate(
    trunks: Sequence[Trunk], shapes: Mapping[str, Shape], per_step: float, length: float, *,
    pace: Mapping[str, float] | None = None, learnt: float = 1.0, muon: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """What a grid costs before it starts: a row a trunk.

    Args:
        shapes: by size. length: mean tokens of a text, `per_step` of a step.
        learnt: share of the tokens at which a token is learnt. muon: whether it is the optimiser.
        pace: measured tokens a second of training, by size; hours are missing without.

    Columns: `size`, `seed`, `parameters`, `cells`, `tokens` (of the trunk and all branches), `flops`, `alone` (FLOPs
    without sharing a trunk), `hours`.
    """
    rows = []
    for trunk in trunks:
        shape = shapes[trunk.size]
        step = float(price_budget(shape, per_step, length, learnt, per_step if muon else 0.0))
        tokens = trunk.trained * per_step
        seconds = tokens / pace[trunk.size] if pace and trunk.size in pace else np.nan
        rows.append({"size": trunk.size, "seed": trunk.seed, "parameters": shape.matrices, "cells": len(trunk.steps),
                     "tokens": tokens, "flops": step * trunk.trained, "alone": step * sum(trunk.steps),
                     "hours": seconds / 3600})  # fmt: skip
    return pd.DataFrame(rows)


def price_budget(shape: Shape, tokens: Any, length: float, learnt: float = 1.0, per_step: float = 0.0) -> Any:
    """FLOPs of training a shape on so many tokens of texts of a mean length. per_step: tokens of a step of Muon; 0 for
    AdamW, whose steps cost nothing besides."""
    steps = length / per_step if per_step else 0.0
    one = count_training(shape, np.array([length]), np.array([learnt * length]), steps) / length
    return np.asarray(tokens, float) * one


def choose(
    law: Law, budget: float, shapes: Mapping[str, Shape], length: float, learnt: float = 1.0,
    draws: Sequence[Law] = (), errors: Sequence[float] = (), per_step: float = 0.0,
) -> pd.DataFrame:  # fmt: skip
    """What a law of N and D says of a training budget in FLOPs: a row a shape, of the grid or not, best first.

    Columns: `size`, `parameters`, `tokens` (that the budget pays for), `predicted`, `low` and `high`: the interval
    within which a model of that size and so many tokens should land on the law's problems, see `laws.foretell`, missing
    without `draws`, which are of seeds alone. per_step: as in `price_budget`.
    """
    rows = []
    for size, shape in shapes.items():
        tokens = budget / float(price_budget(shape, 1.0, length, learnt, per_step))
        predicted, low, high = foretell(law, {"N": shape.matrices, "D": tokens}, draws, errors)
        rows.append({"size": size, "parameters": shape.matrices, "tokens": tokens, "low": low, "high": high,
                     "predicted": predicted})  # fmt: skip
    columns = ["size", "parameters", "tokens", "low", "high", "predicted"]
    return pd.DataFrame(rows, columns=columns).sort_values("predicted", ignore_index=True)


def trace_isoflops(
    law: Law, grid: pd.DataFrame, shapes: Mapping[str, Shape], length: float, learnt: float = 1.0,
    per_step: float = 0.0,
) -> pd.DataFrame:  # fmt: skip
    """What a law of N and D says of equal training FLOPs, from large models trained briefly to small ones trained long
    (the IsoFLOP profiles of Hoffmann et al. 2022, arXiv 2203.15556): a row a budget and shape, by parameters.

    grid: the trainings that the law was fitted to, with `flops`, `parameters` and `tokens`. Budgets are those within of
    1 and 3 times a power of ten, else the dearest; as many tokens are told as a quarter of its least to four times its
    most. Others: see `choose`. Columns: `flops`, `size`, `parameters`, `tokens`, `ratio` (tokens a parameter),
    `predicted`; bool: `inside` (parameters and tokens within the grid's), `best` (the least of its budget, unless it is
    the smallest or the largest of what is told, beyond which there may be a better one), `near` (no more above the
    least than the law's error).
    """
    least, most = grid["flops"].min(), grid["flops"].max()
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    rounded = (factor * 10.0**power for power in powers for factor in (1, 3))
    budgets = [budget for budget in rounded if least <= budget <= most] or [most]
    parts = [choose(law, budget, shapes, length, learnt, per_step=per_step).assign(flops=budget) for budget in budgets]
    table = pd.concat(parts).drop(columns=["low", "high"]).sort_values(["flops", "parameters"])
    table = table[table["tokens"].between(grid["tokens"].min() / _BEYOND, grid["tokens"].max() * _BEYOND)]
    inside = (table[name].between(grid[name].min(), grid[name].max()) for name in ("parameters", "tokens"))
    rows = table.groupby("flops")
    lowest, (small, large) = rows["predicted"].transform("min"), (rows["parameters"].transform(pick)
                                                                  for pick in ("min", "max"))  # fmt: skip
    best = (table["predicted"] == lowest) & table["parameters"].between(small, large, inclusive="neither")
    return table.assign(ratio=table["tokens"] / table["parameters"], inside=np.logical_and(*inside), best=best,
                        near=table["predicted"] <= lowest * (1 + law.error)).reset_index(drop=True)  # fmt: skip
