"""Rewards: what a completion is paid for, by name, and their weighted sum.

Each task has rewards of its own, see `KINDS`. Those of word problems are in `wordrewards`; here are those of number
games: output, process and length are the three parts of LLM4Game24's reward (LiaoMengqi/LLM4Game24,
grpo/reward_model.py), the first two exact, because one judge (`tasks.chains`) reads every line. A completion is judged
once, whatever number of rewards ask. It does not know of groups, advantages, models or trainers.
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
from game24lab.tasks.tags import strip_tags
from game24lab.wordrewards import WORD_REWARDS, WORD_WEIGHTS, describe, find_false, read_gold

# What is known of the problem (a puzzle's numbers), the text, and the target where it is a number game
Reward = Callable[..., float | None]  # None: not applicable

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


def _describe_chain(numbers: Puzzle, text: str, target: int) -> tuple[str, int]:
    found = measure(numbers, text, target)
    return found.outcome, found.lines


def find_kind(task: str) -> Kind:
    """The rewards of a task by its name; ValueError for a task that has none."""
    if task not in KINDS:
        raise ValueError(f"task {task!r}: one of {', '.join(KINDS)} is accepted")
    return KINDS[task]


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


def _read_numbers(value: Any) -> Puzzle | None:
    if value is None:
        return None
    if isinstance(value, str):
        return parse_puzzle(value, fewest=1)
    if not isinstance(value, Iterable):
        raise ValueError(f"numbers {value!r}: whole numbers such as [4, 5, 6, 10] are accepted")
    return check_numbers(value, fewest=1)


def read_text(completion: Any) -> str:
    """A completion's text; of a chat's messages, what they say one after the other. ValueError for neither."""
    if isinstance(completion, str):
        return completion
    try:
        return "\n".join([message["content"] for message in completion])
    except (TypeError, KeyError):
        raise ValueError(f"completion {str(completion)[:60]!r}: a text or chat messages are accepted") from None


KINDS: Mapping[str, Kind] = MappingProxyType({
    "game24": Kind(REWARDS, DEFAULT_WEIGHTS, "numbers", _read_numbers, _describe_chain, find_fault, targeted=True),
    "gsm8k": Kind(WORD_REWARDS, WORD_WEIGHTS, "gold", read_gold, describe, find_false),
})  # fmt: skip
