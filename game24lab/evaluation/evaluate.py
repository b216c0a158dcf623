"""Strategies on problems with seeds: one row per attempt, with outcome and full cost; then tables with intervals.

It knows the strategies by name. It does not know how they search, where models come from, or how a table is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from game24lab.evaluation.arms import Arm, find_strategy, read_arms
from game24lab.evaluation.statistics import bound_share, estimate_pass_at_k
from game24lab.runs.checks import require
from game24lab.runs.messages import condense
from game24lab.runs.run import write_atomically
from game24lab.search.bandit import take_turns
from game24lab.search.cost import Cost
from game24lab.search.engine import run
from game24lab.search.modes import read_mode
from game24lab.search.requests import Outcome
from game24lab.tasks.task import Task

COLUMNS = {
    "problem": "str", "strategy": "str", "algorithm": "str", "parameters": "str", "mode": "str", "seed": "int64",
    "solved": "bool", "outcome": "str", "answer": "str", "candidates": "int64", "correct": "int64", "stopped": "str",
    "prompt_tokens": "int64", "sampled_tokens": "int64", "policy_calls": "int64", "critic_tokens": "int64",
    "critic_calls": "int64", "depth": "int64", "seconds": "float64", "saved_prompt_tokens": "int64",
    "saved_sampled_tokens": "int64", "saved_critic_tokens": "int64", "policy_parameters": "int64",
    "critic_parameters": "int64", "backend": "str", "rank": "Int64", "split": "str", "run_id": "str",
    "sampled_lines": "Int64", "sampled_characters": "Int64", "repeated_tokens": "Int64", "illegal_tokens": "Int64",
}  # fmt: skip
LATER = ("sampled_lines", "sampled_characters", "repeated_tokens", "illegal_tokens")  # older files do not hold them
_IDENTITY = ["problem", "strategy", "seed"]
_MISSES = ("wrong value", "illegal", "unfinished", "no answer")
_MEANS = ("prompt_tokens", "policy_calls", "critic_tokens", "critic_calls", "depth", "seconds", "saved_prompt_tokens",
          "saved_sampled_tokens", "saved_critic_tokens", *LATER)  # fmt: skip


def evaluate(
    task: Task,
    problems: Sequence[Any],
    arms: Mapping[str, Mapping[str, Any] | Arm],
    policy: Any,
    critic: Any = None,
    *,
    seeds: Iterable[int] = (0,),
    path: str | Path | None = None,
    chunk: int = 256,
    concurrent: int = 512,
    ranks: Mapping[Any, int] | None = None,
    split: str = "",
    run_id: str = "",
    progress: bool = True,
) -> pd.DataFrame:
    """Run every arm on every problem with every seed: one row an attempt, columns as in `COLUMNS`.

    With a `path` the rows of each finished chunk are added to that parquet file in one step, and attempts that it holds
    already are not repeated: a killed evaluation, started again, ends with the rows of an undisturbed one. The table
    holds the rows asked for, ordered by arm, seed and problem; the file may hold more.

    Args:
        problems: distinct problems of the task. `ranks` gives them a rank each, where there is one.
        chunk: attempts that run together and are written together; an arm with a pool runs a whole seed together.
        run_id: stands in every row; a file of another run is refused, for its rows are of other models.

    ValueError for unknown arms or parameters, a problem listed twice, a records file that is broken or that belongs to
    other models or parameters; OSError where the file cannot be written.
    """
    arms, seeds = read_arms(arms), list(dict.fromkeys(seeds))
    require("chunk", chunk, int, 1)
    for seed in seeds:
        require("seed", seed, int, 0)
    for problem in problems:
        task.start(problem)  # a bad problem is found before anything is spent
    names = [write_problem(problem) for problem in problems]
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise ValueError(f"problems: {twice} is listed twice")
    path = None if path is None else Path(path)
    ranks = {write_problem(problem): rank for problem, rank in (ranks or {}).items()}
    models = {"policy_parameters": policy.parameters, "backend": policy.name, "run_id": run_id,
              "critic_parameters": critic.parameters if critic is not None else 0}  # fmt: skip
    rows = _open_records(path, arms, models)
    done = {tuple(row[key] for key in _IDENTITY) for row in rows}
    jobs = [(name, seed, place) for name in arms for seed in seeds for place in range(len(problems))]
    left = [(name, seed, place) for name, seed, place in jobs if (names[place], name, seed) not in done]
    with tqdm(total=len(jobs), initial=len(jobs) - len(left), disable=not progress, unit="attempt") as bar:
        for name, arm in arms.items():
            mine = [(seed, place) for arm_name, seed, place in left if arm_name == name]
            bar.set_description(name)
            for part in _split(mine, chunk) if not arm.pool else _split_by_seed(name, mine, len(problems)):
                pooled = {"concurrent": concurrent}
                if arm.pool:
                    ((unit, share),) = arm.pool.items()
                    sizes = policy.parameters, models["critic_parameters"]
                    pooled = {"concurrent": len(part), "pool": {unit: share * len(part)},
                              "turn": take_turns(unit, rule=arm.rule, parameters=sizes)}  # fmt: skip
                outcomes = run(
                    task, [problems[place] for _, place in part], find_strategy(arm.algorithm), policy, critic,
                    parameters=arm.parameters, mode=arm.mode, seed=[seed for seed, _ in part], merge=arm.merge,
                    budget=arm.budget, progress=bar, trees=False, **pooled,
                )  # fmt: skip
                shared = {"strategy": name, "algorithm": arm.algorithm, "parameters": arm.describe(), **models,
                          "split": split}  # fmt: skip
                for (seed, place), outcome in zip(part, outcomes, strict=True):
                    own = {"problem": names[place], "seed": seed, "rank": ranks.get(names[place])}
                    rows.append(own | shared | flatten(outcome))
                if path is not None:
                    write_atomically(path, lambda temporary: _make_table(rows).to_parquet(temporary, index=False))
    found = {tuple(row[key] for key in _IDENTITY): row for row in rows}
    return _make_table([found[names[place], name, seed] for name, seed, place in jobs])


def _split(jobs: list[tuple[int, int]], chunk: int) -> list[list[tuple[int, int]]]:
    return [jobs[begin : begin + chunk] for begin in range(0, len(jobs), chunk)]


def _split_by_seed(name: str, jobs: list[tuple[int, int]], problems: int) -> list[list[tuple[int, int]]]:
    """The jobs (seed, place) of each seed, for a pool runs as a whole; ValueError where some of it is done already."""
    parts: dict[int, list[tuple[int, int]]] = {}
    for job in jobs:
        parts.setdefault(job[0], []).append(job)
    for seed, part in parts.items():
        if len(part) < problems:
            raise ValueError(f"arm {name!r}: the file holds {problems - len(part)} of {problems} problems of seed "
                             f"{seed}, which shared their pool with others: choose another file or another name")
    return list(parts.values())


def write_problem(problem: Any) -> str:
    """`4 5 6 10`."""
    return problem if isinstance(problem, str) else " ".join(map(str, problem))


def flatten(outcome: Outcome) -> dict[str, Any]:
    """What a row says of an outcome, by the names of `COLUMNS`."""
    names = ("solved", "outcome", "answer", "candidates", "correct", "stopped", "mode", "repeated_tokens",
             "illegal_tokens")  # fmt: skip
    costs = {name: getattr(outcome.cost, name) for name in Cost.__dataclass_fields__}
    kinds = ("prompt_tokens", "sampled_tokens", "critic_tokens")
    saved = {f"saved_{name}": getattr(outcome.saved, name) for name in kinds}
    return {name: getattr(outcome, name) for name in names} | costs | saved


def _make_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in COLUMNS.items()})


def load_records(path: str | Path) -> pd.DataFrame:
    """The rows of a records file; ValueError where it is broken or holds something else, OSError where it is not.

    What a file does not hold because it was written before that was counted (`LATER`) is missing in its rows, never 0.
    The mode `unverified` of older files is read as `rules`.
    """
    try:
        table = pd.read_parquet(path)
    except (ValueError, KeyError) as error:  # pyarrow's errors are ValueErrors
        reason = condense(error)
        raise ValueError(f"records file {path}: not readable as parquet ({reason})") from None
    missing = [name for name in COLUMNS if name not in table]
    if wrong := [name for name in missing if name not in LATER]:
        raise ValueError(f"records file {path}: lacks the column {wrong[0]!r}")
    try:
        table["mode"] = table["mode"].map(read_mode).astype(COLUMNS["mode"])
    except ValueError as error:
        raise ValueError(f"records file {path}: {error}") from None
    return table.assign(**{name: pd.Series(pd.NA, table.index, COLUMNS[name]) for name in missing})


def _open_records(path: Path | None, arms: Mapping[str, Arm], models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows that are there already, if they were made by the same models and arms."""
    if path is None:
        return []
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda temporary: _make_table([]).to_parquet(temporary, index=False))  # fails early
        return []
    rows = load_records(path)[list(COLUMNS)].to_dict("records")
    if old := next((name for name in LATER for row in rows if pd.isna(row[name])), None):
        raise ValueError(f"records file {path} was written before {old} were counted: choose another file, or go on "
                         "with the version that wrote it")  # fmt: skip
    for row in rows:
        arm_name = row["strategy"]
        if arm_name not in arms:
            continue
        arm = arms[arm_name]
        ours = {"algorithm": arm.algorithm, "parameters": arm.describe(), "mode": arm.mode, **models}
        for name, value in ours.items():
            if row[name] != value:
                raise ValueError(f"records file {path} holds the arm {arm_name!r} with {name} {row[name]!r}, not "
                                 f"{value!r}: choose another file or another name")  # fmt: skip
    return rows


# -------------------------------------------------------------------------------------------- tables from rows
def summarise(rows: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """One row per arm and mode: accuracy with an interval, and what a problem cost.

    Columns: `arm`, `mode`, `verifier_chose` (whether the exact verifier picked the answer), `algorithm`, `parameters`,
    `problems`, `seeds`, `accuracy`, `low`, `high`, `interval` (how: "Wilson" for one seed or where all problems end
    alike, else "bootstrap over problems"), `sampled_tokens` (mean), `sampled_tokens_median`, `sampled_tokens_p95`, the
    means of the other costs, `flops` (mean), and the shares `wrong value`, `illegal`, `unfinished`, `no answer`.
    """
    table = []
    for (arm, mode), part in rows.groupby(["strategy", "mode"], sort=False):
        share, low, high, how = bound_share(part["solved"], part["problem"], confidence=confidence)
        tokens = part["sampled_tokens"]
        flops = 2.0 * ((part["prompt_tokens"] + tokens) * part["policy_parameters"]
                       + part["critic_tokens"] * part["critic_parameters"])  # fmt: skip
        table.append({
            "arm": arm, "mode": mode, "verifier_chose": mode == "verified", "algorithm": part["algorithm"].iloc[0],
            "parameters": part["parameters"].iloc[0], "problems": part["problem"].nunique(),
            "seeds": part["seed"].nunique(), "accuracy": share, "low": low,
            "high": high, "interval": how, "sampled_tokens": tokens.mean(), "sampled_tokens_median": tokens.median(),
            "sampled_tokens_p95": tokens.quantile(0.95), **{name: _average(part, name) for name in _MEANS},
            "flops": flops.mean(),
            **{miss: (part["outcome"] == miss).mean() for miss in _MISSES},
        })  # fmt: skip
    return pd.DataFrame(table)


def _average(rows: pd.DataFrame, name: str) -> float:
    """A column's mean; NaN where some of the rows do not know it."""
    known = name in rows and rows[name].notna().all()
    return float(rows[name].mean()) if known else math.nan


def tabulate_pass_at_k(
    rows: pd.DataFrame, ks: Sequence[int] | None = None, *, confidence: float = 0.95
) -> pd.DataFrame:
    """Unbiased pass@k of sampled answers: columns `arm`, `k`, `accuracy`, `low`, `high`, `problems`, `samples`.

    It takes the best-of-n arms that no verifier ended, which draw all their n answers and count the correct ones; the
    answers of several seeds add up. Intervals by bootstrap over problems. `ks` defaults to the powers of two.

    ValueError where no arm serves, or k is larger than the answers of a problem.
    """
    fit = rows[(rows["algorithm"] == "best_of_n") & (rows["mode"] != "verified")]
    if fit.empty:
        raise ValueError("pass@k needs rows of best_of_n, blind or by the rules: others stop early, or do not sample")
    table = []
    for (arm, _), part in fit.groupby(["strategy", "mode"], sort=False):
        counts = part.groupby("problem")[["candidates", "correct"]].sum()
        rows = estimate_pass_at_k(counts.itertuples(index=False), ks, confidence=confidence)
        table += [{"arm": arm} | row for row in rows]
    return pd.DataFrame(table)
