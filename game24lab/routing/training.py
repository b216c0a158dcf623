"""Training of a router: one model for the chance of a right answer and one for each cost, each on puzzles of its part.

Parts are taken from the table's column `part`: "train" trains, "stopping" stops, "calibration" calibrates, "test" is
not looked at. Chances are soft labels. This module does not know where features come from, nor what is done with a
router.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.special import logit
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from tqdm.auto import tqdm

from game24lab.routing.arms import describe_arms
from game24lab.routing.calibration import calibrate, split_labels
from game24lab.routing.mlp import fit_mlp
from game24lab.routing.predictors import MAPS, Predictor, invert, measure_loss
from game24lab.routing.probe import ORACLE, PROBE_COSTS, VERDICT
from game24lab.routing.router import CHANCE, COSTS, Encoding, Router, check_features
from game24lab.routing.splits import PARTS, show
from game24lab.routing.table import check_table, list_arms
from game24lab.runs.checks import require, require_one_of

STORED = ("logistic", "mlp")  # models that a router folder can hold
MODELS = ("boosting", *STORED)
_NEEDED = ("problem", "arm", "part", CHANCE, COSTS[0], "method", "verified")
_STRENGTHS = (1e-3, 1e-2, 0.1, 1.0, 10.0)  # of a linear model's penalty, tried out on the stopping rows
_RARE = 30  # rows a leaf holds at least


@dataclass(frozen=True)
class RouterConfig:
    """How to learn a router; the defaults suit a few hundred puzzles with about twenty arms."""

    model: str = "boosting"  # "boosting" (compared, not stored), "logistic", "mlp"
    hidden: Sequence[int] = (64, 64)  # widths of the network's hidden layers
    learning_rate: float = 1e-3  # of the network (Adam)
    weight_decay: float = 1e-2  # of the network, decoupled
    batch_size: int = 256  # rows a step of the network
    steps: int = 300  # epochs of the network, or trees, at most
    leaves: int = 8  # of a tree, at most
    shrinkage: float = 0.05  # of a tree
    patience: int = 20  # epochs without a better loss on the stopping rows
    calibration: str = "platt"  # "platt", "isotonic", "none"
    seed: int = 0

    def __post_init__(self) -> None:
        require_one_of("model", self.model, MODELS)
        require_one_of("calibration", self.calibration, tuple(MAPS))
        for name, least in {"batch_size": 1, "steps": 1, "leaves": 2, "patience": 1, "seed": 0}.items():
            require(name, getattr(self, name), int, least)
        for name in ("learning_rate", "weight_decay", "shrinkage"):
            require(name, getattr(self, name), float, 0)
        if not isinstance(self.hidden, list | tuple) or not self.hidden:
            raise ValueError(f"hidden must be a list of integers >= 1, got {self.hidden!r}")
        for width in self.hidden:
            require("hidden", width, int, 1)


def train(
    config: RouterConfig, table: pd.DataFrame, features: pd.DataFrame, *, columns: Sequence[str] | None = None,
    facts: Mapping[str, Any] | None = None, progress: bool = True,
) -> Router:  # fmt: skip
    """Learn from a tidy table (a row a problem and arm, with `part`) and features indexed by problem.

    Args:
        columns: the features it may see; None = all but the cost of a probe and what only an oracle knows; none at all
            makes a router that knows the arms alone.
        facts: what else is to be kept in the router, such as where the features come from.

    Costs that are NaN throughout are not learnt. ValueError as `check_training` and `check_features`, and where the
    training puzzles hold one class only or no cost at all.
    """
    columns = list_inputs(features) if columns is None else list(columns)
    check_features(features, columns)
    check_training(table, features)
    names = list(dict.fromkeys(table["arm"]))
    parts = {part: _arrange(table[table["part"] == part], names) for part in PARTS}
    needed = ("train", "stopping", *(("calibration",) if config.calibration != "none" else ()))
    for part in needed:
        if not len(parts[part]):
            raise ValueError(f"part {part!r}: no puzzles are in it; at least one is needed")
    labels = parts["train"][CHANCE]
    if labels.max() == 0 or labels.min() == 1:
        raise ValueError(f"part 'train': labels of both classes are needed, got {len(labels)} that are all "
                         f"{labels.iloc[0]:g}, one class only")  # fmt: skip
    seen = {part: features.loc[list(dict.fromkeys(parts[part]["problem"]))] for part in needed}
    encoding = _make_encoding(seen["train"][columns], names, table, crossed=config.model == "logistic")
    inputs = {part: encoding.encode(seen[part]) for part in needed}
    predictors, scales, curves = {}, {}, []
    for target in (CHANCE, *COSTS):
        if target not in table or table[target].isna().all():
            continue
        scale = 1.0 if target == CHANCE else float(parts["train"][target].mean())
        if not scale > 0:
            raise ValueError(f"{target}: every attempt at the training puzzles costs nothing; a cost above 0 is needed")
        scales |= {} if target == CHANCE else {target: scale}
        labels = {part: parts[part][target].to_numpy(float) / scale for part in needed}
        link, watched = "logit" if target == CHANCE else "log", (inputs["stopping"], labels["stopping"])
        predictors[target], curve = fit(config, link, inputs["train"], labels["train"], watched, progress=progress)
        curves.append(curve.assign(target=target))
    scored = predictors[CHANCE].score(inputs["calibration"]) if "calibration" in needed else None
    calibration = calibrate(config.calibration, scored, parts["calibration"][CHANCE].to_numpy(float))
    counts = {part: int(rows["problem"].nunique()) for part, rows in parts.items() if len(rows)}
    runs = list_arms(table) if "parameters" in table else {}
    return Router(asdict(config), encoding, predictors, scales, calibration, runs,
                  {"problems": counts} | dict(facts or {}), pd.concat(curves, ignore_index=True))  # fmt: skip


def list_inputs(features: pd.DataFrame) -> list[str]:
    """The features that a router may see: all numbers but the cost of a probe and what only an oracle knows."""
    return [name for name in features if name not in PROBE_COSTS and not str(name).startswith((ORACLE, VERDICT))]


def check_training(table: pd.DataFrame, features: pd.DataFrame) -> None:
    """ValueError, beside those of `table.check_table`, for a table without parts, methods or tokens, and for a problem
    without features."""
    for name in _NEEDED:
        if name not in table:
            raise ValueError(f"table: the column {name!r} is missing; there are {', '.join(map(str, table))}")
    check_table(table)
    if table[COSTS[0]].isna().all():
        raise ValueError(f"table: {COSTS[0]} are not known for any row; a router that is to spare them needs them")
    if absent := [problem for problem in dict.fromkeys(table["problem"]) if problem not in features.index]:
        raise ValueError(f"features: {show(absent[0])} has none; every problem of the table needs a row")


def _arrange(rows: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Rows in the order of `Encoding.encode`: problems as they come, within them the arms in their order."""
    place = {problem: number for number, problem in enumerate(dict.fromkeys(rows["problem"]))}
    order = rows["problem"].map(place) * len(arms) + rows["arm"].map({arm: at for at, arm in enumerate(arms)})
    return rows.iloc[np.argsort(order.to_numpy(), kind="stable")]


def _make_encoding(features: pd.DataFrame, arms: Sequence[str], table: pd.DataFrame, *, crossed: bool) -> Encoding:
    values = features.to_numpy(float).reshape(len(features), -1)
    there = ~np.isnan(values)
    counts = np.maximum(there.sum(axis=0), 1)
    middle = np.where(there, values, 0.0).sum(axis=0) / counts
    scale = np.sqrt((np.where(there, values - middle, 0.0) ** 2).sum(axis=0) / counts)
    known = describe_arms(table).loc[list(arms)].to_numpy(float)
    spread = known.std(axis=0)
    known = (known - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return Encoding(tuple(features.columns), tuple(arms), middle, np.where(scale > 1e-12, scale, 1.0),
                    np.concatenate([known, np.eye(len(arms))], axis=1), crossed)  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ models
def fit(
    config: RouterConfig, link: str, x: np.ndarray, y: np.ndarray, watched: tuple[np.ndarray, np.ndarray], *,
    progress: bool = True,
) -> tuple[Predictor | BoostedTrees, pd.DataFrame]:  # fmt: skip
    """The model with the least loss on the `watched` rows (x, y), and its curve: `step`, `loss` and `stopping`.

    Args:
        link: "logit" for chances from 0 to 1, "log" for costs of at least 0 with a positive sum.
        x: inputs, shape (rows, inputs), each of about unit size.

    The curve's steps are epochs of a network, numbers of trees, or strengths of a penalty.
    """
    learn = {"mlp": fit_mlp, "logistic": _fit_linear, "boosting": _fit_trees}[config.model]
    predictor, curve = learn(config, link, x, y, watched, progress)
    return predictor, pd.DataFrame(curve, columns=["step", "loss", "stopping"], dtype=float)


def _fit_linear(config, link, x, y, watched, progress) -> tuple[Predictor, list]:
    best, least, curve = None, math.inf, []
    dense, x = x, csr_array(x)  # products with arms are mostly zeros
    for strength in tqdm(_STRENGTHS, disable=not progress, desc="penalties"):
        if link == "logit":
            model = LogisticRegression(C=1 / (strength * len(dense)), max_iter=2000).fit(*split_labels(x, y))
            weight, bias = model.coef_[0], model.intercept_[0]
        else:
            model = PoissonRegressor(alpha=strength, max_iter=2000).fit(x, y)
            weight, bias = model.coef_, model.intercept_
        predictor = Predictor("linear", link, {"weight": weight, "bias": np.asarray(bias, float)})
        loss = measure_loss(link, predictor.score(watched[0]), watched[1])
        curve.append((strength, measure_loss(link, predictor.score(dense), y), loss))
        if loss < least:
            best, least = predictor, loss
    return best, curve


@dataclass(frozen=True)
class BoostedTrees:
    """The first `count` trees of a fitted scikit-learn model, used as a `Predictor` but never stored."""

    link: str
    model: Any = field(repr=False)
    start: float  # the score without a tree
    count: int

    def stage(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Scores after none, one, two ... trees, each of shape (rows,)."""
        yield np.full(len(x), self.start)
        yield from (self.model.staged_decision_function(x) if self.link == "logit"
                    else map(np.log, self.model.staged_predict(x)))  # fmt: skip

    def score(self, x: np.ndarray) -> np.ndarray:
        """The value before the link, shape (rows,)."""
        return next(islice(self.stage(x), self.count, None))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Chances within 0..1, or costs of at least 0, shape (rows,)."""
        return invert(self.link, self.score(x))


def _fit_trees(config, link, x, y, watched, progress) -> tuple[BoostedTrees, list]:
    shape = {"max_iter": config.steps, "max_leaf_nodes": config.leaves, "learning_rate": config.shrinkage,
             "min_samples_leaf": _RARE, "early_stopping": False, "random_state": config.seed}  # fmt: skip
    if link == "logit":
        model = HistGradientBoostingClassifier(**shape).fit(*split_labels(x, y))
    else:
        model = HistGradientBoostingRegressor(loss="poisson", **shape).fit(x, y)
    trees = BoostedTrees(link, model, float(logit(y.mean()) if link == "logit" else np.log(y.mean())), config.steps)
    losses = [[measure_loss(link, scores, labels) for scores in trees.stage(rows)]
              for rows, labels in ((x, y), watched)]  # fmt: skip
    best, curve = int(np.argmin(losses[1])), list(zip(range(config.steps + 1), *losses, strict=True))
    return BoostedTrees(link, model, trees.start, best), curve
