"""What the answers of trained chain writers come to, as records that stand in the JSON beside two reports.

It reads the grades and logs that evidence.py has checked. It does not know how a report looks, nor how anything was
trained.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.evaluation.chains import BUDGETS, bin_lines, cut, pair, pass_at_k, summarise_budgets
from game24lab.evaluation.error_analysis import count_reasons, describe_lengths, describe_wrong_lines, name_endings
from game24lab.report.evidence import GRADES, Evidence, describe_runs, refuse
from game24lab.views.tables.records import plain

START, BEST, END = "start", "best", "end"  # stages: before a training, at its best check, and after it
# What a curve is called in a log, the first name that is there: ours, then TRL's.
CURVES = {
    "reward": ("reward",),
    "length": ("tokens", "completions/mean_length"),
    "unfinished": ("unfinished", "completions/clipped_ratio"),
    "zero_variance": ("equal_groups", "frac_reward_zero_std"),
    "kl": ("kl",),
    "accuracy": ("accuracy",),
    "held_out_unfinished": ("held_out_unfinished",),
}
_COMPONENT = re.compile("reward/(.+)|rewards/(.+)/mean")


def select_graded(evidence: Sequence[Evidence], *, words: bool = False) -> list[Evidence]:
    """The runs with grades of chains, each with a label of its own; with `words` those on word problems too.

    ValueError where there are none.
    """
    graded = [one for one in evidence if one.grades is not None and (words or "question" not in one.grades)]
    if not graded:
        raise refuse(evidence, f"{GRADES} of chains is needed (on word problems: report --kind lookahead)")
    names = name_starts(graded, [one.label for one in graded])
    labelled = []
    for one, name in zip(graded, names, strict=True):
        kin = [other.run.manifest.get("seed") for other, same in zip(graded, names, strict=True) if same == name]
        more = f", seed {one.run.manifest.get('seed')}" if len(set(kin)) == len(kin) else f" [{one.run.id[:4]}]"
        labelled.append(replace(one, label=name + more * (len(kin) > 1)))
    return labelled


def name_starts(graded: Sequence[Evidence], names: Sequence[str]) -> list[str]:
    """Each name with where its run started from, where runs of that name started from different policies."""
    starts = [one.run.parameters.get("policy") for one in graded]
    found = []
    for name, start in zip(names, starts, strict=True):
        differ = len({other for kin, other in zip(names, starts, strict=True) if kin == name}) > 1
        path = Path(start or "none")
        found.append(f"{name} from {path.parent.name if path.name == 'checkpoint' else path.name}" if differ else name)
    return found


def describe_graded(graded: Sequence[Evidence]) -> list[dict[str, Any]]:
    """Where everything came from, with each run's label and the number of its sessions."""
    return [run | {"label": one.label, "sessions": len(one.run.manifest["sessions"])}
            for run, one in zip(describe_runs(graded), graded, strict=True)]  # fmt: skip


def name_run(one: Evidence) -> dict[str, Any]:
    """What says of a record which run it is of."""
    return {"run": one.run.id, "label": one.label, "source": one.source()}


def summarise_graded(one: Evidence, stage: str) -> list[dict[str, Any]]:
    """A run's `summarise_budgets` at a stage, at all budgets that its rows can speak of, their own included."""
    rows = one.stage(stage)
    own = int(rows["budget"].min())
    table = summarise_budgets(rows, sorted({budget for budget in BUDGETS if budget < own} | {own}))
    return [entry | name_run(one) | {"stage": stage} for entry in plain(table)]


def summarise_passes(one: Evidence) -> list[dict[str, Any]]:
    """Unbiased pass@k at the largest budget, of each stage that holds several answers a puzzle."""
    found = []
    for stage, rows in one.grades.groupby("stage", sort=False):
        if rows.groupby("numbers")["sample"].count().min() > 1:
            head = name_run(one) | {"stage": stage, "temperature": float(rows["temperature"].iloc[0])}
            found += [head | entry for entry in plain(pass_at_k(rows))]
    return found


def analyse_answers(one: Evidence, stage: str) -> dict[str, Any]:
    """The error analysis of a stage's answers: `lengths`, `wrong_lines`, `reasons`, `buckets`, `lines`, `never_solved`,
    and how long a token is: `lines_per_token`, `characters_per_token`."""
    rows = one.stage(stage)
    budget = int(rows["budget"].min())
    binned = rows.assign(length=bin_lines(rows["lines"])).sort_values("length", kind="stable")
    ranked = rows[rows["bucket"] != ""].sort_values("bucket", key=lambda b: b.str.partition("-")[0].astype(int))
    by_bucket = summarise_budgets(ranked, [budget], by=("bucket",)) if len(ranked) else pd.DataFrame()
    solved = rows.groupby("numbers", sort=False)["solved"].any()
    return name_run(one) | {
        "stage": stage, "budget": budget,
        "lengths": plain(describe_lengths(rows)), "wrong_lines": plain(describe_wrong_lines(rows)),
        "reasons": plain(count_reasons(rows)), "buckets": plain(by_bucket),
        "lines": plain(summarise_budgets(binned, [budget], by=("length",))),
        "never_solved": solved.index[~solved].tolist(), **measure_density(rows),
    }  # fmt: skip


def measure_density(rows: pd.DataFrame) -> dict[str, float]:
    """How many lines and characters a token of some answers holds."""
    tokens = max(1, rows["tokens"].sum())
    return {f"{name}_per_token": float(rows[name].sum() / tokens) for name in ("lines", "characters")}


def list_endings(one: Evidence, stage: str) -> pd.DataFrame:
    """A stage's rows with the column `ending`, for charts."""
    rows = one.stage(stage)
    return rows.assign(ending=name_endings(rows))


def compare_stages(graded: Sequence[Evidence], first: str, second: str, budget: int) -> dict[str, Any]:
    """The paired difference of two stages by puzzle at a budget, over all runs given (each weighing the same)."""
    before, after = (gather_stage(graded, stage) for stage in (first, second))
    return pair(before, after, budget) | {"first": first, "second": second, "budget": budget, "runs": len(graded)}


def gather_stage(graded: Sequence[Evidence], stage: str) -> pd.DataFrame:
    """The answers of several runs at a stage."""
    return pd.concat([one.stage(stage) for one in graded])


def measure_stage(one: Evidence, stage: str, budget: int) -> dict[str, Any]:
    """Accuracy with its interval, tokens and the share unfinished of a stage at one budget."""
    (entry,) = plain(summarise_budgets(cut(one.stage(stage), budget), [budget]))
    return entry


def read_cost(one: Evidence) -> dict[str, Any]:
    """What a run has cost, None where it does not say: tokens trained on and sampled, CPU and wall seconds, model size.

    Tokens come from the manifest's facts, else from the log's own count. `resumed`: the seconds are those of the last
    session alone.
    """
    facts = one.run.manifest.get("facts") or {}
    sampled = facts.get("sampled_tokens", _last(one.training, "sampled_tokens"))
    learnt = _last(one.training, "num_tokens") if sampled is None else None  # else that counts what was sampled
    return {
        "run": one.run.id, "label": one.label, "source": one.source("manifest.json"),
        "parameters": int(one.grades["parameters"].max()), "training_tokens": facts.get("training_tokens", learnt),
        "sampled_tokens": sampled, "training_cpu_seconds": facts.get("training_cpu_seconds"),
        "training_seconds": facts.get("training_seconds"), "steps": _last(one.training, "step"),
        "grading_seconds": float(one.grades["seconds"].sum()), "resumed": len(one.run.manifest["sessions"]) > 1,
    }  # fmt: skip


def gather_log(graded: Sequence[Evidence]) -> pd.DataFrame:
    """The logs of several runs below each other, with `run` and `step`; columns have the names of `CURVES`, those of
    the reward's components "rewards/<name>"."""
    logs = []
    for one in (one for one in graded if one.training is not None):
        columns = {column: name for name, column in _find_curves(one.training).items()}
        extra = [column for column in ("loss", "low", "high") if column in one.training]
        logs.append(one.training[["step", *columns, *extra]].rename(columns=columns).assign(run=one.label))
    return pd.concat(logs, ignore_index=True) if logs else pd.DataFrame()


def _find_curves(training: pd.DataFrame) -> dict[str, str]:
    known = [column for column in map(str, training.columns) if training[column].notna().any()]
    found = {name: next((column for column in columns if column in known), "") for name, columns in CURVES.items()}
    parts = {f"rewards/{match[1] or match[2]}": match[0] for match in map(_COMPONENT.fullmatch, known) if match}
    return {name: column for name, column in (found | parts).items() if column}


def _last(training: pd.DataFrame | None, column: str) -> int | None:
    known = pd.Series() if training is None or column not in training else training[column].dropna()
    return None if known.empty else int(known.max())
