"""Problems of number games as the command line names them: numbers, a file, or standard input.

It does not know models, searches or how arguments are parsed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from game24lab.runs.checks import require_one_of
from game24lab.tasks.environment import Environment
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.countdown_puzzles import RULES
from game24lab.tasks.numbers.environment import NumberGame
from game24lab.tasks.numbers.prompts import write_preamble
from game24lab.tasks.numbers.puzzles import NumberProblem, parse_puzzle, parse_targets, read_problem, read_targets
from game24lab.tasks.numbers.splits import Split
from game24lab.tasks.numbers.task import Game24

if TYPE_CHECKING:
    from game24lab.tasks.task import Task

GAMES = ("game24", "countdown")


def open_game(name: str, rules: str | None = None, held_out: int = 0, **shown: Any) -> Environment:
    """The environment of a number game by its name, with rules of its own where it has several.

    held_out: problems to draw of those that the shipped models have not met. Where they come from the command line (0),
        no puzzles of the Game of 24 are drawn, which would ask the solver about all.
    shown: preamble, context, template and chat, as `tasks.numbers.environment.open_number_game` has them.

    ValueError for another name, unknown rules, and rules of a game that has none to choose among.
    """
    require_one_of("task", name, GAMES)
    if name != "game24":
        if rules is not None:
            require_one_of("rules", rules, tuple(RULES))
        return open_environment(name, split=rules or "", held_out=held_out or 1, **shown)
    if rules is not None:
        raise ValueError(f"rules must be left out for the task game24, got {rules!r}")
    if held_out:
        return open_environment(name, held_out=held_out, **shown)
    context = shown.pop("context", "position")
    return NumberGame(Split("", (), ()), (), task=Game24(context, write_preamble(**shown)))


def read_problems(task: Task, numbers: Sequence[str], file: str | None, target: int | None) -> list[NumberProblem]:
    """The problems of a command line: `numbers` of one puzzle, or those of a file, `-` for standard input.

    ValueError for neither or both, for what is no puzzle, and for a problem that is none of the task's.
    """
    if bool(numbers) == (file is not None):
        raise ValueError("solve needs four numbers such as 4 5 6 10, or --file FILE (- for standard input), got "
                         f"{'both' if numbers else 'neither'}")  # fmt: skip
    if file is None:
        problems = [_read_one(" ".join(numbers), target)]
    else:
        found = parse_targets(sys.stdin, "standard input", target) if file == "-" else read_targets(file, target)
        problems = [read_problem(puzzle, own) for puzzle, own in found]
    for problem in problems:
        task.start(problem)
    return problems


def _read_one(text: str, target: int | None) -> NumberProblem:
    """The problem of the words of a command: numbers, and behind an arrow their target where there is one."""
    numbers, arrow, _ = text.partition("->")
    parse_puzzle(numbers)  # three to six
    return read_problem(text if arrow else numbers, target)
