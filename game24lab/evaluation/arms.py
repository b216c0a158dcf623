"""Arms: a strategy by name, its parameters, and its mode; or answers written whole. It does not know problems."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

from game24lab.runs.checks import require, require_one_of, suggest
from game24lab.search.bandit import RULES, take_turns
from game24lab.search.beam import beam_search, bfs_v, dvts
from game24lab.search.bestfirst import a_star, best_first, dfs_v
from game24lab.search.engine import Algorithm, bind, run
from game24lab.search.gumbel import gumbel_mcts
from game24lab.search.lookahead import lookahead
from game24lab.search.mcts import mcts
from game24lab.search.modes import read_mode
from game24lab.search.particles import particle_filter, rebase
from game24lab.search.puct import mcts_alpha, mcts_rollout
from game24lab.search.rap import rap
from game24lab.search.requests import Outcome
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
# What stood in the task before problems carried their targets: arms from then keep their hash.
_KEPT = {"game24": {"target": 24}, "chains24": {"target": 24}}


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
                raise ValueError(f"{name} must be a mapping from names to values, got {getattr(self, name)!r}")
        bind(find_strategy(self.algorithm), self.parameters)
        if len(self.pool) > 1:
            raise ValueError(f"pool must be one limit, got {dict(self.pool)!r}")
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


@dataclass(frozen=True)
class Generation:
    """Answers written whole, such as chains of thought, judged by the environment: the arms `greedy` and `sample`."""

    budget: int = 4096  # tokens of an answer, the end token included
    samples: int = 1
    temperature: float = 0.0  # 0: greedy, of one sample only
    top_p: float = 1.0
    mode: str = field(default="blind", init=False)
    pool: Mapping[str, float] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        require("budget", self.budget, int, 1)
        require("samples", self.samples, int, 1)
        if self.samples > 1 and not self.temperature:
            raise ValueError(f"samples must be 1 at temperature 0, where they would be copies, got {self.samples}")

    @property
    def algorithm(self) -> str:
        return "sample" if self.temperature else "greedy"

    def describe(self) -> str:
        """What decides an answer, as JSON with sorted keys; not how many samples there are."""
        settings = {"budget": self.budget, "temperature": float(self.temperature), "top_p": float(self.top_p)}
        return json.dumps(settings, sort_keys=True)


def describe_arm(
    task: Any, arm: Arm | Generation, policy: Any, critic: Any, models: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What all attempts of an arm have in common, and as `arm_hash` a hash of it with the task and its settings.

    models: what tells the models apart from others of their size, by default their names.
    """
    facts = {"algorithm": arm.algorithm, "parameters": json.loads(arm.describe()), "mode": arm.mode,
             "policy_parameters": policy.parameters, "backend": policy.name,
             "critic_parameters": critic.parameters if critic is not None else 0}  # fmt: skip
    kind = {"task": task.name, **(asdict(task) if is_dataclass(task) else {}), **_KEPT.get(task.name, {})}
    names = dict(models) if models else {"policy": policy.name, "critic": getattr(critic, "name", "")}
    former = {"mode": "unverified"} if arm.mode == "rules" else {}  # as files from before have hashed it
    text = json.dumps([kind, {**facts, "models": names, **former}], sort_keys=True, default=str)
    return {**facts, "models": names, "arm_hash": hashlib.sha256(text.encode()).hexdigest()[:12]}


def find_strategy(name: str) -> Algorithm:
    """The algorithm of a name; ValueError that suggests the nearest name."""
    known = STRATEGIES | INSIDE
    require_one_of("strategy", name, tuple(known))
    return known[name]


def needs_critic(arm: Arm) -> bool:
    """Whether a search asks a critic by its settings."""
    value = json.loads(arm.describe())
    choosing = arm.algorithm == "best_of_n" and arm.mode != "verified" and value.get("choose") == "value"
    return choosing or arm.algorithm not in ("best_of_n", "greedy", "majority")


def run_arm(
    task: Any, problems: Sequence[Any], arm: Arm, policy: Any, critic: Any = None, *,
    algorithm: Algorithm | None = None, **settings: Any,
) -> list[Outcome]:  # fmt: skip
    """Search problems as an arm says; `settings` are further ones of `search.engine.run`, and go before the arm's.

    algorithm: in the place of the arm's own, as where that is watched.
    """
    own = {"parameters": arm.parameters, "mode": arm.mode, "merge": arm.merge, "budget": arm.budget}
    return run(task, problems, algorithm or find_strategy(arm.algorithm), policy, critic, **own | settings)


def describe_strategy(name: str) -> tuple[str, str]:
    """The family of a strategy, and the parameter that sets how much it searches ("" where there is none)."""
    algorithm: Any = find_strategy(name)
    return algorithm.family, algorithm.effort


def read_arms(arms: Mapping[str, Mapping[str, Any] | Arm | Generation]) -> dict[str, Arm | Generation]:
    """Arms from plain mappings, as YAML holds them; ValueError names the arm and the key that is wrong.

    Example: `{"mcts-200": {"algorithm": "mcts", "parameters": {"simulations": 200}, "mode": "verified"}}`.
    """
    if not isinstance(arms, Mapping) or not arms:
        raise ValueError(f"arms must be a mapping from names to arms, got {arms!r}")
    known = tuple(Arm.__dataclass_fields__)
    read = {}
    for name, arm in arms.items():
        if isinstance(arm, Arm | Generation):
            read[str(name)] = arm
            continue
        if not isinstance(arm, Mapping) or "algorithm" not in arm:
            raise ValueError(f"arm {name!r} must be a mapping with the key algorithm, got {arm!r}")
        for key in arm:
            if key not in known:
                raise ValueError(f"arm {name!r} has the key {key!r}; it takes {', '.join(known)}{suggest(key, known)}")
        try:
            read[str(name)] = Arm(**arm)
        except ValueError as error:
            raise ValueError(f"arm {name!r}: {error}") from None
    return read
