"""A race: implementations of the same work, run in turns, of whose times the median counts.

It does not know what they do.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One comparison."""

    name: str
    work: str  # what both sides did
    stock: float  # seconds of the stock implementation
    ours: float  # seconds
    how: str = ""  # a note on ours

    @property
    def ratio(self) -> float:
        """How many times as fast ours is."""
        return self.stock / self.ours


def race(sides: Sequence[Callable[[], Any]], repeats: int) -> tuple[list[float], list[Any]]:
    """Median seconds of all sides, run in turns, and what they returned last."""
    times: list[list[float]] = [[] for _ in sides]
    results: list[Any] = [None for _ in sides]
    for _ in range(repeats):
        for place, run in enumerate(sides):
            start = time.perf_counter()
            results[place] = run()
            times[place].append(time.perf_counter() - start)
    return list(map(statistics.median, times)), results
