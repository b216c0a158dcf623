"""Word problems made ready for learning: samples, problems, rewards, the judge. It does not know models."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from game24lab.runs.checks import require
from game24lab.tasks.environment import Environment
from game24lab.tasks.gsm8k.dataset import read_split
from game24lab.tasks.gsm8k.judge import COLUMNS, describe_problem, judge_completion
from game24lab.tasks.gsm8k.problems import pose
from game24lab.tasks.gsm8k.rewards import REWARDS, Gold, read_gold
from game24lab.tasks.gsm8k.synthetic import OPERATIONS, SIDES, make_problems
from game24lab.tasks.gsm8k.task import INSTRUCTION, PLAIN, WordProblem, WordProblems, write_solution
from game24lab.tasks.problems import Problem, Progress, Sample
from game24lab.tasks.rewards import RewardSet

LACKS = MappingProxyType({
    "traces": "its solutions are learnt without search traces",
    "truth": "nobody knows whether half an answer can still come right; 04_critic_words trains a critic of its lines",
    "pretrained": "the shipped models know number games alone; give a checkpoint trained on word problems, as 03_sft "
                  "makes with task gsm8k",
    "ranking": "its problems have no published ranking",
})  # fmt: skip


@dataclass(frozen=True)
class WordGame(Environment):
    """The environment of word problems, of a set or made here."""

    task: WordProblems  # holds the questions that are asked
    held_out: tuple[str, ...]
    source: str
    find: Callable[[str, int, Progress], Sequence[WordProblem]]  # purpose, count: training problems
    name: str = "gsm8k"
    vocabulary: str = "problems"
    rewards: RewardSet = REWARDS
    columns: Mapping[str, str] = field(default_factory=lambda: COLUMNS)
    lacks: Mapping[str, str] = field(default_factory=lambda: LACKS)

    def __str__(self) -> str:
        return f"word problems ({self.source}), {len(self.held_out)} held out"

    def sft_samples(self, count: int, progress: Progress, *, direct_share: float = 0.0, **options: Any) -> list[Sample]:
        """The problems' own solutions between the tags; options of other tasks change nothing.

        A share of them, drawn by their question, tells the answer without the steps to it, as much text does that a
        policy may have read before. ValueError for a share outside 0..1, and for problems without steps.
        """
        if not 0 <= direct_share <= 1:
            raise ValueError(f"direct_share must be a number from 0 to 1, got {direct_share!r}")
        problems = self.find("lessons", count, progress)
        samples = [
            Sample(self.task.prompt(one.question), write_solution(one, direct=_draw(one.question) < direct_share))
            for one in problems
            if one.steps
        ]
        if not samples:
            raise ValueError(f"word problems ({self.source}): none has steps to learn from")
        return samples

    def problems(self, count: int, lowest: float, highest: float, progress: Progress) -> list[Problem]:
        """Prompts with right answers. ValueError for a difficulty: nobody knows it before they are tried."""
        if (lowest, highest) != (0, 1):
            raise ValueError(f"difficulty must be 0 to 1 for word problems, got {lowest} to {highest}")
        return pose(self.find("trials", count, progress), self.task)

    def draw_starts(self, puzzles: int, **others: Any) -> tuple[list[WordProblem], list[str]]:
        """Training problems from which rollouts for a critic begin; other options change nothing."""
        require("problems", puzzles, int, 1)
        return list(self.find("rollouts", puzzles, iter)), []

    def write_name(self, problem: Any) -> str:
        """The question. ValueError for one that this environment does not hold."""
        return self._find(problem).question

    def read_name(self, name: str) -> str:
        """The problem of a name, as `held_out` holds them."""
        return self.write_name(name)

    def know(self, problem: Any) -> Gold | None:
        """What the rewards must know of a problem: its right answer."""
        return read_gold(self._find(problem).gold)

    def describe(self, problem: Any) -> dict[str, Any]:
        """What a row says of a problem, whoever answers: the question, its right answer, its structure."""
        problem = self._find(problem)
        return {"question": problem.question} | describe_problem(problem)

    def judge(self, problem: Any, completion: Any) -> dict[str, Any]:
        """One completion as a row: see `tasks.gsm8k.judge.judge_completion`."""
        return judge_completion(self._find(problem), completion)

    def _find(self, problem: Any) -> WordProblem:
        return self.task.start(problem).problem


def open_word_game(
    *,
    split: str = "",
    held_out: int = 100,
    seed: int = 0,
    source: str = "",
    operations: Sequence[int] = OPERATIONS,
    template: str = "auto",
    chat: str | None = None,
    **others: Any,
) -> WordGame:
    """Word problems with the held-out ones drawn; options of other tasks change nothing.

    Args:
        split: of problems made here "test" (structures that training never sees, the default) or "familiar".
        source: "" makes them; else a folder, file or hub data set, see `tasks.gsm8k.dataset.read_split`.
        operations: calculations of a problem that is made here.
        template: "auto" takes the chat template where there is one, with the published instruction; "plain" never
            does; any other text holds {question} and the four tags.
        chat: a checkpoint's chat template, see `models.tokenizer.read_chat`; None: it has none.

    ValueError for anything else, named.
    """
    chat = None if template == "plain" else chat
    given = {"auto": INSTRUCTION if chat else PLAIN, "plain": PLAIN}.get(template, template)
    if source:
        sides = read_split(source, held_out=held_out, seed=seed)
        asked, name = sides.held_out, sides.name

        def find(purpose: str, count: int, progress: Progress) -> Sequence[WordProblem]:
            return sides.train[:count]
    else:
        split = split or SIDES[1]
        if split not in SIDES[1:]:
            raise ValueError(f"split must be {' or '.join(SIDES[1:])} for word problems made here, got {split!r}")
        # the held-out problems are the same whatever the seed
        asked, name = make_problems(held_out, "held out", operations, side=split), f"made here, {split}"

        def find(purpose: str, count: int, progress: Progress) -> Sequence[WordProblem]:
            return make_problems(count, f"{purpose} {seed}", operations, progress=progress)

    task = WordProblems(asked, given, chat)
    return WordGame(task, tuple(problem.question for problem in asked), name, find)


def _draw(question: str) -> float:
    """A number from 0 to below 1 that is the question's own."""
    # another than the one by which `dataset` divides a file, or the two choices would hang together
    return random.Random(f"direct {question}").random()
