"""Lookahead answers as members of GRPO's groups: how they are found, and how they enter the loss.

A searched answer is not a sample of the policy: at decision points the search chose the token by the rewards of its
rollouts. Three ways to learn from it:

    as_is        as if the policy had sampled it. Simple, and off-policy: improbable answers of the search are
                 reinforced too, and they raise the group's baseline.
    corrected    a token that the search chose is weighted by pi / mu, at most `clip`: the policy's probability of it
                 over the search's. mu is taken to be the token's share of the visits, as AlphaZero's policy is; all
                 other tokens are the policy's own samples, of weight 1. Truncated importance weights, as in IMPALA
                 (Espeholt et al. 2018, arXiv 1802.01561).
    supervised   it leaves the group: baseline and advantages are those of the sampled members. Where it earned more
                 than their mean, `weight` times the mean of -log p of its tokens is added to the loss, as in expert
                 iteration (Anthony et al. 2017, arXiv 1705.08439); else it is left out.

This module does not know what texts mean, nor how losses are computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from game24lab.runs.checks import require, require_one_of
from game24lab.search.engine import Totals, bind, run
from game24lab.search.lookahead import lookahead
from game24lab.search.token_task import Continuations
from game24lab.tasks.task import Illegal, Verdict
from game24lab.training.reward_guard import RewardError

ENTERS = ("as_is", "corrected", "supervised")
_OWNED = ("temperature", "top_p", "max_tokens", "leaf", "rollout_temperature")  # as the rollouts have them


@dataclass(frozen=True)
class Searching:
    """The share of a group that comes from a search, and how it enters the loss."""

    share: float = 0.0  # of each group's members; 0: none
    enter: str = "as_is"  # "as_is", "corrected" or "supervised"
    look: Mapping[str, Any] = field(default_factory=dict)  # parameters of `search.lookahead`
    weight: float = 0.1  # "supervised": of a token's -log p beside an advantage of 1
    clip: float = 2.0  # "corrected": the highest weight of a token

    def __post_init__(self) -> None:
        require_one_of("enter", self.enter, ENTERS)
        for name, most in (("share", 1), ("weight", math.inf), ("clip", math.inf)):
            require(f"{name} of the search", getattr(self, name), float, 0, most, below=True)
        for name in _OWNED:
            if name in self.look:
                raise ValueError(f"look {name!r}: the rollouts decide this")
        bind(lookahead, self.look)

    def count(self, group: int) -> int:
        """How many members of a group are searched; ValueError where a share comes to none, or to all."""
        count = round(self.share * group)
        if self.share and not 0 < count < group:
            raise ValueError(f"share of a group of {group} must come to 1 to {group - 1} members, got {self.share}, "
                             f"which comes to {count}")  # fmt: skip
        return count

    def is_searched(self, row: int, group: int) -> bool:
        """Whether a row of the step's batch is searched: the last ones of its group are."""
        return row % group >= group - self.count(group)


@dataclass(frozen=True)
class Found:
    """The answers of searches, one entry a search, in order, and their cost."""

    ids: list[list[int]]
    logprobs: list[list[float]]  # the model's own, of each token
    shares: list[list[float | None]]  # of the visits, where the search chose
    sampled_tokens: int
    prompt_tokens: int
    changed: float  # share of the tokens that plain sampling would not have written


@dataclass(frozen=True)
class _Posed:
    """A prompt with its number; seeds depend on the prompt alone."""

    number: int
    prompt: str

    def __str__(self) -> str:
        return self.prompt


class _Prompts:
    """Prompts as a task without a verifier: any text may follow."""

    name = "prompts"

    def start(self, problem: _Posed) -> str:
        return problem.prompt

    def text(self, state: str) -> str:
        return state

    def label(self, state: str) -> str:
        return ""

    def step(self, state: str, line: str) -> str | Illegal:
        return state

    def is_terminal(self, state: str) -> bool:
        return False

    def verdict(self, state: str) -> Verdict:
        return Verdict(False, "unfinished", "", "nobody knows")

    def believe(self) -> _Prompts:
        return self

    def key(self, state: str) -> str:
        return state

    def truth(self, state: str) -> None:
        return None


def search(
    policy: Any, prompts: Sequence[str], reward: Callable[[Sequence[int], Sequence[str]], Sequence[float | None]],
    highest: float, seeds: Sequence[int], searching: Searching, *, temperature: float, top_p: float, max_tokens: int,
) -> Found:  # fmt: skip
    """One lookahead for each prompt, all at once, around what the policy samples with the prompt's seed.

    reward(numbers, texts): the rewards of answers to the prompts of these numbers, from 0 to `highest`; in training it
        may know the right answers.

    A reward's own `RewardError` is raised as it is; ValueError as `lookahead` raises it.
    """

    def earn(problems: Sequence[_Posed], texts: Sequence[str]) -> Sequence[float | None]:
        return reward([problem.number for problem in problems], texts)

    world = Continuations(_Prompts(), policy, earn, (0.0, highest), honest=True)
    parameters = {**searching.look, "temperature": temperature, "top_p": top_p, "max_tokens": max_tokens}
    totals = Totals()
    try:
        posed = [_Posed(number, prompt) for number, prompt in enumerate(prompts)]
        outcomes = run(world, posed, lookahead, policy, parameters=parameters, mode="blind",
                       seed=list(seeds), totals=totals)  # fmt: skip
    except ValueError as error:
        raise _find_reward_error(error) or error from None
    metas = [outcome.tree.meta for outcome in outcomes]
    marks = [mark for meta in metas for _, mark in meta["pieces"]]
    return Found(
        [meta["ids"] for meta in metas], [meta["logprobs"] for meta in metas], [meta["shares"] for meta in metas],
        totals.charged.sampled_tokens, totals.charged.prompt_tokens, marks.count("changed") / max(1, len(marks)),
    )  # fmt: skip


def _find_reward_error(error: BaseException | None) -> RewardError | None:
    while error is not None and not isinstance(error, RewardError):
        error = error.__cause__
    return error


def weigh(logprobs: Sequence[float], shares: Sequence[float | None], clip: float) -> list[float]:
    """The weight of each token of a searched answer: pi / mu where the search chose, at most `clip`; else 1."""
    return [1.0 if share is None else min(clip, math.exp(logprob) / share)
            for logprob, share in zip(logprobs, shares, strict=True)]  # fmt: skip


def teach(
    rewards: torch.Tensor, searched: torch.Tensor, advantages: torch.Tensor, size: int, weight: float
) -> torch.Tensor:
    """Advantages (completions,) with searched members taught by: `weight` where one earned more than the mean of the
    sampled members of its group, else 0.

    As an advantage the weight is the supervised term: where the ratio is 1, the gradient of `ratio * weight` is that of
    `weight * log p`. `rewards` and `searched` are of whole groups of `size`; `advantages` are the sampled members'.
    """
    own = rewards.masked_fill(searched, math.nan).view(-1, size)
    better = rewards > own.nanmean(dim=1).repeat_interleave(size)
    return torch.where(searched, torch.where(better, weight, 0.0).to(advantages.dtype), advantages)
