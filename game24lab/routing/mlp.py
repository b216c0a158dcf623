"""The multilayer perceptron of a router, trained by torch until the loss on stopping rows rises, kept as arrays.

It does not know what rows are.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from game24lab.routing.predictors import Predictor, measure_loss

# The published probe (arXiv 2509.09864): two layers of 200, Adam at 1e-5, binary cross-entropy on soft labels, Platt.
PUBLISHED_SHAPE = {"model": "mlp", "hidden": (200, 200), "learning_rate": 1e-5, "weight_decay": 0.0, "batch_size": 64}


def fit_mlp(
    config: Any, link: str, x: np.ndarray, y: np.ndarray, watched: tuple[np.ndarray, np.ndarray], progress: bool
) -> tuple[Predictor, list[tuple[float, float, float]]]:
    """As `training.fit`; `config` is a `training.RouterConfig`, the steps of the curve are epochs."""
    inputs, targets = torch.from_numpy(x).float(), torch.from_numpy(y).float()
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        layers = []
        for before, after in pairwise([x.shape[1], *config.hidden, 1]):
            layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
        network = torch.nn.Sequential(*layers[:-1])
        optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        best, least, since, curve = _read(network, link), math.inf, 0, []
        for epoch in (bar := tqdm(range(config.steps), disable=not progress, desc="epochs")):
            losses = []
            for rows in torch.randperm(len(x)).split(config.batch_size):
                loss = _measure(link, network(inputs[rows])[:, 0], targets[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                losses.append(loss.item() * len(rows))
            now = _read(network, link)
            stopping = measure_loss(link, now.score(watched[0]), watched[1])
            curve.append((epoch + 1, sum(losses) / len(x), stopping))
            bar.set_postfix(stopping=f"{stopping:.4f}")
            best, least, since = (now, stopping, 0) if stopping < least else (best, least, since + 1)
            if since >= config.patience:
                break
    return best, curve


def _measure(link: str, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if link == "logit":
        return torch.nn.functional.binary_cross_entropy_with_logits(scores, targets)
    return torch.nn.functional.poisson_nll_loss(scores.clamp(max=50), targets)


def _read(network: torch.nn.Sequential, link: str) -> Predictor:
    arrays = {}
    for number, layer in enumerate(one for one in network if isinstance(one, torch.nn.Linear)):
        arrays[f"weight_{number}"] = layer.weight.detach().double().numpy().T.copy()
        arrays[f"bias_{number}"] = layer.bias.detach().double().numpy().copy()
    return Predictor("network", link, arrays)
