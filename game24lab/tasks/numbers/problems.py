"""Puzzles as problems to learn from by trial, chosen by exact difficulty. It does not know models or rewards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from game24lab.tasks.numbers.arithmetic import measure_difficulty
from game24lab.tasks.numbers.puzzles import TARGET, NumberProblem, read_problem
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.problems import Problem


def make_problems(puzzles: Iterable[Sequence[int] | NumberProblem], task: Game24 | None = None) -> list[Problem]:
    """Puzzles as problems: the prompt, and the column `numbers`; `target` too where one is not 24.

    ValueError for what is no puzzle.
    """
    task, read = task or Game24(), [read_problem(puzzle) for puzzle in puzzles]
    named = any(one.target != TARGET for one in read)  # a column that says 24 in each row would say nothing
    return [Problem(task.prompt(one), {"numbers": list(one.numbers)} | ({"target": one.target} if named else {}))
            for one in read]  # fmt: skip


def pick_by_difficulty(
    puzzles: Sequence[Any],
    lowest: float = 0.0,
    highest: float = 1.0,
    progress: Callable[..., Iterable] | None = None,
    measure: Callable[[Any], tuple[float, float]] = measure_difficulty,
) -> list[Any]:
    """The puzzles, in their order, whose share of live first positions is in [lowest, highest].

    Of the positions that one move leads to, this is the share from which the target is still within reach, by the exact
    solver: 0.04 is hard, 0.8 easy. Puzzles that every sample of a group solves, or none, teach GRPO nothing: a filter
    from either end saves rollouts. Another game brings its own `measure`, whose second number counts. ValueError for
    bounds that are no shares, or between which nothing lies.
    """
    if not (isinstance(lowest, int | float) and isinstance(highest, int | float) and 0 <= lowest <= highest <= 1):
        raise ValueError(f"difficulty must be shares from 0 to 1, the lower first, got {lowest!r} and {highest!r}")
    if (lowest, highest) == (0, 1):
        return list(puzzles)
    walk = progress(puzzles, desc="difficulty", unit="puzzle") if progress else puzzles
    found = [puzzle for puzzle in walk if lowest <= measure(puzzle)[1] <= highest]
    if not found:
        raise ValueError(f"difficulty must have wider bounds than {lowest} and {highest}, between which none of "
                         f"{len(puzzles)} puzzles lies")  # fmt: skip
    return found
