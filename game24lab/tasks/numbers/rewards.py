"""Rewards of number games: output, process and length, and the measures behind them.

They are the three parts of LLM4Game24's reward (LiaoMengqi/LLM4Game24, grpo/reward_model.py), the first two exact,
because one judge (`tasks.numbers.chains`) reads every line. A completion is judged once, whatever number of rewards
ask. It does not know of weights, groups, models or trainers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from game24lab.tasks.numbers.arithmetic import ExpressionError, parse_expression
from game24lab.tasks.numbers.chains import judge_chain
from game24lab.tasks.numbers.puzzles import Puzzle, check_numbers, parse_puzzle
from game24lab.tasks.rewards import Reward
from game24lab.tasks.tags import strip_tags

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
    first_wrong: int | None  # the first line that is not right


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
        first_wrong=judged.first_wrong,
    )  # fmt: skip


def find_fault(numbers: Puzzle, text: str, target: int = 24) -> int | None:
    """The number of the first wrong line of a chain, from 0, as line ends count.

    None where all are right, and where think and answer tags stand between them: those lines are not the text's.
    """
    line = measure(numbers, text, target).first_wrong
    return None if line is None or strip_tags(text, target) != text else line


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


def _describe_chain(numbers: Puzzle, text: str, target: int) -> tuple[str, int]:
    found = measure(numbers, text, target)
    return found.outcome, found.lines


def _read_numbers(value: Any) -> Puzzle | None:
    if value is None:
        return None
    if isinstance(value, str):
        return parse_puzzle(value, fewest=1)
    if not isinstance(value, Iterable):
        raise ValueError(f"numbers {value!r}: whole numbers such as [4, 5, 6, 10] are accepted")
    return check_numbers(value, fewest=1)
