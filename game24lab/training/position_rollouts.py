"""Rollouts from positions: how often a policy's own answers are accepted there, by the verifier's word alone.

A search that ends at its first solution leaves most positions open, and a critic that learns from what it has closed
learns little. After TS-LLM (Wan et al. 2024, arXiv 2309.17179), whose critic learns from sampled answers. It does not
know searches, critics, nor the solver.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tqdm.auto import tqdm

from game24lab.search.seeds import derive
from game24lab.tasks.task import Task, follow
from game24lab.training.critic_data import walk
from game24lab.training.found_solutions import Lines

_CHUNK = 256  # positions that are answered together

Spot = tuple[str, Lines]  # a problem's name, and the lines to a position of it


@dataclass
class Rolled:
    """What rollouts came to."""

    positions: dict[str, tuple[int, int]] = field(default_factory=dict)  # text -> answers that passed it, accepted ones
    solutions: dict[str, list[Lines]] = field(default_factory=dict)  # by problem
    prompt_tokens: int = 0
    sampled_tokens: int = 0


def pick_spots(problems: Iterable[str], reached: Mapping[str, Mapping[str, Lines]], seed: int) -> list[Spot]:
    """All problems, and as many of the positions that searches have reached, drawn evenly, each text once."""
    names = list(problems)
    ways = {text: (name, way) for name, own in reached.items() for text, way in own.items()}
    drawn = random.Random(f"spots {seed}").sample(sorted(ways), min(len(names), len(ways)))
    return [*((name, ()) for name in names), *(ways[text] for text in drawn)]


def roll_out(
    task: Task, problems: Mapping[str, Any], policy: Any, spots: Sequence[Spot], samples: int, *, max_tokens: int = 64,
    seed: int = 0, title: str = "rollouts",
) -> Rolled:  # fmt: skip
    """`samples` answers at temperature 1 from each spot, at most `max_tokens` each, as the verifier judges them.

    A line that the rules refuse ends an answer unsolved.
    """
    rolled = Rolled()
    with tqdm(total=len(spots), desc=title, unit="position", dynamic_ncols=True) as bar:
        for begin in range(0, len(spots), _CHUNK):
            part = spots[begin : begin + _CHUNK]
            states = [follow(task, task.start(problems[name]), "\n".join(way))[0] for name, way in part]
            prompts = [task.text(state) for state in states]
            answers = policy.generate(prompts, samples, max_tokens=max_tokens, temperature=1.0,
                                      seeds=[derive(seed, name, *way) for name, way in part])  # fmt: skip
            rolled.prompt_tokens += sum(map(policy.count, prompts))
            for spot, state, completions in zip(part, states, answers, strict=True):
                for completion in completions:
                    rolled.sampled_tokens += completion.tokens
                    _enter(rolled, task, spot, state, completion.text)
            bar.update(len(part))
    return rolled


def _enter(rolled: Rolled, task: Any, spot: Spot, state: Any, answer: str) -> None:
    name, way = spot
    passed = walk(task, state, answer)
    solved = task.is_terminal(passed[-1]) and task.verdict(passed[-1]).solved
    for one in passed:
        text = task.text(one)
        visits, accepted = rolled.positions.get(text, (0, 0))
        rolled.positions[text] = visits + 1, accepted + solved
    if solved:
        rolled.solutions.setdefault(name, []).append((*way, *answer.splitlines()[: len(passed) - 1]))
