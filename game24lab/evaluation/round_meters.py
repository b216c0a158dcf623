"""What a round of expert iteration is measured by: exact chances, critics on fixed positions, old and new models mixed.

The exact solver is asked here, and only here: the loop that is measured does not hear of it, but for the one number by
which a round is accepted. It does not know how models are trained, nor what a round has searched.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from game24lab.evaluation.arms import Arm, needs_critic, run_arm
from game24lab.evaluation.calibration import measure
from game24lab.evaluation.evaluate import evaluate
from game24lab.evaluation.exact import measure_chances, pass_at
from game24lab.evaluation.grid import expand_arms
from game24lab.evaluation.statistics import bootstrap
from game24lab.models.critic import load_critic
from game24lab.models.load_policy import load_policy
from game24lab.models.policy import Sampling
from game24lab.runs.run import write_atomically
from game24lab.tasks.environment import Environment

KS = (1, 64, 4096)
CHANCES = "chances.parquet"  # of a round: `side` ("held out", "training"), `problem`, `p`
_TRIES = 3  # draws for each position
GROUPS = 4  # of training problems, by difficulty
_LEAST = 1e-300  # a chance of 0 has no logarithm


@dataclass(frozen=True)
class Meters:
    """The meters of all rounds; see `make_meters`."""

    environment: Environment
    gate: Sequence[Any]
    tested: Sequence[Any]
    sample: Sequence[Any]  # of the training problems
    groups: Mapping[str, int]  # name of a training problem -> its group, 1 the easiest
    positions: pd.DataFrame = field(repr=False)  # `text`, `truth`
    arm: Arm
    crossed: Sequence[Any]

    def __call__(self, stand: Any) -> dict[str, Any]:
        """The numbers of a round (`training.expert_iteration.Stand`), and its chances as a table in its folder."""
        policy = load_policy(stand.policy)
        sides = {"gate": self.gate, "held out": self.tested, "training": self.sample}
        chances = {side: self._measure_chances(policy, problems) for side, problems in sides.items()}
        table = pd.concat([pd.DataFrame({"side": side, "problem": part["problem"], "p": part["p"]})
                           for side, part in chances.items()], ignore_index=True)  # fmt: skip
        write_atomically(stand.folder / CHANCES, lambda draft: table.to_parquet(draft, index=False))
        told = {"gate": float(_take_logs(chances["gate"]["p"]).mean())}
        for side, column in (("held out", "held_out"), ("training", "training")):
            told |= measure_sides(chances[side]["p"], column)
        told |= self._measure_groups(stand.solved, stand.solved_now)
        critics = {"new": stand.critic, "old": stand.old_critic}
        for age, path in critics.items():
            if path is not None:
                values = load_critic(path).score(self.positions["text"].tolist())
                found = measure(values, self.positions["truth"])
                told |= {f"critic_{age}_{name}": found[name] for name in ("auc", "brier")}
        return told | self._cross(stand, policy)

    def _measure_chances(self, policy: Any, problems: Sequence[Any]) -> pd.DataFrame:
        world = self.environment
        found = measure_chances(world.task, problems, policy, [Sampling(1)], write=world.write_name)
        return found.assign(p=found["p"].clip(upper=1.0))  # sums of rounded numbers

    def _measure_groups(self, ever: frozenset[str], now: frozenset[str]) -> dict[str, float]:
        told = {}
        for group in sorted(set(self.groups.values())):
            names = [name for name, own in self.groups.items() if own == group]
            told[f"solved_{group}"] = sum(name in ever for name in names) / len(names)
            told[f"solved_now_{group}"] = sum(name in now for name in names) / len(names)
        return told

    def _cross(self, stand: Any, policy: Any) -> dict[str, Any]:
        """The share solved by a search with each policy and each critic that there is, and its sampled tokens."""
        told: dict[str, Any] = {}
        if stand.critic is None or not self.crossed:
            return told
        policies, critics = {"new": policy}, {"new": stand.critic}
        if stand.old_policy != stand.policy:
            policies["old"] = load_policy(stand.old_policy)
        if stand.old_critic not in (None, stand.critic):
            critics["old"] = stand.old_critic
        for old_or_new, one in policies.items():
            for age, path in critics.items():
                outcomes = run_arm(self.environment.task, self.crossed, self.arm, one, load_critic(path), trees=False)
                name = f"search_{old_or_new}_policy_{age}_critic"
                told[name] = sum(outcome.solved for outcome in outcomes) / len(outcomes)
                told[f"{name}_tokens"] = sum(outcome.cost.sampled_tokens for outcome in outcomes) / len(outcomes)
        return told


def measure_sides(chances: Sequence[float], side: str) -> dict[str, float]:
    """Mean log p, pass@k for `KS` with intervals, and the shares of problems below 1e-4 and above 1/2."""
    p = np.asarray(chances, float)
    logs = _take_logs(p)
    told = {f"{side}_problems": len(p), f"{side}_log_p": float(logs.mean()),
            f"{side}_below_1e4": float((p < 1e-4).mean()), f"{side}_above_half": float((p > 0.5).mean())}
    told[f"{side}_log_p_low"], told[f"{side}_log_p_high"] = bootstrap(logs)
    for k in KS:
        passed = pass_at(p, k)
        low, high = bootstrap(passed)
        told |= {f"{side}_pass_{k}": float(passed.mean()), f"{side}_pass_{k}_low": low, f"{side}_pass_{k}_high": high}
    return told


def make_meters(
    environment: Environment, gate: Sequence[Any], tested: Sequence[Any], training: Mapping[str, Any], *,
    sample: int = 200, positions: int = 1000, arm: Arm | Mapping[str, Any] | None = None, crossed: int = 50,
    seed: int = 0, progress: Callable = iter,
) -> Meters:  # fmt: skip
    """Meters of problems held out, with the fixed positions and the groups of difficulty that all rounds are held to.

    Args:
        gate: problems whose mean log p decides on a round: neither learnt from nor among those `tested`.
        training: problems that are searched, by name; of `sample` of them chances are measured.
        positions: behind the tested problems, after one move and after two, about as many alive as dead; fewer where
            there are few problems.
        arm: the search that tries old and new models, by default MCTS by the rules with 64 draws, on `crossed` of the
            tested problems.

    ValueError for a task that cannot list its live lines.
    """
    task, rng = environment.task, random.Random(f"meters {seed}")
    if not hasattr(task, "live_lines"):
        raise ValueError(f"task must list its live lines for exact chances, got {task.name!r}")
    names = sorted(training)
    drawn = [training[name] for name in rng.sample(names, min(sample, len(names)))]
    hard = {name: -environment.oracle_features(training[name]).get("alive", 0.0) for name in progress(names)}
    order = sorted(names, key=lambda name: (hard[name], name))
    groups = {name: 1 + place * GROUPS // len(order) for place, name in enumerate(order)}
    return Meters(environment, gate, tested, drawn, groups, _draw_positions(task, tested, positions, rng),
                  arm if isinstance(arm, Arm) else Arm(**(arm or {"algorithm": "mcts", "mode": "rules",
                                                                  "parameters": {"simulations": 64}})),
                  rng.sample(list(tested), min(crossed, len(tested))))  # fmt: skip


def _draw_positions(task: Any, problems: Sequence[Any], count: int, rng: random.Random) -> pd.DataFrame:
    """Half of them after one move, half after two; every other one is alive where there is one, the rest by chance."""
    rows: dict[str, bool] = {}
    for depth in (1, 2):
        for attempt in range(_TRIES * count):  # few problems have not so many different ones
            if len(rows) >= count * depth // 2:
                break
            state = task.start(rng.choice(list(problems)))
            for _ in range(depth):
                children = () if task.is_terminal(state) else task.children(state)
                alive = [child for child in children if task.truth(child)] if attempt % 2 else []
                state = rng.choice(alive or children) if children else state
            rows.setdefault(task.text(state), bool(task.truth(state)))
    return pd.DataFrame(sorted(rows.items()), columns=["text", "truth"])


def read_round_chances(rounds: pd.DataFrame, folder: Path | str) -> pd.DataFrame:
    """The chances that were measured in some rounds (columns `seed`, `line`, `round`), with these columns.

    Folders are those of `training.iteration_controls.run_lines` in `seed-<seed>` below `folder`; rounds that were not
    measured are left out.
    """
    tables = [pd.DataFrame(columns=["side", "problem", "p"])]
    for row in rounds[["seed", "line", "round"]].to_dict("records"):
        path = Path(folder) / f"seed-{row['seed']}" / row["line"].replace(" ", "-") / f"round-{row['round']}" / CHANCES
        if path.exists():
            tables.append(pd.read_parquet(path).assign(**row))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def plan_searches(grid: Mapping[str, Mapping[str, Any]], chains: bool = False) -> dict[str, Arm]:
    """The arms of searches with the best models, see `grid.expand_arms`; none of an empty grid.

    ValueError for a blind search that asks a critic, unless there will be one of `chains`: those of rounds have read
    positions alone.
    """
    arms = expand_arms(grid) if grid else {}
    for name, arm in arms.items():
        if _find_judge(arm) == "chains" and not chains:
            raise ValueError(f"arm {name!r} must not be blind: it asks a critic, and those of rounds read positions, "
                             "in which a false step is not seen; see chain_rollouts")  # fmt: skip
    return arms


def _find_judge(arm: Arm) -> str:
    """Which critic an arm asks: that of a round ("asking"), one of "chains", or none ("alone")."""
    return "alone" if not needs_critic(arm) else "chains" if arm.mode == "blind" else "asking"


def search_best(
    rounds: pd.DataFrame, folder: Path | str, environment: Environment, arms: Mapping[str, Arm], line: str = "search",
    *, chains: Mapping[int, Path | str] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Attempts at held-out problems with the models of the best round of each repetition, which is their `seed`.

    chains: the critic that blind searches ask, of each repetition; see `training.rollout_critic`.

    The columns are those of `evaluate`. The folders are those of `read_round_chances`; what stands there in `final`, in
    `asking-<seed>`, `chains-<seed>` and of searches without a critic in `alone-<seed>`, is not repeated.
    """
    attempts = []
    for seed, part in rounds[rounds["line"] == line].groupby("seed", sort=False):
        best = part[part["round"] == part["best"].iloc[-1]].iloc[0]
        output = Path(folder) / f"seed-{seed}" / line.replace(" ", "-")
        policy = load_policy(output / best["policy"])
        judges = {"asking": best["critic"] and output / best["critic"], "chains": (chains or {}).get(seed), "alone": ""}
        for name, judge in judges.items():
            if some := {key: arm for key, arm in arms.items() if _find_judge(arm) == name}:
                path = Path(folder) / "final" / f"{name}-{seed}.parquet"
                path.parent.mkdir(exist_ok=True)
                found = evaluate(environment, None, some, policy, load_critic(judge) if judge else None, path=path)
                attempts.append(found.assign(seed=seed))
    return pd.concat(attempts, ignore_index=True)


def _take_logs(chances: Sequence[float]) -> np.ndarray:
    return np.log(np.maximum(np.asarray(chances, float), _LEAST))

