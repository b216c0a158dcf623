"""The commands about puzzles: `check` judges one expression, `solve` lets a model search, `play` lets a person race it.

Arguments are checked before any model library is imported. It does not know how anything is searched or judged.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from game24lab.cli.terminal import SearchLine, paint
from game24lab.models.hub import check_hub
from game24lab.models.locations import (
    BACKENDS,
    check_folder,
    check_location,
    check_router,
    check_url,
    find_pretrained,
)
from game24lab.runs.checks import require_one_of
from game24lab.search.modes import open_world, read_mode
from game24lab.tasks.numbers.puzzles import NumberProblem, read_problem

if TYPE_CHECKING:
    from game24lab.evaluation.arms import Arm
    from game24lab.search.requests import Outcome
    from game24lab.tasks.environment import Environment
    from game24lab.tasks.task import Task

_DEALT = 100  # held-out problems that are dealt
_TREES = (".html", ".json", ".svg")


def check(options: argparse.Namespace) -> int:
    """Judge one expression: exit status 0 if it is right, 1 if not."""
    from game24lab.cli.problems import open_game, read_problems

    world = open_game(options.task, options.rules)
    (problem,) = read_problems(world.task, options.numbers, None, options.target)
    verdict = world.know(problem).check(options.expression, strict=options.strict)
    if not verdict.accepted and options.expression.strip().isdecimal():  # the last number, more likely
        raise ValueError(f'check needs an expression behind the numbers, such as "8/(3-8/3)", got {options.expression}')
    word = paint("right", "green") if verdict.accepted else paint("wrong", "red")
    print(f"{word}: {verdict.reason}")
    return 0 if verdict.accepted else 1


def solve(options: argparse.Namespace) -> int:
    """Search puzzles with a model: all of them at once, one line each.

    Where the mode lets the rules help, the exact solver is asked first: puzzles without a solution are not searched.
    """
    from game24lab.cli.problems import open_game, read_problems
    from game24lab.cli.solve import describe, is_hopeless, name_unsolvable, write_line
    from game24lab.search.watch import STOPPED

    world = open_game(options.task, options.rules, **_read_shown(options))
    task, problems = world.task, read_problems(world.task, options.numbers, options.file, options.target)
    if options.tree is not None:
        _check_tree_file(options.tree, len(problems))
    _check_models(options)
    if options.checkpoint is None and (told := world.warn(problems)):
        _say(told)
    mode, begin = read_mode(options.mode), time.perf_counter()
    hopeless = [not options.anyway and is_hopeless(task, problem, mode) for problem in problems]
    asked = [problem for problem, none in zip(problems, hopeless, strict=True) if not none]
    found, named = _search(options, world, asked)
    searched = iter(zip(found, named, strict=True))
    rows = [(name_unsolvable(mode), "") if none else next(searched) for none in hopeless]
    for problem, (outcome, arm) in zip(problems, rows, strict=True):
        row = describe(problem, outcome) | {"strategy": options.strategy, "arm": arm, "seed": options.seed}
        print(json.dumps(row) if options.json else paint(write_line(task, problem, outcome), _colour(outcome)))
    sys.stdout.flush()
    if found:
        solved = sum(outcome.solved for outcome in found)
        tokens = sum(outcome.cost.sampled_tokens for outcome in found) / len(found)
        _say(f"{options.strategy}, {mode}: {solved} of {len(found)} solved, {tokens:.0f} sampled tokens a puzzle, "
             f"{time.perf_counter() - begin:.1f} s")  # fmt: skip
    if any(hopeless):
        _say(f"{sum(hopeless)} of {len(problems)} not searched, as the exact solver finds no solution; --anyway "
             "searches")  # fmt: skip
    if options.strategy == "auto" and found:
        _say("arms: " + ", ".join(f"{arm} ({count})" for arm, count in Counter(named).most_common()))
    if options.tree is not None and found:
        print(f"tree: {_write_tree(task, problems[0], found[0], options.tree)}",
              file=sys.stderr if options.json else sys.stdout)  # fmt: skip
    if any(outcome.stopped == STOPPED for outcome in found):
        _say("stopped by Ctrl-C")
        return 130
    return 0


def _read_shown(options: argparse.Namespace) -> dict[str, Any]:
    """How a checkpoint is shown puzzles; its chat template is read where it is asked for alone."""
    shown = {"preamble": options.preamble, "context": options.context, "template": options.template, "chat": None}
    if options.template == "chat" and options.checkpoint is not None:
        check_location(options.checkpoint)
        check_hub(options.checkpoint)
        from game24lab.models.tokenizer import read_chat

        shown["chat"] = read_chat(options.checkpoint)
    return shown


def play(options: argparse.Namespace) -> int:
    """Race the model on one puzzle, or on one after the other."""
    from game24lab.cli.play import deal, play_games
    from game24lab.cli.problems import open_game
    from game24lab.evaluation.arms import Arm, find_strategy
    from game24lab.search.algorithms import check_start

    problem = None
    if options.numbers:
        problem = read_problem(" ".join(options.numbers), options.target)
        if len(problem.numbers) < 2:
            raise ValueError(f"play needs at least two numbers such as 4 5 6 10, got {problem}")
    elif options.target is not None:
        raise ValueError("--target needs the numbers too, such as 4 5 6 10 --target 36")
    world = open_game(options.task, options.rules, held_out=0 if problem else _DEALT)
    _check_models(options)
    given = {} if options.simulations is None else {"simulations": options.simulations}
    arm = Arm("mcts", given, options.mode)
    check_start(world.task, problem or (4, 5, 6, 10), find_strategy(arm.algorithm), arm.parameters, arm.mode)
    for part, folder in (("policy", options.checkpoint), ("critic", options.critic)):
        if folder is None:
            find_pretrained(part, world)  # none ships for some games
    problems = deal(world.held_out, options.seed) if problem is None else iter([problem])
    with contextlib.suppress(ImportError):  # not on every system; where it is, lines can be edited
        import readline  # noqa: F401
    play_games(world, problems, _Player(options, arm, world), read=input, write=_write)
    return 0


class _Player:
    """The model that a person plays against; loaded at its first game."""

    def __init__(self, options: argparse.Namespace, arm: Arm, world: Environment) -> None:
        self._options, self._arm, self._world = options, arm, world
        self._models: tuple[Any, ...] = ()

    def __call__(self, problem: NumberProblem) -> tuple[Outcome, float]:
        from game24lab.cli.solve import load_models
        from game24lab.evaluation.arms import run_arm

        self._models = self._models or load_models(self._options.checkpoint, self._options.critic,
                                                   environment=self._world, few=True)  # fmt: skip
        begin = time.perf_counter()
        (outcome,) = run_arm(self._world.task, [problem], self._arm, *self._models, seed=self._options.seed or 0)
        return outcome, time.perf_counter() - begin


def _write(text: str = "", colour: str = "") -> None:
    print(paint(text, colour) if colour else text, flush=True)


def _check_models(options: argparse.Namespace) -> None:
    """What can be known of models' names without opening any."""
    if options.checkpoint is not None:
        check_location(options.checkpoint)
        check_hub(options.checkpoint)
    if options.critic is not None:
        check_folder("critic", options.critic)
    if getattr(options, "router", None) is not None:
        check_folder("router", options.router)
    if getattr(options, "strategy", "") == "auto":
        check_router(options.router, options.task)
    require_one_of("backend", getattr(options, "backend", BACKENDS[0]), BACKENDS)
    if getattr(options, "url", None) is not None:
        check_url(options.url)


def _search(
    options: argparse.Namespace, environment: Environment, problems: Sequence[NumberProblem]
) -> tuple[list[Outcome], list[str]]:
    from game24lab.cli import solve as solving

    given = {"simulations": options.simulations, "width": options.width, "n": options.n}
    given = {name: value for name, value in given.items() if value is not None}
    names = ("budget", "checkpoint", "critic", "router", "backend", "url", "seed")
    named = {name: getattr(options, name) for name in names}
    with SearchLine(options.strategy, len(problems)) as line:
        return solving.solve(environment, problems, options.strategy, given, options.mode, line=line,
                             trees=options.tree is not None, **named)  # fmt: skip


def _check_tree_file(path: Path, puzzles: int) -> None:
    if puzzles != 1:
        raise ValueError(f"--tree needs one puzzle, got {puzzles}")
    if path.suffix.lower() not in _TREES:
        raise ValueError(f"--tree must end in {' or '.join(_TREES)}, got {path}")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise FileNotFoundError(2, "no folder that can be written to", str(path.parent))


def _write_tree(task: Task, problem: NumberProblem, outcome: Outcome, path: Path) -> Path:
    from game24lab.views.tree.files import write_tree

    world = open_world(task, outcome.mode)
    return write_tree(outcome.tree.annotate(world, world.start(problem)), path)


def _colour(outcome: Outcome) -> str:
    return "green" if outcome.solved else "yellow" if outcome.outcome == "no solution" else "red"


def _say(text: str) -> None:
    print(paint(text, "faint", sys.stderr), file=sys.stderr, flush=True)
