"""Ablation of routers: each configuration trains one router with a model and the features it may see.

The best of those that can be stored is chosen on puzzles that the test does not hold. This module does not know how a
model is fitted, nor where features come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from game24lab.routing.arms import name_modes
from game24lab.routing.evaluation import (
    REPEATS,
    RouterEvaluation,
    evaluate_router,
    measure_chances,
    measure_costs,
    tabulate_reliability,
)
from game24lab.routing.mlp import PUBLISHED_SHAPE
from game24lab.routing.pareto import join_rows
from game24lab.routing.probe import ORACLE, group_columns
from game24lab.routing.router import CHANCE, COSTS, Router
from game24lab.routing.training import STORED, RouterConfig, train
from game24lab.search.modes import MODES

NAME = "lesson"  # the column with an ablation's name, in records too
Ablation = tuple[RouterConfig, Sequence[str] | None]  # settings, and the columns of features it may see


@dataclass(frozen=True)
class Trained:
    """A router that was trained and evaluated, and how it was chosen."""

    name: str  # of the ablation
    router: Router = field(repr=False)  # with its operating points, ready to be saved
    rows: pd.DataFrame = field(repr=False)  # as `pareto.join_rows` leaves them
    evaluation: RouterEvaluation = field(repr=False)  # along tokens
    timed: RouterEvaluation | None = field(repr=False)  # along seconds, where they are known

    @property
    def reliability(self) -> pd.DataFrame:
        """Predicted against observed chances of the test puzzles, see `evaluation.tabulate_reliability`."""
        test = self.rows[self.rows["part"] == "test"]
        return tabulate_reliability(test[f"predicted_{CHANCE}"], test[CHANCE], test["problem"])


def list_ablations(
    features: pd.DataFrame, models: Sequence[str], settings: Mapping[str, Any], *, published: bool = False
) -> dict[str, Ablation]:
    """Every model with every group of features (see `probe.group_columns`), called `<model>, <group>`.

    `settings` are those of `RouterConfig`, the model aside; `published` adds the published shape with all features.
    """
    groups = group_columns(features)
    ablations = {f"{model}, {group}": (RouterConfig(**{**settings, "model": model}), columns)
                 for model in models for group, columns in groups.items()}  # fmt: skip
    if published:
        ablations["published, all"] = RouterConfig(**{**settings, **PUBLISHED_SHAPE}), groups["all"]
    return ablations


def compare_ablations(
    table: pd.DataFrame, features: pd.DataFrame, ablations: Mapping[str, Ablation], *, repeats: int = REPEATS,
    progress: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """Train a router for each ablation and measure it, a row each.

    Columns: `lesson` (the ablation's name), `model`, `columns` (how many), `known_gain` (see
    `evaluation.average_gain`), then on test puzzles those of `evaluation.measure_chances`, `tokens_ratio`,
    `tokens_error` and `tokens_explained`, and at the operating point along tokens `cost`, `accuracy`, `gain`,
    `gain_low`, `gain_high`, `share`, `share_low`, `share_high`; `ratio` is that of `evaluation.match_best`.
    """
    measured = []
    for name, (config, columns) in (bar := tqdm(ablations.items(), disable=not progress, unit="router")):
        bar.set_description(name)
        router = train(config, table, features, columns=columns, progress=False)
        rows = join_rows(table, router.predict(features), router.charge(features))
        found, test = evaluate_router(rows, repeats=repeats), rows[rows["part"] == "test"]
        costs = measure_costs(test[f"predicted_{COSTS[0]}"], test[COSTS[0]])
        measured.append({
            NAME: name, "model": config.model, "columns": len(router.encoding.features),
            "known_gain": found.known_gain, **measure_chances(test[f"predicted_{CHANCE}"], test[CHANCE]),
            **{f"tokens_{key}": value for key, value in costs.items()},
            **{key: found.point[key] for key in ("cost", "accuracy", "gain", "gain_low", "gain_high", "share",
                                                 "share_low", "share_high")},
            "ratio": found.best["ratio"],
        })  # fmt: skip
    return pd.DataFrame(measured)


def list_choices(ablations: Mapping[str, Ablation], model: str = "", group: str = "") -> list[str]:
    """The ablations to choose a router from: of models that can be stored and that see nothing an oracle alone knows.

    `model` and `group` leave only ablations of that name; ValueError where there is none.
    """
    fair = [name for name, (config, columns) in ablations.items()
            if config.model in STORED and not any(one.startswith(ORACLE) for one in columns)]  # fmt: skip
    wanted = [name for name in fair if all(not part or part == given for part, given in
                                           zip((model, group), name.split(", "), strict=True))]  # fmt: skip
    if not wanted:
        raise ValueError(f"a router of model {model or 'any'} and features {group or 'any'} must be one of "
                         f"{'; '.join(fair) or 'none'}; boosting is compared and not stored")  # fmt: skip
    return wanted


def pick_ablation(measured: pd.DataFrame, choices: Sequence[str]) -> str:
    """Of some ablations the one with the largest gain on known puzzles; `measured` as `compare_ablations`."""
    found = measured[measured[NAME].isin(choices)]
    return str(found.loc[found["known_gain"].idxmax(), NAME])


def train_and_evaluate(
    table: pd.DataFrame, features: pd.DataFrame, ablations: Mapping[str, Ablation], name: str, *,
    facts: Mapping[str, Any] | None = None, repeats: int = REPEATS,
) -> Trained:  # fmt: skip
    """The router of one ablation, evaluated along tokens and seconds, with `facts` and its operating points."""
    config, columns = ablations[name]
    router = train(config, table, features, columns=columns, facts={"ablation": name} | dict(facts or {}))
    rows = join_rows(table, router.predict(features), router.charge(features))
    router = replace(router, facts={**router.facts, **describe_schedules(rows)})
    found = evaluate_router(rows, repeats=repeats)
    timed = evaluate_router(rows, "seconds", repeats=repeats) if found.grid.timed else None
    return Trained(name, router, rows, found, timed)


def describe_schedules(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """What a router has to keep to be used: `prices`, the operating point of the arms of each mode alone, where
    there are any; `schedules`, each `RouterEvaluation.schedule` as lists of its columns."""
    rows = name_modes(rows)
    found = {mode: evaluate_router(rows[rows["mode"] == mode], repeats=2)
             for mode in reversed(MODES) if mode in set(rows["mode"])}  # fmt: skip
    return {"prices": {mode: one.price for mode, one in found.items()},
            "schedules": {mode: one.schedule.to_dict("list") for mode, one in found.items()}}  # fmt: skip
