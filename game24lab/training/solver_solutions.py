"""Solutions by the exact solver: what a weak start, or a control of expert iteration, learns from.

They are drawn in the form in which searches keep theirs, so that a control differs by where solutions come from and by
nothing else. Expert iteration itself never calls this module. It does not know models.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from game24lab.runs.checks import require
from game24lab.training.found_solutions import Archive, check

_ODD = re.compile(r"/[0-9]|-[0-9]")  # a fraction or a negative number among those left
_TRIES = 4  # draws for each solution wanted


def ask_solver(
    task: Any, problems: Sequence[Any], *, name: Callable[[Any], str] = str, each: int = 16, seed: int = 0,
    progress: Callable[..., Iterable] = iter,
) -> Archive:  # fmt: skip
    """An archive of up to `each` calculations of every problem, drawn at random from the lines that lead on.

    A line that leaves a fraction or a negative number is drawn only where no other leads on. ValueError for a task that
    cannot list its live lines (`live_lines`).
    """
    require("each", each, int, 1)
    if not hasattr(task, "live_lines"):
        raise ValueError(f"task must list its live lines (`live_lines`) to be solved, got {task.name!r}")
    archive = Archive(task)
    for problem in progress(problems):
        rng, root = random.Random(f"solve {seed}: {name(problem)}"), task.start(problem)
        found: dict[Any, tuple[str, ...]] = {}
        for _ in range(_TRIES * each):
            lines = _draw(task, root, rng)
            found.setdefault(check(task, root, lines), lines)
            if len(found) >= each:
                break
        archive.add(name(problem), problem, found.values())
    return archive


def _draw(task: Any, state: Any, rng: random.Random) -> tuple[str, ...]:
    lines: list[str] = []
    while not task.is_terminal(state):
        live = task.live_lines(state)
        if not live:
            break
        plain = [pair for pair in live if not _ODD.search(pair[0].partition("(left:")[2])]
        line, state = rng.choice(plain or live)
        lines.append(line)
    return tuple(lines)
