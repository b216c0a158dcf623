"""A bandit over problems: which searches are answered next when all share one budget (`pool` and `turn` of the engine).

After Zuo and Zhu 2025 (arXiv 2506.12721): each problem is an arm, a pull is one request of its search, and an arm that
has its answer is eliminated. In a verified search the exact verifier decides that; in others the search itself, by
stopping as "confident", or all problems get the same. It works with any algorithm and does not know its requests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from game24lab.runs.checks import require, require_one_of, suggest
from game24lab.search.cost import Cost
from game24lab.search.engine import UNITS, Turn
from game24lab.search.requests import Standing

RULES = ("turns", "promise")


def take_turns(
    unit: str,
    *,
    rule: str = "turns",
    at_once: int = 64,
    patience: float = 300.0,
    parameters: tuple[int, int] = (0, 0),
) -> Turn:
    """The engine's `turn` for a pool in `unit`, a unit of Cost or "flops".

    Args:
        rule: the searches that have spent least come next ("turns", the published elimination), or those of the highest
            v / (1 + spent / patience) ("promise"), where v is the critic's chance of the problem: the mean of a Beta
            prior with mean v after failures alone. A search that has asked no critic yet comes first.
        at_once: searches that get an answer in a round; more is faster, fewer is fairer.
        patience: spent units that halve the promise.
        parameters: of policy and critic, for a pool of FLOPs.

    Ties go to the first problem. ValueError for an unknown rule or unit.
    """
    if unit not in UNITS:
        raise ValueError(f"pool must be in one of {', '.join(UNITS)}, got {unit!r}{suggest(unit, UNITS)}")
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
