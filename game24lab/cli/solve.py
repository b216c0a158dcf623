"""Solving puzzles from the command line: models by name, one strategy for all puzzles or a router that chooses.

Models are imported once all that was asked for has been checked. It does not know how arguments are written or trees
drawn, nor how a strategy searches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from game24lab.evaluation.arms import Arm, find_strategy
from game24lab.runs.checks import require
from game24lab.search import engine
from game24lab.search.requests import Outcome
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import Task

AUTO = "auto"  # the strategy that is chosen for each puzzle
_COSTS = ("prompt_tokens", "sampled_tokens", "sampled_lines", "sampled_characters", "policy_calls", "critic_tokens",
          "critic_calls", "depth", "seconds")  # fmt: skip


def solve(
    task: Task | Sequence[Task],
    puzzles: Sequence[tuple[int, ...]],
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
    """Outcomes in the order of the puzzles, and the arm that each got.

    `task` is that of all puzzles, or one for each; puzzles of equal tasks are searched together.
    `budget` is in sampled tokens a puzzle: a limit for every search, or with the strategy "auto" what the router may
    expect to spend on average, its look included. ValueError, before any model is loaded where that can be known, for
    unknown strategies and parameters, parameters of "auto", and a missing router.
    """
    if budget is not None:
        require("budget", budget, float, 0)
    if router is not None and strategy != AUTO:
        raise ValueError(f"router {router}: the strategy 'auto' takes one, not {strategy!r}")
    if strategy == AUTO:
        if parameters:
            raise ValueError(f"strategy 'auto': the router chooses arms, {', '.join(parameters)} are not accepted")
        from game24lab.routing import route as planning

        known = planning.find_router(router)
    else:
        limit = {} if budget is None else {"sampled_tokens": budget}
        arm = Arm(strategy, parameters, mode, limit)  # complains before any model is loaded
    from game24lab.models.checkpoints import find_pretrained
    from game24lab.models.critic import load_critic
    from game24lab.models.load_policy import load_policy

    policy = load_policy(checkpoint or find_pretrained("policy"), backend="server" if url and backend == "auto" else
                         backend, work="lines", seed=seed, url=url)  # fmt: skip
    judge = load_critic(critic or find_pretrained("critic")) if strategy != "greedy" else None
    bar = len(puzzles) > 1

    def search(one: Task, some: list[tuple[int, ...]]) -> list[tuple[Outcome, str]]:
        if strategy == AUTO:
            plans = planning.plan(known, one, some, policy, judge, mode=mode, budget=budget, progress=bar)
            found = planning.solve(known, one, some, plans, policy, judge, seed=seed, progress=bar, trees=trees)
            return list(zip(found, [plan.arm for plan in plans], strict=True))
        found = engine.run(one, some, find_strategy(arm.algorithm), policy, judge, parameters=arm.parameters,
                           mode=arm.mode, budget=arm.budget, seed=seed, progress=bar, trees=trees)  # fmt: skip
        return [(outcome, strategy) for outcome in found]

    tasks = list(task) if isinstance(task, Sequence) else [task] * len(puzzles)
    places: dict[Task, list[int]] = {}
    for place, one in enumerate(tasks):
        places.setdefault(one, []).append(place)
    done: dict[int, tuple[Outcome, str]] = {}
    for one, mine in places.items():
        done |= dict(zip(mine, search(one, [puzzles[place] for place in mine]), strict=True))
    outcomes, arms = zip(*(done[place] for place in range(len(puzzles))), strict=True)
    return list(outcomes), list(arms)


def describe(task: Game24, puzzle: Sequence[int], outcome: Outcome) -> dict[str, Any]:
    """What came of a puzzle, for a JSON line: puzzle and target, verdict, answer, and full cost."""
    return {
        "puzzle": " ".join(map(str, puzzle)), "target": task.target, "solved": outcome.solved,
        "answer": outcome.answer, "outcome": outcome.outcome, "mode": outcome.mode, "candidates": outcome.candidates,
        "stopped": outcome.stopped, **{name: getattr(outcome.cost, name) for name in _COSTS},
    }  # fmt: skip


def write_line(task: Game24, puzzle: Sequence[int], outcome: Outcome) -> str:
    """What came of a puzzle, for people: its solution, or why there is none."""
    name = " ".join(map(str, puzzle))
    if outcome.solved:
        return f"{name}: {outcome.answer} = {task.target}"
    reason = f"not solved ({outcome.outcome}{': ' + outcome.answer if outcome.answer else ''})"
    return f"{name}: {reason}" + ("" if task.truth(task.start(puzzle)) else "; it has no solution")
