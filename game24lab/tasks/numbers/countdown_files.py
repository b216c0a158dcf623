"""Published files of Countdown: rows of numbers with their target, read from a path and never believed.

It does not know rules of drawing, what is held out, or models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from game24lab.tasks.numbers.puzzles import NumberProblem, check_numbers, read_target
from game24lab.tasks.rows import read_rows

# As Countdown-Tasks-3to4 (TinyZero), reasoning-gym and Stream of Search name them
_NUMBERS, _TARGETS = ("nums", "numbers"), ("target",)


def read_countdown(path: str | Path) -> tuple[NumberProblem, ...]:
    """The problems of a file (Parquet, JSON lines, a JSON list), each once, in their order.

    A row holds a list of numbers under `nums` or `numbers`, and `target`; what stands there besides is passed over.
    ValueError that names the file and the row: damaged, without one of the two, with numbers or a target that are none.
    """
    found: dict[NumberProblem, None] = {}
    for place, row in read_rows(path, "Countdown problems"):
        try:
            found[_read_row(row)] = None
        except ValueError as error:
            raise ValueError(f"Countdown problems {path}, {place}: {error}") from None
    if not found:
        raise ValueError(f"Countdown problems {path}: it holds none")
    return tuple(found)


def _read_row(row: Any) -> NumberProblem:
    if not isinstance(row, dict):
        raise ValueError("a row must be an object with nums and target")
    numbers = next((row[name] for name in _NUMBERS if name in row), None)
    if not isinstance(numbers, list):
        raise ValueError(f"nums must be a list of numbers, got columns {', '.join(map(str, row))}" if numbers is None
                         else f"nums must be a list of numbers, got {numbers!r:.60}")  # fmt: skip
    target = read_target(next((row[name] for name in _TARGETS if name in row), None))
    if target is None or target < 1:
        raise ValueError(f"target must be an integer >= 1, got {target!r}")
    return NumberProblem(check_numbers(numbers, fewest=2), target)
