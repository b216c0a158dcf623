"""Reward functions by name: their weighted sum, and the functions that TRL takes.

A task brings its own set (`RewardSet`, in its environment); a caller may add functions. This module does not know which
tasks there are, nor of groups, advantages, models or trainers.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from numbers import Real
from typing import Any

# What is known of the problem (a number game's problem, a right answer) and the text; None: not applicable.
Reward = Callable[[Any, str], float | None]


def reads_text_alone(reward: Reward) -> Reward:
    """Mark a reward that looks at the text and not at what is known of the problem.

    Such a reward may lead a search whose answers nobody verifies (`is_text_alone`). Decorator.
    """
    reward.text_alone = True  # type: ignore[attr-defined]
    return reward


def is_text_alone(reward: Reward) -> bool:
    """Whether a reward is marked by `reads_text_alone`; others may know the right answer."""
    return getattr(reward, "text_alone", False)


@dataclass(frozen=True)
class RewardSet:
    """The reward functions of a task, and what they must know of a problem."""

    functions: Mapping[str, Reward]
    weights: Mapping[str, float]  # where nobody says others
    columns: tuple[str, ...]  # of a data set: what is known of each problem; the first must be there
    read: Callable[..., Any]  # cells of those columns as the functions take them; None: not applicable
    describe: Callable[[Any, str], tuple[str, int]]  # how a completion ended, and its lines
    find_fault: Callable[[Any, str], int | None]  # the first wrong line of a completion

    def add(self, **functions: Reward) -> RewardSet:
        """The set with a caller's own functions; the weights stay."""
        return replace(self, functions={**self.functions, **functions})


def check_weights(weights: Mapping[str, float], functions: Mapping[str, Any]) -> dict[str, float]:
    """The weights as floats, in their order.

    ValueError names what is wrong: an unknown reward (the nearest is suggested, all are listed), a weight that is
    negative, NaN, infinite or no number, or no weight above 0.
    """
    if not isinstance(weights, Mapping):
        raise ValueError(f"weights must be a mapping from rewards to numbers, got {weights!r}")
    for name, weight in weights.items():
        if name not in functions:
            near = difflib.get_close_matches(str(name), list(functions), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"reward must be one of {', '.join(functions)}, got {name!r}{hint}")
        if not isinstance(weight, Real) or isinstance(weight, bool) or not 0 <= weight < math.inf:
            hint = " (YAML reads 1e-4 as text; write 1.0e-4)" if isinstance(weight, str) else ""
            raise ValueError(f"weight of {name!r} must be a number >= 0, got {weight!r}{hint}")
    if not any(weights.values()):
        raise ValueError(f"weights must have at least one above 0, else nothing is rewarded, got {dict(weights)}")
    return {name: float(weight) for name, weight in weights.items()}


def score(
    rewards: RewardSet, problems: Sequence[Any], texts: Sequence[Any], weights: Mapping[str, float] | None = None
) -> list[dict[str, float | None]]:
    """The rewards of each completion by name, and their weighted sum as `total`.

    Args:
        problems: what is known of the problem of each completion, as the set reads it: the numbers of a number game,
            a word problem's right answer. None: the rewards are not applicable, all of them None.
        texts: the completions: texts, or lists of chat messages.
        weights: those of the set by default.

    A reward that is None adds nothing; where all are, the total is None. ValueError for bad weights or problems, and
    where there are not as many problems as completions.
    """
    weights = check_weights(rewards.weights if weights is None else weights, rewards.functions)
    columns = [_apply(rewards, rewards.functions[name], name, zip(problems, strict=True), texts) for name in weights]
    rows = []
    for values in zip(*columns, strict=True):
        row = dict(zip(weights, values, strict=True))
        found = [weights[name] * value for name, value in row.items() if value is not None]
        rows.append(row | {"total": math.fsum(found) if found else None})
    return rows


def make_reward_functions(
    rewards: RewardSet, weights: Mapping[str, float] | None = None
) -> tuple[list[Callable[..., list[float | None]]], list[float]]:
    """What TRL's `reward_funcs` and `reward_weights` take: one function a reward, named after it, and the weights.

    The functions read `completions` and the set's columns of the data set, and no others. A weight of 0 makes a
    metric. None: not applicable. What a reward raises is raised. ValueError as in `check_weights`.
    """
    weights = check_weights(rewards.weights if weights is None else weights, rewards.functions)
    return [_make_function(rewards, name) for name in weights], list(weights.values())


def make_locator(rewards: RewardSet) -> Callable[..., list[tuple[int, int] | None]]:
    """A function from `completions` and the data set's columns to where each first goes wrong: the characters of its
    first wrong line, from and up to, the line end included; None where nothing wrong can be told.

    In a number game every line is judged; of a word problem only the calculations are.
    """

    def locate(completions: Sequence[Any], **columns: Any) -> list[tuple[int, int] | None]:
        lines = _apply(rewards, rewards.find_fault, "fault", _pick(rewards, columns), completions)
        return [None if line is None else _find_line(read_text(text), int(line))
                for line, text in zip(lines, completions, strict=True)]  # fmt: skip

    return locate


def read_text(completion: Any) -> str:
    """A completion's text; of a chat's messages, what they say one after the other. ValueError for neither."""
    if isinstance(completion, str):
        return completion
    try:
        return "\n".join([message["content"] for message in completion])
    except (TypeError, KeyError):
        raise ValueError(f"completion must be a text or chat messages, got {str(completion)[:60]!r}") from None


def _find_line(text: str, number: int) -> tuple[int, int]:
    lines = text.split("\n")
    begin = sum(len(line) + 1 for line in lines[:number])
    return begin, min(len(text), begin + len(lines[number]) + 1)


def _make_function(rewards: RewardSet, name: str) -> Callable[..., list[float | None]]:
    def reward(completions: Sequence[Any], **columns: Any) -> list[float | None]:
        if columns.get(rewards.columns[0]) is None:
            raise ValueError(f"reward {name!r}: the data set lacks the column {rewards.columns[0]!r}, in each row what "
                             "is known of its problem")  # fmt: skip
        return _apply(rewards, rewards.functions[name], name, _pick(rewards, columns), completions)

    reward.__name__ = reward.__qualname__ = name  # TRL logs it under this name
    return reward


def _pick(rewards: RewardSet, columns: Mapping[str, Any]) -> Iterable[tuple]:
    first, *others = rewards.columns
    cells = (repeat(None) if columns.get(name) is None else columns[name] for name in others)
    return zip(columns[first], *cells, strict=False)


def _apply(
    rewards: RewardSet, function: Callable[[Any, str], Any], name: str, cells: Iterable[tuple], texts: Sequence[Any]
) -> list[float | None]:
    known = [rewards.read(*row) for row in cells]
    if len(known) != len(texts):
        raise ValueError(f"reward {name!r}: as many problems as completions are needed, got {len(known)} and "
                         f"{len(texts)}")  # fmt: skip
    return [None if one is None else function(one, read_text(text)) for one, text in zip(known, texts, strict=True)]
