"""Reasoning text of arithmetic games: solution traces are written and single lines are judged here.

The format is that of TS-LLM (waterhorse1/LLM_Tree_Search): one move a line, `12 / 3 = 4 (left: 2 4 4)`. Nothing is read
back from a line without being checked, and the state after a move is always computed. Numbers left are written sorted.
Solutions to learn from are sampled here. This module does not know of prompts, tokenizers or models.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from game24lab.tasks.numbers.arithmetic import (
    State,
    Step,
    apply,
    legal_steps,
    make_state,
    reachable,
    remove,
    wholly_reachable,
    write_step,
)

# How TS-LLM (`The answer is `), Tree of Thoughts (`Answer: `) and chat models (`**Final answer:** `) begin an answer
_ANSWER = re.compile(
    r"[#*\s]*(?:(?:so|thus|therefore|hence),? )?(?:the )?(?:final )?answer\**(?: is\**(?: ?:\**)?(?!\w)|\** ?:\**)",
    re.IGNORECASE,
)
_MAX_CHARACTERS = 300
_WHOLE = r"(?:0|-?[1-9][0-9]{0,39})"
_NUMBER = rf"(?:-?(?:0|[1-9][0-9]{{0,39}})?\.[0-9]{{1,40}}|{_WHOLE}(?:/[1-9][0-9]{{0,39}})?)"
_LINE = re.compile(rf"({_NUMBER}) ([-+*/]) ({_NUMBER}) = ({_NUMBER})(?: \(left: ({_NUMBER}(?: {_NUMBER})*)\))?")


def write_line(step: Step, left: State) -> str:
    """`12 / 3 = 4 (left: 2 4 4)`."""
    return f"{write_step(step)} (left: {' '.join(map(str, left))})"


def write_solution(numbers: Sequence[int | Fraction], steps: Sequence[Step]) -> list[str]:
    """The lines of a solution, one a step; ValueError where a step does not fit its state."""
    state, lines = make_state(numbers), []
    for step in steps:
        rest = remove(state, step.left, step.right)
        if rest is None:
            raise ValueError(f"step {write_step(step)} uses a number that is not among {' '.join(map(str, state))}")
        state = make_state((*rest, step.result))
        lines.append(write_line(step, state))
    return lines


def _read_number(text: str) -> Fraction:
    return Fraction(text) if "/" in text or "." in text else Fraction(int(text))  # the latter is four times as fast


def find_answer(line: str) -> str | None:
    """What stands on a line behind the words that begin an answer, "" where nothing does; None without these words."""
    line = line.strip()
    if line.startswith("**") and line.endswith("**") and "**" not in line[2:-2]:
        line = line[2:-2]  # all of it is bold
    match = _ANSWER.match(line[:_MAX_CHARACTERS])
    return line[match.end() :].strip() if match else None


@dataclass(frozen=True, slots=True)
class Line:
    """What a line claims, true or false."""

    left: Fraction
    operator: str
    right: Fraction
    result: Fraction
    after: State | None  # the numbers left, sorted; None where the line does not say
    said: str | None  # the same as it was written


def read_line(line: str) -> Line | str:
    """What a line of the form `12 / 3 = 4 (left: 2 4 4)` claims, or why it cannot be read. Nothing is checked.

    `(left: ...)` may be missing. Fractions are written `8/3`, a quotient `8 / 3`; numbers have no leading zeros. A
    decimal is exactly that number: `1 / 4 = 0.25` is right, `1 / 3 = 0.33` is not. Never raises on text.
    """
    line = line.strip()
    if len(line) > _MAX_CHARACTERS:
        return f"a line of {len(line)} characters: at most {_MAX_CHARACTERS} are read"
    match = _LINE.fullmatch(line)
    if match is None:
        return "not of the form `a + b = c (left: ...)`"
    left, right, claimed = (_read_number(match[i]) for i in (1, 3, 4))
    after = None if match[5] is None else tuple(sorted(map(_read_number, match[5].split(" "))))
    return Line(left, match[2], right, claimed, after, match[5])


def judge_line(state: State, line: str) -> tuple[Step, State] | str:
    """The step that a line makes and the state it leads to, or the reason why it is not legal. Never raises.

    `(left: ...)` may be missing; where it stands it must be right, in any order.
    """
    claim = read_line(line)
    if isinstance(claim, str):
        return claim
    left, right = claim.left, claim.right
    rest = remove(state, left, right)
    if rest is None:
        return f"{left} and {right} are not both among the numbers left, {' '.join(map(str, state))}"
    result = apply(left, claim.operator, right)
    if result is None:
        return "division by zero"
    if result != claim.result:
        return f"{left} {claim.operator} {right} is {result}, not {claim.result}"
    after = make_state((*rest, result))
    if claim.after is not None and claim.after != after:
        return f"the numbers left are {' '.join(map(str, after))}, not {claim.said}"
    return Step(left, claim.operator, right, result), after


def sample_solution(
    numbers: Sequence[int | Fraction],
    rng: random.Random,
    target: Fraction | int = 24,
    avoid: Container[Any] = frozenset(),
    problem: Any = None,
) -> tuple[Step, ...] | None:
    """A random solution: at each position one of the `preferred_steps`, all equally likely.

    None for an unsolvable puzzle. Positions in `avoid` are never passed through (a puzzle of five numbers can lead to a
    held-out one of four); None where that leaves no way on. A `problem` brings the rules of another game: what is
    `alive` by them, and as what a position stands in `avoid` (`puzzles.NumberProblem`). Fast where the same puzzle is
    sampled many times in a row.
    """
    state, steps = make_state(numbers), []
    while len(state) > 1:
        moves = preferred_steps(state, target, reachable if problem is None else problem.alive)
        if avoid:
            moves = [move for move in moves if (problem.place(move[1]) if problem else move[1]) not in avoid]
        if not moves:
            return None
        step, state = rng.choice(moves)
        steps.append(step)
    return tuple(steps) if state == (target,) else None


@lru_cache(maxsize=16_384)
def preferred_steps(
    state: State, target: Fraction | int = 24, alive: Callable[[State, Any], bool] = reachable
) -> tuple[tuple[Step, State], ...]:
    """The moves that keep the target reachable within the non-negative integers; where none does, all that keep it.

    As people play: fractions and negative numbers only where nothing else leads there.
    """
    whole = [move for move in legal_steps(state) if wholly_reachable(move[1], target)]
    return tuple(whole or [move for move in legal_steps(state) if alive(move[1], target)])
