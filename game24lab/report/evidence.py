"""What run folders hold, checked and summarised: the numbers that a report quotes, each with the file it came from.

It does not know how a report looks, nor what a strategy does. A file that is not there is left out; one that is there
and broken is a ValueError that names it.

    records.parquet      rows of evaluation.py; tables of another kind, without the column `strategy`, are left alone
    training.parquet     step, loss (NaN where not measured); optional accuracy (held-out, greedy; NaN where not
                         measured) with low and high, or with problems: the number of problems behind it
    calibration.parquet  value (-1 to 1), truth (whether the position is alive, by the exact solver); optional solved
                         (share of the policy's own rollouts from there that were solved: what a critic learns to tell)
    tree.json            one search tree
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from game24lab.evaluation.calibration import calibrate, measure, spread
from game24lab.evaluation.evaluate import COLUMNS, load_records, summarise, tabulate_pass_at_k
from game24lab.evaluation.statistics import wilson
from game24lab.runs.run import MANIFEST, Run, find_runs, read_run
from game24lab.search.tree import Tree

RECORDS, TRAINING, CALIBRATION, TREE = "records.parquet", "training.parquet", "calibration.parquet", "tree.json"
MODES = ("verified", "rules", "blind")  # as reports show them
MISSES = ("wrong value", "illegal", "unfinished", "no answer")  # how an attempt can end unsolved
BINS = 10


@dataclass(frozen=True)
class Evidence:
    """One run and the tables in its folder; None for those that are not there."""

    run: Run
    manifest_hash: str  # the first twelve hexadecimal digits of the SHA-256 of manifest.json
    rows: pd.DataFrame | None = None
    training: pd.DataFrame | None = None
    calibration: pd.DataFrame | None = None
    tree: Tree | None = None

    def source(self, file: str) -> str:
        """Where a number came from, in words."""
        return f"{self.run.name}, run {self.run.id}, {file}"


def read_evidence(folders: Iterable[str | Path]) -> list[Evidence]:
    """The runs at or below the folders, each once, in the order they were started.

    FileNotFoundError where a folder holds no run, ValueError where a file is broken or lacks a column.
    """
    found = list_runs(folders)
    if not found:
        raise ValueError("run folders: at least one is needed")
    return sorted(map(_read, found), key=lambda one: (str(one.run.manifest.get("start")), one.run.id))


def list_runs(folders: Iterable[str | Path]) -> list[Run]:
    """The runs at or below the folders, each once. FileNotFoundError where a folder holds none."""
    found: dict[Path, Run] = {}
    for folder in folders:
        found |= {run.folder.resolve(): run for run in find_runs(folder) or [read_run(folder)]}
    return list(found.values())


def _read(run: Run) -> Evidence:
    digest = hashlib.sha256((run.folder / MANIFEST).read_bytes()).hexdigest()[:12]
    rows = _read_table(run, RECORDS)
    if rows is not None:
        rows = _check_rows(run.folder / RECORDS) if "strategy" in rows else None
    training = _read_table(run, TRAINING)
    if training is not None:
        _check(training, run.folder / TRAINING, ("step", "loss"), optional=("low", "high"), shares=("accuracy",))
        training = add_interval(training)
    calibration = _read_table(run, CALIBRATION)
    if calibration is not None:
        _check(calibration, run.folder / CALIBRATION, ("value", "truth"), shares=("solved",))
        if not calibration["value"].between(-1, 1).all() or not calibration["truth"].isin((0, 1)).all():
            raise ValueError(f"{run.folder / CALIBRATION}: values from -1 to 1 and truths that are true or false "
                             "are accepted")  # fmt: skip
    return Evidence(run, digest, rows, training, calibration, _read_tree(run.folder / TREE))


def _read_table(run: Run, file: str) -> pd.DataFrame | None:
    if not (run.folder / file).exists():
        return None
    table = run.read_records(file.removesuffix(".parquet"))
    return None if table.empty else table


def _read_tree(path: Path) -> Tree | None:
    if not path.exists():
        return None
    try:
        return Tree.from_json(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _check_rows(path: Path) -> pd.DataFrame:
    """Rows of evaluation with the kinds that they were written with."""
    rows = load_records(path)
    for column, kind in COLUMNS.items():
        try:
            rows[column] = rows[column].astype(kind)
        except (TypeError, ValueError):
            raise ValueError(f"{path}: the column {column!r} holds what is no {kind}") from None
    for text in rows["parameters"].unique():
        _parse(text, path)
    return rows


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        parameters = json.loads(text)
    except ValueError:
        parameters = None
    if not isinstance(parameters, dict):
        raise ValueError(f"{path}: parameters {text[:80]!r}; a JSON object is accepted")
    return parameters


def _check(
    table: pd.DataFrame, path: Path, needed: Iterable[str], optional: Iterable[str] = (), shares: Iterable[str] = ()
) -> None:
    for column in needed:
        if column not in table:
            raise ValueError(f"{path}: the column {column!r} is missing; there are {', '.join(map(str, table))}")
    for column in (*needed, *optional, *shares):
        if column in table and not pd.api.types.is_numeric_dtype(table[column]):  # booleans are numbers here
            raise ValueError(f"{path}: the column {column!r} holds {table[column].dtype}; numbers are accepted")
    for share in shares:
        if share in table and not table[share].dropna().between(0, 1).all():
            raise ValueError(f"{path}: the column {share!r} goes outside of 0 to 1")


def add_interval(log: pd.DataFrame) -> pd.DataFrame:
    """Wilson's interval of the held-out accuracy, where the log says on how many problems it was measured."""
    if "low" in log or not {"accuracy", "problems"} <= set(log):
        return log
    pairs = [(math.nan, math.nan) if pd.isna(share) or pd.isna(n) else wilson(round(share * n), int(n))
             for share, n in zip(log["accuracy"], log["problems"], strict=True)]  # fmt: skip
    return log.assign(low=[low for low, _ in pairs], high=[high for _, high in pairs])


# ------------------------------------------------------------------------------------------- summaries
def summarise_arms(evidence: Iterable[Evidence]) -> list[dict[str, Any]]:
    """One mapping per run, arm and mode: the columns of `evaluation.evaluate.summarise`, and `run`, `source`,
    `chosen_by`, `attempts`, the three parts of the FLOPs, and the problems that were never solved."""
    holding = [one for one in evidence if one.rows is not None]
    arms = []
    for one in holding:
        groups = one.rows.groupby(["strategy", "mode"], sort=False)
        for row in summarise(one.rows).to_dict("records"):
            part = groups.get_group((row["arm"], row["mode"]))
            policy, critic = (int(part[f"{who}_parameters"].iloc[0]) for who in ("policy", "critic"))
            solved = part.groupby("problem", sort=False)["solved"].any()
            chooser = "policy + critic" if part["critic_calls"].sum() else "policy"
            arms.append(_plain(row) | {
                "label": row["arm"] if len(holding) == 1 else f"{row['arm']} [{one.run.id[:4]}]",
                "run": one.run.id,
                "source": one.source(RECORDS),
                "parameters": json.loads(row["parameters"]),
                "chosen_by": "verifier" if row["verifier_chose"] else chooser,
                "attempts": len(part),
                "flops_prompt": 2.0 * policy * float(part["prompt_tokens"].mean()),
                "flops_sampled": 2.0 * policy * float(part["sampled_tokens"].mean()),
                "flops_critic": 2.0 * critic * float(part["critic_tokens"].mean()),
                "never_solved": [str(problem) for problem in solved.index[~solved]],
                "found": _hash_rows(part),
            })  # fmt: skip
    return arms


def merge_equal(arms: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The arms without those that another run has measured too, with every answer and count of tokens the same.

    Greedy answers of one policy are equal wherever they are asked for. The first stands for all, its source names all;
    labels name a run only where an arm's name and mode still stand twice.
    """
    kept: dict[str, dict[str, Any]] = {}
    for arm in arms:
        key = json.dumps([arm[name] for name in ("arm", "mode", "algorithm", "parameters", "found")], sort_keys=True)
        kept[key] = kept[key] | {"source": f"{kept[key]['source']}; {arm['source']}"} if key in kept else arm
    names = [(arm["arm"], arm["mode"]) for arm in kept.values()]
    return [arm | {"label": arm["arm"]} if names.count((arm["arm"], arm["mode"])) == 1 else arm
            for arm in kept.values()]  # fmt: skip


def _hash_rows(rows: pd.DataFrame) -> str:
    """Twelve digits that are equal for equal answers to equal problems, at equal cost but for time."""
    what = rows[["problem", "seed", "solved", "answer", "sampled_tokens", "critic_tokens", "policy_parameters"]]
    text = what.sort_values(["problem", "seed"], kind="stable").to_csv(index=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def summarise_pass(evidence: Iterable[Evidence]) -> list[dict[str, Any]]:
    """pass@k with intervals, where a run holds best-of-n rows that no verifier ended, of more than one sample."""
    found = []
    for one in evidence:
        if one.rows is not None and ((one.rows["algorithm"] == "best_of_n") & (one.rows["mode"] != "verified")).any():
            table = tabulate_pass_at_k(one.rows).to_dict("records")
            found += [{"run": one.run.id, "source": one.source(RECORDS)} | _plain(row) for row in table]
    return found


def summarise_training(evidence: Iterable[Evidence]) -> list[dict[str, Any]]:
    """The ends of the learning curves."""
    found = []
    for one in evidence:
        if one.training is not None:
            log = one.training.sort_values("step")
            loss = log["loss"].dropna()
            if loss.empty:
                raise ValueError(f"{one.run.folder / TRAINING}: the column 'loss' holds no number")
            last = {"run": one.run.id, "source": one.source(TRAINING), "steps": int(log["step"].max()),
                    "first_loss": float(loss.iloc[0]), "last_loss": float(loss.iloc[-1])}  # fmt: skip
            held_out = log.dropna(subset=["accuracy"]) if "accuracy" in log else log[:0]
            if len(held_out):
                names = [name for name in ("step", "accuracy", "low", "high") if name in held_out]
                last["held_out"] = _plain(held_out.iloc[-1][names].to_dict())
            found.append(last)
    return found


def summarise_calibration(evidence: Iterable[Evidence]) -> list[dict[str, Any]]:
    """Reliability by bins of the predicted chance, values by truth, and how well the critic tells alive from dead."""
    found = []
    for one in evidence:
        if one.calibration is None:
            continue
        table = one.calibration
        against = "solved" if "solved" in table and table["solved"].notna().any() else "truth"
        reliability = calibrate(table["value"], table[against], bins=BINS).rename(columns={"n": "positions"})
        found.append({
            "run": one.run.id, "source": one.source(CALIBRATION), "positions": len(table),
            "alive": int(table["truth"].sum()), "against": against,
            "brier": float((((table["value"] + 1) / 2 - table[against]) ** 2).mean()),
            "auc": measure(table["value"], table["truth"])["auc"], "reliability": reliability.to_dict("records"),
            "values": spread(table["value"], table["truth"], bins=BINS).to_dict("records"),
        })  # fmt: skip
    return found


def describe_runs(evidence: Iterable[Any]) -> list[dict[str, Any]]:
    """Where everything came from: what the manifests say. Of whatever has a `run` and its `manifest_hash`."""
    keys = ("name", "id", "status", "seed", "start", "end", "device", "git", "packages", "parameters", "inputs", "cost",
            "facts")  # fmt: skip
    return [{key: one.run.manifest.get(key) for key in keys}
            | {"manifest_sha256": one.manifest_hash, "folder": one.run.folder.name} for one in evidence]  # fmt: skip


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Python's own numbers; NaN becomes None, which is a missing number in JSON too."""
    values = {str(key): value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}
