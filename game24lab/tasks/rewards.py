"""Rewards: what a completion is paid for, by name, and their weighted sum.

Each task has rewards of its own, see `KINDS`. Those of word problems are in `wordrewards`; here are those of number
games: output, process and length are the three parts of LLM4Game24's reward (LiaoMengqi/LLM4Game24,
grpo/reward_model.py), the first two exact, because one judge (`tasks.numbers.chains`) reads every line. A completion is
judged once, whatever number of rewards ask. It does not know of groups, advantages, models or trainers.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from game24lab.tasks.environments import find_kind
from game24lab.tasks.numbers.rewards import DEFAULT_WEIGHTS, REWARDS

# What is known of the problem (a puzzle's numbers), the text, and the target where it is a number game
Reward = Callable[..., float | None]  # None: not applicable


# ------------------------------------------------------------------------------------------------- what is paid


# ------------------------------------------------------------------------------------------------- kinds of tasks
@dataclass(frozen=True)
class Kind:
    """The rewards of a task, and what they must know of a problem."""

    rewards: Mapping[str, Reward]
    weights: Mapping[str, float]  # where nobody says others
    column: str  # of a data set: what is known of each problem
    read: Callable[[Any], Any]  # a cell of it as the rewards take it; None: not applicable. ValueError for others
    describe: Callable[..., tuple[str, int]]  # takes what a reward takes: how a completion ended, and its lines
    find_fault: Callable[..., int | None]  # the first wrong line of a completion; takes what a reward takes
    targeted: bool = False  # whether rewards take the target of a number game too

    def call(self, function: Callable[..., Any], known: Any, text: str, target: int) -> Any:
        """A reward, or `describe`, of one completion."""
        return function(known, text, target) if self.targeted else function(known, text)


# ---------------------------------------------------------------------------------------------------- weighing
def check_weights(weights: Mapping[str, float], rewards: Mapping[str, Reward] = REWARDS) -> dict[str, float]:
    """The weights as floats, in their order.

    ValueError names what is wrong: an unknown reward (the nearest is suggested, all are listed), a weight that is
    negative, NaN, infinite or no number, or no weight above 0.
    """
    if not isinstance(weights, Mapping):
        raise ValueError(f"weights {weights!r}: a mapping is accepted, such as {dict(DEFAULT_WEIGHTS)}")
    for name, weight in weights.items():
        if name not in rewards:
            near = difflib.get_close_matches(str(name), list(rewards), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"reward {name!r}: one of {', '.join(rewards)} is accepted{hint}")
        if not isinstance(weight, Real) or isinstance(weight, bool) or not 0 <= weight < math.inf:
            hint = " (YAML reads 1e-4 as text; write 1.0e-4)" if isinstance(weight, str) else ""
            raise ValueError(f"weight of {name!r}, {weight!r}: a number of at least 0 is accepted{hint}")
    if not any(weights.values()):
        raise ValueError(f"weights {dict(weights)}: at least one above 0 is accepted, else nothing is rewarded")
    return {name: float(weight) for name, weight in weights.items()}


def score(
    problems: Sequence[Any],
    texts: Sequence[Any],
    weights: Mapping[str, float] = DEFAULT_WEIGHTS,
    target: int = 24,
    rewards: Mapping[str, Reward] | None = None,
    task: str = "game24",
) -> list[dict[str, float | None]]:
    """The rewards of each completion by name, and their weighted sum as `total`.

    Args:
        problems: what is known of the problem of each completion. In a number game the numbers: a sequence of whole
            numbers or a text such as "4 5 6 10"; of a word problem the right answer. None: the rewards are not
            applicable, all of them None.
        texts: the completions: texts, or lists of chat messages.
        rewards: what the names stand for, by default the task's; a caller's own functions can be added.

    A reward that is None adds nothing; where all are, the total is None. ValueError for bad weights or numbers, and
    where there are not as many puzzles as completions.
    """
    kind = find_kind(task)
    rewards = kind.rewards if rewards is None else rewards
    weights = check_weights(weights, rewards)
    columns = [_apply(kind, rewards[name], name, problems, texts, target) for name in weights]
    rows = []
    for values in zip(*columns, strict=True):
        row = dict(zip(weights, values, strict=True))
        found = [weights[name] * value for name, value in row.items() if value is not None]
        rows.append(row | {"total": math.fsum(found) if found else None})
    return rows


def make_reward_functions(
    weights: Mapping[str, float] = DEFAULT_WEIGHTS,
    target: int = 24,
    rewards: Mapping[str, Reward] | None = None,
    task: str = "game24",
) -> tuple[list[Callable[..., list[float | None]]], list[float]]:
    """What TRL's `reward_funcs` and `reward_weights` take: one function a reward, named after it, and the weights.

    The functions read `completions` and one column of the data set, and no other: `numbers` in a number game, `gold` of
    word problems. A weight of 0 makes a metric. None: not applicable. What a reward raises is raised. ValueError as in
    `check_weights`.
    """
    kind = find_kind(task)
    rewards = kind.rewards if rewards is None else rewards
    weights = check_weights(weights, rewards)
    return [_make_function(kind, name, rewards[name], target) for name in weights], list(weights.values())


def make_locator(target: int = 24, task: str = "game24") -> Callable[..., list[tuple[int, int] | None]]:
    """A function from `completions` and the data set's columns to where each first goes wrong: the characters of its
    first wrong line, from and up to, the line end included; None where nothing wrong can be told.

    In a number game every line is judged; of a word problem only the calculations are.
    """
    kind = find_kind(task)

    def locate(completions: Sequence[Any], **columns: Any) -> list[tuple[int, int] | None]:
        lines = _apply(kind, kind.find_fault, "fault", columns[kind.column], completions, target)
        return [None if line is None else _find_line(read_text(text), int(line))
                for line, text in zip(lines, completions, strict=True)]  # fmt: skip

    return locate


def _find_line(text: str, number: int) -> tuple[int, int]:
    lines = text.split("\n")
    begin = sum(len(line) + 1 for line in lines[:number])
    return begin, min(len(text), begin + len(lines[number]) + 1)


def _make_function(kind: Kind, name: str, reward: Reward, target: int) -> Callable[..., list[float | None]]:
    def pay(completions: Sequence[Any], **columns: Any) -> list[float | None]:
        if columns.get(kind.column) is None:
            raise ValueError(f"reward {name!r}: the data set lacks the column {kind.column!r}, in each row what is "
                             "known of its problem")  # fmt: skip
        return _apply(kind, reward, name, columns[kind.column], completions, target)

    pay.__name__ = pay.__qualname__ = name  # TRL logs it under this name
    return pay


def _apply(
    kind: Kind, reward: Reward, name: str, problems: Sequence[Any], texts: Sequence[Any], target: int
) -> list[float | None]:
    if len(problems) != len(texts):
        raise ValueError(f"reward {name!r}: {len(problems)} puzzles and {len(texts)} completions; as many are accepted")
    return [
        None if known is None else kind.call(reward, known, read_text(text), target)
        for known, text in zip(map(kind.read, problems), texts, strict=True)
    ]


def read_text(completion: Any) -> str:
    """A completion's text; of a chat's messages, what they say one after the other. ValueError for neither."""
    if isinstance(completion, str):
        return completion
    try:
        return "\n".join([message["content"] for message in completion])
    except (TypeError, KeyError):
        raise ValueError(f"completion {str(completion)[:60]!r}: a text or chat messages are accepted") from None


