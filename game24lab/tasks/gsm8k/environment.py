"""Word problems made ready for learning: samples, problems, the judge. It does not know models."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from game24lab.evaluation.chains import grade_words
from game24lab.tasks.gsm8k.problems import pose
from game24lab.tasks.gsm8k.task import WordProblem, WordProblems, write_solution
from game24lab.tasks.numbers.solutions import Sample
from game24lab.tasks.problems import Problem, Progress


@dataclass(frozen=True)
class Words:
    """Word problems, of a set or made here."""

    task: WordProblems  # holds the questions that are asked
    asked: tuple[str, ...]
    source: str
    find: Callable[[str, int, Progress], Sequence[WordProblem]]  # purpose, count: training problems
    name: str = "gsm8k"
    words: str = "problems"

    def __str__(self) -> str:
        return f"word problems ({self.source}), {len(self.asked)} held out"

    def write_lessons(
        self, count: int, progress: Progress, *, direct_share: float = 0.0, **options: Any
    ) -> list[Sample]:
        """The problems' own solutions between the tags; options of other tasks change nothing.

        A share of them, drawn by their question, tells the answer without the steps to it, as much text does that a
        policy may have read before. ValueError for a share outside 0..1, and for problems without steps.
        """
        if not 0 <= direct_share <= 1:
            raise ValueError(f"direct_share {direct_share!r}: a number from 0 to 1 is accepted")
        problems = self.find("lessons", count, progress)
        samples = [
            Sample(self.task.prompt(one.question), write_solution(one, direct=_draw(one.question) < direct_share))
            for one in problems
            if one.steps
        ]
        if not samples:
            raise ValueError(f"word problems ({self.source}): none has steps to learn from")
        return samples

    def list_forbidden(self) -> Sequence[str]:
        """ValueError: search traces are of number games."""
        raise ValueError("traces with the task gsm8k: word problems have none; their solutions are learnt without")

    def pose(self, count: int, lowest: float, highest: float, progress: Progress) -> list[Problem]:
        """Prompts with right answers. ValueError for a difficulty: nobody knows it before they are tried."""
        if (lowest, highest) != (0, 1):
            raise ValueError(f"difficulty from {lowest} to {highest}: 0 to 1 is accepted for word problems")
        return pose(self.find("trials", count, progress), self.task)

    def grade(self, policy: Any, problems: Sequence[Any], **settings: Any) -> pd.DataFrame:
        """Answers between tags, judged."""
        return grade_words(policy, self.task, problems, **settings)


def _draw(question: str) -> float:
    """A number from 0 to below 1 that is the question's own."""
    # another than the one by which `wordsets` divides a file, or the two choices would hang together
    return random.Random(f"direct {question}").random()
