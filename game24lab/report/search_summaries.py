"""What searches come to, split by split: each arm's accuracy against every cost, its waste, and sweeps of parameters.

It reads the rows that evidence.py has checked. It does not know how a report looks, nor how a strategy searches; which
strategies are of one kind stands in `KINDS`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from game24lab.evaluation.arms import STRATEGIES, describe_strategy
from game24lab.evaluation.statistics import bound_difference
from game24lab.report.evidence import MODES, RECORDS, Evidence, refuse
from game24lab.report.summaries import summarise_run
from game24lab.search.engine import bind
from game24lab.tasks.numbers.puzzles import parse_puzzle
from game24lab.tasks.numbers.rankings import TOT_RANKS, TSLLM_RANKS, find_bucket

SPLITS = {f"{first}-{last}": (name, last - first + 1)  # published ranks: their split's name, how many puzzles
          for name, (first, last) in {"tot": TOT_RANKS, "tsllm": TSLLM_RANKS}.items()}  # fmt: skip
OTHER = "other"
# In the order in which figures colour them.
KINDS = {
    family: tuple(name for name in STRATEGIES if describe_strategy(name)[0] == family)
    for family in ("samples", "votes", "beams", "best first", "Monte-Carlo trees", "particles")
}
# What a parameter is about, under the names that strategies give it; each after the reference code it follows.
SUBJECTS = {
    "width": ("width", "beam_width", "beam_size", "max_num_considered_actions"),
    "simulations": ("simulations", "n", "n_iters", "n_particles", "num_paths", "num_iterations"),
    "exploration": ("c_init", "c_base", "pb_c_init", "pb_c_base", "w_exp", "gumbel_scale", "gumbel_c_visit",
                    "gumbel_c_scale", "temperature", "heat", "widen", "softmax_temp", "softmax_temperature", "ess",
                    "path_weight", "prune_ratio", "root_noise_weight", "root_dirichlet_alpha"),
}  # fmt: skip
COSTS = {
    "sampled_tokens": "sampled tokens", "calls": "model calls", "flops": "FLOPs", "sampled_lines": "sampled lines",
    "sampled_characters": "sampled characters",
}  # fmt: skip
_MODE = re.compile(r"[@, ](verified|unverified|rules|blind)$")  # "unverified" in records from before


@dataclass(frozen=True)
class Trial:
    """One arm on one split: its numbers, JSON-able, and the share of its seeds that solved each problem."""

    numbers: Mapping[str, Any]
    shares: pd.Series


def find_split(problem: str) -> str:
    """`901-1000` or `1001-1362`, the published ranks that a puzzle has; else `OTHER`."""
    try:
        bucket = find_bucket(parse_puzzle(problem))
    except ValueError:  # no puzzle of this game
        return OTHER
    return bucket if bucket in SPLITS else OTHER


def list_trials(evidence: Iterable[Evidence], needed: str) -> list[Trial]:
    """Every arm on every split of all runs, in the order of the splits; ValueError where there is none.

    The numbers are those of `summaries.summarise_run`, and `split`, `kind`, `calls` (of policy and critic),
    `seconds_p50`, `seconds_p95`, `given` (the parameters that are not the strategy's defaults), and `repeated` and
    `illegal`: shares of the sampled tokens, None in older records.
    """
    trials, order = [], [*SPLITS, OTHER].index
    for one in (one for one in evidence if one.rows is not None):
        splits = one.rows["problem"].map({problem: find_split(problem) for problem in one.rows["problem"].unique()})
        for split in sorted(splits.unique(), key=order):
            part = one.rows[splits == split]
            groups = part.groupby(["strategy", "mode"], sort=False)
            for arm in summarise_run(one, part):
                rows = groups.get_group((arm["arm"], arm["mode"]))
                shares = rows.groupby("problem")["solved"].mean()
                trials.append(Trial(arm | {"split": split} | _measure_more(arm, rows), shares))
    if not trials:
        raise refuse(evidence, f"{RECORDS} with rows of an evaluation is needed, as {needed} writes it")
    return _label(sorted(trials, key=lambda trial: order(trial.numbers["split"])))


def _measure_more(arm: Mapping[str, Any], rows: pd.DataFrame) -> dict[str, Any]:
    kind = next((kind for kind, names in KINDS.items() if arm["algorithm"] in names), "others")
    sampled = max(1, int(rows["sampled_tokens"].sum()))
    waste = {name: None if rows[f"{name}_tokens"].isna().any() else float(rows[f"{name}_tokens"].sum() / sampled)
             for name in ("repeated", "illegal")}  # fmt: skip
    seconds = {f"seconds_p{q}": float(rows["seconds"].quantile(q / 100)) for q in (50, 95)}
    models = {name: int(rows[name].max()) for name in ("policy_parameters", "critic_parameters")}
    calls = arm["policy_calls"] + arm["critic_calls"]
    extra = {"calls": calls, "backend": str(rows["backend"].iloc[0]), "given": _list_given(arm)}
    return {"kind": kind} | extra | models | seconds | waste


def _list_given(arm: Mapping[str, Any]) -> dict[str, Any]:
    algorithm = STRATEGIES.get(arm["algorithm"])
    usual = bind(algorithm, {}) if algorithm else {}
    return {name: value for name, value in arm["parameters"].items() if name not in usual or usual[name] != value}


def _label(trials: list[Trial]) -> list[Trial]:
    """Names without the mode, which stands beside them; the same arm of two runs is told apart by the run."""
    names = [(t.numbers["split"], t.numbers["mode"], _MODE.sub("", t.numbers["arm"])) for t in trials]
    return [replace(t, numbers={**t.numbers, "label": name[2] + f" [{t.numbers['run'][:4]}]" * (names.count(name) > 1)})
            for t, name in zip(trials, names, strict=True)]  # fmt: skip


def name_curves(arms: Sequence[Mapping[str, Any]]) -> list[str]:
    """The curve that each arm is a point of: arms of one run that differ in how much is searched, or allowed, alone."""
    names = []
    for arm in arms:
        effort = next((name for name in SUBJECTS["simulations"] if name in arm["parameters"]), "width")
        rest = {name: value for name, value in arm["parameters"].items() if name not in (effort, "budget")}
        names.append(json.dumps([arm["run"], arm["algorithm"], rest], sort_keys=True))
    return names


def find_front(table: pd.DataFrame, cost: str, by: Sequence[str]) -> pd.DataFrame:
    """The rows of arms that nothing of their group (equal in the columns `by`) beats: all that cost less solve less."""
    rows = table.sort_values([cost, "accuracy"], ascending=[True, False], kind="stable")
    best = rows.groupby(list(by))["accuracy"].transform(lambda column: column.cummax().shift(fill_value=-1.0))
    return rows[rows["accuracy"] > best]


def pick_best(trials: Sequence[Trial], most: float, cost: str = "sampled_tokens") -> list[dict[str, Any]]:
    """The most accurate arm at no more than `most` of a cost, the cheaper of equals, for each split and mode.

    As it was chosen on the very puzzles it is judged on, its accuracy flatters; `elsewhere` is how the arm of the same
    name and mode does on the other published split, None where it was not run there.
    """
    best = []
    for split in SPLITS:
        for mode in MODES:
            mine = [t.numbers for t in trials if (t.numbers["split"], t.numbers["mode"]) == (split, mode)]
            mine = [arm for arm in mine if arm[cost] is not None and arm[cost] <= most]
            if mine:
                arm = max(mine, key=lambda one: (one["accuracy"], -one[cost]))
                others = [t.numbers for t in trials if t.numbers["split"] not in (split, OTHER)
                          and all(t.numbers[key] == arm[key] for key in ("arm", "mode", "run"))]  # fmt: skip
                keys = ("split", "accuracy", "low", "high", "sampled_tokens", "problems")
                best.append(dict(arm) | {"elsewhere": {key: others[0][key] for key in keys} if others else None})
    return best


def pick_by_strategy(trials: Sequence[Trial], most: float) -> list[dict[str, Any]]:
    """Of each split, mode and strategy the best arm at no more than `most` sampled tokens, else the thriftiest."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for trial in trials:
        arm = trial.numbers
        groups.setdefault((arm["split"], arm["mode"], arm["algorithm"]), []).append(arm)
    chosen = []
    for arms in groups.values():
        within = [arm for arm in arms if arm["sampled_tokens"] <= most]
        best = max(within, key=lambda arm: (arm["accuracy"], -arm["sampled_tokens"])) if within else \
            min(arms, key=lambda arm: arm["sampled_tokens"])  # fmt: skip
        chosen.append(dict(best) | {"within": bool(within)})
    return chosen


def find_sweeps(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Arms of one strategy, split and mode that differ in one number alone, as curves over it.

    Each: `split`, `mode`, `algorithm`, `kind`, `parameter`, `subject` (of `SUBJECTS`, else "others"), `source`,
    `points` (`value`, `arm`, `accuracy`, `low`, `high`, and the costs, by rising value) and `change`: the difference in
    accuracy from the smallest value to the largest on the same problems, with `low` and `high` by bootstrap over them.
    """
    groups: dict[tuple[str, ...], list[Trial]] = {}
    for trial in trials:
        arm = trial.numbers
        for name, value in arm["parameters"].items():
            if type(value) in (int, float):
                rest = json.dumps({k: v for k, v in arm["parameters"].items() if k != name}, sort_keys=True)
                sizes = str((arm["policy_parameters"], arm["critic_parameters"]))
                key = (arm["split"], arm["mode"], arm["algorithm"], name, rest, sizes)
                groups.setdefault(key, []).append(trial)
    sweeps = []
    for (split, mode, algorithm, name, *_), some in groups.items():
        by_value = {t.numbers["parameters"][name]: t for t in sorted(some, key=lambda t: t.numbers["attempts"])}
        if len(by_value) > 1:
            swept = [by_value[value] for value in sorted(by_value)]
            keys = ("arm", "source", "accuracy", "low", "high", *COSTS)
            points = [{"value": t.numbers["parameters"][name]} | {key: t.numbers[key] for key in keys} for t in swept]
            sweeps.append({
                "split": split, "mode": mode, "algorithm": algorithm, "kind": swept[0].numbers["kind"],
                "parameter": name, "points": points, "change": _compare(swept[0], swept[-1]),
                "subject": next((subject for subject, names in SUBJECTS.items() if name in names), "others"),
            })  # fmt: skip
    order = [*SUBJECTS, "others"].index
    return sorted(sweeps, key=lambda sweep: (order(sweep["subject"]), sweep["parameter"]))


def _compare(first: Trial, second: Trial) -> dict[str, float | int] | None:
    """The paired difference on the problems that both were tried on; None where there are none."""
    difference = (second.shares - first.shares).dropna()
    if difference.empty:
        return None
    low, high = bound_difference(difference.to_numpy())
    return {"difference": float(difference.mean()), "low": low, "high": high, "problems": len(difference)}


def find_wasteful(arms: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Arms with a cheaper one of the same split and mode whose interval lies above theirs, each with the best such."""
    found = []
    for arm in arms:
        better = [one for one in arms if (one["split"], one["mode"]) == (arm["split"], arm["mode"])
                  and one["sampled_tokens"] <= arm["sampled_tokens"] and one["low"] > arm["high"]]  # fmt: skip
        if better:
            found.append((arm, max(better, key=lambda one: one["accuracy"])))
    return found
