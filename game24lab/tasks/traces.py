"""Reasoning text of arithmetic games: solution traces are written and single lines are judged here.

The format is that of TS-LLM (waterhorse1/LLM_Tree_Search): one move a line, `12 / 3 = 4 (left: 2 4 4)`. Nothing is read
back from a line without being checked, and the state after a move is always computed. Numbers left are written sorted.
This module does not know of prompts, tokenizers or models.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from fractions import Fraction

from game24lab.tasks.arithmetic import (
    OPERATORS,
    State,
    Step,
    alive_steps,
    apply,
    make_state,
    remove,
    solutions,
    write_step,
)

ANSWER_PREFIX = "The answer is "
_NUMBER = r"(-?[0-9]{1,12}(?:/[0-9]{1,12})?)"
_LINE = re.compile(rf"{_NUMBER} ([-+*/]) {_NUMBER} = {_NUMBER}(?: \(left: ([-0-9/ ]*)\))?")


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


def _read_number(text: str) -> Fraction | None:
    numerator, _, denominator = text.partition("/")
    return None if denominator and not int(denominator) else Fraction(int(numerator), int(denominator or 1))


def judge_line(state: State, line: str) -> tuple[Step, State] | str:
    """The step that a line makes and the state it leads to, or the reason why it is not legal. Never raises.

    `(left: ...)` may be missing; where it stands it must be right. Fractions are written `8/3`, a quotient `8 / 3`.
    """
    line = line.strip() if len(line) <= 300 else line[:300]
    match = _LINE.fullmatch(line)
    if match is None:
        return "not of the form `a + b = c (left: ...)`"
    left, right, result = (_read_number(match[i]) for i in (1, 3, 4))
    if left is None or right is None or result is None:
        return "a fraction with denominator 0"
    if match[2] not in OPERATORS:  # pragma: no cover - the pattern admits only these
        return f"unknown operator {match[2]}"
    rest = remove(state, left, right)
    if rest is None:
        return f"{left} and {right} are not both among the numbers left, {' '.join(map(str, state))}"
    truth = apply(left, match[2], right)
    if truth is None:
        return "division by zero"
    if truth != result:
        return f"{left} {match[2]} {right} is {truth}, not {result}"
    after = make_state((*rest, truth))
    if match[5] is not None:
        claimed = [_read_number(text) if re.fullmatch(_NUMBER, text) else None for text in match[5].split()]
        if None in claimed or tuple(sorted(claimed)) != after:
            return f"the numbers left are {' '.join(map(str, after))}, not {match[5].strip()}"
    return Step(left, match[2], right, truth), after


def _is_plain(state: State, start: State) -> bool:
    """Whether a position stays within non-negative integers, as people play."""
    return all(number.denominator == 1 and number >= 0 for number in state)


def sample_solution(
    numbers: Sequence[int | Fraction], rng: random.Random, target: Fraction | int = 24
) -> tuple[Step, ...] | None:
    """A random solution: at each position one of the moves that keep the target reachable, all equally likely.

    Moves within the non-negative integers are preferred; others are taken only where there is no such way. None for an
    unsolvable puzzle.
    """
    state, target, steps = make_state(numbers), Fraction(target), []
    while len(state) > 1:
        alive = alive_steps(state, target)
        if not alive:
            return None
        plain = [move for move in alive if _is_plain(move[1], state) and _plainly_reachable(move[1], target)]
        step, state = rng.choice(plain or alive)
        steps.append(step)
    return tuple(steps)


def _plainly_reachable(state: State, target: Fraction) -> bool:
    """Whether the target can be made without leaving the non-negative integers."""
    if len(state) == 1:
        return state[0] == target
    return any(_is_plain(after, state) and _plainly_reachable(after, target) for _, after in alive_steps(state, target))
