"""The Game of 24 made ready for learning: splits, solutions, problems, rewards, the judge. It does not know models."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from game24lab.runs.checks import require, require_one_of
from game24lab.tasks.environment import Environment
from game24lab.tasks.numbers.chain_task import Chains24
from game24lab.tasks.numbers.features import ask_solver, describe_structure
from game24lab.tasks.numbers.judge import COLUMNS, describe_problem, judge_answer
from game24lab.tasks.numbers.problems import make_problems, pick_by_difficulty
from game24lab.tasks.numbers.prompts import write_preamble
from game24lab.tasks.numbers.puzzles import TARGET, NumberProblem, list_solvable, read_problem
from game24lab.tasks.numbers.rankings import Ranking, load_ranking
from game24lab.tasks.numbers.rewards import LINE_REWARDS, REWARDS
from game24lab.tasks.numbers.solutions import draw_fractions, draw_roots, make_solutions
from game24lab.tasks.numbers.splits import Split, make_split, pick_held_out, pick_train
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.problems import Problem, Progress, Sample
from game24lab.tasks.rewards import RewardSet
from game24lab.tasks.task import Task

ANSWERS = ("chains", "lines")

@dataclass(frozen=True)
class NumberGame(Environment):
    """The environment of number games: solutions line by line, or chains of thought."""

    split: Split
    held_out: tuple[tuple[int, ...] | NumberProblem, ...]
    seed: int = 0
    task: Task = field(default_factory=Game24)
    name: str = "game24"
    vocabulary: str = "lines"
    reference: str = str(TARGET)
    rewards: RewardSet = REWARDS
    columns: Mapping[str, str] = field(default_factory=lambda: COLUMNS)
    lacks: Mapping[str, str] = field(default_factory=dict)
    ranking: Ranking | None = None  # the published one by default
    answers: str = "chains"  # what answers a problem: one of `ANSWERS`
    # The ends that a critic learns for certain: whole numbers from `lowest` to `highest` for each target
    ends: Mapping[str, Any] = field(default_factory=lambda: {"lowest": -99, "highest": 199, "targets": (TARGET,)})

    def __str__(self) -> str:
        return f"{len(self.split.train)} training puzzles, {len(self.split.held_out)} held out"

    @cached_property
    def _ranking(self) -> Ranking:
        return load_ranking() if self.ranking is None else self.ranking

    def sft_samples(self, count: int, progress: Progress, **options: Any) -> list[Sample]:
        """Solutions by the exact solver, drawn by the environment's seed or one's own.

        Options of `tasks.numbers.solutions.make_solutions`; others change nothing.
        """
        options = {name: option for name, option in options.items() if name != "direct_share"}
        options = {"seed": self.seed} | options | {"held_out": self.split.forbidden, "progress": progress}
        return dress_samples(make_solutions(self.split.train, count, **options), self.task)

    def list_forbidden(self) -> Container[tuple]:
        """The held-out puzzles, those that are not asked too, and what a strict split holds out besides."""
        return tuple(self.split.forbidden)

    def draw_starts(
        self, puzzles: int, *, roots: int = 0, fractions: int = 0, highest: int = 30
    ) -> tuple[list[Any], list[str]]:
        """Where rollouts for a critic begin: training puzzles (0: all) and `roots` wider ones, and texts of `fractions`
        positions, see `tasks.numbers.solutions`."""
        drawn = {"held_out": self.split.forbidden, "highest": highest, "seed": self.seed}
        starts = [*pick_train(self.split, puzzles), *draw_roots(self.split.train, roots, **drawn)]
        texts = draw_fractions(self.split.train, fractions, **drawn)
        return starts, list(map(self.task.dress, texts)) if isinstance(self.task, Game24) else texts

    def draw_smaller(self, size: int) -> list[Any]:
        """Solvable puzzles of fewer numbers, all of them; a strict split's held-out positions are left out.

        ValueError for a size that is not below the game's own.
        """
        require("numbers", size, int, 2, len(self.split.train[0]), below=True)
        return [puzzle for puzzle in list_solvable(size) if puzzle not in self.split.forbidden]

    def problems(self, count: int, lowest: float, highest: float, progress: Progress) -> list[Problem]:
        """All training puzzles of a difficulty, see `tasks.numbers.problems.pick_by_difficulty`."""
        game = self.task if isinstance(self.task, Game24) else None
        return make_problems(pick_by_difficulty(self.split.train, lowest, highest, progress=progress), game)

    def write_name(self, problem: Any) -> str:
        """`4 5 6 10`; another target than 24 is named. ValueError for what is no problem."""
        return str(read_problem(problem))

    def read_name(self, name: str) -> tuple[int, ...] | NumberProblem:
        """The problem of a name, as `held_out` holds them."""
        problem = read_problem(name)
        return problem.numbers if problem.target == TARGET else problem

    def know(self, problem: Any) -> NumberProblem:
        """What the rewards must know of a problem."""
        return read_problem(problem)

    def describe(self, problem: Any) -> dict[str, Any]:
        """What a row says of a problem, whoever answers: its numbers, rank, bucket and target."""
        problem = read_problem(problem)
        return {"numbers": str(problem)} | describe_problem(problem, self._ranking)

    def features(self, problem: Any) -> dict[str, float]:
        """The structure of the numbers: see `tasks.numbers.features.describe_structure`."""
        return describe_structure(read_problem(problem))

    def oracle_features(self, problem: Any) -> dict[str, float]:
        """What only the exact solver knows: see `tasks.numbers.features.ask_solver`."""
        return ask_solver(read_problem(problem))

    def judge(self, problem: Any, completion: Any) -> dict[str, Any]:
        """One completion, a chain of thought, as a row: see `tasks.numbers.judge.judge_answer`."""
        return judge_answer(read_problem(problem), completion, moves_answer=self.answers == "lines")


def dress_samples(samples: list[Sample], task: Task) -> list[Sample]:
    """Samples with their prompts as a task shows puzzles; whole chains of thought stand behind the puzzle alone."""
    if not isinstance(task, Game24) or not task.preamble:
        return samples
    return [sample._replace(prompt=task.dress(sample.prompt)) for sample in samples]


def open_number_game(
    *, split: str = "", held_out: int = 100, seed: int = 0, chains: bool = False, answers: str = "chains",
    preamble: str = "", context: str = "position", template: str = "auto", chat: Any = None, **others: Any,
) -> NumberGame:  # fmt: skip
    """The Game of 24 with its held-out problems drawn; options of other tasks change nothing.

    Args:
        split: one of `tasks.numbers.splits.SPLITS` or a file; "tot" by default.
        chains: answers are chains of thought, judged whole.
        answers: "chains" give theirs on a last line; with "lines" right moves that leave one number are one too, as
            policies write them that have learnt solutions line by line.
        preamble, template, chat: what stands around a puzzle, see `tasks.numbers.prompts.write_preamble`.
        context: what a policy sees of a position: "position", the numbers left, or "history", all lines so far.

    ValueError for a bad split, count or template, and for chains in anything but the plain form.
    """
    require_one_of("answers", answers, ANSWERS)
    around = write_preamble(preamble, template, chat)
    sides = make_split(split or "tot", seed=seed)
    asked = pick_held_out(sides, held_out)
    if chains and (around or context != "position"):
        raise ValueError("preamble, context and template must be as by default for chains of thought, which are "
                         f"written behind the puzzle alone, got {preamble!r}, {context!r}, {template!r}")  # fmt: skip
    if chains:
        lacks = {"positions": "its critic would have to read half a chain of thought"}
        return NumberGame(sides, asked, seed, Chains24(), "chains24", "traces", lacks=lacks)
    rewards = LINE_REWARDS if answers == "lines" else REWARDS
    return NumberGame(sides, asked, seed, Game24(context, around), rewards=rewards, answers=answers)
