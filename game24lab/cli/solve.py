"""Solves puzzles for the command line: with one strategy for all puzzles, or a router that chooses one for each.

Models are loaded after all arguments have been checked. It does not know how arguments are parsed, trees drawn, or how
a strategy searches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from game24lab.evaluation.arms import Arm, find_strategy
from game24lab.runs.checks import require
from game24lab.search import engine
from game24lab.search.requests import Outcome
from game24lab.tasks.environment import Environment
from game24lab.tasks.numbers.puzzles import NumberProblem, write_puzzle
from game24lab.tasks.task import Task

AUTO = "auto"  # the strategy that is chosen for each puzzle
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
) -> tuple[list[Outcome], list[str]]:
    """Outcomes in the order of the problems, and the arm that each got.

    `budget` is in sampled tokens a puzzle: a limit for every search, or with the strategy "auto" what the router may
    expect to spend on average, its probe included. ValueError, before any model is loaded where that can be known, for
    unknown strategies and parameters, parameters of "auto", and a missing router.
    """
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
        limit = {} if budget is None else {"sampled_tokens": budget}
        arm = Arm(strategy, parameters, mode, limit)  # complains before any model is loaded
    from game24lab.models.checkpoints import check_vocabulary, find_pretrained
    from game24lab.models.critic import load_critic
    from game24lab.models.load_policy import load_policy

    task = environment.task
    policy = load_policy(checkpoint or find_pretrained("policy", environment), work="lines", seed=seed, url=url,
                         backend="server" if url and backend == "auto" else backend)  # fmt: skip
    check_vocabulary(policy, environment, problems)
    judge = load_critic(critic or find_pretrained("critic", environment)) if strategy != "greedy" else None
    bar = len(problems) > 1

    if strategy == AUTO:
        plans = planning.plan(known, environment, problems, policy, judge, mode=mode, budget=budget, progress=bar)
        found = planning.solve(known, task, problems, plans, policy, judge, seed=seed, progress=bar, trees=trees)
        return found, [plan.arm for plan in plans]
    found = engine.run(task, problems, find_strategy(arm.algorithm), policy, judge, parameters=arm.parameters,
                       mode=arm.mode, budget=arm.budget, seed=seed, progress=bar, trees=trees)  # fmt: skip
    return found, [strategy] * len(found)


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
    reason = f"not solved ({outcome.outcome}{': ' + outcome.answer if outcome.answer else ''})"
    solvable = task.truth(task.start(problem)) is not False
    return f"{name}: {reason}" + ("" if solvable else "; it has no solution")
