"""Run folders read for reports: each table that a run holds, checked, with the name of the file it came from.

    records.parquet      attempts of searches; tables of another kind, without the column `strategy`, are left alone
    grades.parquet       judged answers of chains; their column `stage` says when in a training they were given
    training.parquet     step; optional loss (NaN where not measured) and accuracy (held-out, greedy; NaN where not
                         measured) with low and high, or with problems: the number of problems behind it
    calibration.parquet  value (-1 to 1), truth (whether the position is alive, by the exact solver); optional solved
                         (share of the policy's own rollouts from there that were solved: what a critic learns to tell)
    tree.json            one search tree
    data.json            what a model was trained on, as 03_sft writes it

A file that is not there is left out; one that is there and broken is a ValueError that names it. This module does not
know what a report says, nor what a strategy does.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.evaluation.chains import read_grades
from game24lab.evaluation.evaluate import COLUMNS, load_records
from game24lab.evaluation.statistics import wilson
from game24lab.runs.provenance import hide_paths
from game24lab.runs.run import MANIFEST, Run, find_runs, read_run
from game24lab.search.tree import Tree
from game24lab.tasks.gsm8k.judge import COLUMNS as WORD_COLUMNS
from game24lab.tasks.numbers.judge import COLUMNS as CHAIN_COLUMNS

RECORDS, GRADES, TRAINING, CALIBRATION = "records.parquet", "grades.parquet", "training.parquet", "calibration.parquet"
TREE, DATA = "tree.json", "data.json"
MODES = ("verified", "rules", "blind")  # as reports show them
_HINTS = {GRADES: "; 03_sft on traces, 06_grpo and 07_dpo write it (03_sft without traces: report --kind runs)"}


@dataclass(frozen=True, eq=False)
class Evidence:
    """One run and the tables in its folder; None for those that are not there."""

    run: Run
    manifest_hash: str  # the first twelve hexadecimal digits of the SHA-256 of manifest.json
    label: str = ""  # what the run's model is called; `chain_summaries.select_graded` makes labels differ
    rows: pd.DataFrame | None = None
    grades: pd.DataFrame | None = None
    training: pd.DataFrame | None = None
    calibration: pd.DataFrame | None = None
    tree: Tree | None = None
    data: Mapping[str, Any] | None = None

    def source(self, file: str = GRADES) -> str:
        """Where a number came from, in words."""
        return f"{self.run.name}, run {self.run.id}, {file}"

    def stage(self, name: str) -> pd.DataFrame:
        """The grades of a stage; ValueError where there are none."""
        rows = self.grades[self.grades["stage"] == name]
        if rows.empty:
            there = ", ".join(self.grades["stage"].unique())
            raise ValueError(f"{self.run.folder / GRADES}: no answers of the stage {name!r}; there are {there}")
        return rows

    def read(
        self, file: str, needed: Sequence[str], optional: Sequence[str] = (), former: Mapping[str, str] | None = None
    ) -> pd.DataFrame:
        """Another table of the run, with these columns alone; empty where there is none. `former`: names of columns in
        older files, and what they are called now."""
        if (table := read_table(self.run, file)) is None:
            return pd.DataFrame()
        table = table.rename(columns=former or {})
        check_columns(table, self.run.folder / file, needed)
        return table[[*needed, *(column for column in optional if column in table)]]


def read_evidence(folders: Iterable[str | Path], needed: str = "") -> list[Evidence]:
    """The runs at or below the folders, each once, in the order they were started.

    FileNotFoundError where a folder holds no run; ValueError where a file is broken or lacks a column, and where no run
    at or below one of the folders holds the file that is `needed`.
    """
    found: dict[Path, Run] = {}
    for folder in folders:
        runs = find_runs(folder) or [read_run(folder)]
        if needed and not any((run.folder / needed).exists() for run in runs):
            states = ", ".join(f"{run.name} is {run.status}" for run in runs)
            raise ValueError(f"{folder}: a run with {needed} is needed, got none ({states}){_HINTS.get(needed, '')}")
        found |= {run.folder.resolve(): run for run in runs}
    if not found:
        raise ValueError("run folders: at least one is needed, got none")
    return [_read(run) for run in sorted(found.values(), key=lambda run: (str(run.manifest.get("start")), run.id))]


def describe_runs(evidence: Iterable[Evidence]) -> list[dict[str, Any]]:
    """Where everything came from: what the manifests say, without the places of somebody's disk."""
    keys = ("name", "id", "status", "seed", "start", "end", "device", "git", "packages", "parameters", "inputs", "cost",
            "facts")  # fmt: skip
    return [hide_paths({key: one.run.manifest.get(key) for key in keys})
            | {"manifest_sha256": one.manifest_hash, "folder": one.run.folder.name} for one in evidence]  # fmt: skip


def refuse(evidence: Iterable[Evidence], needed: str) -> ValueError:
    """The error of runs that a report says nothing about."""
    names = ", ".join(f"{one.run.folder} ({one.run.name})" for one in evidence)
    return ValueError(f"nothing to report in {names}: {needed}")


# ------------------------------------------------------------------------------------------- files
def _read(run: Run) -> Evidence:
    digest = hashlib.sha256((run.folder / MANIFEST).read_bytes()).hexdigest()[:12]
    one = Evidence(run, digest, rows=_read_rows(run), grades=_read_grades(run), training=_read_training(run),
                   calibration=_read_calibration(run), tree=_read_tree(run), data=_read_data(run))  # fmt: skip
    if one.grades is None:
        return one
    return replace(one, label=next((name for name in one.grades["model"][::-1] if name), run.name))


def read_table(run: Run, file: str) -> pd.DataFrame | None:
    """A table of the run; None where it is not there, or empty."""
    if not (run.folder / file).exists():
        return None
    table = run.read_records(file.removesuffix(".parquet"))
    return None if table.empty else table


def _read_rows(run: Run) -> pd.DataFrame | None:
    table, path = read_table(run, RECORDS), run.folder / RECORDS
    if table is None or "strategy" not in table:
        return None
    rows = load_records(path)
    for column, kind in COLUMNS.items():
        try:
            rows[column] = rows[column].astype(kind)
        except (TypeError, ValueError):
            raise ValueError(f"{path}: the column {column!r} must hold {kind}, got {rows[column].dtype}") from None
    for text in rows["parameters"].unique():
        _parse(text, f"{path}: parameters")
    return rows


def _read_grades(run: Run) -> pd.DataFrame | None:
    table = read_table(run, GRADES)
    return None if table is None else \
        read_grades(run.folder / GRADES, WORD_COLUMNS if "question" in table else CHAIN_COLUMNS)  # fmt: skip


def _read_training(run: Run) -> pd.DataFrame | None:
    table = read_table(run, TRAINING)
    if table is not None:
        check_columns(table, run.folder / TRAINING, ("step",), ("step", "loss", "low", "high"), shares=("accuracy",))
    return None if table is None else add_interval(table)


def _read_calibration(run: Run) -> pd.DataFrame | None:
    table, path = read_table(run, CALIBRATION), run.folder / CALIBRATION
    if table is not None:
        check_columns(table, path, ("value", "truth"), ("value", "truth"), shares=("solved",))
        if not table["value"].between(-1, 1).all() or not table["truth"].isin((0, 1)).all():
            raise ValueError(f"{path}: value must be from -1 to 1 and truth true or false, got "
                             f"{table['value'].min():g} to {table['value'].max():g}")  # fmt: skip
    return table


def _read_tree(run: Run) -> Tree | None:
    path = run.folder / TREE
    try:
        return Tree.from_json(path.read_text(encoding="utf-8-sig")) if path.exists() else None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read_data(run: Run) -> dict[str, Any] | None:
    path = run.folder / DATA
    return _parse(path.read_text(encoding="utf-8", errors="replace"), str(path)) if path.exists() else None


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{where} must be a JSON object, got {text[:80]!r}")
    return found


def check_columns(
    table: pd.DataFrame, path: Path, needed: Iterable[str], numbers: Iterable[str] = (), shares: Iterable[str] = ()
) -> None:
    """ValueError unless a table has the columns that are `needed`, and `numbers` and `shares` hold such where there."""
    for column in needed:
        if column not in table:
            raise ValueError(f"{path}: the column {column!r} is missing; there are {', '.join(map(str, table))}")
    for column in (*numbers, *shares):
        if column in table and not pd.api.types.is_numeric_dtype(table[column]):  # booleans are numbers here
            raise ValueError(f"{path}: the column {column!r} must hold numbers, got {table[column].dtype}")
    for share in shares:
        if share in table and not table[share].dropna().between(0, 1).all():
            raise ValueError(f"{path}: the column {share!r} must be from 0 to 1, got {table[share].min():g} to "
                             f"{table[share].max():g}")  # fmt: skip


def add_interval(log: pd.DataFrame) -> pd.DataFrame:
    """Wilson's interval of the held-out accuracy, where the log says on how many problems it was measured."""
    if "low" in log or not {"accuracy", "problems"} <= set(log):
        return log
    pairs = [(math.nan, math.nan) if pd.isna(share) or pd.isna(n) else wilson(round(share * n), int(n))
             for share, n in zip(log["accuracy"], log["problems"], strict=True)]  # fmt: skip
    return log.assign(low=[low for low, _ in pairs], high=[high for _, high in pairs])
