"""Tasks by name, ready to be learnt: what training begins with, what is held out, how answers are graded and shown.

A notebook opens one of them and then does the same whatever the task is. It knows all tasks and no model: policies are
handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import pandas as pd

from game24lab.models.tokenizer import read_chat
from game24lab.tasks.gsm8k.dataset import read_split
from game24lab.tasks.gsm8k.environment import Words
from game24lab.tasks.gsm8k.rewards import WORD_REWARDS, WORD_WEIGHTS, describe, find_false, read_gold
from game24lab.tasks.gsm8k.synthetic import OPERATIONS, SIDES
from game24lab.tasks.gsm8k.synthetic import make_problems as make_word_problems
from game24lab.tasks.gsm8k.task import INSTRUCTION, PLAIN, WordProblem, WordProblems
from game24lab.tasks.numbers.environment import Numbers
from game24lab.tasks.numbers.rewards import DEFAULT_WEIGHTS, REWARDS, _describe_chain, _read_numbers, find_fault
from game24lab.tasks.numbers.solutions import Sample
from game24lab.tasks.numbers.splits import make_split, pick_held_out
from game24lab.tasks.problems import Problem, Progress
from game24lab.tasks.rewards import Kind


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
        """A policy's answers, judged: `evaluation.chains.grade` of this task."""


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
        split: in the Game of 24 one of `tasks.numbers.splits.SPLITS` or a file; of word problems that are made here
            "test" (structures that training never sees) or "familiar".
        source: word problems: "" makes them; else a folder, file or hub data set, see `tasks.gsm8k.dataset.read_split`.
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


def find_kind(task: str) -> Kind:
    """The rewards of a task by its name; ValueError for a task that has none."""
    if task not in KINDS:
        raise ValueError(f"task {task!r}: one of {', '.join(KINDS)} is accepted")
    return KINDS[task]


KINDS: Mapping[str, Kind] = MappingProxyType({
    "game24": Kind(REWARDS, DEFAULT_WEIGHTS, "numbers", _read_numbers, _describe_chain, find_fault, targeted=True),
    "gsm8k": Kind(WORD_REWARDS, WORD_WEIGHTS, "gold", read_gold, describe, find_false),
})  # fmt: skip
