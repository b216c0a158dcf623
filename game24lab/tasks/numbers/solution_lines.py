"""Solutions that are their own answer: lines of moves whose last one leaves a single number.

A policy that has learnt solutions line by line writes no line with an expression. Where all its lines are right and one
number is left, the expression that they compose is the answer; anything else is left as it was written. It does not
know how a chain is judged, nor who wrote one.
"""

from __future__ import annotations

from collections.abc import Sequence

from game24lab.tasks.numbers.arithmetic import make_state
from game24lab.tasks.numbers.puzzles import NumberProblem, as_problem
from game24lab.tasks.numbers.steps import judge_line
from game24lab.tasks.tags import begin_answer

STYLE = "lines"  # what such a text is called beside the styles of `tasks.numbers.chains`


def add_answer(problem: NumberProblem | Sequence[int], text: str) -> str:
    """The text with an answer line behind its moves, where they are all right and end the game. Never raises.

    A game ends with one number, which may be another than the target: then the answer is a wrong one. Where numbers may
    be left over it ends with the target too.
    """
    problem = as_problem(problem)
    state, steps = make_state(problem.numbers), []
    for line in text.removesuffix("\n").split("\n"):
        over = len(state) == 1 or problem.is_made(state)
        judged = "nothing is left to do" if over else judge_line(state, line)
        if isinstance(judged, str) or problem.forbids(judged[0]):
            return text
        step, state = judged
        steps.append(step)
    if len(state) > 1 and not problem.is_made(state):
        return text
    return text.removesuffix("\n") + f"\n{begin_answer(problem.target)}{problem.compose(steps)}\n"


def drop_answer(target: int, lines: Sequence[str]) -> list[str]:
    """Lines of a solution without those that begin an answer."""
    return [line for line in lines if not line.startswith(begin_answer(target).rstrip())]
