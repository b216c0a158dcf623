"""A judgement of a router: its frontier beside all rivals on test puzzles, its gains, and what models and features do.

Everything is made from rows of problem and arm with predictions, so that a report needs no model. What is chosen, such
as an operating point, is chosen on puzzles that are not judged. This module does not know how anything is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from game24lab.evaluation.statistics import bootstrap
from game24lab.routing import baselines as rivals
from game24lab.routing import paired_gain as gains
from game24lab.routing.arms import name_modes
from game24lab.routing.features import ORACLE
from game24lab.routing.pareto import (
    AXES,
    Grid,
    Way,
    find_hull,
    hold_back,
    join_rows,
    list_prices,
    measure,
    mix,
    read_grid,
    read_hull,
    sweep,
)
from game24lab.routing.quality import measure_chances, measure_costs
from game24lab.routing.router import CHANCE, COSTS
from game24lab.search.modes import FORMER, MODES, read_mode

if TYPE_CHECKING:  # it brings torch and scikit-learn, which judging does without
    from game24lab.routing.fitting import RouterConfig

KNOWN = ("calibration", "stopping")  # parts on which choices are made that the test judges
STEPS = 60  # prices of a sweep


@dataclass(frozen=True)
class Judgement:
    """What one axis of cost, "tokens" or "seconds", says of a router."""

    axis: str
    grid: Grid = field(repr=False)
    ways: Mapping[str, Way] = field(repr=False)  # by name: router, fixed arm, oracle and other rivals
    points: pd.DataFrame = field(repr=False)  # as `frontier.measure`, all ways; fixed arms with `low` and `high`
    hull: tuple[str, ...]  # the arms on the convex hull, the cheapest first
    at_costs: pd.DataFrame = field(repr=False)  # the router at the cost of each fixed arm
    at_prices: pd.DataFrame = field(repr=False)  # the router at each of its prices
    price: float  # the operating point, chosen on known puzzles
    best: Mapping[str, Any]  # what the accuracy of the best fixed arm costs
    known_gain: float  # the mean gain on known puzzles, to choose among routers by
    shares: pd.DataFrame = field(repr=False)  # the mix of arms against the price
    schedule: pd.DataFrame = field(repr=False)  # by `price`: the `arm` of all, "" where it looks; known `cost`

    @property
    def point(self) -> dict[str, Any]:
        """The row of `at_prices` at the operating point."""
        return self.at_prices[self.at_prices["step"] == self.price].iloc[0].to_dict()


def judge(
    rows: pd.DataFrame, axis: str = "tokens", *, steps: int = STEPS, repeats: int = gains.REPEATS, seed: int = 0
) -> Judgement:
    """Hold a router against its rivals; `rows` as `frontier.join_rows` leaves them, with `part`.

    ValueError where test or known puzzles are missing, for another axis, or seconds that nobody knows.
    """
    if axis not in AXES:
        raise ValueError(f"axis {axis!r}: one of {', '.join(AXES)} is accepted")
    grid, known = (_take(rows, parts) for parts in (("test",), KNOWN))
    if axis == "seconds" and not grid.timed:
        raise ValueError("axis 'seconds': the seconds of some arm are not known; 'tokens' is accepted")
    prices = list_prices(known.predicted_chance, known.expect(axis), steps)
    others = rivals.take_fixed(known)
    blind = hold_back(sweep(known, prices, axis), others, axis)
    fixed, router, told = rivals.take_fixed(grid), sweep(grid, prices, axis, blind=blind), (prices, axis, blind)
    ways = [router, fixed, rivals.take_oracle(grid, axis), rivals.mix_like(grid, *told), rivals.mix_evenly(grid),
            rivals.route_by_difficulty(known, grid, prices, axis), rivals.run_cascades(known, grid, axis)]  # fmt: skip
    learnt = sweep(known, prices, axis, blind=blind)
    place = gains.pick_step(learnt, others, axis)
    points = pd.concat([measure(way) for way in ways], ignore_index=True)
    points[["low", "high"]] = np.nan
    for arm, chance in zip(fixed.steps, fixed.chance, strict=True):
        here = (points["way"] == fixed.name) & (points["step"] == arm)
        points.loc[here, ["low", "high"]] = bootstrap(chance, repeats=repeats, seed=seed)
    settings = {"repeats": repeats, "seed": seed}
    return Judgement(
        axis, grid, {way.name: way for way in ways}, points,
        tuple(grid.arms[corner] for corner in _find_corners(fixed, axis)),
        gains.compare_at_costs(router, fixed, ways[2], axis, **settings),
        gains.compare_at_steps(router, fixed, ways[2], axis, **settings), prices[place],
        gains.match_best(router, fixed, axis, **settings),
        gains.average_gain(learnt, others, axis), mix(grid, *told), _list_schedule(known, learnt, blind, axis),
    )  # fmt: skip


def _list_schedule(known: Grid, learnt: Way, blind: Sequence[int], axis: str) -> pd.DataFrame:
    costs = learnt.cost(axis).mean(axis=1)
    return pd.DataFrame({"price": learnt.steps, "arm": ["" if arm < 0 else known.arms[arm] for arm in blind],
                         "cost": costs})  # fmt: skip


def compare_ways(judged: Judgement, cost: float) -> pd.DataFrame:
    """Every way at one mean cost, between its steps of the nearest costs: `way`, `cheapest` (its least cost),
    `accuracy`, NaN below that. Of the fixed arms it is their hull, of a way of one step that step, whatever it costs.
    """
    rows = []
    for name, points in judged.points.groupby("way", sort=False):
        x, y = points[judged.axis].to_numpy(float), points["accuracy"].to_numpy(float)
        if name == "fixed arm":
            name, height = "hull of fixed arms", float(read_hull(x[None], y[None], np.array([cost]))[0])
        else:
            order = np.argsort(x, kind="stable")
            height = float(np.interp(cost, x[order], y[order], left=np.nan)) if len(x) > 1 else float(y[0])
        rows.append({"way": name, "cheapest": float(x.min()), "accuracy": height})
    return pd.DataFrame(rows)


def _take(rows: pd.DataFrame, parts: Sequence[str]) -> Grid:
    if "part" not in rows:
        raise ValueError("rows: the column 'part' is missing; it says which puzzles are judged")
    mine = rows[rows["part"].isin(parts)]
    if mine.empty:
        raise ValueError(f"rows: no puzzles of the part {' or '.join(parts)}; at least one is needed")
    return read_grid(mine)


def _find_corners(fixed: Way, axis: str) -> list[int]:
    return [place for place in find_hull(fixed.cost(axis).mean(axis=1), fixed.chance.mean(axis=1)) if place >= 0]


def find_facts(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """What a router has to keep to be used: `prices`, the operating point of the arms of each mode alone, where
    there are any; `schedules`, of each `Judgement.schedule` as lists of its columns."""
    rows = name_modes(rows)
    kinds = {mode: rows[rows["mode"] == mode] for mode in reversed(MODES)}
    judged = {mode: judge(part, repeats=2) for mode, part in kinds.items() if len(part)}
    return {"prices": {mode: one.price for mode, one in judged.items()},
            "schedules": {mode: one.schedule.to_dict("list") for mode, one in judged.items()}}  # fmt: skip


def keep_mode(table: pd.DataFrame, mode: str) -> pd.DataFrame:
    """The arms of a tidy table in one of `search.modes.MODES`, or all of them ("both"); ValueError where there is none.

    The table has the column `mode`, also where an older one says `verified` alone.
    """
    if mode not in ("both", *MODES, *FORMER):
        raise ValueError(f"mode {mode!r}: one of both, {', '.join(MODES)} is accepted")
    mode, table = mode if mode == "both" else read_mode(mode), name_modes(table)
    kept = table if mode == "both" else table[table["mode"] == mode]
    if kept.empty:
        raise ValueError(f"mode {mode!r}: none of the {table['arm'].nunique()} arms is {mode}")
    return kept.copy()


# ---------------------------------------------------------------------------------------------- models and features
def compare_lessons(
    table: pd.DataFrame,
    features: pd.DataFrame,
    lessons: Mapping[str, tuple[RouterConfig, Sequence[str] | None]],
    *,
    repeats: int = gains.REPEATS,
    progress: bool = True,
) -> pd.DataFrame:
    """Train a router for each lesson (settings, columns it may see) and measure it, a row a lesson.

    Columns: `lesson`, `model`, `columns` (how many), `known_gain` (see `gains.average_gain`; on puzzles of `KNOWN`, to
    choose by), then on test puzzles those of `quality.measure_chances`, `tokens_ratio`, `tokens_error` and
    `tokens_explained`, and at the operating point along tokens `cost`, `accuracy`, `gain`, `gain_low`, `gain_high`,
    `share`, `share_low`, `share_high`; `ratio` is that of `gains.match_best`.
    """
    from game24lab.routing.training import train

    measured = []
    for name, (config, columns) in (bar := tqdm(lessons.items(), disable=not progress, unit="lesson")):
        bar.set_description(name)
        router = train(config, table, features, columns=columns, progress=False)
        rows = join_rows(table, router.predict(features), router.charge(features))
        judged = judge(rows, repeats=repeats)
        measured.append({
            "lesson": name, "model": config.model, "columns": len(router.encoding.features),
            "known_gain": judged.known_gain,
            **measure_chances(*_pair(rows, "test", CHANCE)),
            **{f"tokens_{key}": value for key, value in measure_costs(*_pair(rows, "test", COSTS[0])).items()},
            **{key: judged.point[key] for key in ("cost", "accuracy", "gain", "gain_low", "gain_high", "share",
                                                  "share_low", "share_high")},
            "ratio": judged.best["ratio"],
        })  # fmt: skip
    return pd.DataFrame(measured)


def _pair(rows: pd.DataFrame, part: str, column: str) -> tuple[pd.Series, pd.Series]:
    mine = rows[rows["part"] == part]
    return mine[f"predicted_{column}"], mine[column]


def list_lessons(
    config: RouterConfig, groups: Mapping[str, Sequence[str]], models: Sequence[str], *, published: bool = False
) -> dict[str, tuple[RouterConfig, Sequence[str]]]:
    """Every model with every group of features, called `<model>, <group>`; `published` adds the published shape."""
    from game24lab.routing.fitting import PUBLISHED_SHAPE

    lessons = {f"{model}, {group}": (replace(config, model=model), columns)
               for model in models for group, columns in groups.items()}  # fmt: skip
    return lessons | ({"published, all": (replace(config, **PUBLISHED_SHAPE), groups["all"])} if published else {})


def pick_lesson(
    measured: pd.DataFrame, lessons: Mapping[str, tuple[RouterConfig, Sequence[str]]], model: str = "", group: str = ""
) -> str:
    """The lesson with the largest gain on known puzzles, of those that see nothing an oracle alone knows.

    `model` and `group` leave only lessons of that name; ValueError where there is none.
    """
    fair = [name for name, (_, columns) in lessons.items() if not any(one.startswith(ORACLE) for one in columns)]
    wanted = [name for name in fair if all(not part or part == given for part, given in
                                           zip((model, group), name.split(", "), strict=True))]  # fmt: skip
    if not wanted:
        raise ValueError(f"lesson {model or 'any'}, {group or 'any'}: one of {'; '.join(fair)} is accepted")
    found = measured[measured["lesson"].isin(wanted)]
    return str(found.loc[found["known_gain"].idxmax(), "lesson"])
