"""Countdown made ready for learning: rules by name, splits, solutions, problems, rewards, the judge.

It does not know models.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from game24lab.runs.checks import require, require_one_of, suggest
from game24lab.tasks.numbers.countdown import Countdown, CountdownProblem
from game24lab.tasks.numbers.countdown_files import read_countdown
from game24lab.tasks.numbers.countdown_puzzles import (
    FEWEST,
    RULES,
    SIDES,
    CountdownSplit,
    HeldOut,
    draw_held_out,
    make_problem,
)
from game24lab.tasks.numbers.countdown_solutions import make_countdown_solutions
from game24lab.tasks.numbers.environment import ANSWERS, NumberGame, dress_samples
from game24lab.tasks.numbers.problems import make_problems, pick_by_difficulty
from game24lab.tasks.numbers.prompts import write_preamble
from game24lab.tasks.numbers.puzzles import read_problem
from game24lab.tasks.numbers.rewards import LINE_REWARDS, REWARDS
from game24lab.tasks.numbers.whole_numbers import count_ways
from game24lab.tasks.problems import Problem, Progress, Sample

DEFAULT = "stream_of_search"
STARTS = 2_000
_ASKED = SIDES[1:]  # behind a colon: which held-out problems are asked
_LACKS = {"ranking": "no puzzle of it has a published rank"}


@dataclass(frozen=True)
class CountdownGame(NumberGame):
    """The environment of Countdown: each problem carries its target, and its rules are those of the split."""

    split: CountdownSplit
    task: Countdown = field(default_factory=Countdown)
    name: str = "countdown"
    vocabulary: str = "countdown"
    chain_vocabulary: str = "countdown"
    models: str = "countdown"
    checks: int = 2
    reference: str = ""
    lacks: Mapping[str, str] = field(default_factory=lambda: _LACKS)

    def __str__(self) -> str:
        rules, held_out = self.split.rules, self.split.rules.held_out_targets
        return (f"Countdown of {' or '.join(map(str, rules.sizes))} numbers of {rules.low}..{rules.high} for "
                f"{rules.lowest}..{rules.highest}, {len(held_out)} targets and a tenth of the other puzzles held out, "
                f"{len(self.held_out)} asked")  # fmt: skip

    def sft_samples(self, count: int, progress: Progress, **options: Any) -> list[Sample]:
        """Solutions by the exact solver, see `countdown_solutions.make_countdown_solutions`, by another `seed` other
        ones; options that it does not have change nothing."""
        seed = options.get("seed", self.seed)
        options = {name: options[name] for name in ("position_share", "opening_share") if name in options}
        samples = make_countdown_solutions(self.split.rules, count, held_out=self.split.forbidden, seed=seed,
                                           progress=progress, **options)  # fmt: skip
        return dress_samples(samples, self.task)

    def draw_starts(self, puzzles: int, **others: Any) -> tuple[list[CountdownProblem], list[str]]:
        """Training problems from which rollouts for a critic begin, 0: as many as `STARTS`; other options change
        nothing."""
        require("puzzles", puzzles, int, 0)
        return [self.split.train[index] for index in range(puzzles or STARTS)], []

    def draw_smaller(self, size: int) -> list[CountdownProblem]:
        """Problems of fewer numbers for the targets to learn from, `STARTS` // 4 of them."""
        require("numbers", size, int, FEWEST, min(self.split.rules.sizes), below=True)
        rules = dataclasses.replace(self.split.rules, sizes=(size,))
        return list(dict.fromkeys(make_problem(rules, "train", self.seed, index) for index in range(STARTS // 4)))

    def list_forbidden(self) -> HeldOut:
        """What training must never see, as a container of pairs (numbers, target)."""
        return self.split.forbidden

    def problems(self, count: int, lowest: float, highest: float, progress: Progress) -> list[Problem]:
        """`count` training problems, less those outside the bounds of difficulty (`problems.pick_by_difficulty`)."""
        drawn = [self.split.train[index] for index in progress(range(count))]
        chosen = pick_by_difficulty(drawn, lowest, highest, progress=progress, measure=self.measure_difficulty)
        return make_problems(chosen, self.task)

    def warn(self, problems: Sequence[Any]) -> str:
        """How many problems lie outside the rules by which the models that ship were trained."""
        learnt = RULES[DEFAULT]
        outside = [one for one in map(read_problem, problems) if len(one.numbers) > max(learnt.sizes)
                   or one.target not in learnt.targets or not learnt.low <= min(one.numbers) <= max(one.numbers)
                   <= learnt.high]  # fmt: skip
        if not outside:
            return ""
        return (f"{len(outside)} of {len(problems)} problems lie outside what the shipped models have learnt: at most "
                f"{max(learnt.sizes)} numbers from {learnt.low} to {learnt.high}, targets from {learnt.lowest} to "
                f"{learnt.highest}")  # fmt: skip

    def measure_difficulty(self, problem: Any) -> tuple[int, float]:
        """Number of solutions (sequences of moves that use all numbers), and the solvable share of the positions after
        one move."""
        problem = read_problem(problem)
        children = self.task.children(self.task.start(problem))
        share = sum(map(self.task.truth, children)) / len(children) if children else 0.0
        return count_ways(problem.numbers, problem.target).get(problem.target, 0), share

    def oracle_features(self, problem: Any) -> dict[str, float]:
        """What only the exact solver knows, as `tasks.numbers.features.ask_solver` has it."""
        solutions, alive = self.measure_difficulty(problem)
        return {"solutions": math.log1p(solutions), "alive": alive}

    def read_name(self, name: str) -> CountdownProblem:
        """The problem of a name such as `3 7 25 50 -> 79`, as `held_out` holds them."""
        return self.know(name)

    def know(self, problem: Any) -> CountdownProblem:
        """What the rewards must know of a problem: its rules too."""
        return _read(problem, use_all=self.task.use_all)

    def describe(self, problem: Any) -> dict[str, Any]:
        """What a row says of a problem, whoever answers: its numbers and target; it has no rank."""
        problem = read_problem(problem)
        return {"numbers": str(problem), "rank": None, "bucket": "", "target": problem.target}

    def judge(self, problem: Any, completion: Any) -> dict[str, Any]:
        """One completion, a chain of thought, as a row, by the rules of Countdown."""
        return super().judge(self.know(problem), completion)


def open_countdown(
    *, split: str = "", held_out: int = 100, seed: int = 0, answers: str = "chains", preamble: str = "",
    context: str = "position", template: str = "auto", chat: Any = None, **others: Any,
) -> CountdownGame:  # fmt: skip
    """Countdown with its held-out problems drawn; options of other tasks change nothing.

    Args:
        split: rules of `countdown_puzzles.RULES`, "stream_of_search" by default; `:targets` behind it asks problems
            with held-out targets alone, `:puzzles` held-out puzzles with other targets, nothing asks both, half and
            half, and `:FILE` the problems of a published file (Parquet or JSON lines), which are held out then.
        answers, preamble, context, template, chat: as `environment.open_number_game` has them.

    ValueError for unknown rules, a bad count and what `countdown_files.read_countdown` refuses.
    """
    require_one_of("answers", answers, ANSWERS)
    name, _, asked = (split or DEFAULT).partition(":")
    if name not in RULES:
        raise ValueError(f"split must be one of {', '.join(RULES)}, with :{' or :'.join(_ASKED)} or :FILE behind it or "
                         f"not, got {split!r}{suggest(name, RULES)}")  # fmt: skip
    rules, listed = RULES[name], list[CountdownProblem]()
    if asked and asked not in _ASKED:
        if not Path(asked).is_file():
            raise ValueError(f"split {split!r}: no such file {asked}; {', '.join(_ASKED)} or the path of a file must "
                             "follow the colon")  # fmt: skip
        listed = [_read(problem, use_all=rules.use_all) for problem in read_countdown(asked)]
    task = Countdown(context, write_preamble(preamble, template, chat), use_all=rules.use_all)
    sides = [side for side in _ASKED if rules.list_targets(side)]
    if listed:
        problems = _pick(listed, held_out, seed, task)
    else:
        problems = draw_held_out(rules, held_out, seed, [asked] if asked else sides)
    parted = CountdownSplit(split or DEFAULT, rules, problems, seed, frozenset(listed))
    rewards = dataclasses.replace(LINE_REWARDS if answers == "lines" else REWARDS,
                                  read=partial(_read_cells, use_all=rules.use_all))  # fmt: skip
    ends = {"lowest": 0, "highest": rules.highest + 30, "targets": tuple(rules.list_targets("train"))}
    return CountdownGame(parted, problems, seed, task, rewards=rewards, answers=answers, ends=ends)


def _pick(listed: Sequence[CountdownProblem], count: int, seed: int, task: Countdown) -> tuple[CountdownProblem, ...]:
    """`count` problems of a file, evenly drawn, sorted; ValueError for one that cannot be solved."""
    require("held_out", count, int, 1)
    picked = random.Random(f"pick {seed}").sample(listed, min(count, len(listed)))
    for problem in picked:
        if not task.truth(task.start(problem)):
            raise ValueError(f"problem {problem}: the target cannot be made within the non-negative whole numbers")
    return tuple(sorted(picked))


def _read_cells(numbers: Any, target: int | None = None, *, use_all: bool) -> CountdownProblem | None:
    return None if numbers is None else _read(numbers, target, use_all=use_all)


def _read(problem: Any, target: int | None = None, *, use_all: bool) -> CountdownProblem:
    """A problem, or cells of a data set as the rewards take them (see `numbers.rewards`), with its rules."""
    problem = read_problem(problem, None if target is None else int(target))
    return CountdownProblem(problem.numbers, problem.target, use_all)
