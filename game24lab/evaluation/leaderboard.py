"""A table to beat: what a checkpoint, with a critic and an arm, needs to solve 90 % of the published held-out puzzles.

What was trained on a puzzle of a set is not measured on that set, and what does not say what it was trained on is not
measured at all: neither would say anything. This module does not know how models are loaded or how the table looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.evaluation.evaluate import evaluate
from game24lab.evaluation.grid import expand_arms
from game24lab.evaluation.tables import summarise
from game24lab.models.origin import Origin
from game24lab.runs.checks import require_one_of
from game24lab.search.modes import MODES
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.splits import keeps_apart

GOAL = 0.9  # share of a set that must be solved
SETS = {"901-1000": "tot", "1001-1362": "tsllm"}  # ranks of the published list, by the split that holds them out
ARMS: Mapping[str, Any] = {"mcts": {"parameters": {"simulations": [16, 64, 400]}}}  # measured where none are named
_COLUMNS = ("arm", "mode", "algorithm", "problems", "seeds", "accuracy", "low", "high", "interval", "sampled_tokens",
            "flops")  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """A policy, with its critic where its arms need one, as opened: `origins` maps each part to where it comes from."""

    name: str
    policy: Any
    critic: Any
    origins: Mapping[str, Origin | None]

    @property
    def parameters(self) -> int:
        """Of both models together, without embeddings."""
        return self.policy.parameters + (self.critic.parameters if self.critic is not None else 0)


def find_leak(origins: Mapping[str, Origin | None], ranks: str) -> str:
    """Why models of these origins must not be measured on a set of puzzles, in a sentence; "" where they may.

    ValueError for ranks that are no set.
    """
    require_one_of("ranks", ranks, tuple(SETS))
    for part, origin in origins.items():
        for one in origin.list_all() if origin else [None]:
            if one is None:
                whose = "something that it began from" if origin else "it"
                return (f"the {part}'s training data are unknown: {whose} has no origin.json and lies in no run's "
                        "folder")  # fmt: skip
            if one.task not in ("game24", "chains24"):
                return f"the {part} was trained on {one.task} (run {one.run}), whose puzzles may be these"
            if not keeps_apart(one.split, SETS[ranks]):
                return (f"the {part} was trained with the split {one.split!r} (run {one.run}), which does not hold "
                        f"{ranks} out")  # fmt: skip
    return ""


def check_leaks(origins: Mapping[str, Origin | None], sets: Sequence[str]) -> None:
    """ValueError that says why where models must not be measured on one of some sets."""
    for ranks in sets:
        if leak := find_leak(origins, ranks):
            raise ValueError(f"leaderboard {ranks}: {leak}")


def measure(
    candidate: Candidate, sets: Sequence[str], *, arms: Mapping[str, Any] | None = None,
    modes: Sequence[str] = MODES, seeds: Iterable[int] = (0,), problems: int | None = None,
    find_path: Callable[[str], Path | None] = lambda ranks: None, run_id: str = "", progress: bool = True,
) -> list[dict[str, Any]]:  # fmt: skip
    """Every arm in every mode on every set: a row each, with accuracy, interval, tokens and FLOPs of a puzzle.

    Args:
        arms: recipes as of `evaluation.grid.expand_arms`; None: ARMS.
        problems: only so many puzzles of each set, drawn evenly, as a trial.
        find_path: the table of attempts of a set, where they are to be kept; a killed measurement goes on from it.

    ValueError as of `expand_arms`, and for a leak (`check_leaks`).
    """
    check_leaks(candidate.origins, sets)
    searches = expand_arms(arms or ARMS, modes=modes)
    found = []
    for ranks in sets:
        environment = open_environment("game24", split=SETS[ranks], held_out=problems or 10_000)
        rows = evaluate(environment, None, searches, candidate.policy, candidate.critic, seeds=seeds, chunk=64,
                        path=find_path(ranks), split=ranks, run_id=run_id, progress=progress)  # fmt: skip
        found += [{"name": candidate.name, "ranks": ranks, **row} for row in list_rows(rows, candidate.parameters)]
    return found


def list_rows(attempts: pd.DataFrame, parameters: int) -> list[dict[str, Any]]:
    """The rows of a set from its attempts. `parameters`: of all models that took part, without embeddings."""
    return [{**{name: row[name] for name in _COLUMNS}, "parameters": parameters,
             "settings": row["parameters"]} for row in summarise(attempts).to_dict("records")]  # fmt: skip
