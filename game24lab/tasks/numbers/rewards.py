"""Rewards of number games: output, process and length, and the measures behind them.

They are the three parts of LLM4Game24's reward (LiaoMengqi/LLM4Game24, grpo/reward_model.py), the first two exact,
because one judge (`tasks.numbers.chains`) reads every line. A completion is judged once, whatever number of rewards
ask. It does not know of weights, groups, models or trainers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from game24lab.tasks.numbers.arithmetic import ExpressionError, parse_expression
from game24lab.tasks.numbers.chains import judge_chain
from game24lab.tasks.numbers.puzzles import NumberProblem, read_problem
from game24lab.tasks.numbers.solution_lines import add_answer
from game24lab.tasks.rewards import RewardSet, reads_text_alone
from game24lab.tasks.tags import strip_tags


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
def measure(problem: NumberProblem, text: str) -> Measures:
    """The judge's word on a completion. Cached, so that all rewards share one judgement; never raises on text."""
    judged = judge_chain(problem, text)
    lines = len(judged.lines)
    before = lines if judged.first_wrong is None else judged.first_wrong
    return Measures(
        outcome=judged.outcome, answer=judged.answer, solved=judged.solved, finished=judged.finished, lines=lines,
        share_right=judged.share_right if lines else 0.0, share_before_wrong=before / lines if lines else 0.0,
        sound=judged.first_unsound is None, rollbacks=judged.rollbacks,
        first_wrong=judged.first_wrong,
    )  # fmt: skip


def find_fault(problem: NumberProblem, text: str) -> int | None:
    """The number of the first wrong line of a chain, from 0, as line ends count.

    None where all are right, and where think and answer tags stand between them: those lines are not the text's.
    """
    line = measure(problem, text).first_wrong
    return None if line is None or strip_tags(text, problem.target) != text else line


def reward_output(problem: NumberProblem, text: str) -> float:
    """1 where the final answer is an expression of exactly these numbers that makes the target, else 0."""
    return float(measure(problem, text).solved)


def reward_process(problem: NumberProblem, text: str) -> float:
    """The share of right lines: the move, the state it leads to and the numbers left. 0 for an empty completion."""
    return measure(problem, text).share_right


def reward_length(
    problem: NumberProblem, text: str, *, free: int = 4, middle: float = 24, steepness: float = 0.2
) -> float:
    """1 up to `free` lines, above that 1 / (1 + exp(steepness (lines - middle))): one half at `middle` lines.

    As published, it is paid for wrong and unfinished answers too, an empty one included. Other constants:
    `REWARDS.add(length=functools.partial(reward_length, middle=60))`.
    """
    lines = measure(problem, text).lines
    if lines <= free:
        return 1.0
    # written so that no number of lines overflows
    return 0.5 * (1 - math.tanh(0.5 * steepness * (lines - middle)))


def reward_output_original(problem: NumberProblem, text: str) -> float:
    """LLM4Game24's reward for the outcome: 1, or 0.35 for any last line with a wrong `expression:`, else 0.

    It differs from `reward_output` in that 0.35 and in that the answer must be the very last line. The original hands
    the text to Python's `eval` and would pay for `2**3*3*1` too; here it is parsed.
    """
    return _judge_as_original(problem, text)[0]


def reward_process_original(problem: NumberProblem, text: str) -> float:
    """LLM4Game24's reward for the process: 1 - errors / lines; it reads the notation v3 only.

    It differs from `reward_process` in what it never looks at: the move before `left:`, and whether a line follows from
    the line before. Any true equation over the puzzle's own numbers is right, any rollback to anywhere too.
    """
    return _judge_as_original(problem, text)[1]


@lru_cache(maxsize=2_048)
def _judge_as_original(problem: NumberProblem, text: str) -> tuple[float, float]:
    lines = text.removesuffix("\n").split("\n")  # chains end with a line end here, the original's do not
    seen, errors, output = set(), 0, 0.0
    for place, line in enumerate(lines):
        if "left:" in line:
            repeated = "roll" not in line and line in seen
            errors += repeated or sorted(_read_leaves(line.split("left:")[1].strip()) or ()) != sorted(problem.numbers)
        elif "expression:" in line and place == len(lines) - 1:
            value, cards = _read_expression(line.split("expression:")[-1])
            wrong = value is None or abs(value - problem.target) > 1e-6
            output = 0.35 if wrong or sorted(cards) != sorted(problem.numbers) else 1.0
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


def _describe_chain(problem: NumberProblem, text: str) -> tuple[str, int]:
    found = measure(problem, text)
    return found.outcome, found.lines


def _read(numbers: Any, target: int | None = None) -> NumberProblem | None:
    return None if numbers is None else read_problem(numbers, None if target is None else int(target))


# Every reward by its name. Weights choose among them; with weight 0 they are metrics.
REWARDS = RewardSet(
    functions=MappingProxyType({
        "output": reward_output,
        "process": reward_process,
        "length": reads_text_alone(reward_length),
        "prefix": lambda *a: measure(*a).share_before_wrong,  # process, but nothing behind the first wrong line
        "finished": reads_text_alone(lambda *a: float(measure(*a).finished)),
        "sound": lambda *a: float(measure(*a).sound) if measure(*a).lines else None,
        "lines": reads_text_alone(lambda *a: float(measure(*a).lines)),
        "rollbacks": reads_text_alone(lambda *a: float(measure(*a).rollbacks)),
        "output_original": reward_output_original,
        "process_original": reward_process_original,
    }),
    weights=MappingProxyType({"output": 0.55, "process": 0.30, "length": 0.15}),
    columns=("numbers", "target"), read=_read, describe=_describe_chain, find_fault=find_fault,
)  # fmt: skip


def _take_moves(reward: Callable[[NumberProblem, str], Any]) -> Callable[[NumberProblem, str], Any]:
    """A reward that takes right moves for an answer too, see `tasks.numbers.solution_lines`: it reads the numbers."""
    return lambda problem, text: reward(problem, add_answer(problem, text))


# The same for policies that write solutions line by line, without a last line for the answer.
LINE_REWARDS = replace(REWARDS, functions=MappingProxyType(
    {name: _take_moves(reward) for name, reward in REWARDS.functions.items()}), describe=_take_moves(_describe_chain)
)  # fmt: skip
