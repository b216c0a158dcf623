"""Number games in completions made elsewhere: which rows are such games, what a text answers, and whether it is right.

A row of a game holds a puzzle for a problem and its target for an answer, which says nothing of a right solution: only
the exact verifier can. It does not know of files or labels, nor how answers are marked in other texts.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from game24lab.tasks.notation import read_expression
from game24lab.tasks.numbers.arithmetic import ExpressionError, parse_expression
from game24lab.tasks.numbers.chains import judge_chain
from game24lab.tasks.numbers.expressions import check_answer
from game24lab.tasks.numbers.prompts import read_prompt
from game24lab.tasks.numbers.puzzles import LARGEST, NumberProblem, Puzzle, check_numbers, parse_puzzle

_LONGEST = 20_000  # characters of a problem that are looked through, and of an answer
_WHOLE = re.compile(r"-?[0-9]{1,6}")
_BOXED = re.compile(r"= *\\(?:boxed|fbox) ?\{")
_CALCULATION = re.compile(r"(?:[-+*/×÷()\[\]0-9 \t]|\\(?:times|cdot|div|left|right)(?![A-Za-z]))+\Z")
_BACK = 300  # characters before a box in which its calculation stands


@dataclass(frozen=True)
class Game:
    """What a row asks for: these numbers, each once, must make the target."""

    numbers: Puzzle
    target: int


def find_game(row: Mapping[str, Any]) -> Game | None:
    """The game that a row of a completions file asks for; None where it is another problem.

    A row is a game where its problem is nothing but a puzzle, shows one as the published prompts do, or where a puzzle
    stands under `numbers`. Its target is what `target` or the prompt says, else the number under `answer`; a solution
    there means 24. ValueError where there is neither.
    """
    numbers, target = _read_problem(row)
    if numbers is None:
        return None
    gold = str(row.get("answer") if row.get("answer") is not None else "").strip()
    if target is None and _WHOLE.fullmatch(gold.removesuffix(".0")):
        target = int(gold.removesuffix(".0"))
    if target is None and check_answer(numbers, gold, 24).accepted:
        target = 24
    if target is None or abs(target) > LARGEST:
        raise ValueError(f"answer of the puzzle {' '.join(map(str, numbers))} must be its target, such as 24, or one "
                         f"of its solutions, got {gold[:40]!r}")  # fmt: skip
    return Game(numbers, target)


def _read_problem(row: Mapping[str, Any]) -> tuple[Puzzle | None, int | None]:
    target = row.get("target")
    target = target if type(target) is int else None
    column = next((row[name] for name in ("numbers", "nums") if isinstance(row.get(name), list)), None)
    problem = str(row["problem"])[-_LONGEST:]
    shown = read_prompt(problem)
    try:
        numbers = check_numbers(column) if column is not None else parse_puzzle(shown.numbers if shown else problem)
    except (ValueError, TypeError):
        return None, None
    return numbers, shown.target if target is None and shown else target


def find_solution(game: Game, text: str, answer: str | None) -> str | None:
    """The expression that a text answers: its marked `answer`, or as its chain of thought ends; or None."""
    if answer is not None and _WHOLE.fullmatch(answer):  # the number alone: (10 - 4) * 5 - 6 = \\boxed{24}
        boxes = list(_BOXED.finditer(text[-_LONGEST:]))
        before = text[-_LONGEST:][: boxes[-1].start()][-_BACK:] if boxes else ""
        calculation = _CALCULATION.search(before)
        return calculation[0].strip() if calculation else answer
    if answer is None:
        judged = judge_chain(NumberProblem(game.numbers, game.target), text[-_LONGEST:])
        answer = judged.answer if judged.finished else None
    return answer


def solves(game: Game, answer: str | None) -> bool:
    """The exact verifier's word on an answer."""
    return answer is not None and check_answer(game.numbers, answer, game.target).accepted


def name_solution(answer: str | None) -> Hashable | None:
    """Equal for answers that come to one value with the same numbers, for votes; None for none."""
    if answer is None:
        return None
    try:
        value, operands = parse_expression(read_expression(answer).partition("=")[0], signed=True)
    except ExpressionError:
        return " ".join(answer.split()) or None
    return value, tuple(sorted(operands))
