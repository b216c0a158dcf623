"""Two benchmarks: searches with and without replacement, and exact chances beside samples.

They do not know how a comparison is printed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from game24lab.cli.race import Row, race
from game24lab.evaluation.arms import Arm, run_arm
from game24lab.evaluation.exact import measure_chances
from game24lab.models.checkpoints import find_pretrained
from game24lab.models.critic import load_critic
from game24lab.models.load_policy import load_policy
from game24lab.models.policy import Sampling
from game24lab.search.engine import Totals
from game24lab.search.mcts import UNREPEATED
from game24lab.tasks.numbers.splits import make_split
from game24lab.tasks.numbers.task import Game24

# The way that shipped before, at README's first size of it, and the one that ships.
WAYS: Mapping[str, Mapping[str, Any]] = {"with": {"simulations": 64}, "without": {**UNREPEATED, "simulations": 400}}


@dataclass(frozen=True)
class Timed:
    """A search of many problems at once."""

    seconds: float
    solved: int
    tokens: int
    share: float  # of the seconds that no model took


def time_search(problems: Sequence[Any], way: str, policy: Any, critic: Any) -> Timed:
    """MCTS by the rules, with or without replacement; what the tries take themselves counts as the engine's."""
    totals, begin = Totals(), time.perf_counter()
    arm = Arm("mcts", WAYS[way], mode="rules")
    found = run_arm(Game24(), problems, arm, policy, critic, concurrent=len(problems), trees=False, totals=totals)
    seconds = time.perf_counter() - begin
    return Timed(seconds, sum(one.solved for one in found), sum(one.cost.sampled_tokens for one in found),
                 1 - totals.forwarded.seconds / seconds)  # fmt: skip


def find_exact(problems: Sequence[Any], policy: Any) -> np.ndarray:
    """The chance of each problem to be solved by one answer, by the sum over its live lines."""
    return measure_chances(Game24(), problems, policy, [Sampling(1)], whole=True)["p"].to_numpy()


def find_sampled(problems: Sequence[Any], policy: Any, samples: int) -> np.ndarray:
    """The share of right ones among some answers to each problem."""
    arm = Arm("best_of_n", {"n": samples, "choose": "logprob"}, mode="rules")
    found = run_arm(Game24(), problems, arm, policy, concurrent=len(problems), trees=False)
    return np.array([one.correct / samples for one in found])


def bench_unrepeated(puzzles: int = 362, repeats: int = 1, *, policy: Any = None, critic: Any = None) -> list[Row]:
    """MCTS with replacement, 64 draws of two lines, beside 400 likeliest lines: seconds per 100 solved puzzles.

    Both by the rules, on ranks 1001-1362, all at once. The share of the time that is not the models' holds what tries
    take besides forward passes.
    """
    policy = policy or load_policy(find_pretrained("policy"), backend="transformers")
    critic = critic or load_critic(find_pretrained("critic"))
    problems = make_split("tsllm").held_out[:puzzles]
    _, (old, new) = race([lambda: time_search(problems, "with", policy, critic),
                           lambda: time_search(problems, "without", policy, critic)], repeats)  # fmt: skip
    if not old.solved or not new.solved:
        raise RuntimeError(f"unrepeated: {old.solved} and {new.solved} of {len(problems)} puzzles were solved")
    said = [f"{one.solved} solved, {one.tokens / len(problems):,.0f} tokens a puzzle, {one.share:.0%} of the time no "
            "model's" for one in (old, new)]  # fmt: skip
    return [Row("unrepeated", f"{len(problems)} puzzles, MCTS, per 100 solved", 100 * old.seconds / old.solved,
                100 * new.seconds / new.solved, f"without replacement: {said[1]}; with: {said[0]}")]  # fmt: skip


def bench_exact(puzzles: int = 462, samples: int = 64, *, policy: Any = None) -> list[Row]:
    """The exact chance of all held-out puzzles beside so many sampled answers to each, which must agree in sum.

    The bar is four standard deviations of the samples.
    """
    policy = policy or load_policy(find_pretrained("policy"), backend="transformers")
    problems = make_split("tot+tsllm").held_out[:puzzles]
    (stock, ours), (shares, chances) = race([lambda: find_sampled(problems, policy, samples),
                                              lambda: find_exact(problems, policy)], 1)  # fmt: skip
    noise = math.sqrt((chances * (1 - chances)).sum() / samples)
    if abs(shares.sum() - chances.sum()) > 4 * noise:
        raise RuntimeError(f"exact: {chances.mean():.4f} beside {shares.mean():.4f} of {samples} samples")
    return [Row("exact", f"{len(problems)} puzzles, the chance of one answer", stock, ours,
                f"all live lines, mean {chances.mean():.4f}; {samples} samples each {shares.mean():.4f}, "
                f"off by {(shares.sum() - chances.sum()) / noise:+.1f} sigma")]  # fmt: skip
