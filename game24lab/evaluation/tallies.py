"""Right answers by problem, counted in little memory: 16 bytes a problem, however many answers there are.

It does not know what a problem is, nor why an answer is right.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np

from game24lab.evaluation.statistics import bootstrap_counts, pass_at_k

_WAITING = 1 << 18  # answers that are counted together


class Tally:
    """How many answers each problem has, and how many of them are right."""

    def __init__(self) -> None:
        self._waiting = array("Q")
        self._keys = np.empty(0, np.uint64)
        self._counts = np.empty((0, 2), np.int64)

    def add(self, marks: array) -> None:
        """Count answers, see `score.mark_answer`."""
        self._waiting.extend(marks)
        if len(self._waiting) >= _WAITING:
            self._merge()

    def _merge(self) -> None:
        marks = np.array(self._waiting, dtype=np.uint64)
        self._waiting = array("Q")
        keys = np.concatenate([self._keys, marks >> np.uint64(1)])
        new = np.stack([np.ones(len(marks), np.int64), (marks & np.uint64(1)).astype(np.int64)], axis=1)
        counts = np.concatenate([self._counts, new])
        self._keys, places = np.unique(keys, return_inverse=True)
        self._counts = np.stack([np.bincount(places, counts[:, column], len(self._keys)) for column in (0, 1)], axis=1)
        self._counts = self._counts.astype(np.int64)

    def list_counts(self) -> np.ndarray:
        """Answers, right answers, and how many problems have so many: rows of (n, c, problems)."""
        self._merge()
        pairs, problems = np.unique(self._counts, axis=0, return_counts=True)
        return np.column_stack([pairs, problems])


def summarise_counts(counts: np.ndarray, *, confidence: float = 0.95) -> Mapping[str, Any]:
    """What rows of (n, c, problems) come to: `answers`, `right`, `problems`; `accuracy` with `low`, `high` and
    `interval`, each problem counting the same; `pass_at_k`, rows of `k`, `accuracy`, `low`, `high` for the powers of
    two up to the fewest answers of a problem.

    Accuracy and its bounds are None without a problem.
    """
    if not len(counts):
        return {"answers": 0, "right": 0, "problems": 0, "accuracy": None, "low": None, "high": None, "interval": "",
                "pass_at_k": []}  # fmt: skip
    n, c, problems = counts.T
    fewest, rows = int(n.min()), []
    for k in [2**power for power in range(fewest.bit_length())]:
        chances = np.array([pass_at_k(int(a), int(b), k) for a, b in zip(n, c, strict=True)])
        low, high, how = bootstrap_counts(chances, problems, confidence=confidence)
        mean = float((chances * problems).sum() / problems.sum())
        rows.append({"k": k, "accuracy": mean, "low": low, "high": high, "interval": how})
    first = rows[0]
    return {"answers": int((n * problems).sum()), "right": int((c * problems).sum()), "problems": int(problems.sum()),
            **{name: first[name] for name in ("accuracy", "low", "high", "interval")},
            "pass_at_k": rows if fewest > 1 else []}  # fmt: skip
