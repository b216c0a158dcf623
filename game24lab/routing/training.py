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

from game24lab.routing.features import ORACLE, TRY_COSTS, VERDICT, describe_arms
from game24lab.routing.fitting import RouterConfig, calibrate, fit
from game24lab.routing.predictors import Calibration
from game24lab.routing.router import CHANCE, COSTS, Encoding, Router, check_features
from game24lab.routing.splits import PARTS, show
from game24lab.routing.table import check_table, list_arms

NEEDED = ("problem", "arm", "part", CHANCE, COSTS[0], "method", "verified")


def train(
    config: RouterConfig,
    table: pd.DataFrame,
    features: pd.DataFrame,
    *,
    columns: Sequence[str] | None = None,
    facts: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Router:
    """Learn from a tidy table (a row a problem and arm, with `part`) and features indexed by problem.

    Args:
        columns: the features it may see; None = all but what a try costs and what only an oracle knows; none at all
            makes a router that knows the arms alone.
        facts: what else is to be kept in the router, such as where the features come from.

    Costs that are NaN throughout are not learnt. ValueError as `check_lesson` and `check_features`, and where the
    training puzzles hold one class only or no cost at all.
    """
    columns = list_inputs(features) if columns is None else list(columns)
    check_features(features, columns)
    check_lesson(table, features)
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
    facts = {"problems": counts} | dict(facts or {})
    runs = list_arms(table) if "parameters" in table else {}
    return Router(asdict(config), encoding, predictors, scales, calibration, runs, facts,
                  pd.concat(curves, ignore_index=True))  # fmt: skip


def list_inputs(features: pd.DataFrame) -> list[str]:
    """The features that a router may see: all numbers but what a try costs and what only an oracle knows."""
    return [name for name in features if name not in TRY_COSTS and not str(name).startswith((ORACLE, VERDICT))]


def check_lesson(table: pd.DataFrame, features: pd.DataFrame) -> None:
    """ValueError, beside those of `table.check_table`, for a table without parts, methods or tokens, and for a problem
    without features."""
    for name in NEEDED:
        if name not in table:
            raise ValueError(f"table: the column {name!r} is missing; there are {', '.join(map(str, table))}")
    check_table(table)
    if table[COSTS[0]].isna().all():
        raise ValueError(f"table: {COSTS[0]} are not known for any row; a router that is to spare them needs them")
    absent = [problem for problem in dict.fromkeys(table["problem"]) if problem not in features.index]
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
