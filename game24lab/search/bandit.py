"""One budget for many problems: a bandit takes it from those that are solved and gives it to those that are not.

After Zuo and Zhu 2025 (arXiv 2506.12721): each problem is an arm, a pull is one request of its search, and an arm that
has its answer is eliminated. In a verified search that is the exact verifier's word; in another one the search
itself must know when it is sure (`stopped` is "confident"), or all problems get the same. It works with any algorithm
and does not know what one does with its requests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from game24lab.runs.checks import require, require_one_of, suggest
from game24lab.search.cost import Cost
from game24lab.search.engine import UNITS, Algorithm, Turn, run
from game24lab.search.requests import Outcome, Standing
from game24lab.tasks.task import Task

RULES = ("turns", "promise")


def share_budget(
    task: Task,
    problems: Sequence[Any],
    algorithm: Algorithm,
    policy: Any,
    critic: Any = None,
    *,
    pool: Mapping[str, float],
    rule: str = "turns",
    at_once: int = 64,
    patience: float = 300.0,
    **settings: Any,
) -> list[Outcome]:
    """Search all problems on one budget; outcomes in the order of `problems`.

    Args:
        pool: one limit in a unit of Cost, or in "flops", for all problems together: `{"sampled_tokens": 200_000}`. The
            last round may overshoot it, by one request of each of `at_once` searches.
        rule: whose turn it is: those that have spent least of it ("turns", the published elimination), or those whose
            next unit promises most ("promise"): v / (1 + spent / patience), where v is the critic's chance of the
            problem. That is the mean of a Beta prior with that mean after failures alone, so hopeless ones come last.
        at_once: searches that get an answer in a round; more is faster, fewer is fairer.
        patience: spent units that halve the promise.
        settings: as in `game24lab.search.engine.run`. Results depend on all problems together and on their order.

    ValueError for an unknown rule or unit, or a pool that is not one limit.
    """
    if not isinstance(pool, Mapping) or len(pool) != 1:
        raise ValueError(f"pool {pool!r}: one limit is accepted, such as {{'sampled_tokens': 200000}}")
    (unit,) = pool
    flops = policy.parameters, critic.parameters if critic is not None else 0
    turn = take_turns(unit, rule=rule, at_once=at_once, patience=patience, parameters=flops)
    return run(task, problems, algorithm, policy, critic, pool=pool, turn=turn, concurrent=max(1, len(problems)),
               **settings)  # fmt: skip


def take_turns(
    unit: str,
    *,
    rule: str = "turns",
    at_once: int = 64,
    patience: float = 300.0,
    parameters: tuple[int, int] = (0, 0),
) -> Turn:
    """The rule as the engine wants it. `parameters` of policy and critic are needed for a pool of FLOPs.

    Ties go to the first problem. A search that has asked no critic yet comes first under "promise".
    """
    if unit not in UNITS:
        raise ValueError(f"pool of {unit!r}: the units are {', '.join(UNITS)}{suggest(unit, UNITS)}")
    require_one_of("rule", rule, RULES)
    require("at_once", at_once, int, 1)
    require("patience", patience, float, 1e-9)

    def measure(cost: Cost) -> float:
        return cost.flops(*parameters) if unit == "flops" else getattr(cost, unit)

    def rank(standing: Standing) -> float:
        spent = measure(standing.cost)
        if rule == "turns":
            return spent
        chance = math.inf if standing.value is None else (standing.value + 1) / 2
        return -chance / (1 + spent / patience)

    def turn(waiting: Sequence[Standing]) -> list[int]:
        return [standing.place for standing in sorted(waiting, key=lambda one: (rank(one), one.place))[:at_once]]

    return turn
