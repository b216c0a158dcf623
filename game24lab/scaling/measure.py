"""Measures the cells of a grid: exact chances and excess loss of each checkpoint, and its searches under one meter.

The accuracy of repeated sampling with a verifier is not sampled: it follows from exact chances, and so does the
expected number of samples, each priced at the mean length of six. All else is searched. Everything is kept by cell, so
that a killed study goes on with the next one. This module does not know how cells were trained, nor what laws say of
them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from game24lab.evaluation.arms import Arm, describe_strategy, needs_critic
from game24lab.evaluation.evaluate import evaluate
from game24lab.evaluation.exact import measure_chances, measure_cost, pass_at
from game24lab.evaluation.grid import find_family
from game24lab.models.critic import load_critic
from game24lab.models.load_policy import load_policy
from game24lab.models.policy import Sampling
from game24lab.runs.run import write_atomically
from game24lab.scaling.floor import measure_excess
from game24lab.scaling.flops import Shape, count_search, count_training, read_shape
from game24lab.scaling.plane import COLUMNS, Plane
from game24lab.tasks.numbers.solutions import list_whole
from game24lab.training.rollout_critic import TRAJECTORIES, teach_critic

REPEATED = "repeated sampling"  # the strategy whose accuracy is exact
_TIMES = 6  # samples of a problem from which the length of one is measured
_LONGEST = 256  # tokens of one at most, where no arm says how many: best_of_n's own
_METERS = ["cell", "strategy", "mode", "algorithm", "seed", "problem", "solved", "candidates", "prompt_tokens",
           "sampled_tokens", "sampled_lines", "policy_calls", "critic_tokens", "critic_calls", "seconds"]  # fmt: skip
_TAUGHT = ("rollouts", "prompt", "tokens", "texts", "steps")  # of critic.json: counts, but for the mean prompt


@dataclass(frozen=True, kw_only=True)
class CriticPlan:
    """How each cell gets a critic of its own; none where `rollouts` is 0."""

    rollouts: int = 0  # sampled solutions a training puzzle
    puzzles: int = 0  # training puzzles, evenly drawn; 0: all
    epochs: float = 3.0
    falsified: int = 5_000  # right chains made false by one changed number, at most, for blind searches
    seed: int = 0


def measure_cells(
    cells: pd.DataFrame, environment: Any, folder: Path, *, arms: Mapping[str, Arm], seeds: Sequence[int] = (0,),
    critic: CriticPlan = CriticPlan(), progress: Callable = iter, problems: Sequence[Any] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Of all cells that have a checkpoint: a table of problems, and the attempts of all searches.

    The first has a row a cell and problem: `cell`, `problem`, `p` (exact chance of one sample), `tokens` (sampled
    tokens of one, in the mean), `prompt` (tokens), and where the task draws its texts from a known distribution
    `floor`, `excess` and `solution` (tokens of a solution). The second has the columns of `evaluation.evaluate` and
    `cell`. Where an arm is blind, critics read whole chains. Files of each cell lie in `<folder>/<cell>`. ValueError
    where no cell has a checkpoint, or an arm needs a critic that is not planned.

    problems: by default the held-out ones that are of the kind of the texts: in the Game of 24 those that need no
    fraction, which texts all but never make. A puzzle that does keeps an excess of hundreds of nats at any size.
    """
    problems = list_familiar(environment) if problems is None else problems
    done = cells[cells["checkpoint"] != ""]
    if done.empty:
        raise ValueError(f"cells: none of {len(cells)} has a checkpoint to measure")
    if not critic.rollouts and (name := next((one for one, arm in arms.items() if needs_critic(arm)), None)):
        raise ValueError(f"arm {name!r} asks a critic: critic rollouts must be at least 1, got 0")
    chains = any(arm.mode == "blind" for arm in arms.values())
    exact, searched = [], []
    for cell in progress(list(done.itertuples())):
        home = folder / cell.cell
        home.mkdir(parents=True, exist_ok=True)
        policy = load_policy(cell.checkpoint, backend="transformers")
        table = _recall(home / "exact.parquet",
                        partial(_measure_exact, environment, policy, problems, _find_limit(arms)))
        exact.append(table.assign(cell=cell.cell))
        if arms:
            taught = _teach_critic(cell, environment, policy, home, critic, chains) if critic.rollouts else None
            judge = load_critic(taught) if taught else None
            rows = evaluate(environment, problems, arms, policy, judge, seeds=seeds, path=home / "records.parquet",
                            model=cell.cell, progress=False)  # fmt: skip
            searched.append(rows.assign(cell=cell.cell))
    return pd.concat(exact, ignore_index=True), pd.concat(searched, ignore_index=True) if searched else pd.DataFrame()


def list_familiar(environment: Any) -> list[Any]:
    """The held-out problems of the kind that texts are of."""
    return list_whole(environment.held_out) if environment.name == "game24" else list(environment.held_out)


def _find_limit(arms: Mapping[str, Arm]) -> int:
    """Tokens of a sample at most, as the arms have it that sample whole answers: their costs stand side by side."""
    limits = [arm.parameters.get("max_tokens", _LONGEST) for arm in arms.values() if arm.algorithm == "best_of_n"]
    return max(limits, default=_LONGEST)


def _measure_exact(environment: Any, policy: Any, asked: Sequence[Any], longest: int) -> pd.DataFrame:
    """Exact chances, the length of a sample, and where there is one the floor with the excess."""
    task = environment.task
    table = measure_chances(task, asked, policy, [Sampling(1)], whole=True, write=environment.write_name)
    samples = {"samples": Arm("best_of_n", {"n": _TIMES, "batch": 0, "choose": "logprob", "max_tokens": longest},
                              "rules")}  # fmt: skip
    rows = evaluate(environment, asked, samples, policy, progress=False)
    found = pd.DataFrame({"problem": table["problem"], "p": table["p"].clip(0, 1),
                          "tokens": rows["sampled_tokens"].to_numpy(float) / _TIMES,
                          "prompt": rows["prompt_tokens"].to_numpy(float)})  # fmt: skip
    if environment.name == "game24":
        above = measure_excess(task, asked, policy, write=environment.write_name)
        found = found.assign(floor=above["floor"], excess=above["excess"], solution=above["tokens"])
    return found


def _teach_critic(cell: Any, environment: Any, policy: Any, home: Path, plan: CriticPlan, chains: bool) -> Path:
    """The critic of a cell, taught by its own rollouts; what that took is kept in `critic.json`. With `chains`, which a
    blind search needs, it reads whole chains too, true and false."""
    starts, _ = environment.draw_starts(plan.puzzles)
    checkpoint = teach_critic(
        environment, starts, cell.checkpoint, home / "critic", samples=plan.rollouts, chains=chains,
        falsified=plan.falsified, epochs=plan.epochs, seed=plan.seed, backend="transformers")
    rolled = pd.read_parquet(home / "critic" / TRAJECTORIES).query("view == 0")
    ends, roots = rolled.groupby("trajectory").tail(1), rolled[rolled["depth"] == 0]
    curve = pd.read_parquet(home / "critic" / "training.parquet")
    cost = {"rollouts": len(ends), "prompt": float(np.mean([policy.count(text) for text in roots["text"]])),
            "tokens": float(curve["num_tokens"].max()), "texts": float(curve["num_texts"].max()),
            "steps": float(curve["step"].max())}  # fmt: skip
    write_atomically(home / "critic.json", lambda draft: draft.write_text(json.dumps(cost) + "\n", encoding="utf-8"))
    return checkpoint


def price_critic(home: Path, shape: Shape, tokens: float) -> float:
    """FLOPs of a cell's critic: its rollouts, of `tokens` each, and its training. 0 where it has none."""
    path = home / "critic.json"
    if not path.exists():
        return 0.0
    cost = json.loads(path.read_text(encoding="utf-8"))
    rolled = count_search(shape, {
        "prompt_tokens": cost["prompt"] * cost["rollouts"], "sampled_tokens": tokens * cost["rollouts"],
        "sampled_lines": 0, "policy_calls": cost["rollouts"], "critic_tokens": 0, "critic_calls": 0,
    }, cost["rollouts"])  # fmt: skip
    texts = np.full(round(cost["texts"]), cost["tokens"] / cost["texts"])
    return float(rolled) + count_training(shape.turn_critic(), texts, np.ones_like(texts), cost["steps"])


def list_meters(searched: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """What each search took of each problem, and what its cell's critic was taught by (`taught_rollouts`, ...): from
    these FLOPs can be counted anew. Columns of `evaluation.evaluate` besides; empty where nothing was searched."""
    if searched.empty:
        return pd.DataFrame(columns=_METERS)
    paths = {cell: folder / cell / "critic.json" for cell in searched["cell"].unique()}
    taught = pd.DataFrame([{"cell": cell, **json.loads(path.read_text(encoding="utf-8"))}
                           for cell, path in paths.items() if path.exists()], columns=["cell", *_TAUGHT])  # fmt: skip
    return searched[_METERS].merge(taught.rename(columns=lambda name: name if name == "cell" else f"taught_{name}"),
                                   "left", "cell")  # fmt: skip


def _recall(path: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    if not path.exists():
        table = make()
        write_atomically(path, lambda draft: table.to_parquet(draft, index=False))
    return pd.read_parquet(path)


# --------------------------------------------------------------------------------------------------- points of a plane
def make_plane(
    cells: pd.DataFrame, exact: pd.DataFrame, searched: pd.DataFrame, folder: Path, *, most: int = 1024
) -> Plane:
    """The points of all strategies: repeated sampling exactly, up to `most` samples, and what was searched.

    Training FLOPs are the policy's, and of strategies that ask a critic its own and its rollouts' too.
    """
    points, chances, taken = [], [], []
    for cell in cells[cells["checkpoint"] != ""].itertuples():
        shape = read_shape(json.loads((Path(cell.checkpoint) / "config.json").read_text(encoding="utf-8")))
        mine = exact[exact["cell"] == cell.cell].set_index("problem")
        known = {"cell": cell.cell, "size": cell.size, "seed": cell.seed, "budget": cell.budget}
        for k in 2 ** np.arange(int(np.log2(most)) + 1):
            flops = _price_samples(shape, mine, measure_cost(mine["p"], int(k)))
            points.append(known | {"strategy": REPEATED, "mode": "verified", "effort": int(k), "training": cell.flops,
                                   "thinking": float(flops.mean())})  # fmt: skip
            chances.append(pass_at(mine["p"], int(k)))
            taken.append(flops)
        rows = searched[searched["cell"] == cell.cell] if len(searched) else searched
        extra = price_critic(folder / cell.cell, shape, float(mine["tokens"].mean()))
        by = ["strategy", "mode", "algorithm"]
        for (arm, mode, algorithm), tries in rows.groupby(by, sort=False) if len(rows) else ():
            given = json.loads(tries["parameters"].iloc[0])
            asks = bool(tries["critic_calls"].sum())
            whole = tries["candidates"] if algorithm in ("best_of_n", "greedy") else None
            if whole is not None:  # sampling without replacement asks often after one prompt, which it forwards once
                prompts = tries["prompt_tokens"].to_numpy() / mine["prompt"].reindex(tries["problem"]).to_numpy()
                tries = tries.assign(policy_calls=prompts)
            flops = count_search(shape, tries, whole, shape.turn_critic())
            means = tries.assign(solved=tries["solved"].astype(float), flops=flops).groupby("problem")
            means = means[["solved", "flops"]].mean().reindex(mine.index)
            points.append(known | {"strategy": find_family(arm), "mode": mode, "thinking": means["flops"].mean(),
                                   "effort": given.get(describe_strategy(algorithm)[1], 1),
                                   "training": cell.flops + extra * asks})  # fmt: skip
            chances.append(means["solved"].to_numpy())
            taken.append(means["flops"].to_numpy())
    return Plane(pd.DataFrame(points, columns=list(COLUMNS)), np.array(chances), np.array(taken))


def _price_samples(shape: Shape, exact: pd.DataFrame, samples: np.ndarray) -> np.ndarray:
    """FLOPs of so many samples of each problem, whose prompt is forwarded once."""
    nothing = np.zeros(len(exact))
    cost = {"prompt_tokens": exact["prompt"].to_numpy(), "sampled_tokens": exact["tokens"].to_numpy() * samples,
            "policy_calls": nothing + 1, "sampled_lines": nothing, "critic_tokens": nothing,
            "critic_calls": nothing}  # fmt: skip
    return count_search(shape, cost, samples)
