"""What expert iteration begins with: problems to search, some set apart for the gate, and a policy that knows little.

The exact solver is asked here, before the loop: which puzzles can be solved, and the solutions of the few that the
policy is taught. It does not know what comes after.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.runs.checks import require
from game24lab.tasks.environment import Environment
from game24lab.training import sft
from game24lab.training.found_solutions import Archive, write_samples
from game24lab.training.solver_solutions import ask_solver


@dataclass(frozen=True)
class Pool:
    """Problems by name: `training` is searched, `gate` decides on rounds and is neither searched nor learnt from."""

    training: Mapping[str, Any]
    gate: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{len(self.training):,} problems to search, {len(self.gate)} for the gate"


def draw_pool(
    environment: Environment, *, puzzles: int = 0, roots: int = 0, highest: int = 30, gate: int = 50, seed: int = 0
) -> Pool:  # fmt: skip
    """Training puzzles of an environment (0: all), `roots` wider ones with numbers up to `highest`, and of the puzzles
    `gate` set apart.

    ValueError for a gate that leaves nothing to search, and for a task that cannot draw its training puzzles.
    """
    if not hasattr(environment, "draw_starts"):
        raise ValueError(f"task must draw training puzzles (`draw_starts`), got {environment.name!r}")
    drawn, _ = environment.draw_starts(puzzles, roots=roots, highest=highest)
    require("gate", gate, int, 1, len(drawn), below=True)
    named = {environment.write_name(problem): problem for problem in drawn}
    core = [name for name in named if max(environment.know(named[name]).numbers) <= _find_core(environment, named)]
    chosen = set(random.Random(f"gate {seed}").sample(core, min(gate, len(core) - 1)))
    return Pool({name: problem for name, problem in named.items() if name not in chosen},
                {name: problem for name, problem in named.items() if name in chosen})  # fmt: skip


def _find_core(environment: Environment, named: Mapping[str, Any]) -> int:
    """The largest number of the puzzles themselves, which wider ones exceed."""
    if not environment.held_out:
        return max(max(environment.know(problem).numbers) for problem in named.values())
    return max(max(environment.know(problem).numbers) for problem in environment.held_out)


def pick_taught(pool: Pool, share: float, seed: int = 0) -> dict[str, Any]:
    """The share of the training problems whose solutions the start is taught, one at least."""
    require("share", share, float, 0, 1, above=True)
    names = sorted(pool.training)
    drawn = random.Random(f"taught {seed}").sample(names, max(1, round(share * len(names))))
    return {name: pool.training[name] for name in drawn}


def train_start(
    environment: Any, pool: Pool, output: Path | str, *, share: float = 0.05, numbers: int = 0, each: int = 16,
    steps: int = 300, batch_size: int = 256, size: str = "tiny", seed: int = 0,
    progress: Callable[..., Iterable] = iter, show: Callable[[pd.DataFrame], None] | None = None,
) -> Path:  # fmt: skip
    """A policy from random weights that is taught the solver's solutions of a share of the training problems.

    numbers: above 0, of puzzles with so few numbers instead, whatever the `share`.
    each: solutions of a problem at most.

    The same call goes on behind a kill, as `sft.train` does.
    """
    taught = environment.draw_smaller(numbers) if numbers else list(pick_taught(pool, share, seed).values())
    archive: Archive = ask_solver(environment.task, taught, name=environment.write_name, each=each,
                                  seed=seed, progress=progress)  # fmt: skip
    samples = write_samples(archive, steps * batch_size, position_share=0.3, opening_share=0.3, seed=seed)
    config = sft.SFTConfig(size=size, vocabulary=environment.vocabulary, steps=steps, batch_size=batch_size,
                           evaluate_every=0, seed=seed)  # fmt: skip
    return sft.train(config, samples, output, None, show)
