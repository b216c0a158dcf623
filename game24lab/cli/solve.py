"""Solves puzzles for the command line: with one strategy for all puzzles, or a router that chooses one for each.

Models are loaded after all arguments have been checked. It does not know how arguments are parsed, trees drawn, or how
a strategy searches.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from game24lab.cli.terminal import SearchLine
from game24lab.evaluation.arms import Arm, find_strategy, run_arm
from game24lab.models.locations import find_pretrained, is_export
from game24lab.models.vocabulary import check_vocabulary
from game24lab.runs.checks import require
from game24lab.runs.interrupts import note_interrupt
from game24lab.search.algorithms import check_start
from game24lab.search.mcts import UNREPEATED, UNREPEATED_BLIND
from game24lab.search.requests import Outcome
from game24lab.search.watch import watch
from game24lab.tasks.environment import Environment
from game24lab.tasks.numbers.puzzles import NumberProblem, write_puzzle
from game24lab.tasks.task import Task

AUTO = "auto"  # the strategy that is chosen for each puzzle
FEW = 16  # problems up to which seconds of imports weigh more than a faster critic
_STOPPING = "ending the search with what it has found; Ctrl-C again: at once"
NO_SOLUTION = "no solution"  # the outcome of a puzzle that the exact solver was asked about and nobody searched
_COSTS = ("prompt_tokens", "sampled_tokens", "sampled_lines", "sampled_characters", "policy_calls", "critic_tokens",
          "critic_calls", "depth", "seconds")  # fmt: skip


def solve(
    environment: Environment,
    problems: Sequence[Any],
    strategy: str,
    parameters: Mapping[str, Any],
    mode: str = "verified",
    *,
    budget: float | None = None,
    checkpoint: str | None = None,
    critic: str | None = None,
    router: str | None = None,
    backend: str = "auto",
    url: str | None = None,
    seed: int = 0,
    trees: bool = False,
    line: SearchLine | None = None,
) -> tuple[list[Outcome], list[str]]:
    """Outcomes in the order of the problems, and the arm that each got; `line` says meanwhile how far it is.

    MCTS says no line of a position twice where nothing forbids it (`prefer_unrepeated`).

    Ctrl-C ends the searches of a strategy with what they have found (`Outcome.stopped` is `watch.STOPPED`); a second
    one, and one of "auto", ends the command.
    `budget` is in sampled tokens a puzzle: a limit for every search, or with the strategy "auto" what the router may
    expect to spend on average, its probe included. ValueError, before any model is loaded where that can be known, for
    unknown strategies and parameters, parameters of "auto", and a missing router.
    """
    task = environment.task
    if budget is not None:
        require("budget", budget, float, 0)
    if router is not None and strategy != AUTO:
        raise ValueError(f"strategy must be 'auto' with a router, got {strategy!r}")
    if strategy == AUTO:
        if parameters:
            raise ValueError(f"strategy 'auto' takes no parameters (a router chooses), got {', '.join(parameters)}")
        from game24lab.routing import route as planning

        known = planning.find_router(router)
    else:
        if checkpoint is not None and is_export(checkpoint) and backend == "auto":
            backend = "ctranslate2"
        parameters = prefer_unrepeated(strategy, parameters, mode, backend, url, checks=environment.checks)
        limit = {} if budget is None else {"sampled_tokens": budget}
        arm = Arm(strategy, parameters, mode, limit)  # complains before any model is loaded
        for problem in problems[:1]:
            check_start(task, problem, find_strategy(arm.algorithm), arm.parameters, arm.mode)
    if not problems:
        return [], []
    policy, judge = load_models(checkpoint, critic, backend, url, seed, environment=environment,
                                judged=strategy != "greedy", few=len(problems) <= FEW and strategy != AUTO,
                                tries=parameters.get("sampling", "with") != "with")  # fmt: skip
    check_vocabulary(policy, environment, problems)
    if mode == "blind" and environment.checks and judge is not None and checkpoint is None and critic is None:
        from game24lab.models.self_check import add_checks

        judge = add_checks(judge, find_pretrained("policy", environment), task, environment.checks)
    if strategy == AUTO:
        plans = planning.plan(known, environment, problems, policy, judge, mode=mode, budget=budget)
        found = planning.solve(known, task, problems, plans, policy, judge, seed=seed, progress=line or False,
                               trees=trees)  # fmt: skip
        return found, [plan.arm for plan in plans]

    def tell() -> None:
        if line is not None:
            line.say(_STOPPING)

    with note_interrupt(tell) as is_over:
        algorithm = watch(find_strategy(arm.algorithm), lambda _: is_over())
        found = run_arm(task, problems, arm, policy, judge, algorithm=algorithm, seed=seed, progress=line or False,
                        trees=trees)  # fmt: skip
    return found, [strategy] * len(found)


def prefer_unrepeated(
    strategy: str, parameters: Mapping[str, Any], mode: str, backend: str, url: str | None, *, checks: int = 0
) -> dict[str, Any]:
    """The parameters of a search: those of MCTS without replacement, unless it is told how many lines a draw has, or on
    a backend that has no tries, or blind with a policy that checks its own lines (`checks`), for which they were not
    chosen."""
    fits = strategy == "mcts" and backend in ("auto", "transformers") and url is None and "width" not in parameters
    if not fits or (mode == "blind" and checks):
        return dict(parameters)
    return {**(UNREPEATED_BLIND if mode == "blind" else UNREPEATED), **parameters}


def load_models(
    checkpoint: str | None = None, critic: str | None = None, backend: str = "auto", url: str | None = None,
    seed: int = 0, *, environment: Environment | None = None, judged: bool = True, few: bool = False,
    tries: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """Policy and critic of checkpoints, the shipped ones where none is named; no critic unless `judged`.

    `few`: for a few searches, before which importing transformers would take longer than they do. `tries`: for searches
    without replacement, of which the backend "auto" is transformers. ValueError as
    `models.load_policy` and `models.critic` raise it, and where none is named and none ships for an environment.
    """
    if checkpoint is None or Path(checkpoint).is_dir():  # nothing is downloaded
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from game24lab.models.critic import load_critic

    folder = checkpoint or find_pretrained("policy", environment)
    policy = _load_light(folder) if few and backend == "auto" and url is None else None
    if policy is None:
        from game24lab.models.load_policy import load_policy

        if backend == "auto":
            backend = "server" if url else "transformers" if tries else backend
        policy = load_policy(folder, backend=backend, work="lines", seed=seed, url=url)
    judge = load_critic(critic or find_pretrained("critic", environment), light=few) if judged else None
    return policy, judge


def _load_light(folder: str | Path) -> Any:
    """The policy of a folder that was trained here, without transformers; None where that does not serve."""
    import torch

    from game24lab.models.plain_decoder import POLICY, fits, load_plain

    if torch.cuda.is_available() or not fits(folder, POLICY):
        return None
    from game24lab.models.backends.transformers_policy import TransformersPolicy

    return TransformersPolicy(*load_plain(folder), reason="auto: a few searches with a decoder that was trained here")


def is_hopeless(task: Task, problem: NumberProblem, mode: str) -> bool:
    """Whether the exact solver finds no solution of a problem, where the mode lets the rules help; else False."""
    return mode != "blind" and task.truth(task.start(problem)) is False


def name_unsolvable(mode: str) -> Outcome:
    """The outcome of a problem that was not searched as it has no solution."""
    return Outcome("", False, NO_SOLUTION, stopped=NO_SOLUTION, mode=mode)


def describe(problem: NumberProblem, outcome: Outcome) -> dict[str, Any]:
    """What came of a puzzle, for a JSON line: puzzle and target, verdict, answer, and full cost."""
    return {
        "puzzle": write_puzzle(problem.numbers), "target": problem.target, "solved": outcome.solved,
        "answer": outcome.answer, "outcome": outcome.outcome, "mode": outcome.mode, "candidates": outcome.candidates,
        "stopped": outcome.stopped, **{name: getattr(outcome.cost, name) for name in _COSTS},
    }  # fmt: skip


def write_line(task: Task, problem: NumberProblem, outcome: Outcome) -> str:
    """What came of a puzzle, for people: its solution, or why there is none."""
    name = write_puzzle(problem.numbers)
    if outcome.solved:
        return f"{name}: {outcome.answer} = {problem.target}"
    if outcome.outcome == NO_SOLUTION:
        return f"{name}: no solution exists for {problem.target}"
    reason = f"not solved ({outcome.outcome}{': ' + outcome.answer if outcome.answer else ''})"
    return f"{name}: {reason}" + ("" if not is_hopeless(task, problem, "rules") else "; it has no solution")
