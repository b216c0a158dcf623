"""Training of a router: one model for the chance of a right answer and one for each cost, each on puzzles of its part.

Parts are taken from the table's column `part`: "train" teaches, "stopping" stops, "calibration" calibrates, "test" is
not looked at. This module does not know how models are fitted, nor what is done with a router.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from game24lab.routing.features import ORACLE, TRY_COSTS, describe_arms
from game24lab.routing.fitting import RouterConfig, calibrate, fit
from game24lab.routing.parts import PARTS, check_parts, show
from game24lab.routing.predictors import Calibration
from game24lab.routing.router import CHANCE, COSTS, Encoding, Router, check_features

NEEDED = ("problem", "arm", "part", CHANCE, COSTS[0], "method", "verified")


def train(
    config: RouterConfig,
    table: pd.DataFrame,
    features: pd.DataFrame,
    *,
    columns: Sequence[str] | None = None,
    arms: Mapping[str, Mapping[str, Any]] | None = None,
    progress: bool = True,
) -> Router:
    """Learn from a tidy table (a row a problem and arm, with `part`) and features indexed by problem.

    Args:
        columns: the features it may see; None = all but what a try costs and what only an oracle knows; none at all
            makes a router that knows the arms alone.
        arms: how each arm is run, kept in the router.

    Costs that are NaN throughout are not learnt. ValueError as `check_table` and `check_features`, and where the
    training puzzles hold one class only or no cost at all.
    """
    columns = list_inputs(features) if columns is None else list(columns)
    check_features(features, columns)
    check_table(table, features)
    names = list(dict.fromkeys(table["arm"]))
    parts = {part: _arrange(table[table["part"] == part], names) for part in PARTS}
    needed = ("train", "stopping", *(("calibration",) if config.calibration != "none" else ()))
    for part in needed:
        if not len(parts[part]):
            raise ValueError(f"part {part!r}: no puzzles are in it; at least one is needed")
    _check_classes(parts["train"])
    taught = features.loc[list(dict.fromkeys(parts["train"]["problem"]))]
    encoding = _make_encoding(taught[columns], names, table, crossed=config.model == "logistic")
    inputs = {part: encoding.encode(features.loc[list(dict.fromkeys(parts[part]["problem"]))]) for part in needed}
    predictors, scales, curves = {}, {}, []
    for target in (CHANCE, *COSTS):
        if target not in table or table[target].isna().all():
            continue
        scale = 1.0 if target == CHANCE else float(parts["train"][target].mean())
        if not scale > 0:
            raise ValueError(f"{target}: every attempt of the training puzzles costs nothing; a cost above 0 is needed")
        scales |= {} if target == CHANCE else {target: scale}
        labels = {part: parts[part][target].to_numpy(float) / scale for part in needed}
        link, watched = "logit" if target == CHANCE else "log", (inputs["stopping"], labels["stopping"])
        predictors[target], curve = fit(config, link, inputs["train"], labels["train"], watched, progress=progress)
        curves.append(curve.assign(target=target))
    calibration = Calibration()
    if config.calibration != "none":
        scores = predictors[CHANCE].score(inputs["calibration"])
        calibration = calibrate(config.calibration, scores, parts["calibration"][CHANCE].to_numpy(float))
    counts = {part: int(rows["problem"].nunique()) for part, rows in parts.items() if len(rows)}
    facts = {"problems": counts, "arms": len(names), "columns": len(columns)}
    return Router(asdict(config), encoding, predictors, scales, calibration, dict(arms or {}), facts,
                  pd.concat(curves, ignore_index=True))  # fmt: skip


def list_inputs(features: pd.DataFrame) -> list[str]:
    """The features that a router may see: all numbers but what a try costs and what only an oracle knows."""
    return [name for name in features if name not in TRY_COSTS and not str(name).startswith(ORACLE)]


def check_table(table: pd.DataFrame, features: pd.DataFrame | None = None) -> None:
    """ValueError that names the problem and arm where a tidy table cannot be learnt from.

    That is: a column is missing, or all tokens are; a label lies outside 0..1; a cost is negative, or known for some
    rows only; an arm is missing for a problem or stands there twice; a puzzle stands in two parts; a problem has no
    features.
    """
    for name in NEEDED:
        if name not in table:
            raise ValueError(f"table: the column {name!r} is missing; there are {', '.join(map(str, table))}")
    if table.empty:
        raise ValueError("table: there are no rows; a row for each problem and arm is accepted")
    if table[COSTS[0]].isna().all():
        raise ValueError(f"{COSTS[0]}: not known for any row; a router that is to spare them needs them")

    def refuse(wrong: pd.Series, what: str) -> None:
        if wrong.any():
            row = table[wrong].iloc[0]
            raise ValueError(f"{show(row['problem'])}, arm {row['arm']!r}: {what.format(**row)}")

    refuse(~table[CHANCE].between(0, 1), "the label {probability} is accepted from 0 to 1 only")
    for cost in COSTS:
        if cost in table and not (missing := table[cost].isna()).all():
            refuse(missing, f"{cost} is missing, which is known for other rows; for all, or for none, is accepted")
            finite = table[cost].between(0, np.finfo(float).max)
            refuse(~finite, f"{cost} {{{cost}}}: a number of at least 0 is accepted")
    refuse(table.duplicated(["problem", "arm"]), "it stands there twice; one row a problem and arm is accepted")
    arms = list(dict.fromkeys(table["arm"]))
    counts = table.groupby("problem", sort=False)["arm"].agg(set)
    for problem, there in counts.items():
        if len(there) < len(arms):
            missing = next(arm for arm in arms if arm not in there)
            raise ValueError(f"{show(problem)}: the arm {missing!r} is missing, which other problems have; every arm "
                             "for every problem is accepted")  # fmt: skip
    twice = table.groupby("problem", sort=False)["part"].nunique(dropna=False)
    if (twice > 1).any():
        raise ValueError(f"puzzle {show(twice.idxmax())} is in several parts: a puzzle is accepted in one part only")
    check_parts(table.drop_duplicates("problem").set_index("problem")["part"])
    if features is not None:
        absent = [problem for problem in counts.index if problem not in features.index]
        if absent:
            raise ValueError(f"features: {show(absent[0])} has none; a row for every problem of the table is accepted")


def _arrange(rows: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Rows in the order of `Encoding.encode`: problems as they come, within them the arms in their order."""
    place = {problem: number for number, problem in enumerate(dict.fromkeys(rows["problem"]))}
    order = rows["problem"].map(place) * len(arms) + rows["arm"].map({arm: at for at, arm in enumerate(arms)})
    return rows.iloc[np.argsort(order.to_numpy(), kind="stable")]


def _check_classes(rows: pd.DataFrame) -> None:
    labels = rows[CHANCE]
    if labels.max() == 0 or labels.min() == 1:
        raise ValueError(f"part 'train': all {len(labels)} labels are {labels.iloc[0]:g}, one class only; arms or "
                         "puzzles are needed of which some fail and some do not")  # fmt: skip


def _make_encoding(features: pd.DataFrame, arms: Sequence[str], table: pd.DataFrame, *, crossed: bool) -> Encoding:
    values = features.to_numpy(float).reshape(len(features), -1)
    there = ~np.isnan(values)
    counts = np.maximum(there.sum(axis=0), 1)
    middle = np.where(there, values, 0.0).sum(axis=0) / counts
    scale = np.sqrt((np.where(there, values - middle, 0.0) ** 2).sum(axis=0) / counts)
    known = describe_arms(table).loc[list(arms)].to_numpy(float)
    spread = known.std(axis=0)
    known = (known - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return Encoding(tuple(features.columns), tuple(arms), middle, np.where(scale > 1e-12, scale, 1.0),
                    np.concatenate([known, np.eye(len(arms))], axis=1), crossed)  # fmt: skip
