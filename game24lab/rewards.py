"""Rewards: what a completion is paid for, by name, and their weighted sum.

Output, process and length are the three parts of LLM4Game24's reward (LiaoMengqi/LLM4Game24, grpo/reward_model.py), the
first two exact here, because one judge (`tasks.chains`) reads every line. A completion is judged once, whatever number
of rewards ask. It does not know of groups, advantages, models or trainers.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from types import MappingProxyType
from typing import Any

from game24lab.tasks.arithmetic import ExpressionError, parse_expression
from game24lab.tasks.chains import judge_chain
from game24lab.tasks.puzzles import Puzzle, check_numbers, parse_puzzle

Reward = Callable[[Puzzle, str, int], float | None]  # numbers, text, target; None: not applicable

DEFAULT_WEIGHTS: Mapping[str, float] = MappingProxyType({"output": 0.55, "process": 0.30, "length": 0.15})


@dataclass(frozen=True)
class Measures:
    """What the judge's word on a completion comes to, in numbers."""

    outcome: str  # "solved", "wrong value", "wrong numbers", "wrong expression", "unfinished"
    answer: str  # the expression of the answer line as it was written, "" without one
    solved: bool
    finished: bool  # an answer line was given
    lines: int  # lines with text
    share_right: float  # of the lines, 0 without any
    share_before_wrong: float  # of the lines, those before the first wrong one; 0 without any line
    sound: bool  # no position was abandoned from which the target is within reach
    rollbacks: int


# More than one step of GRPO has completions; the keys hold the texts, 40 MB where all are long.
@lru_cache(maxsize=2_048)
def measure(numbers: Puzzle, text: str, target: int = 24) -> Measures:
    """The judge's word on a completion. Cached, so that all rewards share one judgement; never raises on text."""
    judged = judge_chain(numbers, text, target)
    lines = len(judged.lines)
    before = lines if judged.first_wrong is None else judged.first_wrong
    return Measures(
        outcome=judged.outcome, answer=judged.answer, solved=judged.solved, finished=judged.finished, lines=lines,
        share_right=judged.share_right if lines else 0.0, share_before_wrong=before / lines if lines else 0.0,
        sound=judged.first_unsound is None, rollbacks=judged.rollbacks,
    )  # fmt: skip


def find_measures(numbers: Any, completion: Any, target: int = 24) -> Measures:
    """`measure` of a puzzle and a completion as `score` takes them; ValueError where there are no numbers."""
    puzzle = _read_numbers(numbers)
    if puzzle is None:
        raise ValueError("numbers None: a puzzle is needed, such as [4, 5, 6, 10]")
    return measure(puzzle, _read_text(completion), target)


# ------------------------------------------------------------------------------------------------- what is paid
def pay_output(numbers: Puzzle, text: str, target: int = 24) -> float:
    """1 where the final answer is an expression of exactly these numbers that makes the target, else 0."""
    return float(measure(numbers, text, target).solved)


def pay_process(numbers: Puzzle, text: str, target: int = 24) -> float:
    """The share of right lines: the move, the state it leads to and the numbers left. 0 for an empty completion."""
    return measure(numbers, text, target).share_right


def pay_length(
    numbers: Puzzle, text: str, target: int = 24, *, free: int = 4, middle: float = 24, steepness: float = 0.2
) -> float:
    """1 up to `free` lines, above that 1 / (1 + exp(steepness (lines - middle))): one half at `middle` lines.

    As published, it is paid for wrong and unfinished answers too, an empty one included. Other constants:
    `{**REWARDS, "length": functools.partial(pay_length, middle=60)}`.
    """
    lines = measure(numbers, text, target).lines
    if lines <= free:
        return 1.0
    # written so that no number of lines overflows
    return 0.5 * (1 - math.tanh(0.5 * steepness * (lines - middle)))


def pay_original_output(numbers: Puzzle, text: str, target: int = 24) -> float:
    """LLM4Game24's reward for the outcome: 1, or 0.35 for any last line with a wrong `expression:`, else 0.

    It differs from `pay_output` in that 0.35 and in that the answer must be the very last line. The original hands
    the text to Python's `eval` and would pay for `2**3*3*1` too; here it is parsed.
    """
    return _judge_as_original(numbers, text, target)[0]


def pay_original_process(numbers: Puzzle, text: str, target: int = 24) -> float:
    """LLM4Game24's reward for the process: 1 - errors / lines; it reads the notation v3 only.

    It differs from `pay_process` in what it never looks at: the move before `left:`, and whether a line follows from
    the line before. Any true equation over the puzzle's own numbers is right, any rollback to anywhere too.
    """
    return _judge_as_original(numbers, text, target)[1]


@lru_cache(maxsize=2_048)
def _judge_as_original(numbers: Puzzle, text: str, target: int) -> tuple[float, float]:
    lines = text.removesuffix("\n").split("\n")  # chains end with a line end here, the original's do not
    seen, errors, output = set(), 0, 0.0
    for place, line in enumerate(lines):
        if "left:" in line:
            repeated = "roll" not in line and line in seen
            errors += repeated or sorted(_read_leaves(line.split("left:")[1].strip()) or ()) != sorted(numbers)
        elif "expression:" in line and place == len(lines) - 1:
            value, cards = _read_expression(line.split("expression:")[-1])
            wrong = value is None or abs(value - target) > 1e-6
            output = 0.35 if wrong or sorted(cards) != sorted(numbers) else 1.0
            errors += wrong + (output < 1)  # a wrong value is counted twice
        else:
            errors += 1
        seen.add(line)
    return output, 1 - errors / len(lines)


def _read_leaves(text: str) -> list[int] | None:
    """The cards behind `left:` in v3: of `(12 / 3) = 4, 6` those are 12, 3 and 6. None where something is false."""
    cards = []
    for part in text.split("," if "," in text or "=" in text else " "):
        left, equals, right = part.partition("=")
        value, leaves = _read_expression(left)
        if value is None or (equals and value != _read_expression(right.partition("=")[0])[0]):
            return None
        if not equals and (value.denominator != 1 or not left.strip().isdecimal()):
            return None
        cards += leaves
    return cards


def _read_expression(text: str) -> tuple[Any, list[int]]:
    """Value and operands; a minus in front is read too. (None, []) for what is no expression."""
    text = text.strip()
    try:
        value, operands = parse_expression(text.removeprefix("-"))
    except ExpressionError:
        return None, []
    return (-value if text.startswith("-") else value), operands


# Every reward by its name. Weights choose among them; with weight 0 they are metrics.
REWARDS: Mapping[str, Reward] = MappingProxyType({
    "output": pay_output,
    "process": pay_process,
    "length": pay_length,
    "prefix": lambda *a: measure(*a).share_before_wrong,  # stricter than process: nothing behind the first wrong line
    "finished": lambda *a: float(measure(*a).finished),
    "sound": lambda *a: float(measure(*a).sound) if measure(*a).lines else None,
    "lines": lambda *a: float(measure(*a).lines),
    "rollbacks": lambda *a: float(measure(*a).rollbacks),
    "output_original": pay_original_output,
    "process_original": pay_original_process,
})  # fmt: skip


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
    numbers: Sequence[Any],
    texts: Sequence[Any],
    weights: Mapping[str, float] = DEFAULT_WEIGHTS,
    target: int = 24,
    rewards: Mapping[str, Reward] = REWARDS,
) -> list[dict[str, float | None]]:
    """The rewards of each completion by name, and their weighted sum as `total`.

    Args:
        numbers: the puzzle of each completion: a sequence of whole numbers or a text such as "4 5 6 10". None: the
            rewards are not applicable, all of them None.
        texts: the completions: texts, or lists of chat messages.
        rewards: what the names stand for; a caller's own functions can be added.

    A reward that is None adds nothing; where all are, the total is None. ValueError for bad weights or numbers, and
    where there are not as many puzzles as completions.
    """
    weights = check_weights(weights, rewards)
    columns = [_apply(rewards[name], name, numbers, texts, target) for name in weights]
    rows = []
    for values in zip(*columns, strict=True):
        row = dict(zip(weights, values, strict=True))
        found = [weights[name] * value for name, value in row.items() if value is not None]
        rows.append(row | {"total": math.fsum(found) if found else None})
    return rows


def make_reward_functions(
    weights: Mapping[str, float] = DEFAULT_WEIGHTS, target: int = 24, rewards: Mapping[str, Reward] = REWARDS
) -> tuple[list[Callable[..., list[float | None]]], list[float]]:
    """What TRL's `reward_funcs` and `reward_weights` take: one function a reward, named after it, and the weights.

    The functions read `completions` and the column `numbers` of the data set, and no other; a weight of 0 makes a
    metric. None: not applicable. What a reward raises is raised. ValueError as in `check_weights`.
    """
    weights = check_weights(weights, rewards)
    return [_make_function(name, rewards[name], target) for name in weights], list(weights.values())


def _make_function(name: str, reward: Reward, target: int) -> Callable[..., list[float | None]]:
    def pay(completions: Sequence[Any], numbers: Sequence[Any] | None = None, **columns: Any) -> list[float | None]:
        if numbers is None:
            raise ValueError(f"reward {name!r}: the data set lacks the column 'numbers', each row a puzzle's numbers")
        return _apply(reward, name, numbers, completions, target)

    pay.__name__ = pay.__qualname__ = name  # TRL logs it under this name
    return pay


def _apply(reward: Reward, name: str, numbers: Sequence[Any], texts: Sequence[Any], target: int) -> list[float | None]:
    if len(numbers) != len(texts):
        raise ValueError(f"reward {name!r}: {len(numbers)} puzzles and {len(texts)} completions; as many are accepted")
    puzzles = map(_read_numbers, numbers)
    return [
        None if puzzle is None else reward(puzzle, _read_text(text), target)
        for puzzle, text in zip(puzzles, texts, strict=True)
    ]


def _read_numbers(value: Any) -> Puzzle | None:
    if value is None:
        return None
    if isinstance(value, str):
        return parse_puzzle(value, fewest=1)
    if not isinstance(value, Iterable):
        raise ValueError(f"numbers {value!r}: whole numbers such as [4, 5, 6, 10] are accepted")
    return check_numbers(value, fewest=1)


def _read_text(completion: Any) -> str:
    """A completion's text; of a chat's messages, what they say one after the other."""
    if isinstance(completion, str):
        return completion
    try:
        return "\n".join([message["content"] for message in completion])
    except (TypeError, KeyError):
        raise ValueError(f"completion {str(completion)[:60]!r}: a text or chat messages are accepted") from None
