"""The tidy table problem x arm: soft labels and costs, from a folder of completions files, ours or made elsewhere.

A file of independent samples (best-of-n or a vote, not verified) is a pool that tells of many arms: `best_of_n@8`,
`majority@8`, `weighted@8` and, where the exact verifier may choose, `verified@8`, for n of 1, 2, 4, ... Every other
file is a run of one arm with one seed, and the label is the share of seeds. This module does not know of features or
routers.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from game24lab.evaluation.arms import STRATEGIES
from game24lab.routing.arms import name_modes
from game24lab.routing.completion_files import CompletionFile, Judge, find_hardware, read_completion_files
from game24lab.routing.labels import (
    AGGREGATIONS,
    REPEATS,
    aggregate,
    bound,
    count_trials,
    draw_totals,
    expect_cost_verified,
    expect_distinct,
    find_chance_of_any,
    find_chance_of_best,
    find_chance_of_majority,
    find_chance_of_weighted,
)
from game24lab.routing.splits import check_parts, show
from game24lab.runs.checks import require, require_one_of

# what a pool tells of: the name of an arm, the algorithm that it is
VOTES = {"best_of_n": "best_of_n", "majority": "majority", "weighted": "weighted_majority", "verified": "best_of_n"}
COLUMNS = {
    "problem": "str", "arm": "str", "probability": "float64", "trials": "float64", "low": "float64", "high": "float64",
    "sampled_tokens": "float64", "calls": "float64", "seconds": "float64", "seconds_p50": "float64",
    "seconds_p95": "float64", "hardware": "str", "n": "float64", "width": "float64", "simulations": "float64",
    "depth": "float64", "method": "str", "mode": "str", "verified": "bool", "parameters": "str",
}  # fmt: skip
COSTS = ("sampled_tokens", "calls", "seconds", "seconds_p50", "seconds_p95")
_NEEDED = ("problem", "arm", "probability", "sampled_tokens")
_SCORED = ("best_of_n", "weighted")
# the names that strategies have for what makes them large
_SIZES = {
    "n": ("n", "n_particles"), "width": ("width", "beam_width", "beam_size"), "simulations": ("simulations", "n_iters"),
    "depth": ("depth", "num_iterations", "depth_limit"),
}  # fmt: skip


def read_table(
    folder: str | Path, rng: np.random.Generator, *, ns: Sequence[int] | None = None,
    votes: Sequence[str] = tuple(VOTES), agg_strategy: str = "", batch: int = 8,
    names: Mapping[str, str] | None = None, judge: Judge | None = None,
    costs: Mapping[str, Mapping[str, float]] | None = None, hardware: str = "", repeats: int = REPEATS,
    progress: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """One row a problem and arm, with the columns `COLUMNS`, from all completions files at or below a folder.

    `trials` are independent trials that the label is worth at least; `low` and `high` the Beta interval that they
    leave. `calls` are those of both models. Costs that files made elsewhere do not tell are NaN. The seconds of an arm
    drawn from a pool are the pool's by their share of tokens; its `seconds_p50` and `seconds_p95` are over random
    draws, those of other arms over seeds. `parameters` is JSON, "" where unknown.

    Args:
        ns: of the arms from pools; the powers of two by default.
        votes: the arms from pools, of `VOTES`; best-of-n and weighted votes only where answers have scores.
        agg_strategy: "" takes the files' `agg_scores`; else "last", "min", "prod" or "sum" of `scores`, in arms' names.
        batch: samples that a verified arm draws between two calls of the verifier; 0 for all at once.
        names, judge: of files made elsewhere, see `completion_files.read_completion_files`.
        costs: of an arm, by its name, what a problem costs on average where its files do not tell: `sampled_tokens`,
            `calls`, `seconds`.
        hardware: what the seconds were measured on; by default the device that the manifest of the files' run names.

    ValueError that names the file and line or the puzzle, as those of `read_completion_files` and `check_table`;
    OSError as the files'.
    """
    for vote in votes:
        require_one_of("vote", vote, tuple(VOTES))
    if agg_strategy:
        require_one_of("agg_strategy", agg_strategy, AGGREGATIONS)
    require("batch", batch, int, 0)
    files = read_completion_files(folder, names=names, judge=judge, progress=progress)
    arms = list(dict.fromkeys(file.arm for file in files))
    pools = set(arms) - {file.arm for file in files if not file.pool}
    tables, settings = [], (ns, votes, agg_strategy, batch, rng, repeats)
    with tqdm(total=len(files), desc="label", unit="file", disable=not progress) as bar:
        for file in sorted(files, key=lambda file: arms.index(file.arm)):
            prefix = "" if len(pools) == 1 else f"{file.arm}-"
            tables.append(_label_pool(file, prefix, *settings) if file.arm in pools else _list_attempts(file))
            bar.update()
    table = _add_costs(_merge(pd.concat(tables, ignore_index=True)), costs or {})
    table["hardware"] = hardware or find_hardware(Path(folder)) or "not known"
    check_table(table)
    return table.astype(COLUMNS)[list(COLUMNS)]


def _merge(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of seeds as one row a problem and arm, by means; quantiles over seeds where a seed is one attempt."""
    groups = rows.groupby(["arm", "problem"], sort=False)
    table = groups.agg({name: "first" for name in rows if name not in ("arm", "problem")})
    for name in ("probability", *COSTS):
        table[name] = groups[name].mean()
    table["trials"] = groups["trials"].sum()
    single = table.pop("single").astype(bool)
    for name, quantile in (("seconds_p50", 0.5), ("seconds_p95", 0.95)):
        table[name] = table[name].where(~single, groups["seconds"].quantile(quantile))
    table["low"], table["high"] = bound(table["probability"].clip(0, 1), table["trials"])
    return table.reset_index()


def _add_costs(table: pd.DataFrame, costs: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Fill in what files did not tell."""
    arms = set(table["arm"])
    for arm, known in costs.items():
        require_one_of("arm of costs", arm, sorted(arms))
        for name, value in known.items():
            if name not in COSTS or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise ValueError(f"costs of {arm!r} must be finite numbers >= 0 for some of {', '.join(COSTS)}, got "
                                 f"{name} {value!r}")  # fmt: skip
            table.loc[(table["arm"] == arm) & table[name].isna(), name] = float(value)
    return table


# ------------------------------------------------------------------------------------------------------------ labels
def _list_attempts(file: CompletionFile) -> pd.DataFrame:
    """A run of an arm with one seed: each row is one trial."""
    rows = []
    for problem, row in file.rows.items():
        cost, told = row["cost"], {}
        if cost is not None:
            calls = cost["policy_calls"] + cost["critic_calls"]
            told = {"sampled_tokens": cost["sampled_tokens"], "calls": calls, "seconds": cost["seconds"]}
        rows.append({
            "problem": problem, "arm": file.arm, "probability": float(row["solved"]), "trials": 1.0, "single": True,
            **dict.fromkeys(COSTS, np.nan), **told, **_size(file.parameters or {"n": len(row["completions"])}),
            "method": file.method, "mode": file.mode, "verified": file.mode == "verified",
            "parameters": _write(file.parameters),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _label_pool(
    file: CompletionFile, prefix: str, ns: Sequence[int] | None, votes: Sequence[str], agg_strategy: str, batch: int,
    rng: np.random.Generator, repeats: int,
) -> pd.DataFrame:  # fmt: skip
    """All arms that a pool of independent samples tells of."""
    fewest = min(len(row["completions"]) for row in file.rows.values())
    ns = list(ns or [2**power for power in range(fewest.bit_length())])
    if min(ns) < 1 or max(ns) > fewest:
        raise ValueError(f"ns must be integers from 1 to {fewest}, the fewest samples of a problem in {file.path}, got "
                         f"{ns}")  # fmt: skip
    scores = {problem: _read_scores(row, agg_strategy) for problem, row in file.rows.items()}
    scored = any(np.isfinite(some).any() for some in scores.values())
    votes = [vote for vote in votes if scored or vote not in _SCORED]
    arms = {
        (vote, n): {
            "arm": f"{prefix}{vote}{f'-{agg_strategy}' if agg_strategy and vote in _SCORED else ''}@{n}",
            **_size({"n": n}), "method": VOTES[vote], "verified": vote == "verified",
            "mode": "verified" if vote == "verified" else file.mode,
            "parameters": _derive(file.parameters, vote, n, agg_strategy, batch), "single": False,
        }
        for vote in votes
        for n in ns
    }  # fmt: skip
    rows = []
    for problem, row in file.rows.items():
        trials = count_trials(len(row["completions"]), ns)
        for vote in votes:
            try:
                chances = _find_chances(vote, row, scores[problem], ns, rng, repeats)
            except ValueError as error:
                raise ValueError(f"{row['place']}: {error}") from None
            costs = _price(row, vote, ns, batch, rng)
            for place, n in enumerate(ns):
                rows.append({"problem": problem, "probability": chances[place], "trials": trials[place],
                             **{name: values[place] for name, values in costs.items()}, **arms[vote, n]})  # fmt: skip
    return pd.DataFrame(rows)


def _find_chances(vote, row, scores, ns, rng, repeats) -> np.ndarray:
    correct, ballots = row["correct"], row["ballots"]
    if vote == "verified":
        return find_chance_of_any(correct, ns)
    if vote == "majority":
        return find_chance_of_majority(ballots, correct, ns)
    if vote == "best_of_n":
        return find_chance_of_best(scores, correct, ns)
    weights = np.where(np.isneginf(scores), 0.0, scores)  # without a score: a vote that weighs nothing
    return find_chance_of_weighted(ballots, weights, correct, ns, rng, repeats=repeats)


def _read_scores(row: Mapping[str, Any], agg_strategy: str) -> np.ndarray:
    """One score a completion, -inf where there is none: it came to no end, or nobody valued it."""
    found = row.get("agg_scores") or [None] * len(row["completions"])
    if agg_strategy and row.get("scores"):
        found = [aggregate(steps, agg_strategy) if steps and known is not None else None
                 for steps, known in zip(row["scores"], found, strict=True)]  # fmt: skip
    return np.array([-np.inf if score is None else float(score) for score in found])


def _price(row, vote, ns, batch, rng) -> dict[str, np.ndarray]:
    """The costs of drawing n of a pool's samples, for each n; NaN where the file does not tell."""
    costs = {name: np.full(len(ns), np.nan) for name in COSTS}
    cost, tokens, total = row["cost"], row["completion_tokens"], len(row["completions"])
    verified = row["correct"] if vote == "verified" else None
    if tokens is None:
        return costs
    if verified is None:
        costs["sampled_tokens"] = np.array(ns) * np.mean(tokens)
    else:
        costs["sampled_tokens"], _, batches = expect_cost_verified(tokens, verified, ns, batch)
    if cost is None:
        return costs
    # a pool's samples are asked for in equal batches, of which n need their share; equal positions are valued once, and
    # the first one too
    costs["calls"] = batches if verified else np.ceil(np.array(ns) * cost["policy_calls"] / total)
    if vote in _SCORED:
        shares = (1 + expect_distinct(row["ballots"], ns)) / (1 + expect_distinct(row["ballots"], [total]))
        costs["calls"] = costs["calls"] + cost["critic_calls"] * shares
    rate = cost["seconds"] / max(sum(tokens), 1)
    costs["seconds"] = costs["sampled_tokens"] * rate
    totals = draw_totals(tokens, ns, rng, correct=verified, batch=batch) * rate
    costs["seconds_p50"], costs["seconds_p95"] = np.quantile(totals, [0.5, 0.95], axis=1)
    return costs


# -------------------------------------------------------------------------------------------------------------- arms
def _size(parameters: Mapping[str, Any]) -> dict[str, float]:
    """What makes an arm large, 0 where it has no such thing."""
    found = {size: [parameters[name] for name in names if isinstance(parameters.get(name), int | float)]
             for size, names in _SIZES.items()}  # fmt: skip
    return {size: float(values[0]) if values else 0.0 for size, values in found.items()}


def _derive(parameters: Mapping[str, Any], vote: str, n: int, agg_strategy: str, batch: int) -> str:
    """The parameters with which an arm of a pool is run, as JSON; "" where nobody knows or no strategy does so."""
    if not parameters or (agg_strategy == "sum" and vote in _SCORED):
        return ""
    known = inspect.signature(STRATEGIES[VOTES[vote]]).parameters
    kept = {name: value for name, value in parameters.items() if name in known and name not in ("by", "choose")}
    kept |= {"n": n} | ({"batch": batch} if vote == "verified" else {})
    kept |= {"agg_strategy": agg_strategy} if agg_strategy and vote in _SCORED else {}
    return _write(kept)


def _write(parameters: Mapping[str, Any]) -> str:
    return json.dumps(parameters, sort_keys=True) if parameters else ""


def list_arms(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """How each arm of a table is run, for `evaluation.arms.read_arms`; arms that cannot be run here are left out."""
    arms = {}
    for row in name_modes(table).drop_duplicates("arm").itertuples():
        if row.parameters and row.method in STRATEGIES:
            parameters = json.loads(row.parameters)
            own = {name: parameters.pop(name) for name in ("budget", "merge") if name in parameters}
            arms[row.arm] = {"algorithm": row.method, "parameters": parameters, "mode": row.mode, **own}
    return arms


# ------------------------------------------------------------------------------------------------------------ checks
def check_table(table: pd.DataFrame) -> None:
    """ValueError unless a table, made here or elsewhere, is one that a router can learn from.

    It names the puzzle and the arm: columns missing, a label outside 0..1, a cost that is negative or told of some arms
    only, a row twice, an arm missing for some problems, a puzzle in two parts (column `part`, where there is one).
    """
    for name in _NEEDED:
        if name not in table:
            raise ValueError(f"table: the column {name!r} is missing; {', '.join(_NEEDED)} are needed")
    if table.empty:
        raise ValueError("table must hold at least one row, got none")
    for name in ("probability", "trials", *COSTS):
        if name in table and not pd.api.types.is_numeric_dtype(table[name]):
            raise ValueError(f"table: {name} must hold numbers, got {table[name].dtype}")
    _refuse(table, ~table["probability"].between(0, 1), "probability", "a number from 0 to 1")
    for name in COSTS:
        if name in table:
            known = table[name].notna()
            _refuse(table, known & ~table[name].between(0, np.finfo(float).max), name, "a finite number >= 0")
            if known.any():
                _refuse(table, ~known, name, "a number for every arm, or for none")
    for _, row in table[table.duplicated(["problem", "arm"])].iterrows():
        raise ValueError(f"table: {show(row['problem'])} with the arm {row['arm']!r} stands there twice")
    problems = dict.fromkeys(table["problem"])
    for arm, there in table.groupby("arm", sort=False)["problem"].agg(set).items():
        if missing := [problem for problem in problems if problem not in there]:
            raise ValueError(f"table must hold all arms on all problems, got none of {arm!r} for {len(missing)} of "
                             f"{len(problems)} problems, first {show(missing[0])}")  # fmt: skip
    if "part" in table:
        pairs = table[["problem", "part"]].drop_duplicates()
        for _, pair in pairs[pairs.duplicated("problem")].iterrows():
            raise ValueError(f"table: {show(pair['problem'])} must be in one part, got two, one of them "
                             f"{pair['part']!r}")  # fmt: skip
        check_parts(pairs.set_index("problem")["part"])


def _refuse(table: pd.DataFrame, wrong: pd.Series, name: str, needed: str) -> None:
    for _, row in table[wrong].iterrows():
        raise ValueError(f"table: {name} of {show(row['problem'])} with the arm {row['arm']!r} must be {needed}, got "
                         f"{row[name]}")  # fmt: skip
