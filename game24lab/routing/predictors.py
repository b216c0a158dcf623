"""Predictors: a learnt model of one number as plain arrays: linear, a network, or the trees of an older router.

They answer with NumPy alone, so that what was trained by one library and loaded years later without it says the same.
`Calibration` maps scores to chances. This module does not know how a model learns, nor what its inputs mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit

from game24lab.runs.checks import require_one_of

KINDS = {  # of predictors, with the arrays that each needs; a network has weight_0, bias_0, weight_1, ...
    "network": ("weight_0", "bias_0"),
    "linear": ("weight", "bias"),
    "trees": ("feature", "threshold", "left", "right", "value", "roots", "baseline"),  # read, no longer written
}
LINKS = ("logit", "log")  # of chances, of costs
MAPS = {"none": (), "platt": ("slope", "shift"), "isotonic": ("before", "after")}  # of calibrations, with their arrays


@dataclass(frozen=True)
class Predictor:
    """A model of one number: `kind` and `link` as above, and its arrays."""

    kind: str
    link: str
    arrays: Mapping[str, np.ndarray] = field(repr=False)

    def __post_init__(self) -> None:
        require_one_of("predictor kind", self.kind, tuple(KINDS))
        require_one_of("predictor link", self.link, LINKS)
        check_arrays(f"predictor of kind {self.kind}", self.arrays, KINDS[self.kind])
        if self.kind == "trees":
            own, nodes, roots = (np.arange(len(self.arrays["feature"])), len(self.arrays["feature"]),
                                 self.arrays["roots"])  # fmt: skip
            for name in ("left", "right"):  # down and never back: what is loaded from a file may not go in circles
                to = self.arrays[name]
                if len(to) != nodes or ((to >= 0) & (to <= own)).any() or (to >= nodes).any():
                    raise ValueError(f"predictor of kind trees: {name} leads back, or out of its {nodes} nodes")
            if ((roots < 0) | (roots >= nodes)).any():
                raise ValueError(f"predictor of kind trees: a root lies out of its {nodes} nodes")

    def score(self, x: np.ndarray) -> np.ndarray:
        """The value before the link, shape (rows,), for inputs of shape (rows, inputs)."""
        arrays = self.arrays
        if self.kind == "trees":
            return self._sum_trees(x)
        if self.kind == "linear":
            return x @ arrays["weight"] + arrays["bias"]
        layers = sum(name.startswith("weight_") for name in arrays)
        for layer in range(layers):
            x = x @ arrays[f"weight_{layer}"] + arrays[f"bias_{layer}"]
            x = np.maximum(x, 0) if layer < layers - 1 else x
        return x[:, 0]

    def _sum_trees(self, x: np.ndarray) -> np.ndarray:
        arrays, rows, sums = self.arrays, np.arange(len(x)), np.full(len(x), float(self.arrays["baseline"]))
        for root in arrays["roots"]:
            at = np.full(len(x), root)
            while (inner := arrays["left"][at] >= 0).any():
                goes_left = x[rows, arrays["feature"][at]] <= arrays["threshold"][at]
                at = np.where(inner, np.where(goes_left, arrays["left"][at], arrays["right"][at]), at)
            sums += arrays["value"][at]
        return sums

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Chances within 0..1, or costs of at least 0, shape (rows,)."""
        return invert(self.link, self.score(x))


@dataclass(frozen=True)
class Calibration:
    """A map from scores (log odds) to chances: Platt's a s + b (1999), isotonic steps, or none."""

    kind: str = "none"
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        require_one_of("calibration", self.kind, tuple(MAPS))
        check_arrays(f"calibration {self.kind}", self.arrays, MAPS[self.kind])

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Chances, of the shape of `scores`."""
        if self.kind == "platt":
            return expit(self.arrays["slope"] * scores + self.arrays["shift"])
        if self.kind == "isotonic":
            return np.interp(expit(scores), self.arrays["before"], self.arrays["after"])
        return expit(scores)


def check_arrays(owner: str, arrays: Mapping[str, np.ndarray], names: tuple[str, ...]) -> None:
    """ValueError that names the first of some arrays that is missing."""
    for name in names:
        if name not in arrays:
            raise ValueError(f"{owner}: lacks the array {name!r}")


def invert(link: str, scores: np.ndarray) -> np.ndarray:
    """From scores to chances or costs."""
    return expit(scores) if link == "logit" else np.exp(np.clip(scores, -50, 50))


def measure_loss(link: str, scores: np.ndarray, targets: np.ndarray) -> float:
    """Mean loss: cross-entropy of soft labels, or the Poisson loss exp(s) - y s, whose minimum is the mean of the costs
    (and not that of their logarithms)."""
    rise = np.logaddexp(0, scores) if link == "logit" else invert(link, scores)
    return float((rise - targets * scores).mean())
