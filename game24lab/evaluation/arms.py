"""Arms: a strategy by name, its parameters, and its mode. It does not know problems or models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from game24lab.runs.checks import require, require_one_of, suggest
from game24lab.search.bandit import RULES, take_turns
from game24lab.search.beam import beam_search, bfs_v, dvts
from game24lab.search.bestfirst import a_star, best_first, dfs_v
from game24lab.search.engine import Algorithm, bind
from game24lab.search.gumbel import gumbel_mcts
from game24lab.search.lookahead import lookahead
from game24lab.search.mcts import mcts
from game24lab.search.modes import read_mode
from game24lab.search.particles import particle_filter, rebase
from game24lab.search.puct import mcts_alpha, mcts_rollout
from game24lab.search.rap import rap
from game24lab.search.sampling import best_of_n, greedy
from game24lab.search.voting import adaptive_consistency, early_stopping, majority, weighted_majority

STRATEGIES: dict[str, Algorithm] = {
    algorithm.__name__: algorithm
    for algorithm in (
        greedy, best_of_n, mcts, majority, weighted_majority, adaptive_consistency, early_stopping, beam_search, dvts,
        bfs_v, dfs_v, best_first, a_star, particle_filter, rebase, mcts_alpha, mcts_rollout, gumbel_mcts, rap,
    )
}  # fmt: skip
# These search inside an answer: what they are given as a task is a `search.token_task.Continuations`.
INSIDE: dict[str, Algorithm] = {"lookahead": lookahead}


@dataclass(frozen=True)
class Arm:
    """One way to search: an algorithm with its parameters, and how it ends."""

    algorithm: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    mode: str = "verified"  # see `search.modes`
    budget: Mapping[str, float] = field(default_factory=dict)  # limits in units of Cost, per problem
    merge: bool = True  # share equal positions
    pool: Mapping[str, float] = field(default_factory=dict)  # one limit, a problem's share of what all have together
    rule: str = "turns"  # who gets it: see `game24lab.search.bandit`

    def __post_init__(self) -> None:
        object.__setattr__(self, "mode", read_mode(self.mode))
        require_one_of("rule", self.rule, RULES)
        for name in ("parameters", "budget", "pool"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValueError(f"{name} {getattr(self, name)!r}: a mapping from names to values is accepted")
        bind(find_strategy(self.algorithm), self.parameters)
        if len(self.pool) > 1:
            raise ValueError(f"pool {dict(self.pool)!r}: one limit is accepted")
        for unit, limit in self.pool.items():
            take_turns(unit)
            require(f"pool of {unit}", limit, float, 0)

    def describe(self) -> str:
        """All that the arm does, defaults included, as JSON with sorted keys."""
        parameters = bind(find_strategy(self.algorithm), self.parameters)
        parameters |= {"budget": dict(self.budget)} if self.budget else {}
        parameters |= {} if self.merge else {"merge": False}
        parameters |= {"pool": dict(self.pool), "rule": self.rule} if self.pool else {}
        return json.dumps(parameters, sort_keys=True)


def find_strategy(name: str) -> Algorithm:
    """The algorithm of a name; ValueError that suggests the nearest name."""
    known = STRATEGIES | INSIDE
    if name not in known:
        raise ValueError(f"strategy {name!r}: one of {', '.join(known)} is accepted{suggest(name, known)}")
    return known[name]


def describe_strategy(name: str) -> tuple[str, str]:
    """The family of a strategy, and the parameter that sets how much it searches ("" where there is none)."""
    algorithm: Any = find_strategy(name)
    return algorithm.family, algorithm.effort


def read_arms(arms: Mapping[str, Mapping[str, Any] | Arm]) -> dict[str, Arm]:
    """Arms from plain mappings, as YAML holds them; ValueError names the arm and the key that is wrong.

    Example: `{"mcts-200": {"algorithm": "mcts", "parameters": {"simulations": 200}, "mode": "verified"}}`.
    """
    if not isinstance(arms, Mapping) or not arms:
        raise ValueError(f"arms {arms!r}: a mapping from names to arms is accepted")
    known = tuple(Arm.__dataclass_fields__)
    read = {}
    for name, arm in arms.items():
        if isinstance(arm, Arm):
            read[str(name)] = arm
            continue
        if not isinstance(arm, Mapping) or "algorithm" not in arm:
            raise ValueError(f"arm {name!r}: a mapping with the key algorithm is accepted, not {arm!r}")
        for key in arm:
            if key not in known:
                raise ValueError(f"arm {name!r} has the key {key!r}; it takes {', '.join(known)}{suggest(key, known)}")
        try:
            read[str(name)] = Arm(**arm)
        except ValueError as error:
            raise ValueError(f"arm {name!r}: {error}") from None
    return read
