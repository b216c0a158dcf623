"""Recipes: many arms from a few lines, what they will cost, and their completions files.

A recipe is a strategy with its parameters as YAML holds them; a grid is several, and a list in one stands for each of
its entries. This module does not know what stands in a completions file, nor what is learnt from it.
"""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from game24lab.evaluation.arms import Arm, read_arms, run_arm
from game24lab.evaluation.completions import describe_file, list_done, name_file, write_completions
from game24lab.evaluation.evaluate import evaluate, write_problem
from game24lab.runs.checks import require, suggest
from game24lab.tasks.task import Task

_KEYS = tuple(Arm.__dataclass_fields__)
_SUMS = ("sampled_tokens", "policy_calls", "critic_calls", "seconds")
_MAPPINGS = ("parameters", "budget")  # a list within them is a choice too


def expand_arms(
    grid: Mapping[str, Mapping[str, Any] | None], *, modes: Sequence[str] = ("verified",)
) -> dict[str, Arm]:
    """Arms from recipes: each entry of a list is an arm of its own, and of several lists every combination is.

    `{"beams": {"algorithm": "beam_search", "parameters": {"n": [4, 8]}}}` is `beams@n=4` and `beams@n=8`: what differs
    stands behind the @, `find_family` gives the name before it. An entry without `algorithm` is called after it, one
    without `mode` has each of `modes`. ValueError that names the entry and the key that is wrong.
    """
    if not isinstance(grid, Mapping) or not grid:
        raise ValueError(f"arms must be a mapping from names to strategies, got {grid!r}")
    arms: dict[str, Arm] = {}
    for name, entry in grid.items():
        entry = {} if entry is None else entry
        if not isinstance(entry, Mapping):
            raise ValueError(f"arm {name!r} must be a mapping with keys of {', '.join(_KEYS)}, got {entry!r}")
        if "@" in str(name):
            raise ValueError(f"arm name must not hold @, which stands before what differs within an arm, got {name!r}")
        if wrong := next((key for key in entry if key not in _KEYS), None):
            raise ValueError(f"arm {name!r} has the key {wrong!r}; it takes {', '.join(_KEYS)}{suggest(wrong, _KEYS)}")
        mode = entry.get("mode", list(modes))
        entry = {"algorithm": str(name), **{key: value for key, value in entry.items() if key != "mode"}, "mode": mode}
        for tags, chosen in _combine(name, entry):
            full = "@".join([str(name), ",".join(tags)] if tags else [str(name)])
            name_file(full, 0)  # a name that cannot be a file's is found now
            arms |= read_arms({full: chosen})
    return arms


def find_family(arm: str) -> str:
    """The name of the recipe that an arm comes from."""
    return arm.partition("@")[0]


def _combine(name: Any, entry: Mapping[str, Any]) -> list[tuple[list[str], dict[str, Any]]]:
    """Every combination of the lists in an entry, each with what tells it apart; lists of one entry tell nothing."""
    axes = []  # where, what to call it, the choices
    for key, value in entry.items():
        inner = value.items() if key in _MAPPINGS and isinstance(value, Mapping) else [(None, value)]
        axes += [(key, part, choice) for part, choice in inner if isinstance(choice, list)]
    if empty := next(((key, part) for key, part, choices in axes if not choices), None):
        raise ValueError(f"arm {name!r}: {empty[1] or empty[0]} must have at least one value, got []")
    found = []
    for values in itertools.product(*(choices for _, _, choices in axes)):
        chosen, tags = {key: dict(value) if isinstance(value, Mapping) else value for key, value in entry.items()}, []
        for (key, part, choices), value in zip(axes, values, strict=True):
            if part is None:
                chosen[key] = value
            else:
                chosen[key][part] = value
            if len(choices) > 1:
                tags.append(str(value) if key == "mode" else f"{part or key}={value}")
        found.append((tags, chosen))
    return found


def take_chunk(problems: Sequence[Any], start: int = 0, end: int = 0) -> Sequence[Any]:
    """The problems from place `start` on, up to and without `end` (0: to the last); ValueError where there are none."""
    if min(start, end) < 0 or not (chunk := problems[start : end or None]):
        raise ValueError(f"start and end must be places among {len(problems)} problems in order (end 0: the last), "
                         f"got {start} and {end}")  # fmt: skip
    return chunk


def check_arms(task: Task, problem: Any, arms: Mapping[str, Arm], policy: Any, critic: Any = None) -> None:
    """ValueError that names the arm whose parameters make no sense together; no model is called."""
    for name, arm in arms.items():
        try:
            run_arm(task, [problem], arm, policy, critic, budget={**arm.budget, "depth": 0})
        except ValueError as error:
            raise ValueError(f"arm {name!r}: {error}") from None


def estimate_cost(
    task: Task, problems: Sequence[Any], arms: Mapping[str, Arm], policy: Any, critic: Any = None, *,
    left: Mapping[str, int], trial: int = 4, seed: int = 0, progress: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """What the searches that are `left` of each arm will cost, by a trial of each on a few problems spread over all.

    Columns: `arm`, `tried` (problems), `searches` (left), and what these will sum up to: `sampled_tokens`,
    `policy_calls`, `critic_calls`, and `seconds` at the pace of the trial, whose batches are small: rather too many.
    Nothing of the trial is kept; arms without a search left are not tried. ValueError for a trial below 1.
    """
    require("trial", trial, int, 1)
    count = min(trial, len(problems))
    sample = [problems[place * len(problems) // count] for place in range(count)]
    tried = {name: arm for name, arm in arms.items() if left[name]}
    table = []
    if tried and sample:
        clock = time.perf_counter()
        rows = evaluate(task, sample, tried, policy, critic, seeds=(seed,), progress=progress)
        rows["seconds"] *= (time.perf_counter() - clock) / max(rows["seconds"].sum(), 1e-9)  # those of no model too
        means = rows.groupby("strategy")[list(_SUMS)].mean()
        table = [{"arm": name, "tried": count, "searches": left[name], **(means.loc[name] * left[name]).to_dict()}
                 for name in tried]  # fmt: skip
    return pd.DataFrame(table, columns=["arm", "tried", "searches", *_SUMS])


def describe_cost(estimate: pd.DataFrame) -> str:
    """An estimate in one line."""
    if estimate.empty:
        return "nothing is left to do"
    sums = estimate.drop(columns="arm").sum()
    hours, minutes = divmod(math.ceil(sums["seconds"] / 60), 60)
    return (f"{sums['searches']:,.0f} searches left, arms: {len(estimate)}. By {estimate['tried'].max()} problems of "
            f"each: about {sums['sampled_tokens']:,.0f} sampled tokens, {sums['policy_calls']:,.0f} calls of the "
            f"policy, {sums['critic_calls']:,.0f} of the critic, {hours} h {minutes:02} min at this pace")  # fmt: skip


class _Bar(tqdm):
    """A bar of searches whose time left knows that arms differ in what a search takes.

    At first it is what the trial foretold; the more is done, the more it is the pace so far, in which a search of each
    arm counts by the trial's seconds. Without a trial all count alike.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self.seconds: Mapping[str, float] = {}  # of a search, by arm
        self.left: dict[str, int] = {}
        self.arm, self.done = "", 0.0
        super().__init__(*arguments, **settings)

    def foretell(self, left: Mapping[str, int], seconds: Mapping[str, float]) -> None:
        """What is left of each arm, and what a search of it took in a trial."""
        self.left, self.seconds = dict(left), dict(seconds)

    def update(self, n: float | None = 1) -> bool | None:
        """Some searches of the arm are done."""
        self.done += (n or 0) * self.seconds.get(self.arm, 1.0)
        return super().update(n)

    def find_time_left(self, elapsed: float) -> float | None:
        """Seconds, None where nothing is known yet."""
        whole = sum(count * self.seconds.get(arm, 1.0) for arm, count in self.left.items())
        share = min(1.0, self.done / whole) if whole else 1.0
        if not self.seconds and not share:
            return None
        pace = elapsed / share if share else 0.0
        foretold = whole if self.seconds else pace
        return (1 - share) * (share * pace + (1 - share) * foretold)

    @property
    def format_dict(self) -> dict[str, Any]:
        """As tqdm's, with the rate at which what is left takes the time left."""
        facts = super().format_dict
        left = self.find_time_left(facts["elapsed"]) if self.left else None
        if left and self.total and self.n < self.total:
            facts["rate"] = (self.total - self.n) / left
        return facts


def run_arms(
    folder: str | Path, task: Task, problems: Sequence[Any], arms: Mapping[str, Arm], policy: Any, critic: Any = None,
    *, seeds: Sequence[int] = (0,), models: Mapping[str, str] | None = None, trial: int = 4, progress: bool = True,
    **settings: Any,
) -> list[Path]:  # fmt: skip
    """A completions file for each arm and seed, in a folder; the same call goes on where a kill has ended it.

    First all arms and all files that are there are checked. Then what is left is tried on `trial` problems (0: not) and
    the estimate is said on standard output. Then one bar shows all searches with the time left. Further settings are
    those of `evaluation.completions.write_completions`, whose errors are raised.
    """
    folder, paths, left = Path(folder), {}, dict.fromkeys(arms, 0)
    check_arms(task, problems[0], arms, policy, critic)
    texts = {write_problem(problem) for problem in problems}
    for name, arm in arms.items():
        for seed in seeds:
            paths[name, seed] = folder / name_file(name, seed)
            facts = describe_file(task, arm, policy, critic, name=name, seed=seed, models=models)
            left[name] += len(texts - list_done(paths[name, seed], facts))
    whole, seconds = len(problems) * len(paths), {}
    if trial and sum(left.values()):
        estimate = estimate_cost(task, problems, arms, policy, critic, left=left, trial=trial, seed=seeds[0],
                                 progress=progress)  # fmt: skip
        tqdm.write(describe_cost(estimate), file=sys.stdout)  # in a notebook stderr is a red box
        seconds = dict(zip(estimate["arm"], estimate["seconds"] / estimate["searches"], strict=True))
    with _Bar(total=whole, initial=whole - sum(left.values()), disable=not progress, unit="search") as bar:
        bar.foretell(left, seconds)
        for (name, seed), path in paths.items():
            bar.arm = name
            bar.set_description(f"{name}, seed {seed}")
            write_completions(path, task, problems, arms[name], policy, critic, name=name, seed=seed, models=models,
                              progress=bar, **settings)  # fmt: skip
    return list(paths.values())
