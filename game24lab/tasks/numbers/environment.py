"""The Game of 24 made ready for learning: splits, solutions, problems, the judge. It does not know models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from game24lab.evaluation.chains import grade
from game24lab.tasks.numbers.problems import make_problems, pick_by_difficulty
from game24lab.tasks.numbers.solutions import Sample, make_solutions
from game24lab.tasks.numbers.splits import Split
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.problems import Problem, Progress


@dataclass(frozen=True)
class Numbers:
    """The Game of 24."""

    sides: Split
    asked: tuple[tuple[int, ...], ...]
    seed: int = 0
    task: Game24 = Game24()  # noqa: RUF009 - frozen
    name: str = "game24"
    words: str = "lines"

    def __str__(self) -> str:
        return f"{len(self.sides.train)} training puzzles, {len(self.sides.held_out)} held out"

    def write_lessons(self, count: int, progress: Progress, **options: Any) -> list[Sample]:
        """Solutions by the exact solver; options of `tasks.numbers.solutions.make_solutions`, others change nothing."""
        options = {name: option for name, option in options.items() if name != "direct_share"}
        options |= {"held_out": self.sides.forbidden, "seed": self.seed, "progress": progress}
        return make_solutions(self.sides.train, count, **options)

    def list_forbidden(self) -> Sequence[tuple]:
        """The held-out puzzles, those that are not asked too, and what a strict split holds out besides."""
        return tuple(self.sides.forbidden)

    def pose(self, count: int, lowest: float, highest: float, progress: Progress) -> list[Problem]:
        """All training puzzles of a difficulty, see `tasks.numbers.problems.pick_by_difficulty`."""
        return make_problems(pick_by_difficulty(self.sides.train, lowest, highest, progress=progress))

    def grade(self, policy: Any, problems: Sequence[Any], **settings: Any) -> pd.DataFrame:
        """Chains of thought, judged."""
        return grade(policy, problems, **settings)
