"""The registry of environments: every task by its name. A new task is a folder and one line here.

It does not know what an environment holds (`tasks.environment`), nor models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from game24lab.tasks.environment import Environment
from game24lab.tasks.gsm8k.environment import open_word_game
from game24lab.tasks.gsm8k.rewards import REWARDS as WORD_REWARDS
from game24lab.tasks.numbers.countdown_environment import open_countdown
from game24lab.tasks.numbers.environment import open_number_game
from game24lab.tasks.numbers.rewards import REWARDS as NUMBER_REWARDS
from game24lab.tasks.rewards import is_text_alone

ENVIRONMENTS: Mapping[str, Callable[..., Environment]] = MappingProxyType({
    "game24": open_number_game,
    "chains24": partial(open_number_game, chains=True),
    "countdown": open_countdown,
    "gsm8k": open_word_game,
})  # fmt: skip

def list_text_alone() -> frozenset[str]:
    """The rewards, of whatever task, that read the text alone."""
    return frozenset(name for rewards in (NUMBER_REWARDS, WORD_REWARDS)
                     for name, reward in rewards.functions.items() if is_text_alone(reward))  # fmt: skip


def open_environment(task: str = "game24", **options: Any) -> Environment:
    """An environment by its task's name, with its held-out problems drawn.

    Options are those of `open_number_game`, `open_countdown` and `open_word_game`; a notebook gives the same ones
    whatever the task is.
    ValueError for an unknown name, and what the environment refuses.
    """
    if task not in ENVIRONMENTS:
        raise ValueError(f"task must be one of {', '.join(ENVIRONMENTS)}, got {task!r}")
    return ENVIRONMENTS[task](**options)
