"""Environments: a task made ready for learning, in one object, and the registry of those that exist.

What varies by task stands in an environment and nowhere else. It does not know models: policies are handed in by those
who use it, and answers are judged one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

from game24lab.tasks.gsm8k.environment import open_word_game
from game24lab.tasks.gsm8k.rewards import REWARDS as WORD_REWARDS
from game24lab.tasks.numbers.environment import open_number_game
from game24lab.tasks.numbers.rewards import REWARDS as NUMBER_REWARDS
from game24lab.tasks.problems import Problem, Progress, Sample
from game24lab.tasks.rewards import RewardSet, is_text_alone
from game24lab.tasks.task import Task


class Environment(Protocol):
    """A task with all that learning, evaluation and reports need of it."""

    name: str
    task: Task
    held_out: Sequence[Any]  # problems that are never learnt from, as `task.start` takes them
    vocabulary: str  # of models that learn the task from scratch, see `models.tokenizer.VOCABULARIES`
    rewards: RewardSet
    columns: Mapping[str, str]  # of a judged answer, with their types; the first names the problem
    reference: str  # the right answer where all problems share it, as files of completions name it; else ""
    lacks: Mapping[str, str]  # what the task does not have (`PARTS`), and why, in one line each

    def sft_samples(self, count: int, progress: Progress, **options: Any) -> list[Sample]:
        """Solutions to learn from; options of other tasks change nothing."""

    def problems(self, count: int, lowest: float, highest: float, progress: Progress) -> list[Problem]:
        """Problems to learn from by trial, of a difficulty; of those that are made without end, `count`."""

    def write_name(self, problem: Any) -> str:
        """The problem's name in records; ValueError for what is no problem of this task."""

    def prompt(self, problem: Any) -> str:
        """What a policy is shown before its first token."""

    def know(self, problem: Any) -> Any:
        """What the rewards must know of a problem."""

    def describe(self, problem: Any) -> dict[str, Any]:
        """What a row says of a problem, whoever answers."""

    def judge(self, problem: Any, completion: Any) -> dict[str, Any]:
        """One completion (`text`, `tokens`, `finish`) as a row, with `describe` most of `columns`."""


# Search traces, the exact truth of positions, a critic of positions, published ranks, models that ship.
PARTS = ("traces", "truth", "positions", "ranking", "pretrained")
ENVIRONMENTS: Mapping[str, Callable[..., Environment]] = MappingProxyType({
    "game24": open_number_game,
    "chains24": partial(open_number_game, chains=True),
    "gsm8k": open_word_game,
})  # fmt: skip

_WORDS = dict(zip(PARTS, ("search traces", "truth of positions", "positions for a critic", "published ranks",
                          "models that ship"), strict=True))  # fmt: skip


def list_text_alone() -> frozenset[str]:
    """The rewards, of whatever task, that read the text alone."""
    return frozenset(name for rewards in (NUMBER_REWARDS, WORD_REWARDS)
                     for name, reward in rewards.functions.items() if is_text_alone(reward))  # fmt: skip


def open_environment(task: str = "game24", **options: Any) -> Environment:
    """An environment by its task's name, with its held-out problems drawn.

    Options are those of `open_number_game` and `open_word_game`; a notebook gives the same ones whatever the task is.
    ValueError for an unknown name, and what the environment refuses.
    """
    if task not in ENVIRONMENTS:
        raise ValueError(f"task must be one of {', '.join(ENVIRONMENTS)}, got {task!r}")
    return ENVIRONMENTS[task](**options)


def require_parts(environment: Environment, *parts: str) -> None:
    """ValueError in one line where a task lacks one of some `PARTS`."""
    for part in parts:
        if part in environment.lacks:
            raise ValueError(f"the task {environment.name} has no {_WORDS[part]}: {environment.lacks[part]}")
