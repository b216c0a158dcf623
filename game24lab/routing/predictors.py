"""Predictors: a learnt model as plain arrays, for networks, linear models and boosted trees alike, and its calibration.

They answer with NumPy alone, so that what was trained by one library and loaded years later without it says the same.
This module does not know how a model learns, nor what its inputs and outputs mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit

KINDS = {  # of predictors, with the arrays that each needs; a network has weight_0, bias_0, weight_1, ...
    "network": ("weight_0", "bias_0"),
    "linear": ("weight", "bias"),
    "trees": ("feature", "threshold", "left", "right", "value", "roots", "baseline"),
}
LINKS = ("logit", "log")  # of chances, of costs
MAPS = {"none": (), "platt": ("slope", "shift"), "isotonic": ("before", "after")}
_ROWS = 4096  # that go down the trees together


@dataclass(frozen=True)
class Predictor:
    """A model of one number: `kind` and `link` as above, and its arrays."""

    kind: str
    link: str
    arrays: Mapping[str, np.ndarray] = field(repr=False)

    def __post_init__(self) -> None:
        for name, value, known in (("kind", self.kind, KINDS), ("link", self.link, LINKS)):
            if value not in known:
                raise ValueError(f"predictor {name} {value!r}: one of {', '.join(known)} is accepted")
        for name in KINDS[self.kind]:
            if name not in self.arrays:
                raise ValueError(f"predictor of kind {self.kind}: lacks the array {name!r}")
        if self.kind == "trees":
            own, nodes = np.arange(len(self.arrays["feature"])), len(self.arrays["feature"])
            for name in ("left", "right"):  # down and never back: what is loaded from a file may not go in circles
                to = self.arrays[name]
                if len(to) != nodes or ((to >= 0) & (to <= own)).any() or (to >= nodes).any():
                    raise ValueError(f"predictor of kind trees: {name} leads back, or out of its {nodes} nodes")
            roots = self.arrays["roots"]
            if ((roots < 0) | (roots >= nodes)).any():
                raise ValueError(f"predictor of kind trees: a root lies out of its {nodes} nodes")

    def score(self, x: np.ndarray) -> np.ndarray:
        """What stands before the link, shape (rows,), for inputs of shape (rows, inputs)."""
        if self.kind == "trees":
            return self.stage(x)[:, -1]
        arrays = self.arrays
        if self.kind == "linear":
            return x @ arrays["weight"] + arrays["bias"]
        layers = sum(name.startswith("weight_") for name in arrays)
        for layer in range(layers):
            x = x @ arrays[f"weight_{layer}"] + arrays[f"bias_{layer}"]
            x = np.maximum(x, 0) if layer < layers - 1 else x
        return x[:, 0]

    def stage(self, x: np.ndarray) -> np.ndarray:
        """Scores of trees after none, one, two ... of them, shape (rows, trees + 1)."""
        arrays, found = self.arrays, []
        for begin in range(0, max(1, len(x)), _ROWS):
            part = x[begin : begin + _ROWS]
            rows = np.arange(len(part))[:, None]
            at = np.tile(arrays["roots"], (len(part), 1))
            while at.size and (inner := arrays["left"][at] >= 0).any():
                goes_left = part[rows, arrays["feature"][at]] <= arrays["threshold"][at]
                at = np.where(inner, np.where(goes_left, arrays["left"][at], arrays["right"][at]), at)
            values = arrays["value"][at] if at.size else np.zeros(at.shape)
            steps = np.concatenate([np.full((len(part), 1), float(arrays["baseline"])), values], axis=1)
            found.append(np.cumsum(steps, axis=1))
        return np.concatenate(found)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Chances within 0..1, or costs of at least 0, shape (rows,)."""
        return invert(self.link, self.score(x))


@dataclass(frozen=True)
class Calibration:
    """A map from scores (log odds) to chances: Platt's a s + b (1999), isotonic steps, or none."""

    kind: str = "none"
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in MAPS:
            raise ValueError(f"calibration {self.kind!r}: one of {', '.join(MAPS)} is accepted")
        for name in MAPS[self.kind]:
            if name not in self.arrays:
                raise ValueError(f"calibration {self.kind}: lacks the array {name!r}")

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Chances, of the shape of `scores`."""
        if self.kind == "platt":
            return expit(self.arrays["slope"] * scores + self.arrays["shift"])
        if self.kind == "isotonic":
            return np.interp(expit(scores), self.arrays["before"], self.arrays["after"])
        return expit(scores)


def invert(link: str, scores: np.ndarray) -> np.ndarray:
    """From scores to chances or costs."""
    return expit(scores) if link == "logit" else np.exp(np.clip(scores, -50, 50))


def measure_loss(link: str, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Mean loss over the first axis: cross-entropy of soft labels, or the Poisson loss exp(s) - y s, whose minimum is
    the mean of the costs (and not that of their logarithms)."""
    rise = np.logaddexp(0, scores) if link == "logit" else invert(link, scores)
    return (rise - targets * scores).mean(axis=0)
