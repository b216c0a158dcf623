"""How likely a policy is to say a solution that is known already: what can be told of its chances without a solver.

It does not know how solutions were found, nor which others there are.
"""

from __future__ import annotations

import math
from typing import Any

from game24lab.training.found_solutions import Archive


def measure_known(policy: Any, archive: Archive) -> dict[str, float]:
    """The chance that one sample is one of a problem's known solutions, line by line: a lower bound of its chance of
    being solved that needs no solver. ValueError for a policy that has no distributions."""
    prompts, lines, owners = [], [], []
    for name, solutions in archive.list_solved().items():
        for number, solution in enumerate(solutions):
            state = archive.start(name)
            for line in solution:
                prompts.append(archive.task.text(state))
                lines.append(line)
                owners.append((name, number))
                state = archive.task.step(state, line)
    logs: dict[tuple[str, int], float] = {}
    for owner, log in zip(owners, policy.open_reader().score(prompts, lines)[:, 0], strict=True):
        logs[owner] = logs.get(owner, 0.0) + float(log)
    chances: dict[str, float] = {}
    for (name, _), log in logs.items():
        chances[name] = chances.get(name, 0.0) + math.exp(log)
    return chances
