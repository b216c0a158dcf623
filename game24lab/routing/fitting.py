"""Learners: fit a network, a linear model or boosted trees to chances or costs, stopped by rows of their own.

Networks by torch, the others by scikit-learn; all end as a `Predictor`. Chances are soft labels: a row of label y is a
success of weight y and a failure of weight 1 - y. This module does not know what rows are, nor who stops whom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_array
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from tqdm.auto import tqdm

from game24lab.routing.predictors import MAPS, Calibration, Predictor, measure_loss

MODELS = ("boosting", "logistic", "mlp")
_STRENGTHS = (1e-3, 1e-2, 0.1, 1.0, 10.0)  # of a linear model's penalty, tried out on the stopping rows
_RARE = 30  # rows a leaf holds at least


@dataclass(frozen=True)
class RouterConfig:
    """How to learn a router; the defaults suit a few hundred puzzles with about twenty arms."""

    model: str = "boosting"  # "boosting", "logistic", "mlp"
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
        for name, options in (("model", MODELS), ("calibration", tuple(MAPS))):
            if getattr(self, name) not in options:
                raise ValueError(f"{name} {getattr(self, name)!r}: one of {', '.join(options)} is accepted")
        for name in ("batch_size", "steps", "leaves", "patience"):
            value, least = getattr(self, name), 2 if name == "leaves" else 1
            if type(value) is not int or value < least:
                raise ValueError(f"{name} {value!r}: a whole number of at least {least} is accepted")
        for name in ("learning_rate", "weight_decay", "shrinkage"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ValueError(f"{name} {value!r}: a number of at least 0 is accepted (in YAML 1.0e-4)")
        widths = self.hidden if isinstance(self.hidden, list | tuple) and self.hidden else [None]
        if any(type(width) is not int or width < 1 for width in widths):
            raise ValueError(f"hidden {self.hidden!r}: a list of whole numbers of at least 1 is accepted")
        if type(self.seed) is not int or self.seed < 0:
            raise ValueError(f"seed {self.seed!r}: a whole number of at least 0 is accepted")


# The published probe (arXiv 2509.09864): two layers of 200, Adam at 1e-5, binary cross-entropy on soft labels, Platt.
PUBLISHED_SHAPE = {"model": "mlp", "hidden": (200, 200), "learning_rate": 1e-5, "weight_decay": 0.0, "batch_size": 64}


def fit(
    config: RouterConfig,
    link: str,
    x: np.ndarray,
    y: np.ndarray,
    watched: tuple[np.ndarray, np.ndarray],
    *,
    progress: bool = True,
) -> tuple[Predictor, pd.DataFrame]:
    """The model with the least loss on the `watched` rows (x, y), and its curve: `step`, `loss` and `stopping`.

    Args:
        link: "logit" for chances from 0 to 1, "log" for costs of at least 0 with a positive sum.
        x: inputs, shape (rows, inputs), each of about unit size.

    The curve's steps are epochs of a network, numbers of trees, or strengths of a penalty.
    """
    learn = {"mlp": _fit_network, "logistic": _fit_linear, "boosting": _fit_trees}[config.model]
    return learn(config, link, x, y, watched, progress)


def calibrate(kind: str, scores: np.ndarray, targets: np.ndarray) -> Calibration:
    """The map from scores to chances that fits the soft targets best; ValueError where they are all 0 or all 1."""
    if kind == "none":
        return Calibration()
    if targets.sum() == 0 or targets.sum() == len(targets):
        raise ValueError(f"calibration: all {len(targets)} labels are {targets[0]:g}; some of both kinds are needed")
    if kind == "platt":
        model = LogisticRegression(C=1e6).fit(*_double(scores[:, None], targets))
        arrays = {"slope": model.coef_[0, 0], "shift": model.intercept_[0]}
    else:
        model = IsotonicRegression(out_of_bounds="clip").fit(1 / (1 + np.exp(-scores)), targets)
        arrays = {"before": model.X_thresholds_, "after": model.y_thresholds_}
    return Calibration(kind, {name: np.asarray(value, float) for name, value in arrays.items()})


def _double(x: np.ndarray | csr_array, y: np.ndarray) -> tuple[np.ndarray | csr_array, np.ndarray, np.ndarray]:
    """Soft labels as scikit-learn takes them: every row as a success and as a failure, each with its weight."""
    kept = np.concatenate([y > 0, y < 1])  # weights of 0 would be in the way of leaves that hold enough
    labels, rows = np.repeat([1, 0], len(y)), np.tile(np.arange(len(y)), 2)
    return x[rows[kept]], labels[kept], np.concatenate([y, 1 - y])[kept]


def _fit_linear(config, link, x, y, watched, progress) -> tuple[Predictor, pd.DataFrame]:
    best, least, curve = None, math.inf, []
    dense, x = x, csr_array(x)  # products with arms are mostly zeros
    for strength in tqdm(_STRENGTHS, disable=not progress, desc="penalties", leave=False):
        if link == "logit":
            model = LogisticRegression(C=1 / (strength * len(dense)), max_iter=2000).fit(*_double(x, y))
            weight, bias = model.coef_[0], model.intercept_[0]
        else:
            model = PoissonRegressor(alpha=strength, max_iter=2000).fit(x, y)
            weight, bias = model.coef_, model.intercept_
        predictor = Predictor("linear", link, {"weight": weight, "bias": np.asarray(bias, float)})
        loss = float(measure_loss(link, predictor.score(watched[0]), watched[1]))
        curve.append((strength, float(measure_loss(link, predictor.score(dense), y)), loss))
        if loss < least:
            best, least = predictor, loss
    return best, _tabulate(curve)


def _fit_trees(config, link, x, y, watched, progress) -> tuple[Predictor, pd.DataFrame]:
    shape = {"max_iter": config.steps, "max_leaf_nodes": config.leaves, "learning_rate": config.shrinkage,
             "min_samples_leaf": _RARE, "early_stopping": False, "random_state": config.seed}  # fmt: skip
    if link == "logit":
        model = HistGradientBoostingClassifier(**shape).fit(*_double(x, y))
    else:
        model = HistGradientBoostingRegressor(loss="poisson", **shape).fit(x, y)
    whole = _read_trees(model, link, config.steps)
    curve = [measure_loss(link, whole.stage(rows), labels[:, None]) for rows, labels in ((x, y), watched)]
    best = int(np.argmin(curve[1]))
    return _read_trees(model, link, best), _tabulate(zip(range(config.steps + 1), *curve, strict=True))


def _read_trees(model, link: str, count: int) -> Predictor:
    """The first trees of a fitted model as arrays. scikit-learn keeps them in attributes of its own, so that a test
    holds what is read here against what it predicts."""
    nodes = [tree.nodes for (tree,) in model._predictors[:count]]
    begins = np.cumsum([0, *map(len, nodes)], dtype=np.int64)
    flat = np.concatenate([*nodes, np.zeros(0, model._predictors[0][0].nodes.dtype)])
    shift = np.repeat(begins[:-1], np.diff(begins))
    leaf = flat["is_leaf"].astype(bool)
    children = {side: np.where(leaf, -1, flat[side].astype(np.int64) + shift) for side in ("left", "right")}
    return Predictor("trees", link, {
        "feature": np.where(leaf, 0, flat["feature_idx"]).astype(np.int64), **children,
        "threshold": np.where(leaf, 0.0, flat["num_threshold"]), "value": flat["value"].astype(float),
        "roots": begins[:-1].astype(np.int64), "baseline": np.asarray(model._baseline_prediction, float).reshape(()),
    })  # fmt: skip


def _fit_network(config, link, x, y, watched, progress) -> tuple[Predictor, pd.DataFrame]:
    inputs, targets = torch.from_numpy(x).float(), torch.from_numpy(y).float()
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        widths = [x.shape[1], *config.hidden, 1]
        layers = []
        for before, after in pairwise(widths):
            layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
        network = torch.nn.Sequential(*layers[:-1])
        optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        best, least, since, curve = _read_network(network, link), math.inf, 0, []
        for epoch in (bar := tqdm(range(config.steps), disable=not progress, desc="epochs", leave=False)):
            losses = []
            for rows in torch.randperm(len(x)).split(config.batch_size):
                scores = network(inputs[rows])[:, 0]
                loss = _measure_torch(link, scores, targets[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                losses.append(loss.item() * len(rows))
            now = _read_network(network, link)
            stopping = float(measure_loss(link, now.score(watched[0]), watched[1]))
            curve.append((epoch + 1, sum(losses) / len(x), stopping))
            bar.set_postfix(stopping=f"{stopping:.4f}")
            best, least, since = (now, stopping, 0) if stopping < least else (best, least, since + 1)
            if since >= config.patience:
                break
    return best, _tabulate(curve)


def _measure_torch(link: str, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if link == "logit":
        return torch.nn.functional.binary_cross_entropy_with_logits(scores, targets)
    return torch.nn.functional.poisson_nll_loss(scores.clamp(max=50), targets)


def _read_network(network: torch.nn.Sequential, link: str) -> Predictor:
    arrays = {}
    for number, layer in enumerate(one for one in network if isinstance(one, torch.nn.Linear)):
        arrays[f"weight_{number}"] = layer.weight.detach().double().numpy().T.copy()
        arrays[f"bias_{number}"] = layer.bias.detach().double().numpy().copy()
    return Predictor("network", link, arrays)


def _tabulate(curve) -> pd.DataFrame:
    return pd.DataFrame([tuple(map(float, row)) for row in curve], columns=["step", "loss", "stopping"])
