"""What the folders of trained chain writers hold, checked and summarised: the numbers that two reports quote.

    grades.parquet    rows of grading.py; their column `stage` says when in the training answers were given
    training.parquet  step, loss, and what else the trainer logged; optional accuracy, as in evidence.py
    data.json         optional: what was learnt from (`describe_mix` of tasks/tracesets.py, as 03_sft writes it)

It does not know how a report looks, nor how anything was trained. A file that must be there and is not, or is broken,
is an error that names it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from game24lab.evaluation.chains import BUDGETS, bin_lines, cut, pair, pass_at_k, read_grades, summarise_budgets
from game24lab.evaluation.error_analysis import count_reasons, describe_lengths, describe_wrong_lines, name_endings
from game24lab.report.evidence import add_interval, describe_runs
from game24lab.runs.run import MANIFEST, Run, find_runs, read_run
from game24lab.tasks.gsm8k.judge import COLUMNS as WORD_COLUMNS
from game24lab.tasks.numbers.judge import COLUMNS

GRADES, TRAINING, DATA = "grades.parquet", "training.parquet", "data.json"
END = "end"  # the stage of a trained model's own answers, one a puzzle
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


@dataclass(frozen=True)
class Graded:
    """One run with its graded answers."""

    run: Run
    manifest_hash: str  # as in evidence.py
    label: str  # what the run's model is called, different for each run of a report
    grades: pd.DataFrame
    training: pd.DataFrame | None = None
    data: Mapping[str, Any] | None = None

    def source(self, file: str = GRADES) -> str:
        """Where a number came from, in words."""
        return f"{self.run.name}, run {self.run.id}, {file}"

    def stage(self, name: str) -> pd.DataFrame:
        """The rows of a stage; ValueError where there are none."""
        rows = self.grades[self.grades["stage"] == name]
        if rows.empty:
            there = ", ".join(self.grades["stage"].unique())
            raise ValueError(f"{self.run.folder / GRADES}: no answers of the stage {name!r}; there are {there}")
        return rows


def read_graded(folders: Iterable[str | Path], *, words: bool = False) -> list[Graded]:
    """The runs at or below the folders that hold grades, each once, in the order they were started.

    FileNotFoundError where a folder holds no run; ValueError where a run that was named holds no grades, nothing below
    a folder does, or a file is broken. `words` takes grades of word problems too, whose columns are others; without it
    such runs are passed over.
    """
    found: dict[Path, Run] = {}
    for folder in folders:
        runs = find_runs(folder) or [read_run(folder)]
        holding = [run for run in runs if (run.folder / GRADES).exists() and (words or not _tells_words(run))]
        if not holding:
            raise ValueError(f"{folder}: no run there holds {GRADES}, graded answers; 03_sft with traces, 06_grpo and "
                             "07_dpo write it (on word problems: --kind lookahead)")  # fmt: skip
        found |= {run.folder.resolve(): run for run in holding}
    if not found:
        raise ValueError("run folders: at least one is needed")
    runs = sorted(found.values(), key=lambda run: (str(run.manifest.get("start")), run.id))
    graded = [_read(run, WORD_COLUMNS if _tells_words(run) else COLUMNS) for run in runs]
    return [replace(one, label=label) for one, label in zip(graded, _name(graded), strict=True)]


def _tells_words(run: Run) -> bool:
    return run.parameters.get("task") == "gsm8k"


def name_starts(graded: Sequence[Graded], names: Sequence[str]) -> list[str]:
    """Each name with where its run started from, where runs of that name started from different policies."""
    starts = [one.run.parameters.get("policy") for one in graded]
    found = []
    for name, start in zip(names, starts, strict=True):
        differ = len({other for kin, other in zip(names, starts, strict=True) if kin == name}) > 1
        path = Path(start or "none")
        found.append(f"{name} from {path.parent.name if path.name == 'checkpoint' else path.name}" if differ else name)
    return found


def _name(graded: Sequence[Graded]) -> list[str]:
    """A label each, no two alike: the model's name, with its start, the seed or the run's id where several share it."""
    names = name_starts(graded, [one.label for one in graded])
    labels = []
    for one, name in zip(graded, names, strict=True):
        kin = [other.run.manifest.get("seed") for other, same in zip(graded, names, strict=True) if same == name]
        more = f", seed {one.run.manifest.get('seed')}" if len(set(kin)) == len(kin) else f" [{one.run.id[:4]}]"
        labels.append(name + more * (len(kin) > 1))
    return labels


def _read(run: Run, columns: Mapping[str, str]) -> Graded:
    digest = hashlib.sha256((run.folder / MANIFEST).read_bytes()).hexdigest()[:12]
    grades = read_grades(run.folder / GRADES, columns)
    if grades.empty:
        raise ValueError(f"{run.folder / GRADES}: no answers in it yet")
    training = run.read_records("training") if (run.folder / TRAINING).exists() else None
    if training is not None:
        if "step" not in training or not pd.api.types.is_numeric_dtype(training["step"]):
            raise ValueError(f"{run.folder / TRAINING}: a column 'step' of numbers is needed")
        training = add_interval(training)
    model = next((name for name in grades["model"][::-1] if name), run.name)
    return Graded(run, digest, model, grades, training, _read_data(run.folder / DATA))


def _read_data(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: no JSON ({error})") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path}: a JSON object is accepted")
    return data


# ------------------------------------------------------------------------------------------- summaries
def describe_graded(graded: Sequence[Graded]) -> list[dict[str, Any]]:
    """Where everything came from: what the manifests say, as in evidence.py, and each run's label."""
    return [run | {"label": one.label, "sessions": len(one.run.manifest["sessions"])}
            for run, one in zip(describe_runs(graded), graded, strict=True)]  # fmt: skip


def list_budgets(rows: pd.DataFrame, budgets: Sequence[int] = BUDGETS) -> list[int]:
    """The budgets that rows can speak of, their own included."""
    own = int(rows["budget"].min())
    return sorted({budget for budget in budgets if budget < own} | {own})


def summarise_graded(one: Graded, stage: str, budgets: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """A run's `summarise_budgets` at a stage, with `run`, `label`, `source` and `stage`."""
    rows = one.stage(stage)
    table = summarise_budgets(rows, list_budgets(rows) if budgets is None else budgets)
    return [entry | {"run": one.run.id, "label": one.label, "source": one.source(), "stage": stage}
            for entry in plain(table)]  # fmt: skip


def summarise_passes(one: Graded) -> list[dict[str, Any]]:
    """Unbiased pass@k at the largest budget, of each stage that holds several answers a puzzle."""
    found = []
    for stage, rows in one.grades.groupby("stage", sort=False):
        if rows.groupby("numbers")["sample"].count().min() > 1:
            table = plain(pass_at_k(rows))
            found += [{"run": one.run.id, "label": one.label, "source": one.source(), "stage": stage,
                       "temperature": float(rows["temperature"].iloc[0])} | entry for entry in table]  # fmt: skip
    return found


def dissect(one: Graded, stage: str) -> dict[str, Any]:
    """The anatomy of a stage's answers: `lengths`, `wrong_lines`, `reasons`, `buckets`, `lines`, `never_solved`, and
    how long a token is: `lines_per_token`, `characters_per_token`."""
    rows = one.stage(stage)
    budget = int(rows["budget"].min())
    binned = rows.assign(length=bin_lines(rows["lines"])).sort_values("length", kind="stable")
    ranked = rows[rows["bucket"] != ""].sort_values("bucket", key=lambda b: b.str.partition("-")[0].astype(int))
    by_bucket = summarise_budgets(ranked, [budget], by=("bucket",)) if len(ranked) else pd.DataFrame()
    solved = rows.groupby("numbers", sort=False)["solved"].any()
    tokens = max(1, rows["tokens"].sum())
    return {
        "run": one.run.id, "label": one.label, "source": one.source(), "stage": stage, "budget": budget,
        "lengths": plain(describe_lengths(rows)), "wrong_lines": plain(describe_wrong_lines(rows)),
        "reasons": plain(count_reasons(rows)), "buckets": plain(by_bucket),
        "lines": plain(summarise_budgets(binned, [budget], by=("length",))),
        "never_solved": solved.index[~solved].tolist(), "lines_per_token": float(rows["lines"].sum() / tokens),
        "characters_per_token": float(rows["characters"].sum() / tokens),
    }  # fmt: skip


def list_endings(one: Graded, stage: str) -> pd.DataFrame:
    """A stage's rows with the column `ending`, for charts."""
    rows = one.stage(stage)
    return rows.assign(ending=name_endings(rows))


def compare_stages(graded: Sequence[Graded], first: str, second: str, budget: int) -> dict[str, Any]:
    """The paired difference of two stages by puzzle at a budget, over all runs given (each weighing the same)."""
    before, after = (pd.concat([one.stage(stage) for one in graded]) for stage in (first, second))
    return pair(before, after, budget) | {"first": first, "second": second, "budget": budget, "runs": len(graded)}


def measure_stage(one: Graded, stage: str, budget: int) -> dict[str, Any]:
    """Accuracy with its interval, tokens and the share unfinished of a stage at one budget."""
    (entry,) = plain(summarise_budgets(cut(one.stage(stage), budget), [budget]))
    return entry


def read_cost(one: Graded) -> dict[str, Any]:
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


def find_curves(training: pd.DataFrame) -> dict[str, str]:
    """Which column of a log holds which of `CURVES`, and those of the reward's components as "rewards/<name>"."""
    found = {}
    for name, columns in CURVES.items():
        column = next((c for c in columns if c in training and training[c].notna().any()), None)
        if column is not None:
            found[name] = column
    for column in map(str, training.columns):
        match = _COMPONENT.fullmatch(column)
        if match and training[column].notna().any():
            found[f"rewards/{match[1] or match[2]}"] = column
    return found


def gather_log(graded: Sequence[Graded]) -> pd.DataFrame:
    """The logs of several runs below each other, columns named as `find_curves` does, with `run` and `step`."""
    logs = []
    for one in graded:
        if one.training is not None:
            columns = {column: name for name, column in find_curves(one.training).items()}
            extra = [column for column in ("loss", "low", "high") if column in one.training]
            logs.append(one.training[["step", *columns, *extra]].rename(columns=columns).assign(run=one.label))
    return pd.concat(logs, ignore_index=True) if logs else pd.DataFrame()


def plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as mappings of Python's own values; missing numbers are None, as in JSON."""
    return [{str(key): _plain(value) for key, value in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if value is pd.NA or (isinstance(value, float) and math.isnan(value)) else value


def _last(training: pd.DataFrame | None, column: str) -> int | None:
    if training is None or column not in training or not training[column].notna().any():
        return None
    return int(training[column].max())
