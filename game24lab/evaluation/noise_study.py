"""The noise lab: the same strategies with the truth for a critic, with truth and noise, with a trained one, with none.

Says which strategy gains by a better critic, how wide a search should be at which noise, and how much of the way from
no critic to a perfect one a trained critic goes. It does not know how strategies search, nor how a table is drawn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from game24lab.evaluation.arms import Arm
from game24lab.evaluation.evaluate import evaluate, summarise
from game24lab.evaluation.oracle_critics import NoCritic, NoisyCritic
from game24lab.evaluation.statistics import resample
from game24lab.models.critic import Critic
from game24lab.runs.checks import require
from game24lab.tasks.task import Task

_REPEATS = 1000  # of the bootstrap over problems
_EDGES = (0.025, 0.975)


def run_lab(
    task: Task, problems: Sequence[Any], arms: Mapping[str, Mapping[str, Any] | Arm], policy: Any,
    trained: Critic | None = None, *, sigmas: Sequence[float] = (0.25, 0.5, 1.0, 2.0), seeds: Sequence[int] = (0,),
    folder: str | Path | None = None, run_id: str = "", progress: bool = True, **settings: Any,
) -> pd.DataFrame:  # fmt: skip
    """Evaluate every arm with the truth, with every sigma, with the trained critic and with none (see `noise`).

    The rows of `evaluate` with two more columns: `critic` ("truth", "truth + 0.5", ..., "none", "trained") and `sigma`
    (0 for the truth, infinite for none, NaN for the trained). Each seed is another luck of the search and
    another draw of the noise. With a `folder` a killed run goes on where it was; further settings are `evaluate`'s.
    ValueError for a sigma that is not above 0, and as `evaluate` does.
    """
    for sigma in sigmas:
        require("sigma", sigma, float, 0, above=True, below=True)  # the truth and no critic come by themselves
    tables = []
    for sigma in (0.0, *sorted(sigmas), math.inf, math.nan):
        if math.isnan(sigma) and trained is None:
            continue
        for seed in seeds:
            if math.isfinite(sigma):
                critic = NoisyCritic(task, sigma, seed, like=trained)
            else:
                critic = trained if math.isnan(sigma) else NoCritic(like=trained)
            name = "trained" if math.isnan(sigma) else critic.name
            path = None if folder is None else Path(folder) / f"{name.replace(' ', '')}.parquet"
            rows = evaluate(task, problems, arms, policy, critic, seeds=[seed], path=path,
                            run_id=f"{run_id} {name}".strip(), progress=progress, **settings)  # fmt: skip
            tables.append(rows.assign(critic=name, sigma=sigma))
    return pd.concat(tables, ignore_index=True)


def tabulate(rows: pd.DataFrame) -> pd.DataFrame:
    """`summarise` for each critic, from the truth to none and the trained one: its columns, and `critic`, `sigma`."""
    table = pd.concat([summarise(part).assign(critic=critic, sigma=part["sigma"].iloc[0])
                       for critic, part in rows.groupby("critic", sort=False)], ignore_index=True)  # fmt: skip
    return table[["critic", "sigma", *table.columns.drop(["critic", "sigma"])]]


def measure_gains(rows: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """What a critic is worth to each strategy, one row an arm and mode, the largest gap first.

    Columns: `arm`, `mode`, `none` and `truth` (accuracies), `gap` (truth - none) with `gap_low` and `gap_high`; with
    a trained critic also `trained`, `closed` (the share of the gap that it closes) and `like_sigma` (the noise on the
    truth with which this arm does as well: 0 as good as the truth, infinite worse than all sigmas tried), each with
    its `_low` and `_high`, all NaN where there is no gap. Between the sigmas tried, accuracy falls linearly; where it
    rises by chance, it is made level (isotonic regression). Intervals at 95 % by bootstrap over problems, all critics
    on the same draws.
    """
    rng, table = np.random.default_rng(seed), []
    for (arm, mode), part in rows.groupby(["strategy", "mode"], sort=False):
        shares = part.groupby(["problem", "critic"])["solved"].mean().unstack()
        known = part.groupby("critic")["sigma"].first()
        curve = known[np.isfinite(known)].sort_values()
        means = dict(zip(shares, resample(shares.to_numpy(), rng, _REPEATS).T, strict=True))
        middle = shares.mean()
        row = {"arm": arm, "mode": mode, "problems": len(shares), "none": middle["none"], "truth": middle["truth"]}
        row |= _bound("gap", middle["truth"] - middle["none"], means["truth"] - means["none"])
        if "trained" in shares:
            row |= {"trained": middle["trained"]}
            closed = _divide(means["trained"] - means["none"], means["truth"] - means["none"])
            row |= _bound("closed", _divide(middle["trained"] - middle["none"], row["gap"]), closed)
            levels = np.stack([means[critic] for critic in curve.index], axis=1)
            found = [
                _match(curve.to_numpy(), level, goal) for level, goal in zip(levels, means["trained"], strict=True)
            ]
            own = _match(curve.to_numpy(), middle[curve.index].to_numpy(), middle["trained"])
            found = np.where(means["truth"] > means["none"], found, math.nan)
            row |= _bound("like_sigma", own if row["gap"] > 0 else math.nan, found)
        table.append(row)
    return pd.DataFrame(table).sort_values("gap", ascending=False, kind="stable", ignore_index=True)


def _divide(part: np.ndarray | float, gap: np.ndarray | float) -> np.ndarray:
    """The share of a gap; NaN where there is no gap to close."""
    return np.where(np.asarray(gap) > 0, part / np.where(np.asarray(gap) > 0, gap, 1.0), np.nan)


def _bound(name: str, middle: float, draws: np.ndarray) -> dict[str, float]:
    """A number with its percentile interval, missing draws left out."""
    draws = draws[~np.isnan(draws)]
    low, high = np.quantile(draws, _EDGES, method="nearest") if len(draws) else (math.nan, math.nan)
    return {name: float(middle), f"{name}_low": float(low), f"{name}_high": float(high)}


def _match(sigmas: np.ndarray, accuracies: np.ndarray, goal: float) -> float:
    """The sigma at which a falling line through the points meets the goal."""
    level = isotonic_regression(accuracies, increasing=False).x
    if goal >= level[0]:
        return 0.0
    if goal < level[-1]:
        return math.inf
    after = int(np.argmax(level <= goal))  # the first point not above the goal; the one before it is above
    share = (level[after - 1] - goal) / (level[after - 1] - level[after])
    return float(sigmas[after - 1] + share * (sigmas[after] - sigmas[after - 1]))


def find_widths(rows: pd.DataFrame, parameter: str, *, seed: int = 0) -> pd.DataFrame:
    """How wide a search should be with each critic, among arms that differ in one whole-number parameter alone.

    One row an algorithm, mode, critic and value of the parameter: `accuracy` with `low` and `high`, `sampled_tokens`
    (mean), and `useful`: the smallest value that no larger one beats, which stands in all rows of the group. One beats
    another where the interval of their difference, by bootstrap over problems, lies above 0. ValueError where no arm
    has the parameter, or no two differ in it.
    """
    table = tabulate(rows)
    settings = {text: json.loads(text) for text in rows["parameters"].unique()}
    table["width"] = [settings[text].get(parameter) for text in table["parameters"]]
    table = table.dropna(subset=["width"]).astype({"width": int})
    rest = [
        {name: value for name, value in settings[text].items() if name != parameter} for text in table["parameters"]
    ]
    table["rest"] = [json.dumps(one, sort_keys=True) for one in rest]
    found = []
    for _, part in table.groupby(["algorithm", "mode", "rest", "critic"], sort=False):
        part = part.sort_values("width")
        if part["width"].nunique() > 1:
            own = rows[(rows["critic"] == part["critic"].iloc[0]) & (rows["mode"] == part["mode"].iloc[0])]
            shares = own.groupby(["problem", "strategy"])["solved"].mean().unstack()[list(part["arm"])]
            useful = part["width"].iloc[_find_useful(shares.to_numpy(), seed)]
            found.append(part.assign(useful=useful))
    if not found:
        raise ValueError(f"parameter {parameter!r}: arms that have it and differ in nothing else are needed, in "
                         f"{', '.join(map(str, rows['strategy'].unique()))} there are none")  # fmt: skip
    columns = ["algorithm", "mode", "critic", "sigma", "width", "accuracy", "low", "high", "sampled_tokens", "useful"]
    return pd.concat(found, ignore_index=True)[columns]


def _find_useful(shares: np.ndarray, seed: int) -> int:
    """Shares of shape (problems, widths), rising in width: the first column that no later one beats."""
    means = resample(shares, np.random.default_rng(seed), _REPEATS)
    for place in range(shares.shape[1]):
        ahead = np.quantile(means[:, place + 1 :] - means[:, [place]], _EDGES[0], axis=0)
        if not (ahead > 0).any():
            return place
    return shares.shape[1] - 1
