"""Word problems as problems to learn from by trial. It does not know models, rewards or trainers."""

from __future__ import annotations

from collections.abc import Iterable

from game24lab.tasks.gsm8k.task import WordProblem, WordProblems
from game24lab.tasks.problems import Problem


def pose(problems: Iterable[WordProblem], task: WordProblems) -> list[Problem]:
    """Word problems as problems: the task's prompt, and the column `gold`, the right answer."""
    return [Problem(task.prompt(problem.question), {"gold": problem.gold}) for problem in problems]
