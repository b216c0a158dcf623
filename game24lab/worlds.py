"""Tasks by name, ready to be learnt: what training begins with, what is held out, how answers are graded and shown.

A notebook opens one of them and then does the same whatever the task is. It knows all tasks and no model: policies are
handed in.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from game24lab.grading import grade
from game24lab.models import read_chat
from game24lab.tasks.corpus import Sample, make_solutions
from game24lab.tasks.game24 import Game24
from game24lab.tasks.gsm8k import INSTRUCTION, PLAIN, WordProblem, WordProblems, write_solution
from game24lab.tasks.problems import Problem, make_problems, pick_by_difficulty, pose
from game24lab.tasks.splits import Split, make_split, pick_held_out
from game24lab.tasks.wordproblems import OPERATIONS, SIDES
from game24lab.tasks.wordproblems import make_problems as make_word_problems
from game24lab.wordgrading import grade_words
from game24lab.wordsets import read_split

Progress = Callable[..., Iterable]  # such as tqdm


class World(Protocol):
    """What a notebook needs of a task."""

    name: str
    task: Any  # a `tasks.task.Task`
    asked: Sequence[Any]  # held-out problems, as `task.start` takes them
    words: str  # the vocabulary of models that learn it from scratch

    def write_lessons(self, count: int, progress: Progress, **options: Any) -> list[Sample]:
        """So many solutions to learn from."""

    def list_forbidden(self) -> Sequence[Any]:
        """Puzzles that no trace to learn from may begin with; ValueError for a task that has no such traces."""

    def pose(self, count: int, lowest: float, highest: float, progress: Progress) -> list[Problem]:
        """Problems to learn from by trial; of those that are made without end, `count`."""

    def grade(self, policy: Any, problems: Sequence[Any], **settings: Any) -> pd.DataFrame:
        """A policy's answers, judged: `grading.grade` of this task."""


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
        """Solutions by the exact solver; options as in `tasks.corpus.make_solutions`, others change nothing."""
        options = {name: option for name, option in options.items() if name != "direct_share"}
        options |= {"held_out": self.sides.forbidden, "seed": self.seed, "progress": progress}
        return make_solutions(self.sides.train, count, **options)

    def list_forbidden(self) -> Sequence[tuple]:
        """The held-out puzzles, those that are not asked too, and what a strict split holds out besides."""
        return tuple(self.sides.forbidden)

    def pose(self, count: int, lowest: float, highest: float, progress: Progress) -> list[Problem]:
        """All training puzzles of a difficulty, see `tasks.problems.pick_by_difficulty`."""
        return make_problems(pick_by_difficulty(self.sides.train, lowest, highest, progress=progress))

    def grade(self, policy: Any, problems: Sequence[Any], **settings: Any) -> pd.DataFrame:
        """Chains of thought, judged."""
        return grade(policy, problems, **settings)


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


def open_world(
    task: str = "game24",
    *,
    split: str = "tot",
    held_out: int = 100,
    seed: int = 0,
    source: str = "",
    operations: Sequence[int] = OPERATIONS,
    template: str = "auto",
    checkpoint: str | Path = "",
) -> World:
    """A task with its held-out problems drawn.

    Args:
        split: in the Game of 24 one of `tasks.splits.SPLITS` or a file; of word problems that are made here "test"
            (structures that training never sees) or "familiar".
        source: word problems: "" makes them; else a folder, file or hub data set, see `wordsets.read_split`.
        operations: calculations of a word problem that is made here.
        template: of word problems: "auto" takes the checkpoint's chat template where it has one, with the published
            instruction; "plain" never does; any other text holds {question} and the four tags.
        checkpoint: whose chat template it is; "" has none.

    ValueError for anything else, named.
    """
    if task == "game24":
        sides = make_split(split, seed=seed)
        return Numbers(sides, pick_held_out(sides, held_out), seed)
    if task != "gsm8k":
        raise ValueError(f"task {task!r}: game24 or gsm8k is accepted")
    chat = read_chat(checkpoint) if str(checkpoint) and template != "plain" else None
    given = {"auto": INSTRUCTION if chat else PLAIN, "plain": PLAIN}.get(template, template)
    if source:
        sides = read_split(source, held_out=held_out, seed=seed)
        asked, name = sides.held_out, sides.name

        def find(purpose: str, count: int, progress: Progress) -> Sequence[WordProblem]:
            return sides.train[:count]
    else:
        if split not in SIDES[1:]:
            raise ValueError(f"split {split!r}: {' or '.join(SIDES[1:])} is accepted for word problems made here")
        # the held-out problems are the same whatever the seed
        asked, name = make_word_problems(held_out, "held out", operations, side=split), f"made here, {split}"

        def find(purpose: str, count: int, progress: Progress) -> Sequence[WordProblem]:
            return make_word_problems(count, f"{purpose} {seed}", operations, progress=progress)

    world = WordProblems(asked, given, chat)
    return Words(world, tuple(problem.question for problem in asked), name, find)


def _draw(question: str) -> float:
    """A number from 0 to below 1 that is the question's own."""
    # another than the one by which `wordsets` divides a file, or the two choices would hang together
    return random.Random(f"direct {question}").random()
