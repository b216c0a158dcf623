"""What searches, trainings and critics come to, as records that stand in the JSON beside a report.

It reads what evidence.py has checked. It does not know how a report looks, nor what a strategy does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import pandas as pd

from game24lab.evaluation.calibration import calibrate, measure, spread
from game24lab.evaluation.evaluate import summarise, tabulate_pass_at_k
from game24lab.report.evidence import CALIBRATION, RECORDS, TRAINING, Evidence
from game24lab.views.tables.records import plain

MISSES = ("wrong value", "illegal", "unfinished", "no answer")  # how an attempt can end unsolved
BINS = 10
CURVE = ("loss", "accuracy", "low", "high", "error", "reward")  # columns of a training's log that are kept
CURVE_ROWS = 40


def summarise_arms(evidence: Iterable[Evidence]) -> list[dict[str, Any]]:
    """One record per run, arm and mode: the columns of `evaluation.evaluate.summarise`, and `run`, `source`,
    `chosen_by`, `attempts`, the three parts of the FLOPs, and the problems that were never solved."""
    holding = [one for one in evidence if one.rows is not None]
    arms = []
    for one in holding:
        for arm in summarise_run(one, one.rows):
            arms.append(arm | {"label": arm["label"] if len(holding) == 1 else f"{arm['label']} [{one.run.id[:4]}]"})
    return arms


def summarise_run(one: Evidence, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The same of some rows of one run."""
    groups, arms = rows.groupby(["strategy", "mode"], sort=False), []
    for row in plain(summarise(rows)):
        part = groups.get_group((row["arm"], row["mode"]))
        policy, critic = (int(part[f"{who}_parameters"].iloc[0]) for who in ("policy", "critic"))
        solved = part.groupby("problem", sort=False)["solved"].any()
        chooser = "policy + critic" if part["critic_calls"].sum() else "policy"
        arms.append(row | {
            "label": row["arm"],
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
    """pass@k with intervals, where a run holds best-of-n rows that no verifier ended, of more than one sample; with the
    `exact` one beside it, and whether it is `inside`, where the run has measured it."""
    holding = [one for one in evidence if one.rows is not None
               and ((one.rows["algorithm"] == "best_of_n") & (one.rows["mode"] != "verified")).any()]  # fmt: skip
    found = []
    for one in holding:
        exact, head = _read_exact(one), {"run": one.run.id, "source": one.source(RECORDS)}
        found += [head | row | exact.get((row["arm"], row["k"]), {}) for row in plain(tabulate_pass_at_k(one.rows))]
    return found


def _read_exact(one: Evidence) -> dict[tuple[str, int], dict[str, Any]]:
    """By arm and k, the exact pass@k that a run wrote beside the sampled one."""
    table = one.read("pass_at_k.parquet", ("arm", "k"), ("exact", "inside"))
    if "exact" not in table:
        return {}
    return {(row["arm"], row["k"]): {"exact": row["exact"], "inside": row["inside"]} for row in plain(table)}


def find_ends(one: Evidence) -> dict[str, Any]:
    """Steps, first and last loss of a training; ValueError where its log has no loss."""
    log, path = one.training.sort_values("step"), one.run.folder / TRAINING
    if "loss" not in log:
        raise ValueError(f"{path}: the column 'loss' is missing; there are {', '.join(map(str, log))}")
    if (loss := log["loss"].dropna()).empty:
        raise ValueError(f"{path}: the column 'loss' holds no number")
    return {"steps": int(log["step"].max()), "first_loss": float(loss.iloc[0]), "last_loss": float(loss.iloc[-1])}


def summarise_training(evidence: Iterable[Evidence]) -> list[dict[str, Any]]:
    """The ends of the learning curves, and the curves themselves, as they are kept."""
    found = []
    for one in (one for one in evidence if one.training is not None):
        log = one.training.sort_values("step")
        last = {"run": one.run.id, "source": one.source(TRAINING)} | find_ends(one)
        held_out = log.dropna(subset=["accuracy"]) if "accuracy" in log else log[:0]
        if len(held_out):
            names = [name for name in ("step", "accuracy", "low", "high") if name in held_out]
            last["held_out"] = plain(held_out.iloc[-1][names].to_dict())
        found.append(last | {"curve": keep_curve(log)})
    return found


def keep_curve(log: pd.DataFrame) -> list[dict[str, Any]]:
    """A training's log in few rows, for the JSON: `step` and what was measured there of `CURVE`.

    All rows in which something was measured that is not measured at each logged step, as held-out accuracy; of the
    others CURVE_ROWS, evenly over the training, as they were logged, with the first and the last.
    """
    log = log.sort_values("step")[["step", *(name for name in CURVE if name in log)]]
    dense = log.notna().sum() > len(log) / 2
    rare = log.loc[:, ~dense].notna().any(axis=1).to_numpy()
    known = log.index[log.loc[:, dense].drop(columns="step").notna().any(axis=1)]
    places = [round(place * (len(known) - 1) / (CURVE_ROWS - 1)) for place in range(CURVE_ROWS)] if len(known) else []
    shown = log[rare | log.index.isin(known[sorted(set(places))])]
    return [{name: value for name, value in row.items() if value is not None} for row in plain(shown)]


def summarise_calibration(evidence: Iterable[Evidence]) -> list[dict[str, Any]]:
    """Reliability by bins of the predicted chance, values by truth, and how well the critic tells alive from dead."""
    found = []
    for one in (one for one in evidence if one.calibration is not None):
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
