"""How expert iteration goes on: budgets, learning and critics, checked. It does not know tasks, models or searches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from game24lab.runs.checks import require, require_flag, require_one_of
from game24lab.training.found_solutions import CREDITS, WEIGHINGS

CRITICS = ("continue", "refit", "first", "none")
BEGINNINGS = ("last", "start")


@dataclass(frozen=True)
class IterationConfig:
    """How to iterate."""

    start: str = ""  # checkpoint of the policy to begin with
    rounds: int = 6
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"sampling": "without"})  # of the search strategy
    mode: str = "verified"  # of the search; solutions are verified in any
    budget: int = 300  # sampled tokens of a problem's first search in a round
    waves: int = 3  # searches of a problem in a round at most: those still unsolved are searched again
    growth: float = 3.0  # each with so many times the budget of the one before
    mean_budget: int = 0  # sampled tokens of a problem in a round in the mean: what its waves leave, a last one shares
    answer_tokens: int = 64  # of an answer that is sampled whole, at most: in round 0, and where samples are searched
    transpositions: bool = True  # what one problem's solution passes is solved for all whose searches reach it
    critic: str = "continue"  # goes on learning after every round, or "refit" anew, the "first" for good, "none"
    first_critic: str = ""  # checkpoint of the first one; "": it learns from samples of the start
    credit: str = "any"  # what a position is told of a search or of rollouts: see `found_solutions.read_tree`
    weigh: str = "problem"  # who is learnt from equally often: each "problem" or each "calculation"
    rare: float = 1.0  # learn only from problems whose known solutions have less chance than this together
    begin: str = "last"  # a round trains from the "last" round's weights, or from those of the "start"
    steps: int = 400  # optimiser steps of the policy in a round
    flops: tuple[float, ...] = ()  # instead of steps: what all rounds up to each may cost; training has the rest
    batch_size: int = 256
    learning_rate: float = 3e-3
    matrix_learning_rate: float = 0.03
    position_share: float = 0.3  # of samples that begin inside a solution
    opening_share: float = 0.3  # of the others that stop after the first line
    respell: bool = True  # moves are learnt in all spellings that the rules take for the same
    critic_rollouts: int = 12_000  # answers from problems and reached positions that the critic learns from; 0: none
    critic_epochs: float = 3.0
    critic_positions: int = 50_000  # at most, drawn evenly from those of all attempts so far
    critic_batch_size: int = 256
    patience: int = 0  # rounds in a row that the gate refuses before it ends; 0: never
    chunk: int = 256  # problems that are searched together
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("rounds", "budget", "waves", "answer_tokens", "steps", "chunk", "batch_size", "critic_batch_size",
                     "critic_positions"):  # fmt: skip
            require(name, getattr(self, name), int, 1)
        for name in ("patience", "seed", "mean_budget", "critic_rollouts"):
            require(name, getattr(self, name), int, 0)
        require("growth", self.growth, float, 1)
        require("rare", self.rare, float, 0, 1, above=True)
        for name in ("learning_rate", "matrix_learning_rate", "critic_epochs"):
            require(name, getattr(self, name), float, 0, above=True, below=True)
        for name in ("position_share", "opening_share"):
            require(name, getattr(self, name), float, 0, 1)
        for name in ("respell", "transpositions"):
            require_flag(name, getattr(self, name))
        for name, options in (("critic", CRITICS), ("credit", CREDITS), ("weigh", WEIGHINGS), ("begin", BEGINNINGS)):
            require_one_of(name, getattr(self, name), options)
        if self.flops and len(self.flops) != self.rounds:
            raise ValueError(f"flops must be one number for each of the {self.rounds} rounds, got {len(self.flops)}")
        if self.first_critic and self.critic == "none":
            raise ValueError(f"first_critic must be '' where critic is 'none', got {self.first_critic!r}")
        if self.mode == "blind":
            raise ValueError("mode must be rules or verified, got 'blind': what a blind search finds is not checked")

    def list_sampling(self) -> dict[str, Any]:
        """Parameters of a search that samples whole answers, a few at a time so that the budget ends it."""
        return {"choose": "logprob", "batch": 4, "max_tokens": self.answer_tokens}

    def list_budgets(self) -> tuple[int, ...]:
        """Sampled tokens of a problem's searches, wave by wave."""
        return tuple(round(self.budget * self.growth**wave) for wave in range(self.waves))
