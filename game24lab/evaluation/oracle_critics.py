"""Critics that know the truth, more or less: what a search would do with a perfect critic, a worse one, or none.

They are exact opposites of a trained one: nothing is learnt, and how wrong they are is chosen. The task must be able to
read a position back from its text (`task.read`) and to know its truth. This module does not know of search or figures.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from game24lab.runs.checks import require
from game24lab.tasks.task import Task

if TYPE_CHECKING:  # it brings torch, which a report does without
    from game24lab.models.critic import Critic

_SIGMAS = (0.05, 100.0)  # between them the AUC falls from 1 to 0.51


class NoisyCritic:
    """1 for a position that is alive, -1 for a dead one, plus noise N(0, sigma), clipped to [-1, 1].

    The noise is a hash of position and seed: a position that is met again, by whatever way, has the same. With sigma 0
    it is the truth alone. It is charged as `like` would be, so that costs can be compared; without, its tokens are 0.
    """

    def __init__(self, task: Task, sigma: float = 0.0, seed: int = 0, *, like: Critic | None = None) -> None:
        """ValueError for a sigma that is negative or infinite, and for a task that cannot read its texts back."""
        require("sigma", sigma, float, 0, below=True)
        if not hasattr(task, "read"):
            raise ValueError(f"task {task.name!r}: it cannot read a position from its text, so nobody knows the truth")
        self.task, self.sigma, self.seed, self.like = task, sigma, seed, like
        self.name = f"truth + {sigma:g}" if sigma else "truth"
        self.parameters = like.parameters if like else 0

    def count(self, text: str) -> int:
        """Tokens that `like` would forward."""
        return self.like.count(text) if self.like else 0

    def score(self, texts: Sequence[str]) -> list[float]:
        """Values, shape (texts,). ValueError for a text that is none of the task's, or whose truth it does not know."""
        return [self._score(self.task.read(text)) for text in texts]

    def _score(self, state: object) -> float:
        truth = self.task.truth(state)
        if truth is None:
            raise ValueError(f"position {self.task.label(state)[:60]!r}: the task does not know its truth")
        noise = self.sigma * _draw(self.seed, self.task.key(state)) if self.sigma else 0.0
        return min(1.0, max(-1.0, (1.0 if truth else -1.0) + noise))


class NoCritic:
    """0 for every position: what the search does without a critic. It is charged as `like` would be."""

    name = "none"

    def __init__(self, *, like: Critic | None = None) -> None:
        self.like, self.parameters = like, like.parameters if like else 0

    def count(self, text: str) -> int:
        """Tokens that `like` would forward."""
        return self.like.count(text) if self.like else 0

    def score(self, texts: Sequence[str]) -> list[float]:
        """Zeros, shape (texts,)."""
        return [0.0] * len(texts)


def _draw(*parts: object) -> float:
    """A standard normal number that is a pure function of its arguments."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return NormalDist().inv_cdf((int.from_bytes(digest, "big") + 0.5) / 2**64)


def expect_auc(sigma: float) -> float:
    """The AUC of a noisy critic: the chance that it values a live position above a dead one, ties counted half.

    Values are clipped, so a live one and a dead one may tie at 1 or at -1. Limits: 1 for sigma 0, 1/2 for infinity.
    """
    if sigma == 0:
        return 1.0
    # over the dead position's value: its atoms at -1 and 1, and its density between them
    low, high = 0.5, norm.sf(2 / sigma)
    lowest = norm.cdf(-2 / sigma)  # of a live position at -1; at 1 it is 1/2
    ends = low * (1 - lowest / 2) + high * 0.25
    x = np.linspace(-1, 1, 4001)
    return float(ends + np.trapezoid(norm.pdf((x + 1) / sigma) / sigma * norm.cdf((1 - x) / sigma), x))


def match_auc(auc: float) -> float:
    """The sigma of the noisy critic with this AUC: how much noise on the truth a critic is as good as.

    0 for an AUC of (nearly) 1, infinity for one of (nearly) 1/2 or below. ValueError outside 0 to 1.
    """
    require("auc", auc, float, 0, 1)
    least, most = _SIGMAS
    if auc >= expect_auc(least):
        return 0.0
    if auc <= expect_auc(most):
        return math.inf
    return float(brentq(lambda sigma: expect_auc(sigma) - auc, least, most))


def find_like(auc: float | None) -> float | None:
    """The finite sigma that a critic of this AUC is like, for pictures and records; None where there is none.

    None for an AUC that could not be measured, and for one of (nearly) 1/2 or below: no noise is large enough.
    """
    sigma = math.inf if auc is None else match_auc(auc)
    return sigma if math.isfinite(sigma) else None
